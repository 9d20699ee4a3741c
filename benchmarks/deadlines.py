"""Does the deadline hold? A hundred fits with a limit of 20 s, on different data: the whole command
from its start to its end.

    python benchmarks/deadlines.py FOLDER_OF_DATA [--fits 100] [--budget 20] [--at-once 1]
        [--keep FILE] [--most-seconds 300]

FOLDER_OF_DATA as `_hundred.py` says, which has the data sets. They differ in task, rows (30 to
145,751), columns (1 to 2,000), length and language of texts, classes, missing cells and form.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from _hundred import Case, hundred

PATIENT_SECONDS = 100.0


def fits(folder: Path, count: int) -> Iterator[tuple[str, Case, int]]:
    """Name, data set and number; once all were used they come again with other rows."""
    every = list(hundred(folder))
    for number in range(count):
        case, draw = every[number % len(every)], number // len(every)
        yield f"{case.name}{f', draw {draw}' if draw else ''}", case, number


def written(table: pd.DataFrame, folder: Path, form: str) -> Path:
    data = folder / f"data.{form}"
    if form == "jsonl":
        table.to_json(data, orient="records", lines=True)
    elif form == "xlsx":
        table.to_excel(data, index=False)
    else:
        getattr(table, f"to_{form}")(data, index=False)
    return data


def one(name: str, case: Case, number: int, budget: float, core: int | None) -> dict:
    """Seconds of the whole command, its status, and what it says of itself."""
    with tempfile.TemporaryDirectory() as made:
        table, target = case.make(np.random.default_rng(number))
        data = written(table, Path(made), case.form)
        run = Path(made) / "run"
        command = [sys.executable, "-m", "tunesmith", "fit", str(data), "--target", target]
        command += ["--budget", f"{budget:g}s", "--folder", str(run), "--json", "--offline"]
        command += ["--seed", str(number), *case.options]
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
            name, case, number = left.pop(0)
            found = one(name, case, number, asked.budget, core)
            records.append(found)
            if asked.keep:
                with asked.keep.open("a") as file:
                    file.write(json.dumps(found) + "\n")

    with ThreadPoolExecutor(len(cores)) as pool:
        list(pool.map(by, cores))
    tell(records, asked.budget)


if __name__ == "__main__":
    main()
