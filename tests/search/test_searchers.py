"""Every searcher stays in the space, learns nothing from a failure but goes on, and repeats itself
for the same seed."""

from __future__ import annotations

from typing import Annotated

import pytest

from tunesmith.core.space import Choice, Int, Linear, Log, config, flatten, sample, space
from tunesmith.search import searchers


@config
class Inner:
    """A branch."""

    momentum: Annotated[float, Linear(0.5, 0.9)] = 0.8


@config
class Other:
    """Another branch."""

    beta: Annotated[float, Log(0.01, 1.0)] = 0.1


@config
class Made:
    """A small space."""

    lr: Annotated[float, Log(1e-4, 1.0)] = 0.01
    depth: Annotated[int, Int(1, 4)] = 2
    kind: Annotated[str, Choice("a", "b")] = "a"
    way: Inner | Other = Inner()


def configs(name: str, seed: int, count: int = 15) -> list[Made]:
    study = searchers[name].begin(seed)
    found = []
    for number in range(count):
        proposal, made = study.ask(lambda ask: sample(Made, ask))
        study.tell(proposal, None if number == 3 else -abs(made.lr - 0.1))
        found.append(made)
    return found


@pytest.mark.parametrize("name", list(searchers))
def test_proposals_lie_in_the_space(name: str) -> None:
    ranges = space(Made)
    for made in configs(name, 0):
        assert all(ranges[path].allows(value) for path, value in flatten(made).items())


@pytest.mark.parametrize("name", list(searchers))
def test_the_same_seed_proposes_the_same(name: str) -> None:
    assert configs(name, 5) == configs(name, 5)
    assert configs(name, 5) != configs(name, 6)


@pytest.mark.parametrize("name", list(searchers))
def test_results_of_others_are_taken_in(name: str) -> None:
    study = searchers[name].begin(0)
    study.add(flatten(Made()), space(Made), 0.5)
    assert isinstance(study.ask(lambda ask: sample(Made, ask))[1], Made)


def test_tpe_comes_nearer_than_chance() -> None:
    near = [abs(made.lr - 0.1) for made in configs("tpe", 1, 60)[30:]]
    chance = [abs(made.lr - 0.1) for made in configs("random", 1, 60)[30:]]
    assert sorted(near)[15] < sorted(chance)[15]
