"""`tunesmith leaderboard`: what a run tried."""

from __future__ import annotations

from tunesmith.cli import tables
from tunesmith.cli.options import Json, Run


def leaderboard(run: Run, as_json: Json = False) -> None:
    """List the trials of a run, best first."""
    from tunesmith import api

    predictor = api.load(run)
    metric = predictor.summary["metric"]
    rows = predictor.leaderboard()
    if as_json:
        tables.show_json({"metric": metric, "leaderboard": rows})
    else:
        tables.show(tables.leaderboard(rows, metric))
