"""What more time, and more labelled rows, would buy: told at the end of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.events import read_journal
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result
from tunesmith.core.runfolder import read_json
from tunesmith.core.seeds import derive
from tunesmith.core.space import from_dict
from tunesmith.evaluate.prospects import Outlook, Prospect, of_rows, of_search
from tunesmith.evaluate.scores import resampled
from tunesmith.learners import learners
from tunesmith.learners._per_label import fit_labels
from tunesmith.metrics import get
from tunesmith.modalities.inputs import Inputs
from tunesmith.pipeline.labelling import compared
from tunesmith.pipeline.parts import nested, with_train
from tunesmith.pipeline.results import Results, again_seconds, kind_of
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.searching import PATIENCE_TRIALS
from tunesmith.pipeline.standing import rank, rank_key
from tunesmith.report.history import courses
from tunesmith.zoo.backbones import backbone, known_rows

FACTORS = (2.0, 5.0)
SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Of the training rows that a cheap model is fitted to again; to all of them it was."""
FEWEST_ROWS, ROWS_A_CLASS = 25, 3
"""A model of fewer says little about one of all."""
SPARE_SHARE = 0.5
"""Of the time left once the best model is saved, what these fits may take."""
LEAST_SECONDS = 0.2
"""What the scores and their extrapolation take beside the fits."""
MOST_GROWTH = 2.5
"""By what a fit to twice the rows takes longer, at most."""
CONSTANT = "majority"
"""What answers without learning is no draw of a search, and gains nothing by rows."""


def prospects(
    run: Run, problem: Problem, results: Sequence[Result], *, interrupted: bool
) -> dict[str, Any]:
    """What to expect of 2 and 5 times the budget, and of as many times the labelled rows, as facts
    for the summary; written to the journal too. All are scores of validation rows, by which models
    were chosen. Without a deadline none of it hangs on the clock."""
    found = {
        "score": _value(rank(problem, results)[0]),
        "score_is": "validation: the best model alone",
        "budget": _of_budget(run, problem, results, interrupted),
        "rows": _of_rows(run, problem, results, interrupted),
    }
    run.journal.write("prospects", metric=problem.metric, **found)
    return found


def _told(outlook: Outlook, **about: Any) -> dict[str, Any]:
    expected = [vars(one) for one in outlook.prospects]
    return {**about, "expected": expected, "level": outlook.level, "reason": outlook.reason}


def _of_budget(
    run: Run, problem: Problem, results: Sequence[Result], interrupted: bool
) -> dict[str, Any]:
    """From the scores of the trials, and when each had ended. What was spent is the whole budget,
    or where the fit was interrupted, what it had spent by then."""
    timed = run.clock.has_deadline()
    ends, spent = _seconds(run) if timed else _counted(results)
    if timed and not interrupted:
        spent = run.clock.limit_seconds
    untried = _untried(run, results)
    if untried:
        outlook = Outlook((), f"cannot be told: {' and '.join(untried)} could not be tried yet")
    elif not interrupted and _has_ended(run, problem, results):
        best = _value(rank(problem, results)[0])
        same = tuple(Prospect(factor, best, best, best) for factor in FACTORS)
        outlook = Outlook(same, "the search ended by itself, with nothing left to try")
    else:
        outlook = _searched(run, problem, results, ends, spent)
    return _told(outlook, of="seconds" if timed else "trials", spent=round(spent, 3))


def _searched(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    ends: Mapping[int, float],
    spent: float,
) -> Outlook:
    known = [r for r in results if r.score is not None and r.trial.number in ends]
    models = [r for r in known if r.trial.learner != CONSTANT]
    so_far, most = max(ends.values()), _most_growth(run, problem, results)
    outlook = of_search(
        get(problem.metric),
        [_value(result) for result in models],
        [ends[result.trial.number] for result in models],
        factors=[min(most, 1 + (factor - 1) * spent / so_far) for factor in FACTORS],
        seed=derive(run.seed, "prospects"),
    )
    named = zip(outlook.prospects, FACTORS, strict=False)
    return replace(outlook, prospects=tuple(replace(one, factor=f) for one, f in named))


def _most_growth(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """To how many times its trials a search comes at most, if it gains nothing on the way: it
    leaves a learner alone that has long gained nothing. Under a deadline a learner that fills its
    time may gain by having more of it."""
    found = results  # as they came: it knows in which order trials ended, legs too
    if not isinstance(found, Results):
        found = Results.of_all(rank_key(problem), results)
    names = {r.trial.learner for r in results if r.trial.learner != CONSTANT}
    names = {name for name in names if learners[name].is_proposed}
    timed = run.clock.has_deadline()
    if not names or (timed and any(learners[name].uses_all_time for name in names)):
        return float("inf")
    most = PATIENCE_TRIALS * run.places
    left = [most - found.since_best(name) for name in names if found.ranked(name)]
    return 1 + sum(max(0, more) for more in left) / len(results)


def _value(result: Result) -> float:
    assert result.score is not None
    return result.score.value


def _counted(results: Sequence[Result]) -> tuple[Mapping[int, float], float]:
    return {r.trial.number: float(r.trial.number) for r in results}, float(len(results))


def _seconds(run: Run) -> tuple[Mapping[int, float], float]:
    """When each trial had ended, in seconds since the first began: what comes before and after the
    trials does not grow with the budget. Also when the last had, in seconds of the run."""
    told = [one for one in courses(read_journal(run.folder.journal)) if one.end_seconds is not None]
    began = min(one.start_seconds for one in told)
    ends = {one.trial: max(1e-3, (one.end_seconds or 0.0) - began) for one in told}
    return ends, began + max(ends.values())


def _untried(run: Run, results: Sequence[Result]) -> list[str]:
    """Learners that were planned and have scored nothing: what they would bring no curve tells. One
    that failed without a deadline would fail again."""
    file = run.folder.path / "candidates.json"
    planned = [one["learner"] for one in read_json(file)["candidates"]] if file.is_file() else []
    timed = run.clock.has_deadline()
    tried = {r.trial.learner for r in results if r.score is not None or not timed}
    return [name for name in dict.fromkeys(planned) if name not in tried]


def _has_ended(run: Run, problem: Problem, results: Sequence[Result]) -> bool:
    """Whether the search ended by itself, or would now: every learner is left alone, it made fewer
    trials than it might have, or, where no learner is better for more time, time was left for one
    more of any kind."""
    if _most_growth(run, problem, results) == 1:
        return True
    if run.most_trials is not None and len(results) >= run.most_trials:
        return False
    if not run.clock.has_deadline():
        return True
    if any(learners[r.trial.learner].uses_all_time for r in results):
        return False
    longest = max(r.fit_seconds for r in results)
    return run.clock.left() - run.reserve_seconds() > 1.0 + 2 * longest


def _of_rows(
    run: Run, problem: Problem, results: Sequence[Result], interrupted: bool
) -> dict[str, Any]:
    """From the best cheap model, fitted again to parts of its training rows."""
    if interrupted:
        return _unknown("the fit was interrupted")
    clock = Clock(SPARE_SHARE * (run.clock.left() - run.reserve_seconds()), run.clock.now)
    chosen = _cheap(problem, results, clock)
    if chosen is None:
        return _unknown("no time was left to fit a model to parts of them")
    run.stage("fitting to parts of the rows", _parts_seconds(results, chosen))
    if problem.folds:
        problem, chosen = _first_fold(problem, chosen)
    try:
        sizes, answers = _fitted_parts(run, problem, chosen, clock)
        return _extrapolated(run, problem, chosen, sizes, answers, clock)
    except KeyboardInterrupt:
        return _unknown("the fit was interrupted")
    except Exception as error:  # the model is saved, and this must not cost it
        return _unknown(f"{type(error).__name__}: {error}")


def _first_fold(problem: Problem, result: Result) -> tuple[Problem, Result]:
    """The problem of the first fold, and what a trial answered for its valid rows."""
    places = np.searchsorted(problem.parts["valid"], problem.folds[0][1])
    assert result.prediction is not None
    return problem.fold(0), replace(result, prediction=result.prediction.take(places))


def _unknown(why: str) -> dict[str, Any]:
    return _told(Outlook((), f"cannot be told: {why}"), model="", curve=[])


def _extrapolated(
    run: Run,
    problem: Problem,
    chosen: Result,
    sizes: Sequence[int],
    answers: Sequence[Prediction],
    clock: Clock,
) -> dict[str, Any]:
    metric, truth = get(problem.metric), problem.truth("valid")
    seed = derive(run.seed, "prospects")
    weights = problem.weight("valid")
    scores = [metric.score(truth, one, weights) for one in answers]
    samples = resampled(metric, truth, answers, seed=seed, clock=clock, weights=weights)
    outlook = of_rows(metric, sizes, scores, samples, factors=FACTORS, seed=seed)
    curve = [{"rows": n, "score": value} for n, value in zip(sizes, scores, strict=True)]
    return _told(outlook, model=_said_of(problem, chosen), trial=chosen.trial.number, curve=curve)


def _cheap(problem: Problem, results: Sequence[Result], clock: Clock) -> Result | None:
    """The best model that does not fill all its time, and whose parts can be fitted within the
    clock's."""
    for result in rank(problem, results):
        learner = result.trial.learner
        if learner == CONSTANT or learners[learner].uses_all_time or result.prediction is None:
            continue
        if result.trial.share < 1 or not learners[learner].is_proposed:
            continue
        if not clock.has_deadline():
            return result
        if _parts_seconds(results, result) < clock.left() and _is_stored(problem, result):
            return result
    return None


def _parts_seconds(results: Sequence[Result], chosen: Result) -> float:
    """About how long the fits to parts of the rows take, and their answers for the valid ones: by
    the quickest fit of the learner, as the first waits for its libraries too."""
    quickest = min(
        again_seconds(one) / one.trial.share
        for one in results
        if one.score is not None and one.trial.learner == chosen.trial.learner
    )
    answers = len(SHARES) * chosen.predict_seconds * (chosen.score.rows if chosen.score else 0)
    return LEAST_SECONDS + quickest * sum(SHARES) + answers


def _is_stored(problem: Problem, result: Result) -> bool:
    """Whether a checkpoint, where there is one, need not read any row again."""
    config = result.trial.config
    if not config.get("backbone"):
        return True
    base = backbone(str(config["backbone"]))
    inputs = Inputs.fit(problem.part("train"), problem.inputs)
    contents = [one for part in ("train", "valid") for one in inputs.contents(problem.part(part))]
    asked = from_dict(learners[result.trial.learner].config, config)
    return len(known_rows(base, contents, base.length(asked))) == len(contents)


def _fitted_parts(
    run: Run, problem: Problem, result: Result, clock: Clock
) -> tuple[list[int], list[Prediction]]:
    """Sizes of the training data, ascending, and the answers for the valid rows of the same model
    fitted to each; the last is the model as it was. A fit that the clock may have cut short is left
    out."""
    learner, order = learners[result.trial.learner], nested(problem, run.seed)
    config = from_dict(learner.config, result.trial.config)
    sizes, answers, began, took = list[int](), list[Prediction](), clock.elapsed(), 0.0
    for count in (round(share * len(order)) for share in SHARES):
        if count < max(FEWEST_ROWS, ROWS_A_CLASS * len(problem.classes)):
            continue
        if MOST_GROWTH * took > clock.left():
            break
        part = with_train(problem, order[:count])
        watch = Watch(clock, lambda value, progress: True, run.offline)
        fitted = fit_labels(learner, part, config, result.trial.seed, watch)
        if clock.is_over():
            break
        sizes.append(count)
        found = problem.priced("valid", fitted.predict(problem.part("valid")))
        answers.append(compared(problem, found))
        began, took = clock.elapsed(), clock.elapsed() - began
    assert result.prediction is not None
    return [*sizes, len(order)], [*answers, result.prediction]


def _said_of(problem: Problem, result: Result) -> str:
    """The model in a few words."""
    learner, name = kind_of(result)
    if name:
        return f"{learner} on {name}"
    text = problem.data.with_columns(problem.inputs).of_kind("text")
    if result.trial.learner == "linear":
        return f"the linear model on {'words' if text else 'plain columns'}"
    return f"the {result.trial.learner} model"
