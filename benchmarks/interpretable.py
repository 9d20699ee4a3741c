"""What models that can be read cost in score: one fit each of LightGBM, the scorecard and the
explainable boosting machine, with their defaults, on Adult (10,000 rows to learn and choose, 10,000
to test) and German credit (draws of 700 and 300).

    python benchmarks/interpretable.py FOLDER_OF_DATA [--draws 10]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from _splits import ADULT

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.pipeline.frame import frame

LEARNERS = {"lightgbm": {}, "scorecard": {}, "ebm": {}, "ebm, no pairs": {"pairs": 0}}
VALID_SHARE = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    print("| data | model | ROC AUC | seconds | bytes |\n|---|---|---|---|---|", flush=True)
    sets = {"Adult": adult(arguments.folder), "German credit": german(arguments.folder)}
    for title, (rows, table, target) in sets.items():
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in LEARNERS}
        for problem in problems(table, target, rows, arguments.draws):
            for name, pins in LEARNERS.items():
                found[name].append(fitted(problem, name.partition(",")[0], pins))
        for name, each in found.items():
            score, seconds, size = np.array(each).T
            spread = score.std(ddof=1) / np.sqrt(len(score))
            told = f"{score.mean():.4f} ± {1.96 * spread:.4f}"
            print(
                f"| {title} | {name} | {told} | {seconds.mean():.2f} | {size.mean():,.0f} |",
                flush=True,
            )


def adult(folder: Path) -> tuple[int, pd.DataFrame, str]:
    table = pd.concat(
        pd.read_csv(folder / "adult" / name, names=ADULT, skipinitialspace=True, comment="|")
        for name in ("train.csv", "test.csv")
    )
    return 20_000, table.assign(income=table["income"].str.rstrip(".")), "income"


def german(folder: Path) -> tuple[int, pd.DataFrame, str]:
    table = pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("c")
    return 1_000, table, str(table.columns[-1])


def problems(table: pd.DataFrame, target: str, rows: int, draws: int) -> Iterator[Problem]:
    """Draws of the rows, half of many and three tenths of few to test."""
    for seed in range(draws):
        drawn = table.sample(rows, random_state=seed).reset_index(drop=True)
        held = int(rows * (0.5 if rows > 5_000 else 0.3))
        valid = int(VALID_SHARE * (rows - held))
        parts = ["test"] * held + ["valid"] * valid + ["train"] * (rows - held - valid)
        data = read(drawn.assign(part=parts), target=target)
        yield frame(data, target, metric="roc_auc", split="part", folds=0)


def fitted(problem: Problem, name: str, pins: dict[str, object]) -> tuple[float, float, int]:
    """Score on the test rows, seconds to fit, bytes on the disk."""
    learner, began = learners[name], time.perf_counter()
    watch = Watch(Clock(), lambda score, progress: True)
    model = learner.fit(problem, default(learner.config, pins), 0, watch)
    seconds = time.perf_counter() - began
    answers = model.predict(problem.part("test"))
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*"))
    return get("roc_auc").score(problem.truth("test"), answers, None), seconds, size


if __name__ == "__main__":
    main()
