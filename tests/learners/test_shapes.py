"""Networks made smaller: what is cut off, skipped and pruned is gone, from memory and from the
file, and what is frozen below still comes from the store."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tunesmith.core.architecture import Architecture
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.dimensions import dimensions, draw, randomly
from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners
from tunesmith.learners._network_model import NeuralModel, settled_blocks
from tunesmith.learners._shaping import kept_blocks
from tunesmith.nn.inside import Shape
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.plan import plan
from tunesmith.zoo import encoders, weights
from tunesmith.zoo.backbones import backbone

QUICK = {"epochs": 2, "lr": 1e-3, "batch_size": 16}
BLOCKS, HEADS, UNITS = 5, 4, 64


@pytest.fixture(scope="module")
def deep(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of five blocks with random weights, none near another."""
    folder = tmp_path_factory.mktemp("deep")
    shutil.copy(Path(checkpoint) / "tokenizer.json", folder)
    config = json.loads((Path(checkpoint) / "config.json").read_text())
    config |= {"num_hidden_layers": BLOCKS, "num_attention_heads": HEADS}
    torch.manual_seed(1)
    encoder = encoders.from_config(config)
    for parameter in encoder.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(4)
    (folder / "config.json").write_text(json.dumps(encoder.model.config.to_dict()))
    save_file(weights.tensors(encoder), folder / "model.safetensors")
    return str(folder)


def watch(told: dict[str, str] | None = None) -> Watch:
    notes = {} if told is None else told
    return Watch(Clock(), lambda score, progress: True, tell=notes.__setitem__)


def tuned(
    example: Problem,
    checkpoint: str,
    pins: Mapping[str, Any],
    told: dict[str, str] | None = None,
) -> NeuralModel:
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint, **pins})
    model = learners["neural"].fit(example, config, 0, watch(told))
    assert isinstance(model, NeuralModel)
    return model


def sizes(model: NeuralModel) -> list[tuple[int, int]]:
    """Of each block: numbers that its heads pass on, and its feed-forward units."""
    return [
        (
            block.attention.output.dense.in_features,
            block.output.dense.in_features,
        )
        for block in model.network.encoder.blocks
    ]


SHAPES = [
    {"blocks": 0.6},
    {"blocks": 0.6, "depth": 0.34},
    {"skip": 2},
    {"skipped": "2, 4", "depth": 0.34},
    {"heads_kept": 0.5, "width_kept": 0.25},
    {"blocks": 0.8, "skip": 1, "heads_kept": 0.25, "width_kept": 0.5, "depth": 0.5},
    {"blocks": 0.6, "width_kept": 0.5, "head_start": "random", "heads_kept": 0.5},
    {"blocks": 0.4, "adapter": "LoRA"},
    {"blocks": 0.8, "depth": 0.5, "adapter": "Bottleneck", "width_kept": 0.5},
    {"blocks": 0.6, "adapter": "Scaling"},
    {"skipped": "4", "readout": "mix", "depth": 0.5, "pooling": "generalised"},
    {"blocks": 0.8, "readout": "mix"},
    {"blocks": 0.6, "neck": "Convolution", "neck.Convolution.width": 8, "readout": "mix"},
    {"blocks": 0.6, "neck": "Attention", "neck.Attention.width": 16, "depth": 0.0, "head": 16},
]


@pytest.mark.parametrize("pins", SHAPES, ids=str)
def test_a_smaller_network_is_smaller_and_opens_again(
    example: Problem, deep: str, pins: dict[str, Any], tmp_path: Path
) -> None:
    whole = tuned(example, deep, {"depth": pins.get("depth", 1.0)})
    model = tuned(example, deep, pins)
    for place, one in (("whole", whole), ("small", model)):
        (tmp_path / place).mkdir()
        one.save(tmp_path / place)
    opened = learners["neural"].load(tmp_path / "small")
    assert isinstance(opened, NeuralModel)
    test = example.part("test")
    assert np.allclose(opened.predict(test).array(), model.predict(test).array(), atol=1e-6)
    assert sizes(opened) == sizes(model)
    assert opened.architecture() == model.architecture()
    bytes_of = {
        place: sum(file.stat().st_size for file in (tmp_path / place).glob("*.safetensors"))
        for place in ("whole", "small")
    }
    assert bytes_of["small"] < bytes_of["whole"]


def test_upper_blocks_are_cut_off(example: Problem, deep: str) -> None:
    model = tuned(example, deep, {"blocks": 0.6, "epochs": 0})
    encoder, given = model.network.encoder, backbone(deep).encoder
    assert len(encoder.blocks) == 3
    assert len(given.blocks) == BLOCKS  # the one that others use is whole
    for mine, theirs in zip(encoder.blocks, given.blocks, strict=False):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)


def test_skipped_blocks_are_those_named(example: Problem, deep: str) -> None:
    model = tuned(example, deep, {"skipped": "2,4", "epochs": 0})
    kept = [backbone(deep).encoder.blocks[number] for number in (0, 2, 4)]
    for mine, theirs in zip(model.network.encoder.blocks, kept, strict=True):
        assert torch.equal(mine.output.dense.weight, theirs.output.dense.weight)
    form = model.architecture()
    assert form is not None
    assert [block.number for block in form.kept] == [1, 3, 5]


def test_the_block_that_spoils_what_is_below_is_skipped_first(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    shutil.copytree(deep, tmp_path / "idle")
    encoder = encoders.load(Path(deep))
    encoder.blocks[2].output.LayerNorm.weight.data.zero_()
    save_file(weights.tensors(encoder), tmp_path / "idle" / "model.safetensors")
    told: dict[str, str] = {}
    model = tuned(example, str(tmp_path / "idle"), {"skip": 1, "epochs": 0}, told)
    assert model.smaller is not None
    assert model.smaller.blocks == (0, 1, 3, 4)
    assert "without block 3" in told["skip"]
    assert model.settled()["skipped"] == "3"


def test_where_time_is_short_the_block_that_changes_least_is_skipped(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    shutil.copytree(deep, tmp_path / "idle")
    encoder = encoders.load(Path(deep))
    block = encoder.blocks[2]
    for linear in (block.attention.output.dense, block.output.dense):
        linear.weight.data.zero_()
        linear.bias.data.zero_()
    save_file(weights.tensors(encoder), tmp_path / "idle" / "model.safetensors")
    base, told = backbone(str(tmp_path / "idle")), dict[str, str]()
    now = itertools.count()
    clock = Clock(100.0, lambda: float(next(now)))
    config = default(learners["neural"].config, {"backbone": base.card.name, "skip": 1})
    slow = Watch(clock, lambda score, progress: True, tell=told.__setitem__)
    ids = base.ids(example.part("train").values("text").tolist(), 32)
    assert kept_blocks(example, config, base, ids, slow, 0) == (0, 1, 3, 4)
    assert "no time to try sub-networks" in told["skip"]


def test_a_fit_to_all_rows_leaves_out_the_same_blocks_the_last_one_too() -> None:
    cut = Shape(6, (0, 1, 3, 4))  # the last one left out is above all others
    assert settled_blocks(cut) == {"blocks": 1.0, "skip": 0, "skipped": "3, 6"}
    assert settled_blocks(None) == {}


def test_pruned_heads_and_units_are_those_that_count_least(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    """Heads and units that pass nothing on are the first to go, and nothing changes then."""
    shutil.copytree(deep, tmp_path / "idle")
    encoder = encoders.load(Path(deep))
    width = encoder.width // HEADS
    for block in encoder.blocks:
        block.attention.output.dense.weight.data[:, width : 2 * width] = 0
        block.output.dense.weight.data[:, ::4] = 0
    save_file(weights.tensors(encoder), tmp_path / "idle" / "model.safetensors")
    place = str(tmp_path / "idle")
    for start in ("probe", "random"):
        pins = {"epochs": 0, "head_start": start}
        whole = tuned(example, place, pins)
        model = tuned(example, place, {**pins, "heads_kept": 0.75, "width_kept": 0.75})
        assert sizes(model) == [(3 * width, 48)] * BLOCKS
        test = example.part("test")
        if start == "probe":
            expected = whole.predict(test).array()
            assert np.allclose(model.predict(test).array(), expected, atol=1e-4)


def test_frozen_blocks_of_a_cut_network_come_from_the_store_of_the_whole(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    pins = {"head_start": "random", "patience": 0}
    store = Store(tmp_path, 10**9)
    with using(store):
        tuned(example, deep, {**pins, "depth": 0.4})  # cut at three of five blocks
        computed, read = store.counts.written_rows, store.counts.read_rows
        told: dict[str, str] = {}
        # four of five blocks, the top one trains: the same cut
        model = tuned(example, deep, {**pins, "blocks": 0.8, "depth": 0.17}, told)
        assert store.counts.written_rows == computed
        assert store.counts.read_rows > read
        assert "are stored" in told["store"]
    plain = tuned(example, deep, {**pins, "blocks": 0.8, "depth": 0.17})
    test = example.part("test")
    assert np.allclose(model.predict(test).array(), plain.predict(test).array(), atol=2e-2)


def test_a_skipped_block_below_has_a_store_of_its_own(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    pins = {"head_start": "random", "patience": 0, "depth": 0.25, "skipped": "2"}
    with using(Store(tmp_path, 10**9)):
        tuned(example, deep, {**pins, "skipped": ""})
        model = tuned(example, deep, pins)
        answers = model.predict(example.part("test")).array()
    plain = tuned(example, deep, pins)
    assert np.allclose(answers, plain.predict(example.part("test")).array(), atol=2e-2)


@pytest.mark.parametrize("pins", SHAPES, ids=str)
def test_an_architecture_tells_the_config_that_makes_it(
    example: Problem, deep: str, pins: dict[str, Any]
) -> None:
    model = tuned(example, deep, {**pins, "epochs": 0})
    form = model.architecture()
    assert form is not None
    handed = learners["neural"].shaped(
        Architecture.from_dict(json.loads(json.dumps(form.to_dict())))
    )
    again = tuned(example, deep, {**handed, "backbone": deep, "epochs": 0, "head_start": "random"})
    assert sizes(again) == sizes(model)
    assert again.architecture() == form


@pytest.mark.parametrize(
    ("pins", "told"),
    [
        ({"skip": 5}, "5 blocks cannot be skipped of 5: one at least stays"),
        ({"blocks": 0.4, "skip": 2}, "2 blocks cannot be skipped of 2"),
        ({"skipped": "1"}, "block 1 cannot be skipped"),
        ({"skipped": "7"}, "block 7 cannot be skipped: of 5 blocks those numbered 2 to 5 can"),
        ({"skipped": "top"}, "skipped names blocks by number"),
        ({"width_kept": 0.0}, "width_kept"),
        ({"blocks": 1.5}, "blocks"),
        ({"neck": "recurrent"}, "neck cannot be 'recurrent'"),
        ({"activation": "swish"}, "activation cannot be 'swish'"),
        ({"neck": "Attention", "neck.Attention.width": 0}, "width cannot be 0"),
    ],
)
def test_an_impossible_shape_is_one_error_before_any_training(
    example: Problem, deep: str, pins: dict[str, Any], told: str
) -> None:
    asked = {"neural": {"backbone": deep, **pins}}
    with pytest.raises(ConfigError, match=told):
        plan(example, wanted=("neural",), pins=asked, clock=Clock(), offline=True)


KINDS = [
    {"activation": "relu", "norm": "rms", "depth": 0.34},
    {"activation": "quick_gelu", "blocks": 0.6, "width_kept": 0.5},
    {"norm": "rms", "adapter": "Bottleneck", "readout": "mix"},
]


@pytest.mark.parametrize("pins", KINDS, ids=str)
def test_layers_of_another_kind_are_saved_told_and_handed_on(
    example: Problem, deep: str, pins: dict[str, Any], tmp_path: Path
) -> None:
    model = tuned(example, deep, {**pins, "epochs": 1})
    model.save(tmp_path)
    opened = learners["neural"].load(tmp_path)
    assert isinstance(opened, NeuralModel)
    test = example.part("test")
    assert np.allclose(opened.predict(test).array(), model.predict(test).array(), atol=1e-6)
    form = model.architecture()
    assert opened.architecture() == form
    assert form is not None
    told = {(block.activation, block.norm) for block in form.kept if block.trains}
    assert told == {(pins.get("activation", ""), pins.get("norm", ""))}
    assert {(b.activation, b.norm) for b in form.kept if not b.trains} <= {("", "")}
    handed = learners["neural"].shaped(Architecture.from_dict(form.to_dict()))
    assert {name: handed.get(name, "own") for name in ("activation", "norm")} == {
        name: pins.get(name, "own") for name in ("activation", "norm")
    }
    saved = json.loads((tmp_path / "model.json").read_text())
    plain = {n: v for n, v in saved["shape"].items() if n not in ("activation", "norm", "changed")}
    (tmp_path / "model.json").write_text(json.dumps({**saved, "shape": plain}))
    other = learners["neural"].load(tmp_path).predict(test).array()
    assert not np.allclose(other, model.predict(test).array(), atol=1e-5)
    for wrong in ({"activation": "swish"}, {"norm": "batch"}, {"changed": 9}):
        shape = {**plain, "activation": "relu", "norm": "rms", "changed": 1, **wrong}
        (tmp_path / "model.json").write_text(json.dumps({**saved, "shape": shape}))
        with pytest.raises(WeightsError):
            learners["neural"].load(tmp_path)


def test_frozen_blocks_keep_their_kinds_and_come_from_the_store(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    told: dict[str, str] = {}
    tuned(example, deep, {"norm": "rms", "depth": 0.0, "epochs": 1}, told)
    assert told["kinds"].startswith("activations and norms stay as they are: none of the blocks")
    with using(Store(tmp_path / "store", 2**28)):
        tuned(example, deep, {"depth": 0.34})
        tuned(example, deep, {"depth": 0.34, "activation": "relu"}, told)
    assert told["store"].startswith("all ")


def test_families_without_layer_norms_keep_their_kinds(example: Problem) -> None:
    learner = learners["neural"]
    for pins in ({"norm": "rms"}, {"activation": "relu", "depth": 0.0}):
        config = default(learner.config, {"backbone": "SmolLM2-135M", **pins})
        assert "llama cannot have another activation or norm" in learner.refuses(example, config)


def test_necks_are_searched_where_an_architecture_is_and_nowhere_else() -> None:
    learner = learners["neural"]
    usual = dimensions(learner.config, learner.usual)
    assert not any(path.startswith("neck") for path in usual)
    ranges = dimensions(learner.config, learner.shapes)
    widths = {f"neck.{kind}.width" for kind in ("Convolution", "Attention")}
    assert {path for path in ranges if path.startswith("neck")} == {"neck", *widths}
    dice = randomly(np.random.default_rng(0))
    for _ in range(20):  # a width counts where there is a neck, and is of that neck
        values = draw(ranges, dice)
        own = {f"neck.{values['neck']}.width"} if values["neck"] != "NoNeck" else set()
        assert widths & set(values) == own


def test_a_saved_neck_of_another_kind_or_width_is_refused(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    model = tuned(example, deep, {"neck": "Attention", "depth": 0.0, "epochs": 0})
    model.save(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())
    for wrong in ({"neck": "convolution"}, {"neck": "none"}, {"neck": "x"}, {"neck_width": 10**9}):
        (tmp_path / "model.json").write_text(json.dumps({**told, "shape": told["shape"] | wrong}))
        with pytest.raises(WeightsError):
            learners["neural"].load(tmp_path)


def test_a_convolution_is_nothing_that_attention_could_be_followed_through(
    example: Problem, deep: str
) -> None:
    model = tuned(example, deep, {"neck": "Convolution", "depth": 0.0})
    assert "attention-rollout" not in model.heat_methods()
    found = model.heats(example.part("test").take(np.arange(1)), 0, "integrated-gradients")
    assert found
    drawn = model.redrawn(0).network
    old, new = model.network.neck, drawn.neck
    assert not torch.equal(old.up.weight, new.up.weight)  # type: ignore[union-attr, arg-type]


def test_a_file_of_another_shape_than_it_tells_is_refused(
    example: Problem, deep: str, tmp_path: Path
) -> None:
    model = tuned(example, deep, {"heads_kept": 0.5, "width_kept": 0.5, "epochs": 0})
    model.save(tmp_path)
    told = json.loads((tmp_path / "model.json").read_text())
    for wrong in (
        {"units": [8] * BLOCKS},
        {"heads": [10**9] * BLOCKS},
        {"blocks": [0, 1, 2]},
        {"blocks": [4, 3, 2, 1, 0]},
        {"units": [8]},
        {"of": 2},
    ):
        told_so = {**told, "smaller": {**told["smaller"], **wrong}}
        (tmp_path / "model.json").write_text(json.dumps(told_so))
        with pytest.raises(WeightsError):
            learners["neural"].load(tmp_path)


@pytest.mark.parametrize("method", ["integrated-gradients", "attention-rollout"])
@pytest.mark.parametrize(
    "pins",
    [
        {"skipped": "2", "heads_kept": 0.5, "width_kept": 0.5},
        {"blocks": 0.6, "readout": "mix", "adapter": "Bottleneck", "pooling": "generalised"},
        {"blocks": 0.4, "readout": "mix", "neck": "Attention"},
    ],
    ids=str,
)
def test_the_inside_of_a_smaller_network_gives_credit(
    example: Problem, deep: str, pins: dict[str, Any], method: str
) -> None:
    model = tuned(example, deep, pins)
    if method not in model.heat_methods():
        pytest.skip("not of this network")
    found = model.heats(example.part("test").take(np.arange(1)), 0, method)
    assert found
    assert all(np.isfinite(heat.credits).all() for heat in found.values())
