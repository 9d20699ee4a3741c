"""Searched heads against the fixed head, on the same frozen features and for the same seconds.

    python benchmarks/nas.py cells SET FOLDER [--seconds 35] [--ways auto darts ageing asha bayes]
    python benchmarks/nas.py cost SET FOLDER [--rounds 2]

SET is `banking77` (FOLDER holds banking77/train.csv and test.csv), `reviews` (of clothing, no
FOLDER needed: 4,000 to learn from and choose by, 2,000 to test) or `fashion` (FOLDER holds
Fashion-MNIST's .gz files: 2,000 and 2,000). Features of all rows are read before, into the
activation store; what is timed are heads alone.

`cells`: the probe with its own dimensions (read-out, balance, strength) searched by `auto`, then
the learner `cell` over the space of its config by each way; the best of each by the valid rows, on
the test rows, with the paired gain over the probe and its interval of 95 %. `darts` finds cells by
gradient alone, with other dimensions drawn at random from the second on. `cost`: seconds of one
whole search by gradient, retraining included, over those of one head with the same epochs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from pictures_learning import fashion
from PIL import Image

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Curve, Fitted, Watch
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Problem
from tunesmith.core.space import default, sample, to_dict
from tunesmith.data.demo import clothing_reviews
from tunesmith.data.read import read
from tunesmith.evaluate.scores import paired_gain
from tunesmith.learners import _cell_course, learners
from tunesmith.learners._cell_form import candidates
from tunesmith.learners._steering import selection_score
from tunesmith.metrics import get
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.frame import frame
from tunesmith.search import searchers
from tunesmith.stoppers import stoppers
from tunesmith.zoo.backbones import backbone, features

CARDS = {"banking77": "all-MiniLM-L6-v2", "reviews": "all-MiniLM-L6-v2", "fashion": "mobilenet-v2"}
TOKENS, SIDE, PICTURES = 64, 96, 2_000
WAYS = ("auto", "darts", "ageing", "asha", "bayes")
SEARCHES = {"probe": "auto", "darts": "random", "asha": "random"}


def tables(name: str, folder: Path, place: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Rows to learn from, rows to test on, and the target."""
    if name == "banking77":
        parts = [pd.read_csv(folder / name / f"{part}.csv") for part in ("train", "test")]
        return parts[0], parts[1], "category"
    if name == "reviews":
        train, test = clothing_reviews(rows=4_000)
        return train[["text", "recommended"]], test[["text", "recommended"]], "recommended"
    found = []
    for part in ("train", "t10k"):
        pixels, labels = fashion(folder, part, PICTURES)
        files = [str(place / f"{part}-{number}.png") for number in range(len(pixels))]
        for one, file in zip(pixels, files, strict=True):
            Image.fromarray(one).save(file)
        found.append(pd.DataFrame({"content": files, "label": labels}))
    return found[0], found[1], "label"


def made(name: str, folder: Path, place: Path) -> Problem:
    """The problem whose test rows are those given; its own test rows are learned from."""
    train, test, target = tables(name, folder, place)
    kinds: Any = {"content": "image", "label": "category"} if name == "fashion" else None
    own = frame(read(train, kinds=kinds), target, seed=0).parts
    whole = frame(read(pd.concat([train, test], ignore_index=True), kinds=kinds), target, seed=0)
    parts = {
        "train": np.concatenate([own["train"], own["test"]]),
        "valid": own["valid"],
        "test": np.arange(len(train), len(train) + len(test)),
    }
    return replace(whole, parts=parts)


def pinned(learner: str, card: str) -> dict[str, Any]:
    """What is the same for every way."""
    more = {"search": "none"} if learner == "cell" else {"augment": "none"}
    return {"backbone": card, "max_length": TOKENS, "size": SIDE, **more}


@dataclass(frozen=True)
class Best:
    """The best of a search: its score by which it was chosen, its model, the trials that ended."""

    rated: float = float("-inf")
    model: Fitted | None = None
    config: Any = None
    trials: int = 0


def searched(
    problem: Problem, learner: str, way: str, pins: dict[str, Any], seconds: float
) -> Best:
    """The best of a search of so many seconds, the default first."""
    one, clock = learners[learner], Clock(seconds)
    whole = to_dict(default(one.config))
    pins = {**{path: whole[path] for path in one.idle(problem)}, **pins}
    ranges = dimensions(one.config, pins)
    study = searchers[SEARCHES.get(way, way)].begin(ranges, seed=0)
    rule, curves = stoppers["asha" if way == "asha" else "none"], list[Curve]()
    config, asked, best = default(one.config, pins), None, Best()
    while not clock.is_over():
        curve: list[tuple[float, float]] = []
        began, number = clock.elapsed(), best.trials

        def report(score: float, progress: float, curve: Any = curve, number: int = number) -> bool:
            curve.append((progress, score))
            return rule.keeps(curve, curves, number)

        score = None
        try:
            model = one.fit(problem, config, 0, Watch(Clock(clock.left()), report))
            score = rated(problem, model)
            best = replace(best, trials=number + 1)
            if score > best.rated:
                best = replace(best, rated=score, model=model, config=shown(config, ranges))
            print(f"    {clock.elapsed():5.1f} s {score:.4f} {shown(config, ranges)}", flush=True)
        except TunesmithError as error:
            print(f"    {clock.elapsed():5.1f} s {error}", flush=True)
        curves.append(Curve(number, tuple(curve)))
        cost, told = clock.elapsed() - began, None if score is None else (score,)
        if asked is not None:
            study.tell(asked, told, cost)
        elif told is not None:
            study.add({path: getattr(config, path) for path in ranges}, told, cost)
        asked, drawn = study.ask()
        config = sample(one.config, lambda path, mark, drawn=drawn: drawn[path], pins)
    return best


def rated(problem: Problem, model: Fitted) -> float:
    return selection_score(problem, 0)(model.predict(problem.part("valid")))


def shown(config: Any, ranges: Any) -> dict[str, Any]:
    values = {path: getattr(config, path) for path in ranges}
    return {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in values.items()}


def read_before(problem: Problem, name: str) -> None:
    base, kind = backbone(CARDS[name]), "content" if name == "fashion" else "text"
    began = time.perf_counter()
    contents = [value or "" for value in problem.data.values(kind)]
    length = SIDE if name == "fashion" else TOKENS
    every = candidates(len(base.encoder.blocks), of_pictures=name == "fashion")
    features(base, contents, max_length=length)
    features(base, contents, max_length=length, readout=every)
    print(f"{name}: {len(contents)} rows read in {time.perf_counter() - began:.0f} s", flush=True)


def cells(problem: Problem, card: str, ways: list[str], seconds: float) -> None:
    truth, metric, base = problem.truth("test"), get(problem.metric), None
    for way in ("probe", *ways):
        learner = "probe" if way == "probe" else "cell"
        pins = pinned(learner, card) | ({"search": "darts"} if way == "darts" else {})
        best = searched(problem, learner, way, pins, seconds)
        if best.model is None:
            print(f"{way:7s}ended no trial in {seconds:g} s", flush=True)
            continue
        found = best.model.predict(problem.part("test"))
        base = base or found
        gain, low, high = paired_gain(metric, truth, found, base, resamples=2_000, level=0.95)
        print(
            f"{way:7s}{problem.metric} {metric.score(truth, found, None):.4f} of {best.trials} "
            f"trials, over the probe {gain:+.4f} [{low:+.4f}, {high:+.4f}]\n"
            f"       {best.config} {dict(best.model.settled())}",
            flush=True,
        )


def cost(problem: Problem, card: str, rounds: int) -> None:
    """By turns, the quickest of each; the plane that a head begins with is counted in both. Seconds
    are of the process's cores, so that other work beside it counts less."""
    kind, found = learners["cell"].config, {}
    for name in ("none", "darts") * rounds:
        _cell_course._PLANES.clear()
        pins = pinned("cell", card) | {"search": name}
        began = time.process_time()
        watch = Watch(Clock(), lambda s, p: True, tell=lambda about, text: print(f"  {text}"))
        model = learners["cell"].fit(problem, default(kind, pins), 0, watch)
        found.setdefault(name, []).append(time.process_time() - began)
        answers = model.predict(problem.part("test"))
        value = get(problem.metric).score(problem.truth("test"), answers, None)
        print(f"{name}: {found[name][-1]:.1f} s, {problem.metric} {value:.4f}", flush=True)
    print(f"ratio: {min(found['darts']) / min(found['none']):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("cells", "cost"))
    parser.add_argument("set", choices=tuple(CARDS))
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("--seconds", type=float, default=35)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, using(open_store()):
        problem = made(asked.set, asked.folder, Path(place))
        read_before(problem, asked.set)
        if asked.what == "cost":
            cost(problem, CARDS[asked.set], asked.rounds)
        else:
            cells(problem, CARDS[asked.set], asked.ways, asked.seconds)


if __name__ == "__main__":
    main()
