"""What an explanation of a table costs, adds up to and finds.

    python benchmarks/explain_tables.py FOLDER_OF_DATA [cost peer planted] [--rows 30]
        [--tables german adult] [--only lightgbm xgboost catboost forest blend] [--folds N]

FOLDER_OF_DATA holds adult/ and german_credit/. Of each table 70 % of the rows (of Adult 7,000) are
fitted by each learner of trees, and by a blend of several kinds (one minute). The explainer `tree`
then explains other rows, one at a time, in one process whose model and packages are loaded; beside
it permutation SHAP over the same game. Then a column is planted that tells the label in four of ten
rows and says nothing in the others: how often is it the first reason where it tells, and is it
first in the model as a whole?
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from table_fits import adult, german

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.explain import explainers
from tunesmith.explain.game import RowGame
from tunesmith.predictor.rows import rows_of

SINGLE = ("lightgbm", "xgboost", "catboost", "forest")
BLEND_SECONDS = 60
METHODS = {"cost": "tree", "peer": "permutation-shap"}


def tables(folder: Path) -> dict[str, tuple[pd.DataFrame, str]]:
    few = adult(folder, "train").sample(10_000, random_state=0).reset_index(drop=True)
    return {"german": (german(folder), "class"), "adult": (few, "income")}


def fitted(
    table: pd.DataFrame, target: str, kind: str, place: str, folds: int | None
) -> ts.Predictor:
    run = Path(place) / "run"
    shared = {"folder": run, "folds": folds, "offline": True, "interpretable": False}
    if kind in SINGLE:
        return ts.fit(table, target, trials=1, learners=[kind], **shared)
    return ts.fit(table, target, budget=BLEND_SECONDS, learners=[*SINGLE, "linear"], **shared)


def timed(model: ts.Predictor, rest: pd.DataFrame, count: int, name: str) -> dict[str, float]:
    """Seconds a row and the largest error of the sum, over so many rows after the first."""
    explainer, background = explainers[name], model.model.background
    assert background is not None
    rows = rows_of(model.model, rest)
    took, worked, errors = [], [], []
    for place in range(count + 1):
        began, before = time.perf_counter(), time.process_time()
        game = RowGame(model.model, rows.take(np.array([place])), background, 1)
        most = explainer.evaluations(game)
        found = explainer.explain(game, seed=0, clock=Clock(), evaluations=most)
        took.append(time.perf_counter() - began)
        worked.append(time.process_time() - before)
        errors.append(abs((found.base or 0.0) + found.credits.sum() - game.answer()))
    return {
        "median_s": float(np.median(took[1:])),
        "worst_s": float(np.max(took[1:])),
        "processor_s": float(np.median(worked[1:])),
        "first_s": took[0],
        "error": float(np.max(errors)),
    }


def told(model: ts.Predictor, rest: pd.DataFrame, count: int, name: str) -> str:
    members = [row["learner"] for row in model.model.facts["members"]]
    found = timed(model, rest, count, name)
    each = ", ".join(f"{key} {value:.3g}" for key, value in found.items())
    return f"by {name}, of {', '.join(members)}: {each}"


def planted(table: pd.DataFrame, target: str, kind: str, count: int, folds: int | None) -> str:
    """How often a column that tells the label of some rows is found where it does."""
    dice = np.random.default_rng(0)
    tells = dice.random(len(table)) < 0.4
    words = np.where(tells, "c" + table[target].astype("category").cat.codes.astype(str), "none")
    with_leak = table.assign(leak=words)
    order = dice.permutation(len(table))
    train, rest = order[: int(0.7 * len(table))], order[int(0.7 * len(table)) :]
    with tempfile.TemporaryDirectory() as place:
        model = fitted(with_leak.iloc[train].reset_index(drop=True), target, kind, place, folds)
        typical = model.model.background
        assert typical is not None
        affected = with_leak.iloc[rest[tells[rest]]].head(count)
        rows, tree, first = rows_of(model.model, affected), explainers["tree"], 0
        for place_of in range(len(rows)):
            game = RowGame(model.model, rows.take(np.array([place_of])), typical, 1)
            most = tree.evaluations(game)
            found = tree.explain(game, seed=0, clock=Clock(), evaluations=most)
            first += game.pieces[int(np.abs(found.credits).argmax())].column == "leak"
        began = time.perf_counter()
        whole = model.explain_global(with_leak.iloc[rest], explainer="tree")
        took = time.perf_counter() - began
    top = whole.importance["column"][0]
    assert whole.credits is not None
    return (
        f"{kind}: leak first in {first} of {len(rows)} rows; as a whole first: {top} (shuffled), "
        f"{whole.credits['column'][0]} (credits), in {took:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", nargs="*", default=["cost", "peer", "planted"])
    parser.add_argument("--folds", type=int)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--tables", nargs="*", default=["german", "adult"])
    parser.add_argument("--only", nargs="*", default=[*SINGLE, "blend"])
    asked = parser.parse_args()
    known = tables(asked.folder)
    for name in asked.tables:
        table, target = known[name]
        order = np.random.default_rng(0).permutation(len(table))
        cut = int(0.7 * len(table))
        train = table.iloc[order[:cut]].reset_index(drop=True)
        rest = table.iloc[order[cut:]].drop(columns=target)
        for kind in asked.only:
            names = [METHODS[what] for what in asked.what if what in METHODS]
            if names:
                with tempfile.TemporaryDirectory() as place:
                    model = fitted(train, target, kind, place, asked.folds)
                    for way in names:
                        print(name, kind, told(model, rest, asked.rows, way), flush=True)
            if "planted" in asked.what:
                print(name, planted(table, target, kind, 200, asked.folds), flush=True)


if __name__ == "__main__":
    main()
