"""Scores by group of the columns that a user names as sensitive, on the rows that test."""

from __future__ import annotations

from typing import Any

from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem
from tunesmith.evaluate.fairness import Fairness, fairness
from tunesmith.pipeline.run import Run

NAMED_GAPS = ("demographic parity difference", "equalised odds difference", "rmse difference")


def fairness_facts(
    run: Run, problem: Problem, answers: Prediction, *, of: str = "the model"
) -> dict[str, Any]:
    """Of each sensitive column its groups and their gaps, as facts for the summary; empty where
    none is named. `of` says whose answers they are."""
    if not run.sensitive:
        return {}
    rows, truth, weights = problem.parts["test"], problem.truth("test"), problem.weight("test")
    found = {}
    for name in run.sensitive:
        cells = problem.data.values(name)[rows]
        one = fairness(name, cells, truth, answers, seed=problem.seed, weights=weights)
        is_input = name in problem.inputs
        message = f"{name!r} {'is' if is_input else 'is not'} an input of {of}; {said(one)}"
        found[name] = {**one.told(), "is_input": is_input, "message": message}
        run.note(f"fairness: {message}")
    return {"fairness": found}


def said(found: Fairness) -> str:
    """The gaps in a sentence."""
    small = [group.name for group in found.groups if group.is_small]
    more = f"; too few rows to tell: {', '.join(small)}" if small else ""
    if not found.gaps:
        return f"no two groups have rows enough to compare{more}"
    named = [key for key in NAMED_GAPS if key in found.gaps] or [*found.gaps][:1]
    told = ", ".join(
        f"{key} {found.gaps[key].value:.3f} [{found.gaps[key].low:.3f}, {found.gaps[key].high:.3f}]"
        for key in named
    )
    return f"between {len(found.groups) - len(small)} groups: {told}{more}"
