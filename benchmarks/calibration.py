"""Does what is done to answers help on rows that nothing was chosen by? Models of scikit-learn on
20 splits of three data sets; calibration and thresholds are chosen on the validation rows
(out-of-fold where there are folds), and log loss, calibration error, Brier score and two metrics of
answers taken on the test rows before and after. "Worse" and "better" count the splits in which the
95 % interval of the paired difference of log loss lies on one side of zero; where nothing is done
it is zero.

    python benchmarks/calibration.py FOLDER_OF_DATA [--splits 20] [--only Adult]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from _splits import Answered, answered, classes

from tunesmith.core.predictions import ClassScores
from tunesmith.evaluate.calibration import choose, quality
from tunesmith.evaluate.thresholds import tune
from tunesmith.metrics import get

TUNED_FOR = ("balanced_accuracy", "f1_macro")


def losses(truth: np.ndarray, shares: ClassScores) -> np.ndarray:
    return -np.log(np.clip(shares.array()[np.arange(len(truth)), truth], 1e-15, 1))


def one(case: Answered) -> dict[str, float]:
    names = tuple(map(str, range(case.valid.shape[1])))
    valid, test = ClassScores(names, case.valid), ClassScores(names, case.test)
    found = choose(get("accuracy"), case.valid_truth, valid, seed=case.split)
    after = found.calibration.apply(test) if found.calibration else test
    change = losses(case.test_truth, after) - losses(case.test_truth, test)
    error = change.std() / np.sqrt(len(change))
    told = {
        "done": float(found.calibration is not None),
        "change": change.mean(),
        "worse": float(change.mean() - 1.96 * error > 0),
        "better": float(change.mean() + 1.96 * error < 0),
    }
    for side, shares in (("before", test), ("after", after)):
        told |= {f"{name} {side}": v for name, v in quality(case.test_truth, shares).items()}
    for name in TUNED_FOR:
        metric = get(name)
        chosen = tune(name, metric, case.valid_truth, found.crossed, seed=case.split)
        scores = [
            metric.score(case.test_truth, replace(after, weights=weights), None)
            for weights in (None, chosen.weights)
        ]
        told[f"{name} kept"] = float(chosen.weights is not None)
        told[f"{name} gain"] = scores[1] - scores[0]
        told[f"{name} lost"] = float(scores[1] < scores[0])
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--only", nargs="*")
    asked = parser.parse_args()
    for data in classes(asked.folder):
        if asked.only and data.name not in asked.only:
            continue
        found = defaultdict(list)
        for case in answered(data, asked.splits):
            found[case.model].append(one(case))
        for model, rows in found.items():
            mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            n = len(rows)
            pairs = ", ".join(
                f"{name} {mean[f'{name} before']:.4f} -> {mean[f'{name} after']:.4f}"
                for name in ("log_loss", "ece", "brier")
            )
            tuned = "; ".join(
                f"{name}: kept in {n * mean[f'{name} kept']:.0f}, "
                f"gain {mean[f'{name} gain']:+.4f}, lost in {n * mean[f'{name} lost']:.0f}"
                for name in TUNED_FOR
            )
            print(
                f"{data.name}, {model}: calibrated in {n * mean['done']:.0f} of {n}, better in "
                f"{n * mean['better']:.0f}, worse in {n * mean['worse']:.0f}; {pairs}; {tuned}",
                flush=True,
            )


if __name__ == "__main__":
    main()
