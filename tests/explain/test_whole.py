"""A model as a whole, on functions that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.core.records import Column, Dataset
from tunesmith.explain.game import RowGame
from tunesmith.explain.whole.counterfactual import counterfactuals
from tunesmith.explain.whole.credits import mean_credits
from tunesmith.explain.whole.effects import effect
from tunesmith.explain.whole.importance import Asked, Importance, permutation_importance
from tunesmith.explain.whole.prototypes import nearest
from tunesmith.metrics import get

ROWS = 600


def rows(seed: int = 0, count: int = ROWS) -> Dataset:
    """`wide` and `like` go together; `noise` with nothing; `shop` is a category; `said` a text."""
    dice = np.random.default_rng(seed)
    wide = dice.uniform(0, 1, count)
    cells: dict[str, NDArray[Any]] = {
        "wide": wide,
        "like": wide + dice.normal(0, 0.05, count),
        "noise": dice.normal(size=count),
        "shop": np.array(["a", "b", "c", "d"], dtype=object)[dice.integers(0, 4, count)],
        "said": np.array(["good", "bad"], dtype=object)[dice.integers(0, 2, count)],
    }
    kinds: Any = {"wide": "number", "like": "number", "noise": "number", "shop": "category"}
    columns = tuple(Column(name, kinds.get(name, "text"), "") for name in cells)
    return Dataset("made", columns, cells, np.arange(1, count + 1))


def is_good(data: Dataset) -> NDArray[np.bool_]:
    return np.array([text == "good" for text in data.values("said")])


def chance(data: Dataset) -> NDArray[np.float64]:
    logit = 6 * (data.values("wide") - 0.5) + 2 * is_good(data) - 1
    return 1 / (1 + np.exp(-logit))


def scores(data: Dataset) -> Prediction:
    found = chance(data)
    return ClassScores(("no", "yes"), np.stack([1 - found, found], axis=1))


def by_column(found: tuple[Importance, ...]) -> dict[str, Importance]:
    return {one.column: one for one in found}


def test_what_the_answer_hangs_on_is_important_and_the_interval_of_noise_holds_zero() -> None:
    data = rows()
    truth = (np.random.default_rng(1).random(ROWS) < chance(data)).astype(np.int64)

    def answer(given: Dataset) -> Prediction:
        found = chance(given) + 0.02 * np.tanh(given.values("noise"))
        found = np.clip(found, 0, 1)
        return ClassScores(("no", "yes"), np.stack([1 - found, found], axis=1))

    found = permutation_importance(Asked(answer, truth, get("log_loss")), data)
    assert [one.column for one in found[:2]] == ["wide", "said"]
    told = by_column(found)
    assert told["wide"].low > 0
    assert told["said"].low > 0
    assert told["noise"].low <= 0 <= told["noise"].high
    assert told["like"].value == told["shop"].value == 0


def test_without_labels_importance_is_how_far_the_answers_move() -> None:
    data = rows()
    found = by_column(permutation_importance(Asked(scores), data))
    text, number = found["said"], found["wide"]
    assert text.low > 0.05
    assert number.low > 0.05
    assert found["noise"].value == 0
    flipped = np.array(["bad" if good else "good" for good in is_good(data)], dtype=object)
    other = replace(data, cells={**data.cells, "said": flipped})
    # a shuffle changes every other text
    assert text.value == pytest.approx(np.abs(chance(other) - chance(data)).mean() / 2, rel=0.15)


def test_importance_of_numbers_is_in_their_units() -> None:
    data = rows()
    found = permutation_importance(Asked(lambda d: Values(100 * d.values("wide"))), data)
    assert found[0].value == pytest.approx(100 / 3, rel=0.1)


def test_importance_ends_with_its_time() -> None:
    with pytest.raises(BudgetError, match="0 of 5 columns"):
        permutation_importance(Asked(scores), rows(), clock=Clock(1e-9))


def test_where_time_is_short_columns_are_shuffled_less_often_and_the_last_ones_not_at_all() -> None:
    asked: list[str] = []

    def answer(given: Dataset) -> Prediction:
        asked.append(given.source)
        return scores(given)

    def slow(limit: float) -> Clock:
        return Clock(limit, now=lambda: 1.0 * len(asked), start=len(asked))

    def shuffles(limit: float) -> list[int]:
        found = permutation_importance(Asked(answer), rows(), clock=slow(limit))
        return [
            by_column(found)[name].shuffles for name in rows().names if name in by_column(found)
        ]

    assert shuffles(100.0) == [5] * 5
    assert shuffles(15.0) == [5, 2, 2, 2, 3]
    assert shuffles(8.0) == [5, 1, 1]
    whole = by_column(permutation_importance(Asked(answer), rows()))
    short = by_column(permutation_importance(Asked(answer), rows(), clock=slow(15.0)))
    assert short["wide"] == whole["wide"]
    assert short["said"].low < whole["said"].value < short["said"].high


def test_partial_dependence_mixes_columns_that_go_together_and_local_effects_do_not() -> None:
    """Of x1 * x2 where both are alike: at the mean the dependence on x1 is linear, and its local
    effect, which follows the rows, is the parabola of x1 ** 2 / 2."""
    data = rows()

    def product(given: Dataset) -> NDArray[np.float64]:
        return np.asarray(given.values("wide") * given.values("like"), dtype=np.float64)

    found = effect(product, data, "wide", points=25)
    mean = data.values("like").mean()
    assert np.allclose(found.mean, found.points * mean, atol=1e-9)
    wanted = found.points**2 / 2
    shift = np.average(found.local - wanted)
    assert np.allclose(found.local - wanted, shift, atol=0.02)
    assert found.rows.shape == (ROWS, 25)
    assert found.shares.sum() == pytest.approx(1)


def test_local_effects_of_an_additive_function_are_its_own_term_around_zero() -> None:
    data = rows()
    worth = {"a": 0.0, "b": 5.0, "c": -3.0, "d": 1.0}

    def total(given: Dataset) -> NDArray[np.float64]:
        own = np.array([worth[level] for level in given.values("shop")])
        return np.asarray(own + 7 * given.values("wide"), dtype=np.float64)

    found = effect(total, data, "shop")
    own = np.array([worth[level] for level in found.points])
    centre = float(np.average(own, weights=found.shares))
    assert np.allclose(found.local, own - centre, atol=1e-9)
    assert np.allclose(np.diff(found.mean), np.diff(own), atol=1e-9)
    assert float(np.average(found.local, weights=found.shares)) == pytest.approx(0)


def test_partial_dependence_agrees_with_scikit_learn() -> None:
    import pandas as pd
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.inspection import partial_dependence

    data = rows().with_columns(["wide", "like", "noise"])

    def bent(given: Dataset) -> NDArray[np.float64]:
        return np.asarray(np.sin(5 * given.values("wide")) * given.values("like"))

    class Adapter(RegressorMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, x: Any, y: Any) -> Adapter:
            self.fitted_ = True
            return self

        def predict(self, x: pd.DataFrame) -> NDArray[np.float64]:
            cells = {name: x[name].to_numpy() for name in x.columns}
            return bent(replace(data, cells=cells))

    found = effect(bent, data, "wide", points=15)
    frame = pd.DataFrame(dict(data.cells))
    theirs = partial_dependence(
        Adapter().fit(frame, None),
        frame,
        ["wide"],
        grid_resolution=15,
        percentiles=(0.01, 0.99),
        kind="both",
    )
    ours = np.interp(theirs["grid_values"][0], found.points, found.mean)
    assert np.allclose(ours, theirs["average"][0], atol=0.01)


def test_levels_stand_beside_those_whose_rows_are_alike() -> None:
    dice = np.random.default_rng(0)
    place = dice.integers(0, 5, ROWS)
    cells: dict[str, NDArray[Any]] = {
        "size": place + dice.normal(0, 0.7, ROWS),
        "age": place + dice.normal(0, 0.7, ROWS),
        "town": np.array(["p", "q", "r", "s", "t"], dtype=object)[place],
    }
    kinds: Any = {"town": "category"}
    columns = tuple(Column(name, kinds.get(name, "number"), "") for name in cells)
    data = Dataset("made", columns, cells, np.arange(ROWS))
    found = effect(lambda d: np.zeros(len(d)), data, "town")
    assert "".join(found.points) in ("pqrst", "tsrqp")


def test_a_text_has_no_effect_to_draw() -> None:
    with pytest.raises(ConfigError, match="numbers, dates or categories"):
        effect(chance, rows(), "said")


def towards(given: Dataset) -> NDArray[np.float64]:
    return np.asarray(chance(given) - 0.5, dtype=np.float64)


def row_of(**cells: Any) -> Dataset:
    given = rows().take(np.array([0]))
    held = {}
    for name, values in given.cells.items():
        one = values.copy()
        one[0] = cells.get(name, values[0])
        held[name] = one
    return replace(given, cells=held)


def test_a_counterfactual_changes_the_answer_as_little_as_it_can() -> None:
    row = row_of(wide=0.3, said="bad")
    assert towards(row)[0] < 0
    found = counterfactuals(towards, row, rows())
    assert towards(found[0].row)[0] > 0
    assert [name for name, _, _ in found[0].changes] == ["wide"]
    # the answer turns at 2 / 3; cells lie about 1 / 15 apart
    assert 2 / 3 < found[0].row.values("wide")[0] < 2 / 3 + 0.08
    assert found[0].row.values("said")[0] == "bad"


def test_only_columns_that_may_change_do() -> None:
    row, data = row_of(wide=0.3, like=0.3, said="bad"), rows()

    def both(given: Dataset) -> NDArray[np.float64]:
        return np.asarray(given.values("wide") + 2 * given.values("like") - 1.5)

    free = counterfactuals(both, row, data, frozen=("wide",))
    assert {name for one in free for name, _, _ in one.changes} == {"like"}
    assert counterfactuals(both, row, data, actionable=("noise", "shop")) == ()
    with pytest.raises(ConfigError, match="No column is left"):
        counterfactuals(both, row, data, actionable=("said",))
    with pytest.raises(ConfigError, match="'like'"):
        counterfactuals(both, row, data, frozen=("lik",))


def test_where_no_single_change_does_two_are_made() -> None:
    row, data = row_of(wide=0.1, like=0.1, shop="a"), rows()

    def joint(given: Dataset) -> NDArray[np.float64]:
        is_b = np.array([level == "b" for level in given.values("shop")])
        return np.asarray(given.values("wide") + is_b - 1.5)

    found = counterfactuals(joint, row, data)
    assert {name for name, _, _ in found[0].changes} == {"wide", "shop"}
    assert joint(found[0].row)[0] > 0
    assert not counterfactuals(joint, row, data, most_changes=1)


class Seen:
    """A member that sees rows in a space of its own, or in none."""

    def __init__(self, of: Callable[[Dataset], Any]) -> None:
        self.seen = of


class Model:
    def __init__(self, member: Seen, columns: tuple[Column, ...]) -> None:
        self.inputs, self.members = columns, ((member, 1.0),)


def test_the_nearest_row_of_a_row_is_itself_by_cells_and_by_features() -> None:
    data = rows()
    asked = data.take(np.array([5, 17]))

    def features(given: Dataset) -> NDArray[np.float64]:
        return np.stack([np.cos(given.values("wide")), np.sin(given.values("wide"))], axis=1)

    for of in (lambda given: None, features):
        model: Any = Model(Seen(of), data.columns)
        found = nearest(model, asked, data, k=3)
        assert found.places[:, 0].tolist() == [5, 17]
        assert np.allclose(found.distances[:, 0], 0)
        assert (np.diff(found.distances, axis=1) >= 0).all()


def test_mean_credits_do_not_cancel_and_hold_the_sizes_of_the_terms() -> None:
    data = rows().with_columns(["wide", "noise", "shop"])
    whole: Any = Whole(data.columns, lambda d: 4 * d.values("noise"))
    typical = data.take(np.arange(50))
    games = [RowGame(whole, data.take(np.array([n])), typical, 0) for n in range(40)]
    found = mean_credits(games, "occlusion")
    assert found[0].column == "noise"
    centre = data.values("noise")[:50].mean()
    wanted = np.abs(4 * (data.values("noise")[:40] - centre)).mean()
    assert found[0].value == pytest.approx(wanted)
    assert found[0].low < found[0].value < found[0].high
    assert abs(found[0].signed) < found[0].value / 2
    assert found[1].value == pytest.approx(0, abs=1e-12)
    with pytest.raises(ConfigError, match="made of trees"):
        mean_credits(games, "tree")


def test_credits_are_of_as_many_rows_as_there_is_time_for() -> None:
    data = rows().with_columns(["wide", "noise", "shop"])
    asked = [0]

    def answer(given: Dataset) -> NDArray[np.float64]:
        asked[0] += len(given)
        return np.asarray(4 * given.values("noise"), dtype=np.float64)

    model: Any = Whole(data.columns, answer)
    typical = data.take(np.arange(5))

    def told(limit: float, method: str) -> int:
        begun, places = asked[0], np.arange(40)[:, None]
        games = [RowGame(model, data.take(place), typical, 0) for place in places]
        clock = Clock(limit, now=lambda: 1.0 * (asked[0] - begun), start=0.0)
        return mean_credits(games, method, clock=clock, count=40)[0].rows

    assert told(1e6, "occlusion") == 40
    assert told(100.0, "permutation-shap") in range(3, 12)
    with pytest.raises(BudgetError):
        told(1e-3, "permutation-shap")


class Whole:
    """A model of numbers that is no blend of anything."""

    members: tuple[Any, ...] = ()

    def __init__(
        self, columns: tuple[Column, ...], of: Callable[[Dataset], NDArray[np.float64]]
    ) -> None:
        self.inputs, self._of = columns, of

    def predict(self, data: Dataset) -> Prediction:
        return Values(np.asarray(self._of(data), dtype=np.float64))
