"""A cell found by gradient: over all vectors that an encoder keeps, from two halves of the training
rows, then told as the config that makes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.core.seeds import generator
from tunesmith.learners._answers import target_scale
from tunesmith.learners._cell_course import Numbers, outputs, rate_of, standardised, truth_of
from tunesmith.learners._cell_form import JOINT, MIXED, NONE, SIDE
from tunesmith.learners._pace import Pace

if TYPE_CHECKING:
    from tunesmith.learners.cell import CellConfig
    from tunesmith.nn.darts import Lesson
    from tunesmith.nn.supernet import Supernet

SHARE = 0.4
"""Of the time left, what a search may take."""
LEAST_STEPS = 80
"""Of few rows, too: after 52 a set of 1,700 pictures got a plane, after 78 layers that gained a
point."""
FEWEST_ROWS = 40
"""Below this there is nothing to learn options from."""
BANDS = 10
"""Of numbers, in which both halves have their share."""


def searched(
    problem: Problem,
    config: CellConfig,
    train: Numbers,
    valid: Numbers,
    seed: int,
    watch: Watch,
) -> tuple[CellConfig, float]:
    """The config of the cell that was found, and the score of the network of all cells, by then
    that cell alone, on the valid rows.

    Raises:
        BudgetError: There are too few rows, or there is no time.
    """
    import torch

    from tunesmith.nn import darts, devices, heads
    from tunesmith.nn.features import vectors
    from tunesmith.nn.supernet import Reads, Supernet

    if len(train.rows) < FEWEST_ROWS:
        raise BudgetError(f"{len(train.rows)} rows are too few to search a cell by")
    names = vectors(train.readout)
    reads = Reads(names, train.widths, train.dense.shape[1], outputs(problem))
    if watch.clock.is_over():
        raise BudgetError("reading took all the time")
    network = Supernet(reads, config.dropout)
    standardised(network.reading, train.vectors)
    network.to(devices.device())
    lesson = _lesson(problem, config, train)
    teach, ask = halves(problem, train.rows, generator(seed, "halves"))
    steps = max(1, round(len(teach) / config.batch_size))
    own = replace(watch, clock=watch.clock.until((1 - SHARE) * watch.clock.left()))
    epochs = max(config.search_epochs, -(-LEAST_STEPS // steps))
    pace = Pace(steps, epochs, 0.0, 0.0, own if watch.clock.has_deadline() else watch)
    pacing = darts.Pacing(config.batch_size, config.lr, config.weight_decay, pace.progress)
    for note in darts.search(network, lesson, teach, ask, pacing, generator(seed, "darts")):
        watch.weigh(note.progress, note.weights)
        if watch.clock.is_over():
            raise BudgetError("the search of a cell took all the time")
    network.eval()
    with torch.no_grad():
        rows = torch.from_numpy(valid.whole).to(devices.device())
        logits = network(rows, rows[:, :0])[:, 0].cpu()
    mean, scale = target_scale(problem)
    answered = heads.answer(logits, problem.classes, mean, scale, several=problem.several)
    return _told(config, network), rate_of(problem, seed)(answered)


def _lesson(problem: Problem, config: CellConfig, train: Numbers) -> Lesson:
    import torch

    from tunesmith.nn.darts import Lesson
    from tunesmith.nn.devices import device
    from tunesmith.nn.tabular import Table

    truth, weights = truth_of(problem, config, train.rows)
    is_codes = problem.classes and truth.ndim == 1
    marks = np.zeros((len(train.rows), 0), dtype=np.int64)
    counts = None if weights is None else torch.from_numpy(weights.astype(np.float32)).to(device())
    return Lesson(
        Table.of(train.whole, marks, device()),
        torch.from_numpy(np.asarray(truth, np.int64 if is_codes else np.float32)).to(device()),
        len(problem.classes),
        counts,
    )


def halves(
    problem: Problem, rows: NDArray[np.int64], dice: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of these rows by number, in each of which every class, or band of numbers, has its
    share."""
    truth = problem.truth("train")[rows]
    if truth.ndim > 1:
        codes = truth.sum(axis=1)
    elif problem.classes:
        codes = truth
    else:
        codes = np.searchsorted(np.quantile(truth, np.linspace(0, 1, BANDS + 1)[1:-1]), truth)
    order = dice.permutation(len(rows))
    order = order[np.argsort(codes[order], kind="stable")]
    return order[::2], order[1::2]


def _told(config: CellConfig, network: Supernet) -> CellConfig:
    """The config of the cell that is left of a network."""
    from tunesmith.nn import supernet

    chosen = network.chosen()
    names = network.reads.names
    kept = [n for n in names if chosen.get(f"{supernet.READS}{n}", supernet.IN) == supernet.IN]
    layers = [supernet.layer_of(number) for number in range(1, supernet.LAYERS + 1)]
    depth = sum(chosen[layer] == supernet.LINEAR for layer in layers)
    is_mixed = chosen.get(supernet.JOINED, supernet.SIDE) == supernet.MIXED
    return replace(
        config,
        search=NONE,
        reads=JOINT.join(kept),
        joined=MIXED if is_mixed else SIDE,
        depth=depth if chosen[layers[0]] == supernet.LINEAR else 0,
        width=int(chosen[supernet.WIDTH]),
        activation=chosen[supernet.ACTIVATION],
        norm=chosen[supernet.NORM],
        residual=chosen[supernet.RESIDUAL] == supernet.YES,
    )


def told(config: CellConfig, before: float, after: float) -> str:
    """What was found, and whether learned by itself it is as good as inside the network of all."""
    shape: Any = "a plane"
    if config.depth:
        shape = f"{config.depth} of {config.width}, {config.activation}, norm {config.norm}"
    kept = "it keeps its score" if after >= before else "it does not keep its score"
    return (
        f"found by gradient: {config.reads} {config.joined}, {shape}; inside the network of all "
        f"cells {before:.4f} on the valid rows, fitted by itself {after:.4f}: {kept}"
    )
