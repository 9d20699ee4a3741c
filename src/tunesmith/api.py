"""The public calls: fit, resume, scout, load, and the spelling of older scripts."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError
from tunesmith.core.events import Listener
from tunesmith.core.records import Budget, Dataset
from tunesmith.data.read import read
from tunesmith.nn.shards import MEMORY_BYTES, Store, open_store, using
from tunesmith.pipeline.fit import Metric
from tunesmith.pipeline.fit import fit as fit_run
from tunesmith.pipeline.fit import resume as resume_run
from tunesmith.pipeline.frame import frame
from tunesmith.pipeline.nested import check_nested
from tunesmith.pipeline.plan import modality_of
from tunesmith.pipeline.request import Request, source_name
from tunesmith.pipeline.scouting import Scouting, cards_here, scout_problem
from tunesmith.pipeline.shaping import asked_of
from tunesmith.pipeline.stacking import check_stack
from tunesmith.predictor import Predictor
from tunesmith.report.tracking import trackers

if TYPE_CHECKING:
    pass

DEFAULT_BUDGET = os.environ.get("TUNESMITH_BUDGET", "10m")
"""Time for a fit that names neither time nor trials."""


def fit(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    budget: str | float | Budget | None = None,
    trials: int | None = None,
    task: str | None = None,
    metric: Metric | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    offline: bool = False,
    kinds: Mapping[str, Any] | None = None,
    group: str | None = None,
    time: str | None = None,
    split: str | None = None,
    folds: int | None = None,
    nested: int = 0,
    costs: Any = None,
    weights: str | None = None,
    learners: Sequence[str] | None = None,
    space: Mapping[str, Mapping[str, Any]] | None = None,
    search: str | Sequence[str] = "auto",
    stopper: str = "median",
    goals: Sequence[str] = (),
    workers: int | None = None,
    auto_stack: bool | int = False,
    distill: bool = False,
    sensitive: Sequence[str] = (),
    interpretable: bool | str = True,
    label_delimiter: str | None = None,
    architecture: Any = "auto",
    bad_rows: str = "stop",
    cache: bool = True,
    listeners: Sequence[Listener] = (),
    track: Sequence[str] = (),
    started: float | None = None,
) -> Predictor:
    """Find, tune, prove and save the best model for labelled data.

    Args:
        source: A path, pattern or URL of CSV, TSV, Parquet, JSON lines or Excel; a pandas or
            polars frame; a Hugging Face `Dataset`; a list of dicts or a dict of lists.
        target: The column to predict; a row may have several labels there, as a list or with a
            delimiter between. Several columns, of 0 and 1, are a label each.
        budget: Time for everything from reading to saving, such as "90s", "10m" (the default) or
            seconds. The deadline holds, and a usable model lies in the run folder soon.
        trials: Number of trials, in place of a time or beside one. With trials alone the same
            data and seed give the same result each time on one machine.
        task: "classification", "multilabel" (several labels a row) or "regression"; by default
            chosen from the target, with a reason.
        metric: What to select by: a name, or a callable of true and predicted answers.
        folder: Where the run is kept, a new or empty folder; runs/DATE-TIME by default.
        offline: Open no socket: use only pretrained weights that are here.
        kinds: What columns hold, by name, where the guess is wrong.
        group: A column whose equal cells stay on one side of the split.
        time: A column of dates or numbers; validation and test are the latest rows.
        split: A column that says train, valid or test for each row.
        folds: Cross-validation with so many folds: every row that does not test teaches and
            selects. By default 5 for tables of up to 5,000 rows without words; 0 for none.
        nested: Take the final score from so many outer folds instead of rows kept apart: in each
            the whole fit runs on the other rows, with its share of the budget, and answers those
            left out. The model that is handed over has learned from all rows.
        costs: What it costs to answer one label where another is true, by true label, then by
            answer: {"fraud": {"ok": "amount"}, "ok": {"fraud": 5}}. A cost is a number (below zero
            a gain), the name of an input column of amounts, or "0.5 * amount"; "*" stands for every
            label not named, and right answers cost nothing unless they are named. The model then
            gives the answer that is expected to cost least, and is selected by the mean cost a row,
            the metric "cost", unless `metric` names another.
        weights: A column of numbers that says how much each row counts in fitting and in scoring.
            It is no input.
        learners: Try only these.
        space: By learner, config fields fixed to a value, or searched in a range or a list, such as
            {"neural": {"lr": Log(1e-5, 1e-4), "depth": 1.0, "batch_size": [16, 32]}}.
        search: Who proposes: "auto" (the default), "random", "quasirandom", "grid", "tpe", "gp",
            "bayes", "cmaes", "ageing", "nsga2", "evolution", "portfolio" (what has done well on
            other data, in order, and then no more); or a list of them, that take turns and learn
            from each other.
        stopper: Who ends a trial early: "median" (the default), "asha", "hyperband", "pasha" or
            "none". What was ended goes on from its checkpoint where that is worth it.
        goals: What the search is to reach beside the score: "latency" (short answers), "size" (a
            small model), "memory" (little of it to answer), "parameters" (few weights). The best
            score still wins; `pick` takes another from the Pareto front.
        workers: Processes that trials run in, side by side, sharing cores and devices; by default
            they run in this one, one after the other. Only there is a trial ended that hangs inside
            a library; in this process it is where it comes back to Python, in the main thread.
        auto_stack: Put models over the answers that the trials gave out of fold, in one level
            (True) or two (2). They answer where they gain more than noise. Needs folds.
        distill: Let one small model learn what the final one answers, and tell what it loses; it is
            saved in the folder `distilled` of the run. `model.distill()` does so later.
        sensitive: Columns by whose groups the model is scored as well (`fairness` in the summary).
            They stay inputs where their kind allows it, and the summary says so.
        interpretable: A model that can be read, fitted beside the one that answers, with what it
            costs in score: "scorecard" (two classes), "ebm" (an explainable boosting machine), or
            True (the default): a scorecard where there can be one; False for none.
        label_delimiter: What stands between several labels of a cell, such as ";"; found by itself
            where it is plain.
        architecture: Search the shape of networks too: True (cells on what is read, and what is
            taken from or added to the blocks), False, or "auto" (the default), where there is time
            and it has won elsewhere. Or one to keep: a file, folder or dict as a fit leaves it
            (`model.architecture`); {"start": FILE} begins with it and searches on.
        bad_rows: "stop" at rows that do not fit the columns, or "skip" them and say so.
        cache: Keep what frozen networks answer in the user's cache folder, for the next trial and
            the next fit; without it, in memory alone.
        listeners: Called with each event.
        track: Send the events on: "mlflow" (to MLFLOW_TRACKING_URI), "tensorboard" (into the run
            folder).
        started: When the budget began, by `time.monotonic()`; now by default.

    Raises:
        TunesmithError: The data or an option cannot be used; the message says what to do.
    """
    if not target:
        raise ConfigError('No target is named. Say which column to predict: target="label".')
    began = clock.monotonic() if started is None else started
    place = Path(folder or clock.strftime("runs/%Y%m%d-%H%M%S"))
    request = Request(
        source=source_name(source),
        target=target if isinstance(target, str) else tuple(target),
        budget=_budget(budget, trials),
        task=task,
        metric=None if callable(metric) else metric,
        own_metric=callable(metric),
        seed=seed,
        offline=offline,
        kinds=kinds,
        group=group,
        time_column=time,
        split=split,
        folds=folds,
        nested=check_nested(nested, split, _budget(budget, trials), distill=distill),
        wanted=None if learners is None else tuple(learners),
        pins=space,
        bad_rows=bad_rows,
        cache=cache,
        search=search if isinstance(search, str) else tuple(search),
        stopper=stopper,
        goals=tuple(goals),
        workers=workers,
        auto_stack=check_stack(auto_stack),
        distill=distill,
        costs=costs,
        weights=weights,
        sensitive=(sensitive,) if isinstance(sensitive, str) else tuple(sensitive),
        interpretable=interpretable,
        label_delimiter=label_delimiter,
        architecture=asked_of(architecture),
    )
    heard = (*listeners, *trackers(track, place))
    run = fit_run(source, request, folder=place, metric=metric, listeners=heard, started=began)
    return Predictor(run)


def resume(
    folder: str | Path,
    *,
    budget: str | float | None = None,
    trials: int | None = None,
    source: Any = None,
    metric: Callable[[Any, Any], float] | None = None,
    listeners: Sequence[Listener] = (),
    started: float | None = None,
) -> Predictor:
    """Go on with a run that was cut short, where it stopped: nothing that was scored is computed
    again. With more time or trials, also with one that has ended.

    Args:
        folder: The run folder.
        budget: Time beyond what was spent; by default what is left of the run's own.
        trials: Trials beyond those that were made.
        source: The data, where the run was fitted from an object in memory or has moved.
        metric: The callable, where the run's metric was one.

    Raises:
        TunesmithError: It cannot go on; the run stays as it is.
    """
    more = None
    if budget is not None or trials is not None:
        more = Budget() if budget is None else Budget.parse(budget)
        more = more if trials is None else _budget(more, trials)
    run = resume_run(
        Path(folder), more=more, source=source, metric=metric, listeners=listeners, started=started
    )
    return Predictor(run)


def _budget(budget: str | float | Budget | None, trials: int | None) -> Budget:
    if budget is None and trials is None:
        budget = DEFAULT_BUDGET
    parsed = Budget.parse(budget)
    if trials is None:
        return parsed
    if not isinstance(trials, int) or isinstance(trials, bool):
        raise BudgetError(f"A number of trials is a whole number, not {trials!r}.")
    return Budget(parsed.seconds, trials, parsed.memory_bytes)


def scout(
    source: Any,
    target: str | Sequence[str],
    *,
    budget: str | float | None = "2m",
    backbones: Sequence[str] | None = None,
    task: str | None = None,
    seed: int = 0,
    kinds: Mapping[str, Any] | None = None,
    bad_rows: Any = "stop",
    cache: bool = True,
    size: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Scouting:
    """Rank pretrained checkpoints for labelled data, without fine-tuning any: from frozen features
    of a sample of rows that grows while the ranking is unclear.

    Args:
        source, target, task, kinds, bad_rows, cache: As of `fit`.
        budget: Time for it, and what a fine-tuning is said to fit or not.
        backbones: Names of the zoo or folders; by default every built-in one that is here.
        size: Pixels of a picture's side; 0 for what each checkpoint was trained with.
        tell: Called with what is being done.

    Raises:
        TunesmithError: The data or a name cannot be used, or no checkpoint is on this machine.
    """
    parsed = Budget.parse(budget)
    time_left = Clock(parsed.seconds)
    named = target if isinstance(target, str) else None
    data = read(source, kinds=kinds, bad_rows=bad_rows, target=named)
    problem = frame(data, target, task=task, seed=seed)
    cards, gone = cards_here(backbones, modality_of(problem))
    with using(open_store() if cache else Store(None, MEMORY_BYTES)):
        found = scout_problem(problem, cards, clock=time_left, seed=seed, size=size, tell=tell)
    found = replace(found, left_out={**gone, **found.left_out})
    rows = len(problem.rows)
    return Scouting(found, rows, parsed.seconds)


def load(folder: str | Path) -> Predictor:
    """The predictor of a run folder (its `best`) or of a saved artifact.

    Raises:
        DataError: There is none.
        UnsafeArtifact: It is not as it was saved.
    """
    predictor = Predictor(Path(folder))
    _ = predictor.model
    return predictor


class TextPrediction:
    """The spelling of older scripts: `task.Dataset`, `task.fit`, `predictor.evaluate`."""

    @staticmethod
    def Dataset(file_path: str | Path) -> Dataset:  # noqa: N802 (the old spelling)
        """Read a file."""
        return read(file_path)

    @staticmethod
    def fit(
        train_data: Any,
        label: str,
        eval_metric: Metric | None = None,
        *,
        auto_stack: bool = True,
        time_limits: float | str | None = None,
        output_directory: str | Path | None = None,
        seed: int = 0,
    ) -> Predictor:
        """Fit within `time_limits` (seconds, or such as "10m"). `auto_stack` is taken for the sake
        of older scripts: models are blended wherever that gains more than noise."""
        return fit(
            train_data,
            label,
            budget=time_limits,
            metric=eval_metric,
            folder=output_directory,
            seed=seed,
        )
