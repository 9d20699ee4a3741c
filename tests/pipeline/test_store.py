"""A whole fit and the activation store: nothing twice, and no fault of the store ends a fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.events import read_journal
from tunesmith.nn import shards


@pytest.fixture
def table() -> pd.DataFrame:
    dice = np.random.default_rng(0)
    words = ["good", "great", "bad", "poor", "shirt", "shop", "blue", "the"]
    texts = sorted({" ".join(dice.choice(words, 9)) for _ in range(160)})
    labels = ["yes" if "good" in text or "great" in text else "no" for text in texts]
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNESMITH_STORE", str(tmp_path / "store"))
    return tmp_path


def fit(table: pd.DataFrame, checkpoint: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Fit a probe and top blocks; gives what the store did."""
    quick = {"epochs": 2, "depth": 0.5, "backbone": checkpoint, "head_start": "random"}
    ts.fit(
        table,
        "label",
        trials=6,
        folder=folder,
        kinds={"text": "text"},
        learners=["majority", "probe", "neural"],
        space={"probe": {"backbone": checkpoint}, "neural": quick},
        **more,
    )
    (told,) = [
        event.facts for event in read_journal(folder / "journal.jsonl") if event.kind == "store"
    ]
    return told


def scores(folder: Path) -> list[tuple[Any, Any]]:
    board = json.loads((folder / "leaderboard.json").read_text())
    return [(row["trial"], round(row["score"], 6)) for row in board]


def test_a_second_fit_runs_no_frozen_block_and_ends_alike(
    table: pd.DataFrame, checkpoint: str, place: Path
) -> None:
    first = fit(table, checkpoint, place / "first")
    again = fit(table, checkpoint, place / "again")
    assert 0 < first["frozen_rows"] <= len(table)  # each row once, for all trials together
    assert again["frozen_rows"] == 0
    assert scores(place / "again") == scores(place / "first")


def test_without_the_cache_nothing_is_written_and_nothing_read_twice(
    table: pd.DataFrame, checkpoint: str, place: Path
) -> None:
    told = fit(table, checkpoint, place / "run", cache=False)
    assert 0 < told["frozen_rows"] <= len(table)
    assert not (place / "store").exists()


def test_a_flipped_byte_is_told_and_computed_again(
    table: pd.DataFrame, checkpoint: str, place: Path
) -> None:
    fit(table, checkpoint, place / "first")
    for file in (place / "store").rglob("*.shard"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    again = fit(table, checkpoint, place / "again")
    assert again["broken_shards"] > 0
    assert again["frozen_rows"] > 0
    notes = [
        e.facts["text"] for e in read_journal(place / "again" / "journal.jsonl") if e.kind == "note"
    ]
    assert any("were not as they were written" in text for text in notes)
    assert scores(place / "again") == scores(place / "first")


def test_a_full_disk_under_the_store_is_told_and_the_fit_goes_on(
    table: pd.DataFrame, checkpoint: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards, "write_shard", full)
    fit(table, checkpoint, place / "run")
    notes = [
        e.facts["text"] for e in read_journal(place / "run" / "journal.jsonl") if e.kind == "note"
    ]
    assert any("No space left" in text and "the fit went on" in text for text in notes)
    assert ts.load(place / "run").predict(table).shape == (len(table),)


KILLED = """
import os, sys
import pandas as pd
import tunesmith as ts
from tunesmith.nn import shards
write, count = shards.write_shard, [0]
def dying(*arguments):
    count[0] += 1
    if count[0] == 2:
        os.kill(os.getpid(), 9)
    return write(*arguments)
shards.write_shard = dying
quick = {"epochs": 2, "depth": 0.5, "backbone": sys.argv[2], "head_start": "random"}
ts.fit(
    pd.read_csv(sys.argv[1]), "label", trials=6, folder=sys.argv[3], kinds={"text": "text"},
    learners=["majority", "probe", "neural"],
    space={"probe": {"backbone": sys.argv[2]}, "neural": quick},
)
"""


def test_killed_while_the_store_is_written_the_next_fit_uses_what_is_whole(
    table: pd.DataFrame, checkpoint: str, place: Path
) -> None:
    table.to_csv(place / "train.csv", index=False)
    command = [sys.executable, "-c", KILLED, str(place / "train.csv"), checkpoint]
    ended = subprocess.run([*command, str(place / "killed")], capture_output=True)
    assert ended.returncode == -9
    assert list((place / "store").rglob("*.shard"))
    told = fit(table, checkpoint, place / "next")
    assert told["broken_shards"] == 0
    assert told["read_rows"] > 0
