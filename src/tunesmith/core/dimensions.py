"""A space as a searcher sees it: dimensions by dotted path, and which of them count.

What lies inside a branch counts where that branch is chosen: `optimizer.SGD.momentum` where
`optimizer` is "SGD". Paths come in the order of the fields, so that a choice stands before what
hangs on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tunesmith.core.space import Choice, Int, Linear, Log, Range, Scalar, space

Values = Mapping[str, Scalar]
RANGES = (Log, Linear, Int, Choice)
Dimensions = Mapping[str, Range]


def dimensions(cls: type, pins: Mapping[str, Any] | None = None) -> dict[str, Range]:
    """What is left to search of a config: ranges as pinned, without what is pinned to a value or
    lies in a branch that a pin rules out; fields without a range of their own count where a pin
    gives one."""
    pins = pins or {}
    whole = space(cls)
    extended = {p: pin for p, pin in pins.items() if p not in whole and isinstance(pin, RANGES)}
    whole = {**extended, **whole}
    marks = {path: pins.get(path, mark) for path, mark in whole.items()}
    ways = {path: _options(mark) for path, mark in marks.items() if isinstance(whole[path], Choice)}
    found = {}
    for path, mark in marks.items():
        reachable = all(branch in ways[parent] for parent, branch in conditions(path, whole))
        if reachable and isinstance(mark, RANGES):
            found[path] = mark
    return found


def _options(mark: Any) -> tuple[Scalar, ...]:
    return mark.values if isinstance(mark, Choice) else (mark,)


def conditions(path: str, ranges: Dimensions) -> tuple[tuple[str, str], ...]:
    """The choices that a dimension hangs on, outermost first: the path of each, and what must be
    chosen."""
    parts = path.split(".")
    found = []
    for end in range(1, len(parts) - 1):
        parent, branch = ".".join(parts[:end]), parts[end]
        mark = ranges.get(parent)
        if isinstance(mark, Choice) and branch in mark.values:
            found.append((parent, branch))
    return tuple(found)


def is_conditional(ranges: Dimensions) -> bool:
    """Whether some dimension counts only where another is chosen so."""
    return any(conditions(path, ranges) for path in ranges)


def draw(ranges: Dimensions, pick: Callable[[str, Range], Scalar]) -> dict[str, Scalar]:
    """A value for each dimension that counts, picked in order."""
    values: dict[str, Scalar] = {}
    for path, mark in ranges.items():
        if all(values.get(parent) == branch for parent, branch in conditions(path, ranges)):
            values[path] = pick(path, mark)
    return values


def repaired(values: Values, ranges: Dimensions, pick: Callable[[str, Range], Scalar]) -> Values:
    """Values changed by hand made whole: what no longer counts is gone, what counts now or lies
    outside its range is picked."""

    def keep(path: str, mark: Range) -> Scalar:
        return values[path] if path in values and mark.allows(values[path]) else pick(path, mark)

    return draw(ranges, keep)


def is_ordered(mark: Range) -> bool:
    """Whether nearby values are alike: numbers, choices among numbers included."""
    if not isinstance(mark, Choice):
        return True
    return len(mark.values) > 2 and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in mark.values
    )


def unit(mark: Range, value: Scalar) -> float:
    """Where in [0, 1] a value stands in its range; ordered choices by their place among them, other
    choices too, though it says nothing there."""
    if isinstance(mark, Choice):
        ranked = ordered_values(mark)
        return ranked.index(value) / max(1, len(ranked) - 1)
    low, high, at = float(mark.low), float(mark.high), float(value)  # type: ignore[arg-type]
    if is_log(mark):
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def at_unit(mark: Range, place: float) -> Scalar:
    """The value of a range that stands at a place in [0, 1]."""
    place = min(1.0, max(0.0, place))
    if isinstance(mark, Choice):
        ranked = ordered_values(mark)
        return ranked[round(place * (len(ranked) - 1))]
    low, high = float(mark.low), float(mark.high)
    if is_log(mark):
        at = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    else:
        at = low + place * (high - low)
    if isinstance(mark, Int):
        return min(mark.high, max(mark.low, round(at)))
    return min(high, max(low, at))


def is_log(mark: Range) -> bool:
    return isinstance(mark, Log) or (isinstance(mark, Int) and mark.log)


def ordered_values(mark: Choice) -> tuple[Scalar, ...]:
    """The values of a choice, smallest first where they have an order."""
    return tuple(sorted(mark.values)) if is_ordered(mark) else mark.values  # type: ignore[type-var]


def randomly(dice: np.random.Generator) -> Callable[[str, Range], Scalar]:
    """Picks evenly on the scale of each range."""

    def pick(path: str, mark: Range) -> Scalar:
        if isinstance(mark, Choice):
            return mark.values[int(dice.integers(len(mark.values)))]
        if isinstance(mark, Int) and not mark.log:
            return int(dice.integers(mark.low, mark.high + 1))
        return at_unit(mark, float(dice.random()))

    return pick


def levels(mark: Range, steps: int) -> tuple[Scalar, ...]:
    """The values of a choice, or so many of a number, evenly on its scale."""
    if isinstance(mark, Choice):
        return mark.values
    places = (place / max(1, steps - 1) for place in range(steps)) if steps > 1 else (0.5,)
    return tuple(dict.fromkeys(at_unit(mark, place) for place in places))


def every(ranges: Dimensions, steps: int) -> Iterator[dict[str, Scalar]]:
    """Every combination of the levels that counts, each once, the last dimension fastest."""
    yield from _every(list(ranges), {}, ranges, steps)


def _every(
    paths: list[str], values: dict[str, Scalar], ranges: Dimensions, steps: int
) -> Iterator[dict[str, Scalar]]:
    if not paths:
        yield dict(values)
        return
    path, rest = paths[0], paths[1:]
    if not all(values.get(parent) == branch for parent, branch in conditions(path, ranges)):
        yield from _every(rest, values, ranges, steps)
        return
    for value in levels(ranges[path], steps):
        yield from _every(rest, {**values, path: value}, ranges, steps)
