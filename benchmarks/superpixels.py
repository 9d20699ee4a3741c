"""Superpixels against a grid as the pieces of a picture: which tell more of the model's reasons.

    python benchmarks/superpixels.py RUN FOLDER_OF_PICTURES [--rows 8] [--coalitions 200]

RUN is a fitted model of pictures, the folder holds some that it has not learned from, in class
folders. Of each picture both kinds of pieces get credit by the same methods from as many
coalitions. Pieces of unlike size make shares of pieces unlike, so that both are tested by area: in
the order of credit for each pixel the picture is painted over, and uncovered, in ten steps of the
area, once in its mean colour and once in a blurred picture, neither of which methods have seen.
Told is half the area between the two curves (a random order has 0), and the difference of both
kinds with its 95 % interval over pictures.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import get_args

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.explaining import Cut
from tunesmith.core.records import Dataset
from tunesmith.data.pictures import cell_of
from tunesmith.explain import explainers
from tunesmith.explain.faithfulness import curves, of_many
from tunesmith.explain.game import RowGame
from tunesmith.explain.pieces import picture_of
from tunesmith.pipeline.artifact import Model
from tunesmith.predictor.rows import rows_of

METHODS = ("lime", "partition-shap", "occlusion")
TESTS = ("mean colour", "blurred", "by pieces")
STEPS, BLUR = 10, 0.1
"""Steps of the area; the radius of the blur in shares of the height."""
Picture = NDArray[np.uint8]


def area_gain(
    model: Model, game: RowGame, credits: NDArray[np.float64], pixels: Picture, ground: Picture
) -> float:
    """Half the area between insertion and deletion, along the share of the pixels."""
    masks = np.array([piece.mask(*pixels.shape[:2]) for piece in game.pieces])
    areas = masks.mean(axis=(1, 2))
    order = np.argsort(-credits / np.maximum(areas, 1e-9), kind="stable")
    gone = np.concatenate([[0.0], np.cumsum(areas[order])])
    cells, shares = [], []
    for share in np.linspace(0, 1, STEPS + 1):
        count = int(np.abs(gone - share).argmin())
        top = masks[order[:count]].any(axis=0)[:, :, None]
        shares.append(gone[count])
        cells += [cell_of(np.where(top, ground, pixels)), cell_of(np.where(top, pixels, ground))]
    held = np.array(cells, dtype=object)
    (column,) = game.row.names
    asked = Dataset("painted", game.row.columns, {column: held}, np.arange(len(held)))
    told = model.predict(asked).array()[:, game.output]
    return float(np.trapezoid(told[1::2] - told[::2], shares)) / 2


def gains(model: Model, game: RowGame, method: str, coalitions: int) -> tuple[float, ...]:
    """By each of `TESTS`, and the seconds of the method."""
    explainer = explainers[method]
    began = time.perf_counter()
    most = min(coalitions, explainer.evaluations(game))
    credits = explainer.explain(game, seed=0, clock=Clock(), evaluations=most).credits
    seconds = time.perf_counter() - began
    (column,) = game.row.names
    pixels = picture_of(game.row.values(column)[0])
    mean = np.broadcast_to(pixels.mean(axis=(0, 1)).round().astype(np.uint8), pixels.shape)
    blur = ImageFilter.GaussianBlur(BLUR * len(pixels))
    blurred = np.asarray(Image.fromarray(pixels).filter(blur))
    return (
        area_gain(model, game, credits, pixels, mean),
        area_gain(model, game, credits, pixels, blurred),
        curves(game, credits).gain,
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--coalitions", type=int, default=200)
    asked = parser.parse_args()
    model = ts.load(asked.run).model
    files = sorted(asked.pictures.rglob("*.png"))
    some = np.linspace(0, len(files) - 1, asked.rows).astype(int)
    rows = rows_of(model, [str(files[n]) for n in some])
    codes = model.decide(rows, model.predict(rows)).codes()
    typical = model.background
    assert typical is not None
    cuts: tuple[Cut, ...] = get_args(Cut)
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for place, code in enumerate(codes):
        for cut in cuts:
            game = RowGame(model, rows.take(np.array([place])), typical, int(code), cut)
            for method in METHODS:
                told = gains(model, game, method, asked.coalitions)
                found.setdefault((method, cut), []).append(told)
    for method in METHODS:
        each = {cut: np.array(found[method, cut]) for cut in cuts}
        for cut, numbers in each.items():
            means = ", ".join(
                f"{name} {mean:+.3f}" for name, mean in zip(TESTS, numbers.mean(0), strict=False)
            )
            print(f"{method}, {cut}: {means}; {numbers[:, -1].mean():.2f} s", flush=True)
        for place, name in enumerate(TESTS):
            more = of_many(each["superpixels"][:, place] - each["grid"][:, place], seed=0)
            print(
                f"  superpixels more, {name}: {more.gain:+.3f} [{more.low:+.3f}, {more.high:+.3f}]"
            )


if __name__ == "__main__":
    main()
