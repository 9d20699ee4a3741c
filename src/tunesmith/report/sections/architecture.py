"""The network that answers, as a picture, and how the search for it weighed its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.architecture import told_measured
from tunesmith.report import pictures
from tunesmith.report.architecture import chart
from tunesmith.report.drawing import label
from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Chart, Section, Words, counted, table

MOST_OPTIONS = 8
"""Of a choice that are drawn: those that counted most at the end."""


def architecture(facts: Facts) -> Section | None:
    found = facts.architecture
    if found is None:
        return None
    why = (
        "The input is at the bottom, the answer on top; blue blocks were trained, dashed ones are "
    )
    why += "not run, and green lines lead from what is read, the thicker the more it counts."
    blocks: tuple[Block, ...] = (chart(found),)
    if told := told_measured(found.measured):
        blocks += (Words(f"Measured on the machine of the fit: {told}."),)
    return Section("architecture", "Architecture", why, (*blocks, *_courses(facts)))


def _courses(facts: Facts) -> Iterator[Chart]:
    """A chart for each choice that was searched by weights."""
    course = facts.architecture_course
    for choice in dict.fromkeys(name for point in course for name in point["weights"]):
        points = [point for point in course if choice in point["weights"]]
        yield _course(choice, points)


def _course(choice: str, points: Sequence[Mapping[str, Any]]) -> Chart:
    at = [float(point["progress"]) for point in points]
    last = points[-1]["weights"][choice]
    order = sorted(
        {name for point in points for name in point["weights"][choice]},
        key=lambda name: -float(last.get(name, 0.0)),
    )
    drawn = {
        name: np.array([float(point["weights"][choice].get(name, np.nan)) for point in points])
        for name in order
    }
    heads = {"share of the search": 3, **{label(name, 40): 3 for name in order}}
    rows = ([place, *(float(drawn[n][i]) for n in order)] for i, place in enumerate(at))
    return Chart(
        f"weights_{''.join(c if c.isalnum() else '_' for c in choice)}",
        f"Weights over the search: {label(choice, 40)}",
        f"Of {counted(len(order), 'option')} of {label(choice, 40)}, {label(order[0], 40)} counted "
        f"most at the end, with {float(last.get(order[0], 0.0)):.2f}.",
        table("Weights of the options", heads, rows),
        pictures.lines(
            np.array(at),
            {label(name, 22): drawn[name] for name in order[:MOST_OPTIONS]},
            across="share of the search",
            up="weight",
            mark=None,
            at="",
        ),
        (5.4, 3.6),
    )
