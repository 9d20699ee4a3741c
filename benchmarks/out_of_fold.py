"""How often intervals of scores hold the truth where every row was answered out of fold.

    python benchmarks/out_of_fold.py [--sets 200]

Made tables whose labels or numbers hang on three columns not at all, a little, clearly or strongly;
a linear model and extremely randomised trees of scikit-learn, ten folds. The truth is what the ten
models score on 4,000 rows more, in the mean; that of labels by chance is what chance has. Told are,
in percent of the sets, how often the 95 % interval misses it: that of the bootstrap, and the one
that a trial with folds has (`evaluate/out_of_fold.py`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from tunesmith.core.predictions import ClassScores, Prediction, Values
from tunesmith.evaluate.out_of_fold import out_of_fold, skill
from tunesmith.evaluate.scores import score
from tunesmith.metrics import get

SIZES = ((120, 20), (320, 12), (1000, 12))
SIGNALS = {"none": 0.0, "little": 0.15, "clear": 0.4, "strong": 1.0}
MORE, FOLDS, RESAMPLES = 4_000, 10, 150
OF_CLASSES = ("roc_auc", "accuracy", "log_loss", "balanced_accuracy")
OF_NUMBERS = ("rmse", "r2")
TREES: dict[str, Any] = {"n_estimators": 50, "min_samples_leaf": 3, "random_state": 0}
MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "linear": (lambda: LogisticRegression(C=0.3), lambda: Ridge(30.0)),
    "trees": (lambda: ExtraTreesClassifier(**TREES), lambda: ExtraTreesRegressor(**TREES)),
}


@dataclass(frozen=True)
class Answered:
    """Answers out of fold, and of each fold's model for the rows more."""

    truth: np.ndarray
    answers: Prediction
    more_truth: np.ndarray
    more: tuple[Prediction, ...]


def answered(kind: str, rows: int, width: int, signal: float, seed: int) -> Iterator[Answered]:
    """The same columns with labels, and with numbers."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(rows + MORE, width))
    middle = signal * x[:, :3].sum(axis=1)
    codes = (dice.random(rows + MORE) < 1 / (1 + np.exp(-middle))).astype(np.int64)
    numbers = middle + dice.normal(size=rows + MORE)
    for is_class, y in ((True, codes), (False, numbers)):
        make = MODELS[kind][0 if is_class else 1]
        split = StratifiedKFold if is_class else KFold
        own = np.zeros((rows, 2) if is_class else rows)
        more = []
        for inside, outside in split(FOLDS, shuffle=True, random_state=seed).split(
            x[:rows], y[:rows]
        ):
            model = make().fit(x[inside], y[inside])
            ask = model.predict_proba if is_class else model.predict
            own[outside] = ask(x[outside])
            more.append(_as_answers(ask(x[rows:])))
        yield Answered(y[:rows], _as_answers(own), y[rows:], tuple(more))


def _as_answers(array: np.ndarray) -> Prediction:
    return Values(array) if array.ndim == 1 else ClassScores(("a", "b"), array)


def lines(kind: str, rows: int, width: int, signal: str, sets: int) -> Iterator[dict[str, object]]:
    """A line for each set and metric."""
    for seed in range(sets):
        for case in answered(kind, rows, width, SIGNALS[signal], seed):
            for name in OF_CLASSES if isinstance(case.answers, ClassScores) else OF_NUMBERS:
                rule = get(name)
                each = [rule.score(case.more_truth, one, None) for one in case.more]
                by_chance = signal == "none" and name in ("roc_auc", "balanced_accuracy")
                true = 0.5 if by_chance else float(np.mean(each))
                plain = score(name, case.truth, case.answers, seed=seed, resamples=RESAMPLES)
                wide = out_of_fold(plain, case.truth, case.answers, None)
                yield {
                    "model": kind,
                    "rows": rows,
                    "signal": signal,
                    "metric": name,
                    "skill": skill(rule, plain.value, case.truth, case.answers, None),
                    "bootstrap": 100.0 * (not plain.low <= true <= plain.high),
                    "out of fold": 100.0 * (not wide.low <= true <= wide.high),
                    "too good": 100.0
                    * (plain.low > true if rule.higher_is_better else plain.high < true),
                    "wide, too good": 100.0
                    * (wide.low > true if rule.higher_is_better else wide.high < true),
                }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=200)
    asked = parser.parse_args()
    found: list[dict[str, object]] = []
    for kind in MODELS:
        for rows, width in SIZES:
            for signal in SIGNALS:
                found += lines(kind, rows, width, signal, asked.sets)
            print(f"{kind}, {rows:,} rows: done", flush=True)
    table = pd.DataFrame(found)
    for by in (["metric", "signal"], ["model"], ["rows"], ["signal"]):
        means = table.groupby(by, sort=False)[[*table.columns[4:]]].mean()
        print(means.round(2).to_string())
    print(table[[*table.columns[4:]]].mean().round(2).to_string())


if __name__ == "__main__":
    main()
