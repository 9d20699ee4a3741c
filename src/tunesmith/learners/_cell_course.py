"""How a cell is fitted: its layers are read, a plane over them is what it begins with, and it
learns from there for as long as the valid rows gain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Part, Problem
from tunesmith.core.seeds import derive
from tunesmith.learners._answers import answer, target_scale
from tunesmith.learners._boosting import class_weights
from tunesmith.learners._cell_form import MIXED, NONE, SIDE, candidates, spelled
from tunesmith.learners._cell_kept import Kept
from tunesmith.learners._cell_model import CellModel
from tunesmith.learners._frozen_model import over
from tunesmith.learners._pace import Pace
from tunesmith.learners._probe_planes import planes_on
from tunesmith.learners._regularised import Plane, best_on_path, unscaled
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._table_course import settings, taken
from tunesmith.learners._valid_first import read_train
from tunesmith.metrics import get
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.optim import AdamW
from tunesmith.zoo.backbones import Backbone, backbone, features

if TYPE_CHECKING:
    from tunesmith.learners.cell import CellConfig
    from tunesmith.nn.cells import Cell, CellShape

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Inverse strengths of the plane that a cell begins with; many rows never want the strongest."""
MANY_ROWS = 2000
START_ITERATIONS = 40
"""For each plane to begin with: it is learned on from there."""
PLANE_SHARE = 0.5
"""Of the time left, what the plane that a cell begins with may take."""
LEAST_SCALE = 1e-4
MOST_PLANES = 16
PARTS: tuple[Part, ...] = ("train", "valid")
_PLANES: dict[bytes, tuple[Plane, float]] = {}
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Numbers:
    """What is read of some rows: the vectors of a read-out side by side, (rows, sum of widths), the
    numbers of other columns, (rows, dense), and where the rows are in their part."""

    readout: str
    widths: tuple[int, ...]
    vectors: Floats
    dense: Floats
    rows: NDArray[np.int64]

    @property
    def whole(self) -> Floats:
        return np.concatenate([self.vectors, self.dense], axis=1)

    def of(self, readout: str) -> Numbers:
        """The same of some of the vectors."""
        from tunesmith.nn.features import vectors

        names, starts = vectors(self.readout), np.cumsum([0, *self.widths])
        places = [names.index(one) for one in vectors(readout)]
        columns = [np.arange(starts[place], starts[place + 1]) for place in places]
        return replace(
            self,
            readout=readout,
            widths=tuple(self.widths[place] for place in places),
            vectors=self.vectors[:, np.concatenate(columns)],
        )


def fit(problem: Problem, config: CellConfig, seed: int, watch: Watch) -> CellModel:
    """The cell of a config, or the one that a search by gradient finds.

    Raises:
        BudgetError: There is no time to read the rows, or for the least of training.
        TunesmithError: The loss is not finite.
    """
    import torch

    base = backbone(config.backbone)
    inputs = Inputs.fit(problem.part("train"), problem.inputs)
    is_searched = config.search != NONE
    count = len(base.encoder.blocks)
    of_pictures = base.reader.kind == "image"
    readout = (
        candidates(count, of_pictures=of_pictures)
        if is_searched
        else spelled(config, count, of_pictures=of_pictures)
    )
    train, valid = _read(problem, base, inputs, config, readout, seed, watch)
    keeper = Kept(problem, config, seed, len(train.rows), watch)
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "cell"))
        if not is_searched:
            return _fitted(problem, base, inputs, config, train, valid, seed, watch, keeper)
        from tunesmith.learners._darts import searched, told

        before = keeper.search()
        if before is None:
            before = searched(problem, config, train, valid, seed, keeper.watching())
            keeper.keep_search(*before)
        chosen, score = before
        torch.manual_seed(derive(seed, "cell"))
        some, looked = train.of(chosen.reads), valid.of(chosen.reads)
        model = _fitted(problem, base, inputs, chosen, some, looked, seed, watch, keeper)
        kept = rate_of(problem, seed)(model.answer(looked.whole))
        watch.tell("search", told(chosen, score, kept))
        shape = ("search", "reads", "joined", "depth", "width", "activation", "norm", "residual")
        own = {name: getattr(chosen, name) for name in shape}
        return replace(model, found={**own, **model.settled()})


def rate_of(problem: Problem, seed: int) -> Callable[[Prediction], float]:
    """What a cell is steered by on the valid rows, as heads of other learners are: few rows are
    right by luck, and tell more by how likely what is true was held to be."""
    likelihood = by_likelihood(len(problem.parts["valid"]))
    return selection_score(problem, seed, likelihood=likelihood)


def _read(
    problem: Problem,
    base: Backbone,
    inputs: Inputs,
    config: CellConfig,
    readout: str,
    seed: int,
    watch: Watch,
) -> tuple[Numbers, Numbers]:
    """What is read of the training rows, as many as there is time for, and of the valid ones."""
    from tunesmith.nn.features import JOINT, width

    length, train, valid = base.length(config), problem.part("train"), problem.part("valid")
    rows, seen = read_train(problem, base, inputs, length, readout, watch, seed, valid_too=True)
    widths = tuple(width(base.encoder, one) for one in readout.split(JOINT))
    at_valid = features(base, inputs.contents(valid), max_length=length, readout=readout)
    if watch.clock.is_over():
        raise BudgetError("reading took all the time")

    def numbers(data: Dataset, vectors: Floats, chosen: NDArray[np.int64]) -> Numbers:
        return Numbers(readout, widths, vectors, inputs.dense(data)[chosen], chosen)

    return numbers(train, seen, rows), numbers(valid, at_valid, np.arange(len(valid)))


def _fitted(
    problem: Problem,
    base: Backbone,
    inputs: Inputs,
    config: CellConfig,
    train: Numbers,
    valid: Numbers,
    seed: int,
    watch: Watch,
    keeper: Kept,
) -> CellModel:
    """The cell of a config that searches nothing, as far as it came before."""
    from tunesmith.nn import devices

    cell = blank(config, train, outputs(problem), watch)
    strength = keeper.strength
    if strength is None:
        plane, strength = _plane(problem, cell, train, valid, config, seed, watch)
        cell.begin(plane.weights, plane.bias)
    cell.to(devices.device())
    mean, scale = target_scale(problem)
    model = CellModel(
        **over(base, problem.classes, inputs, base.length(config)),
        readout=train.readout,
        cell=cell,
        mean=mean,
        scale=scale,
        several=problem.several,
    )
    course = _taught(problem, model, config, train, valid.whole, strength, seed, watch, keeper)
    cell.requires_grad_(False).eval()
    settled = {"epochs": course[0], "stop_after": course[1], "patience": 0}
    return replace(model, found={"strength": strength, **settled})


def outputs(problem: Problem) -> int:
    return len(problem.classes) or 1


def blank(config: CellConfig, train: Numbers, count: int, watch: Watch) -> Cell:
    """The cell with nothing learned but how what it reads is standardised."""
    from tunesmith.nn.cells import Cell

    shape = _shape(config, train, count)
    if config.joined == MIXED and not shape.mixed:
        watch.tell("joined", "side by side: one vector, or vectors of unlike widths")
    cell = Cell(shape)
    standardised(cell.reading, train.vectors)
    return cell


def standardised(reading: Any, vectors: Floats) -> None:
    """Set by which a reading standardises its vectors."""
    import torch

    reading.center.copy_(torch.from_numpy(vectors.mean(axis=0)))
    reading.scale.copy_(torch.from_numpy(np.maximum(vectors.std(axis=0), LEAST_SCALE)))


def _shape(config: CellConfig, train: Numbers, count: int) -> CellShape:
    from tunesmith.nn.cells import CellShape

    are_alike = len(train.widths) > 1 and len(set(train.widths)) == 1
    return CellShape(
        train.widths,
        train.dense.shape[1],
        count,
        mixed=config.joined != SIDE and are_alike,
        depth=config.depth,
        width=config.width,
        activation=config.activation,
        norm="" if config.norm == NONE else config.norm,
        residual=config.residual,
        dropout=config.dropout,
    )


def _joined(cell: Cell, numbers: Numbers) -> Floats:
    """The vectors as the cell joins them at first, standardised."""
    import torch

    with torch.no_grad():
        return np.asarray(cell.reading(torch.from_numpy(numbers.vectors)).numpy())


def _plane(
    problem: Problem,
    cell: Cell,
    train: Numbers,
    valid: Numbers,
    config: CellConfig,
    seed: int,
    watch: Watch,
) -> tuple[Plane, float]:
    """The plane over what the cell reads that answers the valid rows best, of a target that is
    standardised, and its strength. Trials on the same rows and vectors ask for the same: those
    found last are remembered."""
    seen, looked = _joined(cell, train), _joined(cell, valid)
    strengths = _strengths(config, len(seen))
    key = _key((seen, looked), (train, valid), problem, (strengths, config.balanced))
    if key in _PLANES:
        return _PLANES[key]
    clock = watch.clock
    if clock.has_deadline():
        clock = clock.until((1 - PLANE_SHARE) * clock.left())
    planes = planes_on(
        *(problem, strengths, clock, train.rows, seen, train.dense),
        balanced=config.balanced,
        most_iterations=START_ITERATIONS,
    )
    rate = rate_of(problem, seed)
    both = np.concatenate([looked, valid.dense], axis=1)
    mean, scale = target_scale(problem)

    def answered(plane: Plane) -> Prediction:
        logits = unscaled(plane, mean, scale).logits(both)
        return answer(logits, problem.classes, several=problem.several)

    plane, place = best_on_path(planes, lambda plane: rate(answered(plane)))
    if not clock.is_over():
        while len(_PLANES) >= MOST_PLANES:
            del _PLANES[next(iter(_PLANES))]
        _PLANES[key] = plane, strengths[place]
    return plane, strengths[place]


def _key(
    joined: tuple[Floats, Floats], numbers: tuple[Numbers, Numbers], problem: Problem, told: Any
) -> bytes:
    """All that the choice of a plane hangs on: what is read and true of the training and of the
    valid rows, and by what answers are scored."""
    scored = (told, problem.seed, problem.metric, id(get(problem.metric)), problem.target)
    found = hashlib.blake2b(repr((scored, problem.costs)).encode())
    priced = problem.row_costs("valid")
    parts: Sequence[Any] = (
        *(*joined, *(one.dense for one in numbers), numbers[0].rows),
        *(one for name in PARTS for one in (problem.truth(name), problem.weight(name))),
        *(problem.parts["train"], problem.parts["valid"]),
        *(() if priced is None else (cells for *_, cells in priced.amounts)),
    )
    for one in parts:
        found.update(b"" if one is None else np.ascontiguousarray(one).tobytes())
    return found.digest()


def _strengths(config: CellConfig, rows: int) -> tuple[float, ...]:
    if config.strength:
        return (config.strength,)
    return STRENGTHS[1:] if rows > MANY_ROWS else STRENGTHS


def _taught(
    problem: Problem,
    model: CellModel,
    config: CellConfig,
    train: Numbers,
    looked: Floats,
    strength: float,
    seed: int,
    watch: Watch,
    keeper: Kept,
) -> tuple[int, float]:
    """Train the cell of a model from the plane that it is, or from where it was; gives the epochs
    of its schedule, and after how many it was best."""
    from tunesmith.nn import devices, tabular

    if not config.epochs:
        return 0, 0.0
    if watch.clock.is_over():
        raise BudgetError("the plane that it begins with took all the time")
    marks = np.zeros((len(train.rows), 0), dtype=np.int64)
    table = tabular.Table.of(train.whole, marks, devices.device())
    rate, began = rate_of(problem, seed), watch.clock.elapsed()
    rate(model.answer(looked))
    pace = Pace(
        max(1, round(len(table) / config.batch_size)),
        config.epochs,
        config.stop_after,
        (watch.clock.elapsed() - began) * bool(config.patience),
        watch,
    )
    truth, weights = truth_of(problem, config, train.rows)
    told = settings(truth, len(problem.classes), weights, config.batch_size, pace)
    cell = model.cell
    optimizer = AdamW(weight_decay=config.weight_decay).build(cell.groups(config.lr), config.lr)
    done = keeper.go_on(cell, optimizer, strength)
    return taken(
        cell,
        tabular.train(cell, optimizer, table, told, keeper.dice, done),
        lambda: rate(model.answer(looked)),
        pace,
        watch,
        epochs=config.epochs,
        stop_after=config.stop_after,
        patience=config.patience,
        lr=config.lr,
        begins_well=True,
        keeper=keeper,
    )


def truth_of(
    problem: Problem, config: CellConfig, rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """What is true of some training rows, numbers standardised, and how much each counts."""
    truth, weights = problem.truth("train")[rows], problem.weight("train")
    weights = None if weights is None else weights[rows]
    if not problem.classes:
        mean, scale = target_scale(problem)
        return (truth - mean) / scale, weights
    if config.balanced and not problem.several:
        own = class_weights(truth)
        weights = own if weights is None else own * weights
    return truth, weights
