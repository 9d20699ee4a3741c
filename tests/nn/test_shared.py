"""Sub-networks scored by shared weights."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from tunesmith.nn.batches import Rows
from tunesmith.nn.encoder import Encoder
from tunesmith.nn.shared import _left_out, _pooled, scores, without
from tunesmith.zoo import encoders


def deep(seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    told = {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "vocab_size": 40,
        "max_position_embeddings": 32,
        "pad_token_id": 0,
    }
    return encoders.from_config(told).eval()


def drawn() -> tuple[Rows, np.ndarray]:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 2, 60)
    ids = [
        np.where(
            dice.random(length) < 0.5,
            dice.integers(2 + 19 * one, 21 + 19 * one, length),
            dice.integers(2, 40, length),
        ).astype(np.int32)
        for one, length in zip(truth, dice.integers(3, 12, 60), strict=True)
    ]
    return Rows(ids, np.empty((60, 0), np.float32), 0), np.eye(2)[truth]


def test_what_is_shared_below_runs_to_the_same_numbers() -> None:
    encoder, (rows, _) = deep(), drawn()
    every = [tuple(one) for one in itertools.combinations(range(4), 2)]
    together = _pooled(encoder, rows, every)
    for kept in every:
        alone = _pooled(encoder, rows, [kept])[kept]
        assert np.allclose(alone, together[kept], atol=1e-6)
        hidden = encoder.stem(torch.from_numpy(rows.ids[3])[None].long(), torch.ones(1, 1))
        for number in kept:
            hidden = encoder.run(hidden, None, number, number + 1)
        expected = hidden.mean(dim=1)[0].detach().numpy()
        assert np.allclose(together[kept][3], expected, atol=1e-5)


def test_the_error_left_one_out_is_that_of_fits_without_the_row() -> None:
    dice = np.random.default_rng(0)
    seen, wanted = dice.normal(size=(12, 3)), dice.normal(size=(12, 1))
    centered = seen - seen.mean(axis=0)
    strength = 0.1 * np.trace(centered @ centered.T) / 12
    errors = []
    for row in range(12):
        rest = np.delete(np.arange(12), row)
        design = np.column_stack([centered, np.ones(12)])
        penalty = strength * np.diag([1.0, 1.0, 1.0, 0.0])
        gram = design[rest].T @ design[rest] + penalty
        weights = np.linalg.solve(gram, design[rest].T @ wanted[rest])
        errors.append((wanted[row] - design[row] @ weights) ** 2)
    assert np.isclose(_left_out(seen, wanted), np.mean(errors))


def test_a_block_that_spoils_everything_goes_first() -> None:
    encoder, (rows, targets) = deep(), drawn()
    with torch.no_grad():
        norm = encoder.blocks[2].output.LayerNorm
        norm.weight.zero_()
        norm.bias.fill_(1.0)
    assert without(encoder, rows, targets, (0, 1, 2, 3), 1, [1, 2, 3]) == (0, 1, 3)
    told = scores(encoder, rows, targets, [(0, 1, 2), (0, 1, 3)])
    assert told[0, 1, 3] > told[0, 1, 2]
