"""The side at which pictures are read, as a fidelity: which sides there are between a small one and
the largest that is worth its time, and where a fit begins.

Source: Li et al., "Hyperband", JMLR 2018, for configs that are tried at a small cost and go on
where they rank among the best; Tan and Le, "EfficientNet", ICML 2019, for the size of pictures as a
cost that buys accuracy.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Candidate, Problem
from tunesmith.core.space import Choice, Range
from tunesmith.data.picture_headers import shorter_side
from tunesmith.learners import learners
from tunesmith.learners._with_embeddings import NONE
from tunesmith.pipeline.reading_costs import SIDES, START_SECONDS, USUAL_SIDE
from tunesmith.search import named
from tunesmith.zoo.pictures import reads_any_size, side_of

FIELDS: Mapping[str, tuple[str, str]] = {
    "probe": ("backbone", "size"),
    "cell": ("backbone", "size"),
    "neural": ("backbone", "size"),
    "fusion": ("picture_backbone", "picture_size"),
}
"""By learner: the fields that say who reads pictures, and at which side."""
BEGIN_SMALL = ("probe", "cell")
"""Learners whose first configs are read small: what is frozen is read once. What is fine-tuned
begins at the side there is time for, until it is shown that small pictures pay there too, and so
does a fusion, whose heads take next to nothing beside the reading."""
LEAST_SIDE = 96
"""The side to begin with, unless smaller ones are asked for: at 64 a network's last blocks see two
by two places."""
STEP = 1.4
"""From one side to the next at least: twice the pixels, and about twice the time."""
MORE_SIDES = (USUAL_SIDE, 288, 384)
MEASURED_PICTURES = 64
"""Of the training rows, evenly, those whose files are looked at for their size."""


@dataclass(frozen=True)
class Ladder:
    """Sides from small to large: each as a config says it (0 for the checkpoint's own), and in
    pixels."""

    rungs: tuple[tuple[int, int], ...]

    @staticmethod
    def of(
        mark: Range,
        own: int,
        pictures: int = 0,
        readable: Callable[[int], int] = int,
        *,
        is_asked: bool,
    ) -> Ladder:
        """What a range of sides allows, of a checkpoint that was trained with `own` pixels and
        `pictures` that usually have so many (0 where nobody knows); `readable` is the nearest side
        that its network reads. Of sides that somebody asked for one by one all count; else none
        below `LEAST_SIDE`, none larger than the checkpoint's and the pictures' own, and none near
        another, and rather the own."""
        sides = {value or own: value for value in sorted(_values(mark), reverse=True)}
        if is_asked and isinstance(mark, Choice):
            chosen = sorted(sides)
        else:
            least = 0 if is_asked else LEAST_SIDE
            most = max(own, pictures) if pictures and not is_asked else max(sides)
            is_own = sides.get(own) == 0
            apart = (
                side
                for side in sorted(sides)
                if least <= side <= most and (side == own or not is_own or _far(side, own))
            )
            chosen = _thinned(tuple(apart))
        rungs = {readable(side) if sides[side] else own: sides[side] for side in chosen}
        return Ladder(tuple((value, pixels) for pixels, value in rungs.items()))

    def __bool__(self) -> bool:
        """Whether there is anything to climb."""
        return len(self.rungs) > 1

    def above(self, pixels: int) -> tuple[int, int] | None:
        """The next rung above so many pixels; None at the top."""
        place = bisect.bisect_right([side for _, side in self.rungs], pixels)
        return self.rungs[place] if place < len(self.rungs) else None

    def share(self, pixels: int) -> float:
        """Of the work at the top, that at so many pixels: it grows with the area."""
        return min(1.0, (pixels / self.rungs[-1][1]) ** 2)


def _far(side: int, other: int) -> bool:
    return max(side, other) >= STEP * min(side, other)


def _thinned(sides: Sequence[int]) -> list[int]:
    """Sides in order without those that are near the next larger one; the largest stays."""
    found: list[int] = []
    for side in reversed(sides):
        if not found or _far(side, found[0]):
            found.insert(0, side)
    return found


def _values(mark: Range) -> tuple[int, ...]:
    """The sides that a range allows: of numbers between two ends the usual ones, and the ends."""
    if isinstance(mark, Choice):
        return tuple(int(value) for value in mark.values if isinstance(value, int | float))
    ends = (int(mark.low), int(mark.high))
    usual = [side for side in (*SIDES, *MORE_SIDES) if ends[0] < side < ends[1]]
    return tuple(dict.fromkeys([ends[0], *usual, ends[1]]))


def side_read(name: str, config: Mapping[str, Any]) -> int:
    """The pixels of a side that a learner reads with a config: those of its checkpoint where the
    config says 0, the usual ones where nobody knows these."""
    who, side = FIELDS.get(name, ("", "size"))
    pixels, checkpoint = int(config.get(side, 0)), str(config.get(who, ""))
    if pixels or not checkpoint:
        return pixels or USUAL_SIDE
    try:
        card = zoo.card_for(checkpoint)
        return (side_of(card, zoo.folder(card.name)) if zoo.is_here(card) else 0) or USUAL_SIDE
    except TunesmithError:  # what reads has gone from this machine
        return USUAL_SIDE


def sides_worth(problem: Problem, values: Sequence[int]) -> tuple[int, ...]:
    """Of sides those that show more than smaller ones do: up to that of the pictures' own files, or
    the usual one of checkpoints, whose filters know things at that scale. Beyond both nothing is
    to be seen that was not there before; all where nobody knows how large the files are."""
    own = pictures_side(problem)
    most = max(own, USUAL_SIDE) if own else max(values)
    return tuple(value for value in values if value <= most)


def pictures_side(problem: Problem) -> int:
    """The usual shorter side of the pictures of the training rows in pixels, by the headers of some
    of the files; 0 where none can be looked at without the network."""
    names = problem.data.with_columns(problem.inputs).of_kind("image")
    if not names:
        return 0
    cells = problem.data.values(names[0])[problem.parts["train"]]
    cells = cells[[cell is not None for cell in cells]]
    if not len(cells):
        return 0
    some = np.linspace(0, len(cells) - 1, min(MEASURED_PICTURES, len(cells))).astype(np.int64)
    return _usual(tuple(str(cell) for cell in cells[some]))


@lru_cache(maxsize=16)
def _usual(cells: tuple[str, ...]) -> int:
    found = [side for side in map(shorter_side, cells) if side]
    return int(np.median(found)) if found else 0


def begun_small(
    candidates: Sequence[Candidate],
    problem: Problem,
    pins: Mapping[str, Mapping[str, Any]],
    ranges: Callable[[str], Mapping[str, Any]],
    clock: Clock,
    search: str | Sequence[str],
) -> tuple[Candidate, ...]:
    """Candidates with pictures as small as the search begins with, and trees over what a probe has
    read likewise: the search reads larger ones where that should gain most for its time. `ranges`
    are the pins and ranges of a learner. As they are without a deadline, where every trial counts
    alike; of few examples, which nothing is searched for; with a search that cannot tell a score
    at a small side from another; and where somebody asked for a side."""
    if not clock.has_deadline() or problem.is_few or not named(search).knows_shares:
        return tuple(candidates)
    small: dict[str, int] = {}
    found = []
    for candidate in candidates:
        side = _first_side(candidate, problem, ranges, pins)
        if side is not None:
            small[str(candidate.config["backbone"])] = side
            candidate = _at(candidate, side)
        elif candidate.config.get("pictures", NONE) != NONE:
            read = small.get(str(candidate.config.get("picture_backbone", "")))
            if read is not None and "picture_size" not in pins.get(candidate.learner, {}):
                config = {**candidate.config, "picture_size": read}
                candidate = replace(candidate, config=config)
        found.append(candidate)
    return tuple(found)


def _first_side(
    candidate: Candidate,
    problem: Problem,
    ranges: Callable[[str], Mapping[str, Any]],
    pins: Mapping[str, Mapping[str, Any]],
) -> int | None:
    """The side at which a candidate is read first; None where it stays as it is."""
    name = candidate.learner
    if name not in BEGIN_SMALL:
        return None
    mark = dimensions(learners[name].config, ranges(name)).get("size")
    card = zoo.card_for(str(candidate.config["backbone"]))
    if not reads_any_size(card.family):
        return None
    own = side_of(card, zoo.folder(card.name)) if zoo.is_here(card) else 0
    if mark is None or not own:
        return None
    is_asked = "size" in pins.get(name, {})
    ladder = Ladder.of(mark, own, pictures_side(problem), is_asked=is_asked)
    if not ladder or (int(candidate.config["size"]) or own) <= ladder.rungs[0][1]:
        return None
    return ladder.rungs[0][0]


def _at(candidate: Candidate, side: int) -> Candidate:
    """The candidate at a smaller side, at what that costs."""
    before = int(candidate.config["size"]) or USUAL_SIDE
    start = START_SECONDS if candidate.learner == "probe" else 0.0
    seconds = start + (candidate.cost_seconds - start) * (side / before) ** 2
    about = candidate.reason.partition(", about ")[0]
    told = f"{about}, about {seconds:.0f} s at {side} px, larger ones where they gain"
    config = {**candidate.config, "size": side}
    return replace(candidate, config=config, reason=told, cost_seconds=seconds)
