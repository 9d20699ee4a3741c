"""How the pictures of a fine-tuning are seen: as they are, by fixed views from the activation
store, or by views that are made anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Dataset, Problem
from tunesmith.core.seeds import derive
from tunesmith.learners._below import NECK, Below, choose
from tunesmith.learners._pace import forward_seconds, neck_seconds, refuse_too_slow
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.augment import Recipe, View
from tunesmith.nn.batches import Content
from tunesmith.nn.feed import AsTheyAre, ByTurns, Feed, Fresh, Mix, sides_of
from tunesmith.nn.neck_kinds import NoNeck
from tunesmith.zoo.backbones import Backbone, blocks_of
from tunesmith.zoo.reading import Reader

if TYPE_CHECKING:
    from tunesmith.learners._network_model import NeuralModel
    from tunesmith.learners.neural import NeuralConfig

MOST_FILLING = 0.3
"""Of the time that is left, what running all views through the frozen blocks may take: they have to
be there before the first step."""

PLAIN = Recipe()


def seen_by(ids: Sequence[NDArray[Any]], tested: Recipe, count: int) -> Sequence[Content]:
    """So many views for testing of each row: the first of every row, then the second of every row,
    and so on; where it is one, the rows themselves."""
    if count == 1:
        return ids
    return [View(one, tested, number) for number in range(count) for one in ids]


class Viewing(Protocol):
    """A model that answers by so many views."""

    @property
    def tta(self) -> int: ...
    @property
    def reader(self) -> Reader: ...

    def predict(self, data: Dataset) -> Prediction: ...


V = TypeVar("V", bound=Viewing)


def settled_views(model: Viewing) -> dict[str, Any]:
    """Of a config, by how many views a fit again is to answer; nothing where texts are read."""
    return {"tta": model.tta} if model.reader.kind == "image" else {}


def by_views(
    single: V, several: V, valid: Dataset, rate: Callable[[Prediction], float] | None, watch: Watch
) -> V:
    """A model by one view of a picture, or the same by several where these answer the valid rows
    better; without a way to rate them, as it was asked for. What they cost is told in the record of
    the trial."""
    count = several.tta
    if count == 1 or single.reader.kind != "image":
        return single
    if rate is not None and rate(several.predict(valid)) <= rate(single.predict(valid)):
        watch.tell("tta", f"left out: means over {count} views answer the valid rows no better")
        return single
    told = f"answers are means over {count} views: a prediction costs {count} times as much"
    watch.tell("tta", told)
    return several


@dataclass(frozen=True)
class Seeing:
    """By which recipe, mixed how, at which sides (`feed.PHASES`; none where at one alone), and how
    many fixed views a picture may have in the store."""

    recipe: Recipe
    mix: Mix = "none"
    sides: tuple[int, ...] = ()
    views: int = 1

    @staticmethod
    def of(problem: Problem, config: NeuralConfig, base: Backbone, watch: Watch) -> Seeing:
        """As a config wants it. Views are drawn by the seed of the problem, so that all trials find
        the same in the store; texts are as they are."""
        if base.reader.kind != "image":
            return Seeing(Recipe())
        recipe = Recipe(config.augment, config.erase, derive(problem.seed, "views"))
        sides: tuple[int, ...] = ()
        if config.progressive and base.encoder.any_size:
            sides = sides_of(base.length(config), base.encoder.side_multiple)
        elif config.progressive:
            watch.tell("progressive", "left out: the network reads pictures of one size alone")
        return Seeing(recipe, config.mix, sides, 1 if recipe.is_plain else config.views)

    @property
    def is_fresh(self) -> bool:
        """Whether pictures are seen otherwise in every epoch, unless the store holds views."""
        return bool(not self.recipe.is_plain or self.mix != "none" or self.sides)

    def why_no_views(self, epochs: int) -> str:
        """Why the store cannot hold what is seen, or not for long; empty where it can."""
        if self.mix != "none":
            return f"{self.mix} joins other pictures in every step"
        if self.sides:
            return "small pictures come first, and the store holds those of one size"
        if not self.views:
            return "fresh views are asked for"
        if epochs <= self.views > 1:
            return f"{epochs} epochs would read none of {self.views} views of a picture twice"
        return ""

    def choose(
        self,
        below: Below,
        ids: Sequence[Content],
        *,
        epochs: int,
        forward_seconds: float,
        left_seconds: float,
    ) -> tuple[bool, str]:
        """Whether to train from the store, and why; `ids` are what `stored` gave."""
        if not self.is_fresh:
            return choose(below, ids, epochs=epochs, forward_seconds=forward_seconds)
        reason = self.why_no_views(epochs)
        if below.cut and reason:
            return False, f"{reason}: fresh ones in every epoch"
        share = below.cut / max(1, len(below.trunk.encoder.blocks))
        filling = share * forward_seconds * int((~below.known(ids)).sum()) if below.cut else 0.0
        if filling > MOST_FILLING * left_seconds:
            told = f"takes about {filling:.0f} of the {left_seconds:.0f} s that are left"
            return False, f"to run {len(ids):,} views once {told}: fresh ones in every epoch"
        what = f"views ({self.views} of each training row)"
        is_stored, reason = choose(
            below, ids, epochs=epochs / self.views, forward_seconds=forward_seconds, what=what
        )
        return is_stored, reason if is_stored else f"{reason}: fresh views in every epoch"

    def stored(self, ids: Sequence[Content]) -> Sequence[Content]:
        """What the store would hold of rows: themselves, or the first view of every row, then the
        second of every row, and so on."""
        if self.recipe.is_plain:
            return ids
        return [
            View(np.asarray(one), self.recipe, number)
            for number in range(self.views)
            for one in ids
        ]

    def feed(
        self,
        model: NeuralModel,
        ids: Sequence[NDArray[Any]],
        dense: NDArray[np.float32],
        watch: Watch,
        *,
        is_stored: bool,
    ) -> Feed:
        """Where the loop's batches come from."""
        if not self.is_fresh:
            return AsTheyAre(model.rows(ids, dense, watch))
        if is_stored:
            rows = model.rows(self.stored(ids), np.tile(dense, (self.views, 1)), watch)
            if rows.states is not None or rows.pooled is not None:
                return ByTurns(rows, self.views)
        return Fresh(ids, dense, self.recipe, self.mix, self.sides)


def look_ahead(
    problem: Problem,
    config: NeuralConfig,
    base: Backbone,
    inputs: Inputs,
    seeing: Seeing,
    ids: list[NDArray[Any]],
    watch: Watch,
    seed: int,
) -> tuple[Below | None, bool, float]:
    """What is read from the store, None where nothing is; whether the training rows are; and the
    seconds that one row takes to run through the whole encoder, 0 where that need not be known.

    Raises:
        BudgetError: It would not finish.
    """
    count, length = len(base.encoder.blocks), base.length(config)
    trained = blocks_of(config.depth, count)
    pool = config.pooling if isinstance(config.neck, NoNeck) else NECK
    below = Below(base.trunk, count - trained, pool)
    stored = ids if seeing.why_no_views(config.epochs) else seeing.stored(ids)
    new = int((~below.known(stored)).sum()) if below.cut else len(ids)
    forward = 0.0
    if new:
        forward = forward_seconds(base, inputs.contents(problem.part("train")), length, watch, seed)
    is_stored, reason = seeing.choose(
        below,
        stored,
        epochs=config.epochs,
        forward_seconds=forward,
        left_seconds=watch.clock.left(),
    )
    watch.tell("store", reason)
    refuse_too_slow(
        problem,
        forward,
        neck=neck_seconds(config.neck, base, ids, length, watch),
        trained=trained / count,
        new=new if is_stored else None,
        watch=watch,
    )
    is_read = is_stored or (seeing.is_fresh and below.cut)
    return (below if is_read else None), is_stored, forward
