"""What distilling the models of a fit into one costs in score, and what it saves in size and time.

    python benchmarks/distill.py FOLDER [--budget 60s] [--only adult]

FOLDER holds adult/ (train.csv, the first 10,000 rows), german_credit/ (german.csv) and banking77/
(train.csv, 3,000 rows drawn). A fit keeps a fifth of the rows apart to test on, and each student is
scored on them; "over labels" is what it gains over the same learner fitted to the labels alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import tunesmith as ts

STUDENTS = {
    "adult": ("linear", "lightgbm"),
    "german": ("linear", "lightgbm"),
    "banking": ("linear",),
}
TEMPERATURES = (1.0, 2.0)


def tables(folder: Path) -> Iterator[tuple[str, pd.DataFrame, str, str | None]]:
    """Name, table, target, metric."""
    file = folder / "adult" / "train.csv"
    adult = pd.read_csv(file, header=None, skipinitialspace=True, na_values="?", nrows=10_000)
    yield "adult", adult.add_prefix("a"), "a14", "roc_auc"
    german = pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("a")
    yield "german", german, "a20", "roc_auc"
    banking = pd.read_csv(folder / "banking77" / "train.csv").sample(3_000, random_state=0)
    yield "banking", banking.reset_index(drop=True), "category", None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--only")
    asked = parser.parse_args()
    for name, table, target, metric in tables(asked.folder):
        if asked.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as place:
            run = Path(place) / "run"
            model = ts.fit(table, target, metric=metric, budget=asked.budget, folder=run)
            for student in STUDENTS[name]:
                for temperature in TEMPERATURES:
                    small = model.distill(student=student, temperature=temperature, source=table)
                    told = small.summary["distilled"]
                    over = told["over_labels_alone"]
                    print(f"{name}, temperature {temperature:g}: {told['message']}")
                    print("   over labels {gain:+.4f} [{low:+.4f}, {high:+.4f}]".format(**over))


if __name__ == "__main__":
    main()
