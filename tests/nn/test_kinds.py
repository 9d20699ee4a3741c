"""Layers of another kind keep every weight, and only those of the blocks that are named change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tunesmith.nn.devices import autocast
from tunesmith.nn.inside import INSIDE
from tunesmith.nn.kinds import ACTIVATIONS, NORMS, QuickGelu, RootMeanSquare, change
from tunesmith.zoo import encoders

BERT = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 90,
    "max_position_embeddings": 64,
}
DISTILBERT = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "vocab_size": 90}
FAMILIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("bert", "roberta", "electra", "mpnet", "deberta-v2"), BERT),
    "distilbert": DISTILBERT,
}


def made(name: str) -> Any:
    torch.manual_seed(0)
    encoder = encoders.from_config({"model_type": name, **FAMILIES[name]}).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return encoder


@torch.no_grad()
def after(encoder: Any, stop: int | None = None) -> torch.Tensor:
    ids = torch.randint(5, 90, (3, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    hidden = encoder.stem(ids, mask)
    return encoder.run(hidden, encoder.context(hidden, mask), 0, stop)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kinds", [("gelu_tanh", "own"), ("relu", "own"), ("own", "rms")])
@pytest.mark.parametrize("name", FAMILIES)
def test_all_weights_stay_and_what_is_below_answers_as_before(
    name: str, kinds: tuple[str, str]
) -> None:
    encoder, plain = made(name), made(name)
    change(encoder, 2, *kinds)
    before, now = plain.state_dict(), encoder.state_dict()
    assert before.keys() == now.keys()
    assert all(torch.equal(before[path], now[path]) for path in before)
    assert torch.equal(after(encoder, 1), after(plain, 1))
    moved = (after(encoder) - after(plain)).abs().max()
    assert moved > 0
    if kinds[0] == "gelu_tanh":
        assert moved < 0.02
    of_rms = [one for one in encoder.modules() if isinstance(one, RootMeanSquare)]
    assert len(of_rms) == (4 if kinds[1] == "rms" else 0)  # two in each of two blocks


def test_a_norm_without_a_mean_is_a_layer_norm_of_what_has_none() -> None:
    norm = nn.LayerNorm(8)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    rows = torch.randn(5, 8)
    rows -= rows.mean(dim=1, keepdim=True)
    own = RootMeanSquare(norm)
    assert torch.allclose(own(rows), norm(rows), atol=1e-6)
    assert own(rows.bfloat16()).dtype == torch.bfloat16
    with autocast("bf16"):
        assert own(rows).isfinite().all()


def test_what_bends_is_what_it_is_called() -> None:
    numbers = torch.linspace(-4, 4, 81)
    gelu = nn.functional.gelu(numbers)
    assert (QuickGelu()(numbers) - gelu).abs().max() < 0.025
    assert (ACTIVATIONS["gelu_tanh"]()(numbers) - gelu).abs().max() < 0.001
    assert torch.equal(ACTIVATIONS["relu"]()(numbers), numbers.clamp(min=0))


@pytest.mark.parametrize("wrong", [(2, "swish", "own"), (2, "relu", "batch"), (4, "relu", "own")])
def test_what_there_is_not_is_refused(wrong: tuple[int, str, str]) -> None:
    with pytest.raises(ValueError, match="can have"):
        change(made("bert"), *wrong)


def test_what_is_changed_is_of_families_with_layer_norms() -> None:
    bent = {name for name, inside in INSIDE.items() if inside.bend}
    assert bent >= FAMILIES.keys()
    assert "llama" not in bent
    assert set(NORMS) == {"rms"}
    timm = pytest.importorskip("timm")
    block = timm.create_model("vit_tiny_patch16_224", depth=1).blocks[0]
    assert isinstance(block.get_submodule(INSIDE["VisionTransformer"].bend), nn.GELU)
    assert isinstance(block.norm1, nn.LayerNorm)
