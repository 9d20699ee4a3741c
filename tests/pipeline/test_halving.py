"""The best fine-tuned network in one of half its blocks, and what that costs and saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError
from tunesmith.tasks.classification import BAD, GOOD, PLAIN


def reviews(rows: int = 120) -> pd.DataFrame:
    dice = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(rows):
        good = dice.random() < 0.5
        words = [*dice.choice(GOOD if good else BAD, 2), *dice.choice(PLAIN, 4)]
        texts.append(" ".join(dice.permutation(words)))
        labels.append("good" if good else "bad")
    return pd.DataFrame({"text": texts, "label": labels})


def run(folder: Path, checkpoint: str, **more: Any) -> ts.Predictor:
    pins = {"backbone": checkpoint, "epochs": 2, "lr": 1e-3}
    return ts.fit(
        reviews(),
        "label",
        folder=folder,
        folds=0,
        **{"learners": ["neural"], "space": {"neural": pins}, "trials": 1, **more},
    )


def test_half_of_the_best_network_learns_from_it(tmp_path: Path, checkpoint: str) -> None:
    model = run(tmp_path / "run", checkpoint)
    small = model.distill(student="smaller", source=reviews())
    told = small.summary["distilled"]
    assert told["learner"] == "neural"
    assert told["config"]["blocks"] == 0.5
    assert told["size_mb"] < told["against_size_mb"]
    assert told["low"] <= told["gain"] <= told["high"]
    assert "distilled into one neural" in told["message"]
    opened = ts.load(tmp_path / "run" / "distilled")
    assert len(opened.predict(reviews(9).drop(columns="label"))) == 9


def test_a_search_of_architectures_for_speed_ends_with_a_smaller_network_and_says_so(
    tmp_path: Path, checkpoint: str
) -> None:
    model = run(
        tmp_path / "run",
        checkpoint,
        architecture=True,
        goals=["score", "latency"],
        trials=4,
        search="random",
    )
    board = model.leaderboard()
    tuned = [row for row in board if row["learner"] == "neural" and row["status"] == "done"]
    assert len(tuned) > 1
    assert all(row["predict_ms_per_row"] > 0 for row in tuned)
    assert len({row["size_mb"] for row in tuned}) > 1  # some are smaller
    assert any(row["pareto"] for row in tuned)
    told = model.summary["distilled"]
    assert told["learner"] in ("linear", "neural")
    assert told["message"]


def test_nothing_is_halved_where_nothing_was_tuned(tmp_path: Path) -> None:
    model = ts.fit(
        reviews(), "label", folder=tmp_path / "run", folds=0, learners=["linear"], trials=1
    )
    with pytest.raises(ConfigError, match="none was fine-tuned"):
        model.distill(student="smaller", source=reviews())
