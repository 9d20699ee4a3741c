"""A search through Optuna's ask and tell, its study in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import Dimensions, draw, is_ordered, ordered_values
from tunesmith.core.space import Choice, Int, Linear, Log, Range, Scalar

MOST_TRIALS = 600
"""What a study holds of results, where its sampler looks at all of them for each proposal; it then
begins anew with half of these: half of them the best, half the latest."""


class OptunaStudy(Study):
    """Wraps one study of Optuna's. With `ordered`, a choice among numbers is given as its place
    among them, so that the sampler knows which are neighbours. `again` makes a new sampler where
    the study is to begin anew, given how often it has."""

    def __init__(
        self,
        sampler: Any,
        ranges: Dimensions,
        *,
        goals: int = 1,
        ordered: bool = False,
        again: Callable[[int], Any] | None = None,
    ) -> None:
        self._ranges = ranges
        self._ordered = ordered
        self._goals = goals
        self._again = again
        self._renewed = 0
        self._ended = 0
        self._asked = 0
        self._trials: dict[int, Any] = {}
        self._before: dict[int, Mapping[str, Scalar]] = {}
        self._study = self._begun(sampler)

    def _begun(self, sampler: Any) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return optuna.create_study(directions=["maximize"] * self._goals, sampler=sampler)

    def ask(self) -> tuple[int, Mapping[str, Scalar]]:
        self._renew()
        trial = self._study.ask()
        values = draw(self._ranges, lambda path, mark: self._suggest(trial, path, mark))
        self._asked += 1
        self._trials[self._asked] = (trial.number, values)
        return self._asked, values

    def _renew(self) -> None:
        """Begin anew, where there is too much to look at; what is under way will be added."""
        if self._again is None or self._ended < MOST_TRIALS:
            return
        from optuna.trial import TrialState

        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best = sorted(done, key=lambda one: -one.values[0])[: MOST_TRIALS // 4]
        kept = {one.number: one for one in (*best, *done[-MOST_TRIALS // 4 :])}
        self._renewed += 1
        self._study = self._begun(self._again(self._renewed))
        self._study.add_trials([kept[number] for number in sorted(kept)])
        self._ended = len(kept)
        self._before |= {number: values for number, (_, values) in self._trials.items()}
        self._trials = {}

    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        import optuna

        if proposal in self._before:
            values = self._before.pop(proposal)
            if scores is not None:
                self.add(values, scores, cost)
            return
        number, _ = self._trials.pop(proposal)
        self._ended += 1
        if scores is None:
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number, list(scores))

    def add(
        self,
        values: Mapping[str, Scalar],
        scores: Sequence[float],
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        import optuna

        kept = {path: value for path, value in values.items() if path in self._ranges}
        marks = {path: self._distribution(self._ranges[path]) for path in kept}
        params = {path: self._inner(self._ranges[path], value) for path, value in kept.items()}
        made = optuna.trial.create_trial(params=params, distributions=marks, values=list(scores))
        self._study.add_trial(made)
        self._ended += 1

    def _is_placed(self, mark: Range) -> bool:
        return self._ordered and isinstance(mark, Choice) and is_ordered(mark)

    def _inner(self, mark: Range, value: Scalar) -> Any:
        if isinstance(mark, Choice) and self._is_placed(mark):
            return ordered_values(mark).index(value)
        return value

    def _suggest(self, trial: Any, path: str, mark: Range) -> Scalar:
        value: Scalar
        if isinstance(mark, Choice) and self._is_placed(mark):
            ranked = ordered_values(mark)
            value = ranked[trial.suggest_int(path, 0, len(ranked) - 1)]
        elif isinstance(mark, Choice):
            value = trial.suggest_categorical(path, mark.values)
        elif isinstance(mark, Int):
            value = trial.suggest_int(path, mark.low, mark.high, log=mark.log)
        else:
            value = trial.suggest_float(path, mark.low, mark.high, log=isinstance(mark, Log))
        return value

    def _distribution(self, mark: Range) -> Any:
        from optuna import distributions

        if isinstance(mark, Choice) and self._is_placed(mark):
            return distributions.IntDistribution(0, len(mark.values) - 1)
        if isinstance(mark, Choice):
            return distributions.CategoricalDistribution(mark.values)
        if isinstance(mark, Int):
            return distributions.IntDistribution(mark.low, mark.high, log=mark.log)
        assert isinstance(mark, Log | Linear)
        return distributions.FloatDistribution(mark.low, mark.high, log=isinstance(mark, Log))
