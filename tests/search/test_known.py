"""What has done well elsewhere: each list that the package carries suits the spaces of today, and
is taken as far as a user leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest

import tunesmith.search
from tunesmith.core.dimensions import dimensions
from tunesmith.core.space import Choice, Linear, Log, config, default_of, flatten, sample, space
from tunesmith.learners import learners
from tunesmith.search import known, named, within

FOLDER = Path(tunesmith.search.__path__[0]) / "known"
LISTED = sorted(file.stem for file in FOLDER.glob("*.json"))
OPEN = {"backbone", "max_length", "pictures", "picture_size"}
"""What hangs on the data and the machine; a list says nothing of it."""


@config
class Slow:
    """A branch."""

    momentum: Annotated[float, Linear(0.5, 0.9)] = 0.8


@config
class Fast:
    """Another branch."""


@config
class Made:
    """A small space."""

    lr: Annotated[float, Log(1e-4, 1.0)] = 0.01
    kind: Annotated[str, Choice("a", "b")] = "a"
    length: Annotated[int, Choice(64, 128)] = 128
    way: Slow | Fast = Fast()


CONFIGS = (
    {"lr": 0.1, "kind": "a", "way": "Slow", "way.Slow.momentum": 0.6},
    {"lr": 0.001, "kind": "b", "way": "Fast"},
    {"lr": 0.1, "kind": "b", "way": "Slow", "way.Slow.momentum": 0.6},
)


def left(**pins: object) -> list[dict[str, object]]:
    found = within(CONFIGS, dimensions(Made, pins), lambda path, mark: default_of(Made, path, mark))
    return [dict(one) for one in found]


def test_the_order_is_kept_and_what_is_open_is_filled() -> None:
    assert left() == [{**one, "length": 128} for one in CONFIGS]
    assert [one["length"] for one in left(length=Choice(32, 64))] == [32, 32, 32]


def test_what_lies_outside_a_narrowed_range_is_dropped() -> None:
    assert [one["lr"] for one in left(lr=Log(1e-4, 1e-2))] == [0.001]
    assert [one["kind"] for one in left(kind=Choice("a"))] == ["a"]
    assert left(lr=Log(0.2, 0.3)) == []


def test_what_is_fixed_counts_and_what_is_then_the_same_comes_once() -> None:
    assert [one["lr"] for one in left(kind="a")] == [0.1, 0.001]
    assert all("kind" not in one for one in left(kind="a"))
    slow = left(way="Slow")
    assert [one["way.Slow.momentum"] for one in slow] == [0.6, 0.8, 0.6]
    assert all("way" not in one for one in slow)


def test_at_least_one_list_is_carried_each_for_a_learner_of_today() -> None:
    assert LISTED
    assert set(LISTED) <= set(learners)
    assert not known("majority").configs


@pytest.mark.parametrize("name", LISTED)
def test_a_list_suits_the_space_of_today_and_says_how_it_was_learned(name: str) -> None:
    kind, ranges = learners[name].config, space(learners[name].config)
    found = known(name)
    assert found.configs
    assert found.data_sets > 3
    for values in found.configs:
        assert not OPEN & set(values)
        assert all(ranges[path].allows(value) for path, value in values.items())
        usual = flatten(kind())
        made = sample(kind, lambda path, mark, all_of={**usual, **values}: all_of[path])
        assert set(flatten(made)) - OPEN == set(values), "it says something of all that counts"


@pytest.mark.parametrize("name", LISTED)
def test_a_portfolio_proposes_the_list_in_its_order_and_ends(name: str) -> None:
    kind = learners[name].config
    ranges = dimensions(kind)
    listed = within(known(name).configs, ranges, lambda p, m: default_of(kind, p, m))
    study = named("portfolio").begin(ranges, seed=0, known=listed)
    for values in listed:
        asked = study.ask()
        assert asked is not None
        assert asked[1] == values
        study.tell(asked[0], (0.5,))
    assert study.ask() is None
