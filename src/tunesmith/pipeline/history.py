"""What a run has come to so far: results, curves, who is best; and what of it is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from tunesmith.core.contracts import Curve
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.runfolder import recover_folder
from tunesmith.metrics import get
from tunesmith.pipeline.recorded import NOTHING, Recorded, forget_checkpoint, write_result
from tunesmith.pipeline.results import Results
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import facts, keepers, rank_key, resumable

Better = Callable[[Sequence[Result]], None]
MOST_CURVES = 300
"""Of a learner's trials so many that ended last, and those that may be taken up again, are what a
trial is compared with: more say the same, and each is sent to every worker."""


@dataclass
class History:
    """Results so far, and who is best."""

    run: Run
    problem: Problem
    better: Better
    recorded: Recorded = NOTHING
    results: Results = field(init=False)
    _kept: list[Result] = field(default_factory=list)
    _paused: list[Result] = field(default_factory=list)
    _places: dict[str, dict[int, int]] = field(default_factory=dict)
    _numbers: dict[str, list[int]] = field(default_factory=dict)
    _curves: dict[str, dict[int, Curve]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = Results(rank_key(self.problem))

    def place(self, trial: Trial) -> int:
        """Which of its learner's trials it is."""
        places = self._places.setdefault(trial.learner, {})
        if trial.number not in places:
            places[trial.number] = len(places)
            self._numbers.setdefault(trial.learner, []).append(trial.number)
        return places[trial.number]

    def curves(self, learner: str) -> tuple[Curve, ...]:
        """The courses of its trials that have ended, each as it stands: of all, or of those that
        ended last and those that may be taken up again."""
        every = self._curves.get(learner, {})
        if len(every) <= MOST_CURVES:
            return tuple(every.values())
        last = list(islice(reversed(every.values()), MOST_CURVES))[::-1]
        paused = {self.place(r.trial) for r in self._paused if r.trial.learner == learner}
        older = [every[one] for one in paused - {curve.number for curve in last} if one in every]
        return (*older, *last)

    def resumable(self) -> list[Result]:
        """The trials that may be taken up again, best first: their state is kept."""
        return [r for r in resumable(self.results) if any(r is one for one in self._paused)]

    def at_place(self, learner: str, place: int) -> Result:
        """The result of that one of a learner's trials."""
        return self.results.numbered(self._numbers[learner][place])

    def add(self, result: Result) -> Result:
        """Note a result; tell `better` where another is the best now, and new. Gives it as it was
        noted, with what earlier legs of its trial came to."""
        is_old = self.recorded.known(result.trial) is result
        if not is_old:
            result = self._with_earlier(result)
            self.run.journal.write("result", **facts(result))
            write_result(self.run.folder, result)
        before = self.results.ranked()[:1]
        self.results.add(result)
        self._note_curve(result)
        best = self.results.ranked()[:1]
        if best and (not before or best[0] is not before[0]):
            self._tell_best(best[0], is_old)
        self._tidy(result)
        return result

    def _with_earlier(self, result: Result) -> Result:
        """The result of a later leg with what the earlier ones took; where it failed, what they
        came to stays."""
        if not result.trial.leg:
            return result
        before = self.results.numbered(result.trial.number)
        seconds = before.fit_seconds + result.fit_seconds
        stored = before.stored_seconds + result.stored_seconds
        if result.score is None and before.score is not None:
            reason = f"as it was ended early; it went on, and failed: {result.reason}"
            trial = replace(result.trial, share=before.trial.share)
            result = replace(before, trial=trial, status="done", reason=reason)
        elif before.trial.share < 1 and result.score is not None:
            progress, curve = (*before.progress, 1.0), (*before.curve, result.score.value)
            result = replace(result, progress=progress, curve=curve)
            stored += before.fit_seconds - before.stored_seconds  # who knows it needs no look
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
        self._paused = [r for r in self._paused if r.trial.number != result.trial.number]
        if result.status == "stopped":
            paused, may = [*self._paused, result], resumable(self.results)
            self._paused = [
                one
                for one in paused
                if any(one is other for other in may) or self.recorded.goes_on(one.trial)
            ]
            for old in paused:
                if all(old is not one for one in self._paused):
                    forget_checkpoint(self.run.folder, old)
