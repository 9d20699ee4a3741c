"""Banking77 from the command line: fit on train.csv within a budget, score on test.csv.

    python benchmarks/banking77.py FOLDER [--budget 5m]

FOLDER holds train.csv and test.csv with the columns text and category (PolyAI, CC BY 4.0).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seed", default="0")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = str(Path(place) / "run")
        began = time.monotonic()
        fit = ["fit", str(asked.data / "train.csv"), "--target", "category", "--json", "--offline"]
        facts = call(*fit, "--budget", asked.budget, "--folder", run, "--seed", asked.seed)
        spent = time.monotonic() - began
        found = call(
            "evaluate", run, str(asked.data / "test.csv"), "--metrics", "accuracy", "--json"
        )
    accuracy = found["accuracy"]
    print(f"fit: {spent:.1f} s, {facts['trials']} trials, kept-apart {facts['score']:.4f}")
    print(f"winner: {facts['reasons']['winner']}")
    print(f"test: {accuracy['value']:.4f} [{accuracy['low']:.4f}, {accuracy['high']:.4f}]")


def call(*arguments: str) -> dict:
    """Run `tunesmith` and read the JSON it prints."""
    command = [sys.executable, "-m", "tunesmith", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
