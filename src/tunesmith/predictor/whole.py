"""The model as a whole, and rows beside which a row is understood: what columns count for, how the
answer goes with them, what would change it, which rows are like it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError, DataError, did_you_mean
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Budget, Dataset
from tunesmith.core.seeds import generator
from tunesmith.explain.game import RowGame
from tunesmith.explain.whole.counterfactual import Counterfactual, counterfactuals
from tunesmith.explain.whole.credits import MeanCredit, mean_credits
from tunesmith.explain.whole.effects import ABLE, POINTS, effect
from tunesmith.explain.whole.importance import (
    REPEATS,
    Asked,
    Importance,
    permutation_importance,
)
from tunesmith.explain.whole.prototypes import nearest
from tunesmith.pipeline.artifact import Model
from tunesmith.pipeline.reframed import reframed
from tunesmith.pipeline.request import Request
from tunesmith.predictor.evaluation import metrics_of
from tunesmith.predictor.explaining import Explaining
from tunesmith.predictor.global_explanation import (
    GlobalExplanation,
    credit_frame,
    effect_frame,
    importance_frame,
)
from tunesmith.predictor.labelled import has_labels, labelled
from tunesmith.predictor.labels import weights_of
from tunesmith.predictor.rows import rows_of
from tunesmith.predictor.wished import towards_of

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS, MOST_CONTENTS = 1_000, 200
"""Rows that are looked at; fewer where texts or pictures are read."""
FEWEST_ROWS = 20
USUAL_SECONDS = 60.0
"""For all of it, where no budget is given."""
FIRST_TIMED, TIMED_ROWS, TIMED_SECONDS, TIMED_SHARE = 4, 40, 1.0, 0.7
"""Rows by which the pace of answers is measured, more where these take no longer than so many
seconds; and of the time, what is planned by it."""
CREDIT_SHARE = 0.5
"""Of the time, what is kept for credits where they are asked for."""
EFFECT_ROWS = 300
EFFECTS = 6
"""Columns whose effects are told, the most important first."""
BACKGROUND = 32
EXPLAINED = 50
"""Rows whose credits are averaged."""


class Whole(Explaining):
    """What a model makes of its columns, and rows that help to understand one."""

    def explain_global(
        self,
        data: Any,
        *,
        columns: Sequence[str] | None = None,
        label: Any = None,
        explainer: str | None = None,
        metric: str | None = None,
        repeats: int = REPEATS,
        most_rows: int | None = None,
        budget: str | float | None = None,
        seed: int = 0,
    ) -> GlobalExplanation:
        """What the columns count for and how the answer goes with them, on the rows of `data`:
        those of a test table say what the model has learned that holds.

        Importance is what the metric loses when a column is shuffled; where no row has a label,
        how far the answers move. Texts and pictures are shuffled too, so that all columns stand in
        one scale. Effects are partial dependence (`mean`), its spread over single rows (`low`,
        `high`, the 10th and 90th percentile) and accumulated local effects (`local`).

        Args:
            columns: Whose effects to tell; by default the six most important.
            label: Whose probability the effects are of; by default the second of two classes, of
                more the commonest answer.
            explainer: A method of `explain` by whose credits columns are compared as well, such as
                "tree" or "shap".
            metric: By which importance is measured; by default that of the fit.
            repeats: Shuffles of each column.
            most_rows: How many rows are looked at; 1,000, or 200 where texts or pictures are read.
            budget: Time for it, such as "10m"; a minute by default. Where `most_rows` is not given,
                as few rows are looked at as it takes; then columns are shuffled less often, and
                what there is no time for is left out: `left_out` says what.

        Raises:
            ConfigError: An argument is wrong.
            DataError: The rows cannot be read.
            BudgetError: Not a single column was shuffled in the time.
        """
        if repeats < 1:
            raise ConfigError(f"A column cannot be shuffled {repeats} times: ask for 1 or more.")
        limit = USUAL_SECONDS if budget is None else Budget.parse(budget).seconds
        whole = Clock(limit)
        clock = Clock(limit * (1 - CREDIT_SHARE * (explainer is not None)))
        effects_asked = EFFECTS if columns is None else len(columns)
        work = _Work(repeats * len(self.model.inputs), effects_asked * POINTS)
        usual, wanted = MOST_CONTENTS if _reads(self.model) else MOST_ROWS, most_rows
        if most_rows is None and clock.has_deadline():
            most_rows = min(usual, self._affordable(data, work, clock))
        asked, rows, about = self._asked(data, metric, most_rows, seed)
        shuffling = Clock(clock.left() * work.shuffled_share)
        found = permutation_importance(asked, rows, seed=seed, repeats=repeats, clock=shuffling)
        importance = importance_frame(found)
        output, name = self._output(label, rows)
        names = _effect_columns(rows, [one.column for one in found], columns)
        effects, late = self._effects(rows, names, output, seed, clock, columns or ())
        most = min(about["of_rows"], wanted or usual)
        left = [*_rows_left(len(rows), most), *_shuffles_left(rows.names, found, repeats)]
        left += [f"how the answer goes with {name!r}" for name in late]
        credits = None
        if explainer is not None:
            told = self._credits(rows, output, explainer, seed, whole)
            credits = credit_frame(told) if told else None
            left += _credits_left(told, min(len(rows), EXPLAINED), explainer)
        facts = {**about, "output": name, "rows": len(rows), "repeats": repeats}
        return GlobalExplanation(importance, effects, credits, {**facts, "left_out": left})

    def _affordable(self, data: Any, work: _Work, clock: Clock) -> int:
        """How many rows can be looked at in the time."""
        rows = rows_of(self.model, data)
        if not len(rows):
            return FEWEST_ROWS  # what is asked next says that there are none
        each = answer_seconds(lambda some: self.model.predict(some), rows)
        seconds = TIMED_SHARE * clock.left()
        return max(FEWEST_ROWS, int(seconds / (each * (work.shuffles + work.points))))

    def _asked(
        self, data: Any, metric: str | None, most_rows: int | None, seed: int
    ) -> tuple[Asked, Dataset, dict[str, Any]]:
        """By what rows are answered and measured, some of the rows, and words for it."""
        model = self.model

        def answer(rows: Dataset) -> Prediction:
            return model.decide(rows, model.predict(rows))

        names = [column.name for column in model.inputs]
        if metric is None and not has_labels(model, data):
            every = rows_of(model, data)
            rows, of_rows = _some(every, model, most_rows, seed)[0], len(every)
            told = "the change of the answers when a column is shuffled"
            about = {"metric": None, "measure": told, "of_rows": of_rows}
            return Asked(answer), rows.with_columns(names), about
        known = labelled(model, data)
        rows, places = _some(known.rows, model, most_rows, seed)
        name = metric_shelf.check(metrics_of(model, metric)[0], answer(rows.take(ONE)))
        weights = weights_of(model, known.rows)
        own = None if weights is None else weights[places]
        asked = Asked(answer, known.truth[places], metric_shelf.get(name), own)
        told = f"what {name} loses when a column is shuffled"
        costly = [] if model.costs is None else list(model.costs.columns)
        kept = list(dict.fromkeys([*names, *(c for c in costly if c in rows.names)]))
        about = {"metric": name, "measure": told, "of_rows": len(known.rows)}
        return asked, rows.with_columns(kept), about

    def _output(self, label: Any, rows: Dataset) -> tuple[int, str]:
        """The number of the answer that is looked at, and what to call it."""
        classes = self.model.classes
        if not classes:
            if label is not None:
                raise ConfigError("This model answers with numbers: it has no label to look at.")
            return 0, self.model.target
        if label is not None:
            if str(label) not in classes:
                raise ConfigError(
                    f"There is no label {str(label)!r}.{did_you_mean(str(label), classes)}"
                )
            place = classes.index(str(label))
        elif len(classes) == 2:
            place = 1
        else:
            place = int(self.model.predict(rows).array().mean(axis=0).argmax())
        return place, f"probability of {classes[place]!r}"

    def _numbers(self, output: int) -> Callable[[Dataset], NDArray[np.float64]]:
        def numbers(rows: Dataset) -> NDArray[np.float64]:
            array = np.asarray(self.model.predict(rows).array(), dtype=np.float64)
            return array if array.ndim == 1 else array[:, output]

        return numbers

    def _effects(
        self,
        rows: Dataset,
        names: Sequence[str],
        output: int,
        seed: int,
        clock: Clock,
        asked: Sequence[str],
    ) -> tuple[dict[str, pd.DataFrame], Sequence[str]]:
        """Of some columns as far as the clock goes, one of those that were asked for at least;
        and of which there was no time. Of the others those that can be told."""
        few = rows.take(_drawn(len(rows), EFFECT_ROWS, seed, "effects"))
        found: dict[str, pd.DataFrame] = {}
        for place, name in enumerate(names):
            if clock.is_over() and (place or not asked):
                return found, names[place:]
            try:
                found[name] = effect_frame(effect(self._numbers(output), few, name))
            except ConfigError:
                if name in asked:
                    raise
        return found, ()

    def _credits(
        self, rows: Dataset, output: int, explainer: str, seed: int, clock: Clock
    ) -> tuple[MeanCredit, ...]:
        background = self.model.background
        if background is None:
            background = rows.take(_drawn(len(rows), BACKGROUND, seed, "background"))
        chosen = _drawn(len(rows), EXPLAINED, seed, "explained")
        games = (RowGame(self.model, rows.take(at), background, output) for at in chosen[:, None])
        try:
            return mean_credits(games, explainer, seed=seed, clock=clock, count=len(chosen))
        except BudgetError:
            return ()

    def counterfactuals(
        self,
        row: Any,
        among: Any,
        *,
        wanted: Any = None,
        count: int = 3,
        actionable: Sequence[str] | None = None,
        frozen: Sequence[str] = (),
        most_changes: int = 3,
    ) -> pd.DataFrame:
        """The nearest changes of few columns that change a row's answer, each by other columns, the
        nearest first, a line for each change: `way`, `column`, `from`, `to`, the `prediction` then,
        the `distance` of the way, and how far its row lies `from_real` ones. Empty where none was
        found.

        Args:
            row: One row, such as a dict.
            among: Rows whose cells are taken, such as those of the fit.
            wanted: The label to come to; any other by default. Of a model of numbers the range
                (low, high) in which the answer is to be; either may be None.
            actionable: Columns that may change; all by default.
            frozen: Columns that may not.

        Raises:
            ConfigError: A column or label is not there, or a row may have several labels.
            DataError: It is not one row.
        """
        import pandas as pd

        model, one = self.model, rows_of(self.model, row)
        if len(one) != 1:
            raise DataError(f"Changes are looked for of one row at a time, not of {len(one):,}.")
        names = [column.name for column in model.inputs]
        background = rows_of(model, among).with_columns(names)
        towards = towards_of(model, one, wanted)
        found = counterfactuals(
            towards,
            one.with_columns(names),
            background,
            count=count,
            actionable=actionable,
            frozen=frozen,
            most_changes=most_changes,
        )
        lines = [line for way, each in enumerate(found, 1) for line in self._ways(way, each)]
        heads = ["way", "column", "from", "to", "prediction", "distance", "from_real"]
        return pd.DataFrame(lines, columns=heads)

    def _ways(self, way: int, found: Counterfactual) -> list[tuple[Any, ...]]:
        answer = self.model.predict(found.row)
        decided = self.model.decide(found.row, answer).decode()[0]
        return [
            (way, name, before, after, decided, found.distance, found.from_real)
            for name, before, after in found.changes
        ]

    def prototypes(self, data: Any, *, k: int = 5, source: Any = None) -> pd.DataFrame:
        """The training rows that are most like rows, the nearest first: `row` (that asked about,
        from 0), `rank`, `line` in the data of the fit, the `label` there, and the `distance`: by
        the features of the model's network, or, of a model of tables, by the cells.

        Args:
            source: The data of the fit, where that was an object in memory or has moved.

        Raises:
            ConfigError: The data of the fit is gone, or k is below 1.
            DataError: It is not as it was.
        """
        import pandas as pd

        if k < 1:
            raise ConfigError(f"The {k} nearest rows cannot be given: ask for 1 or more.")
        request = Request.read(self.folder)
        problem = reframed(
            self.folder, request, source, call="prototypes", purpose="which rows are like others"
        )
        train = problem.part("train")
        rows = rows_of(self.model, data)
        found = nearest(self.model, rows, train, k)
        labels = train.values(problem.target)
        lines = [
            (row, rank + 1, int(train.lines[place]), labels[place], float(far))
            for row, (places, fars) in enumerate(zip(found.places, found.distances, strict=True))
            for rank, (place, far) in enumerate(zip(places, fars, strict=True))
        ]
        table = pd.DataFrame(lines, columns=["row", "rank", "line", "label", "distance"])
        table.attrs["space"] = found.space
        return table


ONE = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True)
class _Work:
    """Answers for each row: with a column shuffled, and at the points of effects."""

    shuffles: int
    points: int

    @property
    def shuffled_share(self) -> float:
        return self.shuffles / (self.shuffles + self.points)


def _rows_left(looked_at: int, most: int) -> list[str]:
    return [f"{most - looked_at:,} of {most:,} rows"] if looked_at < most else []


def _shuffles_left(columns: Sequence[str], found: Sequence[Importance], repeats: int) -> list[str]:
    told = {one.column for one in found}
    left = [f"what {name!r} counts for" for name in columns if name not in told]
    least = min(one.shuffles for one in found)
    return left if least == repeats else [f"{repeats - least} of {repeats} shuffles", *left]


def _credits_left(found: Sequence[MeanCredit], most: int, explainer: str) -> list[str]:
    if not found:
        return [f"credits by {explainer}"]
    rows = found[0].rows
    return [f"credits of {most - rows} of {most} rows"] if rows < most else []


def _some(
    rows: Dataset, model: Model, most_rows: int | None, seed: int
) -> tuple[Dataset, NDArray[np.int64]]:
    """So many of the rows, drawn, and which."""
    if most_rows is not None and most_rows < 1:
        raise ConfigError(f"{most_rows} rows cannot be looked at: ask for 1 or more.")
    if not len(rows):
        raise DataError(f"{rows.source} has no rows to look at.")
    most = most_rows or (MOST_CONTENTS if _reads(model) else MOST_ROWS)
    places = _drawn(len(rows), most, seed, "global")
    return rows.take(places), places


def _reads(model: Model) -> bool:
    return any(column.kind in ("text", "image") for column in model.inputs)


def answer_seconds(
    answer: Callable[[Dataset], object], rows: Dataset, now: Callable[[], float] = time.monotonic
) -> float:
    """Seconds that an answer takes, among some; what is loaded at first is not counted."""
    answer(rows.take(np.arange(min(FIRST_TIMED, len(rows)))))
    each = 0.0
    for count in (FIRST_TIMED, TIMED_ROWS):
        some = rows.take(np.arange(min(count, len(rows))))
        if each * len(some) > TIMED_SECONDS:
            break
        began = now()
        answer(some)
        each = (now() - began) / len(some)
    return max(1e-9, each)


def _drawn(count: int, most: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """At most so many of so many places, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(generator(seed, purpose).choice(count, most, replace=False))


def _effect_columns(
    rows: Dataset, ranked: Sequence[str], columns: Sequence[str] | None
) -> list[str]:
    if columns is not None:
        return [rows.column(name).name for name in columns]
    return [name for name in ranked if rows.column(name).kind in ABLE][:EFFECTS]
