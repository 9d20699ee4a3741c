"""How much of a network is fine-tuned first, by how far its frozen features go.

Source: Yosinski et al., "How transferable are features in deep neural networks?", NeurIPS 2014:
layers near the input suit most pictures, those above fewer and fewer. A linear model on frozen
features that hardly beats the majority answer says that what tells the classes apart is lost below
the top, which then learns from what little comes through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tunesmith.core.records import Candidate, Problem
from tunesmith.metrics import get
from tunesmith.pipeline.plan import modality_of
from tunesmith.pipeline.results import Results

HALF_WAY = 0.5
"""Of the way from the majority answer to none wrong: probes that get less far call for all blocks
first."""
LEAST_EPOCHS = 4
"""Of all blocks, for which there must be time: after fewer their top is ahead."""
MOST_EPOCHS = 20
"""Of a network that is learned anew."""
Placed = tuple[int, Candidate]


@dataclass(frozen=True)
class Way:
    """Shares of the way from the majority answer to a perfect one: what the best probe went, and at
    most, as its score is uncertain."""

    value: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.0%} of the way from the majority answer to none wrong"


def way_gone(problem: Problem, results: Results) -> Way | None:
    """How far the best probe went; None where nothing tells: without classes, before both have
    ended, or by a metric of which nobody knows the perfect value."""
    metric = get(problem.metric)
    probes, usual = results.ranked("probe"), results.ranked("majority")
    if not problem.classes or not probes or not usual:
        return None
    sign = 1.0 if metric.higher_is_better else -1.0
    perfect = metric.high if metric.higher_is_better else metric.low
    best, least = probes[0].score, usual[0].score
    assert best is not None
    assert least is not None
    whole = perfect - least.value
    is_known = math.isfinite(whole) and sign * whole > 0 and sign * (perfect - best.value) >= 0
    if not is_known:
        return None
    ends = [(end - least.value) / whole for end in (best.low, best.high)]
    return Way((best.value - least.value) / whole, max(ends))


def deepest_first(
    ahead: Sequence[Placed],
    problem: Problem,
    results: Results,
    has_time: Callable[[Candidate], bool],
) -> tuple[list[Placed], str]:
    """The candidates that are to come, each with its place in the plan: where the next one would
    fine-tune a part of a network of pictures whose frozen features surely do not fit, those that
    fine-tune more of it come before it, as far as each `has_time`; and why, empty where the order
    is left as it is. What the user gave comes when it was to come."""
    tuned = [
        number
        for number, (_, candidate) in enumerate(ahead)
        if candidate.learner == "neural" and not candidate.is_given
    ]
    if 0 not in tuned or modality_of(problem) != "image":
        return list(ahead), ""
    way = way_gone(problem, results)
    if way is None or way.high >= HALF_WAY:
        return list(ahead), ""
    depth = {number: float(ahead[number][1].config["depth"]) for number in tuned}
    deeper = [n for n in tuned if depth[n] > depth[0] and has_time(ahead[n][1])]
    if not deeper:
        return list(ahead), ""
    deeper.sort(key=lambda number: -depth[number])
    found, order = list(ahead), [*deeper, *(n for n in tuned if n not in deeper)]
    for number, other in zip(tuned, order, strict=True):
        found[number] = ahead[other]
    return found, f"before a part of them, as the probe went {way}: its features do not fit"
