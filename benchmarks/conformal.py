"""Do sets and intervals hold the truth as often as they say? Models of scikit-learn on 20 splits of
three data sets of classes and three of numbers: calibrated on the validation rows (out-of-fold
where there are folds), asked of the test rows. Told are the mean coverage over splits with its
standard deviation, that of the rarest class (with sets of each class and without), and how large
the sets (classes) or intervals (in standard deviations of the target) are.

    python benchmarks/conformal.py FOLDER_OF_DATA [--splits 20] [--only Adult]

A set always holds the likeliest class: where that is right more often than asked, so are the sets.
`exact` is the coverage where such a set may be empty, `by lot` where rows that are tied are parted.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from _splits import Answered, answered, classes, numbers

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.calibration import choose
from tunesmith.evaluate.conformal import covered, of_classes, of_numbers
from tunesmith.metrics import get

ASKED = (0.8, 0.9, 0.95)


def of_sets(case: Answered, coverage: float) -> dict[str, float]:
    names = tuple(map(str, range(case.valid.shape[1])))
    valid, test = ClassScores(names, case.valid), ClassScores(names, case.test)
    found = choose(get("accuracy"), case.valid_truth, valid, seed=case.split)
    test = found.calibration.apply(test) if found.calibration else test
    known = of_classes(case.valid_truth, found.crossed, seed=case.split)
    held, sizes = covered(known, case.test_truth, test, coverage)
    apart = known.sets(test, coverage, each_class=True)
    each = apart[np.arange(len(held)), case.test_truth]
    lots = known.sets(test, coverage, lot=case.split)
    rare = case.test_truth == np.bincount(case.valid_truth).argmin()
    given = test.array()[np.arange(len(held)), case.test_truth]
    place = int((len(known.given) + 1) * (1 - coverage) + 1e-9)
    exact = given >= np.sort(known.given)[place - 1]
    return {
        "held": held.mean(),
        "exact": exact.mean(),
        "by lot": lots[np.arange(len(held)), case.test_truth].mean(),
        "size by lot": lots.sum(axis=1).mean(),
        "size": sizes.mean(),
        "rarest": held[rare].mean(),
        "rarest, each class": each[rare].mean(),
        "size, each class": apart.sum(axis=1).mean(),
    }


def of_intervals(case: Answered, coverage: float) -> dict[str, float]:
    known = of_numbers(case.valid_truth, Values(case.valid), seed=case.split)
    held, widths = covered(known, case.test_truth, Values(case.test), coverage)
    high = case.test >= np.quantile(case.test, 0.8)
    return {
        "held": held.mean(),
        "size": widths.mean() / case.test_truth.std(),
        "highest fifth": held[high].mean(),
        "normalised": float(len(known.usual) > 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--only", nargs="*")
    asked = parser.parse_args()
    for data in [*classes(asked.folder), *numbers(asked.folder)]:
        if asked.only and data.name not in asked.only:
            continue
        found = defaultdict(list)
        for case in answered(data, asked.splits):
            told = of_sets if case.valid.ndim == 2 else of_intervals
            for coverage in ASKED:
                found[case.model, coverage].append(told(case, coverage))
        for (model, coverage), rows in found.items():
            parts = [
                f"{name} {np.mean([row[name] for row in rows]):.4f} "
                f"(sd {np.std([row[name] for row in rows]):.4f})"
                for name in rows[0]
            ]
            print(f"{data.name}, {model}, asked {coverage}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
