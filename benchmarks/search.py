"""A search of shallow fine-tunings with and without the activation store: the same configs and
seeds, in turn, on the demo's reviews. Prints the ratio of times and how far the scores differ.

    python benchmarks/search.py [--rows 4000] [--trials 30] [--without 30] [--card all-MiniLM-L6-v2]

`--without 10` runs only the first ten trials without the store (each takes as long as the next) and
counts the store's filling in full.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from _reviews import CARD

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.dimensions import dimensions
from tunesmith.core.space import Choice, sample
from tunesmith.data.demo import clothing_reviews
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.search import searchers
from tunesmith.zoo.backbones import backbone

PINS = {
    "pooling": Choice("mean", "max", "first"),
    "adapter": "Full",
    "optimizer": "AdamW",
    "batch_size": 32,
    "inner_dropout": False,
    "epochs": 3,
    "patience": 3,
    "max_length": 64,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--without", type=int, default=30)
    parser.add_argument("--card", default=CARD)
    asked = parser.parse_args()
    table, _ = clothing_reviews(rows=asked.rows)
    problem = frame(read(table[["text", "recommended"]]), "recommended", seed=0)
    neural, configs = learners["neural"], []
    top = 1 / len(backbone(asked.card).encoder.blocks)
    pins = {**PINS, "backbone": asked.card, "depth": Choice(0.0, top)}
    study = searchers["random"].begin(dimensions(neural.config, pins), seed=0)
    for _ in range(asked.trials):
        _, values = study.ask()
        configs.append(sample(neural.config, lambda path, mark, drawn=values: drawn[path], pins))
    metric, truth = get(problem.metric), problem.truth("valid")

    def trial(number: int) -> tuple[float, float]:
        began = time.perf_counter()
        watch = Watch(Clock(), lambda score, progress: True)
        fitted = neural.fit(problem, configs[number], number, watch)
        value = metric.score(truth, fitted.predict(problem.part("valid")), None)
        return time.perf_counter() - began, value

    with using(None):
        trial(0)  # the checkpoint is read, the texts are cut into tokens
    with tempfile.TemporaryDirectory() as folder:
        store, pairs, seconds = Store(Path(folder), 2**35), [], []
        for number in range(asked.trials):
            with using(store):
                stored = trial(number)
            seconds.append(stored[0])
            if number < asked.without:
                with using(None):
                    plain = trial(number)
                pairs.append((stored, plain))
                print(
                    f"trial {number}: depth {configs[number].depth:g}, stored {stored[0]:.1f} s "
                    f"{stored[1]:.4f}, without {plain[0]:.1f} s {plain[1]:.4f}",
                    flush=True,
                )
    mean = statistics.fmean(plain[0] for _, plain in pairs)
    gaps = [abs(stored[1] - plain[1]) for stored, plain in pairs]
    print(f"{asked.trials} trials from the store: {sum(seconds):.0f} s, filling included")
    print(f"without: {mean * asked.trials:.0f} s ({len(pairs)} trials run)")
    print(f"ratio: {sum(seconds) / (mean * asked.trials):.3f}")
    print(f"scores differ by {np.median(gaps):.4f} in the median, {max(gaps):.4f} at most")


if __name__ == "__main__":
    main()
