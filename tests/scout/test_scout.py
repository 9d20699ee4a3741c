"""The scout on tiny networks: it reads, measures, leaves out, and picks what can be afforded."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import WeightsError
from tunesmith.data.languages import Languages
from tunesmith.nn import devices
from tunesmith.nn.costs import TIMED, Costs
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN
from tunesmith.scouting.halving import Halving
from tunesmith.scouting.records import Ranking, Standing
from tunesmith.scouting.scout import DEARER, FEWEST_ROWS, Scouted, scout
from tunesmith.tasks.classification import BAD, GOOD
from tunesmith.zoo.backbones import backbone

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
    name, why = found.pick(10, 40)
    assert name == "small"
    assert "big (70 s)" in why
    assert found.pick(10, 0.1)[0] == "small"


def test_the_better_one_is_picked_where_it_can_be_read_in_part() -> None:
    both = [standing("big", 0.9, True), standing("small", 0.86, True)]
    found = scouted({"big": 10, "small": 1}, both)
    name, why = found.pick(10, 60)
    assert name == "big"
    assert "6 of 10 rows" in why
    assert found.pick(10, 49)[0] == "small"
    little = [standing("big", 0.9, True), standing("small", 0.885, True)]
    assert scouted({"big": 10, "small": 1}, little).pick(10, 60)[0] == "small"
    assert scouted({"big": 10, "small": 8}, both).pick(10, 50)[0] == "big"
    assert found.pick(10, 60, besides="big")[0] == "small"


def test_what_reading_took_is_what_it_costs(checkpoint: str) -> None:
    texts = [" ".join(word) for word in itertools.product((*GOOD, *BAD), repeat=3)][:60]
    encoder = backbone(checkpoint).encoder

    def slow(_: object, given: tuple[torch.Tensor, ...]) -> None:
        time.sleep(0.003 * len(given[0]) * (len(given[0]) > TIMED))

    hook = encoder.blocks[0].register_forward_pre_hook(slow)
    try:
        with using(Store(None, 2**30)):
            card = zoo.card_for(checkpoint)
            found = scout(texts, np.arange(60) % 2, [card], clock=Clock(), seed=0)
    finally:
        hook.remove()
    assert found.costs[card.name].read_seconds(1) >= 0.003 / 2


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


def test_costs_are_those_of_the_process_that_will_pay_them(checkpoint: str) -> None:
    if devices.device().type != "cpu":
        pytest.skip("threads are of no matter there")
    texts = [f"good {n}" for n in range(60)]
    block = backbone(checkpoint).encoder.blocks[0]
    before, seen = torch.get_num_threads(), set[int]()
    hook = block.register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    try:
        torch.set_num_threads(2)
        with using(Store(None, 2**30)):
            card = zoo.card_for(checkpoint)
            scout(texts, np.arange(60) % 2, [card], clock=Clock(), seed=0, threads=1)
        assert seen == {1, 2}, "measured with one, read with all of this process"
        assert torch.get_num_threads() == 2
    finally:
        hook.remove()
        torch.set_num_threads(before)


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


def test_what_is_known_to_be_outdone_is_passed_over_where_that_is_asked_for(
    checkpoint: str, tmp_path: Path
) -> None:
    texts, truth = [f"word{n % 7} word{n % 3}" for n in range(60)], np.arange(60) % 2
    good = replace(zoo.card_for(checkpoint), quality=0.8, source="wheel:good==1")
    (tmp_path / "other").symlink_to(checkpoint)
    folder = replace(
        zoo.card_for(str(tmp_path / "other")), quality=0.7, blocks=DEARER * good.blocks
    )
    dear = replace(folder, source="wheel:dear==1")
    with using(Store(None, 2**30)):
        own = scout(texts, truth, [good, folder], clock=Clock(60), seed=0, passes_over=True)
        assert set(own.ranking.order) == {good.name, folder.name}  # nothing is known of it
        late = scout(texts, truth, [good, dear], clock=Clock(60), seed=0, passes_over=True)
        assert "known to be better" in late.left_out[dear.name]
        assert late.ranking.order == (good.name,)
        free = scout(texts, truth, [good, dear], clock=Clock(), seed=0)
        assert set(free.ranking.order) == {good.name, dear.name}


def test_what_is_too_large_for_the_time_is_not_even_opened(checkpoint: str, tmp_path: Path) -> None:
    texts, truth = [f"word{n % 7} word{n % 3}" for n in range(60)], np.arange(60) % 2
    small = zoo.card_for(checkpoint)
    huge = replace(small, name=str(tmp_path / "not there"), blocks=10**6)
    with using(Store(None, 2**30)):
        found = scout(
            texts, truth, [small, huge], clock=Clock(60), seed=0, rows=10**4, most_seconds=100
        )
    assert "by its size, reading 5,000 rows takes" in found.left_out[huge.name]


def test_without_a_deadline_the_scout_keeps_to_a_tenth_of_what_it_spares(
    checkpoint: str, tmp_path: Path
) -> None:
    dice = np.random.default_rng(0)
    texts = [" ".join(dice.choice(["a", "b", "c", "d"], 6)) for _ in range(400)]
    truth = dice.integers(0, 2, 400)
    (tmp_path / "other").symlink_to(checkpoint)
    cards = [zoo.card_for(checkpoint), zoo.card_for(str(tmp_path / "other"))]

    def rows_read(rows: int) -> tuple[int, int]:
        """Rows of the last look, and backbones that were looked at then."""
        with using(Store(None, 2**30)):
            found = scout(texts, truth, cards, clock=Clock(), seed=0, settings=settings, rows=rows)
        return found.ranking.rows, len(found.ranking.standings)

    settings = Halving(first_rows=50, negligible=0.0)
    assert rows_read(200) == (FEWEST_ROWS, 2)
    assert FEWEST_ROWS < rows_read(1200)[0] < 400
    assert rows_read(10**5) == (400, 2)
