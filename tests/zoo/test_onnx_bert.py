"""A BERT that went through ONNX comes back with the same weights and answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import WeightsError
from tunesmith.core.records import Card
from tunesmith.zoo import card_for, onnx_bert, sources

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

L3 = "paraphrase-MiniLM-L3-v2"


def tiny() -> Any:
    """A BertModel of two layers, 64 wide, with random weights everywhere."""
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        max_position_embeddings=20,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def export(model: Any, file: Path) -> Path:
    """An ONNX graph as exporters write it: linear layers as a nameless MatMul and a named Add."""
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    nodes, stored = [], []
    for number, (name, value) in enumerate(tensors.items()):
        linear = name.endswith(".weight") and "LayerNorm" not in name and "embeddings" not in name
        if linear:
            bias = f"model.0.auto_model.{name.removesuffix('weight')}bias"
            matrix, product = f"onnx::MatMul_{number}", f"product_{number}"
            stored.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value.T), matrix))
            nodes.append(onnx.helper.make_node("MatMul", [f"in_{number}", matrix], [product]))
            pair = [bias, product] if number % 4 else [product, bias]
            nodes.append(onnx.helper.make_node("Add", pair, [f"out_{number}"]))
        else:
            stored.append(onnx.numpy_helper.from_array(value, f"model.0.auto_model.{name}"))
    graph = onnx.helper.make_graph(nodes, "bert", [], [], stored)
    onnx.save(onnx.helper.make_model(graph), str(file))
    return file


def test_the_weights_come_back(tmp_path: Path) -> None:
    model = tiny()
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    onnx_bert.convert(export(model, tmp_path / "a.onnx"), tmp_path, tmp_path / "out")
    back, told = transformers.BertModel.from_pretrained(
        tmp_path / "out", add_pooling_layer=False, output_loading_info=True
    )
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    ids = torch.arange(12).reshape(2, 6)
    with torch.no_grad():
        wanted, got = model(ids).last_hidden_state, back.eval()(ids).last_hidden_state
    assert torch.allclose(wanted, got, atol=1e-6)
    assert (tmp_path / "out" / "vocab.txt").read_text() == "[PAD]\n"


def test_the_config_is_read_from_the_shapes(tmp_path: Path) -> None:
    onnx_bert.convert(export(tiny(), tmp_path / "a.onnx"), tmp_path, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    shown = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    assert [config[name] for name in shown] == [50, 64, 2, 2]
    assert (config["intermediate_size"], config["max_position_embeddings"]) == (96, 20)


def test_another_graph_is_refused(tmp_path: Path) -> None:
    matrix = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "w")
    graph = onnx.helper.make_graph([], "none", [], [], [matrix])
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "a.onnx"))
    with pytest.raises(WeightsError, match="not a BERT encoder"):
        onnx_bert.convert(tmp_path / "a.onnx", tmp_path, tmp_path / "out")


def test_a_missing_matrix_is_named(tmp_path: Path) -> None:
    file = export(tiny(), tmp_path / "a.onnx")
    model = onnx.load(str(file))
    del model.graph.node[0]
    onnx.save(model, str(file))
    with pytest.raises(WeightsError, match=r"1 tensors are missing.*query\.weight"):
        onnx_bert.convert(file, tmp_path, tmp_path / "out")


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\xff\xfe nothing")
    with pytest.raises(WeightsError, match=r"a\.onnx is not a whole ONNX file"):
        onnx_bert.read(tmp_path / "a.onnx")


@pytest.fixture(scope="module")
def l3() -> Card:
    card = card_for(L3)
    try:
        sources.fetch(card, timeout_seconds=300)
    except WeightsError as error:
        pytest.skip(str(error))
    return card


@pytest.mark.weights
def test_the_real_one_loads_whole_and_knows_paraphrases(l3: Card) -> None:
    folder = sources.place(l3)
    model, told = transformers.BertModel.from_pretrained(
        folder, add_pooling_layer=False, output_loading_info=True
    )
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert not told["mismatched_keys"]
    shown = model.config
    assert (shown.vocab_size, shown.hidden_size, shown.num_hidden_layers) == (30522, 384, 3)
    assert (shown.num_attention_heads, shown.intermediate_size) == (12, 1536)
    first, same, other = _vectors(
        folder,
        model.eval(),
        "The dress was far too small for me.",
        "This gown did not fit, it was much too tight.",
        "Parliament passed the annual budget on Friday.",
    )
    assert first @ same > 0.5
    assert abs(first @ other) < 0.2


def _vectors(folder: Path, model: Any, *texts: str) -> Any:
    """The mean over tokens of each text, of length one."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()
