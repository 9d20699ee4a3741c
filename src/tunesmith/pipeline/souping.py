"""Model soups: the mean of the weights of fine-tuned networks, where it answers the valid rows
better than each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import BudgetError, TunesmithError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.seeds import derive
from tunesmith.core.space import to_dict
from tunesmith.learners._folded import Folded, fold_folders, joined
from tunesmith.learners.soup import Average, SoupConfig, Weights, added
from tunesmith.metrics import get
from tunesmith.pipeline.labelling import compared
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.standing import closing_seconds, signed, soup_groups
from tunesmith.pipeline.trial import scored

SLACK = 1.5
"""A network is read from the disk before it answers."""


def souped(
    run: Run,
    problem: Problem,
    results: Sequence[Result],
    recorded: Callable[[Trial], Result | None],
) -> Iterator[Result]:
    """A soup of each kind of network that two or more trials have tuned, as a trial; none where it
    does not answer the valid rows better than the best of them, and a note why. What was
    `recorded` is not made again."""
    number = max((r.trial.number for r in results), default=0)
    for group in soup_groups(problem, results):
        trial = _trial(run, number + 1, group)
        result = recorded(trial) or _one(run, problem, results, group, trial)
        if result is not None:
            number += 1
            yield result


def _trial(run: Run, number: int, group: Sequence[Result]) -> Trial:
    names = ", ".join(str(result.trial.number) for result in group)
    config = SoupConfig(str(group[0].trial.config["backbone"]), names)
    reason = f"the mean of the weights of some of the trials {names}"
    return Trial(number, "soup", to_dict(config), reason, derive(run.seed, "trial", number))


def _one(
    run: Run, problem: Problem, results: Sequence[Result], group: Sequence[Result], trial: Trial
) -> Result | None:
    """Mix, score and save; None, and a note why, where nothing is gained."""
    began = run.clock.elapsed()
    closing = closing_seconds(run, problem, results)
    try:
        ingredients = Ingredients.of(problem, group)
        soup, told = ingredients.best(lambda: run.clock.left() - closing)
        if soup is None:
            run.note(f"no soup of {trial.config['backbone']}: {told}")
            return None
        facts = {"trial": trial.number, "learner": "soup", "backbone": trial.config["backbone"]}
        run.journal.write("trial", **facts, reason=told, config=dict(trial.config))
        model, unseen = ingredients.model(soup)
        trial = replace(trial, reason=told)
        return scored(run, problem, trial, model, unseen, run.clock.elapsed() - began)
    except TunesmithError as error:
        run.note(f"no soup of {trial.config['backbone']}: {error}")
    except Exception as error:  # the trials that it would be made of are at hand
        run.note(f"no soup of {trial.config['backbone']}: {type(error).__name__}: {error}")
    return None


@dataclass(frozen=True)
class Soup:
    """The sums of the weights of these trials, one for each fold, and how well their mean answers
    the valid rows, higher is better."""

    trials: tuple[int, ...]
    totals: tuple[Weights, ...]
    value: float = float("-inf")

    def with_more(self, other: Soup) -> Soup:
        totals = map(added, self.totals, other.totals)
        return Soup((*self.trials, *other.trials), tuple(totals))


@dataclass(frozen=True)
class Ingredients:
    """Trials, best first, and a network to fill with the mean of their weights, for each fold."""

    problem: Problem
    group: tuple[Result, ...]
    averages: tuple[Average, ...]

    @staticmethod
    def of(problem: Problem, group: Sequence[Result]) -> Ingredients:
        places = zip(*map(_places, group), strict=True)
        return Ingredients(problem, tuple(group), tuple(map(Average.of, places)))

    def best(self, seconds_left: Callable[[], float]) -> tuple[Soup | None, str]:
        """The best soup, if it is better than the best trial alone, and what came of it: the mean
        of all, or greedily, best first, of those with whom the score does not fall.

        Raises:
            BudgetError: Not in the time.
        """
        first = self.group[0]
        alone = replace(self._ingredient(first), value=signed(self.problem, first))
        greedy = every = alone
        for result in self.group[1:]:
            _check(self.problem, result, seconds_left())
            one = self._ingredient(result)
            every, tried = every.with_more(one), self._scored(greedy.with_more(one))
            greedy = tried if tried.value >= greedy.value else greedy
        uniform = greedy if every.trials == greedy.trials else self._scored(every)
        best = max(greedy, uniform, key=lambda soup: soup.value)
        sign = 1.0 if get(self.problem.metric).higher_is_better else -1.0
        told = (
            f"{sign * best.value:.4f} against {sign * alone.value:.4f} of trial "
            f"{first.trial.number}, the best of {len(self.group)} alone"
        )
        if best.value <= alone.value:
            said = f"{sign * uniform.value:.4f} of the mean of all" if best is alone else told
            return None, f"no mean of weights gains: {said}; alone {sign * alone.value:.4f}"
        how = "greedy" if best is greedy else "uniform"
        names = ", ".join(map(str, best.trials))
        return best, f"{how}: the mean of the weights of trials {names}, {told}"

    def model(self, soup: Soup) -> tuple[Fitted, Prediction | None]:
        """The model of a soup, and with folds what it answers for rows that it has not seen."""
        models = self._filled(soup)
        if not self.problem.folds:
            return models[0], None
        return Folded(models), self._answers(models)

    def _ingredient(self, result: Result) -> Soup:
        read = (one.read(place) for one, place in zip(self.averages, _places(result), strict=True))
        return Soup((result.trial.number,), tuple(read))

    def _scored(self, soup: Soup) -> Soup:
        """The soup, once it has answered the valid rows."""
        problem = self.problem
        metric, truth = get(problem.metric), problem.truth("valid")
        answers = problem.priced("valid", self._answers(self._filled(soup)))
        answers = compared(problem, answers)
        value = metric.score(truth, answers, problem.weight("valid"))
        return replace(soup, value=value if metric.higher_is_better else -value)

    def _filled(self, soup: Soup) -> tuple[Fitted, ...]:
        count = len(soup.trials)
        pairs = zip(self.averages, soup.totals, strict=True)
        return tuple(one.fill(total, count) for one, total in pairs)

    def _answers(self, models: Sequence[Fitted]) -> Prediction:
        problem = self.problem
        if not problem.folds:
            return models[0].predict(problem.part("valid"))
        parts = (problem.fold(number).part("valid") for number in range(len(models)))
        return joined(problem, [one.predict(part) for one, part in zip(models, parts, strict=True)])


def _places(result: Result) -> tuple[Path, ...]:
    """Where the networks of a trial lie: one, or that of every fold."""
    folder = Path(result.folder)
    return fold_folders(folder) or (folder,)


def _check(problem: Problem, result: Result, seconds_left: float) -> None:
    """Raises:
    BudgetError: The time does not hold another look at the valid rows.
    """
    seconds = SLACK * result.predict_seconds * len(problem.parts["valid"])
    if seconds > seconds_left:
        raise BudgetError(f"answering takes about {seconds:.0f} s, {seconds_left:.0f} s are left")
