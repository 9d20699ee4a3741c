"""What the mean of the weights of several fine-tunings is worth, on test rows that chose nothing.

    python benchmarks/soups.py [--rows 1000] [--trials 5] [--seeds 3] [--depth 0.34]

The demo's reviews, recommended or not, fine-tuned from all-MiniLM-L6-v2 with learning rate, dropout
and the like drawn at random. Told are the ROC AUC of the validation rows, of the best trial and of
the soup, and the gain of the soup over that trial on 2,000 other reviews, by a paired bootstrap.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import tunesmith as ts
from tunesmith.core.events import read_journal
from tunesmith.core.space import Log
from tunesmith.data.demo import clothing_reviews
from tunesmith.data.read import read
from tunesmith.evaluate.scores import paired_gain
from tunesmith.learners._folded import open_model
from tunesmith.metrics import get

CARD, TARGET = "all-MiniLM-L6-v2", "recommended"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--depth", type=float, default=0.34)
    asked = parser.parse_args()
    table, test = clothing_reviews(rows=asked.rows * asked.seeds)
    table, test = table[["text", TARGET]], test[["text", TARGET]]
    for seed in range(asked.seeds):
        part = table.iloc[seed * asked.rows : (seed + 1) * asked.rows].reset_index(drop=True)
        with tempfile.TemporaryDirectory() as place:
            told(part, test, Path(place) / "run", seed, asked)


def told(part: object, test: object, run: Path, seed: int, asked: argparse.Namespace) -> None:
    """Fit, and print what the soup gains."""
    pins = {"backbone": CARD, "depth": asked.depth, "pooling": "mean", "head": 0}
    pins |= {"optimizer": "AdamW", "adapter": "Full", "schedule": "linear", "max_length": 64}
    searched = {"lr": Log(5e-5, 3e-4), "batch_size": [16, 32], "epochs": [2, 3]}
    space = {"neural": {**pins, **searched}}
    more = {"learners": ["neural"], "space": space, "search": "random", "metric": "roc_auc"}
    model = ts.fit(part, TARGET, trials=asked.trials, folder=run, seed=seed, stopper="none", **more)
    board = model.leaderboard()
    soups = [row for row in board if row["learner"] == "soup"]
    if not soups:
        notes = [e.facts["text"] for e in read_journal(run / "journal.jsonl") if e.kind == "note"]
        print(f"seed {seed}: {next(note for note in notes if 'no soup' in note)}", flush=True)
        return
    best = next(row for row in board if row["learner"] == "neural")
    rows = read(test, target=TARGET)
    truth = np.array([model.model.classes.index(label) for label in rows.values(TARGET)])
    new, old = (
        open_model(row["learner"], run / "trials" / f"{row['trial']:04d}" / "model").predict(rows)
        for row in (soups[0], best)
    )
    gain, low, high = paired_gain(get("roc_auc"), truth, new, old, level=0.95, resamples=500)
    print(
        f"seed {seed}: validation {soups[0]['score']:.4f} after {best['score']:.4f}; test "
        f"{get('roc_auc').score(truth, new, None):.4f}, {gain:+.4f} [{low:+.4f}, {high:+.4f}]; "
        f"{soups[0]['reason']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
