"""Rows whose label is probably wrong: found in what the models of a fit answered for rows that they
had not seen, and what leaving them out would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import DataError, TunesmithError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Finding, Problem, Result, Rows
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.space import default, from_dict
from tunesmith.data.folds import COUNT
from tunesmith.evaluate.scores import paired_gain
from tunesmith.evaluate.suspects import Suspects, joint, suspects
from tunesmith.evaluate.weighted import Weights
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole
from tunesmith.metrics import get
from tunesmith.pipeline.blend import Blend
from tunesmith.pipeline.folds import crossed, fold_count
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import QUICK, cross_fit_seconds, suspect_seconds

if TYPE_CHECKING:
    import pandas as pd

FILE = "suspects.json"
SHARE, SPARE_SHARE = 0.05, 0.4
"""Of the budget, and of what is left of it, that looking for suspects may take."""
MOST_ANSWERS = 200_000
"""Rows times classes up to which all rows are answered by models that have not seen them, where
there is no deadline to say whether that is quick."""
LISTED, FEWEST_LISTED, MOST_LISTED = 0.1, 20, 2_000
"""Share of the rows that are listed, and bounds of their number."""
NAMED = 3


def suspect_facts(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    chosen: Blend,
    facts: Mapping[str, Any],
    *,
    interrupted: bool,
) -> dict[str, Any]:
    """What the summary tells of suspects, and its findings with one on them where rows look
    mislabelled; nothing of a fit that was interrupted, or of several labels a row. Whatever goes
    wrong, the model is saved."""
    if interrupted or problem.several:
        return {}
    try:
        told, finding = look_for_suspects(run, problem, results, chosen)
    except KeyboardInterrupt:
        run.note("interrupted: no rows are suspected; the model is saved")
        return {}
    except Exception as error:  # the model is saved, whatever went wrong
        run.note(f"no rows could be suspected: {type(error).__name__}: {error}")
        return {}
    if finding is None:
        return {"suspects": told}
    plain = {"check": finding.check, "message": finding.message, "count": finding.count}
    run.journal.write("finding", **plain, rows=[*finding.rows])
    return {"suspects": told, "findings": [*facts["findings"], plain]}


def look_for_suspects(
    run: Run, problem: Problem, results: Sequence[Result], chosen: Blend
) -> tuple[dict[str, Any], Finding | None]:
    """The facts for the summary, and a finding where rows look mislabelled. Writes `suspects.json`
    into the run folder."""
    kept = suspect_seconds(run, problem, results)
    run.stage("looking for suspect labels", kept)
    clock = _clock(run, kept)
    config = _config(problem, results)
    every, answers, by = _answers(run, problem, results, chosen, config, clock)
    truth = problem.encode(problem.data.values(problem.target)[every])
    weights = None if problem.weights is None else problem.weights[every]
    found = suspects(truth, answers, weights)
    change, why = None, ""
    if found.count:
        why = _too_slow(problem, results, clock, 2)
        change = None if why else _change(run, problem, config, every, found, clock)
    told = {
        "rows_looked_at": len(every),
        "answers": by,
        "flagged": found.count,
        "share": _share(truth, answers, weights),
        "left_out": change,
        "left_out_reason": why,
    }
    listed = _listed(problem, every, truth, answers, found)
    write_json(run.folder.path / FILE, {**told, "rows": listed})
    return told, _finding(listed, told) if found.count else None


def read_suspects(folder: Path) -> pd.DataFrame:
    """The list that a fit left in its run folder, most suspect first.

    Raises:
        DataError: There is none.
    """
    import pandas as pd

    file = folder / FILE
    if not file.is_file():
        raise DataError(
            f"{folder} holds no {FILE}: give the run folder of a fit that has come to its end."
        )
    return pd.DataFrame(read_json(file)["rows"])


def _clock(run: Run, kept: float) -> Clock:
    """What was kept for it, and more where there is."""
    if not run.clock.has_deadline():
        return Clock(now=run.clock.now)
    spare = run.clock.left() - run.reserve_seconds()
    most = min(SHARE * run.clock.limit_seconds, SPARE_SHARE * spare)
    return Clock(max(0.0, most, min(spare, kept)), run.clock.now)


def _config(problem: Problem, results: Sequence[Result]) -> Any:
    """That of the best trial of the quick learner, or its default."""
    kind = learners[QUICK].config
    done = [r for r in results if r.trial.learner == QUICK and r.status == "done" and r.score]
    if not done:
        return default(kind, {})
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    best = max(done, key=lambda r: sign * r.score.value if r.score else 0.0)
    return from_dict(kind, best.trial.config)


def _answers(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    chosen: Blend,
    config: Any,
    clock: Clock,
) -> tuple[Rows, Prediction, str]:
    """The rows that can be looked at, what was answered for them unseen, and by whom."""
    rows = problem.parts["valid"]
    if problem.folds:
        return rows, chosen.prediction, "the final model, out of fold"
    why = _too_slow(problem, results, clock, 1)
    if why:
        return rows, chosen.prediction, f"the final model, for the validation rows alone: {why}"
    whole = _once(crossed(problem, count=COUNT))
    unseen = _cross_fitted(run, whole, config, clock)
    if unseen is None:
        return rows, chosen.prediction, "the final model, for the validation rows alone"
    every = whole.parts["valid"]
    array = unseen.array().copy()
    array[np.searchsorted(every, rows)] = chosen.prediction.array()
    told = f"the final model for the validation rows, the learner {QUICK!r} out of fold for others"
    return every, unseen.with_array(array), told


def _too_slow(problem: Problem, results: Sequence[Result], clock: Clock, times: int) -> str:
    """Why the quick learner cannot be fitted to all folds so often; empty where it can."""
    if why := learners[QUICK].suits(problem):  # such as of pictures: it would answer at random
        return f"{QUICK}, which would look at the others, cannot: {why}"
    if not clock.has_deadline():
        rows = len(problem.parts["train"]) + len(problem.parts["valid"])
        cells = rows * max(1, len(problem.classes))
        many = f"of {cells:,} rows times classes that takes long, and there is no deadline"
        return "" if cells <= MOST_ANSWERS else many
    each = cross_fit_seconds(problem, results)
    if each is None:
        return f"{QUICK}, which would look at the others, was not tried"
    if times * each < clock.left():
        return ""
    return f"fitting {QUICK} to all folds takes {times * each:.1f} s, {clock.left():.1f} s are left"


def _once(problem: Problem) -> Problem:
    """The folds of the first draw alone."""
    return replace(problem, folds=problem.folds[: fold_count(problem)])


def _cross_fitted(run: Run, problem: Problem, config: Any, clock: Clock) -> Prediction | None:
    """What the quick learner answers out of fold; None where it cannot, or not in time."""
    watch = Watch(clock, lambda score, progress: True, run.offline)
    try:
        found = fit_whole(learners[QUICK], problem, config, run.seed, watch)[1]
    except TunesmithError:
        return None
    return None if found is None else problem.priced("valid", found)


def _change(
    run: Run, problem: Problem, config: Any, every: Rows, found: Suspects, clock: Clock
) -> dict[str, Any] | None:
    """What leaving the flagged rows out of training gains the quick learner, scored on all rows as
    they are labelled; None where there is no time."""
    whole = _once(problem if problem.folds else crossed(problem, count=COUNT, rows=every))
    wrong = every[found.flagged]
    kept = tuple((np.setdiff1d(train, wrong), valid) for train, valid in whole.folds)
    least = min(len(np.unique(problem.data.values(problem.target)[rows])) for rows, _ in kept)
    if problem.classes and least < 2:
        return None
    half = Clock(clock.left() / 2, clock.now) if clock.has_deadline() else clock
    before = _cross_fitted(run, whole, config, half)
    if before is None:
        return None
    after = _cross_fitted(run, replace(whole, folds=kept), config, clock)
    if after is None:
        return None
    metric, truth = get(problem.metric), whole.truth("valid")
    weights = whole.weight("valid")
    gain, low, high = paired_gain(
        metric, truth, after, before, seed=run.seed, level=0.95, weights=weights
    )
    return {
        "learner": QUICK,
        "metric": problem.metric,
        "with": metric.score(truth, before, weights),
        "without": metric.score(truth, after, weights),
        "gain": gain,
        "low": low,
        "high": high,
    }


def _share(truth: NDArray[Any], answers: Prediction, weights: Weights) -> float | None:
    """The share of rows that confident learning counts to another class than their label."""
    if not isinstance(answers, ClassScores):
        return None
    return float(1 - np.trace(joint(truth, answers.probabilities, weights)))


def _listed(
    problem: Problem, every: Rows, truth: NDArray[Any], answers: Prediction, found: Suspects
) -> list[dict[str, Any]]:
    """The most suspect rows, by line."""
    count = int(np.clip(LISTED * len(every), FEWEST_LISTED, MOST_LISTED))
    count = min(len(every), max(count, min(found.count, MOST_LISTED)))
    rows: list[dict[str, Any]] = []
    for rank, place in enumerate(found.order[:count].tolist(), start=1):
        told: dict[str, Any] = {"rank": rank, "line": int(problem.data.lines[every[place]])}
        if isinstance(answers, ClassScores):
            code, likelier = int(truth[place]), int(found.likelier[place])
            shares = answers.probabilities[place]
            told |= {
                "given": problem.classes[code],
                "likelier": problem.classes[likelier],
                "given_probability": float(shares[code]),
                "likelier_probability": float(shares[likelier]),
            }
        else:
            value, answer = float(truth[place]), float(found.likelier[place])
            told |= {"given": value, "likelier": answer, "residual": value - answer}
        rows.append({**told, "flagged": bool(found.flagged[place])})
    return rows


def _finding(listed: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> Finding:
    flagged = [row for row in listed if row["flagged"]]
    count, many = told["flagged"], told["rows_looked_at"]
    text = f"{count:,} of {many:,} rows look{'s' * (count == 1)} mislabelled, such as "
    text += "; ".join(map(_said, flagged[:NAMED]))
    change = told["left_out"]
    if change:
        text += (
            f". Leaving them out of training changes the {change['metric']} of {change['learner']} "
            f"on all rows from {change['with']:.4f} to {change['without']:.4f} (gain "
            f"{change['gain']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}])"
        )
    lines = tuple(int(row["line"]) for row in flagged[:20])
    return Finding("suspects", f"{text}. {FILE} lists them.", count, lines)


def _said(row: Mapping[str, Any]) -> str:
    if "residual" in row:
        return f"line {row['line']}: {row['given']:.6g}, where {row['likelier']:.6g} was answered"
    return (
        f"line {row['line']}: {row['given']!r} looks like {row['likelier']!r} "
        f"({row['likelier_probability']:.2f})"
    )
