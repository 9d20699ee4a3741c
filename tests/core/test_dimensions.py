"""A flat space knows what hangs on what, and where in its range a value stands."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from tunesmith.core.dimensions import (
    at_unit,
    conditions,
    dimensions,
    draw,
    every,
    is_conditional,
    is_ordered,
    randomly,
    repaired,
    unit,
)
from tunesmith.core.space import Choice, Int, Linear, Log, config, flatten, sample, space


@config
class Adam:
    """A branch with a dimension."""

    beta: Annotated[float, Linear(0.8, 0.99)] = 0.9


@config
class Plain:
    """A branch without."""


@config
class Loop:
    """A nested config."""

    epochs: Annotated[int, Int(1, 4)] = 2


@config
class Made:
    """Everything a config may have."""

    name: str = "first"
    lr: Annotated[float, Log(1e-4, 1.0)] = 0.01
    way: Adam | Plain = Adam()
    loop: Loop = Loop()
    kind: Annotated[str, Choice("a", "b")] = "a"


def test_a_branch_is_a_condition_and_a_nested_config_is_none() -> None:
    ranges = space(Made)
    assert conditions("way.Adam.beta", ranges) == (("way", "Adam"),)
    assert conditions("loop.epochs", ranges) == ()
    assert is_conditional(ranges)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_makes_a_config_and_comes_back_from_it(seed: int) -> None:
    values = draw(dimensions(Made), randomly(np.random.default_rng(seed)))
    made = sample(Made, lambda path, mark: values[path])
    assert flatten(made) == values
    assert ("way.Adam.beta" in values) == (values["way"] == "Adam")


def test_pins_take_dimensions_away_with_what_hangs_on_them_and_narrow_or_add_others() -> None:
    assert "way.Adam.beta" not in dimensions(Made, {"way": "Plain"})
    fixed = dimensions(Made, {"way": "Adam", "lr": Log(1e-3, 1e-2), "name": Choice("x", "y")})
    assert "way" not in fixed
    assert not is_conditional(fixed)
    assert fixed["lr"] == Log(1e-3, 1e-2)
    assert next(iter(fixed)) == "name"
    values = draw(fixed, randomly(np.random.default_rng(0)))
    pins = {"way": "Adam", "lr": Log(1e-3, 1e-2), "name": Choice("x", "y")}
    assert sample(Made, lambda path, mark: values[path], pins).name in ("x", "y")


@pytest.mark.parametrize(
    "mark", [Log(1e-4, 1.0), Linear(-1.0, 3.0), Int(1, 9), Int(1, 512, log=True), Choice(4, 1, 2)]
)
def test_a_place_in_the_unit_interval_and_its_value_are_the_same(mark) -> None:
    for place in np.linspace(0, 1, 33):
        value = at_unit(mark, float(place))
        assert mark.allows(value)
        assert at_unit(mark, unit(mark, value)) == pytest.approx(value)
    assert unit(mark, at_unit(mark, 0.0)) < unit(mark, at_unit(mark, 1.0))


def test_numbers_have_an_order_and_words_and_pairs_have_none() -> None:
    assert is_ordered(Choice(0.0, 0.5, 1.0))
    assert not is_ordered(Choice("a", "b", "c"))
    assert not is_ordered(Choice(False, True))


def test_every_combination_comes_once_without_what_does_not_count() -> None:
    found = list(every(dimensions(Made, {"lr": 0.1, "loop.epochs": 1}), 3))
    assert len(found) == (3 + 1) * 2
    assert len({tuple(sorted(one.items())) for one in found}) == len(found)


def test_values_changed_by_hand_are_made_whole() -> None:
    ranges, pick = dimensions(Made), randomly(np.random.default_rng(0))
    values = {"lr": 0.5, "way": "Plain", "way.Adam.beta": 0.9, "loop.epochs": 99, "kind": "a"}
    whole = repaired(values, ranges, pick)
    assert "way.Adam.beta" not in whole
    assert whole["lr"] == 0.5
    assert 1 <= whole["loop.epochs"] <= 4
