"""What a network costs: measured, and added up as the work is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tunesmith.nn import devices
from tunesmith.nn.costs import Costs, measure
from tunesmith.zoo import encoders

COSTS = Costs(4, 1.0, 2.0, 3.0, 6.0, 4000, 500, 10.0, 8)


def test_training_from_the_store_runs_the_frozen_blocks_once() -> None:
    frozen = 10 * (1 + 3 * 2)
    assert COSTS.train_seconds(10, 1, 5, stored=True) == 5 * 10 * 6 + frozen
    assert COSTS.train_seconds(10, 1, 5, stored=False) == 5 * 10 * 6 + 5 * frozen


def test_training_all_of_it_trains_the_stem_and_stores_nothing() -> None:
    assert COSTS.train_seconds(10, 4, 2, stored=True) == 2 * 10 * (3 + 4 * 6)


def test_reading_from_a_cut_leaves_the_stem_out() -> None:
    assert COSTS.read_seconds(10, start=2) == 10 * 2 * 2
    assert COSTS.read_seconds(10) == 10 * (1 + 4 * 2)


def test_what_reading_takes_can_be_told_anew() -> None:
    slower = COSTS.read_at(3 * COSTS.read_seconds(1))
    assert slower.read_seconds(7) == pytest.approx(3 * COSTS.read_seconds(7))
    assert slower.train_block_seconds == COSTS.train_block_seconds


def test_memory_grows_with_what_trains() -> None:
    sizes = [COSTS.memory_bytes(trained) for trained in range(5)]
    assert sizes == sorted(set(sizes))
    assert replace(COSTS, row_tokens=20.0).memory_bytes(2) > COSTS.memory_bytes(2)


@pytest.mark.parametrize("count", [3, 40])
def test_a_measured_network_has_the_facts_of_its_own(checkpoint: str, count: int) -> None:
    encoder = encoders.load(Path(checkpoint))
    ids = [np.arange(2, 6 + i % 5, dtype=np.int32) for i in range(count)]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    costs = measure(encoder, ids)
    assert costs.blocks == 2
    assert costs.row_tokens == pytest.approx(np.mean([len(one) for one in ids]))
    assert 0 < costs.block_seconds < 1
    assert 0 < costs.train_block_seconds < 1
    assert costs.weight_bytes == sum(p.nbytes for p in encoder.parameters())
    assert all((value == before[name]).all() for name, value in encoder.state_dict().items())


def test_costs_are_those_of_a_process_with_so_many_threads(checkpoint: str) -> None:
    encoder = encoders.load(Path(checkpoint))
    if devices.device().type != "cpu":
        pytest.skip("threads are of no matter there")
    before, seen = torch.get_num_threads(), set[int]()
    encoder.blocks[0].register_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    ids = [np.arange(2, 8, dtype=np.int32)] * 4
    try:
        for wanted in (1, 2):
            torch.set_num_threads(3 - wanted)
            measure(encoder, ids, wanted)
            assert seen == {wanted}
            assert torch.get_num_threads() == 3 - wanted
            seen.clear()
        measure(encoder, ids)
        assert seen == {1}, "as they are, where nothing is said"
    finally:
        torch.set_num_threads(before)
