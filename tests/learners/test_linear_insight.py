"""Linear models looked into: what each word and cell adds to the answer, exactly."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import BudgetError, MissingExtra
from tunesmith.core.explaining import HEATS, Heats
from tunesmith.core.multilabel import packed
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.explain import explainers
from tunesmith.explain.choosing import why_not
from tunesmith.explain.game import RowGame
from tunesmith.learners import learners
from tunesmith.learners._answers import answer as told
from tunesmith.learners._folded import Folded, fit_whole
from tunesmith.learners._per_label import PerLabel
from tunesmith.learners._with_embeddings import WithEmbeddings
from tunesmith.learners.linear import LinearModel
from tunesmith.learners.stack import Stacked, over
from tunesmith.pipeline.frame import frame

GRADIENTS, CAM, ROLLOUT = HEATS
PLAIN = ["red", "dress", "wool", "size", "button", "sleeve", "colour", "hem"]
GOOD, BAD, FINE = "Lovely", "awful", "middling"


def table(rows: int = 150) -> pd.DataFrame:
    """`review` tells `kind` by one word, the number `age` tells `price`, both tell `tags`."""
    dice = np.random.default_rng(0)
    words = [[*dice.choice(PLAIN, 5)] for _ in range(rows)]
    kind = dice.integers(3, size=rows)
    for said, which in zip(words, kind, strict=True):
        said[dice.integers(5)] = (GOOD, BAD, FINE)[which]
    age = dice.normal(50, 9, rows)
    age[::11] = np.nan
    shop = dice.choice(["north", "south", "east"], rows)
    tags = [
        packed([*(["liked"] if one == 0 else []), *(["far"] if where == "east" else [])])
        for one, where in zip(kind, shop, strict=True)
    ]
    return pd.DataFrame(
        {
            "title": [" ".join(dice.choice(PLAIN, 2)) for _ in range(rows)],
            "review": [",  ".join(one) + "." for one in words],
            "age": age,
            "shop": shop,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(dice.integers(0, 900, rows), "D"),
            "kind": np.array(["good", "bad", "fine"])[kind],
            "is_good": np.where(kind == 0, "yes", "no"),
            "price": 1000 + 300 * (kind == 0) + 5 * np.nan_to_num(age, nan=50.0),
            "tags": tags,
        }
    )


PINS: list[dict[str, Any]] = [{}, {"words": 2}, {"characters": True}]
TARGETS = ("kind", "is_good", "price", "tags")
INPUTS = ("review", "age", "shop", "day")


def problem(target: str, inputs: tuple[str, ...] = INPUTS, **more: Any) -> Problem:
    kinds: dict[str, Any] = {"title": "text", "review": "text", "shop": "category"}
    data = table()[[*inputs, target]]
    told = {name: kind for name, kind in kinds.items() if name in inputs}
    return frame(read(data, kinds=told), target, seed=0, **{"folds": 0, **more})


def fitted(given: Problem, pins: Mapping[str, Any] | None = None, name: str = "linear") -> Any:
    watch = Watch(Clock(), lambda score, progress: True)
    return fit_whole(learners[name], given, default(learners[name].config, pins or {}), 0, watch)[0]


def row_of(given: Problem, number: int) -> Dataset:
    return given.data.with_columns(given.inputs).take(np.array([number]))


def looked_into(model: Fitted, row: Dataset, output: int) -> Heats:
    found = model.heats(row, output, GRADIENTS)
    assert found is not None
    return found


def answer(model: Fitted, row: Dataset, output: int) -> float:
    return float(model.predict(row).array().reshape(1, -1)[0, output])


def total(heats: Heats) -> float:
    return sum(float(heat.credits.sum()) for heat in heats.values())


def bare(words: Iterable[str]) -> set[str]:
    return {word.strip(",.") for word in words}


def words_of(heats: Heats, row: Dataset, column: str) -> dict[str, float]:
    """The credit of each word of a text, as it is written there."""
    found: dict[str, float] = {}
    heat, text = heats[column], row.values(column)[0]
    assert heat.spans is not None
    for credit, (start, end) in zip(heat.credits, heat.spans, strict=True):
        found[text[start:end]] = found.get(text[start:end], 0.0) + float(credit)
    return found


def answers(model: LinearModel, features: np.ndarray) -> np.ndarray:
    """What is answered to rows of features, shape (rows, outputs)."""
    logits = model.plane.logits(features)
    return told(logits, model.classes, several=model.several).array().reshape(len(features), -1)


def by_steps(model: LinearModel, row: Dataset, output: int, places: Sequence[int]) -> float:
    """Integrated gradients of some features: slopes at 400 steps of the way, by differences."""
    steps, move, found = 400, 1e-3, 0.0
    whole = model.features(row).toarray()[0].astype(np.float64)
    way = (np.arange(steps)[:, None] + 0.5) / steps * whole
    for place in places:
        aside = move * np.eye(len(whole))[place]
        slopes = answers(model, way + aside)[:, output] - answers(model, way - aside)[:, output]
        found += float(slopes.mean()) / (2 * move) * whole[place]
    return found


@pytest.mark.parametrize("pins", [{}, {"words": 3}, {"characters": True, "strength": 80.0}])
@pytest.mark.parametrize("target", TARGETS)
def test_credits_sum_to_what_the_answer_differs_from_that_to_nothing(
    target: str, pins: dict[str, Any]
) -> None:
    given = problem(target)
    model = fitted(given, pins)
    nothing = answers(model, np.zeros((1, len(model.plane.weights))))[0]
    for number in range(5):
        row = row_of(given, number)
        for output in range(len(given.classes) or 1):
            heats = looked_into(model, row, output)
            assert set(heats) == set(INPUTS)
            assert total(heats) == pytest.approx(heats.change, rel=1e-9, abs=1e-9)
            differs = answer(model, row, output) - nothing[output]
            assert heats.change == pytest.approx(differs, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_credits_are_the_mean_slope_on_the_way_times_the_way(target: str) -> None:
    given = problem(target)
    model, row = fitted(given), row_of(given, 3)
    heats, start = looked_into(model, row, 0), len(model.terms.vocabulary)
    for name, place in model.inputs.slices().items():
        wanted = by_steps(model, row, 0, range(start + place.start, start + place.stop))
        assert float(heats[name].credits) == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    said = by_steps(model, row, 0, range(start))
    assert float(heats["review"].credits.sum()) == pytest.approx(said, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("target", ["kind", "tags"])
def test_an_answer_that_turns_at_once_is_told_exactly(target: str) -> None:
    given = problem(target, ("age", "shop"))
    model, row = fitted(given), row_of(given, 1)
    weights = model.plane.weights * np.float32(200 / np.abs(model.plane.weights).max())
    steep = replace(model, plane=replace(model.plane, weights=weights))
    for output in range(len(given.classes)):
        heats = looked_into(steep, row, output)
        assert total(heats) == pytest.approx(heats.change, abs=1e-9)


@pytest.mark.parametrize("pins", PINS)
def test_the_planted_word_is_first_where_it_stands(pins: dict[str, Any]) -> None:
    given = problem("is_good", ("review",))
    model, output, first = fitted(given, pins), given.classes.index("yes"), []
    for number in range(12):
        row = row_of(given, number)
        words = words_of(looked_into(model, row, output), row, "review")
        said = row.values("review")[0].split()
        assert set(words) == (set(said) if pins.get("characters") else bare(said))
        if GOOD in bare(said):
            first.append(max(words, key=lambda word: words[word]))
    assert bare(first) == {GOOD}


@pytest.mark.parametrize("pins", PINS)
def test_of_two_texts_each_has_its_own_words(pins: dict[str, Any]) -> None:
    given = problem("is_good", ("title", "review", "age"))
    model, output, first = fitted(given, pins), given.classes.index("yes"), []
    for number in range(12):
        row = row_of(given, number)
        heats = looked_into(model, row, output)
        both = {name: words_of(heats, row, name) for name in ("title", "review")}
        for name, words in both.items():
            assert bare(words) == bare(row.values(name)[0].split())
        if GOOD in bare(both["review"]):
            either = {**both["title"], **both["review"]}
            first.append(max(either, key=lambda word: either[word]))
    assert bare(first) == {GOOD}


def test_what_names_of_columns_add_is_missed() -> None:
    given = problem("is_good", ("title", "review", "age"))
    model, row = fitted(given), row_of(given, 0)
    names = [model.terms.vocabulary.index(name) for name in ("title", "review")]
    heats = looked_into(model, row, 1)
    assert heats.change is not None
    wanted = by_steps(model, row, 1, names)
    assert abs(wanted) > 1e-4
    assert heats.change - total(heats) == pytest.approx(wanted, rel=1e-3)


def test_a_word_that_is_a_name_too_has_the_share_of_where_it_is_none() -> None:
    given = problem("is_good", ("title", "review"))
    model = fitted(given)
    cells = {"title": np.array(["red"], object), "review": np.array(["title wool"], object)}
    row = replace(row_of(given, 0), cells=cells)
    found = words_of(looked_into(model, row, 1), row, "review")["title"]
    wanted = by_steps(model, row, 1, [model.terms.vocabulary.index("title")]) / 2
    assert abs(wanted) > 1e-4
    assert found == pytest.approx(wanted, rel=1e-3)


def test_a_run_of_words_is_shared_among_them_and_over_where_it_stands() -> None:
    given = problem("price", ("review",))
    model = fitted(given, {"words": 2})
    text = "Red dress, hem. red dress"
    row = replace(row_of(given, 0), cells={"review": np.array([text], object)})
    heat = looked_into(model, row, 0)["review"]
    assert heat.spans is not None
    assert [text[a:b] for a, b in heat.spans] == ["Red", "dress", "hem", "red", "dress"]
    features = model.features(row).toarray()[0]
    terms = ("red", "dress", "hem", "red dress", "dress hem", "hem red")
    known = {term: place for place, term in enumerate(model.terms.vocabulary)}
    red, dress, hem, both, into, out = (
        float(features[known[term]] * model.plane.weights[known[term], 0]) if term in known else 0.0
        for term in terms
    )
    wanted = [
        red / 2 + both / 4,
        dress / 2 + both / 4 + into / 2,
        hem + into / 2 + out / 2,
        red / 2 + both / 4 + out / 2,
        dress / 2 + both / 4,
    ]
    assert both != 0
    assert np.allclose(heat.credits, wanted)


def test_letters_that_are_two_where_they_are_small_move_no_span() -> None:
    given = problem("is_good", ("review",))
    for pins in PINS:
        model = fitted(given, pins)
        text = "\u0130\u0130\u0130 red, LOVELY wool"
        row = replace(row_of(given, 0), cells={"review": np.array([text], object)})
        words = words_of(looked_into(model, row, 1), row, "review")
        assert max(words, key=lambda word: words[word]) == "LOVELY"
        assert "wool" in words


def test_numbers_and_categories_have_their_own() -> None:
    price = problem("price")
    dear, row = fitted(price), row_of(price, 1)
    states = dear.inputs.states["age"]
    place = len(dear.terms.vocabulary) + dear.inputs.slices()["age"].start
    years = row.values("age")[0] - states["mean"]
    wanted = float(dear.plane.weights[place, 0]) * years / states["scale"]
    assert float(looked_into(dear, row, 0)["age"].credits) == pytest.approx(wanted, rel=1e-4)
    tags = problem("tags")
    model, far = fitted(tags), tags.classes.index("far")
    for number in range(8):
        heats = looked_into(model, row_of(tags, number), far)
        credits = {name: float(heat.credits.sum()) for name, heat in heats.items()}
        assert max(credits, key=lambda name: abs(credits[name])) == "shop"
        assert (credits["shop"] > 0) == (row_of(tags, number).values("shop")[0] == "east")


def test_empty_cells_and_unknown_words_have_nothing() -> None:
    given = problem("kind")
    model, row = fitted(given), row_of(given, 0)
    cells = {**row.cells, "review": np.array(["Zzz?"], object)}
    odd = looked_into(model, replace(row, cells=cells), 0)
    assert words_of(odd, replace(row, cells=cells), "review") == {"Zzz": 0.0}
    gaps = replace(row, cells={**row.cells, "review": np.array([None], object)})
    bare_row = looked_into(model, gaps, 0)
    assert set(bare_row) == {"age", "shop", "day"}
    assert total(bare_row) == pytest.approx(bare_row.change, abs=1e-9)
    of_words = problem("kind", ("review",))
    assert fitted(of_words).heats(gaps, 0, GRADIENTS) is None


def test_other_ways_to_look_are_of_networks_and_no_time_is_an_error() -> None:
    given = problem("kind")
    model, row = fitted(given), row_of(given, 0)
    assert model.heat_methods() == {GRADIENTS}
    assert model.heats(row, 0, CAM) is None
    assert model.heats(row, 0, ROLLOUT) is None
    with pytest.raises(BudgetError):
        model.heats(row, 0, GRADIENTS, Clock(0.0))


def test_folds_of_linear_models_tell_by_their_mean() -> None:
    given = problem("is_good", folds=3)
    model, row = fitted(given), row_of(given, 0)
    assert isinstance(model, Folded)
    heats = looked_into(model, row, 1)
    assert total(heats) == pytest.approx(heats.change, abs=1e-9)
    each = [looked_into(one, row, 1).change or 0.0 for one in model.models]
    assert heats.change == pytest.approx(np.mean(each))


def test_a_stack_of_a_linear_model_and_a_network_tells_by_both(checkpoint: str) -> None:
    pytest.importorskip("captum")
    given = problem("is_good", ("review",))
    linear, probe = fitted(given), fitted(given, {"backbone": checkpoint}, "probe")
    row, bases = row_of(given, 0), (("linear", linear), ("probe", probe))
    table_of = over(given.data, [one.predict(given.data) for _, one in bases])
    both = replace(
        given,
        data=replace(
            table_of,
            columns=(*table_of.columns, given.data.column("is_good")),
            cells={**table_of.cells, "is_good": given.data.cells["is_good"]},
        ),
        inputs=table_of.names,
    )
    stack = Stacked(bases, "pool", fitted(both), ())
    heats = looked_into(stack, row, 1)
    assert set(heats) == {"review"}
    assert heats.change is not None
    assert np.sign(total(heats)) == np.sign(heats.change)
    blend = Folded((linear, probe))
    mean = looked_into(blend, row, 1)
    parts = [looked_into(one, row, 1) for one in (linear, probe)]
    assert total(mean) == pytest.approx(np.mean([total(one) for one in parts]))
    assert mean.change == pytest.approx(np.mean([one.change or 0.0 for one in parts]))


def test_behind_pictures_as_numbers_it_is_not_looked_into(
    mixed: Problem, picture_checkpoint: str
) -> None:
    pytest.importorskip("timm")
    pins = {"pictures": "embedding", "picture_backbone": picture_checkpoint}
    model = fitted(replace(mixed, folds=()), pins)
    assert isinstance(model, WithEmbeddings)
    assert not model.heat_methods()
    assert model.heats(row_of(mixed, 0), 1, GRADIENTS) is None


class Held:
    def __init__(self, inputs: tuple[Column, ...], members: Sequence[Fitted]) -> None:
        self.inputs, self.members = inputs, tuple((one, 1.0) for one in members)
        self.predict = members[0].predict


def test_only_networks_need_the_package_that_takes_gradients(
    checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = problem("is_good", ("review",))
    linear, probe = fitted(given), fitted(given, {"backbone": checkpoint}, "probe")
    monkeypatch.setitem(sys.modules, "captum", None)  # as if it were not installed
    row = row_of(given, 0)

    def why(name: str, *members: Fitted) -> str:
        return why_not(explainers[name], RowGame(Held(row.columns, members), row, row, 1))

    assert why(GRADIENTS, linear) == why(GRADIENTS, Folded((linear, linear))) == ""
    stack = Stacked((("linear", linear), ("probe", probe)), "pool", linear, ())
    labels = PerLabel(("a", "b"), (None, probe), (0.5, 0.5))
    for others in ([probe], [linear, probe], [Folded((linear, probe))], [stack], [labels]):
        assert "captum is not installed" in why(GRADIENTS, *others)
        assert not why(ROLLOUT, *others)
    with pytest.raises(MissingExtra, match="captum"):
        probe.heats(row, 1, GRADIENTS)


def test_rows_are_explained_and_hang_on_what_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = table(240)[["title", "review", "age", "is_good"]]
    model = ts.fit(
        data,
        "is_good",
        trials=1,
        learners=["linear"],
        kinds={"title": "text", "review": "text"},
        folder=tmp_path / "run",
    )
    found = model.explain(data.head(6), GRADIENTS, output="yes", seconds=20)
    for one, text in zip(found.rows, data.review, strict=False):
        assert one.method == GRADIENTS
        if GOOD in text:
            assert one.pieces[int(np.argmax(one.credits))].text.strip(",.") == GOOD
        assert one.change is not None
        assert one.missed is not None
        assert abs(one.missed) < 0.05
    assert found.sanity is not None
    assert not found.sanity.is_independent
    monkeypatch.setitem(sys.modules, "captum", None)  # which linear models do without
    again = ts.load(tmp_path / "run").explain(data.head(1), GRADIENTS, output="yes", seconds=20)
    assert np.allclose(again.rows[0].credits, found.rows[0].credits)
    tried = model.explain(data.head(1), seconds=20).rows[0].tried
    assert isinstance(tried[GRADIENTS], float)
    assert "captum is not installed" in str(tried["lime"])
