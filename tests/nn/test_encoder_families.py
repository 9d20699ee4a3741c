"""Decoders, taken apart into stem and blocks, answer as the whole model does, trained or not."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.nn.adapters import BitFit, LoRA
from tunesmith.nn.encoder import FAMILIES, Encoder
from tunesmith.zoo import encoders

transformers = pytest.importorskip("transformers")

LLAMA = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "vocab_size": 90,
    "max_position_embeddings": 64,
}
SLIDING = {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "vocab_size": 90, "n_positions": 64}
TINY: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", **GPT2},
    "llama": {"model_type": "llama", **LLAMA},
    "llama of another base": {"model_type": "llama", **LLAMA, "rope_theta": 100000.0},
    "qwen2": {"model_type": "qwen2", **LLAMA},
    "qwen2 with windows": {"model_type": "qwen2", **LLAMA, **SLIDING},
    "qwen3": {"model_type": "qwen3", **LLAMA, "head_dim": 16},
    "qwen3 with windows": {"model_type": "qwen3", **LLAMA, **SLIDING, "head_dim": 16},
}
tiny = pytest.mark.parametrize("name", TINY)


def made(name: str) -> Encoder:
    torch.manual_seed(0)
    encoder = encoders.from_config(TINY[name]).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return encoder


def batch(encoder: Encoder, lengths: tuple[int, ...] = (20, 7, 1)) -> tuple[Any, Any]:
    ids = torch.randint(5, 90, (len(lengths), 20), generator=torch.Generator().manual_seed(0))
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
        ids[row, length:] = encoder.pad_id
    return ids, mask


def test_the_decoders_and_no_others_are_causal() -> None:
    causal = {name for name, family in FAMILIES.items() if family.is_causal}
    assert causal == {"gpt2", "llama", "qwen2", "qwen3"}
    assert made("gpt2").is_causal


@torch.no_grad()
@tiny
@pytest.mark.parametrize("lengths", [(20, 7, 1), (20, 20, 20)])
def test_the_parts_equal_the_whole_model(name: str, lengths: tuple[int, ...]) -> None:
    encoder = made(name)
    ids, mask = batch(encoder, lengths)
    wanted = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state
    real = mask.unsqueeze(-1).bool()
    assert torch.allclose(encoder(ids, mask) * real, wanted * real, atol=1e-5)
    assert encoder(ids, mask).isfinite().all()


@torch.no_grad()
@tiny
@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_run_resumed_from_kept_vectors_equals_one_at_once(name: str, cut: int) -> None:
    encoder = made(name)
    ids, mask = batch(encoder)
    first = encoder.stem(ids, mask)
    kept = encoder.run(first, encoder.context(first, mask), 0, cut)
    kept = kept.numpy().copy()  # nothing but numbers comes from the cache
    hidden = torch.from_numpy(kept)
    rest = encoder.run(hidden, encoder.context(hidden, mask), cut) if cut < 3 else hidden
    assert torch.allclose(rest, encoder(ids, mask), atol=1e-6)


@torch.no_grad()
@tiny
def test_a_token_sees_only_those_before_it(name: str) -> None:
    encoder = made(name)
    ids, mask = batch(encoder, (20, 20, 20))
    other = ids.clone()
    other[:, 10:] = 6
    before, after = encoder(ids, mask), encoder(other, mask)
    assert torch.allclose(before[:, :10], after[:, :10], atol=1e-6)
    assert not torch.allclose(before[:, 10:], after[:, 10:], atol=1e-2)


@torch.no_grad()
@tiny
def test_padding_on_the_right_changes_nothing(name: str) -> None:
    encoder = made(name)
    ids, mask = batch(encoder)
    alone = encoder(ids[1:2, :7], mask[1:2, :7])
    assert torch.allclose(alone, encoder(ids, mask)[1:2, :7], atol=1e-5)


def test_the_base_of_the_angles_is_read_from_old_configs() -> None:
    usual, other = made("llama"), made("llama of another base")
    told = other.model.config.rope_parameters["rope_theta"]
    assert told == 100000.0
    ids, mask = batch(usual, (20,))
    other.load_state_dict(usual.state_dict())
    with torch.no_grad():
        assert not torch.allclose(usual(ids, mask), other(ids, mask), atol=1e-3)


@pytest.mark.parametrize("pad", [None, -1, 90, 10**6, 3])
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3"])
def test_the_padding_id_is_one_of_the_vocabulary(name: str, pad: int | None) -> None:
    encoder = encoders.from_config(TINY[name] | {"pad_token_id": pad})
    assert 0 <= encoder.pad_id < 90
    assert pad != 3 or encoder.pad_id == 3
    ids, mask = batch(encoder)
    assert encoder(ids, mask).isfinite().all()


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "qwen3"])
def test_lora_attaches_learns_and_merges(name: str) -> None:
    encoder = made(name)
    ids, mask = batch(encoder)
    before = encoder(ids, mask).detach()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft tells that Conv1D is transposed, which it handles
        LoRA(rank=4, dropout=0.0).apply(list(encoder.blocks), encoder.lora_targets)
    trained = [p for n, p in encoder.blocks.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 3 * len(encoder.lora_targets)
    assert torch.allclose(encoder(ids, mask), before, atol=1e-6)
    optimizer = torch.optim.SGD(trained, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        encoder(ids, mask)[mask.bool()].square().mean().backward()
        optimizer.step()
    learnt = encoder(ids, mask).detach()
    assert not torch.allclose(learnt, before, atol=1e-3)
    LoRA().merge(list(encoder.blocks))
    assert not any("lora" in name for name, _ in encoder.named_parameters())
    with torch.no_grad():
        assert torch.allclose(encoder(ids, mask), learnt, atol=1e-4)


def test_biases_can_be_trained_where_there_are_some() -> None:
    for name in ("gpt2", "qwen2"):
        encoder = made(name)
        BitFit().apply(list(encoder.blocks), encoder.lora_targets)
        assert any(p.requires_grad for p in encoder.blocks.parameters())
    with pytest.raises(ConfigError, match="no biases"):
        BitFit().apply(list(made("llama").blocks), ())


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_a_language_model_loads_without_its_head(
    name: str, tied: bool, tmp_path: Path
) -> None:
    config = transformers.AutoConfig.for_model(**TINY[name], tie_word_embeddings=tied)
    torch.manual_seed(0)
    whole = transformers.AutoModelForCausalLM.from_config(config).eval()
    whole.save_pretrained(tmp_path)
    encoder = encoders.load(tmp_path).eval()
    ids, mask = batch(encoder)
    with torch.no_grad():
        wanted = whole.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
        got = encoder(ids, mask)
    real = mask.unsqueeze(-1).bool()
    assert torch.allclose(got * real, wanted * real, atol=1e-5)
    card = encoders.describe(tmp_path, "mine", f"folder:{tmp_path}")
    assert (card.family, card.blocks, card.width) == (name, 3, 32)


def test_a_head_alone_is_no_model(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text(json.dumps(TINY["llama"]))
    save_file({"lm_head.weight": torch.zeros(5000, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="tensors are missing"):
        encoders.load(tmp_path)
