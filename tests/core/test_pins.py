"""Pins read the same from Python, YAML and the command line."""

from __future__ import annotations

import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.core.pins import read_pins
from tunesmith.core.space import Choice, Int, Linear, Log


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1e-4, 1e-4),
        ("mean", "mean"),
        ([0.1, 0.2], Choice(0.1, 0.2)),
        (["1e-4", "3e-4"], Choice(1e-4, 3e-4)),
        (("a", "b"), Choice("a", "b")),
        ("log(1e-5, 1e-3)", Log(1e-5, 1e-3)),
        ("Linear(0, 0.5)", Linear(0, 0.5)),
        ("int(1,8)", Int(1, 8)),
        ("int(1, 512, log=true)", Int(1, 512, log=True)),
        ("choice(mean, max)", Choice("mean", "max")),
        ("choice(false, true)", Choice(False, True)),
        (Log(1e-5, 1e-3), Log(1e-5, 1e-3)),
        ("log of the year", "log of the year"),
    ],
)
def test_a_pin_is_read_as_it_is_meant(written, meant) -> None:
    assert read_pins({"neural": {"field": written}}) == {"neural": {"field": meant}}


def test_nested_tables_are_dotted_paths() -> None:
    written = {"neural": {"optimizer": {"AdamW": {"weight_decay": 0.1}}}}
    assert read_pins(written) == {"neural": {"optimizer.AdamW.weight_decay": 0.1}}


@pytest.mark.parametrize(
    "wrong", ["log(1e-3, 1e-5)", "log(1)", "int()", "log(a, b)", "int(0, 8, log=true)", []]
)
def test_a_range_that_cannot_be_is_refused_with_the_name_of_its_field(wrong) -> None:
    with pytest.raises(ConfigError, match=r"neural\.lr"):
        read_pins({"neural": {"lr": wrong}})


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="table of fields"):
        read_pins({"neural": 3})  # type: ignore[dict-item]
