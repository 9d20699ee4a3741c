"""Few examples of each class: all of them teach, and each is answered out of fold in many draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import ConfigError, DataWarning
from tunesmith.core.records import Dataset, Part, Problem, Rows
from tunesmith.data.folds import folds
from tunesmith.pipeline.folds import together

MOST_A_CLASS = 16
"""Rows a class, in the mean, up to which a fifth of them would select nothing but by luck, and
another fifth, kept apart to test, would be missed."""
MOST_ROWS = 2_000
"""With more rows there is enough to select by, however many classes they are of."""
FEWEST_ROWS = 2
COUNT = 5
"""Folds of a draw, or as many as a usual class has rows: each then teaches with all but one."""
DRAWS = ((60, 10), (320, 5))
"""Up to so many rows the folds are drawn so often to choose by, else as `FEWEST_DRAWS` says."""
FEWEST_DRAWS = 3


def may_be_few(data: Dataset, target: str, task: str, *, is_asked: bool) -> bool:
    """Whether a few rows are enough to begin with: texts or pictures are to be told apart, which a
    pretrained network knows much about, and nothing is asked for (`is_asked`) that divides them."""
    names = [name for name in data.names if name != target]
    has_contents = bool(data.with_columns(names).of_kind("text", "image"))
    return task == "classification" and has_contents and not is_asked


def is_few(data: Dataset, inputs: Sequence[str], rows: int, classes: int) -> bool:
    """Whether so many labelled rows are few examples of so many classes."""
    has_contents = bool(data.with_columns(inputs).of_kind("text", "image"))
    return has_contents and rows <= min(MOST_A_CLASS * classes, MOST_ROWS)


def refuse_few(problem: Problem, asked: Mapping[str, Any]) -> None:
    """Refuse what is not built for few examples, by option.

    Raises:
        ConfigError: It was asked for.
    """
    for option, value in asked.items() if problem.is_few else ():
        if value:
            raise ConfigError(
                f"{option} is not built for few examples ({len(problem.rows):,} rows of "
                f"{len(problem.classes):,} classes), of which none are kept apart. Leave it away, "
                "or fit with --folds 0."
            )


def all_teach(rows: Rows) -> dict[Part, Rows]:
    """The parts before there are folds."""
    return {"train": rows, "valid": rows[:0], "test": rows[:0]}


def with_few(problem: Problem) -> Problem:
    """The problem with folds in which every row is answered that has another of its class; those
    that have none teach alone. Where hardly any class has two rows there are no folds: nothing can
    be validated, and the valid rows are those that teach."""
    rows = problem.parts["train"]
    codes = problem.truth("train")
    counts = np.bincount(codes, minlength=len(problem.classes))
    again = rows[counts[codes] > 1]
    if (counts > 1).sum() < 2:
        return _unproven(problem, rows)
    draws = next((times for most, times in DRAWS if len(rows) <= most), FEWEST_DRAWS)
    parts: dict[Part, Rows] = {**problem.parts, "valid": again}
    found = replace(problem, parts=parts, is_few=True)
    found = drawn(found, draws, problem.seed)
    count = len(found.folds) // draws
    alone = len(rows) - len(again)
    told = (
        f"few examples: {len(rows):,} rows of {len(problem.classes):,} classes; all of them teach, "
        f"and {'each is' if not alone else f'{len(again):,} are'} answered by models that had not "
        f"seen the row, in {count} folds drawn {draws} times; none are kept apart to test, because "
        "there are so few"
    )
    if alone:
        told += f"; the only row of a class ({alone:,}) teaches and is not answered"
    return replace(found, reasons={**problem.reasons, "split": told})


def drawn(problem: Problem, draws: int, seed: int) -> Problem:
    """The problem with its folds drawn anew, so many times."""
    train, valid = problem.parts["train"], problem.parts["valid"]
    codes = problem.truth("valid")
    count = _count(codes)
    found = folds(
        valid,
        strata=codes,
        groups=together(problem, valid),
        count=count,
        times=draws,
        seed=seed,
    )
    alone = np.setdiff1d(train, valid)
    return replace(
        problem,
        folds=tuple((np.union1d(teach, alone), answered) for teach, answered in found),
    )


def _count(codes: NDArray[Any]) -> int:
    counts = np.unique(codes, return_counts=True)[1]
    return int(np.clip(np.median(counts), 2, COUNT))


def _unproven(problem: Problem, rows: Rows) -> Problem:
    told = (
        f"few examples: {len(rows):,} rows of {len(problem.classes):,} classes, one of a class: "
        "all of them teach, and none is left to validate on, so that nobody knows how good the "
        "model is; with two or more of each class it is scored"
    )
    warnings.warn(f"{problem.data.source}: {told}", DataWarning, stacklevel=3)
    parts: dict[Part, Rows] = {**problem.parts, "valid": rows}
    reasons = {**problem.reasons, "split": told}
    return replace(problem, parts=parts, is_few=True, reasons=reasons)
