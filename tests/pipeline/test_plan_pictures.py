"""What of the ways to see pictures is searched in how much time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

from tunesmith import zoo  # noqa: E402
from tunesmith.core.dimensions import dimensions  # noqa: E402
from tunesmith.core.records import Problem  # noqa: E402
from tunesmith.core.space import Choice  # noqa: E402
from tunesmith.data.read import read  # noqa: E402
from tunesmith.learners import learners  # noqa: E402
from tunesmith.pipeline.frame import frame  # noqa: E402
from tunesmith.pipeline.plan import fixed  # noqa: E402


def pictured(folder: Path, side: int) -> Problem:
    """The rows of a thousand pictures, of which there are ten."""
    dice = np.random.default_rng(0)
    for number in range(10):
        pixels = dice.integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    cells = [str(folder / f"{number % 10}.png") for number in range(1000)]
    labels = [f"label {number % 10}" for number in range(1000)]
    return frame(read({"image": cells, "label": labels}), "label", seed=0)


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return pictured(tmp_path_factory.mktemp("pictures"), 400)


def ranges(problem: Problem, seconds: float, **pins: object) -> dict[str, object]:
    held = fixed("neural", problem, {"neural": pins}, seconds)
    return dict(dimensions(learners["neural"].config, held))


def test_more_time_brings_larger_pictures_and_other_views_of_them(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "is_here", lambda card: True)
    sides = []
    for seconds in (5.0, 30.0, 150.0, 3600.0):
        found = ranges(problem, seconds)
        assert ("augment" in found) == (seconds >= 150)
        mark = found["size"]
        assert isinstance(mark, Choice)
        sides.append(mark.values)
    assert sides[0] == (64,)
    assert sides[-1] == (0, 64, 96, 128, 160, 224, 288, 384)
    assert all(set(few) <= set(more) for few, more in pairwise(sides))
    assert 0 in sides[2]
    assert 288 not in sides[2]


def test_what_is_asked_for_is_searched_in_any_time(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "is_here", lambda card: True)
    asked = Choice("none", "augmix"), Choice(224, 384)
    found = ranges(problem, 5.0, augment=asked[0], size=asked[1])
    assert (found["augment"], found["size"]) == asked
    assert "augment" not in ranges(problem, float("inf"), augment="crops")


def test_small_pictures_are_not_read_larger_than_a_checkpoint_was_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "is_here", lambda card: True)
    small = pictured(tmp_path, 28)
    for seconds in (3600.0, float("inf")):
        mark = ranges(small, seconds)["size"]
        assert isinstance(mark, Choice)
        assert mark.values == (0, 64, 96, 128, 160, 224)
    assert ranges(small, 3600.0, size=Choice(224, 384))["size"] == Choice(224, 384)


def test_without_a_deadline_all_is_searched(problem: Problem) -> None:
    found = ranges(problem, float("inf"))
    assert {"augment", "size"} <= set(found)
    assert "max_length" not in found


def test_pools_that_pictures_gain_nothing_by_are_searched_where_an_architecture_is(
    problem: Problem,
) -> None:
    plain, shaped = ranges(problem, 600.0), ranges(problem, 600.0, **learners["neural"].shapes)
    assert plain["pooling"] == Choice("mean", "first", "max")
    assert shaped["pooling"] == learners["neural"].shapes["pooling"]
    assert "neck" in shaped
    assert "neck" not in plain


def test_of_texts_nothing_is_searched_that_is_of_pictures() -> None:
    texts = [f"some words and a number {number}" for number in range(60)]
    labels = ["odd" if number % 2 else "even" for number in range(60)]
    found = ranges(frame(read({"text": texts, "label": labels}), "label", seed=0), 600.0)
    assert not {"augment", "size"} & set(found)
