"""What augmentation is worth in learning from pictures, and what it costs.

    python benchmarks/augmentation.py learn pasted|fashion [FOLDER] [--epochs 8] [--rows 1000] …
    python benchmarks/augmentation.py steps [--size 96]

`learn`: the same fine-tuning (card, size, steps, seed) with each way of seeing the pictures, by the
accuracy on pictures that chose nothing, and the seconds of the fit; of each network also what means
over several views answer. FOLDER holds Fashion-MNIST's .gz files, `pasted` are digits pasted on
photographs (benchmarks/pictures_learning.py). `steps`: processor time of training the whole
network for a picture as it is, and of making a fresh view of it, which threads do meanwhile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from picture_store import epoch, files, rows_of, truth_of
from pictures_learning import fashion, pasted, written

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.modalities.pictures import views
from tunesmith.nn.augment import POLICIES, Recipe
from tunesmith.nn.feed import Fresh
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.zoo.backbones import backbone

CONVOLUTIONAL = {"lr": 1e-3, "layer_decay": 1.0}
"""As `pipeline/plan.py` has it for pictures."""
TESTED = 1000
WAYS: dict[str, dict[str, Any]] = {
    **{name: {"augment": name} for name in POLICIES},
    "erase": {"erase": 0.25},
    "mixup": {"mix": "mixup"},
    "cutmix": {"mix": "cutmix"},
    "progressive": {"progressive": True},
    "crops-fresh": {"augment": "crops", "views": 0},
    "crops-cutmix": {"augment": "crops", "mix": "cutmix"},
}


def learn(asked: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp())
    if asked.data == "fashion":
        found = [fashion(asked.folder, "train", asked.rows), fashion(asked.folder, "t10k", TESTED)]
    else:
        found = [pasted(0, asked.rows), pasted(1, TESTED)]
    train, test = (
        written(one, folder / name) for one, name in zip(found, ("train", "test"), strict=True)
    )
    learner, unseen = learners["neural"], read(test)
    truth = unseen.values("label").tolist()
    for seed in range(asked.seeds):
        problem = frame(read(train), "label", seed=seed)
        for way in asked.ways:
            pins = {"backbone": asked.card, "size": asked.size, "epochs": asked.epochs}
            pins |= {"depth": asked.depth, "patience": asked.epochs, **CONVOLUTIONAL, **WAYS[way]}
            notes: dict[str, str] = {}
            watch = Watch(Clock(), lambda *_: True, tell=lambda a, t: notes.update({a: t}))  # noqa: B023
            with using(Store(folder / "store", 2**34)):
                began = time.perf_counter()
                model = learner.fit(problem, default(learner.config, pins), seed, watch)
                seconds = time.perf_counter() - began
            told = []
            for several in (1, *asked.tta):
                began = time.perf_counter()
                answers = replace(model, tta=several, known=None).predict(unseen)
                each = (time.perf_counter() - began) / len(truth)
                right = np.mean(
                    [answers.classes[c] == t for c, t in zip(answers.codes(), truth, strict=True)]
                )
                told.append(f"{several} views {right:.3f} ({1000 * each:.1f} ms)")
            print(f"seed {seed} {way}: {seconds:.1f} s; {', '.join(told)}; {notes['store']}")


def steps(asked: argparse.Namespace) -> None:
    paths = files(Path(tempfile.mkdtemp()), asked.rows)
    truth, blocks = truth_of(paths), len(backbone(asked.card).encoder.blocks)
    pixels, _ = views(paths, asked.size)
    dense = np.empty((len(pixels), 0), np.float32)
    batches = [np.arange(i, min(i + 32, len(pixels))) for i in range(0, len(pixels), 32)]
    feeds = {name: Fresh(pixels, dense, Recipe(name)) for name in POLICIES[1:]}
    feeds["crops, erase, cutmix"] = Fresh(pixels, dense, Recipe("crops", 0.25), "cutmix")
    plain: list[float] = []
    spent: dict[str, list[float]] = {name: [] for name in feeds}
    for _ in range(asked.rounds):
        began = time.process_time()
        epoch(asked.card, rows_of(pixels), truth, blocks)
        plain.append((time.process_time() - began) / len(pixels))
        for name, feed in feeds.items():
            began = time.process_time()
            list(feed.epoch(0, 0.0, batches))
            spent[name].append((time.process_time() - began) / len(pixels))
    step = statistics.median(plain)
    print(f"a step, as they are: {1000 * step:.2f} ms a picture")
    for name, seconds in spent.items():
        view = statistics.median(seconds)
        print(f"{name}: {1000 * view:.2f} ms a picture, {view / step:.1%} of a step")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["learn", "steps"])
    parser.add_argument("data", choices=["fashion", "pasted"], nargs="?", default="pasted")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--card", default="mobilenet-v2")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--depth", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", default=list(WAYS)[:-2], choices=list(WAYS))
    parser.add_argument("--tta", type=int, nargs="*", default=[2, 6])
    asked = parser.parse_args()
    {"learn": learn, "steps": steps}[asked.what](asked)


if __name__ == "__main__":
    main()
