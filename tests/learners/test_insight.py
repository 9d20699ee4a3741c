"""What the networks inside models say of a row, put back into its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("captum")
pytest.importorskip("timm")
Image = pytest.importorskip("PIL.Image")

from tunesmith import zoo  # noqa: E402
from tunesmith.core.clock import Clock  # noqa: E402
from tunesmith.core.contracts import Fitted, Watch  # noqa: E402
from tunesmith.core.errors import ConfigError  # noqa: E402
from tunesmith.core.explaining import HEATS  # noqa: E402
from tunesmith.core.records import Column, Dataset, Problem  # noqa: E402
from tunesmith.core.space import default  # noqa: E402
from tunesmith.data.pictures import cell_of  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.learners._folded import Folded  # noqa: E402
from tunesmith.learners._per_label import PerLabel  # noqa: E402
from tunesmith.learners.stack import LEAST, Stacked  # noqa: E402
from tunesmith.nn.shards import Store, using  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.tasks.classification import GOOD, PLAIN  # noqa: E402

GRADIENTS, CAM, ROLLOUT = HEATS
TUNED = {"epochs": 6, "lr": 3e-3, "batch_size": 16, "patience": 0}
TUNED_TO_PICTURES = {**TUNED, "epochs": 12, "lr": 1e-3, "depth": 0.5}
PLANTED = GOOD[0]


def fitted(problem: Problem, name: str, pins: Mapping[str, Any]) -> Any:
    watch = Watch(Clock(), lambda score, progress: True)
    return learners[name].fit(problem, default(learners[name].config, pins), 0, watch)


def row_of(problem: Problem, number: int = 0) -> Dataset:
    return problem.data.with_columns(problem.inputs).take(np.array([number]))


@pytest.fixture(scope="module")
def planted() -> Problem:
    """Two columns of texts of plain words; yes where the second holds the planted one."""
    dice = np.random.default_rng(0)
    told, said = [], []
    for number in range(120):
        words = list(dice.choice(PLAIN, 5))
        told.append(" ".join(dice.choice(PLAIN, 3)))
        if number % 2 == 0:
            words[dice.integers(5)] = PLANTED
        said.append("  ".join(words))
    labels = ["no" if n % 2 else "yes" for n in range(120)]
    return frame(read({"title": told, "said": said, "label": labels}), "label", seed=0)


@pytest.fixture(scope="module", params=["probe", "neural", "cell"])
def of_texts(request: pytest.FixtureRequest, planted: Problem, checkpoint: str) -> Fitted:
    pins = {"backbone": checkpoint, **(TUNED if request.param == "neural" else {})}
    model: Fitted = fitted(planted, request.param, pins)
    return model


def words_of(heats: Any, text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for credit, (start, end) in zip(heats.credits, heats.spans, strict=True):
        found[text[start:end]] = found.get(text[start:end], 0.0) + float(credit)
    return found


def test_the_word_that_decides_has_the_credit_in_its_own_column(
    of_texts: Fitted, planted: Problem
) -> None:
    output, own, others = planted.classes.index("yes"), [], []
    for number in range(0, 16, 2):
        row = row_of(planted, number)
        heats = of_texts.heats(row, output, GRADIENTS)
        assert heats is not None
        assert set(heats) == {"title", "said"}
        told = {name: words_of(heats[name], row.values(name)[0]) for name in heats}
        for name, words in told.items():
            assert set(words) == set(row.values(name)[0].split())
        own.append(told["said"].pop(PLANTED))
        others += [*told["said"].values(), *told["title"].values()]
    assert np.mean(own) > 5 * abs(np.mean(others))
    assert np.mean(own) > 2 * np.mean(np.abs(others))


def test_credit_of_a_text_sums_to_what_the_answer_differs_without_its_words(
    of_texts: Any, planted: Problem
) -> None:
    row, output = row_of(planted, 0), planted.classes.index("yes")
    heats = of_texts.heats(row, output, GRADIENTS)
    answer = of_texts.predict(row).array()[0, output]
    insight = of_texts.insight(row)
    seen, dense = insight.passage.contents[0], torch.zeros(1, 0)
    nothing = insight.passage.answer([seen.features(seen.start(seen.blank))], dense)[0, output]
    total = sum(float(heat.credits.sum()) for heat in heats.values())
    assert np.isclose(total, answer - float(nothing), rtol=0.05, atol=1e-3)


def test_attention_is_told_by_word_and_maps_only_of_pictures(
    of_texts: Fitted, planted: Problem
) -> None:
    row = row_of(planted, 0)
    heats = of_texts.heats(row, 0, ROLLOUT)
    assert heats is not None
    assert 0 < sum(heat.credits.sum() for heat in heats.values()) < 1
    assert of_texts.heat_methods() == {GRADIENTS, ROLLOUT}
    assert of_texts.heats(row, 0, CAM) is None
    with pytest.raises(ConfigError, match="integrated-gradients"):
        of_texts.heats(row, 0, "integrated-gradient")


def test_words_behind_the_last_that_is_read_have_no_credit(
    planted: Problem, checkpoint: str
) -> None:
    model = fitted(planted, "probe", {"backbone": checkpoint, "max_length": 64})
    text = " ".join(np.resize(PLAIN, 100))
    row = replace(
        row_of(planted), cells={**row_of(planted).cells, "said": np.array([text], object)}
    )
    heats = model.heats(row, 0, GRADIENTS)
    assert 40 < len(heats["said"].credits) < 64
    assert heats["said"].spans[-1, 1] < len(text)


def test_a_missing_text_has_no_heat(of_texts: Fitted, planted: Problem) -> None:
    row = row_of(planted)
    row = replace(row, cells={**row.cells, "title": np.array([None], object)})
    heats = of_texts.heats(row, 0, GRADIENTS)
    assert heats is not None
    assert set(heats) == {"said"}


SQUARE = (slice(0, 20), slice(20, 40))
"""Up on the right of the middle."""


def noise(dice: np.random.Generator, shape: tuple[int, int], *, square: bool) -> Any:
    """Dark noise, with a white square on the right above in its middle."""
    pixels = dice.integers(0, 60, (*shape, 3), dtype=np.uint8)
    if square:
        _middle(pixels)[SQUARE] = 250
    return pixels


def _middle(pixels: Any) -> Any:
    top, left = (pixels.shape[0] - 40) // 2, (pixels.shape[1] - 40) // 2
    return pixels[top : top + 40, left : left + 40]


@pytest.fixture(scope="module")
def squares() -> Problem:
    """Dark noise, every second one with the square."""
    dice = np.random.default_rng(0)
    cells = [cell_of(noise(dice, (40, 40), square=n % 2 == 0)) for n in range(80)]
    labels = ["no" if n % 2 else "yes" for n in range(80)]
    return frame(read({"photo": cells, "label": labels}), "label", seed=0)


@pytest.fixture(scope="module", params=["probe", "neural", "cell"])
def of_squares(request: pytest.FixtureRequest, squares: Problem, picture_checkpoint: str) -> Any:
    more = TUNED_TO_PICTURES if request.param == "neural" else {}
    pins = {"backbone": picture_checkpoint, "size": 64, **more}
    return fitted(squares, request.param, pins)


def photo(pixels: Any) -> Dataset:
    cells = np.array([cell_of(pixels)], dtype=object)
    return Dataset("one", (Column("photo", "image", ""),), {"photo": cells}, np.array([1]))


@pytest.mark.parametrize("shape", [(40, 40), (40, 80), (100, 40)])
@pytest.mark.parametrize("method", [GRADIENTS, CAM])
def test_the_square_that_decides_has_the_credit_wherever_the_middle_lies(
    method: str, shape: tuple[int, int], of_squares: Any, squares: Problem
) -> None:
    row = photo(noise(np.random.default_rng(1), shape, square=True))
    output = squares.classes.index("yes")
    assert of_squares.predict(row).codes()[0] == output
    heat = of_squares.heats(row, output, method)["photo"].credits
    assert np.isclose(heat.shape[1] / heat.shape[0], shape[1] / shape[0], rtol=0.05)
    middle, square = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    _middle(middle)[:] = True
    _middle(square)[SQUARE] = True
    assert not heat[~_scaled(middle, heat.shape)].any()
    inside, whole = heat[_scaled(square, heat.shape)].mean(), heat[_scaled(middle, heat.shape)]
    assert inside > 1.5 * whole.mean() > 0


def _scaled(mask: Any, shape: Sequence[int]) -> Any:
    down = np.arange(shape[0]) * mask.shape[0] // shape[0]
    across = np.arange(shape[1]) * mask.shape[1] // shape[1]
    return mask[np.ix_(down, across)]


def test_no_store_and_no_cache_keeps_what_is_asked_by_the_way(
    of_squares: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.data import pictures as cells
    from tunesmith.explain.game import RowGame
    from tunesmith.modalities._picture_cache import open_cache

    folder = tmp_path / "model"
    folder.mkdir()
    of_squares.save(folder)
    name = next(n for n in ("plane", "network", "cell") if hasattr(of_squares, n))
    name = {"plane": "probe", "network": "neural"}.get(name, name)
    monkeypatch.setenv("TUNESMITH_PICTURES", str(tmp_path / "pictures"))
    row = photo(np.random.default_rng(2).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    store, known = Store(tmp_path / "store", 2**30), len(cells._KEYS)
    with using(store):
        game = RowGame(_One(row.columns, learners[name].load(folder)), row, row, 0)
        present = np.random.default_rng(0).random((20, len(game.pieces))) < 0.5
        game.values(present)
        game.heats(GRADIENTS, Clock())
    open_cache(32, "centre").flush()
    assert game.asked == 20
    assert not [file for file in tmp_path.rglob("*.pictures*") if file.is_file()]
    assert not [file for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert len(cells._KEYS) == known


class _One:
    def __init__(self, inputs: tuple[Column, ...], fitted: Fitted) -> None:
        self.inputs, self.members, self.predict = inputs, ((fitted, 1.0),), fitted.predict


def test_each_distinct_text_goes_through_the_network_once(of_texts: Any, planted: Problem) -> None:
    rows = planted.data.with_columns(planted.inputs).take(np.array([0, 1, 0, 0, 2, 1]))
    apart = np.concatenate([of_texts.predict(rows.take(np.array([n]))).array() for n in range(6)])
    passed: list[int] = []
    block = of_texts.encoders[0].blocks[0]
    hook = block.register_forward_hook(lambda part, given, made: passed.append(len(given[0])))
    together = of_texts.predict(rows).array()
    hook.remove()
    assert sum(passed) == 3
    assert np.allclose(together, apart, atol=2e-2)


def exact(model: Any) -> Any:
    """With features in the precision of credit, whatever this machine does best."""
    read = [replace(one, reads=replace(one.reads, precision="fp32")) for one in model.embeddings]
    return replace(model, embeddings=tuple(read))


def test_columns_beside_have_credit_and_every_content_is_put_back(
    mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    """A probe that reads texts and has pictures as numbers, and the other way round."""
    both = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    row = row_of(mixed, 0)
    for reads in (checkpoint, picture_checkpoint):
        model = exact(fitted(mixed, "probe", {"backbone": reads, **both}))
        heats = model.heats(row, 1, GRADIENTS)
        assert set(heats) == {"front", "back", "said", "title", "age", "shop", "day"}
        assert heats["front"].credits.ndim == 2
        assert heats["age"].credits.shape == ()
        passage = model.insight(row).passage
        ends = [
            (seen.features(seen.start(seen.blank)), seen.features(seen.start(seen.ids)))
            for seen in passage.contents
        ]
        nothing, whole = (
            float(passage.answer(list(features), numbers)[0, 1])
            for features, numbers in zip(
                zip(*ends, strict=True),
                (torch.zeros(1, len(passage.dense)), passage.numbers()),
                strict=True,
            )
        )
        assert np.isclose(whole, model.predict(row).array()[0, 1], atol=0.03)
        total = sum(float(heat.credits.sum()) for heat in heats.values())
        # The small network's answer jumps near the blank, where its norms see no variance: which
        # plane the processor's precision leads to decides how much of a jump the points miss.
        assert np.isclose(total, whole - nothing, rtol=0.05, atol=0.05)
        assert set(model.heats(row, 1, CAM)) == {"front", "back"}
        assert set(model.heats(row, 1, ROLLOUT)) == {"said", "title"}


@pytest.mark.parametrize("fusion", [{}, {"fusion": "Gated"}, {"components": 8, "texts": "apart"}])
def test_so_has_a_fusion(
    fusion: dict[str, Any], mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    both = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint, "epochs": 4}
    model, row = fitted(mixed, "fusion", {**both, **fusion}), row_of(mixed, 0)
    heats = model.heats(row, 1, GRADIENTS)
    assert set(heats) == {"front", "back", "said", "title", "age", "shop", "day"}
    answer, passage = model.predict(row).array()[0, 1], model.insight(row).passage
    told = [seen.features(seen.start(seen.ids)) for seen in passage.contents]
    assert np.isclose(float(passage.answer(told, passage.numbers())[0, 1]), answer, atol=5e-3)
    gaps = {name: np.array([None], object) for name in ("front", "back", "said", "title")}
    bare = replace(row, cells={**row.cells, **gaps})
    rest = model.heats(bare, 1, GRADIENTS)
    assert set(rest) == {"age", "shop", "day"}
    total = sum(float(heat.credits.sum()) for heat in rest.values())
    assert np.isclose(total, rest.change, rtol=0.05, atol=2e-3)
    alone = model.insight(bare).passage
    answer_alone = model.predict(bare).array()[0, 1]
    assert np.isclose(float(alone.answer([], alone.numbers())[0, 1]), answer_alone, atol=5e-3)
    assert model.redrawn(0).predict(row).array()[0, 1] != answer
    assert model.predict(row).array()[0, 1] == answer


def test_trees_over_numbers_of_texts_tell_nothing(mixed: Problem, checkpoint: str) -> None:
    pins = {"text": "embedding", "text_backbone": checkpoint, "pictures": "none"}
    model = fitted(mixed, "lightgbm", pins)
    assert not model.heat_methods()
    assert model.heats(row_of(mixed, 0), 1, GRADIENTS) is None
    assert model.redrawn(0) is None


def test_several_models_tell_by_their_mean(of_texts: Fitted, planted: Problem) -> None:
    row, majority = row_of(planted, 0), fitted(planted, "majority", {})
    one = of_texts.heats(row, 1, GRADIENTS)
    both = Folded((of_texts, majority)).heats(row, 1, GRADIENTS)
    assert one is not None
    assert both is not None
    assert np.allclose(both["said"].credits, one["said"].credits / 2)
    assert Folded((majority,)).heats(row, 1, GRADIENTS) is None
    labels = PerLabel(("a", "b"), (None, of_texts), (0.0, 0.5))
    assert labels.heats(row, 0, GRADIENTS) is None
    of_label = labels.heats(row, 1, GRADIENTS)
    assert of_label is not None
    assert np.allclose(of_label["said"].credits, one["said"].credits)


class _Second(Fitted):
    """A top that answers as the second base does."""

    def predict(self, data: Dataset) -> Any:
        from tunesmith.core.predictions import ClassScores

        odds = 1 / (1 + np.exp(-data.values("model 1")))
        return ClassScores(("no", "yes"), np.stack([1 - odds, odds], axis=1))

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_a_stack_tells_what_its_top_follows(of_texts: Fitted, planted: Problem) -> None:
    row = row_of(planted, 0)
    stack = Stacked((("probe", of_texts), ("neural", of_texts)), "pool", _Second(), ())
    one, found = of_texts.heats(row, 1, GRADIENTS), stack.heats(row, 1, GRADIENTS)
    assert one is not None
    assert found is not None
    first, second = np.split(found["said"].credits, 2)
    assert not first.any()
    assert np.allclose(second, one["said"].credits, rtol=0.02)
    assert one.change is not None
    assert found.change == pytest.approx(one.change, abs=2 * LEAST)


class _Bent(_Second):
    """A top that answers with the square of what the second base does, and knows the first."""

    def predict(self, data: Dataset) -> Any:
        from tunesmith.core.predictions import ClassScores

        first, second = (1 / (1 + np.exp(-data.values(f"model {n}"))) for n in (0, 1))
        odds = (first + 3 * second**2) / 4
        return ClassScores(("no", "yes"), np.stack([1 - odds, odds], axis=1))


def test_a_stack_says_what_its_credits_should_sum_to_and_what_slopes_miss(
    of_texts: Fitted, planted: Problem
) -> None:
    row, bases = row_of(planted, 0), (("probe", of_texts), ("neural", of_texts))
    stack, one = Stacked(bases, "pool", _Bent(), ()), of_texts.heats(row, 1, GRADIENTS)
    found = stack.heats(row, 1, GRADIENTS)
    assert one is not None
    assert found is not None
    assert one.change is not None
    answer = float(of_texts.predict(row).array()[0, 1])
    nothing = answer - one.change
    wanted = (one.change + 3 * (answer**2 - nothing**2)) / 4
    assert found.change == pytest.approx(wanted, abs=2 * LEAST)
    follows = (1 + 6 * answer) / 4
    credits = float(found["said"].credits.sum())
    assert credits == pytest.approx(follows * float(one["said"].credits.sum()), rel=0.1)
    assert stack.heats(row, 1, ROLLOUT).change is None  # type: ignore[union-attr]


def test_a_base_that_does_not_say_what_it_misses_leaves_that_of_the_stack_unknown(
    of_texts: Fitted, planted: Problem
) -> None:
    class Silent(_Second):
        def predict(self, data: Dataset) -> Any:
            return of_texts.predict(data)

        def heat_methods(self) -> frozenset[str]:
            return of_texts.heat_methods()

        def heats(self, *asked: Any) -> Any:
            return replace(of_texts.heats(*asked), change=None)  # type: ignore[type-var]

    row, bases = row_of(planted, 0), (("probe", of_texts), ("neural", Silent()))
    found = Stacked(bases, "pool", _Second(), ()).heats(row, 1, GRADIENTS)
    assert found is not None
    assert found.change is None


def test_a_redrawn_model_answers_otherwise_and_the_real_one_as_before(
    of_texts: Any, planted: Problem
) -> None:
    rows = planted.part("test")
    before = of_texts.predict(rows).array()
    drawn = of_texts.redrawn(0)
    assert np.abs(drawn.predict(rows).array() - before).max() > 0.1
    assert np.array_equal(of_texts.redrawn(0).predict(rows).array(), drawn.predict(rows).array())
    assert np.array_equal(of_texts.predict(rows).array(), before)


@pytest.mark.weights
def test_by_the_built_in_weights_credit_is_complete_and_quick(planted: Problem) -> None:
    model = fitted(planted, "probe", {"backbone": "all-MiniLM-L6-v2"})
    clock, output = Clock(), planted.classes.index("yes")
    heats = model.heats(row_of(planted, 0), output, GRADIENTS)
    assert clock.elapsed() < 10
    said = words_of(heats["said"], row_of(planted, 0).values("said")[0])
    assert max(said, key=lambda word: said[word]) == PLANTED
    row = row_of(planted, 1)
    heats, passage = model.heats(row, 1 - output, GRADIENTS), model.insight(row).passage
    (seen,) = passage.contents
    whole, nothing = (
        float(passage.answer([seen.features(seen.start(ids))], passage.numbers())[0, 1 - output])
        for ids in (seen.ids, seen.blank)
    )
    total = sum(float(heat.credits.sum()) for heat in heats.values())
    assert abs(whole - nothing) > 0.2
    assert np.isclose(total, whole - nothing, rtol=0.05)
    assert np.isclose(whole, model.predict(row).array()[0, 1 - output], atol=1e-3)


@pytest.mark.weights
def test_by_those_of_pictures_the_square_is_found(squares: Problem) -> None:
    if not zoo.is_here(zoo.card_for("mobilenet-v2")):
        pytest.skip("mobilenet-v2 is not here: tunesmith weights fetch mobilenet-v2")
    model = fitted(squares, "probe", {"backbone": "mobilenet-v2", "size": 128})
    row = photo(noise(np.random.default_rng(1), (60, 40), square=True))
    square, middle = np.zeros((60, 40), dtype=bool), np.zeros((60, 40), dtype=bool)
    _middle(middle)[:] = True
    _middle(square)[SQUARE] = True
    for method in (GRADIENTS, CAM):
        heat = model.heats(row, squares.classes.index("yes"), method)["photo"].credits
        around = heat[_scaled(middle, heat.shape)]
        found = heat[_scaled(square, heat.shape)].mean()
        if method == GRADIENTS:
            assert found > 1.5 * around.mean() > 0
        else:  # of an answer that is sure, gradients are near zero and of either sign
            assert found > around.mean() + 0.3 * around.std()
