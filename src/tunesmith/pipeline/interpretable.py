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
from tunesmith.core.errors import ConfigError, TunesmithError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Part, Problem, Result, Rows
from tunesmith.core.runfolder import recover_folder, replace_folder
from tunesmith.core.space import from_dict
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.evaluate.thresholds import tune
from tunesmith.learners import learners
from tunesmith.learners._additive import Additive
from tunesmith.learners._folded import open_model, settled
from tunesmith.learners.scorecard import Scorecard
from tunesmith.metrics import get
from tunesmith.pipeline import artifact
from tunesmith.pipeline.after import After
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.fairly import fairness_facts
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import INTERPRETABLE_SHARE, card_seconds, rank

FOLDER = "interpretable"
NAMED = {"scorecard": "a scorecard", "ebm": "an explainable boosting machine"}


def learner_of(wanted: object) -> str:
    """The learner of the model that is to be read; empty for none.

    Raises:
        ConfigError: There is no such model.
    """
    if wanted is True:
        return "scorecard"
    if wanted is False:
        return ""
    if wanted not in NAMED:
        raise ConfigError(
            f"A model to be read is {' or '.join(map(repr, NAMED))}, True or False; not {wanted!r}."
        )
    return str(wanted)


def open_readable(run: Path, place: Path) -> tuple[Scorecard | Additive, Path]:
    """The model of a run that can be read, and the folder of its artifact: the one beside the model
    that answers, else a part of that, which lies in `place`.

    Raises:
        ConfigError: There is none.
    """
    beside = recover_folder(run / FOLDER)
    folder = beside if beside.is_dir() else place
    for fitted, _ in artifact.load(folder).members:
        if isinstance(fitted, Scorecard | Additive):
            return fitted, folder
    raise ConfigError(
        f"{run} holds no scorecard or other model that can be read. A scorecard is fitted for two "
        "classes told from numbers, categories and dates; an explainable boosting machine where it "
        'is asked for: interpretable="ebm" (--interpretable ebm).'
    )


def with_interpretable(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    answers: Prediction,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The facts of a summary with a single model that can be read, where one was tried: its score
    on the test rows, by how much it is worse there than the model that answers, with a paired
    interval, and its fairness. It is saved in the run folder, as a model of its own.

    Args:
        answers: Of the model that answers, for the test rows.
        facts: Of that model, as in the summary.
    """
    tried = [one for one in rank(problem, results) if one.trial.learner == run.interpretable]
    if not tried or not Path(tried[0].folder).is_dir():
        return dict(facts)
    best, name = tried[0], run.interpretable
    needed, spare = card_seconds(problem, best), run.clock.left() - run.reserve_seconds()
    limit = min(spare, INTERPRETABLE_SHARE * run.clock.limit_seconds)
    if limit < needed:
        why = f"no {name} beside the model: it takes about {needed:.1f} s of {limit:.1f} s left"
        run.note(why)
        return {**facts, "reasons": {**facts["reasons"], "interpretable": why}}
    run.stage(f"fitting {NAMED[name]}", needed)
    new = run.folder.path / f".{FOLDER}.new"
    member = run.folder.path / f".{FOLDER}.member"
    for place in (new, member):
        shutil.rmtree(place, ignore_errors=True)
    try:
        clock = Clock(limit, run.clock.now)
        found = _fitted(problem, best, clock)
        after = After(weights=_decision(problem, best, clock))
        mine = problem.priced("test", after.apply(found.predict(problem.part("test"))))
        told = _price(problem, name, mine, answers)
        told |= fairness_facts(run, problem, mine, of=NAMED[name])
        member.mkdir()
        found.save(member)
        members = (Member(name, "", member, 1.0, best.trial.number),)
        own = {**facts, "interpretable": told, "model_is": f"{NAMED[name]}, to be read"}
        profile = artifact.profile_in(run.folder.best)
        artifact.save(new, problem, members, {"test": told}, own, after, lambda model: profile)
        replace_folder(new, run.folder.path / FOLDER)
    except TunesmithError as error:
        run.note(f"no {name} beside the model: {error}")
        return dict(facts)
    finally:
        for place in (new, member):
            shutil.rmtree(place, ignore_errors=True)
    run.note(told["message"])
    return {**facts, "interpretable": told}


def _fitted(problem: Problem, result: Result, clock: Clock) -> Any:
    """One model, of all rows that do not test, with what selection settled."""
    name = result.trial.learner
    found = settled(open_model(name, Path(result.folder)))
    rows: Rows = np.union1d(problem.parts["train"], problem.parts["valid"])
    parts: dict[Part, Rows] = {**problem.parts, "train": rows, "valid": rows}
    whole = replace(problem, parts=parts, folds=())
    learner = learners[name]
    config = from_dict(learner.config, {**result.trial.config, **found})
    return learner.fit(whole, config, problem.seed, Watch(clock, lambda score, progress: True))


def _decision(problem: Problem, result: Result, clock: Clock) -> tuple[float, ...] | None:
    """The threshold of the model, tuned as that of the model is."""
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


def _price(problem: Problem, name: str, mine: Prediction, answers: Prediction) -> dict[str, Any]:
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
        f"price of interpretability: {NAMED[name]} has {problem.metric} {own.value:.4f} against "
        f"{other:.4f}, {gain:+.4f} [{low:+.4f}, {high:+.4f}] on {len(truth):,} test rows"
    )
    return {
        "learner": name,
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
