"""Another model of a run than the best one: quicker, or smaller."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.costs import Costs
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.runfolder import RunFolder, read_json, recover_folder, replace_folder
from tunesmith.metrics import is_known
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import NOTHING, After, learn
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.distilling import FOLDER
from tunesmith.pipeline.recorded import answers_of
from tunesmith.pipeline.validation import Validation
from tunesmith.report.board import DISTILLED, board_of

Row = Mapping[str, Any]
OF_OWN_METRIC = "log_loss"
"""What calibration is chosen by where the metric was a function of the user's, which no run folder
holds; no threshold is tuned for it."""


def pick(folder: Path, *, max_latency_ms: float, max_size_mb: float) -> Path:
    """The artifact of a run that validates best among those that answer a row, in a batch, within
    the milliseconds and have at most the megabytes: the run's final model where it does, else a
    single trial, saved under `picked/`, or the model that was distilled from them.

    Raises:
        DataError: It is no run folder, or has not come to its end.
        ConfigError: None is so quick or so small; says how far they go.
    """
    if not (max_latency_ms > 0 and max_size_mb > 0):
        raise ConfigError("Limits of latency and size are positive numbers.")
    run = RunFolder.open(folder)
    best, summary = recover_folder(run.best), folder / "summary.json"
    if not best.is_dir() or not summary.is_file():
        raise DataError(f"{folder} has no final model yet. Go on: tunesmith resume {folder}")
    facts = read_json(summary)
    board: Sequence[Row] = facts["leaderboard"]
    final = _of_final(best, board)
    if final["predict_ms_per_row"] <= max_latency_ms and final["size_mb"] <= max_size_mb:
        return best
    kept = [row for row in board_of(facts) if _is_here(run, row)]
    for row in kept:
        if row["predict_ms_per_row"] <= max_latency_ms and row["size_mb"] <= max_size_mb:
            return _saved(run, best, row) if row["trial"] else folder / FOLDER
    if not kept:
        raise DataError(
            f"The models of the trials of {folder} are gone; only the final one is left."
        )
    quickest = min(row["predict_ms_per_row"] for row in kept)
    smallest = min(row["size_mb"] for row in kept)
    raise ConfigError(
        f"No model of {folder} answers a row within {max_latency_ms:g} ms and has at most "
        f"{max_size_mb:g} MB. The quickest takes {quickest:.3g} ms, the smallest has "
        f"{smallest:.3g} MB; see the leaderboard."
    )


def _is_here(run: RunFolder, row: Row) -> bool:
    """Whether a line of a leaderboard has a model that is still there."""
    if row["status"] == DISTILLED:
        return (run.path / FOLDER).is_dir()
    return bool(row["rank"]) and (run.trial(row["trial"]) / "model").is_dir()


def _of_final(best: Path, board: Sequence[Row]) -> dict[str, float]:
    """What the final model costs: its members one after the other, all of its files."""
    members = [member["trial"] for member in read_json(best / "predictor.json")["members"]]
    size = sum(file.stat().st_size for file in best.rglob("*") if file.is_file())
    took = sum(row["predict_ms_per_row"] for row in board if row["trial"] in members)
    return {"predict_ms_per_row": took, "size_mb": size / 1e6}


def _saved(run: RunFolder, best: Path, row: Row) -> Path:
    place = run.path / "picked" / f"{row['trial']:04d}"
    new = place.with_name(f".{place.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    model = run.trial(row["trial"]) / "model"
    member = Member(row["learner"], row["backbone"], model, 1.0, row["trial"])
    spec = read_json(best / "predictor.json")
    before, after = spec["facts"], _after(run, spec, row)
    scores = {name: row[name] for name in ("score", "low", "high")}
    facts = {
        **before,
        "score": row["score"],
        "interval": [row["low"], row["high"]],
        "score_is": "validation: this model was picked among the trials of a run",
        "score_without_leaks": None,
        "after": {},
        "model_is": f"trial {row['trial']} alone",
        "best": {**before["best"], "trial": row["trial"], "learner": row["learner"], "members": 1},
    }
    artifact.save_like(new, best, [member], {"validation": scores}, facts, after)
    replace_folder(new, place)
    return place


def _after(run: RunFolder, spec: Mapping[str, Any], row: Row) -> After:
    """Calibration, threshold and what sets are made from, learned by what this very model answered
    for the valid rows; nothing for a run that kept too little."""
    metric = spec["metric"] if is_known(spec["metric"]) else OF_OWN_METRIC
    costs, classes = Costs.restore(spec.get("costs")), tuple(spec["classes"])
    validation = Validation.read(run.path, metric=metric, classes=classes, costs=costs)
    place = run.trial(row["trial"])
    try:
        answers = answers_of(place, classes, several=spec.get("label_form") is not None)
    except (KeyError, ValueError) as error:
        raise DataError(f"The answers of {place} cannot be read: {error}.") from error
    return NOTHING if validation is None or answers is None else learn(validation, answers)
