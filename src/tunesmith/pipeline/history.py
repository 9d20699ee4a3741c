"""What a run has come to so far: results, curves, who is best; and what of it is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tunesmith.core.contracts import Curve
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.runfolder import recover_folder
from tunesmith.metrics import get
from tunesmith.pipeline.recorded import NOTHING, Recorded, forget_checkpoint, write_result
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import facts, keepers, may_go_on, rank_key

Better = Callable[[Sequence[Result]], None]


@dataclass
class History:
    """Results so far, and who is best."""

    run: Run
    problem: Problem
    better: Better
    recorded: Recorded = NOTHING
    results: Results = field(init=False)
    _kept: list[Result] = field(default_factory=list)
    _places: dict[str, dict[int, int]] = field(default_factory=dict)
    _curves: dict[str, dict[int, Curve]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = Results(rank_key(self.problem))

    def place(self, trial: Trial) -> int:
        """Which of its learner's trials it is."""
        places = self._places.setdefault(trial.learner, {})
        return places.setdefault(trial.number, len(places))

    def curves(self, learner: str) -> tuple[Curve, ...]:
        """The courses of its trials that have ended, each as it stands."""
        return tuple(self._curves.get(learner, {}).values())

    def at_place(self, learner: str, place: int) -> Result:
        """The result of that one of a learner's trials."""
        number = next(n for n, at in self._places[learner].items() if at == place)
        return next(r for r in self.results.of(learner) if r.trial.number == number)

    def add(self, result: Result) -> None:
        """Note a result; tell `better` where it is the best so far, and new."""
        is_old = self.recorded.known(result.trial) is result
        if not is_old:
            result = self._with_earlier(result)
            self.run.journal.write("result", **facts(result))
            write_result(self.run.folder, result)
        self.results.add(result)
        self._note_curve(result)
        if result.score is not None and self.results.ranked()[0] is result:
            self._tell_best(result, is_old)
        self._tidy(result)

    def _with_earlier(self, result: Result) -> Result:
        """The result of a later leg with what the earlier ones took; where it failed, what they
        came to stays."""
        if not result.trial.leg:
            return result
        before = next(r for r in self.results if r.trial.number == result.trial.number)
        seconds = before.fit_seconds + result.fit_seconds
        if result.score is None and before.score is not None:
            reason = f"as it was ended early; it went on, and failed: {result.reason}"
            result = replace(before, trial=result.trial, status="done", reason=reason)
        if before.trial.share < 1 and result.score is not None:
            progress, curve = (*before.progress, 1.0), (*before.curve, result.score.value)
            result = replace(result, progress=progress, curve=curve)
        stored = before.stored_seconds + result.stored_seconds
        return replace(result, fit_seconds=seconds, stored_seconds=min(seconds, stored))

    def _note_curve(self, result: Result) -> None:
        if not result.curve:
            return
        sign = 1.0 if get(self.problem.metric).higher_is_better else -1.0
        values = (sign * value for value in result.curve)
        points = tuple(zip(result.progress, values, strict=True))
        place = self.place(result.trial)
        curves = self._curves.setdefault(result.trial.learner, {})
        curves[place] = Curve(place, points, result.status == "stopped")

    def _tell_best(self, best: Result, is_old: bool) -> None:
        if is_old and recover_folder(self.run.folder.best).exists():
            return
        self.run.journal.write("best", metric=self.problem.metric, **facts(best))
        self.better(self.results)

    def _tidy(self, result: Result) -> None:
        """Keep the models that may be blended, and the checkpoints of trials that may go on."""
        if result.score is not None:
            before = [r for r in self._kept if r.trial.number != result.trial.number]
            kept = keepers(self.problem, [*before, result])
            for old in (*before, result):
                is_kept = any(old is one for one in kept)
                if not is_kept and not self.recorded.goes_on(old.trial):
                    shutil.rmtree(old.folder, ignore_errors=True)
            self._kept = kept
        if result.status == "stopped":
            paused = [r for r in self.results if r.status == "stopped"]
            for old in paused:
                if not may_go_on(old, self.results) and not self.recorded.goes_on(old.trial):
                    forget_checkpoint(self.run.folder, old)
