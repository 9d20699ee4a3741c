"""Rows a second of fine-tuning all layers of MiniLM-L6: our loop against a bare hand-written one on
the same batches, in turn in one process; prints the median of the ratios.

    python benchmarks/loop.py [--rows 256] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import transformers
from _reviews import BATCH, CARD, reviews, usual

from tunesmith import zoo
from tunesmith.core.seeds import generator
from tunesmith.nn import devices
from tunesmith.nn.batches import Rows, collate, shuffled
from tunesmith.nn.loop import train
from tunesmith.nn.network import Network
from tunesmith.nn.optim import AdamW, groups
from tunesmith.zoo import encoders


def ours(rows: Rows, truth: np.ndarray) -> float:
    """Seconds of one epoch of our loop."""
    network = Network(
        encoders.load(zoo.folder(CARD)),
        pool="mean",
        dense=0,
        outputs=2,
        hidden=0,
        dropout=0.1,
        inner_dropout=True,
    )
    network.freeze_below(len(network.encoder.blocks))
    network.encoder.requires_grad_(True)
    network.to(devices.device())
    optimizer = AdamW().build(groups(network.layers(), 1e-4, 0.9, network.undecayed()), 1e-4)
    steps = -(-len(rows) // BATCH)
    settings = usual(truth, lambda number: number / steps, devices.precision())
    began = time.perf_counter()
    for step in train(network, optimizer, rows, settings, generator(0, "batches")):
        if step.ends_epoch:
            return time.perf_counter() - began
    raise AssertionError


def bare(rows: Rows, truth: np.ndarray) -> float:
    """Seconds of the same epoch by hand: plain transformers model, same batches and optimiser."""
    model = transformers.AutoModel.from_pretrained(zoo.folder(CARD), local_files_only=True)
    model.pooler = None
    model = model.float().to(devices.device()).train()
    head = torch.nn.Linear(model.config.hidden_size, 2).to(devices.device())
    params = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(params, lr=1e-4, weight_decay=0.01, fused=True)
    batches = shuffled(rows.lengths(), BATCH, generator(0, "batches"))
    labels = torch.from_numpy(truth).to(devices.device())
    began = time.perf_counter()
    for chosen in batches:
        batch = collate(rows, chosen, devices.device())
        mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
        with devices.autocast():
            hidden = model(input_ids=batch.ids, attention_mask=mask).last_hidden_state.float()
            inside = mask.unsqueeze(-1)
            logits = head((hidden * inside).sum(1) / inside.sum(1))
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[torch.from_numpy(chosen)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rows, truth = reviews(asked.rows)
    ours(rows, truth), bare(rows, truth)
    pairs = [(ours(rows, truth), bare(rows, truth)) for _ in range(asked.rounds)]
    for name, place in (("ours", 0), ("bare", 1)):
        seconds = statistics.median(pair[place] for pair in pairs)
        print(f"{name}: {asked.rows / seconds:.1f} rows/s (median of {asked.rounds})")
    ratio = statistics.median(theirs / mine for mine, theirs in pairs)
    print(f"ours / bare: {ratio:.3f} of the rows per second")


if __name__ == "__main__":
    main()
