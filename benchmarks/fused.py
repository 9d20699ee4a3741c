"""What a fit of all columns is worth beside fits of each kind of column alone.

    python benchmarks/fused.py fits DATA [--sets made emoji reviews films] [--seconds 60]
    python benchmarks/fused.py ways DATA [--sets made emoji]

`fits`: for each data set (see `_mixed_sets.py`, which says what DATA holds) a process that fits
all columns and one of each kind alone (pictures, texts, other columns), each with the same budget,
rows, and an activation store of its own; then the scores on the same rows kept apart by the script,
and how much all columns gain over the best kind on these very rows, with the 95 % interval of a
paired bootstrap. `ways`: single learners with their defaults and no deadline, from the activation
store: the best of each kind alone, and the ways to bring kinds together; a fifth of the rows
selects.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _mixed_sets import SETS, Mixed

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.embedding import COMPONENTS
from tunesmith.pipeline.frame import frame
from tunesmith.predictor.labelled import labelled

ALL = "all columns"
READS = {"text_backbone": "all-MiniLM-L6-v2", "picture_backbone": "mobilenet-v2"}
SIZE = 96
BESIDE = {"pictures": "embedding", "picture_size": SIZE, **READS}
NETWORK = {"picture_size": SIZE, "components": COMPONENTS, **READS}
WAYS = {
    "linear head": ("fusion", {"picture_size": SIZE, **READS}),
    "linear head, number by number": ("fusion", {"picture_size": SIZE, "by_kind": False, **READS}),
    "hidden layer": ("fusion", {"picture_size": SIZE, "fusion.Late.width": 64, **READS}),
    "gates": ("fusion", {"fusion": "Gated", **NETWORK}),
    "transformer": ("fusion", {"fusion": "Transformer", **NETWORK}),
    "words and embedded pictures, linear": (
        "linear",
        {"pictures": "embedding", "picture_size": SIZE, "picture_backbone": "mobilenet-v2"},
    ),
    "topics and embeddings, LightGBM": ("lightgbm", {"text": "both", **BESIDE}),
}
ALONE = {
    "pictures": (("probe", {"backbone": "mobilenet-v2", "size": SIZE}),),
    "texts": (("linear", {}), ("probe", {"backbone": "all-MiniLM-L6-v2"})),
    "columns": (("linear", {}), ("lightgbm", {})),
}


def fitted(mixed: Mixed, columns: list[str], seconds: float, folder: Path) -> tuple[Any, float]:
    """A model of these columns, and the seconds that its process took."""
    folder.mkdir()
    mixed.rows[: mixed.learn][[*columns, mixed.target]].to_csv(folder / "rows.csv", index=False)
    command = [sys.executable, "-m", "tunesmith", "fit", str(folder / "rows.csv")]
    command += ["--target", mixed.target, "--budget", f"{seconds:g}s", "--offline"]
    command += ["--metric", mixed.metric, "--folder", str(folder / "run")]
    for name in columns:
        command += ["--kind", f"{name}={mixed.kinds[name]}"] if name in mixed.kinds else []
    env = {**os.environ, "TUNESMITH_STORE": str(folder / "store")}
    began = time.monotonic()
    told = subprocess.run(command, capture_output=True, text=True, env=env)
    if told.returncode:
        raise SystemExit(told.stderr[-3000:])
    return ts.load(folder / "run"), time.monotonic() - began


def problem_of(mixed: Mixed) -> Problem:
    """The rows to learn from, a fifth of which selects, and those that test."""
    like = read(mixed.rows)
    kinds = tuple(replace(c, kind=mixed.kinds.get(c.name, c.kind)) for c in like.columns)
    problem = frame(replace(like, columns=kinds), mixed.target, seed=0, folds=0)
    order = np.random.default_rng(0).permutation(mixed.learn)
    parts = {
        "valid": np.sort(order[: mixed.learn // 5]),
        "train": np.sort(order[mixed.learn // 5 :]),
        "test": np.arange(mixed.learn, len(mixed.rows)),
    }
    return replace(problem, parts=parts)


def ways(name: str, data: Path, folder: Path) -> None:
    """Print a line for each kind alone, and for each way to bring them together."""
    mixed = SETS[name](data, folder)
    problem = problem_of(mixed)
    print(f"{name}: {mixed.metric} of valid and test rows")
    asked = [
        (
            f"{what} alone, {learner}",
            replace(problem, inputs=tuple(mixed.groups[what])),
            learner,
            pins,
        )
        for what in mixed.groups
        for learner, pins in ALONE[what]
    ]
    asked += [(way, problem, learner, pins) for way, (learner, pins) in WAYS.items()]
    for way, rows, learner, pins in asked:
        began = time.monotonic()
        watch = Watch(Clock(), lambda score, progress: True)
        config = default(learners[learner].config, pins)
        model = learners[learner].fit(rows, config, 0, watch)
        seconds = time.monotonic() - began
        valid, test = (
            get(mixed.metric).score(rows.truth(part), model.predict(rows.part(part)), None)
            for part in ("valid", "test")
        )
        print(f"  {way:38} {valid:.4f} {test:.4f}  {seconds:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fits", "ways"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    for name in asked.sets:
        with tempfile.TemporaryDirectory() as place, using(open_store()):
            if asked.what == "ways":
                ways(name, asked.data, Path(place))
            else:
                compared(name, asked.data, asked.seconds, Path(place))


def compared(name: str, data: Path, seconds: float, folder: Path) -> None:
    """Print a line for each fit, and the gain of all columns over the best kind."""
    (folder / "pictures").mkdir()
    mixed = SETS[name](data, folder / "pictures")
    test: pd.DataFrame = mixed.rows[mixed.learn :].reset_index(drop=True)
    groups = {ALL: [c for own in mixed.groups.values() for c in own], **mixed.groups}
    found: dict[str, tuple[float, Prediction]] = {}
    truth: Any = None
    print(f"{name}: {mixed.metric}, {mixed.learn:,} rows to learn from, {len(test):,} test")
    for number, (what, columns) in enumerate(groups.items()):
        model, took = fitted(mixed, columns, seconds, folder / str(number))
        answers = model.scores(test[columns])
        truth = labelled(model.model, test[[*columns, mixed.target]]).truth
        told = score(mixed.metric, truth, answers)
        found[what] = told.value, answers
        winner = model.summary["best"]
        print(f"  {what:12} {told}  {took:.0f} s  {winner['learner']}, {winner['members']} members")
    best = max((what for what in found if what != ALL), key=lambda what: found[what][0])
    gain = paired_gain(
        get(mixed.metric), truth, found[ALL][1], found[best][1], resamples=1000, level=0.95
    )
    print(f"  gain over {best}: {gain[0]:+.4f} [{gain[1]:+.4f}, {gain[2]:+.4f}]", flush=True)


if __name__ == "__main__":
    main()
