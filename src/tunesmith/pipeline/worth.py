"""How a student stands among the trials of its run, and whether it is worth keeping beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result
from tunesmith.evaluate.scores import score
from tunesmith.metrics import get
from tunesmith.pipeline.labelling import compared

RESAMPLES = 300


def standing(
    problem: Problem,
    judged: Problem,
    results: Sequence[Result],
    answers: Prediction,
    *,
    seconds: float,
    size_bytes: int,
) -> dict[str, Any]:
    """A student's score on the validation rows, and by number the trials that are at least as good
    on the same rows, as quick and as small (`beaten_by`), those of which it is all that itself
    (`beats`), and those that score lower (`above`).

    Args:
        judged: The problem whose validation rows ended the student's training; of folds some of
            those that the trials answered.
        answers: Of the student, for these rows.
        seconds: It takes to answer one.
    """
    truth, weights = judged.truth("valid"), judged.weight("valid")
    own = compared(judged, judged.priced("valid", answers))
    found = score(
        *(judged.metric, truth, own), seed=judged.seed, resamples=RESAMPLES, weights=weights
    )
    metric, rows = get(judged.metric), list(problem.parts["valid"])
    sign = 1.0 if metric.higher_is_better else -1.0
    at = {row: place for place, row in enumerate(rows)}
    places = np.array([at[row] for row in judged.parts["valid"]])
    mine = (sign * found.value, -seconds, -float(size_bytes))
    told: dict[str, list[int]] = {"beaten_by": [], "beats": [], "above": []}
    for one in results:
        if one.score is None or one.prediction is None:
            continue
        theirs = (
            sign * metric.score(truth, one.prediction.take(places), weights),
            -one.predict_seconds,
            -float(one.size_bytes),
        )
        number = one.trial.number
        if all(b >= a for a, b in zip(mine, theirs, strict=True)):
            told["beaten_by"].append(number)
        elif all(a >= b for a, b in zip(mine, theirs, strict=True)):
            told["beats"].append(number)
        if theirs[0] < mine[0]:
            told["above"].append(number)
    return {
        **told,
        "score": found.value,
        "interval": [found.low, found.high],
        "rows": len(truth),
        "all_rows": len(truth) == len(rows),
        "ms_per_row": 1000 * seconds,
    }


def verdict(among: Mapping[str, Any]) -> str:
    """What that says of a student."""
    better = ", ".join(map(str, among["beaten_by"][:3]))
    if better:
        trials = "trials" if len(among["beaten_by"]) > 1 else "trial"
        be = "are" if len(among["beaten_by"]) > 1 else "is"
        return f"{trials} {better} {be} as good on the validation rows, as quick and as small"
    return "no trial is as good on the validation rows, as quick and as small"
