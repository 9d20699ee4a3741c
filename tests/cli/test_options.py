"""Options written as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.cli import options
from tunesmith.core.errors import ConfigError


def test_pins_are_json_else_text() -> None:
    pairs = ["neural.lr=1e-4", "neural.optimizer=SGD", "neural.optimizer.SGD.momentum=0.9"]
    assert options.pins([*pairs, "linear.balanced=true"]) == {
        "neural": {"lr": 1e-4, "optimizer": "SGD", "optimizer.SGD.momentum": 0.9},
        "linear": {"balanced": True},
    }


def test_the_last_equals_sign_ends_a_column_name() -> None:
    assert options.kinds(["a=b=number", "c=text"]) == {"a=b": "number", "c": "text"}


def test_nothing_given_is_none() -> None:
    assert options.pins([]) is options.kinds([]) is options.names(None) is None


def test_names_are_split_at_commas() -> None:
    assert options.names("a, b,,c") == ["a", "b", "c"]


@pytest.mark.parametrize("pair", ["lr=1", "neural.lr", ".lr=1", "neural.=1", ""])
def test_a_malformed_pin_is_refused_with_an_example(pair: str) -> None:
    with pytest.raises(ConfigError, match=r"neural\.lr=1e-4"):
        options.pins([pair])


@pytest.mark.parametrize("pair", ["age", "=number", "age="])
def test_a_malformed_kind_is_refused_with_an_example(pair: str) -> None:
    with pytest.raises(ConfigError, match="age=number"):
        options.kinds([pair])


def test_a_file_of_a_space_is_read_and_what_is_set_has_the_last_word(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("neural: {lr: 'log(1e-5, 1e-3)', batch_size: [16, 32]}\nlinear: {words: 1}\n")
    found = options.space(str(file), ["neural.lr=1e-4"])
    assert found == {"neural": {"lr": 1e-4, "batch_size": [16, 32]}, "linear": {"words": 1}}


@pytest.mark.parametrize("text", ["- a list", "neural: 3", "a: [", "just words"])
def test_a_file_that_is_no_space_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"space\.yaml"):
        options.space(str(file), [])
    with pytest.raises(ConfigError, match="cannot be read"):
        options.space(str(tmp_path / "none.yaml"), [])
