"""What a fit of pictures comes to in the same seconds where it begins with small pictures and reads
larger ones for what ranks best, and where every side is a dimension like others.

    python benchmarks/picture_sides.py fits fashion FOLDER [--seconds 150]
    python benchmarks/picture_sides.py fits emoji FOLDER [--seconds 90] [--learners probe]
    python benchmarks/picture_sides.py probes fashion FOLDER [--sides 96 160 224 288]

`fashion`: FOLDER holds Fashion-MNIST's four .gz files (Debian's package dataset-fashion-mnist);
2,000 of its pictures to learn from, 2,000 others to test. `emoji`: the npm package
emoji-datasource-twitter, nine groups by the picture alone; 1,000 to learn from, the others test.
Every fit is a process of its own with an empty activation store; with `--beside` both at once, with
one thread each, so that what else the machine does is the same for both; with `--learners` of these
alone. `probes`: the answers of a ridge classifier on frozen features, by the side at which 1,000
pictures are read, for 1,000 others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pictures_learning import Pictures, fashion, written
from PIL import Image
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

LEARN, TEST = 2_000, 2_000
WAYS = {"small": "small first, larger for the best", "usual": "sides as before"}
FIT = """
import json, sys
from tunesmith.pipeline import sides
way, train, test, seconds, folder, *learners = sys.argv[1:]
if way == "usual":
    sides.LEAST_SIDE = 10**6  # no side is small enough to begin with
import tunesmith as ts
from tunesmith.core.events import read_journal
model = ts.fit(train, "label", budget=seconds + "s", offline=True, folder=folder,
               learners=learners or None)
found = model.evaluate(test, metrics=["accuracy"])["accuracy"]
began, told = {}, []
from collections.abc import Sequence
from pathlib import Path
for event in read_journal(Path(folder) / "journal.jsonl"):
    if event.kind == "trial":
        began[event.facts["trial"]] = event.facts
    if event.kind == "result":
        of = began[event.facts["trial"]]
        config = of["config"]
        side = config.get("size", config.get("picture_size"))
        told.append((event.seconds, of["learner"], side, event.facts["score"], of["reason"]))
print(json.dumps([str(found), told]))
"""


def emoji(data: Path) -> tuple[Pictures, Pictures]:
    """Pictures of 64 pixels and the group that each belongs to; those to learn from, the others."""
    (told,) = data.rglob("package/emoji.json")
    every = [
        one
        for one in json.loads(told.read_text())
        if one["category"] != "Component" and one["has_img_twitter"]
    ]
    order = np.random.default_rng(0).permutation(len(every))
    place = told.parent / "img" / "twitter" / "64"
    pixels, labels = [], []
    for row in order:
        shown = Image.open(place / every[row]["image"]).convert("RGBA")
        ground = Image.new("RGBA", shown.size, "white")
        pixels.append(np.asarray(Image.alpha_composite(ground, shown).convert("RGB")))
        labels.append(every[row]["category"].replace(" & ", "-").replace(" ", "-").lower())
    first = 1_000
    return (np.stack(pixels[:first]), labels[:first]), (np.stack(pixels[first:]), labels[first:])


def parts(what: str, folder: Path) -> tuple[Pictures, Pictures]:
    if what == "emoji":
        return emoji(folder)
    return fashion(folder, "train", LEARN), fashion(folder, "t10k", TEST)


def begun(
    way: str,
    train: Path,
    test: Path,
    seconds: float,
    *,
    threads: int = 0,
    learners: Sequence[str] = (),
) -> subprocess.Popen[str]:
    """A fit under way, in a process of its own with so many threads; 0 for as many as it likes."""
    place = Path(tempfile.mkdtemp())
    env = {**os.environ, "TUNESMITH_STORE": str(place / "store")}
    env["TUNESMITH_PICTURES"] = str(place / "pictures")
    if threads:
        env |= {"TUNESMITH_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    asked = [way, str(train), str(test), f"{seconds:g}", str(place / "run"), *learners]
    command = [sys.executable, "-c", FIT, *asked]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def ended(way: str, fit: subprocess.Popen[str]) -> None:
    """One line of what came of it, and one for each trial that fine-tuned or read."""
    out, wrong = fit.communicate()
    if fit.returncode:
        raise SystemExit(wrong[-2000:])
    value, told = json.loads(out.splitlines()[-1])
    print(f"{WAYS[way]}: accuracy {value}; {len(told)} trials", flush=True)
    for at, learner, side, score, why in told:
        if side is not None:
            said = "failed" if score is None else f"{score:.4f}"
            print(f"    {at:6.1f} s  {learner} at {side or 'own'}: {said}  {why[:150]}", flush=True)


def probes(what: str, folder: Path, sides: list[int], names: list[str]) -> None:
    from tunesmith.nn.features import embed
    from tunesmith.zoo.backbones import backbone

    some = [(pixels[:1_000], labels[:1_000]) for pixels, labels in parts(what, folder)]
    for name in names:
        encoder = backbone(name).encoder
        for side in sides:
            began = time.monotonic()
            seen = [
                embed(encoder, [resized(one, side) for one in pixels], "several")
                for pixels, _ in some
            ]
            took = time.monotonic() - began
            scale = StandardScaler().fit(seen[0])
            ridge = RidgeClassifierCV(alphas=np.logspace(1, 6, 11))
            ridge.fit(scale.transform(seen[0]), some[0][1])
            value = ridge.score(scale.transform(seen[1]), some[1][1])
            print(f"{what}, {name} at {side}: {value:.3f}, read in {took:.1f} s", flush=True)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    image = Image.fromarray(pixels).convert("RGB")
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fits", "probes"])
    parser.add_argument("data", choices=["fashion", "emoji"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--only", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--learners", nargs="*", default=[])
    parser.add_argument("--beside", action="store_true", help="at once, with one thread each")
    parser.add_argument("--rows", type=int, default=0, help="of the first part; 0 for all")
    parser.add_argument("--sides", type=int, nargs="*", default=[96, 160, 224, 288])
    parser.add_argument("--cards", nargs="*", default=["mobilenet-v2"])
    asked = parser.parse_args()
    if asked.what == "probes":
        probes(asked.data, asked.folder, asked.sides, asked.cards)
        return
    place = Path(tempfile.mkdtemp())
    (pixels, labels), others = parts(asked.data, asked.folder)
    few = asked.rows or len(labels)
    train = written((pixels[:few], labels[:few]), place / "train")
    test = written(others, place / "test")
    if asked.beside:
        some = {"threads": 1, "learners": asked.learners}
        under_way = [(way, begun(way, train, test, asked.seconds, **some)) for way in asked.only]
        for way, one in under_way:
            ended(way, one)
        return
    for way in asked.only:
        ended(way, begun(way, train, test, asked.seconds, learners=asked.learners))


if __name__ == "__main__":
    main()
