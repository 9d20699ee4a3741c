"""Fit, then every command that reads the run, on a small table with the quick learners."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def fitted(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run folder and the object that `fit --json` printed, from a process of its own."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = ["--target", "label", "--trials", "2", "--learners", "majority,linear", "--offline"]
    result = subprocess.run(
        [sys.executable, "-m", "tunesmith", "fit", table, *options, "--folder", folder, "--json"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "stage:" in result.stderr
    assert "best so far:" in result.stderr
    return folder, json.loads(result.stdout)


def test_fit_prints_one_json_object(fitted: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = fitted
    low, high = summary["interval"]
    assert low <= summary["score"] <= high
    assert Path(summary["folder"]) == folder
    assert summary["task"] == "classification"
    assert summary["trials"] == 2
    assert isinstance(summary["metric"], str)
    assert isinstance(summary["best"], dict)
    assert 0 < summary["seconds"] < 60


def test_predict_prints_a_line_for_every_row(
    command: Command, fitted: tuple[Path, dict[str, Any]], table: Path
) -> None:
    ran = command("predict", fitted[0], table)
    assert ran.status == 0
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    truth = list(csv.DictReader(table.open(encoding="utf-8")))
    right = sum(a["prediction"] == b["label"] for a, b in zip(rows, truth, strict=True))
    assert right / len(truth) > 0.9


def test_predict_writes_probabilities_that_agree_with_the_answers(
    command: Command, fitted: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "predictions.csv"
    ran = command("predict", fitted[0], table, "--out", out, "--probabilities")
    assert (ran.status, ran.out) == (0, "")
    for row in csv.DictReader(out.open(encoding="utf-8")):
        answer = row.pop("prediction")
        shares = {name.removeprefix("probability_"): float(text) for name, text in row.items()}
        assert sum(shares.values()) == pytest.approx(1)
        assert answer == max(shares, key=lambda label: shares[label])


def test_predict_leaves_the_least_certain_empty_and_names_sets(
    command: Command, fitted: tuple[Path, dict[str, Any]], table: Path
) -> None:
    ran = command("predict", fitted[0], table, "--coverage", "0.9", "--abstain", "0.2")
    assert ran.status == 0, ran.err
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert all(set(row["set"].split("|")) <= {"good", "bad"} for row in rows)
    assert all(len(row["set"].split("|")) == int(row["size"]) for row in rows)
    assert {row["prediction"] for row in rows} <= {"good", "bad", ""}
    all_good = command("predict", fitted[0], table, "--threshold", "0.000001").out
    assert all_good.split() == ["prediction", *["good"] * len(rows)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--coverage", "90"], "between 0 and 1"),
        (["--threshold", "0"], "between 0 and 1"),
        (["--abstain", "-1"], "leave out"),
        (["--each-class"], "--coverage"),
        (["--lot", "1"], "--coverage"),
    ],
)
def test_predict_refuses_shares_out_of_range(
    command: Command,
    fitted: tuple[Path, dict[str, Any]],
    table: Path,
    arguments: list[str],
    words: str,
) -> None:
    ran = command("predict", fitted[0], table, *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_predict_finds_out_at_once_that_it_cannot_write(
    command: Command, fitted: tuple[Path, dict[str, Any]], table: Path, tmp_path: Path
) -> None:
    ran = command("predict", fitted[0], table, "--out", tmp_path / "nowhere" / "p.csv")
    assert ran.status == 2
    assert "nowhere" in ran.err


def test_evaluate_prints_the_scores_asked_for(
    command: Command, fitted: tuple[Path, dict[str, Any]], table: Path
) -> None:
    asked = ("evaluate", fitted[0], table, "--metrics", "accuracy,f1_macro")
    scores = json.loads(command(*asked, "--json").out)
    assert set(scores) == {"accuracy", "f1_macro"}
    assert scores["accuracy"]["low"] <= scores["accuracy"]["value"] <= scores["accuracy"]["high"]
    told = command(*asked).out
    assert f"{scores['accuracy']['value']:.4f}" in told
    counts = [line.split()[1:] for line in told.partition("Labels (rows)")[2].splitlines()[2:]]
    right = sum(int(row[place]) for place, row in enumerate(counts))
    assert right / sum(int(cell) for row in counts for cell in row) == pytest.approx(
        scores["accuracy"]["value"]
    )


def test_the_leaderboard_holds_every_trial(
    command: Command, fitted: tuple[Path, dict[str, Any]]
) -> None:
    facts = json.loads(command("leaderboard", fitted[0], "--json").out)
    assert {row["learner"] for row in facts["leaderboard"]} >= {"majority", "linear"}
    assert "linear" in command("leaderboard", fitted[0]).out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--target", "lable"], "label"),
        (["--target", "label", "--budget", "soon"], "10m"),
        (["--target", "label", "--trials", "0"], "trial"),
        (["--target", "label", "--kind", "age"], "age=number"),
        (["--target", "label", "--set", "lr=1"], "neural.lr=1e-4"),
        (["--target", "label", "--learners", "liner"], "linear"),
        (["--target", "label", "--metric", "acuracy"], "accuracy"),
        (["--target", "label", "--task", "clasification"], "classification"),
        (["--target", "label", "--bad-rows", "eat"], "skip"),
    ],
)
def test_a_wrong_option_is_one_paragraph_and_leaves_nothing(
    command: Command, table: Path, tmp_path: Path, arguments: list[str], hint: str
) -> None:
    folder = tmp_path / "run"
    ran = command("fit", table, "--folder", folder, "--quiet", "--json", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert hint in ran.err
    assert not (folder / "best").exists()


def test_a_run_that_is_not_there_is_named(command: Command, table: Path, tmp_path: Path) -> None:
    ran = command("predict", tmp_path / "nothing", table)
    assert ran.status == 2
    assert "nothing" in ran.err
