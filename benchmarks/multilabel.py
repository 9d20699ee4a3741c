"""Several labels a row: a whole fit against a plain one-vs-rest logistic regression on the same
features, both at a threshold of 0.5, on rows that neither has seen.

    python benchmarks/multilabel.py table [--seconds 60] [--seeds 3]
    python benchmarks/multilabel.py pictures [--seconds 120]

`table`: scikit-learn's `make_multilabel_classification`, 20 numbers and 8 labels, 1,500 rows to fit
and 2,000 to test. `pictures`: two digits of scikit-learn pasted side by side into one picture of 64
pixels, where the labels are which digits are in it; 1,000 pictures to fit and 1,000 of other digits
to test. The plain model has MobileNetV2's frozen features there, as the probe reads them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tunesmith as ts

LABELS, FITTED, TESTED = 8, 1_500, 2_000
PICTURES, SIDE, TIMES = 1_000, 64, 3
Numbers = NDArray[np.float64]


def told(name: str, truth: Numbers, answers: Numbers, shares: Numbers, seconds: float) -> None:
    macro = f1_score(truth, answers, average="macro", zero_division=0)
    print(
        f"{name}: f1_micro {f1_score(truth, answers, average='micro'):.4f}, f1_macro {macro:.4f}, "
        f"average_precision {average_precision_score(truth, shares):.4f}, "
        f"subset_accuracy {(truth == answers).all(axis=1).mean():.4f}; {seconds:.1f} s"
    )


def plain(
    train: Numbers, there: Numbers, test: Numbers, truth: Numbers, strength: float = 1.0
) -> None:
    began = time.monotonic()
    each = OneVsRestClassifier(LogisticRegression(C=strength, max_iter=2000))
    model = make_pipeline(StandardScaler(), each).fit(train, there)
    shares = model.predict_proba(test)
    name = f"one-vs-rest logistic, C = {strength:g}"
    told(name, truth, (shares >= 0.5).astype(int), shares, time.monotonic() - began)


def fitted(rows: pd.DataFrame, test: pd.DataFrame, names: list[str], seconds: float) -> None:
    folder = Path(tempfile.mkdtemp())
    began = time.monotonic()
    model = ts.fit(rows, names, budget=seconds, folder=folder / "run", offline=True)
    took = time.monotonic() - began
    truth, shares = test[names].to_numpy(), model.predict_proba(test)[names].to_numpy()
    told("tunesmith", truth, model.predict(test), shares, took)
    told("tunesmith at 0.5", truth, (shares >= 0.5).astype(int), shares, took)
    facts = model.summary
    kept = ("metric", "score", "interval", "trials", "after", "best")
    print(json.dumps({name: facts[name] for name in kept} | facts["reasons"], default=str))


def table(seconds: float, seeds: int) -> None:
    for seed in range(seeds):
        numbers, there = make_multilabel_classification(
            FITTED + TESTED, 20, n_classes=LABELS, n_labels=3, random_state=seed
        )
        names = [f"label{i}" for i in range(LABELS)]
        whole = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(20)])
        whole = whole.join(pd.DataFrame(there, columns=names))
        print(f"seed {seed}, {there.mean():.2f} of the labels present")
        plain(numbers[:FITTED], there[:FITTED], numbers[FITTED:], there[FITTED:])
        fitted(whole[:FITTED], whole[FITTED:], names, seconds)


def pasted(seed: int, folder: Path) -> pd.DataFrame:
    """Pictures of two digits, one left and one right, light on noise; of halves of the digits."""
    dice, digits = np.random.default_rng(seed), load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    half = order[: len(order) // 2] if seed == 0 else order[len(order) // 2 :]
    found = []
    for number in range(PICTURES):
        ground = dice.integers(0, 80, (SIDE, SIDE)).astype(np.float64)
        pair = dice.choice(half, 2)
        for place, row in enumerate(pair):
            ink = np.kron(digits.images[row] / 16, np.ones((TIMES, TIMES)))
            top, left = dice.integers(0, SIDE - len(ink)), place * SIDE // 2 + dice.integers(0, 8)
            piece = ground[top : top + len(ink), left : left + len(ink)]
            piece += (255 - piece) * ink
        file = folder / f"{seed}-{number}.png"
        Image.fromarray(ground.astype(np.uint8)).convert("RGB").save(file)
        inside = {f"d{digit}": int(digit in digits.target[pair]) for digit in range(10)}
        found.append({"image": str(file), **inside})
    return pd.DataFrame(found)


def pictures(seconds: float) -> None:
    from tunesmith.zoo.backbones import backbone, features

    folder = Path(tempfile.mkdtemp())
    os.environ["TUNESMITH_STORE"] = str(folder / "store")
    os.environ["TUNESMITH_PICTURES"] = str(folder / "pictures")
    rows, test = pasted(0, folder), pasted(1, folder)
    names = [f"d{digit}" for digit in range(10)]
    fitted(rows, test, names, seconds)
    base = backbone("mobilenet-v2")
    began = time.monotonic()
    seen = [features(base, list(part["image"]), max_length=SIDE) for part in (rows, test)]
    print(f"frozen features of both parts: {time.monotonic() - began:.1f} s")
    for strength in (0.001, 0.01, 1.0):
        plain(seen[0], rows[names].to_numpy(), seen[1], test[names].to_numpy(), strength)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["table", "pictures"])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    if asked.what == "table":
        table(asked.seconds or 60, asked.seeds)
    else:
        pictures(asked.seconds or 120)


if __name__ == "__main__":
    main()
