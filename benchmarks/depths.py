"""What the first fine-tunings of a fit have after the same seconds, by how many blocks train,
beside what a linear model on frozen features has.

    python benchmarks/depths.py pasted [--dimmed 0.9]    # how bright the photograph stays behind
    python benchmarks/depths.py fashion FOLDER           # Fashion-MNIST's .gz files
    python benchmarks/depths.py banking77 FOLDER         # train.csv
    python benchmarks/depths.py reviews
    ... [--rows 1000] [--seconds 45] [--budget 150]

The configs are those that a fit of so many seconds of `--budget` would begin with, each trained for
`--seconds`; accuracy on the rows that validate and on those kept apart. `way` is how far of the way
from the majority answer to none wrong it is on the rows that validate.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import pictures_learning
from pictures_learning import fashion, pasted, written

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Candidate, Problem
from tunesmith.core.seeds import generator
from tunesmith.core.space import from_dict
from tunesmith.data.demo import clothing_reviews
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.plan import plan


def problem_of(what: str, folder: Path | None, rows: int, place: Path) -> Problem:
    if what in ("pasted", "fashion"):
        pictures = pasted(0, rows) if folder is None else fashion(folder, "train", rows)
        return frame(read(written(pictures, place / "pictures")), "label", seed=0)
    if what == "reviews":
        table, _ = clothing_reviews(rows=rows)
        return frame(read(table[["text", "recommended"]]), "recommended", seed=0)
    assert folder is not None
    table = pd.read_csv(folder / "train.csv")
    some = generator(0, "rows").permutation(len(table))[:rows]
    return frame(read(table.iloc[some].reset_index(drop=True)), "category", seed=0)


def fitted(problem: Problem, candidate: Candidate, seconds: float) -> dict[str, float]:
    """Accuracy by part, and the seconds that it took."""
    learner = learners[candidate.learner]
    clock = Clock(seconds)
    watch = Watch(clock, lambda score, progress: True)
    model = learner.fit(problem, from_dict(learner.config, candidate.config), 0, watch)
    took, metric = clock.elapsed(), get("accuracy")
    parts = {
        name: metric.score(problem.truth(name), model.predict(problem.part(name)), None)
        for name in ("valid", "test")
    }
    return {**parts, "seconds": took}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["pasted", "fashion", "banking77", "reviews"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--budget", type=float, default=150.0)
    parser.add_argument("--dimmed", type=float, default=pictures_learning.DIMMED)
    parser.add_argument("--card")
    asked = parser.parse_args()
    pictures_learning.DIMMED = asked.dimmed
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["TUNESMITH_PICTURES"] = str(place / "cache")
        problem = problem_of(asked.what, asked.folder, asked.rows, place)
        counts = np.bincount(problem.truth("train"))
        usual = float((problem.truth("valid") == int(counts.argmax())).mean())
        names = ["probe", "neural"]
        pins = {name: {"backbone": asked.card} for name in names if asked.card}
        clock = Clock(asked.budget)
        found, _ = plan(problem, wanted=names, pins=pins, clock=clock, offline=True)
        probes = [one for one in found if one.learner == "probe"][:1]
        with using(Store(place / "store", 2**34)):
            for one in (*probes, *(one for one in found if one.learner == "neural")):
                done = fitted(problem, one, asked.seconds)
                way = (done["valid"] - usual) / (1 - usual)
                print(
                    f"{asked.what} {one.config['backbone']} {one.reason.partition(' (')[0]}, "
                    f"{one.config.get('size')} px: valid {done['valid']:.3f} (way {way:.2f}), "
                    f"test {done['test']:.3f}, {done['seconds']:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
