"""Real reviews and real weights, brought once; skipped with a reason where they cannot be had."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tunesmith import zoo
from tunesmith.core.errors import TunesmithError
from tunesmith.data.demo import clothing_reviews

Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def weights() -> str:
    """The name of a checkpoint whose bytes are here."""
    name = "paraphrase-MiniLM-L3-v2"
    try:
        zoo.fetch(name)
    except TunesmithError as error:
        pytest.skip(f"the built-in weights cannot be fetched: {error}")
    return name


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv and test.csv of real reviews."""
    folder = tmp_path_factory.mktemp("reviews")
    try:
        train, test = clothing_reviews(rows=400)
    except TunesmithError as error:
        pytest.skip(f"the reviews cannot be fetched: {error}")
    train.to_csv(folder / "train.csv", index=False)
    test.head(300).to_csv(folder / "test.csv", index=False)
    return folder


@pytest.fixture
def python() -> Python:
    """Runs code in a new process that may not open a socket, and gives what it printed."""

    def run(code: str, *arguments: str, cwd: Path | None = None) -> Any:
        guard = (
            "import socket, sys\n"
            "def refuse(*given, **named): raise OSError('no network in this test')\n"
            "socket.socket.connect = socket.create_connection = refuse\n"
        )
        return subprocess.run(
            [sys.executable, "-c", guard + code, *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
        )

    return run


def last_json(text: str) -> Mapping[str, Any]:
    """The last line of some output, as JSON."""
    found: Mapping[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found
