"""Does the scout's ranking foretell fine-tuned test accuracy? Text backbones and a control with
random weights, over several data sets: the weighted Kendall tau of the scout's order, and of "sort
by known quality", against the accuracy of each backbone fine-tuned; and the scout's share of the
cost of those fits.

    python benchmarks/scout.py FOLDER_OF_DATA [--rows 400] [--test 600] [--only NAME ...]
    python benchmarks/scout.py FOLDER_OF_DATA --costs 1000 2000

With `--costs` the scout alone runs, on so many training rows, and the fits that it spares are
forecast by what it measured, which the first form compares with fits that were run.

FOLDER_OF_DATA holds banking77/train.csv, adult/train.csv and german_credit/german.csv. Fine-tuning:
the best by validation of a probe and of the top third of the blocks, all on the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
from reviews import clothing as all_clothing
from scipy.stats import weightedtau

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Watch
from tunesmith.core.records import Card, Problem
from tunesmith.core.space import default
from tunesmith.data.read import read
from tunesmith.learners import learners
from tunesmith.metrics import get
from tunesmith.nn.costs import Costs, measure
from tunesmith.nn.shards import Store, using
from tunesmith.pipeline.frame import frame
from tunesmith.scouting.halving import Halving
from tunesmith.scouting.scout import Scouted, scout
from tunesmith.zoo import encoders, weights
from tunesmith.zoo.backbones import backbone, blocks_of

BACKBONES = (
    "paraphrase-MiniLM-L3-v2",
    "all-MiniLM-L6-v2",
    "multilingual-e5-small",
    "SmolLM2-135M",
    "all-mpnet-base-v2",
)
LENGTH, DEPTH, EPOCHS = 64, 0.34, 3
RECIPES = (
    ("probe", {"max_length": LENGTH}),
    ("neural", {"max_length": LENGTH, "depth": DEPTH, "epochs": EPOCHS, "patience": EPOCHS}),
)


def control(folder: Path) -> str:
    """MiniLM-L6 with random weights."""
    from safetensors.torch import save_file

    source = zoo.folder("all-MiniLM-L6-v2")
    encoder = encoders.from_config(encoders.read_config(source))
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    save_file(weights.tensors(encoder), folder / "model.safetensors")
    return str(folder)


def _as_text(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of a table in words."""
    inputs = [name for name in table.columns if name != target]
    texts = [", ".join(f"{n}: {row[n]}" for n in inputs) for _, row in table.iterrows()]
    return pd.DataFrame({"text": texts, "label": table[target].astype(str).to_numpy()})


def data_sets(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Tables of text and label."""
    dice = np.random.default_rng(0)
    banking = pd.read_csv(folder / "banking77" / "train.csv")
    banking.columns = ["text", "label"]
    intents = dice.permutation(sorted(banking["label"].unique()))
    yield "banking, 12 intents", banking[banking["label"].isin(intents[:12])]
    yield "banking, 30 intents", banking[banking["label"].isin(intents[12:42])]
    clothing = all_clothing()
    rated = clothing[clothing["Rating"] != 3]
    rated = rated.assign(label=np.where(rated["Rating"] > 3, "good", "bad"))
    yield "clothing, good or bad", rated.groupby("label").head(2000)[["text", "label"]]
    named = clothing.rename(columns={"Department Name": "label"}).dropna(subset=["label"])
    yield "clothing, department", named[named["label"] != "Trend"][["text", "label"]]
    recommended = clothing.assign(label=np.where(clothing["Recommended IND"] == 1, "yes", "no"))
    yield "clothing, recommended", recommended.groupby("label").head(3000)[["text", "label"]]
    adult = pd.read_csv(folder / "adult" / "train.csv", nrows=6000)
    yield "adult, in words", _as_text(adult, adult.columns[-1])
    credit = pd.read_csv(folder / "german_credit" / "german.csv", header=None)
    credit.columns = [f"attribute {number}" for number in range(1, len(credit.columns) + 1)]
    yield "german credit, in words", _as_text(credit, credit.columns[-1])


def fine_tuned(problem, backbone: str) -> tuple[float, float]:
    """Test accuracy of the recipe that validates best, and the seconds of all of them."""
    metric, began, found = get("accuracy"), time.perf_counter(), []
    for learner, pins in RECIPES:
        watch = Watch(Clock(), lambda score, progress: True, depths=(DEPTH,))
        config = default(learners[learner].config, {**pins, "backbone": backbone})
        fitted = learners[learner].fit(problem, config, 0, watch)
        valid, test = (
            metric.score(problem.truth(part), fitted.predict(problem.part(part)), None)
            for part in ("valid", "test")
        )
        found.append((valid, test))
    return max(found)[1], time.perf_counter() - began


def forecast(cost: Costs, problem, name: str, length: int = LENGTH) -> float:
    """Seconds of the recipes by the costs that the scout measured: every row read once, the rest
    from the store, texts cut to that length, as the recipes cut them."""
    rows = {part: len(problem.parts[part]) for part in ("train", "valid", "test")}
    trained = blocks_of(DEPTH, cost.blocks)
    told = cost.read_seconds(sum(rows.values()))
    told += EPOCHS * rows["train"] * trained * cost.train_block_seconds
    looks = (1 + EPOCHS) * rows["valid"] + rows["test"]
    told += cost.read_seconds(looks, start=cost.blocks - trained)
    texts = list(problem.part("train").values("text"))
    long, short = (sum(map(len, backbone(name).ids(texts, most))) for most in (128, length))
    return told * short / long


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=Path, help="A file of results to add to.")
    parser.add_argument("--costs", type=int, nargs="+", default=[])
    asked = parser.parse_args()
    if asked.costs:
        tell_costs(asked.folder, asked.costs, asked.only)
        return
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "control").mkdir()
        random = control(place / "control")
        records = json.loads(asked.keep.read_text()) if asked.keep and asked.keep.exists() else {}
        for name, table in data_sets(asked.folder):
            if (asked.only and name not in asked.only) or name in records:
                continue
            records[name] = one(name, table, random, place, asked.rows, asked.test)
            if asked.keep:
                asked.keep.write_text(json.dumps(records))
        show(records)


def tell_costs(folder: Path, sizes: list[int], only: list[str] | None) -> None:
    """The scout's seconds as a share of those of the fits that it spares, by training rows."""
    cards = [zoo.card_for(one) for one in BACKBONES]
    shares: dict[tuple[int, int], list[float]] = {}
    for name, table in data_sets(folder):
        for rows in sizes if not only or name in only else ():
            if len(table) < rows * 5 // 3:
                print(f"{name}: has no {rows:,} training rows with others beside them")
                continue
            problem = framed(table, rows, rows // 3)
            with tempfile.TemporaryDirectory() as made:
                found, spent = scouted(problem, cards, Path(made), rows)
            for length in (LENGTH, 128):  # that of the fits that were run, and what `fit` cuts to
                spared = sum(
                    forecast(found.costs.get(one) or costs_of(one, problem), problem, one, length)
                    for one in BACKBONES
                    if one != found.ranking.order[0]
                )
                shares.setdefault((rows, length), []).append(spent / spared)
                print(
                    f"{name}, {rows:,} rows of {length} tokens: read {found.ranking.rows}, "
                    f"{spent:.1f} s of {spared:.0f} s spared: {spent / spared:.1%}",
                    flush=True,
                )
    for (rows, length), told in shares.items():
        mean = np.mean(told)
        print(f"{rows:,} rows, {length} tokens: mean {mean:.1%} of {len(told)} data sets")


def costs_of(name: str, problem: Problem) -> Costs:
    """Of one that the scout passed over, and whose fit it spared too."""
    base = backbone(name)
    return measure(base.encoder, base.ids(list(problem.part("train").values("text"))[:256], 128))


def framed(table: pd.DataFrame, rows: int, test: int) -> Problem:
    """So many training rows, a third as many to select by, and others."""
    dice = np.random.default_rng(1)
    valid = rows // 3
    chosen = dice.permutation(len(table))[: rows + valid + test]
    part = table.iloc[chosen].reset_index(drop=True)
    part["split"] = ["train"] * rows + ["valid"] * valid + ["test"] * (len(part) - rows - valid)
    data = read(part, kinds={"text": "text"})
    return frame(data, "label", split="split", metric="accuracy", seed=0)


def scouted(problem: Problem, cards: list[Card], place: Path, rows: int) -> tuple[Scouted, float]:
    """What the scout finds, and its seconds, with a store of its own."""
    with using(Store(place, 2**34)):
        backbone(BACKBONES[0])  # torch is imported: whoever fits pays for that anyway
        began = time.perf_counter()
        found = scout(
            list(problem.part("train").values("text")),
            problem.truth("train"),
            cards,
            clock=Clock(),
            seed=0,
            settings=Halving(most_rows=rows),
            rows=len(problem.data),
        )
        return found, time.perf_counter() - began


def one(name: str, table: pd.DataFrame, random: str, place: Path, rows: int, test: int) -> dict:
    problem = framed(table, rows, test)
    cards = [zoo.card_for(one) for one in (*BACKBONES, random)]
    cards[-1] = replace(cards[-1], quality=0.0)
    found, spent = scouted(problem, cards, place / f"scout-{name}", rows)
    scores = {s.backbone: s.score for r in found.ranking.rounds for s in r.standings}
    order = list(found.ranking.order)
    truth, seconds = {}, {}
    with using(Store(place / f"fits-{name}", 2**34)):
        for card in cards:
            truth[card.name], seconds[card.name] = fine_tuned(problem, card.name)
    names = [card.name for card in cards]
    places = [-order.index(n) if n in order else -len(names) for n in names]
    told = [truth[n] for n in names]
    record = {
        "scout": float(weightedtau(places, told).statistic),
        "quality": float(weightedtau([card.quality for card in cards], told).statistic),
        "picked": "control" if order[0] == random else order[0],
        "regret": max(told) - truth[order[0]],
        "cost": spent / sum(v for n, v in seconds.items() if n != order[0]),
        "scores": [scores.get(n) for n in names],
        "accuracy": told,
        "seconds": [spent, *seconds.values()],
        "rows": found.ranking.rows,
        "forecast": [
            forecast(found.costs[name], problem, name) / seconds[name]
            for name in names
            if name in found.costs
        ],
    }
    print(name, json.dumps(record), flush=True)
    return record


def show(records: dict) -> None:
    for what in ("scout", "quality", "regret", "cost"):
        print(f"{what}: mean {np.mean([one[what] for one in records.values()]):.3f}")
    off = [abs(np.log(ratio)) for one in records.values() for ratio in one.get("forecast", ())]
    print(f"forecasts of the fits' seconds: off by {np.expm1(np.median(off)):.0%} in the median")
    picked = sum(one["picked"] == "control" for one in records.values())
    print(f"data sets: {len(records)}; control picked: {picked} times")


if __name__ == "__main__":
    main()
