"""Every family, taken apart into stem and blocks, answers as the whole model does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith import zoo
from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.nn.encoder import FAMILIES, Encoder
from tunesmith.zoo import encoders, weights

USUAL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 100,
    "max_position_embeddings": 66,
}
TINY: dict[str, dict[str, Any]] = {
    "bert": USUAL,
    "roberta": USUAL | {"type_vocab_size": 1},
    "xlm-roberta": USUAL | {"type_vocab_size": 1},
    "electra": USUAL | {"embedding_size": 16},
    "mpnet": USUAL,
    "distilbert": {
        "dim": 32,
        "n_layers": 3,
        "n_heads": 4,
        "hidden_dim": 48,
        "vocab_size": 100,
        "max_position_embeddings": 66,
    },
    "deberta-v2": USUAL
    | {
        "relative_attention": True,
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "conv_kernel_size": 3,
    },
    "modernbert": USUAL
    | {
        "local_attention": 8,
        "global_attn_every_n_layers": 2,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "cls_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
    },
    "gpt2": {
        "n_embd": 32,
        "n_layer": 3,
        "n_head": 4,
        "n_inner": 48,
        "vocab_size": 100,
        "n_positions": 66,
    },
    "llama": USUAL | {"num_key_value_heads": 2, "rms_norm_eps": 1e-5},
    "qwen2": USUAL | {"num_key_value_heads": 2, "rms_norm_eps": 1e-5},
    "qwen3": USUAL | {"num_key_value_heads": 2, "head_dim": 16},
}


def made(family: str) -> Encoder:
    torch.manual_seed(0)
    return encoders.from_config({"model_type": family, **TINY[family]}).eval()


def batch(encoder: Encoder) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 100, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    ids[1, 12:], mask[1, 12:] = encoder.pad_id, 0
    return ids, mask


def test_every_family_is_tried_here() -> None:
    assert set(TINY) == set(FAMILIES) == set(encoders.FAMILIES)


@torch.no_grad()
@pytest.mark.parametrize("family", TINY)
def test_stem_and_blocks_equal_the_whole_model(family: str) -> None:
    encoder = made(family)
    ids, mask = batch(encoder)
    wanted = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state
    inside = mask.unsqueeze(-1).bool()
    assert torch.allclose((encoder(ids, mask) * inside), wanted * inside, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", TINY)
def test_running_in_two_parts_equals_running_at_once(family: str) -> None:
    encoder = made(family)
    ids, mask = batch(encoder)
    hidden = encoder.stem(ids, mask)
    context = encoder.context(hidden, mask)
    middle = encoder.run(hidden, context, 0, 2)
    assert torch.allclose(encoder.run(middle, context, 2), encoder(ids, mask), atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("family", TINY)
def test_padding_changes_nothing(family: str) -> None:
    encoder = made(family)
    ids, mask = batch(encoder)
    alone = encoder(ids[1:2, :12], mask[1:2, :12])
    assert torch.allclose(alone, encoder(ids, mask)[1:2, :12], atol=1e-5)


@pytest.mark.parametrize("family", TINY)
def test_the_maps_for_lora_are_in_every_block(family: str) -> None:
    encoder = made(family)
    for block in encoder.blocks:
        names = {name.rpartition(".")[2] for name, _ in block.named_modules()}
        assert set(encoder.lora_targets) <= names


@pytest.mark.parametrize("family", TINY)
def test_a_folder_gives_back_the_weights(family: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    encoder = made(family)
    config = encoder.model.config.to_dict()
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(weights.tensors(encoder), tmp_path / "model.safetensors")
    again = encoders.load(tmp_path)
    ids, mask = batch(encoder)
    with torch.no_grad():
        assert torch.equal(again.eval()(ids, mask), encoder(ids, mask))
    assert zoo.card_for(str(tmp_path)).family == family


def test_the_longest_text_fits_the_positions() -> None:
    for family in ("roberta", "mpnet", "bert"):
        encoder = made(family)
        ids = torch.full((1, encoder.max_tokens), 7)
        with torch.no_grad():
            assert encoder(ids, torch.ones_like(ids)).isfinite().all()


def test_weights_that_are_missing_or_of_another_shape_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    encoder = made("bert")
    (tmp_path / "config.json").write_text(json.dumps(encoder.model.config.to_dict()))
    with pytest.raises(WeightsError, match="safetensors"):
        encoders.load(tmp_path)
    state = weights.tensors(encoder)
    name = "encoder.layer.0.output.dense.weight"
    save_file({k: v for k, v in state.items() if k != name}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="1 of"):
        encoders.load(tmp_path)
    save_file(state | {name: torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="shape"):
        encoders.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="whole safetensors"):
        encoders.load(tmp_path)


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(WeightsError, match="'t5'"):
        encoders.read_config(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("all-MiniML-L6", "Did you mean 'all-MiniLM-L6-v2'"),
        ("hub:owner/model", "does not pin a revision"),
        ("hub:owner/model@main", "does not pin a revision"),
    ],
)
def test_a_wrong_name_says_what_is_allowed(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        zoo.card_for(name)


@pytest.mark.parametrize("family", TINY)
def test_code_that_a_config_names_is_not_asked_for(family: str) -> None:
    evil = "evil-org/evil-kernel"
    config = {
        "model_type": family,
        **TINY[family],
        "attn_implementation": evil,
        "_attn_implementation": evil,
        "_attn_implementation_internal": evil,
        "experts_implementation": evil,
        "_experts_implementation": evil,
        "use_kernels": True,
        "kernel_config": {"layer": evil},
        "quantization_config": {"quant_method": evil},
        "per_layer_config": {"0": {"_attn_implementation": evil}},
        "auto_map": {"AutoModel": evil},
        "_name_or_path": evil,
        "trust_remote_code": True,
        "dtype": "load",
    }
    built = encoders.from_config(config).model.config
    assert built._attn_implementation in ("sdpa", "eager")
    assert evil not in str(built.__dict__)


@pytest.mark.parametrize("family", TINY)
def test_what_shapes_a_network_is_kept(family: str) -> None:
    built = encoders.from_config({"model_type": family, **TINY[family]}).model.config
    gone = {name for name, value in TINY[family].items() if getattr(built, name, None) != value}
    assert gone <= {"global_attn_every_n_layers"}  # it becomes layer_types
    if family == "modernbert":
        kinds = [kind.partition("_")[0] for kind in built.layer_types]
        assert kinds == ["full", "sliding", "full"]


@pytest.mark.parametrize(
    "forged",
    [
        {"vocab_size": 10**10},
        {"hidden_size": 4 * 10**6},
        {"intermediate_size": 10**12},
        {"max_position_embeddings": 10**15},
        {"num_hidden_layers": 10**12},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": "3"},
        {"hidden_act": "evil"},
        {"num_attention_heads": 0},
    ],
)
@pytest.mark.parametrize("family", ["bert", "deberta-v2"])
def test_a_config_beyond_its_weights_is_refused_before_memory_is_taken(
    family: str, forged: dict[str, Any], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    save_file(weights.tensors(made(family)), tmp_path / "model.safetensors")
    config = {"model_type": family, **TINY[family], **forged}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=r"config\.json (asks for|describes no)"):
        encoders.read_config(tmp_path)
    with pytest.raises(WeightsError, match=r"config\.json (asks for|describes no)"):
        encoders.load(tmp_path)


def test_a_tower_of_brackets_is_refused(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("[" * 200_000)
    with pytest.raises(WeightsError, match="nested too deep"):
        encoders.read_config(tmp_path)
    with pytest.raises(WeightsError, match=r"tokenizer\.json"):
        encoders.read_tokenizer(tmp_path)


def test_every_card_says_what_it_is() -> None:
    for card in zoo.cards():
        assert card.family in (*encoders.FAMILIES, "EfficientNet")
        assert card.modality in ("text", "image")
        assert card.sha256
        assert card.license
        assert card.parameters > 1_000_000
