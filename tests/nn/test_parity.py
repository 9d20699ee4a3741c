"""Training above the cut from the store equals training with the frozen blocks run again, in every
family of networks that can be taken apart."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tunesmith.nn import activations, devices  # noqa: E402
from tunesmith.nn.batches import Rows  # noqa: E402
from tunesmith.nn.encoder import FAMILIES  # noqa: E402
from tunesmith.nn.loop import Settings, logits, train  # noqa: E402
from tunesmith.nn.network import Network  # noqa: E402
from tunesmith.nn.optim import AdamW, groups  # noqa: E402
from tunesmith.nn.shards import Store, using  # noqa: E402
from tunesmith.nn.tally import FROZEN  # noqa: E402
from tunesmith.zoo import encoders  # noqa: E402

BLOCKS, TRAINED = 3, 1
USUAL = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
OWN: dict[str, dict[str, Any]] = {
    "distilbert": {"vocab_size": 60, "dim": 16, "n_layers": BLOCKS, "n_heads": 2, "hidden_dim": 32},
    "gpt2": {"vocab_size": 60, "n_embd": 16, "n_layer": BLOCKS, "n_head": 2, "n_positions": 40},
    "electra": {**USUAL, "embedding_size": 8},
    "deberta-v2": {
        **USUAL,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "conv_kernel_size": 3,
        "conv_act": "gelu",
    },
    "modernbert": {**USUAL, "local_attention": 8, "global_attn_every_n_layers": 2},
    "qwen2": {**USUAL, "num_key_value_heads": 2},
    "qwen3": {**USUAL, "num_key_value_heads": 2, "head_dim": 8},
}
EPOCHS = 2


def network(encoder: Any) -> Network:
    torch.manual_seed(1)
    made = Network(copy.deepcopy(encoder), pool="mean", dense=0, outputs=2, hidden=0, dropout=0.0)
    made.freeze_below(TRAINED)
    for block in made.trained():
        block.requires_grad_(True)
    return made


def learned(encoder: Any, rows: Rows, truth: np.ndarray) -> np.ndarray:
    """The logits of the rows after a few epochs of training the top block and the head."""
    made = network(encoder)
    optimizer = AdamW().build(groups(made.layers(), 1e-3, 0.9, made.undecayed()), 1e-3)
    settings = Settings(
        truth=truth,
        classes=2,
        batch_size=8,
        smoothing=0.0,
        class_weights=None,
        clip=1.0,
        rate=lambda progress: 1.0,
        progress=lambda number: 0.0,
        micro_batch=8,
        precision="fp32",
    )
    for step in train(made, optimizer, rows, settings, np.random.default_rng(0)):
        if step.epoch >= EPOCHS:
            break
    return logits(made, rows, precision="fp32").numpy()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_from_the_store_and_anew_the_same_is_learned(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "precision", lambda: "fp32")
    monkeypatch.setattr(activations, "precision", lambda: "fp32")
    torch.manual_seed(0)
    encoder = encoders.from_config({"model_type": family, **OWN.get(family, USUAL)}).eval()
    encoder.requires_grad_(False)
    dice = np.random.default_rng(0)
    ids = [dice.integers(5, 60, length).astype(np.int32) for length in dice.integers(2, 20, 24)]
    truth = dice.integers(0, 2, 24)
    plain = Rows(ids, np.empty((24, 0), dtype=np.float32), encoder.pad_id)
    trunk = activations.Trunk(encoder, f"random {family}", family)
    wanted = learned(encoder, plain, truth)
    before = learned(encoder, plain, 1 - truth)
    with using(Store(tmp_path, 2**30)):
        stored = activations.states(trunk, ids, BLOCKS - TRAINED)
        frozen = FROZEN.rows
        rounded = learned(encoder, Rows(ids, plain.dense, plain.pad_id, stored), truth)
        assert FROZEN.rows == frozen
    monkeypatch.setattr(activations, "as_stored", lambda numbers: numbers)
    with using(Store(None, 2**30)):
        stored = activations.states(trunk, ids, BLOCKS - TRAINED)
        exact = learned(encoder, Rows(ids, plain.dense, plain.pad_id, stored), truth)
    moved = np.abs(wanted - before).max()
    assert np.abs(exact - wanted).max() < 1e-4 * max(1.0, moved)
    assert np.abs(rounded - wanted).max() < 0.05 * moved
