"""`tunesmith export`: the final model of a run as code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.options import Json
from tunesmith.cli.tables import interval, number, show_json


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    code: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where train.py is written: a new folder.")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Where the data lies now, if it has moved.")
    ] = None,
    check: Annotated[
        bool | None,
        typer.Option(
            "--check/--no-check",
            help="Run train.py and compare its score. [where that takes less than 2 min]",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Write the model of a run as a script that fits it again without tunesmith. Exit status 1
    where the script's score is not the run's."""
    from tunesmith.pipeline.export import export_code

    facts = export_code(Path(run), Path(code), source=data, check=check)
    if as_json:
        show_json({**facts, "folder": code})
    else:
        print("\n".join([*told(facts), f"written to {code}"]))
    return 1 if facts["agrees"] is False else 0


def told(facts: Mapping[str, Any]) -> list[str]:
    """What was written and how it compares, a line each."""
    models = ", ".join(f"{m['learner']} (trial {m['trial']})" for m in facts["models"])
    lines = [f"model: {models}"]
    if facts["left_out"]:
        lines.append(f"NOT the run's whole model, but its best single one that is code: {models}")
        lines += [f"  left out {m['learner']}: {m['reason']}" for m in facts["left_out"]]
    lines += [f"note: {note}" for note in facts["notes"]]
    winner, script, metric = facts["winner"], facts["script"], facts["metric"]
    if winner:
        where = interval(winner["low"], winner["high"])
        lines.append(f"run:      {metric} {number(winner['score'])} {where}")
    if script is None:
        lines.append(
            f"train.py: not run (about {facts['forecast_seconds']:.0f} s; --check runs it)"
        )
    elif "failed" in script:
        lines.append(f"train.py: FAILED: {script['failed']}")
    else:
        lines.append(f"train.py: {metric} {number(script['score'])} in {script['seconds']:.0f} s")
        if facts["agrees"] is False:
            lines.append("DIFFERS: the script's score lies outside the interval of the run's")
        elif facts["agrees"]:
            lines.append("the same within noise")
    return lines
