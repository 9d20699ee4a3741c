"""A search through Optuna's ask and tell, its study in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import Dimensions, draw, is_ordered, ordered_values
from tunesmith.core.space import Choice, Int, Linear, Log, Range, Scalar


class OptunaStudy(Study):
    """Wraps one study of Optuna's. With `ordered`, a choice among numbers is given as its place
    among them, so that the sampler knows which are neighbours."""

    def __init__(
        self, sampler: Any, ranges: Dimensions, *, goals: int = 1, ordered: bool = False
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._ranges = ranges
        self._ordered = ordered
        self._study = optuna.create_study(directions=["maximize"] * goals, sampler=sampler)

    def ask(self) -> tuple[int, Mapping[str, Scalar]]:
        trial = self._study.ask()
        values = draw(self._ranges, lambda path, mark: self._suggest(trial, path, mark))
        return int(trial.number), values

    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        import optuna

        if scores is None:
            self._study.tell(proposal, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(proposal, list(scores))

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
