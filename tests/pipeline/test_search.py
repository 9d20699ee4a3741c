"""Searches by name within a fit: in the space that a user leaves, or refused before they start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem
from tunesmith.core.space import Choice, Linear, Log
from tunesmith.pipeline.plan import check_search, check_wanted, plan, whole_names
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.tune import tune
from tunesmith.search import known

PINS = {"linear": {"rarest": Choice(2, 4), "words": 1}}


@pytest.mark.parametrize("search", ["auto", "random", "tpe", "ageing", ["portfolio", "random"]])
def test_a_search_by_name_stays_in_what_is_left_to_it(
    run: Run, problem: Problem, search: str | list[str]
) -> None:
    found, _ = plan(problem, wanted=["linear"], pins=PINS, clock=Clock(), offline=True)
    results, _ = tune(
        replace(run, most_trials=6),
        problem,
        found,
        pins=PINS,
        better=lambda r: None,
        search=search,
    )
    assert len(results) > 2
    assert all(r.trial.config["words"] == 1 for r in results)
    assert all(r.trial.config["rarest"] in (2, 4) for r in results)


def test_a_search_that_cannot_is_refused_for_the_learner_that_it_cannot_search(
    problem: Problem,
) -> None:
    with pytest.raises(ConfigError, match=r"'gp' cannot be used for the learner 'neural'.*choice"):
        check_search("gp", ["linear", "neural"], problem, {})
    pins = {"neural": {"optimizer": "AdamW", "adapter": "Full"}}
    check_search("gp", ["neural"], problem, pins)
    numbers = {"neural": {**pins["neural"], "lr": Log(1e-5, 1e-3)}}
    with pytest.raises(ConfigError, match="it moves through numbers"):
        check_search("cmaes", ["neural"], problem, numbers)


def test_a_checkpoint_is_named_by_a_part_of_its_name_that_is_its_own() -> None:
    pins = whole_names({"neural": {"backbone": Choice("minilm-l6", "mpnet"), "lr": 1e-4}})
    assert pins["neural"]["backbone"] == Choice("all-MiniLM-L6-v2", "all-mpnet-base-v2")
    assert pins["neural"]["lr"] == 1e-4
    with pytest.raises(ConfigError, match="There is no checkpoint 'minilm'"):
        whole_names({"probe": {"backbone": "minilm"}})


def test_ranges_that_a_field_cannot_take_are_refused_before_any_work(problem: Problem) -> None:
    for pins in (
        {"neural": {"batch_size": Linear(8, 64)}},
        {"neural": {"lr": Choice(1e-4, "x")}},
        {"neural": {"epochs": Log(1, 8)}},
    ):
        with pytest.raises(ConfigError):
            check_wanted(None, pins)


def test_a_portfolio_alone_is_refused_where_nothing_is_known(problem: Problem) -> None:
    check_search("portfolio", ["majority", "linear"], problem, {})
    with pytest.raises(ConfigError, match="nothing that does well elsewhere is known"):
        check_search("portfolio", ["majority"], problem, {})


def test_a_portfolio_alone_tries_what_is_known_in_its_order_and_ends(
    run: Run, problem: Problem
) -> None:
    found, _ = plan(problem, wanted=["linear"], pins={}, clock=Clock(), offline=True)
    results, _ = tune(
        replace(run, most_trials=30),
        problem,
        found,
        pins={},
        better=lambda r: None,
        search="portfolio",
    )
    listed = known("linear")
    proposed = [r.trial for r in results if r.trial.reason.startswith("proposed by portfolio")]
    tried = [trial.config.items() for trial in proposed]
    places = [next(i for i, c in enumerate(listed.configs) if c.items() <= t) for t in tried]
    assert places
    assert places == sorted(set(places))
    told = f"as known to do well on {listed.data_sets} other data sets"
    assert all(told in trial.reason for trial in proposed)
    assert len(results) == len(found) + len(proposed) < 30


def test_what_is_known_comes_first_in_the_default_search_and_as_far_as_it_is_left(
    run: Run, problem: Problem
) -> None:
    found, _ = plan(problem, wanted=["linear"], pins=PINS, clock=Clock(), offline=True)
    results, _ = tune(replace(run, most_trials=8), problem, found, pins=PINS, better=lambda r: None)
    reasons = [r.trial.reason for r in results][len(found) :]
    told = ["known to do well" in reason for reason in reasons]
    assert told == sorted(told, reverse=True)
