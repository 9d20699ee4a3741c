"""A fit lists the rows whose label is probably wrong, with folds and without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import DataError
from tunesmith.core.runfolder import read_json

ROWS = 400


def cancer() -> tuple[pd.DataFrame, set[int]]:
    """A real table with 5 % of its labels flipped, and the flipped rows as lines, from 1."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer(as_frame=True).frame.iloc[:ROWS].copy()
    flipped = np.random.default_rng(0).choice(ROWS, ROWS // 20, replace=False)
    found.iloc[flipped, -1] = 1 - found.iloc[flipped, -1]
    return found, {int(row) + 1 for row in flipped}


@pytest.mark.parametrize("folds", [5, 0])
def test_flipped_labels_are_among_the_first_suspects(tmp_path: Path, folds: int) -> None:
    table, flipped = cancer()
    model = ts.fit(table, "target", trials=2, folds=folds, folder=tmp_path / "run")
    found = model.suspects()
    parts = read_json(tmp_path / "run" / "problem.json")["parts"]
    seen = flipped - {*parts["test"]}
    tenth = found["line"][: round(0.1 * model.summary["suspects"]["rows_looked_at"])]
    assert len(seen & set(tenth)) >= len(seen) / 2
    assert set(found["line"][found["flagged"]]) & flipped
    assert (found["given_probability"] < found["likelier_probability"])[found["flagged"]].all()
    (told,) = (f for f in model.summary["findings"] if f["check"] == "suspects")
    assert "look mislabelled" in told["message"]
    assert "Leaving them out of training" in told["message"]
    change = model.summary["suspects"]["left_out"]
    assert change["low"] <= change["gain"] <= change["high"]


def test_of_numbers_the_rows_far_from_their_answers_are_listed(tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    table = pd.DataFrame({"x": dice.normal(size=150), "z": dice.normal(size=150)})
    table["y"] = 3 * table.x - table.z + 0.1 * dice.normal(size=150)
    table.loc[40, "y"] += 50
    model = ts.fit(table, "y", trials=2, learners=["linear"], folder=tmp_path / "run")
    first = model.suspects().iloc[0]
    assert first["line"] == 41
    assert first["residual"] > 40
    (told,) = (f for f in model.summary["findings"] if f["check"] == "suspects")
    assert "line 41" in told["message"]


def test_clean_rows_that_are_easily_told_apart_yield_no_finding(tmp_path: Path) -> None:
    dice = np.random.default_rng(2)
    side = np.arange(120) % 2
    table = pd.DataFrame({"x": side + 0.1 * dice.normal(size=120), "y": side})
    model = ts.fit(table, "y", trials=2, learners=["linear"], folder=tmp_path / "run")
    assert not [f for f in model.summary["findings"] if f["check"] == "suspects"]
    assert not model.suspects()["flagged"].any()
    with pytest.raises(DataError, match=r"suspects\.json"):
        ts.load(tmp_path / "run" / "best").suspects()


def test_what_leaving_suspects_out_changes_is_told_in_costs_too(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=200)
    label = np.where(x + 0.3 * dice.normal(size=200) > 0, "good", "bad")
    label[:8] = np.where(label[:8] == "good", "bad", "good")
    cells = {"x": x.tolist(), "y": dice.normal(size=200).tolist(), "label": label.tolist()}
    model = ts.fit(
        cells,
        "label",
        folder=tmp_path / "run",
        trials=2,
        learners=["majority", "linear"],
        costs={"good": {"bad": 1}, "bad": {"good": 5}},
    )
    told = read_json(tmp_path / "run" / "suspects.json")
    assert told["left_out"]["metric"] == "cost"
    assert len(model.suspects()) > 0


def test_of_pictures_the_final_model_alone_looks_for_suspects(picture_run: Path) -> None:
    """The quick learner reads none, and would answer at random."""
    told = json.loads((picture_run / "suspects.json").read_text())
    assert told["answers"].startswith("the final model, for the validation rows alone: linear")
    assert told["rows_looked_at"] < 60
