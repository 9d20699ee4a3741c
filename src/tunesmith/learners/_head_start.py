"""How the head of a fine-tuning begins: as the linear model that suits the frozen encoder.

Source: Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.records import Problem
from tunesmith.learners._answers import target_scale
from tunesmith.learners._regularised import Plane, logistic_path, logistic_paths, ridge_path
from tunesmith.modalities.inputs import Inputs
from tunesmith.zoo.backbones import Backbone, features, known_rows

if TYPE_CHECKING:
    from tunesmith.nn.network import Network

START_STRENGTH = 0.01
LEAST_KNOWN = 0.5
"""Share of the training rows whose frozen features must be in memory to start a head by them."""


def start_head(
    network: Network,
    problem: Problem,
    base: Backbone,
    inputs: Inputs,
    length: int,
    watch: Watch,
    *,
    must: bool,
) -> bool:
    """Set the head to a linear model on the frozen encoder's mean vectors; whether that was done.
    Under a deadline it learns from the rows that a probe before has left in memory, and is not done
    where those are few.

    Raises:
        BudgetError: They are few, and it `must` be done.
    """
    import torch

    train = problem.part("train")
    texts = inputs.contents(train)
    rows = np.arange(len(texts))
    reads, readout = base.mean_of_last()
    if watch.clock.has_deadline():
        rows = known_rows(reads, texts, length)
    if len(rows) < LEAST_KNOWN * len(texts):
        if must:
            raise BudgetError("the frozen features that its head began with are not in memory")
        return False
    some = [texts[row] for row in rows]
    seen = features(reads, some, max_length=length, readout=readout)
    plane = _plane(problem, seen, inputs.dense(train)[rows], rows, watch)
    with torch.no_grad():
        network.head.plane.weight.copy_(torch.from_numpy(plane.weights.T.copy()))
        network.head.plane.bias.copy_(torch.from_numpy(plane.bias))
    return True


def _plane(
    problem: Problem,
    seen: NDArray[np.float32],
    dense: NDArray[np.float32],
    rows: NDArray[np.int64],
    watch: Watch,
) -> Plane:
    center, scale = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-4)
    both = np.concatenate([(seen - center) / scale, dense], axis=1)
    truth, counts, clock = problem.truth("train")[rows], problem.weight("train"), watch.clock
    counts = None if counts is None else counts[rows]
    strengths = (START_STRENGTH,)
    if problem.several:
        paths = logistic_paths(
            both,
            truth,
            strengths=strengths,
            clock=clock,
            balanced=False,
            most_iterations=60,
            row_weights=counts,
        )
    elif problem.classes:
        paths = logistic_path(
            both,
            truth,
            len(problem.classes),
            strengths=strengths,
            clock=clock,
            balanced=False,
            most_iterations=60,
            row_weights=counts,
        )
    else:
        mean, spread = target_scale(problem)
        target = (truth - mean) / spread
        paths = ridge_path(both, target, strengths=strengths, clock=clock, row_weights=counts)
    plane = next(paths)
    weights = plane.weights.copy()
    weights[: len(scale)] /= scale[:, None]
    bias = np.clip(plane.bias, -10, None) - center @ weights[: len(scale)]
    return Plane(weights, bias)
