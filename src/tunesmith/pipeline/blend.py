"""Blending: which models answer together, how good that is on rows kept apart, and the same models
fitted to all rows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.predictions import ClassScores, Labels, Prediction, mix
from tunesmith.core.records import Problem, Result, Rows, Score
from tunesmith.core.space import from_dict
from tunesmith.ensemble.greedy import select
from tunesmith.evaluate.scores import confusion, score
from tunesmith.evaluate.selection import Tie, against_best
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_again, open_model, settled
from tunesmith.learners._with_embeddings import checkpoints
from tunesmith.metrics import get
from tunesmith.pipeline import architectures
from tunesmith.pipeline.artifact import Member
from tunesmith.pipeline.folds import crossed, fold_count
from tunesmith.pipeline.results import kind_of
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import (
    MOST_AGAIN,
    candidates,
    rank,
    refit_seconds,
    refits_beside,
    saved_again_seconds,
    signed,
)

CHECKED_ROWS = 256
WORSE_THAN = 0.02
LEFT_OUT = 10
"""Of all rows, one in so many is left out by each of several models of a member."""
MOST_COMPARED = 8
"""Models that are held against the best."""
MOST_COUNTED_CLASSES = 200


@dataclass(frozen=True)
class Blend:
    """The members with their weights, best result first, and why these."""

    results: tuple[Result, ...]
    weights: tuple[float, ...]
    reason: str
    prediction: Prediction

    def members(self) -> tuple[Member, ...]:
        return tuple(
            member_of(result, weight, Path(result.folder))
            for result, weight in zip(self.results, self.weights, strict=True)
        )


def simplest(problem: Problem, ranked: Sequence[Result]) -> tuple[int, str]:
    """Of the models that cannot be told from the best, and are behind it by no more than one
    standard error, the place of the smallest; and that in words. Of classes that goes for the log
    loss as well: where few rows tell, it tells more than a metric of right and wrong answers."""
    ties = ties_of(problem, ranked)
    level = [0, *(tie.place for tie in ties if tie.is_tied and tie.within_error)]
    if problem.classes and problem.metric != "log_loss":
        likely = {0, *(t.place for t in ties_of(problem, ranked, "log_loss") if t.within_error)}
        level = [place for place in level if place in likely]
    place = min(level, key=lambda i: (ranked[i].size_bytes, i))
    if problem.is_few:
        place = min(level, key=lambda i: _as_planned(ranked[i]))
    tied = 1 + sum(tie.is_tied for tie in ties)
    if tied == 1:
        return 0, ""
    said = f"; {tied} models are tied with the best"
    if not place:
        return 0, said
    trial, gap = ranked[place].trial, next(tie for tie in ties if tie.place == place)
    return place, (
        f"{said}, of which trial {trial.number} ({trial.learner}) is "
        f"{'the likeliest beforehand' if problem.is_few else 'the smallest'}: it is behind by "
        f"{gap.behind:.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    )


def _as_planned(result: Result) -> tuple[bool, int]:
    """Orders models that few examples cannot tell apart by what is known of them beforehand: those
    on a checkpoint first, in the order in which the scout chose them."""
    return not checkpoints(result.trial.config), result.trial.number


def ties_of(problem: Problem, ranked: Sequence[Result], metric: str = "") -> list[Tie]:
    """The others against the first, on the valid rows, by the problem's metric or another."""
    return against_best(
        get(metric or problem.metric),
        problem.truth("valid"),
        [result.prediction for result in ranked if result.prediction is not None],
        seed=problem.seed,
        weights=problem.weight("valid"),
    )


def member_of(result: Result, weight: float, folder: Path) -> Member:
    learner, backbone = kind_of(result)
    return Member(learner, backbone, folder, weight, result.trial.number)


def blend(problem: Problem, results: Sequence[Result]) -> Blend:
    """Choose who answers, by the predictions of the valid rows."""
    ranked = [r for r in candidates(problem, results) if r.prediction is not None]
    predictions = [r.prediction for r in ranked if r.prediction is not None]
    truth = problem.truth("valid")
    weights, reason = select(
        get(problem.metric),
        truth,
        predictions,
        seed=problem.seed,
        row_weights=problem.weight("valid"),
    )
    chosen = [i for i, weight in enumerate(weights) if weight > 0]
    if chosen == [0] and len(ranked) > 1:
        place, told = simplest(problem, ranked[:MOST_COMPARED])
        chosen, reason = [place], f"{reason}{told}"
        weights = tuple(float(i == place) for i in range(len(ranked)))
    kept = [weights[i] for i in chosen]
    return Blend(
        tuple(ranked[i] for i in chosen),
        tuple(kept),
        reason,
        mix([predictions[i] for i in chosen], kept),
    )


@dataclass(frozen=True)
class Proof:
    """What the blend is worth on rows that selected nothing: by every metric, and by the problem's
    own without the rows whose inputs also stand in train; how often each label (row) got each
    answer (column), where there are not too many; what was done to answers `after` their mean, and
    what became of that."""

    scores: Mapping[str, Score]
    without_leaks: Score | None
    confusion: list[list[int]] | None
    after: Mapping[str, Any] = field(default_factory=dict)


def prove(problem: Problem, answers: Prediction, names: Sequence[str], clock: Clock) -> Proof:
    """Score predictions of the test part, sharing what time is left among the scores."""
    truth, rows, weights = problem.truth("test"), problem.parts["test"], problem.weight("test")
    found = {}
    for number, name in enumerate(names):
        share = Clock(clock.left() / (len(names) - number + 1), clock.now)
        found[name] = score(name, truth, answers, seed=problem.seed, clock=share, weights=weights)
    counts = None
    if isinstance(answers, ClassScores) and len(problem.classes) <= MOST_COUNTED_CLASSES:
        counts = confusion(truth, answers).tolist()
    clean = np.flatnonzero(~np.isin(rows, problem.leaked))
    if len(clean) in (0, len(rows)):
        return Proof(found, None, counts)
    apart = score(
        problem.metric,
        truth[clean],
        answers.take(clean),
        seed=problem.seed,
        weights=None if weights is None else weights[clean],
    )
    return Proof(found, apart, counts)


def answer_test(problem: Problem, chosen: Blend) -> Prediction:
    """The blend's answers for the test part, each member opened from where it was saved."""
    data = problem.part("test")
    parts = [open_model(r.trial.learner, Path(r.folder)).predict(data) for r in chosen.results]
    return problem.priced("test", mix(parts, list(chosen.weights)))


def refit(
    run: Run, problem: Problem, chosen: Blend, kept_seconds: float = 0.0
) -> tuple[tuple[Member, ...], int]:
    """The members fitted to all rows with what selection settled, those for which there is time
    beside what is kept for later; the others as they are. Also how many were. Where a model of each
    fold was scored there are several of a member, as far as there is time, each without another
    tenth of the rows: their mean hangs less on a seed or a row than one that has learned all."""
    members, count = list(chosen.members()), 0
    waiting = sorted(_refittable(run, problem, chosen), key=lambda i: -members[i].weight)
    while waiting:
        spare = run.clock.left() - run.reserve_seconds() - kept_seconds - saved_again_seconds(run)
        models = models_each(problem, [chosen.results[i] for i in waiting], spare)[0]
        place = waiting.pop(0)
        if not models:
            continue
        result = chosen.results[place]
        folder = run.folder.trial(result.trial.number) / "refit"
        try:
            refitted = _refit_one(
                run, problem, result, folder, learned_again(problem, models), spare
            )
        except KeyboardInterrupt:
            run.note("interrupted: the models that were scored are kept as they are")
            break
        if refitted:
            members[place] = replace(members[place], folder=folder)
            count += 1
    return tuple(members), count


def _refittable(run: Run, problem: Problem, chosen: Blend) -> list[int]:
    """The places of the members that are fitted by themselves, and not to all rows already."""
    found = []
    for place, result in enumerate(chosen.results):
        learner, number = learners[result.trial.learner], result.trial.number
        if not learner.is_proposed:
            run.note(f"trial {number} stays as it was scored: it is made of other trials")
        elif not (problem.is_few and learner.fits_few):
            found.append(place)
    return found


def models_each(problem: Problem, results: Sequence[Result], left_seconds: float) -> list[int]:
    """How many models of each member there is time for, the first ones first: one of each, or as
    many as are fitted at a time, then more."""
    most = 1 if problem.is_few else min(MOST_AGAIN, max(1, len(problem.folds)))
    counts = [0] * len(results)
    for lap in range(most):
        for place, result in enumerate(results):
            beside, seconds = refits_beside(problem, result), refit_seconds(problem, result)
            if counts[place] == lap * beside < most and seconds <= left_seconds:
                counts[place] += min(beside, most - counts[place])
                left_seconds -= seconds
    return counts


def learned_again(problem: Problem, models: int) -> list[Rows]:
    """What so many models of a member learn from: all rows, or each all but another tenth. Where
    there are too few groups for tenths it stays at one model."""
    if problem.is_few:
        return [problem.parts["train"]]
    if models == 1:
        return [problem.rows]
    tenths = crossed(problem, count=LEFT_OUT, rows=problem.rows)
    if fold_count(tenths) < LEFT_OUT:
        return [problem.rows]
    return [rows for rows, _ in tenths.folds[:models]]


def _refit_one(
    run: Run,
    problem: Problem,
    result: Result,
    folder: Path,
    rows: Sequence[Rows],
    spare: float,
) -> bool:
    learner, trial = learners[result.trial.learner], result.trial
    limit = spare if run.clock.has_deadline() else Clock().limit_seconds
    watch = Watch(Clock(limit, run.clock.now), lambda value, progress: True, run.offline)
    began = time.monotonic()
    try:
        before = open_model(trial.learner, Path(result.folder))
        config = from_dict(learner.config, {**trial.config, **settled(before)})
        beside = refits_beside(problem, result)
        fitted = fit_again(learner, problem, config, rows, trial.seed, watch, beside=beside)
        if _is_worse(problem, fitted, result):
            run.note(f"trial {trial.number} fitted to all rows was worse; it stays as it was")
            return False
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed here
        folder.mkdir(parents=True)
        fitted.save(folder)
        architectures.write(folder, fitted, architectures.measured_of(result))
    except Exception as error:  # the model that was scored is at hand, whatever went wrong
        why = f"{type(error).__name__}: {error}"
        run.note(f"trial {trial.number} could not be fitted to all rows: {why}")
        return False
    models = f", by {len(rows)} models without a tenth each," if len(rows) > 1 else ""
    run.note(f"trial {trial.number} fitted to all rows{models} in {time.monotonic() - began:.1f} s")
    return True


def _is_worse(problem: Problem, fitted: Fitted, result: Result) -> bool:
    """Whether a model that has now learned the valid rows answers them worse than before: then
    something went wrong. That it answers them better proves nothing."""
    rows = np.arange(min(CHECKED_ROWS, len(problem.parts["valid"])))
    data, truth = problem.part("valid").take(rows), problem.truth("valid")[rows]
    metric, weights = get(problem.metric), problem.weight("valid")
    weights = None if weights is None else weights[rows]
    assert result.prediction is not None
    old = metric.score(truth, result.prediction.take(rows), weights)
    answers = problem.priced("valid", fitted.predict(data))
    if isinstance(answers, Labels) and isinstance(result.prediction, Labels):
        answers = replace(answers, thresholds=result.prediction.thresholds)
    new = metric.score(truth, answers, weights)
    sign = 1.0 if metric.higher_is_better else -1.0
    return sign * (new - old) < -WORSE_THAN * max(abs(old), 1e-12)


def winner_reason(problem: Problem, chosen: Blend, results: Sequence[Result]) -> str:
    """Why these models answer: the first against the next best of another kind."""
    first = chosen.results[0]
    others = [r for r in rank(problem, results) if r.trial.learner != first.trial.learner]
    assert first.score is not None
    if problem.is_unproven:
        return (
            f"trial {first.trial.number} ({first.trial.learner}): there is nothing to choose by, "
            "and it is what does best elsewhere"
        )
    told = (
        f"trial {first.trial.number} ({first.trial.learner}) scored {first.score} in "
        f"{problem.metric} on {first.score.rows:,} validation rows"
    )
    if others and others[0].score is not None:
        gap = signed(problem, first) - signed(problem, others[0])
        told += f", {gap:+.4f} over the best {others[0].trial.learner} ({others[0].score})"
    return f"{told}; {chosen.reason}"
