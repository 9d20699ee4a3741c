"""The scout on tiny networks: it reads, measures, leaves out, and picks what can be afforded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import WeightsError
from tunesmith.data.languages import Languages
from tunesmith.nn.costs import Costs
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN
from tunesmith.scout.records import Ranking, Standing
from tunesmith.scout.scout import Scouted, scout

COSTS = Costs(4, 0.0, 1.0, 0.0, 3.0, 4000, 500, 10.0, 8)


def standing(name: str, score: float, tied: bool) -> Standing:
    return Standing(name, "last", score, score - 0.1, score + 0.1, {}, 0.0, tied)


def scouted(seconds: dict[str, float], standings: list[Standing]) -> Scouted:
    count = len(standings)
    ranking = Ranking(
        "accuracy",
        100,
        0.9,
        tuple(standings),
        np.zeros((count, count)),
        np.zeros((count, count, 2)),
    )
    costs = {name: replace(COSTS, block_seconds=value / 4) for name, value in seconds.items()}
    return Scouted(ranking, costs, {}, Languages({}, "en", ""), 1.0)


def test_a_tie_for_want_of_rows_does_not_cost_the_better_one() -> None:
    found = scouted(
        {"big": 10, "small": 1}, [standing("big", 0.9, True), standing("small", 0.8, True)]
    )
    assert found.pick(10, 1000)[0] == "big"


def test_of_those_tied_the_cheapest_is_picked() -> None:
    found = scouted(
        {"big": 10, "small": 1, "bad": 0.1},
        [standing("big", 0.9, True), standing("small", 0.895, True), standing("bad", 0.5, False)],
    )
    name, why = found.pick(10, 1000)
    assert name == "small"
    assert "small is the quickest" in why


def test_what_takes_too_long_is_passed_over_with_the_reason() -> None:
    found = scouted(
        {"big": 10, "small": 1}, [standing("big", 0.9, True), standing("small", 0.5, False)]
    )
    assert found.pick(10, 1000)[0] == "big"
    name, why = found.pick(10, 50)
    assert name == "small"
    assert "big (100 s)" in why
    assert found.pick(10, 0.1)[0] == "small"


def test_rows_read_by_the_scout_are_not_read_again(checkpoint: str) -> None:
    dice = np.random.default_rng(0)
    texts = [" ".join(dice.choice(["good", "bad", "great", "poor"], 5)) for _ in range(60)]
    truth = np.array(["good" in text for text in texts], dtype=np.int64)
    card = zoo.card_for(checkpoint)
    with using(Store(None, 2**30)):
        first = scout(texts, truth, [card], clock=Clock(), seed=0)
        before = FROZEN.rows
        again = scout(texts, truth, [card], clock=Clock(), seed=0)
        assert FROZEN.rows == before
    assert first.ranking.order == (card.name,)
    assert again.ranking.standings == first.ranking.standings
    (row,) = again.table(100, limit_seconds=1e-9)
    assert not row["depths"]["1"]["fits"]
    assert row["depths"]["1"]["disk_bytes"] == 0 < row["depths"]["0.34"]["disk_bytes"]


def test_an_english_checkpoint_is_left_out_for_german_if_another_reads_it(
    checkpoint: str, tmp_path: Path
) -> None:
    texts = [
        f"Die Lieferung kam erst nach {n} Tagen, und die Hose passt leider überhaupt nicht."
        for n in range(60)
    ]
    truth = np.arange(60) % 2
    card = zoo.card_for(checkpoint)
    english = replace(card, languages=("en",))
    (tmp_path / "other").symlink_to(checkpoint)
    other = zoo.card_for(str(tmp_path / "other"))
    with using(Store(None, 2**30)):
        found = scout(texts, truth, [english, other], clock=Clock(), seed=0)
        assert found.languages.main == "de"
        assert "'de'" in found.left_out[english.name]
        alone = scout(texts, truth, [english], clock=Clock(), seed=0)
        assert alone.ranking.order == (english.name,)


def test_where_no_checkpoint_opens_it_says_why(checkpoint: str) -> None:
    gone = replace(zoo.card_for(checkpoint), name="/not/there")
    with pytest.raises(WeightsError, match="No checkpoint can be used"):
        scout(["a", "b", "c"], np.array([0, 1, 0]), [gone], clock=Clock(), seed=0)
