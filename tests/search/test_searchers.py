"""Every searcher stays in the space or says why it cannot search it, learns nothing from a failure
but goes on, takes in what others found, and repeats itself for the same seed."""

from __future__ import annotations

from typing import Annotated

import pytest

from tunesmith.core.dimensions import Values, dimensions
from tunesmith.core.errors import ConfigError
from tunesmith.core.space import Choice, Int, Linear, Log, Range, config, flatten, sample
from tunesmith.search import _optuna, named, searchers


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


WHOLE = dimensions(Made)
FLAT = dimensions(Made, {"way": "Inner"})
NUMBERS = dimensions(Made, {"way": "Inner", "kind": "a"})
COARSE = dimensions(Made, {"lr": Choice(1e-4, 1e-3, 1e-2, 1e-1, 1.0), "way": "Inner"})
KNOWN = [flatten(Made()), flatten(Made(lr=0.2, way=Other()))]


def space_for(name: str) -> dict[str, Range]:
    """The richest of these spaces that a searcher takes."""
    return next(s for s in (WHOLE, FLAT, NUMBERS) if not searchers[name].refuses(s, 1))


def proposals(name: str, seed: int, count: int = 25) -> list[Values]:
    study = searchers[name].begin(space_for(name), seed=seed, known=KNOWN)
    found = []
    for number in range(count):
        asked = study.ask()
        if asked is None:
            break
        proposal, values = asked
        found.append(values)
        study.tell(proposal, None if number == 3 else (-abs(float(values["lr"]) - 0.1),))
    return found


@pytest.mark.parametrize("name", list(searchers))
def test_proposals_are_whole_and_lie_in_the_space(name: str) -> None:
    ranges = space_for(name)
    found = proposals(name, 0)
    assert found
    for values in found:
        assert all(ranges[path].allows(value) for path, value in values.items())
        if ranges is WHOLE:
            made = sample(Made, lambda path, mark, drawn=values: drawn[path])
            assert flatten(made) == dict(values)


@pytest.mark.parametrize("name", list(searchers))
def test_the_same_seed_proposes_the_same(name: str) -> None:
    assert proposals(name, 5) == proposals(name, 5)
    if name != "portfolio":
        assert proposals(name, 5) != proposals(name, 6)


@pytest.mark.parametrize("name", list(searchers))
def test_results_of_others_are_taken_in(name: str) -> None:
    ranges = space_for(name)
    study = searchers[name].begin(ranges, seed=0, known=KNOWN)
    kept = {path: value for path, value in flatten(Made()).items() if path in ranges}
    for number in range(12):
        study.add({**kept, "depth": 1 + number % 4}, (number / 12,))
    assert study.ask() is not None


@pytest.mark.parametrize("name", list(searchers))
def test_several_proposals_may_be_open_at_once(name: str) -> None:
    study = searchers[name].begin(space_for(name), seed=0, known=KNOWN)
    asked = [one for one in (study.ask() for _ in range(8)) if one is not None]
    for proposal, values in reversed(asked):
        study.tell(proposal, (float(values["lr"]),))
    assert len({proposal for proposal, _ in asked}) == len(asked)


@pytest.mark.parametrize("name", ["gp", "cmaes"])
def test_who_cannot_search_branches_says_so_before_it_starts(name: str) -> None:
    assert "choice" in searchers[name].refuses(WHOLE, 1)
    with pytest.raises(ConfigError, match=f"'{name}' cannot be used here"):
        searchers[name].begin(WHOLE, seed=0)


@pytest.mark.parametrize("name", ["auto", "tpe", "gp", "bayes", "cmaes", "evolution", "ageing"])
def test_what_learns_comes_nearer_than_chance(name: str) -> None:
    near = [abs(float(values["lr"]) - 0.1) for values in proposals(name, 1, 60)[30:]]
    chance = [abs(float(values["lr"]) - 0.1) for values in proposals("random", 1, 60)[30:]]
    assert sorted(near)[15] < sorted(chance)[15]


def test_a_grid_has_every_config_once_and_refuses_one_that_is_too_large() -> None:
    found = []
    study = searchers["grid"].begin(COARSE, seed=0)
    while (asked := study.ask()) is not None:
        found.append(tuple(asked[1].items()))
    assert len(found) == len(set(found)) == 5 * 3 * 2 * 3
    many = {f"x{i}": Linear(0.0, 1.0) for i in range(12)}
    assert "more than 5,000 configs" in searchers["grid"].refuses(many, 1)


def test_a_portfolio_comes_first_and_others_learn_from_it() -> None:
    study = named(["random", "portfolio"]).begin(WHOLE, seed=0, known=KNOWN)
    first, second, third = (study.ask() for _ in range(3))
    assert [first[1], second[1]] == KNOWN
    assert third is not None
    study.tell(first[0], (0.5,))
    study.tell(second[0], None)


def test_a_list_of_searches_refuses_with_the_name_of_the_one_that_cannot() -> None:
    assert named(["tpe", "gp"]).refuses(WHOLE, 1).startswith("gp: ")
    assert not named(["tpe", "ageing"]).refuses(WHOLE, 1)
    with pytest.raises(ConfigError, match="Did you mean 'random'"):
        named(["tpe", "randm"])


def test_several_goals_are_searched_together() -> None:
    study = searchers["nsga2"].begin(WHOLE, seed=0, goals=2)
    for _ in range(40):
        proposal, values = study.ask()
        lr = float(values["lr"])
        study.tell(proposal, (lr, -lr * lr))


def test_a_score_on_a_part_of_the_rows_is_known_for_what_it_is() -> None:
    """Looks score lower than fits to all rows, and three configs had both; where the other looks
    say the best is, the search goes."""
    ranges = {"lr": WHOLE["lr"]}

    def next_ones(share: float) -> list[float]:
        study = searchers["auto"].begin(ranges, seed=0)
        for number in range(12):  # looks at all rates, best at 0.1; whole fits of small ones
            place = -4 + number / 3
            score = 0.8 - 0.05 * abs(place + 1)
            study.add({"lr": 10**place}, (score - 0.2,), share=share)
            if place < -3:
                study.add({"lr": 10**place}, (score,))
        asked = [study.ask() for _ in range(5)]
        return [float(values["lr"]) for _, values in asked]

    near = [0.02 < lr < 0.5 for lr in next_ones(0.25)]
    misled = [0.02 < lr < 0.5 for lr in next_ones(1.0)]
    assert sum(near) >= 3 > sum(misled)


def test_a_long_search_by_tpe_begins_anew_with_the_best_and_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_optuna, "MOST_TRIALS", 40)
    study = searchers["tpe"].begin(NUMBERS, seed=0)
    asked = [study.ask() for _ in range(5)]
    scores = []
    for number in range(100):
        proposal, values = asked.pop(0)
        score = -abs(float(values["lr"]) - 0.1)
        study.tell(proposal, None if number % 10 == 3 else (score,))
        scores += [] if number % 10 == 3 else [score]
        asked.append(study.ask())
    known = [one.values[0] for one in study._study.get_trials() if one.values]
    assert len(known) < 40
    assert max(scores) in known
    assert scores[-1] in known
