"""An architecture as a value: to JSON and back, in words, and what no network can be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tunesmith.core.architecture import Architecture, Block, Layer, Measured, Read
from tunesmith.core.errors import ConfigError

FOUND = Architecture(
    "cell",
    "all-MiniLM-L6-v2",
    (
        Block(1),
        Block(2, heads=0.5, hidden=0.75),
        Block(3, trains=True, adapter="lora", rank=8),
        Block(4, kept=False),
    ),
    (Read(1, "mean", 0.25), Read(3, "attention", 0.75)),
    (Layer("linear", 128, "gelu", "layer", True, 0.1), Layer("skip", 128)),
    77,
    12,
    Measured(22_000_000, 4.25, 90.0, 0.913, "accuracy"),
    (Layer("conv", 64, "gelu", "layer", True),),
)


def test_it_comes_back_from_json_as_it_was() -> None:
    assert Architecture.from_dict(json.loads(json.dumps(FOUND.to_dict()))) == FOUND


def test_it_is_told_from_the_answer_down() -> None:
    assert FOUND.text().splitlines() == [
        "outputs       77",
        "cell          skip 128",
        "cell          linear 128, gelu, layer norm, residual, dropout 0.1",
        "beside        12 numbers of other columns",
        "reads         mean of layer 1, weight 0.25",
        "reads         attention of layer 3, weight 0.75",
        "neck          conv 64, gelu, layer norm, residual",
        "block 4       removed",
        "block 3       trains, lora 8",
        "block 2       frozen, 50% of the heads, 75% of the feed-forward width",
        "block 1       frozen",
        "backbone      all-MiniLM-L6-v2",
        "measured      accuracy 0.913, 22,000,000 parameters, 4.25 ms an answer, 90 MB",
    ]


def test_names_steer_no_terminal() -> None:
    steering = "\x1b[2Jgone\u202e\x9b1m"
    found = replace(FOUND, backbone=steering, measured=Measured(score=0.5, metric=steering))
    shown = "\\x1b[2Jgone\\u202e\\x9b1m"
    assert found.text().splitlines()[-2:] == [
        f"backbone      {shown}",
        f"measured      {shown} 0.5",
    ]
    with pytest.raises(ConfigError) as error:
        replace(found, reads=(Read(5, "mean"),))
    assert f"{shown} has 4 blocks" in str(error.value)


def test_blocks_that_are_alike_are_told_once() -> None:
    six = Architecture("probe", "", tuple(map(Block, range(1, 7))), (Read(6, "mean"),), (), 2)
    assert "block 6 to 1" in six.text()


def test_what_was_measured_is_added_to_what_was() -> None:
    again = FOUND.with_measured(Measured(latency_ms=2.0))
    assert again.measured == Measured(22_000_000, 2.0, 90.0, 0.913, "accuracy")


GONE: Any = [{"number": 1, "kept": False}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cell": [{"kind": "linear", "width": 0}]}, "cell.0.width cannot be 0"),
        ({"cell": [{"kind": "linear", "width": 10**12}]}, "65,536 are the most"),
        ({"blocks": [{"number": 1, "rank": 10**12}]}, "blocks.0.rank cannot be 1000000000000"),
        ({"cell": [{"kind": "linaer", "width": 8}]}, "'linear', 'conv'"),
        ({"blocks": [], "reads": []}, "reads nothing"),
        ({"reads": [{"layer": 5, "pooling": "mean"}]}, "has 4 blocks"),
        ({"reads": [{"layer": 4, "pooling": "mean"}]}, "its block is removed"),
        ({"blocks": GONE, "reads": [{"layer": 0, "pooling": "mean"}]}, "all are removed"),
        ({"blocks": [{"number": 2}]}, "numbered from 1"),
        ({"blocks": [{"number": 1, "heads": 0.0}]}, "blocks.0.heads cannot be 0.0"),
        ({"reads": [{"layer": 1, "pooling": "mean", "weight": -1}]}, "reads.0.weight cannot be -1"),
        ({"reads": [{"layer": 1, "pooling": "mean", "weight": 0}]}, "not all zero"),
        ({"outputs": 0}, "outputs cannot be 0"),
        ({"neck": [{"kind": "linear", "width": 8}]}, "A neck cannot have a linear layer"),
        ({"neck": [{"kind": "conv", "width": 10**12}]}, "65,536 are the most"),
        ({"neck": [{"kind": "conv", "wdith": 8}]}, "It has no field 'neck.0.width'"),
        ({"bloks": []}, "Did you mean 'blocks'?"),
        ({"reads": [{"layer": 1, "pooling": "mean", "wieght": 1}]}, "Did you mean 'weight'?"),
    ],
)
def test_what_no_network_can_be_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=None) as error:
        Architecture.from_dict({**FOUND.to_dict(), **change})
    assert told in str(error.value)


def test_a_skip_is_as_wide_as_what_it_is_given() -> None:
    assert replace(FOUND, cell=(Layer("skip", 100_000),)).cell[0].width == 100_000


def test_what_is_wrong_is_told_in_short() -> None:
    nested: Any = 1
    for _ in range(800):
        nested = {"blocks": nested}
    for wrong, told in ((nested, "nested too deep"), ({"blocks": "x" * 9999}, "blocks cannot be")):
        with pytest.raises(ConfigError, match=told) as error:
            Architecture.from_dict({**FOUND.to_dict(), **wrong})
        assert len(str(error.value)) < 200


@pytest.mark.parametrize("plain", [{}, {"learner": "cell"}])
def test_a_missing_field_is_named(plain: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="It has no field"):
        Architecture.from_dict(plain)
