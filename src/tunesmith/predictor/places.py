"""Where the model and the facts of a fit lie, in a run folder or a saved model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.runfolder import recover_folder
from tunesmith.learners.scorecard import Scorecard
from tunesmith.pipeline.interpretable import open_readable


def place_of(folder: Path) -> Path:
    """The folder of the artifact itself.

    Raises:
        DataError: There is none.
    """
    place = recover_folder(folder / "best")
    for path in (place, folder):
        if os.path.isfile(path / "manifest.json"):
            return path
    if os.path.isdir(place):
        return place  # loading says what it lacks
    if not os.path.exists(folder):
        raise DataError(f"There is no run folder or saved model {folder}.")
    raise DataError(
        f"{folder} holds no model: neither best/ nor manifest.json is in it. Give the "
        "folder that `tunesmith fit` printed."
    )


def read_facts(file: Path) -> dict[str, Any]:
    """The facts of a fit.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} cannot be read: {error}. Take the run again from where it was saved, or give "
            f"the model alone: {file.parent / 'best'}."
        ) from error
    if not isinstance(facts, dict):
        raise DataError(f"{file} does not hold the facts of a fit.")
    return facts


def scorecard_of(folder: Path) -> tuple[Scorecard, Path]:
    """The one scorecard at hand, and the folder of its model.

    Raises:
        ConfigError: There is none.
    """
    found, place = open_readable(folder, place_of(folder))
    if isinstance(found, Scorecard):
        return found, place
    raise ConfigError(
        f"{folder} holds no scorecard but another model that can be read: see `terms`."
    )
