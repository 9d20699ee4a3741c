"""Slices and drift: what is planted is found, and what is not there is not claimed.

    python benchmarks/slices.py [--part seconds,slices,drift] [--runs 100] [--adult FOLDER]

Tables of 15 columns, texts with words drawn at random, and Adult where its folder is given. Slices:
the share of runs in which a planted one (labels shuffled where a text mentions one word, where a
category has one level, where a number lies in a range, and where two conditions meet) is among the
first three; the share of runs with errors at random in which any is claimed. Drift: the share of
fresh halves of the same data that raise an alarm, and of shifted ones that do. Seconds for 10,000
rows of 15 columns and for 2,000 texts. No model is fitted: errors are drawn, as what is measured is
the looking.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from tunesmith.core.records import Column, Dataset, Kind
from tunesmith.data.read import read
from tunesmith.evaluate.conditions import conditions
from tunesmith.evaluate.drift import distinction, shifts
from tunesmith.evaluate.profile import Profile, codes, seen
from tunesmith.evaluate.properties import properties
from tunesmith.evaluate.slices import Losses, Slices, fewest_rows, find_slices

RATE = 0.15
"""Share of rows that are answered wrongly where nothing is planted."""
HEADS = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "income"),
)


def table(rows: int, seed: int) -> Dataset:
    """Ten numbers and five categories."""
    dice = np.random.default_rng(seed)
    cells = {}
    kinds: dict[str, Kind] = {}
    for place in range(10):
        drawn = dice.normal(size=rows) if place % 2 else dice.integers(0, 90, rows).astype(float)
        cells[f"n{place}"], kinds[f"n{place}"] = drawn, "number"
    levels = np.array(list("abcdefgh"), dtype=object)
    for place in range(5):
        shares = [0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05]
        cells[f"c{place}"], kinds[f"c{place}"] = dice.choice(levels, rows, p=shares), "category"
    return _dataset(cells, kinds)


def texts(rows: int, seed: int) -> Dataset:
    """Five to sixty words each, by Zipf's law."""
    dice = np.random.default_rng(seed)
    words = np.array([f"w{place}" for place in range(3_000)])
    shares = 1 / np.arange(3, len(words) + 3)
    said = [
        " ".join(dice.choice(words, dice.integers(5, 60), p=shares / shares.sum()))
        for _ in range(rows)
    ]
    return _dataset({"text": np.array(said, dtype=object)}, {"text": "text"})


def _dataset(cells: dict[str, np.ndarray], kinds: dict[str, Kind]) -> Dataset:
    columns = tuple(Column(name, kinds[name], "made") for name in cells)
    rows = len(next(iter(cells.values())))
    return Dataset("made", columns, cells, np.arange(rows) + 2)


def shuffled(data: Dataset, bad: np.ndarray, seed: int, rate: float = 0.5) -> np.ndarray:
    """Errors of a model of two classes that is right in 85 of 100 rows, and where labels are
    shuffled in half of them."""
    dice = np.random.default_rng(10_000 + seed)
    return (dice.random(len(data)) < np.where(bad, rate, RATE)).astype(float)


def found(data: Dataset, wrong: np.ndarray, seed: int) -> Slices:
    fewest = fewest_rows(len(data))
    known = conditions(properties(data, data.columns, seed=seed), len(data), fewest)
    return find_slices(known, Losses(wrong, True), data.lines, fewest=fewest, seed=seed)


PLANTED: dict[str, tuple[Callable[[int, int], Dataset], Callable[[Dataset], np.ndarray], str]] = {
    "a word in texts": (
        texts,
        lambda d: np.array(["w30" in text.split() for text in d.values("text")]),
        "'w30'",
    ),
    "a level of a category": (table, lambda d: d.values("c1") == "d", "c1 is d"),
    "a range of a number": (
        table,
        lambda d: (d.values("n0") >= 30) & (d.values("n0") <= 42),
        "n0 ",
    ),
    "a level and a range": (
        table,
        lambda d: (d.values("n0") >= 30) & (d.values("n0") <= 60) & (d.values("c1") == "a"),
        "n0 ",
    ),
}


def slices(runs: int, rows: int) -> None:
    for (name, (make, where, said)), rate in product(PLANTED.items(), (0.5, 0.3)):
        hits, named = 0, ""
        for seed in range(runs):
            data = make(rows, seed)
            each = found(data, shuffled(data, where(data), seed, rate), seed).each[:3]
            hits += any(said in one.name for one in each)
            named = named or (each[0].name if each else "")
        print(
            f"{name:22} error {rate} there: among the first three in {hits} of {runs} runs, such "
            f"as {named!r}"
        )
    for name, make in (("table", table), ("texts", texts)):
        claimed = 0
        for seed in range(runs):
            data = make(rows, seed)
            nothing = np.zeros(rows, dtype=bool)
            claimed += bool(found(data, shuffled(data, nothing, seed), seed).each)
        print(f"errors at random, {name:6} claimed in {claimed} of {runs} runs")


def alarm(old: Dataset, new: Dataset, seed: int) -> tuple[bool, bool]:
    """Whether a property drifted, and whether rows can be told apart."""
    profile = Profile.of(old, old.columns, None, seed=seed)
    told = {(one.column, one.about): one for one in seen(new, new.columns, seed)}
    each = shifts(profile.each, told)
    coded = codes(profile.each, tuple(told[one.column, one.about] for one in profile.each))
    apart = distinction(profile.sample, coded, "columns", seed=seed)
    return any(one.drifted for one in each), apart is not None and apart.distinct


def drift(name: str, whole: Callable[[int], Dataset], runs: int, shift: str) -> None:
    alarms, single, together = 0, 0, 0
    for seed in range(runs):
        data = whole(seed)
        order = np.random.default_rng(seed).permutation(len(data))
        old, new = data.take(order[: len(order) // 2]), data.take(order[len(order) // 2 :])
        alarms += any(alarm(old, new, seed))
        moved = new.values(shift).copy()
        if moved.dtype == object:
            some = np.random.default_rng(seed).random(len(moved)) < 0.25
            moved[some] = [f"{cell} refund" for cell in moved[some]]
        else:
            moved = moved + 0.5 * np.nanstd(moved)
        changed = Dataset(new.source, new.columns, {**new.cells, shift: moved}, new.lines)
        seen_in = alarm(old, changed, seed)
        single, together = single + seen_in[0], together + seen_in[1]
    print(
        f"{name:8} alarm on fresh halves in {alarms} of {runs} runs; {shift!r} changed: a column "
        f"drifts in {single}, rows can be told apart in {together}"
    )


def seconds(rows: int, make: Callable[[int, int], Dataset]) -> tuple[float, float]:
    data = make(rows, 0)
    wrong = shuffled(data, np.zeros(rows, dtype=bool), 0)
    began = time.perf_counter()
    found(data, wrong, 0)
    middle = time.perf_counter()
    alarm(data, data, 0)
    return middle - began, time.perf_counter() - middle


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--runs", type=int, default=100)
    asked.add_argument("--rows", type=int, default=2_000)
    asked.add_argument("--adult", type=Path)
    asked.add_argument("--part", default="seconds,slices,drift")
    options = asked.parse_args()
    parts = options.part.split(",")
    if "seconds" in parts:
        tell_seconds()
    if "slices" in parts:
        slices(options.runs, options.rows)
    if "drift" in parts:
        drift("table", lambda seed: table(2_000, seed), options.runs, "n1")
        drift("texts", lambda seed: texts(1_000, seed), options.runs, "text")
    if "drift" in parts and options.adult is not None:
        frame = pd.read_csv(options.adult / "train.csv", names=HEADS, skipinitialspace=True)
        adult = read(frame.drop(columns="income"))

        def some(seed: int) -> Dataset:
            return adult.take(np.random.default_rng(seed).permutation(len(adult))[:4_000])

        drift("Adult", some, options.runs, "age")


def tell_seconds() -> None:
    for name, rows, make in (
        ("10,000 rows of 15 columns", 10_000, table),
        ("2,000 texts", 2_000, texts),
    ):
        took = seconds(rows, make)
        print(f"{name}: slices {took[0]:.1f} s, profile and check {took[1]:.1f} s")


if __name__ == "__main__":
    main()
