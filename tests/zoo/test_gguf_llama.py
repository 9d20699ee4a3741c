"""A Llama that went through GGUF comes back with the same weights, answers and tokens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import WeightsError
from tunesmith.zoo import card_for, encoders, gguf_llama, sources

gguf = pytest.importorskip("gguf")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LETTERS = [*"Ġabcdefghijklmnopqrstuvwxyz0123456789", "Ċ"]
MERGES = ["Ġ g", "o o", "oo d", "Ġg ood"]
TOKENS = [*SPECIAL, *LETTERS, *(merge.replace(" ", "") for merge in MERGES)]
SHAPE = {
    "vocab_size": len(TOKENS),
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 50,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5000.0,
}


def tiny() -> Any:
    torch.manual_seed(0)
    model = transformers.LlamaModel(transformers.LlamaConfig(**SHAPE)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def turned(matrix: Any, heads: int) -> Any:
    """What llama.cpp does to query and key rows (`LlamaModel.permute`)."""
    apart = matrix.reshape(heads, 2, matrix.shape[0] // heads // 2, matrix.shape[1])
    return np.ascontiguousarray(apart.swapaxes(1, 2).reshape(matrix.shape))


FACTS: dict[str, Any] = {
    "llama.vocab_size": len(TOKENS),
    "llama.context_length": 50,
    "llama.embedding_length": 64,
    "llama.block_count": 2,
    "llama.feed_forward_length": 96,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.rope.dimension_count": 16,
    "llama.rope.freq_base": 5000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.padding_token_id": 2,
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)),
    "tokenizer.ggml.merges": MERGES,
}


def export(
    file: Path,
    *,
    kind: str = "F32",
    facts: dict[str, Any] | None = None,
    tensors: dict[str, Any] | None = None,
    architecture: str = "llama",
) -> Path:
    """A file as llama.cpp writes it; facts and tensors given as None are left out."""
    writer = gguf.GGUFWriter(file, architecture)
    for key, value in (FACTS | (facts or {})).items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif value is not None:
            writer.add_uint32(key, value)
    state = {name: value.numpy() for name, value in tiny().state_dict().items()}
    quantization = gguf.GGMLQuantizationType[kind]
    for target, name, shape in gguf_llama.wanted(SHAPE):
        array = state[target]
        if "q_proj" in target or "k_proj" in target:
            array = turned(array, 4 if "q_proj" in target else 2)
        array = (tensors or {}).get(name, array)
        if array is not None and len(shape) == 2 and array.shape[1] % 32 == 0:
            packed = gguf.quants.quantize(array, quantization)
            writer.add_tensor(name, packed, raw_dtype=quantization)
        elif array is not None:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.mark.parametrize(("kind", "far"), [("F32", 0.005), ("Q8_0", 0.05), ("Q4_1", 0.7)])
def test_the_network_comes_back(tmp_path: Path, kind: str, far: float) -> None:
    gguf_llama.convert(export(tmp_path / "a.gguf", kind=kind), tmp_path / "out")
    encoder = encoders.load(tmp_path / "out").eval()
    ids = torch.arange(3, 23).reshape(2, 10)
    with torch.no_grad():
        wanted = tiny()(ids).last_hidden_state
        got = encoder(ids, torch.ones_like(ids))
    cosine = torch.nn.functional.cosine_similarity(got, wanted, dim=-1)
    assert cosine.min() > 1 - far
    assert encoder.pad_id == 2
    assert encoder.max_tokens == 50


def test_the_config_is_the_one_it_was_made_from(tmp_path: Path) -> None:
    gguf_llama.convert(export(tmp_path / "a.gguf"), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {key: config[key] for key in SHAPE} == pytest.approx(SHAPE)
    built = encoders.from_config(config).model.config
    assert built.rope_parameters["rope_theta"] == 5000.0
    assert built.num_key_value_heads == 2


def test_rows_are_turned_back() -> None:
    rows = np.arange(48.0).reshape(16, 3)
    assert (gguf_llama.unturned(turned(rows, 2), 2) == rows).all()
    assert (turned(rows, 2) != rows).any()


def test_the_tokenizer_takes_digits_singly_and_special_tokens_whole(tmp_path: Path) -> None:
    gguf_llama.convert(export(tmp_path / "a.gguf"), tmp_path / "out")
    encode = encoders.read_tokenizer(tmp_path / "out").encode
    number = {token: n for n, token in enumerate(TOKENS)}
    assert encode(["a good"]) == [[number["a"], number["Ġgood"]]]
    assert encode(["42"]) == [[number["4"], number["2"]]]
    assert encode(["a<|im_end|>a"]) == [[number["a"], 2, number["a"]]]


def test_an_empty_text_is_one_token(tmp_path: Path) -> None:
    gguf_llama.convert(export(tmp_path / "a.gguf"), tmp_path / "out")
    assert encoders.read_tokenizer(tmp_path / "out").encode(["", "a"]) == [
        [0],
        [TOKENS.index("a")],
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"llama.embedding_length": 128}, "at a width of 128"),
        ({"llama.attention.head_count_kv": 3}, "in 3 groups"),
        ({"llama.block_count": 0}, "allowed are 1 to 1000"),
        ({"llama.block_count": 10**9}, "allowed are 1 to 1000"),
        ({"llama.block_count": 3}, r"no tensor 'blk\.2"),
        ({"llama.feed_forward_length": 64}, r"ffn_gate.*expected \(64, 64\)"),
        ({"llama.vocab_size": 7}, "for 7 vectors"),
        ({"llama.rope.freq_base": None}, "does not tell llama.rope.freq_base"),
        ({"llama.rope.freq_base": "high"}, "freq_base is 'high'"),
        ({"tokenizer.ggml.padding_token_id": 10**6}, "padding_token_id is 1000000"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer is 'llama'"),
        ({"tokenizer.ggml.pre": "qwen2"}, "'qwen2'"),
        ({"tokenizer.ggml.merges": ["a b", "abc"]}, "merges"),
        ({"tokenizer.ggml.tokens": TOKENS[:-1]}, "tokens"),
    ],
)
def test_facts_that_do_not_fit_are_named(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    file = export(tmp_path / "a.gguf", facts=facts)
    with pytest.raises(WeightsError, match=rf"a\.gguf .*{words}"):
        gguf_llama.convert(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    file = export(tmp_path / "a.gguf", architecture="mamba")
    with pytest.raises(WeightsError, match="architecture is 'mamba'"):
        gguf_llama.convert(file, tmp_path / "out")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"blk.1.ffn_up.weight": None}, r"no tensor 'blk\.1\.ffn_up"),
        ({"output_norm.weight": np.full(64, np.nan, np.float32)}, "not finite"),
        ({"blk.0.attn_v.weight": np.full((32, 64), 1e6, np.float32)}, "not finite in fp16"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, tensors: dict[str, Any], words: str
) -> None:
    file = export(tmp_path / "a.gguf", tensors=tensors)
    with pytest.raises(WeightsError, match=words):
        gguf_llama.convert(file, tmp_path / "out")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.1, 0.5, 0.99])
def test_a_torn_file_is_named(tmp_path: Path, share: float) -> None:
    file = export(tmp_path / "a.gguf")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(WeightsError, match=r"a\.gguf is not a GGUF file"):
        gguf_llama.convert(file, tmp_path / "out")


@pytest.mark.weights
def test_the_real_one_knows_the_capital_of_france() -> None:
    card = card_for("SmolLM2-135M")
    try:
        folder = sources.fetch(card, timeout_seconds=300)
    except WeightsError as error:
        pytest.skip(str(error))
    encoder = encoders.load(folder).eval()
    assert (encoder.width, len(encoder.blocks)) == (card.width, card.blocks)
    assert sum(p.numel() for p in encoder.parameters()) == card.parameters
    ids = torch.tensor(encoders.read_tokenizer(folder).encode(["The capital of France is"]))
    with torch.no_grad():
        last = encoder(ids, torch.ones_like(ids))[0, -1]
    likely = int((encoder.model.embed_tokens.weight @ last).argmax())
    assert [likely] == encoders.read_tokenizer(folder).encode([" Paris"])[0]
