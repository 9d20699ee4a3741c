"""Framing: what is to be learned, from which rows, judged how; each choice with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics
from tunesmith.core.contracts import Task
from tunesmith.core.costs import Costs, RowCosts
from tunesmith.core.errors import ConfigError, DataError, did_you_mean
from tunesmith.core.multilabel import LabelForm
from tunesmith.core.predictions import ClassScores, Prediction, prediction_of
from tunesmith.core.records import Column, Dataset, Part, Problem, Rows
from tunesmith.data.audit import audit
from tunesmith.data.folds import MOST_ROWS, usual
from tunesmith.data.label_cells import with_labels
from tunesmith.data.leaks import leaks
from tunesmith.data.read import read
from tunesmith.data.split import split as split_rows
from tunesmith.pipeline.costing import read_costs, read_weights, with_numbers
from tunesmith.pipeline.few import FEWEST_ROWS as FEWEST_FEW
from tunesmith.pipeline.few import all_teach, is_few, may_be_few, with_few
from tunesmith.pipeline.folds import crossed
from tunesmith.pipeline.labelling import (
    TASK,
    audited,
    check_labels,
    choose_form,
    label_findings,
    one_target,
)
from tunesmith.tasks import tasks
from tunesmith.tasks.classification import labels

FEWEST_ROWS = 10
MOST_FOLDS = 50
INPUT_KINDS = ("text", "number", "category", "date", "image")
SPELLINGS = {
    "binary": "classification",
    "multiclass": "classification",
    "multi_label": TASK,
    "multi-label": TASK,
}


def frame(
    data: Dataset,
    target: str | Sequence[str],
    *,
    task: str | None = None,
    metric: str | Callable[[Any, Any], float] | None = None,
    group: str | None = None,
    time: str | None = None,
    split: str | None = None,
    folds: int | None = None,
    costs: Any = None,
    weights: str | None = None,
    nested: int = 0,
    label_delimiter: str | None = None,
    seed: int = 0,
) -> Problem:
    """Turn data and the name of a target into a problem. With `folds` above 1 every row that does
    not test is learned from and selects, each in its turn; by default where a table is small.
    `costs` as of `costing.read_costs`, `weights` names the column of the row weights. With `nested`
    outer folds none are kept apart to test. Several targets are columns of 0 and 1;
    `label_delimiter` stands between the labels of a cell.

    Raises:
        DataError: Nothing can be learned from it; says why, and what to do.
        ConfigError: A name given is not known or does not fit.
    """
    _check_folds(folds, time, split)
    named = {"--group": group, "--time": time, "--split": split}
    data, target, form = one_target(data, target)
    _check_columns(data, target, named)
    chosen, task_reason, form = _choose_task(data, target, task, label_delimiter, form)
    data = _with_target(data, target, chosen, form)
    kind = tasks[chosen]
    values = data.values(target)
    labelled = np.flatnonzero(_is_known(values))
    is_asked = bool(any(named.values()) or nested or form) or folds is not None
    may = may_be_few(data, target, chosen, is_asked=is_asked)
    _check_enough(data, target, values, labelled, FEWEST_FEW if may else FEWEST_ROWS)
    if form is not None:
        check_labels(data, target, values[labelled], form)
    classes = form.columns if form and form.columns else kind.classes(values[labelled])
    is_meant = may and task is not None
    _check_target(data, target, values[labelled], classes, chosen, is_meant=is_meant)
    if form is not None and costs is not None:
        raise ConfigError("Costs are of one label a row, and here a row has several.")
    taken = {target, *filter(None, named.values())}
    priced = None if costs is None else read_costs(costs, classes, data.names)
    if priced is not None:
        data = with_numbers(data, priced.columns, target, "The costs' column")
        _check_amounts(data, priced, labelled, {*taken, weights or ""})
    if weights is not None:
        data = with_numbers(data, [weights], target, "--weights")
        taken.add(weights)
    inputs, inputs_reason = _inputs(data, taken)
    blank = _blank(classes, priced, form)
    measure, metric_reason = _metric(kind, values[labelled], classes, metric, blank)
    if weights is not None and callable(metric):
        raise ConfigError(
            "A metric of your own knows no row weights. Name a built-in metric, or leave the "
            "weights away."
        )
    few = may and is_few(data, inputs, len(labelled), len(classes))
    if few:
        parts, split_reason = all_teach(labelled), ""
    else:
        _check_enough(data, target, values, labelled, FEWEST_ROWS)
        parts, split_reason = _parts(data, labelled, kind, target, group, time, split, seed)
        _check_train(data, target, parts, classes)
    truth, told_classes = audited(values, _truth(values, classes), classes, form)
    unlabelled = np.setdiff1d(np.arange(len(data)), labelled)
    rarest = None if form else _rarest(truth, classes, parts)
    count = 0 if few else _fold_count(data, inputs, parts, rarest, folds, time or split)
    looked = _with_folds(parts) if count else parts
    counts = None if weights is None else read_weights(data, weights, parts)
    if nested:
        parts = without_test(parts)
        split_reason = f"nested, {nested} outer folds: {split_reason.partition(':')[0]}"
    seen_parts = _with_folds(parts) if count else parts
    told = (data, target, inputs, truth, told_classes, seen_parts)
    seen = audit(*told, unlabelled=unlabelled, seed=seed)
    more = (
        ()
        if form
        else leaks(
            *(data, target, inputs, truth, classes, looked),
            time=time,
            is_given=split is not None,
            group=group,
            known=seen.findings,
            seed=seed,
        )
    )
    problem = Problem(
        data=data,
        task=chosen,
        target=target,
        inputs=inputs,
        classes=classes,
        metric=measure,
        parts=parts,
        seed=seed,
        reasons={
            "task": task_reason,
            "metric": metric_reason,
            "split": split_reason,
            "inputs": inputs_reason,
        },
        findings=(*label_findings(seen.findings, values, form), *more),
        leaked=seen.leaked,
        weights=counts,
        weights_column=weights or "",
        costs=priced,
        groups=None if group is None else _group_codes(data.values(group)),
        times=None if time is None else _as_numbers(data.values(time)),
        label_form=form,
    )
    if few:
        return with_few(problem)
    return _told_of_folds(crossed(problem, count=count), count, folds) if count else problem


def without_test(parts: Mapping[Part, Rows]) -> dict[Part, Rows]:
    """What tested, the latest rows of a split by time, selects; the others train."""
    train = np.union1d(parts["train"], parts["valid"])
    return {"train": train, "valid": parts["test"], "test": train[:0]}


def _check_folds(folds: int | None, time: str | None, split: str | None) -> None:
    if folds is None or folds == 0:
        return
    if not isinstance(folds, int) or isinstance(folds, bool) or not 2 <= folds <= MOST_FOLDS:
        raise ConfigError(
            f"The number of folds is a whole number from 2 to {MOST_FOLDS}, or 0 for none, not "
            f"{folds!r}."
        )
    if time or split:
        raise ConfigError(
            f"--folds draws who selects, and {'--time' if time else '--split'} says who does. Give "
            "only one of them."
        )


def _fold_count(
    data: Dataset,
    inputs: Sequence[str],
    parts: Mapping[Part, Rows],
    rarest: int | None,
    wanted: int | None,
    given: str | None,
) -> int:
    """Of the rows that do not test: as asked, else by their number and that of the rarest class, of
    tables without words. Where time or the data say which rows select there are none."""
    rows = len(parts["train"]) + len(parts["valid"])
    if wanted is not None:
        return min(wanted, rows)
    has_text = bool(data.with_columns(inputs).of_kind("text", "image"))
    return 0 if given or has_text else usual(rows, rarest)


def _rarest(truth: NDArray[Any], classes: Sequence[str], parts: Mapping[Part, Rows]) -> int | None:
    """The rows of the rarer of two classes among those that do not test; None of other targets."""
    if len(classes) != 2:
        return None
    codes = truth[np.union1d(parts["train"], parts["valid"])].astype(np.int64)
    return int(np.bincount(codes, minlength=2).min())


def _with_folds(parts: Mapping[Part, Rows]) -> dict[Part, Rows]:
    """The parts as the audit is to see them: what selects is learned from as well."""
    every = np.union1d(parts["train"], parts["valid"])
    return {"train": every, "valid": every[:0], "test": parts["test"]}


def _group_codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """A code for each row; a row without a group has its own."""
    codes = np.unique(values.astype(str), return_inverse=True)[1]
    return np.where(_is_known(values), codes, len(codes) + np.arange(len(codes)))


def _told_of_folds(problem: Problem, count: int, wanted: int | None) -> Problem:
    rows, times = len(problem.parts["valid"]), len(problem.folds) // count
    of = "so few rows" if rows <= MOST_ROWS else "so few rows of one class"
    why = "as asked" if wanted else f"because of {of} each should both teach and select"
    apart = " that do not test" if len(problem.parts["test"]) else ""
    told = f"; {count} folds over the {rows:,} rows{apart}"
    told += f", drawn {times} times" if times > 1 else ""
    split = f"{problem.reasons['split']}{told}, {why}"
    return replace(problem, reasons={**problem.reasons, "split": split})


def _check_amounts(data: Dataset, costs: Costs, labelled: Rows, taken: set[str]) -> None:
    """Amounts are there in every labelled row, and will be there when answers are asked for."""
    for name in costs.columns:
        if name in taken:
            raise ConfigError(
                f"The costs' column {name!r} is no input of the model, so that it would not be "
                "there to decide by. Name another column, or copy it."
            )
    costs.of(data.with_columns(costs.columns).take(labelled))


def _check_columns(data: Dataset, target: str, named: Mapping[str, str | None]) -> None:
    data.column(target)
    given = [option for option, name in named.items() if name is not None]
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)} each say how to split the rows. Give only one of them."
        )
    for option, name in named.items():
        if name is not None:
            data.column(name)
            if name == target:
                raise ConfigError(f"{option} {name!r} is the target. Name another column.")


def _choose_task(
    data: Dataset,
    target: str,
    wanted: str | None,
    delimiter: str | None,
    form: LabelForm | None,
) -> tuple[str, str, LabelForm | None]:
    """The task and its reason, and of several labels a row how they are written."""
    column, values = data.column(target), data.values(target)
    if not _is_known(values).any():
        raise DataError(
            f"No row of {data.source} has a value in the target column {target!r}: all "
            f"{len(data):,} are empty. Fill in labels, or name another column with --target."
        )
    name = None
    if wanted is not None:
        name = SPELLINGS.get(wanted.strip().lower(), wanted.strip().lower())
        if name not in tasks:
            raise ConfigError(f"There is no task {wanted!r}.{did_you_mean(name, tasks)}")
    form, why = choose_form(data, target, name, delimiter, form)
    if form is not None:
        return TASK, why, form
    if name is not None:
        return name, "asked for", None
    if column.reason.startswith("mixed"):
        raise DataError(
            f"The target column {target!r} of {data.source} holds numbers and words side by side "
            f"({column.reason}). Mend the cells, or say what is meant: --task classification takes "
            "every distinct value as a label, --task regression takes the words as missing."
        )
    claims = [(*plugin.claim(column, values), one) for one, plugin in tasks.items()]
    _, reason, name = max(claims, key=lambda claim: claim[0])
    return name, reason, None


def _is_known(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    if values.dtype.kind == "M":
        return np.asarray(~np.isnat(values))
    return np.array([value is not None for value in values], dtype=bool)


def _with_target(data: Dataset, target: str, task: str, form: LabelForm | None) -> Dataset:
    """The target's cells as labels, as lists of them, or as numbers, as the task needs them."""
    column = data.column(target)
    if form is not None:
        return data if form.columns else with_labels(data, target, form)
    if task == "regression":
        if column.kind == "number":
            return data
        try:
            return read(data, kinds={target: "number"})
        except ConfigError as error:
            first = next(value for value in data.values(target) if value is not None)
            raise DataError(
                f"No cell of the target column {target!r} is a number, as --task regression "
                f"needs; the first is {str(first)!r}. Use --task classification."
            ) from error
    cells = {**data.cells, target: labels(data.values(target))}
    columns = tuple(
        Column(target, "category", c.reason) if c.name == target else c for c in data.columns
    )
    return replace(data, columns=columns, cells=cells)


def _check_enough(
    data: Dataset, target: str, values: NDArray[Any], labelled: Rows, fewest: int
) -> None:
    if len(labelled) >= fewest:
        return
    raise DataError(
        f"{data.source} has {len(labelled)} row{'s' * (len(labelled) != 1)} with a value in the "
        f"target column {target!r}, of {len(values):,} in all. At least {fewest} are needed "
        "to learn anything and to say how good it is."
    )


def _check_target(
    data: Dataset,
    target: str,
    values: NDArray[Any],
    classes: tuple[str, ...],
    task: str,
    *,
    is_meant: bool,
) -> None:
    if task == "regression":
        if np.ptp(values.astype(np.float64)) == 0:
            raise DataError(
                f"Every row of {data.source} has the same number {values[0]:g} in the target "
                f"column {target!r}: there is nothing to learn. Name another column."
            )
        return
    if task != TASK and len(classes) < 2:
        raise DataError(
            f"Every labelled row of {data.source} has the same label {classes[0]!r} in the target "
            f"column {target!r}: there is nothing to tell apart. Add rows of other labels, or name "
            "another column with --target."
        )
    each = len(values) / len(classes)
    if not is_meant and ((len(classes) > 20 and each < 2) or (len(classes) > 1000 and each < 5)):
        examples = ", ".join(repr(label[:30]) for label in classes[:3])
        raise DataError(
            f"The target column {target!r} of {data.source} has {len(classes):,} different labels "
            f"in {len(values):,} rows ({examples}, …), {each:.1f} rows a label: too few to learn "
            "from. It may be an identifier or free text. Name another column, join rare labels "
            "into one, or use --task regression if they are amounts. If they are classes of few "
            "texts or pictures each, say --task classification."
        )


def _check_train(
    data: Dataset, target: str, parts: Mapping[Part, Rows], classes: tuple[str, ...]
) -> None:
    values = data.values(target)
    empty = [name for name, rows in parts.items() if not len(rows)]
    if empty:
        raise DataError(
            f"The split leaves no labelled rows for {', '.join(empty)}. Each part needs some: give "
            "more groups or rows, or leave --split, --group and --time away."
        )
    if classes and len(set(values[parts["train"]])) < 2:
        raise DataError(
            f"After the split all {len(parts['train']):,} training rows of {data.source} have the "
            f"same label {values[parts['train']][0]!r} in {target!r}. Choose another split."
        )


def _inputs(data: Dataset, taken: set[str]) -> tuple[tuple[str, ...], str]:
    free = [column for column in data.columns if column.name not in taken]
    used = tuple(column.name for column in free if column.kind in INPUT_KINDS)
    left = [f"{column.name} ({column.kind})" for column in free if column.name not in used]
    if not used:
        raise DataError(
            f"{data.source} has no column to learn from besides the target: "
            f"{', '.join(left) or 'nothing else is there'}. Give text, pictures, numbers, "
            "categories or dates; if a kind was guessed wrong, say it with --kind COLUMN=KIND."
        )
    told = ", ".join(f"{name} ({data.column(name).kind})" for name in used)
    return used, told + (f"; left out: {', '.join(left)}" if left else "")


def _metric(
    kind: Task, values: NDArray[Any], classes: Sequence[str], wanted: Any, blank: Prediction
) -> tuple[str, str]:
    if wanted is None and isinstance(blank, ClassScores) and blank.costs is not None:
        return metrics.COST, "you said what answers cost; this is their mean over rows"
    if wanted is None:
        return kind.metric(values, classes)
    return metrics.check(wanted, blank), "asked for"


def _blank(classes: Sequence[str], costs: Costs | None, form: LabelForm | None) -> Prediction:
    """A prediction of no rows, to ask what is defined for its kind."""
    shape = (0, len(classes)) if classes else (0,)
    found = prediction_of(np.empty(shape), tuple(classes), several=form is not None)
    if costs is None or not isinstance(found, ClassScores):
        return found
    return replace(found, costs=RowCosts(np.array(costs.fixed)))


def _parts(
    data: Dataset,
    labelled: Rows,
    kind: Task,
    target: str,
    group: str | None,
    time: str | None,
    split: str | None,
    seed: int,
) -> tuple[dict[Part, Rows], str]:
    def cells(name: str | None) -> NDArray[Any] | None:
        return None if name is None else data.values(name)[labelled]

    if time is not None and data.column(time).kind not in ("date", "number"):
        raise ConfigError(
            f"--time {time!r} holds {data.column(time).kind} cells; it must hold dates or numbers."
        )
    try:
        parts, reason = split_rows(
            len(labelled),
            strata=kind.strata(data.values(target)[labelled]),
            groups=None if group is None else _as_text(cells(group)),
            times=cells(time),
            given=None if split is None else _as_text(cells(split)),
            seed=seed,
        )
    except DataError as error:
        column = group or time or split
        raise DataError(
            f"{data.source}, column {column!r}: {error}" if column else f"{data.source}: {error}"
        ) from error
    return {name: labelled[rows] for name, rows in parts.items()}, reason


def _as_numbers(times: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers or dates as numbers in the same order, NaN where there is none."""
    if times.dtype.kind != "M":
        return times.astype(np.float64)
    found = times.astype("datetime64[s]").astype(np.float64)
    return np.where(np.isnat(times), np.nan, found)


def _as_text(values: NDArray[Any] | None) -> NDArray[np.object_]:
    assert values is not None
    known = _is_known(values)
    found = np.full(len(values), None, dtype=object)
    found[known] = [str(value) for value in values[known]]
    return found


def _truth(values: NDArray[Any], classes: tuple[str, ...]) -> NDArray[Any]:
    """Class codes (-1 where there is no label), or numbers (NaN), for every row."""
    if not classes:
        return values.astype(np.float64)
    index = {label: code for code, label in enumerate(classes)}
    return np.array([index.get(label, -1) for label in values], dtype=np.int64)
