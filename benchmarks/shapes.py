"""What is cut off a network and pruned out of it, and what that costs in accuracy.

    python benchmarks/shapes.py cut FOLDER --place PLACE [--rows 4000] [--only "blocks 1, 4 and 6"]
        [--epochs 8]
    python benchmarks/shapes.py shared FOLDER --place PLACE
    python benchmarks/shapes.py necks FOLDER --place PLACE --rows 2000 [--only "head alone"]
    python benchmarks/shapes.py necks FOLDER --place PLACE --rows 2000 --pictures

FOLDER holds banking77/ with train.csv and test.csv. `cut` fine-tunes all of MiniLM-L6, on all
training rows or so many, then smaller networks, from its weights or from the checkpoint's, by what
that answers or by labels alone, for as many epochs or for others (--epochs). It tells accuracy on
the test rows, with the paired interval of the difference, and time for one row and for a batch of
64, of one thread: by the clock, and of the processor, which tells even where other work runs
beside. `shared` scores all sub-networks of three of the six blocks (the first always among them,
frozen) by shared weights and by training each on 825 rows, and tells how the orders agree
(Kendall's tau). `necks` fine-tunes MiniLM-L6 without a neck, with each kind, and with attention
pooling, by three seeds: the head alone, the top block, all blocks; or with --pictures
EfficientNet-Lite0 at 96 pixels, where FOLDER holds Fashion-MNIST's .gz files. What is done is kept
in PLACE; what was ended (--seconds) goes on from its last epoch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from pictures_learning import fashion, written
from safetensors.torch import save_file
from scipy.stats import kendalltau

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Watch
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.evaluate.scores import paired_gain
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn import importance
from tunesmith.nn import shared as subnetworks
from tunesmith.nn.batches import Rows
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.soft_labels import columns_of, labels_as_answers, taught
from tunesmith.zoo.backbones import backbone
from tunesmith.zoo.weights import tensors

SETTINGS = {"lr": 5e-4, "epochs": 4, "batch_size": 64, "max_length": 48, "patience": 9}
VALID_ROWS = 500
MODEL = "all-MiniLM-L6-v2"


def problem_of(folder: Path, rows: int | None = None) -> Problem:
    """Banking77's training rows, a tenth of which end the training; or so many of them."""
    table = pd.read_csv(folder / "banking77" / "train.csv")
    if rows:
        table = table.sample(rows, random_state=0).reset_index(drop=True)
    problem = frame(read(table), "category", metric="accuracy")
    drawn = np.random.default_rng(0).permutation(len(table))
    valid, train = np.split(drawn, [min(VALID_ROWS, len(drawn) // 4)])
    return replace(
        problem, parts={"train": train, "valid": valid, "test": valid[:1]}, leaked=valid[:0]
    )


def test_of(folder: Path, problem: Problem) -> tuple[Dataset, np.ndarray]:
    data = read(pd.read_csv(folder / "banking77" / "test.csv"))
    return data, problem.encode(data.values("category"))


def tuned(problem: Problem, place: Path, seconds: float, **pins: Any) -> Fitted | None:
    """The model in a place, fitted if it is not there; None where the time ended before."""
    learner = learners["neural"]
    if (place / "model.json").is_file():
        return learner.load(place)
    config = default(learner.config, {"backbone": MODEL, **SETTINGS, **pins})
    began, ended = time.monotonic(), []

    def report(score: float, progress: float) -> bool:
        print(f"  {time.monotonic() - began:6.1f} s  {progress:4.2f}  {score:.4f}", flush=True)
        goes_on = time.monotonic() - began < seconds
        ended.extend([] if goes_on or progress >= 1 else [True])
        return goes_on

    print(f"{place.name}: begins", flush=True)
    state = place.with_name(place.name + ".state")
    model = learner.fit(problem, config, 0, Watch(Clock(), report, checkpoint=state))
    if ended:
        return None
    place.mkdir(parents=True)
    model.save(place)
    return model


FULL = "full"
SMALL: Mapping[str, Mapping[str, Any]] = {
    "blocks 1, 4 and 6, three quarters of the width": {"skipped": "2, 3, 5", "width_kept": 0.75},
    "blocks 1, 2 and 3, three quarters of the width": {"blocks": 0.5, "width_kept": 0.75},
    "blocks 1, 4 and 6": {"skipped": "2, 3, 5"},
}
HALF = 0.5
"""What the answer of the full network counts beside the label of a training row."""
SUBSET = 825
BLOCKS = 6
BRIEF = {**SETTINGS, "epochs": 3, "patience": 0, "depth": 0.67}


def taught_by(model: Fitted, problem: Problem) -> Problem:
    """The problem whose training rows tell the mean of their label and of a model's answer."""
    rows = problem.parts["train"]
    answers = labels_as_answers(problem, rows)
    told = model.predict(problem.part("train")).array()
    mixed = answers.with_array(HALF * answers.array() + (1 - HALF) * told)
    data = problem.data.take(rows).with_columns(columns_of(problem))
    return taught(problem, data, mixed, None, problem.parts["valid"])


def weights_of(full: Any, folder: Path) -> str:
    """A checkpoint folder of a network's own weights."""
    if not folder.is_dir():
        folder.mkdir()
        full.reader.save(full.network.encoder, folder)
        save_file(tensors(full.network.encoder), folder / "model.safetensors")
    return str(folder)


def seconds_of(models: Mapping[str, Fitted], data: Dataset, rounds: int) -> dict[str, list[float]]:
    """Of each model the median seconds, by the clock and of the processor, one after the other in
    each round."""
    found: dict[str, list[list[float]]] = {name: [] for name in models}
    for _ in range(rounds + 1):
        for name, model in models.items():
            began = time.perf_counter(), time.process_time()
            model.predict(data)
            ended = time.perf_counter(), time.process_time()
            found[name].append([end - start for start, end in zip(began, ended, strict=True)])
    return {name: np.median(every[1:], axis=0).tolist() for name, every in found.items()}


def cut(
    folder: Path,
    place: Path,
    rows: int | None,
    only: str,
    epochs: int,
    until: Callable[[], float],
) -> None:
    """Train what is not there yet, and compare all that is."""
    problem, place = problem_of(folder, rows), place / f"{rows or 'all'} rows"
    full = tuned(problem, place / FULL, until())
    if full is None:
        print("not yet: run it again")
        return
    soft, weights = taught_by(full, problem), weights_of(full, place / "weights")
    models: dict[str, Fitted] = {FULL: full}
    ways = {
        "from its weights, taught by it": (soft, {"backbone": weights}),
        "taught by it": (soft, {}),
        "by labels": (problem, {}),
    }
    for (name, pins), (way, (given, start)) in itertools.product(SMALL.items(), ways.items()):
        told = f"{name}, {way}"
        if only not in told:
            continue
        if epochs != SETTINGS["epochs"]:
            told = f"{told}, {epochs} epochs"
        more = {**pins, **start, "epochs": epochs}
        model = tuned(given, place / told, until(), **more) if until() > 0 else None
        if model is None:
            print(f"{told}: not yet, run it again")
            break
        models[told] = model
        _compared(models, folder, problem)
    _timed(models, folder, problem)


def _timed(models: Mapping[str, Fitted], folder: Path, problem: Problem) -> None:
    import torch

    torch.set_num_threads(1)
    test, _ = test_of(folder, problem)
    for count, rounds in ((1, 40), (64, 6)):
        times = seconds_of(models, test.take(np.arange(count)), rounds)
        for name, (wall, processor) in times.items():
            shares = wall / times[FULL][0], processor / times[FULL][1]
            print(
                f"{count:3d} rows, {name}: {1000 * wall:.1f} ms ({shares[0]:.2f} of the full one), "
                f"processor {1000 * processor:.1f} ms ({shares[1]:.2f})",
                flush=True,
            )


def _compared(models: Mapping[str, Fitted], folder: Path, problem: Problem) -> None:
    test, truth = test_of(folder, problem)
    name = list(models)[-1]
    full, small = (models[one].predict(test) for one in (FULL, name))
    metric = get("accuracy")
    gain, low, high = paired_gain(
        metric, truth, small, full, seed=0, resamples=2000, level=0.95, weights=None
    )
    scores = [metric.score(truth, one, None) for one in (full, small)]
    print(
        f"{name}: {scores[1]:.4f} against {scores[0]:.4f}, {gain:+.4f} [{low:+.4f}, {high:+.4f}] "
        f"on {len(truth):,} test rows",
        flush=True,
    )


def shared(folder: Path, place: Path, until: Callable[[], float]) -> None:
    """Train each sub-network, as far as the time allows, then compare the orders."""
    problem = problem_of(folder, SUBSET * 4 // 3)
    file = place / "alone.json"
    alone: dict[str, float] = json.loads(file.read_text()) if file.is_file() else {}
    every = [(0, *rest) for rest in itertools.combinations(range(1, BLOCKS), 2)]
    for kept in every:
        if str(kept) in alone or until() <= 0:
            continue
        gone = ", ".join(str(number + 1) for number in range(kept[-1]) if number not in kept)
        pins = {**BRIEF, "backbone": MODEL, "blocks": (kept[-1] + 1) / BLOCKS, "skipped": gone}
        config = default(learners["neural"].config, pins)
        model = learners["neural"].fit(problem, config, 0, Watch(Clock(), lambda s, p: True))
        right = model.predict(problem.part("valid")).array().argmax(axis=1)
        alone[str(kept)] = float((right == problem.truth("valid")).mean())
        file.write_text(json.dumps(alone))
        print(f"{kept}: {alone[str(kept)]:.4f}", flush=True)
    done = [kept for kept in every if str(kept) in alone]
    base, told = backbone(MODEL), [alone[str(kept)] for kept in done]
    drawn = problem.parts["train"][:512]
    inputs = problem.data.take(drawn).values("text").tolist()
    ids = base.ids(inputs, SETTINGS["max_length"])
    rows = Rows(ids, np.empty((len(ids), 0), np.float32), base.encoder.pad_id)
    targets = np.eye(len(problem.classes))[problem.truth("train")[:512]]
    change = importance.changes(base.encoder, rows)
    print(f"changes by block: {np.round(change, 3).tolist()}")
    ways = {"what blocks change": [change[list(kept)].sum() for kept in done]}
    began = time.monotonic()
    scored = subnetworks.scores(base.encoder, rows, targets, done)
    print(f"{len(done)} sub-networks scored in {time.monotonic() - began:.1f} s")
    ways["weights as they came"] = [scored[kept] for kept in done]
    saved = sorted(place.glob(f"*rows/{FULL}/model.json"))
    if saved:
        tuned_one = learners["neural"].load(saved[-1].parent).network.encoder
        scored = subnetworks.scores(tuned_one, rows, targets, done)
        ways["fine-tuned weights"] = [scored[kept] for kept in done]
    for name, numbers in ways.items():
        tau = kendalltau(numbers, told)
        best = done[int(np.argmax(numbers))]
        print(
            f"{name}: tau {tau.statistic:.2f} (p {tau.pvalue:.3f}) over {len(done)}; its best has "
            f"{alone[str(best)]:.4f} alone, the best of all {max(told):.4f}, the mean "
            f"{np.mean(told):.4f}"
        )


NECKS: Mapping[str, Mapping[str, Any]] = {
    "no neck": {},
    "convolution": {"neck": "Convolution"},
    "attention": {"neck": "Attention"},
    "attention pooling": {"pooling": "attention"},
}
TRAINED = {"head alone": 0.0, "top block": 0.17, "all blocks": 1.0}
SEEDS, RESAMPLES = 3, 2000


PICTURES = {"backbone": "efficientnet-lite0", "size": 96, "batch_size": 64, "patience": 9}
TESTED = 3000


def fashion_of(folder: Path, place: Path, rows: int) -> tuple[Problem, Dataset, np.ndarray]:
    """So many pictures of Fashion-MNIST, a quarter of which (500 at most) end the training, and
    others to test, written as PNG where they are not yet."""
    parts = []
    for part, count in (("train", rows), ("t10k", TESTED)):
        if not (place / part).is_dir():
            written(fashion(folder, part, count), place / part)
        parts.append(read(place / part))
    problem = frame(parts[0], "label", metric="accuracy")
    drawn = np.random.default_rng(0).permutation(len(parts[0]))
    valid, train = np.split(drawn, [min(VALID_ROWS, len(drawn) // 4)])
    kept = {"train": train, "valid": valid, "test": valid[:1]}
    problem = replace(problem, parts=kept, leaked=valid[:0])
    return problem, parts[1], problem.encode(parts[1].values("label"))


def necks(
    given: tuple[Problem, Dataset, np.ndarray],
    place: Path,
    only: str,
    pins: Mapping[str, Any],
    until: Callable[[], float],
) -> None:
    """Fit what is not there yet, and compare what is, by the rows that are answered right."""
    (problem, test, truth), learner = given, learners["neural"]
    place.mkdir(parents=True, exist_ok=True)
    for (what, depth), seed, (name, neck) in itertools.product(
        TRAINED.items(), range(SEEDS), NECKS.items()
    ):
        file = place / f"{what}, {name}, {seed}.npy"
        if only not in f"{what}, {name}" or file.is_file() or until() <= 0:
            continue
        chosen = {**pins, **neck, "depth": depth}
        began = time.monotonic()
        model = learner.fit(
            problem, default(learner.config, chosen), seed, Watch(Clock(), lambda s, p: True)
        )
        seconds = time.monotonic() - began
        valid, answers = (
            (model.predict(data).array().argmax(axis=1) == told).astype(float)
            for data, told in ((problem.part("valid"), problem.truth("valid")), (test, truth))
        )
        np.save(file, np.array([seconds, valid.mean(), *answers]))
        print(f"{file.stem}: {answers.mean():.4f} (valid {valid.mean():.4f}), {seconds:.0f} s")
    dice = np.random.default_rng(0)
    for what in TRAINED:
        plain: np.ndarray | None = None
        for name in NECKS:
            found = [np.load(one) for one in sorted(place.glob(f"{what}, {name}, *.npy"))]
            if len(found) < SEEDS:
                continue
            seconds, valid = (np.mean([one[at] for one in found]) for at in (0, 1))
            right = np.mean([one[2:] for one in found], axis=0)
            plain = right if plain is None else plain
            drawn = dice.integers(len(right), size=(RESAMPLES, len(right)))
            low, high = np.quantile((right - plain)[drawn].mean(axis=1), [0.025, 0.975])
            print(
                f"{what}, {name}: {right.mean():.4f} on {len(right):,} test rows, "
                f"{right.mean() - plain.mean():+.4f} [{low:+.4f}, {high:+.4f}]; "
                f"valid {valid:.4f}, {seconds:.0f} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["cut", "shared", "necks"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--lr", type=float, help="of necks")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seconds", type=float, default=1e9)
    asked = parser.parse_args()
    began = time.monotonic()

    def until() -> float:
        return asked.seconds - (time.monotonic() - began)

    with using(open_store()):
        if asked.what == "cut":
            epochs = asked.epochs or SETTINGS["epochs"]
            cut(asked.folder, asked.place, asked.rows, asked.only, epochs, until)
        elif asked.what == "necks":
            told = {"lr": asked.lr, "epochs": asked.epochs}
            more = {name: value for name, value in told.items() if value is not None}
            if asked.pictures:
                given, pins = fashion_of(asked.folder, asked.place, asked.rows or 2000), PICTURES
            else:
                problem = problem_of(asked.folder, asked.rows)
                given, pins = (problem, *test_of(asked.folder, problem)), {"backbone": MODEL}
                pins |= SETTINGS
            necks(given, asked.place, asked.only, {**pins, **more}, until)
        else:
            shared(asked.folder, asked.place, until)


if __name__ == "__main__":
    main()
