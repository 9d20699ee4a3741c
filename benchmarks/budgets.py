"""Whether a budget is kept: the demo's fit under several budgets, each in a process of its own,
from its start to its end, and when its first model could be opened.

    python benchmarks/budgets.py [--budgets 20 60 180]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tunesmith.data.demo import clothing_reviews


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budgets", type=int, nargs="+", default=[20, 60, 180])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        table = Path(place) / "train.csv"
        clothing_reviews(rows=4000)[0].to_csv(table, index=False)
        print("budget  first model  process  over   trials  score [interval]        model")
        for seconds in asked.budgets:
            print(measured(table, Path(place) / f"run-{seconds}", seconds), flush=True)


def measured(table: Path, folder: Path, seconds: int) -> str:
    """One row of the table."""
    command = [sys.executable, "-m", "tunesmith", "fit", str(table), "--target", "recommended"]
    options = ["--budget", f"{seconds}s", "--folder", str(folder), "--json", "--quiet", "--offline"]
    began = time.monotonic()
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    first = None
    while process.poll() is None:
        if first is None and beats_majority(folder):
            first = time.monotonic() - began
        time.sleep(0.05)
    spent = time.monotonic() - began
    assert process.stdout is not None
    facts = json.loads(process.stdout.read())
    low, high = facts["interval"]
    best = facts["best"]
    return (
        f"{seconds:4d} s  {first or 0:8.1f} s  {spent:5.1f} s  {spent - seconds:+5.1f} s  "
        f"{facts['trials']:4d}  {facts['metric']} {facts['score']:.4f} [{low:.4f}, {high:.4f}]  "
        f"{best['learner']} and {best['members'] - 1} more"
    )


def beats_majority(folder: Path) -> bool:
    """Whether `best` holds a model other than the majority answer."""
    try:
        spec = json.loads((folder / "best" / "predictor.json").read_text())
    except (OSError, ValueError):
        return False
    return (folder / "best" / "manifest.json").exists() and (
        spec["members"][0]["learner"] != "majority"
    )


if __name__ == "__main__":
    main()
