"""Frozen features: every pooled vector is what its name says, stored or computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tunesmith.nn import activations, features
from tunesmith.nn.activations import Trunk
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN
from tunesmith.zoo import encoders, weights

IDS = [np.array(ids, dtype=np.int32) for ids in ([2, 5, 6, 7, 3], [2, 8, 3], [2, 5, 6, 7, 3])]


@pytest.fixture(scope="module")
def trunk(checkpoint: str) -> Trunk:
    encoder = encoders.load(Path(checkpoint)).eval()
    return Trunk(encoder, weights.fingerprint(Path(checkpoint)), "tiny")


def by_hand(trunk: Trunk, ids: np.ndarray) -> dict[str, np.ndarray]:
    encoder, one = trunk.encoder, torch.tensor(ids)[None].long()
    with torch.no_grad():
        hidden = encoder.model(input_ids=one, output_hidden_states=True).hidden_states
    last = hidden[-1][0].numpy()
    means = {f"mean:{-1 - k}": hidden[-1 - k][0].numpy().mean(0) for k in range(3)}
    return {**means, "max": last.max(0), "first": last[0], "final": last[-1]}


@pytest.mark.parametrize("readout", ["last", "max", "first", "final", "ends"])
def test_a_readout_is_made_of_the_vectors_it_names(trunk: Trunk, readout: str) -> None:
    found = features.embed(trunk.encoder, IDS, readout, precision="fp32")
    for row, ids in zip(found, IDS, strict=True):
        wanted = by_hand(trunk, ids)
        parts = [wanted[name] for name in features.READOUTS[readout]]
        assert np.allclose(row, np.concatenate(parts), atol=1e-5)


def test_stored_features_are_those_computed_within_rounding(trunk: Trunk, tmp_path: Path) -> None:
    plain = features.embed(trunk.encoder, IDS, precision="fp32")
    with using(Store(tmp_path, 2**30)):
        activations.features(trunk, IDS)
    with using(Store(tmp_path, 2**30)):
        before = FROZEN.rows
        again = activations.features(trunk, IDS)
        assert FROZEN.rows == before
    assert np.abs(again - plain).max() < 0.03 * np.abs(plain).max()


def test_a_row_that_comes_twice_is_computed_once(trunk: Trunk) -> None:
    before = FROZEN.rows
    with using(Store(None, 2**30)):
        activations.features(trunk, IDS)
    assert FROZEN.rows - before == 2


def test_token_vectors_are_filled_from_the_cut_below(trunk: Trunk, tmp_path: Path) -> None:
    with using(Store(tmp_path, 2**30)):
        activations.states(trunk, IDS, 1)
        before = FROZEN.block_rows
        found = activations.states(trunk, IDS, 2)
        assert FROZEN.block_rows - before == 2  # one block, two distinct rows
    wanted = by_hand(trunk, IDS[0])
    padded = found.padded(np.array([0, 1]), 8).float().numpy()
    assert np.allclose(padded[0, :5].mean(0), wanted["mean:-1"], atol=0.03)
    assert (padded[0, 5:] == 0).all()
    assert (padded[1, 3:] == 0).all()


def test_other_weights_are_another_space(trunk: Trunk, tmp_path: Path) -> None:
    other = Trunk(trunk.encoder, "other weights", "tiny")
    with using(Store(tmp_path, 2**30)):
        activations.features(trunk, IDS)
        assert activations.known(trunk, IDS).all()
        assert not activations.known(other, IDS).any()
