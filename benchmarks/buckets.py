"""Fine-tuning on short texts: batches padded to their longest row against all padded to 128 tokens,
in turn in one process; prints the median of the ratios.

    python benchmarks/buckets.py [--rows 256] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from _reviews import CARD, reviews

from tunesmith import zoo
from tunesmith.core.seeds import generator
from tunesmith.nn import devices
from tunesmith.nn.batches import Batch, Rows, collate, shuffled
from tunesmith.nn.network import Network
from tunesmith.zoo import encoders

SHORT = 18
"""Tokens of the short texts: reviews cut to the length of a question to a bank."""
FIXED = 128


def seconds(network: Network, rows: Rows, truth: np.ndarray, *, fixed: bool) -> float:
    """Seconds of forward and backward over all rows once."""
    labels = torch.from_numpy(truth).to(devices.device())
    began = time.perf_counter()
    for chosen in shuffled(rows.lengths(), 32, generator(0, "batches")):
        batch = collate(rows, chosen, devices.device())
        if fixed:
            batch = padded(batch)
        with devices.autocast():
            logits = network(batch)
        loss = torch.nn.functional.cross_entropy(logits, labels[torch.from_numpy(chosen)])
        loss.backward()
        network.zero_grad(set_to_none=True)
    return time.perf_counter() - began


def padded(batch: Batch) -> Batch:
    """The batch with every row padded to the fixed length."""
    mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
    more = (0, FIXED - batch.ids.shape[1])
    pad = torch.nn.functional.pad
    return Batch(batch.rows, pad(batch.ids, more), pad(mask, more), batch.dense)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rows, truth = reviews(asked.rows, SHORT)
    network = Network(
        encoders.load(zoo.folder(CARD)), pool="mean", dense=0, outputs=2, hidden=0, dropout=0.1
    )
    network.freeze_below(len(network.encoder.blocks))
    network.encoder.requires_grad_(True)
    network.to(devices.device())
    seconds(network, rows, truth, fixed=False)
    pairs = [
        (
            seconds(network, rows, truth, fixed=False),
            seconds(network, rows, truth, fixed=True),
        )
        for _ in range(asked.rounds)
    ]
    print(f"bucketed: {asked.rows / statistics.median(p[0] for p in pairs):.1f} rows/s")
    print(f"padded to {FIXED}: {asked.rows / statistics.median(p[1] for p in pairs):.1f} rows/s")
    print(f"bucketed / padded: {statistics.median(b / a for a, b in pairs):.2f} times as fast")


if __name__ == "__main__":
    main()
