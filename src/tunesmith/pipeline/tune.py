"""Tuning: cheap models first, then a search over configs, until time or trials run out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tunesmith.core.clock import Clock
from tunesmith.core.records import Candidate, Problem, Result, Trial
from tunesmith.core.runfolder import write_json
from tunesmith.learners import learners
from tunesmith.pipeline.plan import Pins
from tunesmith.pipeline.propose import Proposals
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import facts, keepers, rank, spare_seconds
from tunesmith.pipeline.trial import run_trial
from tunesmith.run import runners

SHARE_OF_SPARE = 0.7
"""What a learner that fills all its time gets of it, so that something is left for the next."""
MOST_OF_SPARE = 0.9
Better = Callable[[Sequence[Result]], None]


def tune(
    run: Run,
    problem: Problem,
    candidates: Sequence[Candidate],
    *,
    pins: Pins,
    better: Better,
    search: str | Sequence[str] = "auto",
    stopper: str = "median",
    runner: str = "here",
) -> tuple[tuple[Result, ...], bool]:
    """Results of every trial, in order, and whether Ctrl-C ended it early (what there was by then
    is kept). `better` is told the results so far whenever the best one changed."""
    history = _History(run, problem, better)
    proposals = Proposals(run, problem, candidates, pins, history.results, search)
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


@dataclass
class _History:
    """Results so far, and who is best."""

    run: Run
    problem: Problem
    better: Better
    results: list[Result] = field(default_factory=list)
    curves: dict[str, list[list[tuple[float, float]]]] = field(default_factory=dict)
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
        best = self.best()
        if best is not None and best.trial.number != self._best:
            self._best = best.trial.number
            self.run.journal.write("best", metric=self.problem.metric, **facts(best))
            self.better(self.results)
        kept = keepers(self.problem, self.results)
        for old in self.done():
            if all(old is not one for one in kept):
                shutil.rmtree(old.folder, ignore_errors=True)


def _worker(
    run: Run, problem: Problem, history: _History, stopper: str
) -> Callable[[Trial], Result]:
    def work(trial: Trial) -> Result:
        clock = run.clock
        if clock.has_deadline():
            spare = spare_seconds(run, problem, history.results)
            share = SHARE_OF_SPARE if learners[trial.learner].uses_all_time else MOST_OF_SPARE
            clock = Clock(max(0.1, share * spare), clock.now)
        finished = history.curves.setdefault(trial.learner, [])
        return run_trial(run, problem, trial, clock, stopper, finished)

    return work


def _write_result(run: Run, result: Result) -> None:
    folder = run.folder.trial(result.trial.number)
    folder.mkdir(parents=True, exist_ok=True)
    told = facts(result)
    write_json(folder / "config.json", dict(result.trial.config))
    write_json(folder / "result.json", {**told, "curve": result.curve})
    if result.prediction is not None:
        from safetensors.numpy import save_file

        save_file({"valid": result.prediction.array()}, folder / "predictions.safetensors")
