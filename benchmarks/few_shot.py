"""Few examples of each class: the test accuracy of a fit against that of a plain logistic probe on
the first network, which is the most promising one on this machine before anything is measured.

    python benchmarks/few_shot.py texts FOLDER_OF_DATA [--each 1 4 16] [--seeds 3] [--budget 45]
    python benchmarks/few_shot.py fashion FOLDER ...
    python benchmarks/few_shot.py digits ...

`texts`: ten intents of FOLDER_OF_DATA/banking77, others for each seed, tested on its test rows.
`fashion`: FOLDER holds Fashion-MNIST's .gz files. `digits`: those of scikit-learn, as PNG. A set
that is not there is left out, with the reason. The plain probe is scikit-learn's, with its
defaults, on standardised features of the last layers. Medians over the seeds, and of the ratios.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from pictures_learning import fashion
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tunesmith as ts
from tunesmith import zoo
from tunesmith.core.errors import DataWarning
from tunesmith.zoo.backbones import backbone, features

INTENTS = 10
TOKENS = 128
MOST_PICTURES = 4_000
Rows = tuple[pd.DataFrame, pd.DataFrame]


def texts(folder: Path, seed: int, count: int) -> Rows:
    """Rows to draw examples from, and rows to test on, of ten intents."""
    parts = [
        pd.read_csv(folder / "banking77" / f"{name}.csv").rename(
            columns={"text": "content", "category": "label"}
        )
        for name in ("train", "test")
    ]
    every = sorted(parts[0]["label"].unique())
    chosen = np.random.default_rng(seed).choice(every, INTENTS, replace=False)
    train, test = (part[part["label"].isin(chosen)] for part in parts)
    return train, test.sample(min(count, len(test)), random_state=seed)


def pictures(kind: str, folder: Path | None, place: Path, seed: int, count: int) -> Rows:
    """The same of pictures, as files."""
    if kind == "fashion":
        assert folder is not None
        pixels, labels = fashion(folder, "train", MOST_PICTURES)
    else:
        digits = load_digits()
        pixels = (255 / 16 * digits.images).astype(np.uint8)
        labels = [f"digit {code}" for code in digits.target]
    files = []
    for number, one in enumerate(pixels):
        files.append(str(place / f"{number}.png"))
        if not Path(files[-1]).exists():
            Image.fromarray(one).save(files[-1])
    table = pd.DataFrame({"content": files, "label": labels})
    mixed = table.sample(len(table), random_state=seed)
    return mixed.iloc[count:], mixed.iloc[:count]


def plain(few: pd.DataFrame, test: pd.DataFrame, kind: str) -> float:
    """Test accuracy of logistic regression on the first network."""
    base = backbone(next(card for card in zoo.cards(kind) if zoo.is_here(card)).name)
    length = TOKENS if kind == "text" else base.encoder.size
    seen = [features(base, list(rows["content"]), max_length=length) for rows in (few, test)]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(model.fit(seen[0], few["label"]).score(seen[1], test["label"]))


def fitted(few: pd.DataFrame, test: pd.DataFrame, kind: str, budget: float) -> tuple[float, dict]:
    """Test accuracy of a fit, and its summary."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = ts.fit(
            few,
            "label",
            budget=budget,
            folder=Path(place) / "run",
            kinds={"content": kind, "label": "category"},
            offline=True,
        )
        return float(model.evaluate(test, metrics=["accuracy"])["accuracy"]), model.summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=("texts", "fashion", "digits"))
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--each", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=300)
    parser.add_argument("--budget", type=float, default=45)
    asked = parser.parse_args()
    if asked.set != "digits" and (asked.folder is None or not asked.folder.is_dir()):
        print(f"{asked.set} is left out: there is no folder {asked.folder}")
        return
    kind = "text" if asked.set == "texts" else "image"
    with tempfile.TemporaryDirectory() as place:
        for each in asked.each:
            found = []
            for seed in range(asked.seeds):
                if kind == "text":
                    train, test = texts(asked.folder, seed, asked.test)
                else:
                    made = (asked.set, asked.folder, Path(place), seed, asked.test)
                    train, test = pictures(*made)
                few = train.groupby("label").sample(each, random_state=seed)
                began = time.monotonic()
                ours, told = fitted(few, test, kind, asked.budget)
                took = time.monotonic() - began
                found.append((ours, plain(few, test, kind)))
                own = "none" if told["score"] is None else "{:.3f}".format(told["score"])
                print(
                    f"{asked.set}, {each} a class, seed {seed}: {ours:.3f} after {took:.0f} s "
                    f"(own score {own}, {told['interval']}; {told['best']['backbone']}), plain "
                    f"{found[-1][1]:.3f}",
                    flush=True,
                )
            ours, theirs = np.array(found).T
            print(
                f"{asked.set}, {each} a class: median {np.median(ours):.3f} against "
                f"{np.median(theirs):.3f}, ratio {np.median(ours / theirs):.2f} "
                f"({(ours / theirs).min():.2f} to {(ours / theirs).max():.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
