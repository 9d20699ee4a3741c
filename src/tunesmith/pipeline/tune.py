"""Tuning: cheap models first, then a search over configs, until time or trials run out."""

from __future__ import annotations

import shutil
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Study, Watch
from tunesmith.core.errors import TunesmithError, WeightsError
from tunesmith.core.records import Candidate, Problem, Result, Trial
from tunesmith.core.runfolder import write_json
from tunesmith.core.seeds import derive
from tunesmith.core.space import flatten, from_dict, sample, space, to_dict
from tunesmith.evaluate.scores import score
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.run import Run
from tunesmith.run import runners
from tunesmith.search import searchers
from tunesmith.stoppers import stoppers

ROTATION = ("neural", "linear", "neural", "probe")
PATIENCE_TRIALS = 20
KEPT_MODELS = 6
TIMED_ROWS = 64
TRIAL_RESAMPLES = 300
LEAST_TRIAL_SECONDS = 1.0
FETCH_SHARE = 0.4
FIRST_TUNED_SHARE = 0.7
SAVED_TOLERANCE = 0.02
Better = Callable[[Sequence[Result]], None]


def tune(
    run: Run,
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    pins: Pins,
    better: Better,
    search: str = "tpe",
    stopper: str = "median",
    runner: str = "here",
) -> tuple[tuple[Result, ...], bool]:
    """Results of every trial, in order, and whether Ctrl-C ended it early (what there was by then
    is kept). `better` is told the results so far whenever the best one changed."""
    history = _History(run, problem, better)
    proposals = _Proposals(run, problem, candidates, pins, history, search)
    work = _worker(run, problem, history, stopper)
    interrupted = False
    try:
        for result in runners[runner].run(iter(proposals), work):
            proposals.tell(result)
            history.add(result)
    except KeyboardInterrupt:
        if not history.done():
            raise
        interrupted = True
        run.note("interrupted: the best model so far is kept")
    return tuple(history.results), interrupted


def rank(problem: Problem, results: Sequence[Result]) -> list[Result]:
    """The results that have a model, best first; of equal ones the quicker to predict."""
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    done = [r for r in results if r.score is not None]

    def key(result: Result) -> tuple[float, float, int]:
        assert result.score is not None
        return -sign * result.score.value, result.size_bytes, result.trial.number

    return sorted(done, key=key)


@dataclass
class _History:
    """Results so far, and who is best."""

    run: Run
    problem: Problem
    better: Better
    results: list[Result] = field(default_factory=list)
    curves: dict[str, list[list[tuple[float, float]]]] = field(default_factory=dict)
    since_better: int = 0
    _best: int = -1

    def done(self) -> list[Result]:
        return [result for result in self.results if result.score is not None]

    def best(self) -> Result | None:
        ranked = rank(self.problem, self.results)
        return ranked[0] if ranked else None

    def add(self, result: Result) -> None:
        """Note a result; tell `better` where it is the best so far."""
        self.results.append(result)
        _write_result(self.run, result)
        self.since_better += 1
        best = self.best()
        if best is not None and best.trial.number != self._best:
            self._best, self.since_better = best.trial.number, 0
            self.run.journal.write("best", metric=self.problem.metric, **_facts(best))
            self.better(self.results)
        for old in rank(self.problem, self.results)[KEPT_MODELS:]:
            shutil.rmtree(old.folder, ignore_errors=True)


class _Proposals:
    """The next trial: the candidates in their order, then a search that takes turns among the
    learners."""

    def __init__(
        self,
        run: Run,
        problem: Problem,
        candidates: Sequence[Candidate],
        pins: Pins,
        history: _History,
        search: str,
    ) -> None:
        self._run = run
        self._problem = problem
        self._candidates = candidates
        self._pins = pins
        self._history = history
        self._studies: dict[str, Study] = {}
        self._asked: dict[int, int] = {}
        self._search = search
        self._number = 0

    def __iter__(self) -> Iterator[Trial]:
        for candidate in self._candidates:
            if self._is_spent():
                return
            ready = self._with_weights(self._on_best_backbone(candidate))
            if ready is None or not self._fits(ready):
                continue
            yield self._trial(ready.learner, ready.config, ready.reason)
        yield from self._searched()

    def _searched(self) -> Iterator[Trial]:
        may = [c.learner for c in self._candidates]
        turns = [name for name in ROTATION if name in may]
        turns += sorted({name for name in may if name not in turns and _varies(name)})
        turn, skipped = 0, 0
        while turns and skipped < len(turns) and not self._is_spent():
            name = turns[turn % len(turns)]
            turn += 1
            drawn = self._draw(name)
            if drawn is None:
                skipped += 1
                continue
            skipped = 0
            proposal, config = drawn
            number = self._number + 1
            self._asked[number] = proposal
            yield self._trial(name, to_dict(config), f"proposed by {self._search}")

    def _is_spent(self) -> bool:
        run = self._run
        if run.most_trials is not None:
            return self._number >= run.most_trials
        return (
            spare_seconds(run, self._problem, self._history.results) < LEAST_TRIAL_SECONDS
            or self._history.since_better > PATIENCE_TRIALS
        )

    def _fits(self, candidate: Candidate) -> bool:
        """Whether a candidate's expected cost is at all near what is left."""
        if not self._run.clock.has_deadline():
            return True
        spare = spare_seconds(self._run, self._problem, self._history.results)
        shortest = 3.0 if candidate.learner in ("probe", "neural") else 0.0
        if shortest <= spare:
            return True
        self._run.note(f"{candidate.learner} is left out: {spare:.0f} s are left for it")
        return False

    def _on_best_backbone(self, candidate: Candidate) -> Candidate:
        """Fine-tune the checkpoint whose frozen features did best, unless one is pinned."""
        if candidate.learner != "neural" or "backbone" in self._pins.get("neural", {}):
            return candidate
        name = best_backbone(self._problem, self._history.results)
        if not name or name == candidate.config.get("backbone"):
            return candidate
        config = {**candidate.config, "backbone": name}
        return replace(candidate, config=config, reason=f"fine-tuned; {name} had the best probe")

    def _with_weights(self, candidate: Candidate) -> Candidate | None:
        """The candidate if its checkpoint is on this machine, after fetching where that is
        allowed."""
        name = str(candidate.config.get("backbone", ""))
        if not name:
            return candidate
        card = zoo.card_for(name)
        if zoo.is_here(card):
            return candidate
        self._run.stage(f"fetching {name}")
        limit = min(600.0, FETCH_SHARE * self._run.clock.left())
        try:
            zoo.ready(card, offline=self._run.offline, timeout_seconds=limit)
        except WeightsError as error:
            self._run.note(f"{candidate.learner} on {name} is left out: {error}")
            return None
        return candidate

    def _trial(self, learner: str, config: Mapping[str, Any], reason: str) -> Trial:
        self._number += 1
        seed = derive(self._run.seed, "trial", self._number)
        return Trial(self._number, learner, dict(config), reason, seed)

    def _draw(self, name: str) -> tuple[int, Any] | None:
        """A config of a learner, where a trial of it fits into the time left; None otherwise."""
        costs = [r.fit_seconds for r in self._history.done() if r.trial.learner == name]
        if not costs:
            return None  # it failed before
        spare = spare_seconds(self._run, self._problem, self._history.results)
        if self._run.clock.has_deadline() and min(1.2 * statistics.median(costs), 30.0) > spare:
            return None
        pins = dict(self._pins.get(name, {}))
        chosen = best_backbone(self._problem, self._history.results)
        kind = learners[name].config
        if chosen and "backbone" in kind.__dataclass_fields__:
            pins.setdefault("backbone", chosen)
        study = self._study(name)
        drawn: tuple[int, Any] = study.ask(lambda ask: sample(kind, ask, pins))
        return drawn

    def _study(self, name: str) -> Study:
        """The search of one learner, told of what its candidates did."""
        if name not in self._studies:
            study = searchers[self._search].begin(derive(self._run.seed, "search", name))
            self._studies[name] = study
            for result in self._history.done():
                if result.trial.learner == name:
                    self._add(study, result)
        return self._studies[name]

    def _add(self, study: Study, result: Result) -> None:
        name = result.trial.learner
        kind = learners[name].config
        pinned = self._pins.get(name, {})
        ranges = {path: mark for path, mark in space(kind).items() if path not in pinned}
        values = flatten(from_dict(kind, result.trial.config))
        kept = {path: value for path, value in values.items() if path in ranges}
        study.add(kept, ranges, signed(self._problem, result))

    def tell(self, result: Result) -> None:
        proposal = self._asked.pop(result.trial.number, None)
        if proposal is not None:
            value = signed(self._problem, result) if result.score is not None else None
            self._studies[result.trial.learner].tell(proposal, value)


def _varies(name: str) -> bool:
    return bool(space(learners[name].config))


def signed(problem: Problem, result: Result) -> float:
    """A result's score, turned so that higher is better."""
    assert result.score is not None
    return result.score.value * (1.0 if get(problem.metric).higher_is_better else -1.0)


def best_backbone(problem: Problem, results: Sequence[Result]) -> str:
    """The checkpoint whose probe scored best; empty where none was tried."""
    probes = [r for r in rank(problem, results) if r.trial.learner == "probe"]
    return str(probes[0].trial.config["backbone"]) if probes else ""


def closing_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What must be kept for the end: the kept-apart rows scored by the best few, and the saving."""
    ranked = rank(problem, results)[:3]
    each = sum(result.predict_seconds for result in ranked)
    return run.reserve_seconds() + 1.3 * each * len(problem.parts["test"]) + 0.5 * len(ranked)


def refit_seconds(problem: Problem, result: Result) -> float:
    """About how long the same model takes to fit to all rows."""
    rows = sum(len(part) for part in problem.parts.values())
    return 1.2 * result.fit_seconds * rows / max(1, len(problem.parts["train"]))


def spare_seconds(run: Run, problem: Problem, results: Sequence[Result]) -> float:
    """What tuning may still spend: the time left but for the end, and for refitting the best where
    that is cheap."""
    if not run.clock.has_deadline():
        return float("inf")
    ranked = rank(problem, results)
    refit = refit_seconds(problem, ranked[0]) if ranked else 0.0
    if refit > 0.15 * run.clock.limit_seconds:
        refit = 0.0
    return run.clock.left() - closing_seconds(run, problem, results) - refit


def _worker(
    run: Run, problem: Problem, history: _History, stopper: str
) -> Callable[[Trial], Result]:
    def work(trial: Trial) -> Result:
        clock = run.clock
        if clock.has_deadline():
            spare = spare_seconds(run, problem, history.results)
            share = FIRST_TUNED_SHARE if trial.learner != "probe" else 0.8
            clock = Clock(max(0.1, share * spare), clock.now)
        finished = history.curves.setdefault(trial.learner, [])
        return run_trial(run, problem, trial, clock, stopper, finished)

    return work


def run_trial(
    run: Run,
    problem: Problem,
    trial: Trial,
    clock: Clock,
    stopper: str,
    finished: list[list[tuple[float, float]]],
) -> Result:
    """Fit, score and save one trial. The one place where a trial's exception is caught: a failure
    is a result with its reason."""
    backbone = str(trial.config.get("backbone", ""))
    named = {"trial": trial.number, "learner": trial.learner, "backbone": backbone}
    run.journal.write("trial", **named, reason=trial.reason, config=dict(trial.config))
    curve: list[tuple[float, float]] = []
    sign = 1.0 if get(problem.metric).higher_is_better else -1.0
    stopped = False

    def report(value: float, progress: float) -> bool:
        nonlocal stopped
        curve.append((progress, value))
        run.journal.write(
            "score", trial=trial.number, score=sign * value, progress=round(progress, 4)
        )
        stopped = not stoppers[stopper].keeps(curve, finished)
        return not stopped

    began = time.monotonic()
    try:
        learner = learners[trial.learner]
        config = from_dict(learner.config, trial.config)
        watch = Watch(clock, report, run.offline)
        fitted = learner.fit(problem, config, trial.seed, watch)
        seconds = time.monotonic() - began
        result = _scored(run, problem, trial, fitted, seconds)
    except TunesmithError as error:
        result = Result(trial, "failed", str(error), fit_seconds=time.monotonic() - began)
    except Exception as error:
        _write_traceback(run, trial)
        reason = f"{type(error).__name__}: {error}"
        result = Result(trial, "failed", reason, fit_seconds=time.monotonic() - began)
    if curve and not stopped:
        finished.append(curve)
    if stopped and result.status == "done":
        reason = f"the {stopper} rule: others were better by then"
        result = replace(result, status="stopped", reason=reason)
    result = replace(result, curve=tuple(sign * value for _, value in curve))
    run.journal.write("result", **_facts(result))
    return result


def _scored(run: Run, problem: Problem, trial: Trial, fitted: Fitted, fit_seconds: float) -> Result:
    """Score a model on the valid rows, save it, open it again, and time its answers."""
    valid = problem.part("valid")
    prediction = fitted.predict(valid)
    if not np.isfinite(prediction.array()).all():
        raise TunesmithError("it answers with numbers that are not finite; it has diverged")
    value = score(
        problem.metric,
        problem.truth("valid"),
        prediction,
        seed=run.seed,
        resamples=TRIAL_RESAMPLES,
    )
    folder = run.folder.trial(trial.number) / "model"
    folder.mkdir(parents=True)
    fitted.save(folder)
    rows = np.arange(min(TIMED_ROWS, len(valid)))
    opened = learners[trial.learner].load(folder)
    began = time.monotonic()
    again = opened.predict(valid.take(rows))
    seconds = (time.monotonic() - began) / len(rows)
    wanted = prediction.take(rows).array()
    if np.abs(again.array() - wanted).max() > SAVED_TOLERANCE * max(1.0, np.abs(wanted).max()):
        raise TunesmithError("its saved form answers otherwise than the model that was saved")
    return Result(
        trial,
        "done",
        score=value,
        prediction=prediction,
        fit_seconds=fit_seconds,
        predict_seconds=seconds,
        size_bytes=sum(file.stat().st_size for file in folder.iterdir()),
        folder=str(folder),
    )


def _facts(result: Result) -> dict[str, Any]:
    """A result for the journal and the leaderboard."""
    value = result.score
    return {
        "trial": result.trial.number,
        "learner": result.trial.learner,
        "backbone": str(result.trial.config.get("backbone", "")),
        "status": result.status,
        "reason": result.reason or result.trial.reason,
        "score": None if value is None else value.value,
        "low": None if value is None else value.low,
        "high": None if value is None else value.high,
        "fit_seconds": round(result.fit_seconds, 3),
        "predict_ms_per_row": round(1000 * result.predict_seconds, 4),
        "size_mb": round(result.size_bytes / 1e6, 3),
    }


def leaderboard(problem: Problem, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every trial, best first, those without a score at the end."""
    ranked = rank(problem, results)
    rest = [result for result in results if result.score is None]
    places = [*range(1, len(ranked) + 1), *(None for _ in rest)]
    return [
        {"rank": place, **_facts(result), "config": dict(result.trial.config)}
        for place, result in zip(places, [*ranked, *rest], strict=True)
    ]


def _write_result(run: Run, result: Result) -> None:
    folder = run.folder.trial(result.trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    facts = _facts(result)
    write_json(folder / "config.json", dict(result.trial.config))
    write_json(folder / "result.json", {**facts, "curve": result.curve})
    if result.prediction is not None:
        from safetensors.numpy import save_file

        save_file({"valid": result.prediction.array()}, folder / "predictions.safetensors")


def _write_traceback(run: Run, trial: Trial) -> None:
    folder = run.folder.trial(trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
