"""The network that answers, as a picture, and how the search for it weighed its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.architecture import told_measured
from tunesmith.report import pictures
from tunesmith.report.architecture import chart
from tunesmith.report.drawing import label
from tunesmith.report.facts import Facts
from tunesmith.report.section import Block, Chart, Section, Words, counted, table

MOST_OPTIONS = 12
"""That are drawn in one chart: those that counted most at the end."""
PAIR = 2
Course = Sequence[Mapping[str, Any]]


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
    """Choices of two options in one chart, by the option that was taken; a chart for each other."""
    course = facts.architecture_course
    options: dict[str, dict[str, None]] = {}
    for point in course:
        for choice, weights in point["weights"].items():
            options.setdefault(choice, {}).update(dict.fromkeys(weights))
    pairs = {choice: names for choice, names in options.items() if len(names) <= PAIR}
    if len(pairs) > 1:
        taken = {f"{choice}: {_last(course, choice)[0]}": choice for choice in pairs}
        lines = {
            name: _line(course, choice, _last(course, choice)[0]) for name, choice in taken.items()
        }
        said = f"{counted(len(pairs), 'choice')} of two, each by the option that was taken."
        yield _course("choices of two", said, course, lines)
    for choice, names in options.items():
        if choice in pairs and len(pairs) > 1:
            continue
        best, weight = _last(course, choice)
        said = f"Of {counted(len(names), 'option')} of {label(choice, 40)}, {label(best, 40)} "
        said += f"counted most at the end, with {weight:.2f}."
        yield _course(choice, said, course, {name: _line(course, choice, name) for name in names})


def _last(course: Course, choice: str) -> tuple[str, float]:
    """The option that counted most when a choice was last weighed, and how much."""
    weights = next(p["weights"][choice] for p in reversed(course) if choice in p["weights"])
    best = max(weights, key=lambda name: float(weights[name]))
    return str(best), float(weights[best])


def _line(course: Course, choice: str, name: str) -> NDArray[np.float64]:
    """The weight of an option by and by; NaN where it is gone."""
    told = (point["weights"].get(choice, {}).get(name) for point in course)
    return np.array([np.nan if one is None else float(one) for one in told])


def _course(name: str, said: str, course: Course, lines: Mapping[str, Any]) -> Chart:
    at = np.array([float(point["progress"]) for point in course])
    order = sorted(lines, key=lambda one: -float(np.nan_to_num(lines[one][-1])))
    heads = {"share of the search": 3, **{label(one, 40): 3 for one in order}}
    rows = ([float(place), *(float(lines[n][i]) for n in order)] for i, place in enumerate(at))
    return Chart(
        f"weights_{''.join(c if c.isalnum() else '_' for c in name)}",
        f"Weights over the search: {label(name, 40)}",
        said,
        table("Weights of the options", heads, rows),
        pictures.lines(
            at,
            {label(one, 22): lines[one] for one in order[:MOST_OPTIONS]},
            across="share of the search",
            up="weight",
            mark=None,
            at="",
        ),
        (5.4, 3.6),
    )
