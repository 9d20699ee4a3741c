"""Are flipped labels found? 5 % of the labels of a table are flipped at random, and a fit lists its
suspects: how many of the flipped rows are among the first tenth.

    python benchmarks/suspects.py --adult ADULT.csv [--trials 4] [--seeds 3] [--share 0.05]

Flipped rows that test are not looked at by a fit, and do not count.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import tunesmith as ts
from tunesmith.core.runfolder import read_json

TOP = 0.1


def tables(adult: str | None) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Name, table and target; of Adult 2,000 rows."""
    from sklearn.datasets import load_breast_cancer, load_digits

    yield "breast cancer", load_breast_cancer(as_frame=True).frame, "target"
    yield "digits", load_digits(as_frame=True).frame, "target"
    if adult:
        found = pd.read_csv(adult).sample(2_000, random_state=0).reset_index(drop=True)
        yield "Adult, 2,000 rows", found, str(found.columns[-1])


def flipped(
    table: pd.DataFrame, target: str, share: float, seed: int
) -> tuple[pd.DataFrame, set[int]]:
    """The table with some labels changed to another one, and the lines of those rows."""
    dice = np.random.default_rng(seed)
    labels = table[target].astype(str).to_numpy(dtype=object)
    rows = dice.choice(len(table), round(share * len(table)), replace=False)
    others = {label: sorted({*labels} - {label}) for label in {*labels}}
    for row in rows:
        labels[row] = dice.choice(others[labels[row]])
    return table.assign(**{target: labels}), {int(row) + 1 for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--adult")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--folds", type=int)
    asked = parser.parse_args()
    print("| table | seed | flipped | in the first tenth | flagged | of them flipped | left out |")
    print("|---|---|---|---|---|---|---|")
    for name, table, target in tables(asked.adult):
        for seed in range(asked.seeds):
            wrong, lines = flipped(table, target, asked.share, seed)
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder) / "run"
                model = ts.fit(
                    wrong,
                    target,
                    task="classification",
                    trials=asked.trials,
                    folds=asked.folds,
                    folder=place,
                )
                found, told = model.suspects(), model.summary["suspects"]
                seen = lines - {*read_json(place / "problem.json")["parts"]["test"]}
            first = set(found["line"][: round(TOP * told["rows_looked_at"])])
            marked = set(found["line"][found["flagged"]])
            change = told["left_out"]
            gain = f"{change['gain']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]"
            print(
                f"| {name} | {seed} | {len(seen)} | {len(seen & first) / len(seen):.0%} "
                f"| {len(marked)} | {len(seen & marked)} | {gain} |"
            )


if __name__ == "__main__":
    main()
