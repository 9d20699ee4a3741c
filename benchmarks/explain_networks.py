"""How long the inside of networks takes to give credit, and whether it is complete: a probe on
all-MiniLM-L6-v2 that reads a text of 100 words, and one on mobilenet-v2 that reads a picture, by
every method that they know; the seconds are medians of five after one to warm up. `explained` is
what integrated gradients sum to, of what the answer differs from that to nothing; `correlation`
that of credits with those of the same model with its head redrawn.

    python benchmarks/explain_networks.py [--words 100]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Column, Dataset, Problem
from tunesmith.core.space import default
from tunesmith.data.pictures import cell_of
from tunesmith.data.read import read
from tunesmith.explain import explainers
from tunesmith.explain.game import RowGame
from tunesmith.explain.randomised import randomised
from tunesmith.learners import learners
from tunesmith.pipeline.frame import frame
from tunesmith.tasks.classification import BAD, GOOD, PLAIN

ROWS, TIMES = 120, 5


@dataclass(frozen=True)
class One:
    """A model of one member."""

    inputs: tuple[Column, ...]
    members: tuple[tuple[Fitted, float], ...]

    def predict(self, data: Dataset) -> Prediction:
        return self.members[0][0].predict(data)


def texts(words: int) -> Problem:
    """Reviews of so many words, two in five of which are good or bad ones."""
    dice = np.random.default_rng(0)
    said, labels = [], []
    for number in range(ROWS):
        pool = (*(GOOD if number % 2 else BAD), *PLAIN, *PLAIN)
        said.append(" ".join(dice.choice(pool, words)))
        labels.append("good" if number % 2 else "bad")
    return frame(read({"text": said, "label": labels}), "label", seed=0)


def pictures() -> Problem:
    """Noise of 300 by 400 pixels, in half of which there is a bright square."""
    dice = np.random.default_rng(0)
    cells = []
    for number in range(ROWS):
        pixels = dice.integers(0, 120, (300, 400, 3), dtype=np.uint8)
        if number % 2:
            pixels[60:140, 200:280] += 130
        cells.append(cell_of(pixels))
    labels = ["square" if number % 2 else "none" for number in range(ROWS)]
    return frame(read({"photo": cells, "label": labels}), "label", seed=0)


def explained(model: Any, row: Dataset, output: int) -> str:
    """What credits sum to, of what they should."""
    passage = model.insight(row).passage
    (seen,) = passage.contents
    with torch.no_grad():
        whole, nothing = (
            float(passage.answer([seen.features(seen.start(ids))], passage.numbers())[0, output])
            for ids in (seen.ids, seen.blank)
        )
    heats = model.heats(row, output, "integrated-gradients")
    total = sum(float(heat.credits.sum()) for heat in heats.values())
    return f"explained {total:.4f} of {whole - nothing:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", type=int, default=100)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for problem, name in ((texts(asked.words), "all-MiniLM-L6-v2"), (pictures(), "mobilenet-v2")):
        watch = Watch(Clock(), lambda score, progress: True)
        config = default(learners["probe"].config, {"backbone": name})
        model = learners["probe"].fit(problem, config, 0, watch)
        rows = problem.part("test").with_columns(problem.inputs)
        row = rows.take(np.flatnonzero(problem.truth("test") == 1)[:1])
        output = 1
        game = RowGame(One(row.columns, ((model, 1.0),)), row, row, output)
        for method in sorted(game.heat_methods()):
            seconds = []
            for _ in range(TIMES + 1):
                began = time.perf_counter()
                explainers[method].explain(game, seed=0, clock=Clock(), evaluations=0)
                seconds.append(time.perf_counter() - began)
            sanity = randomised(game, method, seed=0, clock=Clock())
            told = f", correlation {sanity.correlation:.2f}" if sanity else ""
            if method == "integrated-gradients":
                told += f", {explained(model, row, output)}"
            print(f"{name}, {method}: {statistics.median(seconds[1:]):.2f} s{told}", flush=True)


if __name__ == "__main__":
    main()
