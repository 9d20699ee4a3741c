"""The step of fine-tuning all layers of MiniLM-L6 on clothing reviews: our loop against plain fp32
with every row padded to 128 tokens, and against the machine's own matrix products. All take a step
in turn in one process; some steps give a ratio, and the median of the rounds is printed.

    python benchmarks/step.py [--steps 4] [--rounds 6] [--threads N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import transformers
from _reviews import BATCH, CARD, reviews, usual

from tunesmith import zoo
from tunesmith.core.seeds import generator
from tunesmith.nn import devices
from tunesmith.nn.batches import PAD_MULTIPLE, Rows, collate, shuffled
from tunesmith.nn.loop import train
from tunesmith.nn.network import Network
from tunesmith.nn.optim import AdamW, groups
from tunesmith.zoo import encoders

FIXED = 128
ROWS = 2048
"""One pool of batches of like length, as a training set has."""
NO_PADDING, ALL_TOKENS = "without padding", "with padding"
PRODUCTS = {
    "square 1024": ((1024, 1024), (1024, 1024)),
    "2560 x 384 times 384 x 1536": ((2560, 384), (384, 1536)),
}
"""What the step's rate is held against: the usual square, and the largest product of a step."""


def network() -> Network:
    made = Network(
        encoders.load(zoo.folder(CARD)), pool="mean", dense=0, outputs=2, hidden=0, dropout=0.1
    )
    made.freeze_below(len(made.encoder.blocks))
    made.encoder.requires_grad_(True)
    return made.to(devices.device())


def ours(rows: Rows, truth: np.ndarray, precision: str) -> Iterator[object]:
    """Steps as the product takes them."""
    made = network()
    optimizer = AdamW().build(groups(made.layers(), 1e-4, 0.9, made.undecayed()), 1e-4)
    settings = usual(truth, lambda number: min(1.0, number / 1000), precision)
    return train(made, optimizer, rows, settings, generator(0, "batches"))


def plain(rows: Rows, truth: np.ndarray) -> Iterator[object]:
    """Steps by hand in fp32 with eager attention on the same rows, all padded to 128 tokens. It has
    no dropout, as such a loop would, and the quick optimiser: it is the faster for both."""
    model = transformers.AutoModel.from_pretrained(
        zoo.folder(CARD), local_files_only=True, attn_implementation="eager"
    )
    model.pooler = None
    model = model.float().to(devices.device()).eval()
    head = torch.nn.Linear(model.config.hidden_size, 2).to(devices.device())
    params = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(params, lr=1e-4, weight_decay=0.01, fused=True)
    labels, batches = torch.from_numpy(truth), generator(0, "batches")
    pad = torch.nn.functional.pad
    while True:
        for chosen in shuffled(rows.lengths(), BATCH, batches):
            batch = collate(rows, chosen, "cpu")
            more = (0, FIXED - batch.ids.shape[1])
            mask = torch.ones_like(batch.ids) if batch.mask is None else batch.mask
            ids, mask = pad(batch.ids, more), pad(mask, more)
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
            inside = mask.unsqueeze(-1)
            logits = head((hidden * inside).sum(1) / inside.sum(1))
            loss = torch.nn.functional.cross_entropy(logits, labels[torch.from_numpy(chosen)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            optimizer.step()
            yield loss


def flops(network: Network, lengths: np.ndarray, *, padded: bool) -> float:
    """Of the matrix products of a step over rows of these lengths, forward and back (which is twice
    forward): 2 a weight of the blocks and token, 4 a number of the width and pair of tokens.
    Embeddings are none."""
    blocks = network.encoder.blocks
    weights = sum(m.weight.numel() for m in blocks.modules() if isinstance(m, torch.nn.Linear))
    pairs = 4 * network.encoder.width * len(blocks)
    tokens = lengths.astype(float)
    if padded:
        tokens[:] = tokens.max() + -tokens.max() % PAD_MULTIPLE
    return 3 * float(2 * weights * tokens.sum() + pairs * (tokens**2).sum())


def products(precision: str) -> dict[str, Callable[[], object]]:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32

    def product(left: tuple[int, int], right: tuple[int, int]) -> Callable[[], object]:
        a, b = torch.randn(left).to(kind), torch.randn(right).to(kind)
        return lambda: a @ b

    return {name: product(*shapes) for name, shapes in PRODUCTS.items()}


def seconds(work: Callable[[], object], times: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4, help="of a round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    precision = devices.precision()
    devices.device()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    rows, truth = reviews(ROWS, FIXED)
    batches = shuffled(rows.lengths(), BATCH, generator(0, "batches"))
    lengths = [rows.lengths()[chosen] for chosen in batches]
    steps = {
        "ours": ours(rows, truth, precision),
        "ours in fp32": ours(rows, truth, "fp32"),
        "plain": plain(rows, truth),
    }
    raw = products(precision)
    for work in (*(one.__next__ for one in steps.values()), *raw.values()):
        work()  # the first one sets things up
    rounds: list[dict[str, float]] = []
    for number in range(asked.rounds):
        spent = dict.fromkeys([*steps, *raw], 0.0)
        for _ in range(asked.steps):
            for name, one in steps.items():
                spent[name] += seconds(one.__next__)
            for name, one in raw.items():
                spent[name] += seconds(one, times=10) / asked.steps
        first = 1 + number * asked.steps
        done = [lengths[i % len(lengths)] for i in range(first, first + asked.steps)]
        rounds.append(spent | work_of(done))
    print(f"{torch.get_num_threads()} threads, {precision}")
    report(rounds, precision)


def work_of(done: list[np.ndarray]) -> dict[str, float]:
    """Rows, tokens and floating-point operations of these steps."""
    made = network()
    return {
        "rows": sum(len(one) for one in done),
        NO_PADDING: sum(flops(made, one, padded=False) for one in done),
        ALL_TOKENS: sum(flops(made, one, padded=True) for one in done),
    }


def report(rounds: list[dict[str, float]], precision: str) -> None:
    def ratio(over: str, under: str) -> float:
        return statistics.median(one[over] / one[under] for one in rounds)

    for name in ("ours", "ours in fp32", "plain"):
        print(f"{name}: {ratio('rows', name):.1f} rows/s")
    print(f"ours / plain padded to {FIXED}: {ratio('plain', 'ours'):.2f}")
    print(f"{precision} / fp32, the same batches: {ratio('ours in fp32', 'ours'):.2f}")
    for name, (left, right) in PRODUCTS.items():
        each = 2 * left[0] * left[1] * right[1]
        print(f"torch.matmul, {name}: {each / 1e9 / median(rounds, name):.0f} GFLOP/s")
        for kind in (NO_PADDING, ALL_TOKENS):
            shares = [one[kind] / one["ours"] / (each / one[name]) for one in rounds]
            rate, share = ratio(kind, "ours") / 1e9, statistics.median(shares)
            print(f"  the step, {kind}: {rate:.0f} GFLOP/s, {share:.0%} of it")


def median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in rounds)


if __name__ == "__main__":
    main()
