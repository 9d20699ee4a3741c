"""A search through Optuna's ask and tell, its study in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tunesmith.core.contracts import Study
from tunesmith.core.space import Choice, Int, Linear, Log, Range

C = TypeVar("C")


class OptunaStudy(Study):
    """Wraps one study of Optuna's; scores are higher is better."""

    def __init__(self, sampler: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self, draw: Callable[[Callable[[str, Range], Any]], C]) -> tuple[int, C]:
        trial = self._study.ask()
        config = draw(lambda path, mark: _suggest(trial, path, mark))
        return int(trial.number), config

    def tell(self, proposal: int, score: float | None) -> None:
        import optuna

        state = optuna.trial.TrialState
        if score is None:
            self._study.tell(proposal, state=state.FAIL)
        else:
            self._study.tell(proposal, score)

    def add(self, values: Mapping[str, Any], ranges: Mapping[str, Range], score: float) -> None:
        import optuna

        kept = {path: value for path, value in values.items() if path in ranges}
        marks = {path: _distribution(ranges[path]) for path in kept}
        self._study.add_trial(
            optuna.trial.create_trial(params=kept, distributions=marks, value=score)
        )


def _suggest(trial: Any, path: str, mark: Range) -> Any:
    if isinstance(mark, Choice):
        return trial.suggest_categorical(path, mark.values)
    if isinstance(mark, Int):
        return trial.suggest_int(path, mark.low, mark.high, log=mark.log)
    return trial.suggest_float(path, mark.low, mark.high, log=isinstance(mark, Log))


def _distribution(mark: Range) -> Any:
    from optuna import distributions

    if isinstance(mark, Choice):
        return distributions.CategoricalDistribution(mark.values)
    if isinstance(mark, Int):
        return distributions.IntDistribution(mark.low, mark.high, log=mark.log)
    assert isinstance(mark, Log | Linear)
    return distributions.FloatDistribution(mark.low, mark.high, log=isinstance(mark, Log))
