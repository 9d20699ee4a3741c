"""Whether explanations are true of the model, how long they take, and whether a planted reason is
found.

    python benchmarks/explaining.py FOLDER_OF_DATA [--pictures FOLDER] [--seconds 45] [--rows 20]
        [--only texts table pictures ten mixed] [--pieces superpixels grid]

Five fits of so many seconds each: clothing reviews, German credit (from FOLDER_OF_DATA), Fashion-
MNIST twice (FOLDER holds its four .gz files), and reviews beside age and department. In each a
reason is planted that tells one class: a word added, a column that leaks, a white corner of one of
two classes of pictures that are hard to tell apart (coats and pullovers), or of shirts, the hardest
of ten classes; in the mixed rows the word. Rows of pictures are explained by each way to cut them.
Told are, for rows that nobody has learned from: the method that `auto` takes, the seconds of a row
alone and of one of several (with the model in memory), its
gain over a random order with the 95 % interval over rows, by how much credits and base miss the
answer for each additive method, and on how many rows of the planted class the planted reason comes
first.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from pictures_learning import fashion, written
from table_fits import german

import tunesmith as ts
from tunesmith.core.errors import ConfigError
from tunesmith.core.explanations import RowExplanation
from tunesmith.data.demo import clothing_reviews
from tunesmith.explain import explainers

WORD = "frankly"
LEAK = "leak"
TWO_ALIKE = ("coat", "pullover")
"""Hard to tell apart, so that the corner is the better reason for the first."""
HARDEST = "shirt"
"""Of the ten: what looks like four others is known by the corner."""
CORNER, SIDE = 4, 28
"""Pixels, of so many: a rectangle of the grid."""
COVERED = 0.5
"""Of what the first piece or the corner cover the share that both must, for the corner to count as
found."""


@dataclass(frozen=True)
class Planted:
    """What is fitted, what is explained, and what the first reason must be."""

    train: object
    test: object
    target: str
    affected: np.ndarray
    is_found: Callable[[RowExplanation], bool]


def _with_word(table: pd.DataFrame, dice: np.random.Generator) -> pd.DataFrame:
    table = table.copy()
    for row in np.flatnonzero(table["recommended"] == "no"):
        words = str(table["text"].iloc[row]).split()
        words.insert(int(dice.integers(len(words) + 1)), WORD)
        table.loc[table.index[row], "text"] = " ".join(words)
    return table


def texts(folder: Path, pictures: Path | None, place: Path, columns: list[str]) -> Planted:
    table, _ = clothing_reviews(rows=2_000)
    table = _with_word(table[[*columns, "recommended"]], np.random.default_rng(0))
    train, test = table[:1_500], table[1_500:].reset_index(drop=True)

    def is_found(row: RowExplanation) -> bool:
        return row.top(1)[0][0].text.strip(".,!").lower() == WORD

    affected = np.flatnonzero(test["recommended"] == "no")
    return Planted(train, test, "recommended", affected, is_found)


def table(folder: Path, pictures: Path | None, place: Path) -> Planted:
    rows, dice = german(folder), np.random.default_rng(0)
    bad = rows["class"] == "bad"
    rows[LEAK] = np.where(bad, 3.0, 0.0) + dice.normal(0, 0.3, len(rows))
    rows = rows.sample(frac=1, random_state=0)
    train, test = rows[:700], rows[700:].reset_index(drop=True)

    def is_found(row: RowExplanation) -> bool:
        return next(iter(row.by_column())) == LEAK

    affected = np.flatnonzero(test["class"] == "bad")
    return Planted(train, test, "class", affected, is_found)


def bright(
    folder: Path, pictures: Path | None, place: Path, one: str, others: tuple[str, ...] = ()
) -> Planted:
    """One class with a white corner among some, or among all where none are named."""
    if pictures is None:
        raise SystemExit("Say where Fashion-MNIST lies: --pictures FOLDER")
    for part, count in (("train", 4_000), ("t10k", 1_500)):
        pixels, names = fashion(pictures, part, count)
        kept = np.isin(names, (one, *others) if others else names)
        pixels, labels = pixels[kept].copy(), list(np.array(names)[kept])
        pixels[np.array(labels) == one, :CORNER, :CORNER] = 255
        (place / part).mkdir()
        written((pixels, labels), place / part)
    files = sorted((place / "t10k").rglob("*.png"))
    affected = np.array([n for n, file in enumerate(files) if file.parent.name == one])

    def is_found(row: RowExplanation) -> bool:
        piece = row.top(1)[0][0].mask(SIDE, SIDE)
        corner = np.zeros_like(piece)
        corner[:CORNER, :CORNER] = True
        return bool((piece & corner).sum() >= COVERED * (piece | corner).sum())

    return Planted(place / "train", files, "label", affected, is_found)


MAKERS: dict[str, Callable[[Path, Path | None, Path], Planted]] = {
    "texts": lambda *asked: texts(*asked, ["text"]),
    "table": table,
    "pictures": lambda *asked: bright(*asked, TWO_ALIKE[0], TWO_ALIKE[1:]),
    "ten": lambda *asked: bright(*asked, HARDEST),
    "mixed": lambda *asked: texts(*asked, ["text", "age", "department"]),
}


def some(planted: Planted, places: np.ndarray) -> object:
    test = planted.test
    return test.iloc[places] if isinstance(test, pd.DataFrame) else [test[n] for n in places]  # type: ignore[index]


def fitted(
    name: str, planted: Planted, seconds: float, rows: int, pieces: list[str], place: Path
) -> None:
    model = ts.fit(
        planted.train, planted.target, budget=seconds, folder=place / "run", offline=True
    )
    best = model.summary["best"]
    print(f"== {name}: {best['learner']}, {best['members']} members", flush=True)
    model.explain(some(planted, planted.affected[:1]))  # packages are imported
    for way in pieces if name in ("pictures", "ten") else ["auto"]:
        told(model, planted, planted.affected[:rows], way)


def told(model: ts.Predictor, planted: Planted, places: np.ndarray, pieces: str) -> None:
    one = some(planted, places[:1])
    began = time.monotonic()
    model.explain(one, pieces=pieces)
    single = time.monotonic() - began
    began = time.monotonic()
    found = model.explain(some(planted, places), pieces=pieces)
    each = (time.monotonic() - began) / len(places)
    first = np.mean([planted.is_found(row) for row in found.rows])
    print(
        f"{pieces}: auto takes {found[0].method}; a row alone {single:.2f} s, one of {len(places)} "
        f"{each:.2f} s; over {len(places)} rows {found.faithfulness.told()}; the planted reason is "
        f"first on {first:.0%}",
        flush=True,
    )
    for method in (*explainers,):
        try:
            began = time.monotonic()
            short = model.explain(some(planted, places[:5]), method, pieces=pieces)
        except ConfigError as error:
            print(f"  {method}: {str(error)[:100]}")
            continue
        took = (time.monotonic() - began) / len(short)
        misses = [
            abs(row.value - row.base - row.credits.sum())
            for row in short.rows
            if row.is_additive and row.base is not None
        ]
        sums = f", misses the answer by at most {max(misses):.1e}" if misses else ""
        hits = np.mean([planted.is_found(row) for row in short.rows])
        gain = short.faithfulness.gain
        print(
            f"  {method}: {took:.2f} s a row, gain {gain:+.3f}, first on {hits:.0%}{sums}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--pieces", nargs="*", default=["superpixels", "grid"])
    parser.add_argument("--only", nargs="*", default=list(MAKERS), choices=list(MAKERS))
    asked = parser.parse_args()
    for name in asked.only:
        with tempfile.TemporaryDirectory() as made:
            place = Path(made)
            planted = MAKERS[name](asked.folder, asked.pictures, place)
            fitted(name, planted, asked.seconds, asked.rows, asked.pieces, place)


if __name__ == "__main__":
    main()
