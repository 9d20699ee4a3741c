"""Configs that have done well on other data, as the package carries them in `known/`: one file for
each learner that has any, learned and written by `benchmarks/portfolio.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tunesmith.core.dimensions import Dimensions, Values, repaired
from tunesmith.core.space import Range, Scalar


@dataclass(frozen=True)
class Known:
    """Configs in the order in which they are to be tried, by dotted path, and on how many data sets
    they were chosen. What hangs on the data or the machine, they leave open."""

    configs: tuple[Values, ...] = ()
    data_sets: int = 0


@cache
def known(learner: str) -> Known:
    """What is known of a learner; no configs where that is nothing."""
    file = files("tunesmith.search") / "known" / f"{learner}.json"
    if not file.is_file():
        return Known()
    plain = json.loads(file.read_text("utf-8"))
    return Known(tuple(plain["configs"]), len(plain["learned"]["data_sets"]))


def within(
    configs: Sequence[Values], ranges: Dimensions, otherwise: Callable[[str, Range], Scalar]
) -> tuple[Values, ...]:
    """Of some configs those that lie in the ranges, in their order and each once; without what is
    not to be searched, and with what they leave open picked by `otherwise`."""
    found: list[Values] = []
    for config in configs:
        inside = all(ranges[path].allows(config[path]) for path in config if path in ranges)
        values = repaired(config, ranges, otherwise) if inside else {}
        if values and values not in found:
            found.append(values)
    return tuple(found)
