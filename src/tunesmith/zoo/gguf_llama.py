"""A Llama in one GGUF file, turned into a folder of safetensors: the base model, no language head.

Names and the turning of query and key rows as in llama.cpp's `convert_hf_to_gguf.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import WeightsError, need

VERSION = 1
"""Raise it when the converted bytes change."""
MOST_LAYERS = 1000
PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
KNOWN_PRE = ("smollm",)
"""Ways to cut text before byte pairs are merged: `smollm` takes digits singly, else as GPT-2."""
CONTROL, OF_USERS = 3, 4
"""Kinds of token that are never cut: `gguf.TokenType`."""

Array = NDArray[Any]


def convert(file: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and tokenizer.json into `folder`. Matrices are kept in
    fp16, norms in fp32.

    Raises:
        WeightsError: The file is torn, or holds no Llama known here.
        MissingExtra: gguf is not installed.
    """
    from safetensors.numpy import save_file

    found = File(file)
    settings = config(found)
    spec = tokenizer(found, settings["vocab_size"])
    tensors = {to: found.tensor(name, shape) for to, name, shape in wanted(settings)}
    for target, tensor in tensors.items():
        for part, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
            if part in target:
                tensors[target] = unturned(tensor, settings[heads])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    (folder / "tokenizer.json").write_text(spec, encoding="utf-8")


class File:
    """A GGUF file: facts by key, tensors by name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.gguf = need("gguf", extra="gguf")
        try:
            self.reader = self.gguf.GGUFReader(file)
            self.tensors = {one.name: one for one in self.reader.tensors}
        except Exception as error:  # each kind of tear shows in its own way
            raise self.broken(f"{type(error).__name__}: {error}") from error

    def broken(self, why: str) -> WeightsError:
        """The error that says what is wrong with the file."""
        return WeightsError(f"{self.file} is not a GGUF file of a Llama known here: {why}.")

    def fact(self, key: str) -> Any:
        """The value under a key of the file's metadata.

        Raises:
            WeightsError: It has none.
        """
        try:
            return self.reader.fields[key].contents()
        except Exception as error:
            raise self.broken(f"it does not tell {key}") from error

    def count(self, key: str, most: int = 2**31) -> int:
        """A whole number from one up.

        Raises:
            WeightsError: It is none, or larger than `most`.
        """
        value = self.fact(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self.broken(f"{key} is {value!r}, allowed are 1 to {most}")
        return value

    def number(self, key: str) -> float:
        """A positive finite number.

        Raises:
            WeightsError: It is none.
        """
        value = self.fact(key)
        if not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise self.broken(f"{key} is {value!r}, expected a positive number")
        return float(value)

    def token(self, key: str, words: int) -> int:
        """The number of a token of the vocabulary.

        Raises:
            WeightsError: It is none.
        """
        value = self.fact(key)
        if not isinstance(value, int) or not 0 <= value < words:
            raise self.broken(f"{key} is {value!r}, allowed are 0 to {words - 1}")
        return value

    def tensor(self, name: str, shape: tuple[int, ...]) -> Array:
        """A tensor as numbers: matrices in fp16, vectors in fp32.

        Raises:
            WeightsError: It is missing, of another shape, or not finite.
        """
        told = self.tensors.get(name)
        if told is None:
            raise self.broken(f"it has no tensor {name!r}")
        got = tuple(int(size) for size in reversed(told.shape))
        if got != shape:
            raise self.broken(f"the tensor {name!r} has the shape {got}, expected {shape}")
        try:
            numbers = self.gguf.quants.dequantize(told.data, told.tensor_type).reshape(shape)
        except Exception as error:  # each kind of quantization fails in its own way
            raise self.broken(f"the tensor {name!r} cannot be read ({error})") from error
        with np.errstate(over="ignore"):  # told below
            kept = np.ascontiguousarray(numbers, np.float16 if len(shape) == 2 else np.float32)
        if not np.isfinite(kept).all():
            raise self.broken(f"the tensor {name!r} holds numbers that are not finite in fp16")
        return kept


def config(found: File) -> dict[str, Any]:
    """The config of the `LlamaModel`.

    Raises:
        WeightsError: It is another architecture, or its sizes do not go together.
    """
    architecture = found.fact("general.architecture")
    if architecture != "llama" or "rope_freqs.weight" in found.tensors:
        raise found.broken(f"its architecture is {architecture!r}, or its angles are scaled")
    width = found.count("llama.embedding_length")
    heads = found.count("llama.attention.head_count")
    groups = found.count("llama.attention.head_count_kv")
    turned = found.count("llama.rope.dimension_count")
    if width != heads * turned or heads % groups or turned % 2:
        raise found.broken(f"{heads} heads of {turned} in {groups} groups, at a width of {width}")
    words = found.count("llama.vocab_size")
    return {
        "architectures": ["LlamaModel"],
        "model_type": "llama",
        "vocab_size": words,
        "hidden_size": width,
        "num_hidden_layers": found.count("llama.block_count", MOST_LAYERS),
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": found.count("llama.feed_forward_length"),
        "hidden_act": "silu",
        "max_position_embeddings": found.count("llama.context_length"),
        "rms_norm_eps": found.number("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": found.number("llama.rope.freq_base"),
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "bos_token_id": found.token("tokenizer.ggml.bos_token_id", words),
        "eos_token_id": found.token("tokenizer.ggml.eos_token_id", words),
        "pad_token_id": found.token("tokenizer.ggml.padding_token_id", words),
    }


def wanted(config: dict[str, Any]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Every tensor: its name in `LlamaModel`, its name in the file, its shape."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {
        "attn_norm": (width,),
        "attn_k": (keys, width),
        "attn_v": (keys, width),
        "ffn_norm": (width,),
        "ffn_gate": (inner, width),
        "ffn_up": (inner, width),
        "ffn_down": (width, inner),
    }
    yield "embed_tokens.weight", "token_embd.weight", (config["vocab_size"], width)
    yield "norm.weight", "output_norm.weight", (width,)
    for layer in range(config["num_hidden_layers"]):
        for part, target in PARTS.items():
            shape = shapes.get(part, (width, width))
            yield f"layers.{layer}.{target}.weight", f"blk.{layer}.{part}.weight", shape


def unturned(matrix: Array, heads: int) -> Array:
    """Rows (heads * width, in) with the two halves of each head apart again; llama.cpp lays the
    two numbers that turn together side by side."""
    pairs = matrix.reshape(heads, -1, 2, matrix.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(matrix.shape))


def tokenizer(found: File, words: int) -> str:
    """The JSON of the byte-level tokenizer.

    Raises:
        WeightsError: It is of another kind, or torn.
    """
    parts = need("tokenizers", extra="text")
    kind, pre = found.fact("tokenizer.ggml.model"), found.fact("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in KNOWN_PRE:
        raise found.broken(f"its tokenizer is {kind!r} with {pre!r}, known is 'gpt2' with smollm")
    tokens = found.fact("tokenizer.ggml.tokens")
    kinds = found.fact("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in found.fact("tokenizer.ggml.merges")]
    if any(len(merge) != 2 for merge in merges):
        raise found.broken("one of its tokenizer's merges does not join two tokens")
    if not len(tokens) == len(kinds) == len(set(tokens)) == words:
        raise found.broken(f"{len(set(tokens))} tokens of {len(kinds)} kinds for {words} vectors")
    try:
        vocabulary = {token: number for number, token in enumerate(tokens)}
        made = parts.Tokenizer(parts.models.BPE(vocabulary, merges))
    except Exception as error:  # tokenizers has no kind of its own
        raise found.broken(f"its tokenizer cannot be built ({error})") from error
    made.pre_tokenizer = parts.pre_tokenizers.Sequence(
        [
            parts.pre_tokenizers.Digits(individual_digits=True),
            parts.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.decoder = parts.decoders.ByteLevel()
    whole = [(t, k) for t, k in zip(tokens, kinds, strict=True) if k in (CONTROL, OF_USERS)]
    made.add_special_tokens([token for token, kind in whole if kind == CONTROL])
    made.add_tokens([token for token, kind in whole if kind == OF_USERS])
    return str(made.to_str())
