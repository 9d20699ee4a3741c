"""How a fusion is fitted: a plane along a path of regularisation, or a network by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError, WeightsError
from tunesmith.core.records import Problem
from tunesmith.core.seeds import derive, generator
from tunesmith.learners._blocks import scales
from tunesmith.learners._boosting import class_weights
from tunesmith.learners._pace import Pace
from tunesmith.learners._regularised import (
    Plane,
    best_on_path,
    logistic_path,
    ridge_path,
    unscaled,
)
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._table_course import settings, taken
from tunesmith.nn.optim import AdamW

if TYPE_CHECKING:
    from tunesmith.learners.fusion import FusionModel
    from tunesmith.nn.fusion import FusionShape

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths for standardised features, as of the probe."""


def fit_plane(problem: Problem, model: FusionModel, seed: int, watch: Watch) -> FusionModel:
    """A linear head; the valid rows pick the strength.

    Raises:
        BudgetError: Reading took all the time.
    """
    from tunesmith.learners.fusion import with_gaps

    config, blocks, valid = model.config, model.blocks, problem.part("valid")
    train = with_gaps(blocks, *blocks.arrays(problem.part("train")))
    looked = blocks.arrays(valid)
    _refuse_late(watch)
    scale = np.ones(train.shape[1], dtype=np.float32)
    if config.by_kind:
        by_kind = scales(blocks.kinds, blocks.widths)
        scale[: len(by_kind)] = by_kind
    rows = train * scale
    strengths = (config.strength,) if config.strength else STRENGTHS
    truth, weights = problem.truth("train"), problem.weight("train")
    if problem.classes:
        planes = logistic_path(
            rows,
            truth,
            len(problem.classes),
            strengths=strengths,
            clock=watch.clock,
            balanced=config.balanced,
            row_weights=weights,
        )
    else:
        target = (truth - model.mean) / model.scale
        planes = ridge_path(
            rows, target, strengths=strengths, clock=watch.clock, row_weights=weights
        )

    def whole(plane: Plane) -> FusionModel:
        """The model of a plane over rows as they are."""
        own = Plane(plane.weights * scale[:, None], plane.bias)
        return replace(model, plane=unscaled(own, model.mean, model.scale))

    rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
    plane, place = best_on_path(planes, lambda plane: rate(whole(plane).answer(*looked)))
    return replace(whole(plane), config=replace(config, strength=strengths[place]))


def fit_network(problem: Problem, model: FusionModel, seed: int, watch: Watch) -> FusionModel:
    """A network; the valid rows say when it is best.

    Raises:
        BudgetError: There is no time for the least of training.
        TunesmithError: The loss is not finite.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "fusion"))
        return _fitted(problem, model, seed, watch)


def _fitted(problem: Problem, model: FusionModel, seed: int, watch: Watch) -> FusionModel:
    from tunesmith.nn import devices, tabular

    config, truth = model.config, problem.truth("train")
    arrays, looked = (model.blocks.arrays(problem.part(part)) for part in ("train", "valid"))
    _refuse_late(watch)
    network = config.fusion.build(_shape(model), config.dropout).to(devices.device())
    model = replace(model, network=network)
    table = tabular.Table.of(*arrays, devices.device())
    began = watch.clock.elapsed()
    model.answer(*looked)
    pace = Pace(
        max(1, round(len(table) / config.batch_size)),
        config.epochs,
        config.stop_after,
        (watch.clock.elapsed() - began) * bool(config.patience),
        watch,
    )
    weights, is_balanced = problem.weight("train"), config.balanced and problem.classes
    own = class_weights(truth) if is_balanced else None
    if own is not None:
        weights = own if weights is None else own * weights
    known = truth if problem.classes else (truth - model.mean) / model.scale
    told = settings(known, len(problem.classes), weights, config.batch_size, pace)
    optimizer = AdamW(weight_decay=config.weight_decay).build(network.groups(config.lr), config.lr)
    rate = selection_score(problem, seed, likelihood=by_likelihood(len(looked[0])))
    course = taken(
        network,
        tabular.train(network, optimizer, table, told, generator(seed, "batches")),
        lambda: rate(model.answer(*looked)),
        pace,
        watch,
        epochs=config.epochs,
        stop_after=config.stop_after,
        patience=config.patience,
        lr=config.lr,
    )
    network.requires_grad_(False).eval()
    return replace(model, course=course)


def _refuse_late(watch: Watch) -> None:
    if watch.clock.is_over():
        raise BudgetError("reading the columns took all the time")


def _shape(model: FusionModel) -> FusionShape:
    from tunesmith.nn.fusion import FusionShape

    kinds, widths = model.blocks.kinds, model.blocks.widths
    scale = scales(kinds, widths) if model.config.by_kind else np.ones(sum(widths))
    return FusionShape(kinds, widths, tuple(map(float, scale)), len(model.classes) or 1)


def restored(model: FusionModel, tensors: Mapping[str, NDArray[Any]]) -> FusionModel:
    """The model with the network whose weights were saved.

    Raises:
        WeightsError: They do not fit.
    """
    import torch

    from tunesmith.nn.devices import device

    network = model.config.fusion.build(_shape(model), model.config.dropout)
    mark = "network."
    state = {
        name.removeprefix(mark): torch.from_numpy(value)
        for name, value in tensors.items()
        if name.startswith(mark)
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"The weights of a fusion do not fit its columns: {error}") from error
    return replace(model, network=network.requires_grad_(False).to(device()).eval())
