"""`tunesmith watch` and `tunesmith runs`: look at runs from another terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.fit import fit_lines
from tunesmith.cli.options import Json, names
from tunesmith.cli.progress import progress
from tunesmith.cli.tables import Table, duration, number, show, show_json

POLL_SECONDS = 0.5


def watch(
    folder: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    track: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Send the events on: mlflow, tensorboard."),
    ] = None,
) -> None:
    """Follow a run that is going on, or read one that has ended."""
    from tunesmith.core.events import follow
    from tunesmith.core.runfolder import RunFolder, read_json
    from tunesmith.report.history import history
    from tunesmith.report.tracking import trackers

    place = RunFolder.open(Path(folder))
    sent = trackers(names(track) or (), place.path)
    with progress(quiet=False) as listeners:
        heard = (*listeners, *sent)
        events = follow(
            place.journal, lambda: not place.is_held(), wait=lambda: time.sleep(POLL_SECONDS)
        )
        for event in events:
            for listener in heard:
                listener(event)
    found = history(Path(folder))
    if found.state == "cut short":
        print(f"This run was cut short. Go on with: tunesmith resume {folder}")
    else:
        summary = place.path / "summary.json"
        if summary.is_file():
            print("\n".join(fit_lines(read_json(summary))))
        print(f"This run has come to its end. See: tunesmith leaderboard {folder}")


def runs(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to look.")] = ".",
    as_json: Json = False,
) -> None:
    """List the runs in a folder and below it, the latest first."""
    from tunesmith.report.history import runs as found_in

    found = found_in(Path(folder))
    rows = []
    for one in found:
        best = one.best()
        rows.append(
            {
                "run": str(one.folder),
                "state": one.state,
                "target": str(one.facts.get("target", "")),
                "metric": one.metric,
                "best": None if best is None else best.score,
                "final": one.final,
                "trials": len(one.courses),
                "seconds": round(one.seconds, 1),
            }
        )
    if as_json:
        show_json({"runs": rows})
        return
    if not rows:
        print(f"There is no run in {folder}.")
        return
    heads = ("run", "state", "target", "metric", "best", "final", "trials", "time")
    cells = tuple(
        (
            str(row["run"]),
            str(row["state"]),
            str(row["target"]),
            str(row["metric"]),
            number(row["best"]),  # type: ignore[arg-type]
            number(row["final"]),  # type: ignore[arg-type]
            str(row["trials"]),
            duration(row["seconds"]),  # type: ignore[arg-type]
        )
        for row in rows
    )
    show(Table("", heads, cells, frozenset(("best", "final", "trials", "time"))))
