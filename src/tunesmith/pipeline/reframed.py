"""The problem of a run that has ended, framed again from its data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.records import Problem
from tunesmith.core.runfolder import read_json
from tunesmith.pipeline.fit import fingerprint, framed
from tunesmith.pipeline.request import Request, refuse_network


def reframed(folder: Path, request: Request, source: Any, *, call: str, purpose: str) -> Problem:
    """The problem of a run, from its own data or from `source`. Where it was selected by a metric
    of the user's, the usual one stands in for it. `call` and `purpose` are words for the errors.

    Raises:
        ConfigError: The data was an object in memory.
        DataError: The data is not as it was.
    """
    source = request.source or None if source is None else source
    if source is None:
        raise ConfigError(
            f"{folder} was fitted from an object in memory, which is gone. Give the data again: "
            f"{call}(source=...), or --data FILE."
        )
    refuse_network(source, request.offline)
    asked = replace(request, metric=None, own_metric=False) if request.own_metric else request
    problem = framed(lambda stage: None, source, asked, None)
    if read_json(folder / "problem.json").get("fingerprint") != fingerprint(problem):
        raise DataError(
            f"The data does not hold what {folder} was fitted to: {purpose} would not compare with "
            "the run's. Bring the old data back, or name it with --data (source=)."
        )
    return problem
