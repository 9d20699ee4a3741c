"""A probe and a fine-tuned network tell their architecture, and make one that is handed to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.architecture import Architecture, Block, Layer, Read
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.learners import learners

QUICK = {"epochs": 1, "patience": 0, "lr": 1e-3}


def fitted(problem: Problem, name: str, pins: dict[str, Any]) -> Fitted:
    config = default(learners[name].config, pins)
    return learners[name].fit(problem, config, 0, Watch(Clock(), lambda score, progress: True))


@pytest.mark.parametrize("readout", ["several", "last", "ends"])
def test_a_probe_tells_what_it_reads(
    example: Problem, checkpoint: str, tmp_path: Path, readout: str
) -> None:
    model = fitted(example, "probe", {"backbone": checkpoint, "readout": readout})
    found = model.architecture()
    assert found is not None
    assert found.backbone == checkpoint
    assert not any(block.trains for block in found.blocks)
    assert found.reads[0] == Read(len(found.blocks), "mean")
    assert found.outputs == (len(example.classes) or 1)
    assert found.measured.parameters
    model.save(tmp_path)
    assert learners["probe"].load(tmp_path).architecture() == found
    assert learners["probe"].shaped(found) == {"backbone": checkpoint, "readout": readout}


def test_a_fine_tuned_network_tells_its_blocks_and_makes_the_same_again(
    example: Problem, checkpoint: str, tmp_path: Path
) -> None:
    pins = {"depth": 0.5, "adapter": "LoRA", "adapter.LoRA.rank": 4, "head": 128}
    model = fitted(example, "neural", {**QUICK, "backbone": checkpoint, **pins, "pooling": "max"})
    found = model.architecture()
    assert found is not None
    assert found.blocks == (Block(1), Block(2, trains=True, adapter="lora", rank=4))
    assert found.reads == (Read(2, "max"),)
    assert found.cell == (Layer("linear", 128, "gelu"),)
    model.save(tmp_path)
    assert learners["neural"].load(tmp_path).architecture() == found
    again = learners["neural"].shaped(found)
    assert again == {**pins, "pooling": "max", "neck": "NoNeck", "backbone": checkpoint}
    config = default(learners["neural"].config, again)
    assert (config.depth, config.adapter.rank, config.head) == (0.5, 4, 128)


TOP = Block(2, trains=True)
NECK = Layer("attention", 8, "", "layer", residual=True)
ODD: dict[str, tuple[str, dict[str, Any], str]] = {
    "lower trains": ("neural", {"blocks": (Block(1, trains=True), Block(2))}, "the top blocks"),
    "frozen": ("neural", {"blocks": (Block(1, adapter="lora", rank=4), TOP)}, "block 1 has lora"),
    "rank": ("neural", {"blocks": (Block(1), replace(TOP, adapter="lora"))}, "rank of one"),
    "narrow": ("neural", {"blocks": (Block(1), replace(TOP, adapter="bottleneck"))}, "rank of one"),
    "bend": ("neural", {"cell": (Layer("linear", 8, "tanh"),)}, "with gelu"),
    "norm": ("neural", {"cell": (Layer("linear", 8, norm="layer"),)}, "nothing else"),
    "kind of a frozen block": (
        "neural",
        {"blocks": (Block(1, norm="rms"), Block(2, trains=True))},
        "changes nothing of those that do not train",
    ),
    "unknown kind": (
        "neural",
        {"blocks": (Block(1), Block(2, trains=True, activation="tanh"))},
        "gelu_tanh, quick_gelu or relu",
    ),
    "wide neck": ("neural", {"neck": (Layer("conv", 8, "gelu"),)}, "each residual"),
    "long neck": ("neural", {"neck": 2 * (NECK,)}, "is one layer"),
    "neck": ("probe", {"neck": (NECK,)}, "has no neck"),
    "neck of a cell": ("cell", {"neck": (NECK,)}, "has no neck"),
    "plane": ("probe", {"cell": (Layer("linear", 8),)}, "one plane"),
    "mixed": ("probe", {"reads": (Read(2, "mean", 1.0),)}, "side by side"),
    "lower end": ("cell", {"reads": (Read(1, "max"),)}, "cannot read max of layer 1"),
    "twice": ("cell", {"reads": (Read(2, "mean"), Read(2, "mean"))}, "each vector once"),
    "deep": (
        "cell",
        {"blocks": tuple(map(Block, range(1, 31))), "reads": (Read(25, "mean"),)},
        "cannot read mean of layer 25",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_no_part_of_an_architecture_is_passed_over_in_silence(name: str) -> None:
    learner, change, told = ODD[name]
    plain = Architecture(learner, "b", (Block(1), Block(2)), (Read(2, "mean"),), (), 3)
    with pytest.raises(ConfigError, match=told):
        learners[learner].shaped(replace(plain, **change))


def test_shapes_that_a_learner_cannot_make_are_refused() -> None:
    blocks = (Block(1), Block(2))
    plain = Architecture("neural", "b", blocks, (Read(2, "mean"),), (), 3)
    assert learners["neural"].shaped(plain)["depth"] == 0.0
    cut = replace(plain, blocks=(Block(1), Block(2, heads=0.5)))
    with pytest.raises(ConfigError, match="cannot change block 2"):
        learners["probe"].shaped(cut)
    with pytest.raises(ConfigError, match="one linear layer at most"):
        learners["neural"].shaped(replace(plain, cell=(Layer("conv", 8),)))
    with pytest.raises(ConfigError, match="no read-out of just these"):
        learners["probe"].shaped(replace(plain, reads=(Read(1, "first"),)))
    with pytest.raises(ConfigError, match="no architecture that can be handed on"):
        learners["linear"].shaped(replace(plain, learner="linear"))
