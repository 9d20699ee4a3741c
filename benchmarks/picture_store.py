"""What the store and the cache spare in learning from pictures (digits pasted on photographs), in
turn in one process.

    python benchmarks/picture_store.py steps [--card mobilenet-v2] [--size 160] [--rows 512]
    python benchmarks/picture_store.py reading [--card …] [--size …] [--rows …]
    python benchmarks/picture_store.py search [--trials 20] [--rows 1000]

`steps`: pictures a second of training the top stage and the head from the store, with the frozen
part run again, and of the whole network. `reading`: of the whole network, with pixels in memory,
from the cache's files, and with every picture decoded first; of the last, for as many epochs as a
fit has by default. `search`: the same configs and seeds with and without the store.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from pictures_learning import pasted, written
from PIL import Image
from store import network_of, seconds

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.dimensions import dimensions
from tunesmith.core.seeds import generator
from tunesmith.core.space import Choice, sample
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.modalities import _picture_cache
from tunesmith.modalities.pictures import views
from tunesmith.nn import activations, devices
from tunesmith.nn.batches import Rows
from tunesmith.nn.feed import Feed
from tunesmith.nn.loop import Settings, train
from tunesmith.nn.optim import AdamW, factor, groups
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.search import searchers
from tunesmith.zoo.backbones import backbone

CARD = "mobilenet-v2"
BATCH = 32
EPOCHS = 4
"""Of a fit by default."""
PHOTOGRAPH = (640, 480)


def epoch(card: str, rows: Rows | Feed, truth: np.ndarray, trained: int, epochs: int = 1) -> float:
    """Seconds of some epochs."""
    network = network_of(card, trained)
    classes = int(truth.max()) + 1
    network.head.plane = type(network.head.plane)(network.head.plane.in_features, classes)
    network.to(devices.device())
    optimizer = AdamW().build(groups(network.layers(), 1e-4, 0.9, network.undecayed()), 1e-4)
    settings = Settings(
        truth=truth,
        classes=classes,
        batch_size=BATCH,
        smoothing=0.0,
        class_weights=None,
        clip=1.0,
        rate=lambda share: factor("linear", share, 0.06),
        progress=lambda number: min(1.0, number * BATCH / (epochs * len(truth))),
        micro_batch=BATCH,
        precision=devices.precision(),
    )
    began = time.perf_counter()
    for step in train(network, optimizer, rows, settings, generator(0, "batches")):
        if step.epoch >= epochs:
            return time.perf_counter() - began
    raise AssertionError


def rows_of(pixels: Sequence[np.ndarray], states: object = None) -> Rows:
    return Rows(list(pixels), np.empty((len(pixels), 0), np.float32), 0, states=states)  # type: ignore[arg-type]


def files(folder: Path, count: int, larger: tuple[int, int] | None = None) -> list[str]:
    """Paths of so many pictures, their class the name of their folder; as photographs, if wanted,
    of this width and height."""
    pictures, labels = pasted(0, count)
    if larger is None:
        return [str(path) for path in sorted(written((pictures, labels), folder).rglob("*.png"))]
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).resize(larger).save(folder / label / f"{number}.jpg", quality=90)
    return [str(path) for path in sorted(folder.rglob("*.jpg"))]


def truth_of(paths: Sequence[str]) -> np.ndarray:
    _, codes = np.unique([Path(path).parent.name for path in paths], return_inverse=True)
    return codes.astype(np.int64)


def steps(card: str, size: int, count: int, rounds: int, top: int, folder: Path) -> None:
    paths = files(folder / "pictures", count)
    truth, blocks = truth_of(paths), len(backbone(card).encoder.blocks)
    pixels, _ = views(paths, size)
    rates: dict[str, list[float]] = {"stored": [], "again": [], "full": []}
    with using(Store(folder / "store", 2**34)):
        states = activations.states(backbone(card).trunk, pixels, blocks - top)
        assert states is not None
        for _ in range(rounds):
            rates["stored"].append(count / epoch(card, rows_of(pixels, states), truth, top))
            rates["again"].append(count / epoch(card, rows_of(pixels), truth, top))
            rates["full"].append(count / epoch(card, rows_of(pixels), truth, blocks))
    print(f"{card}, {size} pixels, top {top} of {blocks} blocks, {devices.precision()}")
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.1f} pictures/s")
    for name in ("again", "full"):
        pairs = zip(rates["stored"], rates[name], strict=True)
        print(f"stored / {name}: {statistics.median(a / b for a, b in pairs):.2f}")


def reading(card: str, size: int, count: int, rounds: int, folder: Path) -> None:
    blocks = len(backbone(card).encoder.blocks)
    for name, larger in (("PNG of 64 × 64", None), ("JPEG of 640 × 480", PHOTOGRAPH)):
        paths = files(folder / name, count, larger)
        truth, spent = truth_of(paths), dict[str, list[float]](memory=[], cache=[], decoded=[])
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as place:
                os.environ["TUNESMITH_PICTURES"] = place
                began = time.perf_counter()
                pixels, _ = views(paths, size)
                decoding = time.perf_counter() - began
                _picture_cache.open_cache(size, "centre").flush()
                pixels, _ = views(paths, size)
                assert all(isinstance(one.base, np.memmap) for one in pixels)
                held = [np.array(one) for one in pixels]
                spent["memory"].append(epoch(card, rows_of(held), truth, blocks))
                spent["cache"].append(epoch(card, rows_of(pixels), truth, blocks))
                spent["decoded"].append(decoding)
        ratio = statistics.median(
            a / b for a, b in zip(spent["memory"], spent["cache"], strict=True)
        )
        share = statistics.median(
            EPOCHS * a / (EPOCHS * b + c)
            for a, b, c in zip(spent["memory"], spent["cache"], spent["decoded"], strict=True)
        )
        once = statistics.median(spent["decoded"])
        print(
            f"{name} → {size}: memory {count / statistics.median(spent['memory']):.1f}/s, from the "
            f"cache {ratio:.3f} of it; decoding {count / once:.0f}/s, with it {share:.3f} over "
            f"{EPOCHS} epochs"
        )


def search(card: str, size: int, count: int, trials: int, folder: Path) -> None:
    files(folder / "pictures", count)
    problem = frame(read(folder / "pictures"), "label", seed=0)
    pins = {
        "backbone": card,
        "depth": Choice(0.0, 0.17),
        "pooling": Choice("mean", "max"),
        "adapter": "Full",
        "optimizer": "AdamW",
        "batch_size": 32,
        "epochs": 3,
        "patience": 3,
        "size": size,
    }
    neural = learners["neural"]
    study = searchers["random"].begin(dimensions(neural.config, pins), seed=0)
    configs = []
    for _ in range(trials):
        _, values = study.ask()
        configs.append(sample(neural.config, lambda path, mark, drawn=values: drawn[path], pins))
    metric, truth = get(problem.metric), problem.truth("valid")
    scores: dict[str, list[float]] = {"with": [], "without": []}
    spent = dict.fromkeys(scores, 0.0)

    def trial(number: int, way: str) -> None:
        watch = Watch(Clock(), lambda score, progress: True)
        fitted: list[object] = []
        spent[way] += seconds(
            lambda: fitted.append(neural.fit(problem, configs[number], number, watch))
        )
        answers = fitted[0].predict(problem.part("valid"))  # type: ignore[attr-defined]
        scores[way].append(metric.score(truth, answers, None))

    with using(None):
        trial(0, "without")  # the checkpoint is opened, the pictures are decoded
    spent["without"], scores["without"] = 0.0, []
    kept = Store(folder / "store", 2**35)
    for number in range(trials):
        with using(kept):
            trial(number, "with")
        with using(None):
            trial(number, "without")
    gaps = np.abs(np.subtract(scores["with"], scores["without"]))
    print(f"{card}, {size} pixels, {trials} trials on {count} pictures")
    print(f"from the store: {spent['with']:.0f} s, filling included; without: ", end="")
    print(f"{spent['without']:.0f} s; ratio {spent['with'] / spent['without']:.3f}")
    print(f"scores differ by {np.median(gaps):.4f} in the median, {gaps.max():.4f} at most")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["steps", "reading", "search"])
    parser.add_argument("--card", default=CARD)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--top", type=int, default=3, help="blocks that train")
    parser.add_argument("--trials", type=int, default=20)
    asked = parser.parse_args()
    ways: dict[str, Callable[[Path], None]] = {
        "steps": lambda f: steps(asked.card, asked.size, asked.rows, asked.rounds, asked.top, f),
        "reading": lambda f: reading(asked.card, asked.size, asked.rows, asked.rounds, f),
        "search": lambda f: search(asked.card, asked.size, asked.rows, asked.trials, f),
    }
    with tempfile.TemporaryDirectory() as place:
        os.environ["TUNESMITH_PICTURES"] = str(Path(place) / "cache")
        ways[asked.what](Path(place))


if __name__ == "__main__":
    main()
