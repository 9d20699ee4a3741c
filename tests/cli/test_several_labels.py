"""Several labels a row at the command line: answers are written as the target is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Command = Callable[..., Any]
NAMES = ["red", "round"]


def write(file: Path, form: str) -> Path:
    dice = np.random.default_rng(0)
    rows = dice.normal(size=(160, 3))
    there = rows[:, :2] > (0.0, 0.3)
    table = pd.DataFrame(rows, columns=["a", "b", "c"])
    if form == "columns":
        table = table.join(pd.DataFrame(there.astype(int), columns=NAMES))
    else:
        labels = [[n for n, one in zip(NAMES, row, strict=True) if one] for row in there]
        table["labels"] = [form.join(one) or "[]" for one in labels]
    table.to_csv(file, index=False)
    return file


@pytest.mark.parametrize(
    ("form", "target"),
    [
        ("columns", ["--target", "red,round"]),
        ("columns", ["--target", "red", "--target", "round"]),
        (";", ["--target", "labels"]),
        ("/", ["--target", "labels", "--label-delimiter", "/"]),
    ],
)
def test_fit_predict_and_evaluate(
    command: Command, tmp_path: Path, form: str, target: list[str]
) -> None:
    table, run = write(tmp_path / "rows.csv", form), tmp_path / "run"
    options = ["--trials", "2", "--learners", "majority,linear", "--quiet", "--offline"]
    ran = command("fit", table, *target, *options, "--folder", run)
    assert ran.status == 0, ran.err
    assert "f1_micro" in ran.out
    out = tmp_path / "answers.csv"
    assert command("predict", run, table, "--out", out, "--probabilities").status == 0
    found = pd.read_csv(out, keep_default_na=False)
    if form == "columns":
        assert list(found.columns[:2]) == NAMES
        assert set(found["red"]) == {0, 1}
    else:
        assert set(found["prediction"]) == {"", "red", "round", f"red{form}round"}
    assert list(found.columns[-2:]) == ["probability_red", "probability_round"]
    scored = command("evaluate", run, table, "--metrics", "f1_samples,hamming_loss")
    assert scored.status == 0
    assert "hamming_loss" in scored.out


def test_what_is_wrong_is_one_paragraph(command: Command, tmp_path: Path) -> None:
    table = write(tmp_path / "rows.csv", "columns")
    ran = command("fit", table, "--target", "red", "--target", "c", "--quiet")
    assert ran.status == 2
    assert "label column 'c'" in ran.err
    assert "Traceback" not in ran.err
