"""Does the deadline hold? A hundred fits with a limit of 20 s, on different data: the whole command
from its start to its end.

    python benchmarks/deadlines.py FOLDER_OF_DATA [--fits 100] [--budget 20] [--at-once 1]
        [--keep FILE] [--most-seconds 300]

FOLDER_OF_DATA holds banking77, adult and german_credit as for the other benchmarks; more comes with
scikit-learn and the wheel of the demo, and two are made up. Data sets differ in task, rows (30 to
100,000), columns, length of texts, classes and missing cells; once all were used they come again
with other rows.
With `--at-once 2` two fits run side by side, each on a core of its own, which is harder. FILE keeps
what was run, so that it can go on; `--most-seconds` ends it for now.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn.datasets
from reviews import clothing

PATIENT_SECONDS = 100.0
Make = Callable[[np.random.Generator], tuple[pd.DataFrame, str]]


def _of_sklearn(name: str) -> Make:
    def make(dice: np.random.Generator) -> tuple[pd.DataFrame, str]:
        table = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
        return table.sample(frac=0.9, random_state=int(dice.integers(2**31))), "target"

    return make


def _drawn(table: Callable[[], pd.DataFrame], target: str, rows: int) -> Make:
    def make(dice: np.random.Generator) -> tuple[pd.DataFrame, str]:
        whole = table()
        count = min(rows, len(whole))
        return whole.iloc[dice.permutation(len(whole))[:count]], target

    return make


def _holed(make: Make, share: float) -> Make:
    """The same with a share of the cells of every input missing."""

    def holed(dice: np.random.Generator) -> tuple[pd.DataFrame, str]:
        table, target = make(dice)
        table = table.astype(object).reset_index(drop=True)
        for name in table.columns.drop(target):
            table.loc[dice.random(len(table)) < share, name] = None
        return table, target

    return holed


def _joined(rows: int, times: int) -> Make:
    """Long texts: several reviews in one."""

    def make(dice: np.random.Generator) -> tuple[pd.DataFrame, str]:
        found = clothing()
        picked = [
            found["text"].to_numpy()[dice.permutation(len(found))[:rows]] for _ in range(times)
        ]
        ratings = found["Rating"].to_numpy()[dice.permutation(len(found))[:rows]]
        return pd.DataFrame({"text": map(" ".join, zip(*picked, strict=True)), "stars": ratings}), (
            "stars"
        )

    return make


def _wide(rows: int, columns: int) -> Make:
    def make(dice: np.random.Generator) -> tuple[pd.DataFrame, str]:
        table = pd.DataFrame(dice.normal(size=(rows, columns))).add_prefix("x")
        table["y"] = np.where(table["x0"] + dice.normal(size=rows) > 0, "yes", "no")
        return table, "y"

    return make


def makers(folder: Path) -> Iterator[tuple[str, Make]]:
    """Data sets by name; each draws other rows for another seed."""

    def banking() -> pd.DataFrame:
        return pd.read_csv(folder / "banking77" / "train.csv")

    def adult() -> pd.DataFrame:
        return pd.read_csv(folder / "adult" / "train.csv", header=None).add_prefix("a")

    def credit() -> pd.DataFrame:
        return pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("c")

    def rated() -> pd.DataFrame:
        return clothing()[["text", "Rating"]]

    def recommended() -> pd.DataFrame:
        found = clothing().rename(columns={"Recommended IND": "recommended"})
        return found[["text", "Age", "Department Name", "recommended"]]

    income = adult().columns[-1]
    for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
        yield name, _of_sklearn(name)

    def few_intents() -> pd.DataFrame:
        whole = banking()
        return whole[whole["category"].isin(sorted(whole["category"].unique())[:8])]

    yield "banking, 8 intents, 60 rows", _drawn(few_intents, "category", 60)
    for rows in (300, 2000, 10_003):
        yield f"banking, {rows:,} rows", _drawn(banking, "category", rows)
    for rows in (30, 200, 1000, 4000, 22_000):
        yield f"clothing recommended, {rows:,} rows", _drawn(recommended, "recommended", rows)
    for rows in (500, 5000):
        yield (
            f"clothing stars as a number, {rows:,} rows",
            _drawn(lambda: rated().assign(Rating=lambda t: t["Rating"] + 0.5), "Rating", rows),
        )
    yield "clothing, a fifth missing", _holed(_drawn(recommended, "recommended", 3000), 0.2)
    for rows in (100, 3000, 10_000):
        yield f"adult, {rows:,} rows", _drawn(adult, income, rows)
    yield "adult, a third missing", _holed(_drawn(adult, income, 5000), 0.33)
    yield "credit", _drawn(credit, "c20", 1000)
    yield "long texts", _joined(1000, 12)
    yield "very long texts", _joined(4000, 30)
    yield "wide", _wide(2000, 400)
    yield "many numbers", _wide(100_000, 20)


def fits(folder: Path, count: int) -> Iterator[tuple[str, Make, int]]:
    every = list(makers(folder))
    for number in range(count):
        name, make = every[number % len(every)]
        yield f"{name}, draw {number // len(every)}", make, number


def one(name: str, make: Make, number: int, budget: float, core: int | None) -> dict:
    """Seconds of the whole command, its status, and what it says of itself."""
    with tempfile.TemporaryDirectory() as made:
        table, target = make(np.random.default_rng(number))
        data = Path(made) / "data.csv"
        table.to_csv(data, index=False)
        run = Path(made) / "run"
        command = [sys.executable, "-m", "tunesmith", "fit", str(data), "--target", target]
        command += ["--budget", f"{budget:g}s", "--folder", str(run), "--json", "--offline"]
        command += ["--seed", str(number)]
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        began = time.monotonic()
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PATIENT_SECONDS,
                env={**os.environ, "TUNESMITH_STORE": str(Path(made) / "store")},
            )
            status, told = done.returncode, done.stderr
        except subprocess.TimeoutExpired:
            status, told = -1, f"did not end within {PATIENT_SECONDS:.0f} s"
        seconds = time.monotonic() - began
        record = {"name": name, "number": number, "seconds": round(seconds, 2), "status": status}
        if status:
            return {**record, "error": told[-800:]}
        facts = json.loads(done.stdout.strip().splitlines()[-1])
        last = [line for line in told.splitlines() if "stage:" in line][-4:]
        return {**record, "trials": facts["trials"], "score": facts["score"], "stages": last}


def tell(records: list[dict], budget: float) -> None:
    ended = sorted(records, key=lambda row: -row["seconds"])
    print(f"{len(records)} fits; the slowest:")
    for row in ended[:10]:
        trials = row.get("trials", "-")
        print(f"{row['seconds']:7.2f} s  status {row['status']}  {trials} trials  {row['name']}")
    for row in records:
        if row["status"]:
            print(f"FAILED: {row['name']}: {row['error'][-300:]}")
    over = sum(row["seconds"] > 1.1 * budget for row in records)
    seconds = [row["seconds"] for row in records]
    print(f"median {np.median(seconds):.1f} s; beyond {1.1 * budget:g} s: {over}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--fits", type=int, default=100)
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--at-once", type=int, default=1, choices=(1, 2))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--most-seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    records: list[dict] = []
    if asked.keep and asked.keep.exists():
        records = [json.loads(line) for line in asked.keep.read_text().splitlines()]
    done = {row["number"] for row in records}
    left = [fit for fit in fits(asked.data, asked.fits) if fit[2] not in done]
    began = time.monotonic()
    cores = [None] if asked.at_once == 1 else sorted(os.sched_getaffinity(0))[:2]

    def by(core: int | None) -> None:
        while left and time.monotonic() - began < asked.most_seconds - asked.budget:
            name, make, number = left.pop(0)
            found = one(name, make, number, asked.budget, core)
            records.append(found)
            if asked.keep:
                with asked.keep.open("a") as file:
                    file.write(json.dumps(found) + "\n")

    with ThreadPoolExecutor(len(cores)) as pool:
        list(pool.map(by, cores))
    tell(records, asked.budget)


if __name__ == "__main__":
    main()
