"""Credit by a look inside of trees: what it sums to, and that it is the Shapley values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.predictions import ClassScores, Prediction, mix
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.evaluate.calibration import Calibration
from tunesmith.explain import explainers
from tunesmith.explain._paths import pair_credits
from tunesmith.explain._side_by_side import pair_credits_of
from tunesmith.explain.game import RowGame
from tunesmith.learners import learners
from tunesmith.learners._folded import fit_whole
from tunesmith.learners._per_label import fit_labels
from tunesmith.pipeline.after import NOTHING, After
from tunesmith.pipeline.frame import frame
from tunesmith.tasks import tasks

TREES = [name for name in ("lightgbm", "xgboost", "catboost") if find_spec(name)] + ["forest"]
PINS: dict[str, dict[str, Any]] = {
    "lightgbm": {"rounds": 30},
    "xgboost": {"rounds": 30},
    "catboost": {"rounds": 30, "combined": 1},
    "forest": {"trees": 20},
    "linear": {},
}
ROWS, BACKGROUND = 400, 12


@dataclass(frozen=True)
class Blend:
    """Models as a saved blend answers."""

    inputs: tuple[Column, ...]
    members: tuple[tuple[Fitted, float], ...]
    after: After = NOTHING

    def predict(self, data: Dataset) -> Prediction:
        parts = [fitted.predict(data) for fitted, _ in self.members]
        return self.after.apply(mix(parts, [weight for _, weight in self.members]))


def table(target: str, folds: int = 0) -> Problem:
    """Numbers with holes, categories of few levels and of many, and dates, on all of which the
    targets hang, some together."""
    dice = np.random.default_rng(0)
    size, shop, town = dice.normal(size=ROWS), dice.integers(0, 8, ROWS), dice.integers(0, 60, ROWS)
    days = dice.integers(0, 700, ROWS)
    amount = 3 * size * (shop % 3 - 1) + 2 * (shop % 2) + (days > 350) + town % 3
    amount = amount + 0.3 * dice.normal(size=ROWS)
    cells: dict[str, NDArray[Any]] = {
        "size": np.where(dice.random(ROWS) < 0.1, np.nan, size),
        "shop": np.array([f"s{code}" for code in shop], dtype=object),
        "town": np.array([f"t{code}" for code in town], dtype=object),
        "when": np.datetime64("2023-01-01", "s") + days * np.timedelta64(86400, "s"),
        "label": np.where(amount > 1, "yes", "no").astype(object),
        "sort": np.array(["low", "mid", "high"], dtype=object)[np.digitize(amount, [0, 3])],
        "amount": amount,
    }
    kinds: dict[str, Any] = dict.fromkeys(cells, "category")
    kinds |= {"size": "number", "when": "date", "amount": "number"}
    columns = tuple(Column(name, kind, "made up") for name, kind in kinds.items())
    data = Dataset("made up", columns, cells, np.arange(ROWS))
    return frame(data.with_columns(["size", "shop", "town", "when", target]), target, folds=folds)


def fitted(name: str, problem: Problem) -> Fitted:
    config = default(learners[name].config, PINS[name])
    watch = Watch(Clock(), lambda score, progress: True)
    return fit_whole(learners[name], problem, config, 0, watch)[0]


def blend(problem: Problem, *members: Fitted, after: After = NOTHING) -> Blend:
    columns = tuple(problem.data.column(name) for name in problem.inputs)
    weights = range(1, len(members) + 1)
    return Blend(columns, tuple(zip(members, map(float, weights), strict=True)), after)


def game_of(model: Blend, problem: Problem, row: int, output: int) -> RowGame:
    given = problem.part("train").take(np.arange(BACKGROUND))
    return RowGame(model, problem.part("test").take(np.array([row])), given, output)


def credits_of(game: RowGame) -> tuple[NDArray[np.float64], float]:
    tree = explainers["tree"]
    assert tree.suits(game) == ""
    most = tree.evaluations(game)
    found = tree.explain(game, seed=0, clock=Clock(), evaluations=most)
    assert found.base is not None
    return found.credits, found.base


def shapley(game: RowGame) -> NDArray[np.float64]:
    """By all orders of the pieces."""
    count = len(game.pieces)
    orders = list(permutations(range(count)))
    found = np.zeros(count)
    for order in orders:
        masks = np.zeros((count + 1, count), dtype=bool)
        for step, piece in enumerate(order):
            masks[step + 1 :, piece] = True
        found[list(order)] += np.diff(game.values(masks))
    return found / len(orders)


@pytest.mark.parametrize("name", TREES)
def test_of_numbers_credits_are_the_shapley_values_over_all_orders(name: str) -> None:
    problem = table("amount")
    model = blend(problem, fitted(name, problem))
    for row in range(5):
        game = game_of(model, problem, row, 0)
        found, base = credits_of(game)
        assert np.allclose(found, shapley(game), atol=1e-4)
        assert np.isclose(base + found.sum(), game.answer(), atol=1e-6)


@pytest.mark.parametrize("combined", [1, 2])
@pytest.mark.parametrize("target", ["label", "sort", "amount"])
@pytest.mark.parametrize("name", TREES)
def test_trees_are_read_as_their_library_reads_them(name: str, target: str, combined: int) -> None:
    """Nothing is shared out afterwards here: what columns add is the difference of the margins."""
    if combined == 2 and name != "catboost":
        pytest.skip("only CatBoost takes several categories together")
    problem = table(target)
    config = default(
        learners[name].config,
        PINS[name] | ({"combined": 2, "one_hot_levels": 2} if combined == 2 else {}),
    )
    model = learners[name].fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))
    rows = problem.part("test").take(np.arange(20))
    ((grove, share),) = model.groves(rows, 0)
    found = pair_credits(grove).sum(axis=1)
    apart = grove.margins[-1] - grove.margins[:-1]
    assert share == 1
    assert np.abs(apart).max() > 0.1
    assert np.allclose(found, apart, atol=1e-4)
    if combined == 2:
        assert any(len(columns) == 2 for columns in grove.players)


@pytest.mark.parametrize("target", ["label", "sort", "amount"])
def test_groves_walked_through_as_one_say_what_each_says(target: str) -> None:
    problem = table(target)
    rows = problem.part("test").take(np.arange(20))
    groves = []
    for name in TREES:  # they ask about unlike features of the same columns
        config = default(learners[name].config, PINS[name])
        model = learners[name].fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))
        groves += [grove for grove, _ in model.groves(rows, 0)]
    for found, grove in zip(pair_credits_of(groves), groves, strict=True):
        assert np.allclose(found, pair_credits(grove), atol=1e-5)


@pytest.mark.parametrize("target", ["label", "sort"])
@pytest.mark.parametrize("name", TREES)
def test_base_and_credits_sum_to_the_probability(name: str, target: str) -> None:
    problem = table(target)
    model = blend(problem, fitted(name, problem))
    for row, output in enumerate(range(len(problem.classes))):
        game = game_of(model, problem, row, output)
        found, base = credits_of(game)
        none = np.zeros((1, len(game.pieces)), dtype=bool)
        assert np.isclose(base, game.values(none)[0], atol=1e-6)
        assert np.isclose(base + found.sum(), game.answer(), atol=1e-6)
        assert np.corrcoef(found, shapley(game))[0, 1] > 0.9


@pytest.mark.parametrize("name", ["lightgbm", "forest"])
def test_of_numbers_alone_it_agrees_with_shap(name: str) -> None:
    shap = pytest.importorskip("shap")
    problem = table("label")
    names = ("size", "when")
    problem = replace(problem, inputs=names, data=problem.data.with_columns([*names, "label"]))
    model: Any = fitted(name, problem)
    game = game_of(blend(problem, model), problem, 0, 1)
    found, _ = credits_of(game)
    features = model.columns.matrix(game.background.with_columns(names)).astype(np.float64)
    own = model.columns.matrix(game.row).astype(np.float64)
    if name == "forest":
        grown = model.grown
        ends = [*grown.roots[1:], len(grown.feature)]
        trees = [
            _for_shap(grown, start, stop) for start, stop in zip(grown.roots, ends, strict=True)
        ]
        features, own = (np.where(np.isnan(a), model.lows, a) for a in (features, own))
        peer = shap.TreeExplainer({"trees": trees}, features)
    else:
        peer = shap.TreeExplainer(model.trees.booster, features, model_output="probability")
    theirs = np.asarray(peer.shap_values(own, check_additivity=False)).reshape(-1)
    owners = np.array(model.columns.owners)
    summed = [theirs[owners == column].sum() for column in names]
    # features of one column that disagree are players of their own there, of one date here
    assert np.allclose(found, summed, atol=0.02)
    assert np.isclose(found.sum(), sum(summed), atol=1e-4)


def _for_shap(grown: Any, start: int, stop: int) -> dict[str, Any]:
    feature = grown.feature[start:stop]
    leaf, places = feature < 0, np.arange(stop - start)
    right = np.where(leaf, -1, grown.right[start:stop] - start)
    left = np.where(leaf, -1, places + 1)
    values = np.zeros(stop - start)
    values[leaf] = grown.values[grown.right[start:stop][leaf], 1] / len(grown.roots)
    return {
        "children_left": left,
        "children_right": right,
        "children_default": left,
        "features": feature,
        "thresholds": grown.threshold[start:stop].astype(np.float64),
        "values": values[:, None],
        "node_sample_weight": np.ones(stop - start),
    }


def test_a_blend_of_folds_with_a_calibration_and_a_member_that_is_no_tree_adds_up() -> None:
    problem = table("label", folds=3)
    curved = After(Calibration("platt", (1.7, 1.7), (0.0, -0.4)))
    members = [fitted(name, problem) for name in ("lightgbm", "forest", "linear")]
    model = blend(problem, *members, after=curved)
    for row in range(4):
        game = game_of(model, problem, row, 1)
        found, base = credits_of(game)
        assert np.isclose(base + found.sum(), game.answer(), atol=1e-6)
        assert np.allclose(found, shapley(game), atol=0.06)


def test_a_step_of_a_calibration_makes_no_column_worth_more_than_there_is() -> None:
    problem = table("label")
    steps = Calibration("isotonic", knots=((0.0, 0.0), (0.499, 0.1), (0.501, 0.9), (1.0, 1.0)))
    model = blend(problem, fitted("lightgbm", problem), after=After(steps))
    for row in range(10):
        game = game_of(model, problem, row, 1)
        found, base = credits_of(game)
        assert np.isclose(base + found.sum(), game.answer(), atol=1e-6)
        assert np.abs(found).max() < 3


def test_each_label_of_several_is_explained_by_its_own_trees() -> None:
    data, target = tasks["multilabel"].example(np.random.default_rng(0))
    problem = frame(data, target, folds=0, seed=0)
    dice = np.random.default_rng(1)
    size = dice.normal(size=len(problem.data))
    columns = (*problem.data.columns, Column("size", "number", ""))
    grown = replace(problem.data, columns=columns, cells={**problem.data.cells, "size": size})
    problem = replace(problem, data=grown, inputs=("size",))
    watch = Watch(Clock(), lambda score, progress: True)
    config = default(learners["lightgbm"].config, PINS["lightgbm"])
    model = blend(problem, fit_labels(learners["lightgbm"], problem, config, 0, watch))
    for output in range(len(problem.classes)):
        game = game_of(model, problem, 0, output)
        found, base = credits_of(game)
        assert np.isclose(base + found.sum(), game.answer(), atol=1e-6)


def test_it_says_what_it_cannot_explain() -> None:
    problem = table("label")
    game = game_of(blend(problem, fitted("linear", problem)), problem, 0, 1)
    assert "made of trees" in explainers["tree"].suits(game)
    data = Dataset(
        "words",
        (Column("said", "text", ""),),
        {"said": np.array(["a good day"], dtype=object)},
        np.array([1]),
    )
    told = Blend(data.columns, ())
    assert "words" in explainers["tree"].suits(RowGame(told, data, data, 0))


def test_the_answer_of_one_class_is_the_other_way_round_for_the_other() -> None:
    problem = table("label")
    model = blend(problem, fitted("lightgbm", problem))
    first, _ = credits_of(game_of(model, problem, 2, 0))
    second, _ = credits_of(game_of(model, problem, 2, 1))
    assert np.allclose(first, -second, atol=1e-9)
    assert isinstance(model.predict(problem.part("test")), ClassScores)
