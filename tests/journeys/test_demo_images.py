"""The demo on pictures as a newcomer runs it, in half its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith import zoo
from tunesmith.core.errors import TunesmithError

from .conftest import last_json


@pytest.mark.slow
@pytest.mark.weights
def test_it_ends_with_a_score_a_sheet_and_a_model(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    try:
        zoo.fetch("mobilenet-v2")
    except TunesmithError as error:
        pytest.skip(f"the built-in weights cannot be fetched: {error}")
    options = ["--budget", "30s", "--folder", str(tmp_path / "run"), "--json", "--quiet"]
    ran = subprocess.run(
        [sys.executable, "-m", "tunesmith", "demo", "images", *options],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    told = last_json(ran.stdout)
    assert told["test"]["low"] < told["test"]["accuracy"] < told["test"]["high"]
    assert told["test"]["accuracy"] > 0.7
    assert Path(told["sheet"]).read_bytes().startswith(b"\x89PNG")
    assert len(told["answers"]) == 3
    assert all(one["top_1_probability"] >= one["top_2_probability"] for one in told["answers"])
    assert len(list(Path(told["pictures"]["train"]).iterdir())) == 10
