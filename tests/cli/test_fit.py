"""The closing lines of a fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.cli.fit import prospect_lines

Command = Callable[..., Any]


def told(expected: list[dict[str, float]], **more: Any) -> dict[str, Any]:
    return {"expected": expected, "level": 0.8, "reason": "why", **more}


def one(factor: float, low: float, expected: float, high: float) -> dict[str, float]:
    return {"factor": factor, "low": low, "expected": expected, "high": high}


def test_what_more_would_buy_is_told_with_its_interval_and_of_which_rows() -> None:
    budget = told([one(2, 0.9, 0.912, 0.92), one(5, 0.9, 0.92, 0.94)], of="seconds", spent=60)
    rows = told(
        [one(2, 0.85, 0.87, 0.88)], model="the linear model on words", curve=[{"score": 0.86}]
    )
    assert prospect_lines({"score": 0.905, "budget": budget, "rows": rows}) == [
        "with twice the time: about 0.9120 [0.9000, 0.9200]; five times: about 0.9200 "
        "[0.9000, 0.9400] (on validation rows, where the best model has 0.9050; 80 % intervals)",
        "with twice the labelled rows: about 0.8700 [0.8500, 0.8800] (on validation rows, where "
        "the linear model on words has 0.8600; 80 % intervals)",
    ]


def test_what_is_not_known_is_said_with_its_reason() -> None:
    budget = told([], of="trials", spent=2)
    rows = told([], model="", curve=[])
    assert prospect_lines({"score": 0.9, "budget": budget, "rows": rows}) == [
        "with more trials: why",
        "with more labelled rows: why",
    ]
    same = told([one(2, 0.9, 0.9, 0.9), one(5, 0.9, 0.9, 0.9)], of="trials", spent=2)
    assert prospect_lines({"score": 0.9, "budget": same}) == ["with more trials: no change, why"]


def test_a_summary_of_before_has_no_such_lines() -> None:
    assert prospect_lines({}) == []


def test_a_fit_ends_with_what_more_would_buy(command: Command, table: Path, tmp_path: Path) -> None:
    options = ["--target", "label", "--trials", "5", "--learners", "majority,linear", "--quiet"]
    ran = command("fit", table, *options, "--offline", "--folder", tmp_path / "run")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert any(
        line.startswith("with more trials: ") or "twice the trials" in line for line in lines
    )
    assert any("labelled rows" in line for line in lines)
