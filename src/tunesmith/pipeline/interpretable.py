"""The model that can be read beside the strongest one, and what it costs in score."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.errors import TunesmithError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Part, Problem, Result, Rows
from tunesmith.core.runfolder import replace_folder
from tunesmith.core.space import from_dict
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.evaluate.thresholds import tune
from tunesmith.learners import learners
from tunesmith.learners._folded import Folded, open_model
from tunesmith.metrics import get
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import After
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import INTERPRETABLE_SHARE, READABLE, card_seconds, rank

FOLDER = "interpretable"


def with_interpretable(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    answers: Prediction,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The facts of a summary with a single scorecard beside the model that answers, where one was
    tried: its score on the test rows, and by how much it is worse there, with a paired interval. It
    is saved in the run folder, as a model of its own.

    Args:
        answers: Of the model, for the test rows.
    """
    tried = [result for result in rank(problem, results) if result.trial.learner == READABLE]
    if not tried or not Path(tried[0].folder).is_dir():
        return dict(facts)
    needed, spare = card_seconds(problem, tried[0]), run.clock.left() - run.reserve_seconds()
    limit = min(spare, INTERPRETABLE_SHARE * run.clock.limit_seconds)
    if limit < needed:
        why = f"no scorecard beside the model: it takes about {needed:.1f} s of {limit:.1f} s left"
        run.note(why)
        return {**facts, "reasons": {**facts["reasons"], "interpretable": why}}
    run.stage("fitting a scorecard", needed)
    new = run.folder.path / f".{FOLDER}.new"
    member = run.folder.path / f".{FOLDER}.member"
    for place in (new, member):
        shutil.rmtree(place, ignore_errors=True)
    try:
        found = _fitted(problem, tried[0], Clock(limit, run.clock.now))
        after = After(weights=_decision(problem, tried[0], Clock(limit, run.clock.now)))
        mine = problem.priced("test", after.apply(found.predict(problem.part("test"))))
        told = _price(problem, mine, answers)
        member.mkdir()
        found.save(member)
        members = (Member(READABLE, "", member, 1.0, tried[0].trial.number),)
        own = {**facts, "interpretable": told, "model_is": "a scorecard, to be read"}
        artifact.save(new, problem, members, {"test": told}, own, after)
        replace_folder(new, run.folder.path / FOLDER)
    except TunesmithError as error:
        run.note(f"no scorecard beside the model: {error}")
        return dict(facts)
    finally:
        for place in (new, member):
            shutil.rmtree(place, ignore_errors=True)
    run.note(told["message"])
    return {**facts, "interpretable": told}


def _fitted(problem: Problem, result: Result, clock: Clock) -> Any:
    """One card, of all rows that do not test, with what selection settled."""
    opened = open_model(READABLE, Path(result.folder))
    models = opened.models if isinstance(opened, Folded) else (opened,)
    strength = float(np.median([model.settled()["strength"] for model in models]))
    rows: Rows = np.union1d(problem.parts["train"], problem.parts["valid"])
    parts: dict[Part, Rows] = {**problem.parts, "train": rows, "valid": rows}
    whole = replace(problem, parts=parts, folds=())
    learner = learners[READABLE]
    config = from_dict(learner.config, {**result.trial.config, "strength": strength})
    return learner.fit(whole, config, problem.seed, Watch(clock, lambda score, progress: True))


def _decision(problem: Problem, result: Result, clock: Clock) -> tuple[float, ...] | None:
    """The threshold of the card, tuned as that of the model is."""
    if not isinstance(result.prediction, ClassScores):
        return None
    metric, truth = get(problem.metric), problem.truth("valid")
    seen = problem.priced("valid", result.prediction)
    assert isinstance(seen, ClassScores)
    return tune(
        problem.metric,
        metric,
        truth,
        seen,
        seed=problem.seed,
        clock=clock,
        row_weights=problem.weight("valid"),
    ).weights


def _price(problem: Problem, mine: Prediction, answers: Prediction) -> dict[str, Any]:
    truth = problem.truth("test")
    metric = get(problem.metric)
    counted = problem.weight("test")
    own = score(problem.metric, truth, mine, seed=problem.seed, resamples=300, weights=counted)
    other = metric.score(truth, answers, counted)
    gain, low, high = paired_gain(
        metric,
        truth,
        mine,
        answers,
        seed=problem.seed,
        resamples=1000,
        level=0.95,
        weights=counted,
    )
    message = (
        f"price of interpretability: a scorecard has {problem.metric} {own.value:.4f} against "
        f"{other:.4f}, {gain:+.4f} [{low:+.4f}, {high:+.4f}] on {len(truth):,} test rows"
    )
    return {
        "learner": READABLE,
        "folder": FOLDER,
        "score": own.value,
        "interval": [own.low, own.high],
        "against": other,
        "gain": gain,
        "low": low,
        "high": high,
        "rows": len(truth),
        "message": message,
    }
