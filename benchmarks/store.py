"""What the activation store spares on a checkpoint and reviews of clothing, in turn in one process:
rows a second of training the top block and a head from the store, with the frozen part run again,
and of all blocks; the cost of filling it over a bare forward pass; the speed of reading back.

    python benchmarks/store.py [--rows 1024] [--rounds 5] [--tokens 64] [--card all-MiniLM-L6-v2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from _reviews import BATCH, CARD, reviews, usual

from tunesmith.core.seeds import generator
from tunesmith.learners._course import above_copied
from tunesmith.nn import activations, devices
from tunesmith.nn.batches import Rows, by_length, collate
from tunesmith.nn.loop import train
from tunesmith.nn.network import Network
from tunesmith.nn.optim import AdamW, groups
from tunesmith.nn.shards import Store, using
from tunesmith.zoo.backbones import backbone


def network_of(card: str, trained: int) -> Network:
    network = Network(
        above_copied(backbone(card).encoder, trained),
        pool="mean",
        dense=0,
        outputs=2,
        hidden=0,
        dropout=0.1,
    )
    network.freeze_below(trained)
    for block in network.trained():
        block.requires_grad_(True)
    if network.trains_stem:
        network.encoder.requires_grad_(True)
    return network.to(devices.device())


def epoch(card: str, rows: Rows, truth: np.ndarray, trained: int) -> float:
    """Rows a second of one epoch."""
    network = network_of(card, trained)
    optimizer = AdamW().build(groups(network.layers(), 1e-4, 0.9, network.undecayed()), 1e-4)
    settings = usual(
        truth, lambda number: min(1.0, number * BATCH / len(rows)), devices.precision()
    )
    began = time.perf_counter()
    for step in train(network, optimizer, rows, settings, generator(0, "batches")):
        if step.ends_epoch:
            return len(rows) / (time.perf_counter() - began)
    raise AssertionError


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.no_grad()
def bare(card: str, rows: Rows, blocks: int) -> None:
    """The forward pass alone, its answers thrown away."""
    encoder = backbone(card).encoder
    for chosen in by_length(rows.lengths(), 64):
        batch = collate(rows, chosen, devices.device())
        mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
        with devices.autocast():
            hidden = encoder.stem(batch.ids, mask)
            encoder.run(hidden, encoder.context(hidden, mask), 0, blocks)


def filling(card: str, rows: Rows, rounds: int) -> None:
    trunk, count = backbone(card).trunk, len(backbone(card).encoder.blocks)
    for what, cut, fill in (
        ("pooled vectors of all layers and one cut", count, "features"),
        ("token vectors under the top block", count - 1, "states"),
    ):
        ratios = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder, using(Store(Path(folder), 2**34)):
                if fill == "features":
                    taken = seconds(
                        lambda: activations.features(trunk, rows.ids, "last", keep=(count - 2,))
                    )
                else:
                    taken = seconds(lambda cut=cut: activations.states(trunk, rows.ids, cut))
            ratios.append(taken / seconds(lambda cut=cut: bare(card, rows, cut)))
        print(f"filling, {what}: {statistics.median(ratios):.3f} of the bare forward pass")


def reading(card: str, rows: Rows, rounds: int) -> None:
    trunk, cut = backbone(card).trunk, len(backbone(card).encoder.blocks) - 1
    with tempfile.TemporaryDirectory() as folder:
        with using(Store(Path(folder), 2**34)):
            activations.states(trunk, rows.ids, cut)
        size = activations.state_bytes(trunk, rows.ids, cut)
        first, later = [], []
        for _ in range(rounds):
            with using(Store(Path(folder), 2**34)):
                first.append(size / seconds(lambda: _read(trunk, rows, cut)))
                later.append(size / seconds(lambda: _read(trunk, rows, cut)))
        print(f"reading back, checksums first: {statistics.median(first) / 1e6:.0f} MB/s")
        print(f"reading back in batches: {statistics.median(later) / 1e6:.0f} MB/s")


def _read(trunk: activations.Trunk, rows: Rows, cut: int) -> None:
    stored = Rows(rows.ids, rows.dense, 0, states=activations.states(trunk, rows.ids, cut))
    for chosen in by_length(rows.lengths(), BATCH):
        collate(stored, chosen, "cpu")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--card", default=CARD)
    asked = parser.parse_args()
    card = asked.card
    rows, truth = reviews(asked.rows, asked.tokens, card)
    trunk, count = backbone(card).trunk, len(backbone(card).encoder.blocks)
    with tempfile.TemporaryDirectory() as folder, using(Store(Path(folder), 2**34)):
        states = activations.states(trunk, rows.ids, count - 1)
        stored = Rows(rows.ids, rows.dense, rows.pad_id, states=states)
        rates: dict[str, list[float]] = {"stored": [], "again": [], "full": []}
        for _ in range(asked.rounds):
            rates["stored"].append(epoch(card, stored, truth, 1))
            rates["again"].append(epoch(card, rows, truth, 1))
            rates["full"].append(epoch(card, rows, truth, count))
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.1f} rows/s ({devices.precision()})")
    for name in ("again", "full"):
        pairs = zip(rates["stored"], rates[name], strict=True)
        print(f"stored / {name}: {statistics.median(a / b for a, b in pairs):.2f}")
    filling(card, rows, asked.rounds)
    reading(card, rows, asked.rounds)


if __name__ == "__main__":
    main()
