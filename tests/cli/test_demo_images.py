"""The demo on pictures, where it cannot be run, and what its options say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_without_weights_and_network_it_says_what_to_fetch(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))
    ran = command("demo", "images", "--offline", "--folder", tmp_path / "run")
    assert ran.status == 2
    assert "digits take its place" in ran.err
    assert "tunesmith weights fetch mobilenet-v2" in " ".join(ran.err.split())
    assert not (tmp_path / "run").exists()


def test_another_demo_is_not_known(command: Command) -> None:
    ran = command("demo", "image")
    assert ran.status == 2
    assert "Did you mean 'images'?" in ran.err
