"""A linear model on what a frozen encoder makes of the text, numbers and categories beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tunesmith.core.architecture import Architecture
from tunesmith.core.blas import one_thread
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted, Learner, Watch
from tunesmith.core.errors import BudgetError
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Dataset, Problem, Rows
from tunesmith.core.runfolder import read_json, write_json
from tunesmith.core.seeds import derive
from tunesmith.core.space import Choice, config
from tunesmith.learners._answers import answer, softmax
from tunesmith.learners._few_examples import STRENGTHS as FEW_STRENGTHS
from tunesmith.learners._few_examples import USUAL, compared, shared_scale
from tunesmith.learners._forms import probe_config, probe_form
from tunesmith.learners._frozen_model import FrozenModel, over, reopened
from tunesmith.learners._insight import (
    Insight,
    answered,
    on_plane,
)
from tunesmith.learners._probe_planes import as_they_are, planes_on
from tunesmith.learners._regularised import (
    Plane,
    best_on_path,
)
from tunesmith.learners._seeing import PLAIN, by_views, seen_by, settled_views
from tunesmith.learners._shelf import learners
from tunesmith.learners._steering import by_likelihood, selection_score
from tunesmith.learners._valid_first import read_train
from tunesmith.learners._with_embeddings import WithEmbeddings, others_embedded
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.augment import MOST_STEADY, Policy, Recipe, View
from tunesmith.zoo.backbones import (
    MOST_SIDE,
    Backbone,
    backbone,
    features_within,
    idle_of_reading,
    why_not_read,
)

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Inverse strengths for standardised features; many rows never want the strongest."""
MANY_ROWS = 2000
VIEW_ROWS = 256
"""Views that are read before the clock is looked at."""
LAST_SHARE = 0.2
"""Of the time left, what is kept for the one model of few examples once folds have chosen."""


@config
class ProbeConfig:
    """Which encoder reads the text, and how much of each text."""

    backbone: str = "all-MiniLM-L6-v2"
    """The checkpoint: a name of the zoo, a folder, or hub:OWNER/NAME@REVISION."""
    max_length: Annotated[int, Choice(64, 128, 256)] = 128
    """Tokens of a text that are read."""
    size: Annotated[int, Choice(0, 64, 96, 128, 160, 224, 288, 384), Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a picture's side; 0 for as many as the checkpoint was trained with."""
    text_backbone: str = ""
    """Where `backbone` reads pictures: the checkpoint that reads texts beside them, frozen; empty
    for the smallest on this machine that knows the language."""
    picture_backbone: str = ""
    """Where `backbone` reads texts: the one that reads pictures beside them, frozen; empty for the
    smallest on this machine."""
    picture_size: Annotated[int, Field(ge=0, le=MOST_SIDE)] = 0
    """Pixels of a side of those pictures; 0 for as many as that one was trained with."""
    augment: Policy = "none"
    """How a picture is changed for further views, which are learned from beside the picture itself:
    `nn/augment.py`."""
    views: Annotated[int, Field(ge=1, le=16)] = 4
    """So many further views of each, where they are changed at all."""
    tta: Annotated[int, Field(ge=1, le=MOST_STEADY)] = 1
    """Views of a picture over which an answer is averaged, where that answers the valid rows
    better; so many times a prediction costs."""
    readout: Annotated[str, Choice("several", "deep", "last", "ends")] = "several"
    """Which layers are read and how they are pooled; see `nn/features.py`."""
    balanced: Annotated[bool, Choice(False, True)] = False
    """Weight each class as if all were equally frequent."""
    strength: float = 0.0
    """Inverse strength of the regularisation; 0 lets the valid rows choose it on a path."""


@dataclass(frozen=True)
class ProbeModel(FrozenModel):
    """Encoder → pooled layers, standardised, dense inputs beside them → plane."""

    center: NDArray[np.float32]
    plane: Plane
    strength: float
    tta: int = 1
    """Views of a picture over which an answer is averaged."""
    tested: Recipe = PLAIN
    """How these views are made."""

    def architecture(self) -> Architecture:
        return probe_form(self.backbone, self.encoder, self.readout, self.plane, len(self.center))

    def predict(self, data: Dataset) -> Prediction:
        return answer(self.plane.logits(self.seen(data)), self.classes, several=self.several)

    def seen(self, data: Dataset) -> NDArray[np.float32]:
        return np.concatenate([self._read(data) - self.center, self.inputs.dense(data)], axis=1)

    def _read(self, data: Dataset) -> NDArray[np.float32]:
        """Each distinct content is read once."""
        seen, places = self.read(data, lambda ids: seen_by(ids, self.tested, self.tta))
        # The mean of what a plane answers is what it answers to the mean.
        mean: NDArray[np.float32] = seen.reshape(self.tta, -1, seen.shape[1]).mean(axis=0)
        return mean[places]

    def insight(self, data: Dataset) -> Insight:
        """Where it answers by several views of a picture, the picture itself."""
        import torch

        logits, center = on_plane(self.plane), torch.from_numpy(self.center)

        def answer(features: Sequence[torch.Tensor], dense: torch.Tensor) -> torch.Tensor:
            rows = torch.cat([features[0] - center.to(dense), dense], dim=1)
            return answered(logits(rows), self.classes, several=self.several)

        return self.looked_into(data, answer)

    def redrawn(self, seed: int) -> ProbeModel:
        return replace(self, plane=self.plane.redrawn(seed))

    def settled(self) -> dict[str, Any]:
        return {"strength": self.strength, **settled_views(self)}

    def save(self, folder: Path) -> None:
        own = {"strength": self.strength, "tta": [self.tta, self.tested.policy]}
        write_json(folder / "model.json", {**self.told(), **own})
        self.save_encoder(folder)
        _save_plane(folder / "head.safetensors", self.plane, self.center)


def _save_plane(file: Path, plane: Plane, center: NDArray[np.float32]) -> None:
    from safetensors.numpy import save_file

    tensors = {"weights": plane.weights, "bias": plane.bias, "center": center}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, file)


@learners.add("probe")
class Probe(Learner[ProbeConfig]):
    """Logistic or ridge regression on frozen features of several layers."""

    config = ProbeConfig
    labels = "together"
    fits_few = True
    version = 3

    def suits(self, problem: Problem) -> str:
        return why_not_read(problem.data.with_columns(problem.inputs))

    def idle(self, problem: Problem) -> tuple[str, ...]:
        return (*idle_of_reading(problem), *(() if problem.classes else ("balanced",)))

    def shaped(self, architecture: Architecture) -> Mapping[str, Any]:
        return probe_config(architecture)

    def fit(self, problem: Problem, config: ProbeConfig, seed: int, watch: Watch) -> Fitted:
        inner, embeddings = others_embedded(problem, config, watch)
        model = self._fitted(inner, config, seed, watch)
        return WithEmbeddings(embeddings, model) if embeddings else model

    def _fitted(self, problem: Problem, config: ProbeConfig, seed: int, watch: Watch) -> Fitted:
        base = backbone(config.backbone)
        train, valid = problem.part("train"), problem.part("valid")
        inputs = Inputs.fit(train, problem.inputs)
        length = base.length(config)
        rows, seen = read_train(problem, base, inputs, length, config.readout, watch, seed)
        policy = config.augment if base.reader.kind == "image" else "none"
        recipe = Recipe(policy, seed=derive(problem.seed, "views"))
        if not recipe.is_plain:
            contents = [inputs.contents(train)[row] for row in rows]
            more = _views_within(base, base.ids(contents, length), recipe, config, watch)
            seen, rows = np.concatenate([seen, *more]), np.tile(rows, 1 + len(more))
        center = seen.mean(axis=0)
        scale = np.maximum(seen.std(axis=0), 1e-4)
        model = _blank(problem, config, base, inputs)
        model = replace(model, center=center, tested=recipe.tested_by())
        dense = inputs.dense(train)[rows]
        strengths = _strengths(config, len(rows))
        standard = (seen - center) / scale
        planes = planes_on(
            *(problem, strengths, watch.clock, rows, standard, dense), balanced=config.balanced
        )
        rate = selection_score(problem, seed, likelihood=by_likelihood(len(valid)))
        plane, place = best_on_path(
            (as_they_are(plane, scale, problem) for plane in planes),
            lambda plane: rate(replace(model, plane=plane).predict(valid)),
        )
        single = replace(model, plane=plane, strength=strengths[place])
        several = replace(single, tta=config.tta)
        return by_views(single, several, valid, None if config.strength else rate, watch)

    def fit_few(
        self, problem: Problem, config: ProbeConfig, seed: int, watch: Watch
    ) -> tuple[Fitted, Prediction | None]:
        inner, embeddings = others_embedded(problem, config, watch)
        model, unseen = _fitted_to_few(inner, config, seed, watch)
        return (WithEmbeddings(embeddings, model) if embeddings else model), unseen

    def load(self, folder: Path) -> Fitted:
        from safetensors.numpy import load_file

        saved = read_json(folder / "model.json")
        head = load_file(folder / "head.safetensors")
        model = ProbeModel(
            **reopened(folder, saved),
            center=head["center"],
            plane=Plane(head["weights"], head["bias"]),
            strength=saved["strength"],
            tta=int(saved["tta"][0]),
            tested=Recipe(str(saved["tta"][1])),
        )
        return WithEmbeddings.around(model, folder)


def _blank(problem: Problem, config: ProbeConfig, base: Backbone, inputs: Inputs) -> ProbeModel:
    """The model before anything is learned."""
    return ProbeModel(
        **over(base, problem.classes, inputs, base.length(config)),
        readout=config.readout,
        center=np.empty(0, dtype=np.float32),
        plane=Plane(np.empty((0, 0), dtype=np.float32), np.empty(0)),
        strength=0.0,
        several=problem.several,
    )


def _fitted_to_few(
    problem: Problem, config: ProbeConfig, seed: int, watch: Watch
) -> tuple[ProbeModel, ClassScores | None]:
    """The model of all few examples at the strength that their folds choose, and what those answer.

    Raises:
        BudgetError: Not all rows were read, or not every row was answered, in the time.
    """
    base, train = backbone(config.backbone), problem.part("train")
    inputs = Inputs.fit(train, problem.inputs)
    order, seen = features_within(
        base,
        inputs.contents(train),
        max_length=base.length(config),
        clock=watch.clock,
        seed=seed,
        readout=config.readout,
    )
    if len(order) < len(train):
        raise BudgetError(f"{base.card.name} read {len(order)} of {len(train)} rows in the time")
    seen, dense = seen[np.argsort(order)], inputs.dense(train)

    def planes(teach: Rows, strengths: Sequence[float]) -> tuple[NDArray[np.float32], list[Plane]]:
        center, scale = seen[teach].mean(axis=0), shared_scale(seen[teach])
        standard = (seen[teach] - center) / scale
        found = planes_on(
            *(problem, strengths, Clock(), teach, standard, dense[teach]),
            balanced=config.balanced,
        )
        return center, [as_they_are(plane, scale, problem) for plane in found]

    def answered(teach: Rows, ask: Rows, strengths: Sequence[float]) -> list[ClassScores]:
        center, found = planes(teach, strengths)
        rows = np.concatenate([seen[ask] - center, dense[ask]], axis=1)
        return [ClassScores(problem.classes, softmax(plane.logits(rows))) for plane in found]

    strength, unseen = config.strength or USUAL, None
    if problem.folds:
        each = (config.strength,) if config.strength else FEW_STRENGTHS
        until = watch.clock.until(LAST_SHARE * watch.clock.left())
        with one_thread():
            strength, unseen = compared(problem, answered, each, until)
    center, (plane,) = planes(np.arange(len(train)), (strength,))
    model = _blank(problem, config, base, inputs)
    return replace(model, center=center, plane=plane, strength=strength), unseen


def _views_within(
    base: Backbone,
    ids: Sequence[NDArray[Any]],
    recipe: Recipe,
    config: ProbeConfig,
    watch: Watch,
) -> list[NDArray[np.float32]]:
    """Frozen features of further views of rows, an array for each view, as many as half of the time
    that is left allows; those that the store has cost nothing."""
    from tunesmith.nn import activations

    clock = watch.clock.until(watch.clock.left() / 2) if watch.clock.has_deadline() else watch.clock
    found: list[NDArray[np.float32]] = []
    for number in range(config.views):
        parts = []
        for start in range(0, len(ids), VIEW_ROWS):
            views = [View(one, recipe, number) for one in ids[start : start + VIEW_ROWS]]
            parts.append(activations.features(base.trunk, views, config.readout))
            if clock.is_over():
                watch.tell("views", f"{number} of {config.views}: there was no time for more")
                return found
        found.append(np.concatenate(parts))
    watch.tell("views", f"{config.views} of each training row beside the row itself")
    return found


def _strengths(config: ProbeConfig, rows: int) -> tuple[float, ...]:
    if config.strength:
        return (config.strength,)
    return STRENGTHS[2:] if rows > MANY_ROWS else STRENGTHS
