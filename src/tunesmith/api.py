"""The public calls: fit, load, and what they give."""

from __future__ import annotations

import json
import os
import time as clock
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.errors import BudgetError, ConfigError, DataError, did_you_mean
from tunesmith.core.events import Listener
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Budget, Column, Dataset, Score
from tunesmith.core.runfolder import recover_folder
from tunesmith.data.read import read
from tunesmith.evaluate.scores import confusion, scores
from tunesmith.pipeline import artifact
from tunesmith.pipeline.fit import fit as fit_run
from tunesmith.tasks import tasks
from tunesmith.tasks.classification import labels

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_BUDGET = os.environ.get("TUNESMITH_BUDGET", "10m")
"""Time for a fit that names neither time nor trials."""
Metric = str | Callable[[Any, Any], float]


def fit(
    source: Any,
    target: str | None = None,
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
    learners: Sequence[str] | None = None,
    space: Mapping[str, Mapping[str, Any]] | None = None,
    bad_rows: str = "stop",
    listeners: Sequence[Listener] = (),
    started: float | None = None,
) -> Predictor:
    """Find, tune, prove and save the best model for labelled data.

    Args:
        source: A path, pattern or URL of CSV, TSV, Parquet, JSON lines or Excel; a pandas or
            polars frame; a Hugging Face `Dataset`; a list of dicts or a dict of lists.
        target: The column to predict.
        budget: Time for everything from reading to saving, such as "90s", "10m" (the default) or
            seconds. The deadline holds, and a usable model lies in the run folder soon.
        trials: Number of trials, in place of a time or beside one. With trials alone the same
            data and seed give the same result on every machine.
        task: "classification" or "regression"; by default chosen from the target, with a reason.
        metric: What to select by: a name, or a callable of true and predicted answers.
        folder: Where the run is kept, a new or empty folder; runs/DATE-TIME by default.
        offline: Open no socket: use only pretrained weights that are here.
        kinds: What columns hold, by name, where the guess is wrong.
        group: A column whose equal cells stay on one side of the split.
        time: A column of dates or numbers; validation and test are the latest rows.
        split: A column that says train, valid or test for each row.
        learners: Try only these.
        space: By learner, config fields fixed to a value or narrowed to a range, such as
            {"neural": {"lr": Log(1e-5, 1e-4), "depth": 1.0}}.
        bad_rows: "stop" at rows that do not fit the columns, or "skip" them and say so.
        listeners: Called with each event.
        started: When the budget began, by `time.monotonic()`; now by default.

    Raises:
        TunesmithError: The data or an option cannot be used; the message says what to do.
    """
    if target is None:
        raise ConfigError('No target is named. Say which column to predict: target="label".')
    began = clock.monotonic() if started is None else started
    place = Path(folder or clock.strftime("runs/%Y%m%d-%H%M%S"))
    run = fit_run(
        source,
        target,
        budget=_budget(budget, trials),
        folder=place,
        task=task,
        metric=metric,
        seed=seed,
        offline=offline,
        kinds=kinds,
        group=group,
        time_column=time,
        split=split,
        wanted=learners,
        pins=space,
        bad_rows=bad_rows,
        listeners=listeners,
        started=began,
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


def load(folder: str | Path) -> Predictor:
    """The predictor of a run folder (its `best`) or of a saved artifact.

    Raises:
        DataError: There is none.
        UnsafeArtifact: It is not as it was saved.
    """
    predictor = Predictor(Path(folder))
    _ = predictor.model
    return predictor


class Evaluation(dict[str, Score]):
    """Scores by name; `confusion` counts how often each label (row) got each answer (column), and
    is None where the model answers with numbers."""

    def __init__(self, found: Mapping[str, Score], confusion: pd.DataFrame | None) -> None:
        super().__init__(found)
        self.confusion = confusion


class Predictor:
    """A fitted model: it predicts, and tells how good it is and why it was chosen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def place(self) -> Path:
        """The folder of the artifact itself."""
        place = recover_folder(self.folder / "best")
        for path in (place, self.folder):
            if os.path.isfile(path / "manifest.json"):
                return path
        if os.path.isdir(place):
            return place  # loading says what it lacks
        if not os.path.exists(self.folder):
            raise DataError(f"There is no run folder or saved model {self.folder}.")
        raise DataError(
            f"{self.folder} holds no model: neither best/ nor manifest.json is in it. Give the "
            "folder that `tunesmith fit` printed."
        )

    @cached_property
    def model(self) -> artifact.Model:
        """The model, opened and checked when first needed."""
        return artifact.load(self.place)

    @property
    def summary(self) -> dict[str, Any]:
        """The facts of the fit: task, metric, score and interval, reasons, findings, …"""
        file = self.folder / "summary.json"
        if file.is_file() and self.place != self.folder:
            return _read_facts(file)
        return {**self.model.facts, "folder": str(self.folder)}

    def leaderboard(self) -> list[dict[str, Any]]:
        """Every trial, best first: score on the validation rows with its interval, fit time,
        predict time a row, size."""
        return list(self.summary["leaderboard"])

    def predict(self, data: Any) -> NDArray[Any]:
        """One answer a row: labels as text, or numbers. `data` is whatever `fit` takes, a dict
        for a single row, or a text where text is the only input."""
        return self.scores(data).decode()

    def predict_proba(self, data: Any) -> pd.DataFrame:
        """A probability for each class, a column each, a row each.

        Raises:
            ConfigError: The model answers with numbers.
        """
        import pandas as pd

        found = self.scores(data)
        if not isinstance(found, ClassScores):
            raise ConfigError("This model answers with numbers; probabilities are for classes.")
        return pd.DataFrame(found.probabilities, columns=list(found.classes))

    def scores(self, data: Any) -> Prediction:
        """What the model hands back, before the likeliest is chosen."""
        return self.model.predict(self._rows(data))

    def evaluate(
        self, data: Any, metrics: Metric | Sequence[Metric] | None = None, *, seed: int = 0
    ) -> Evaluation:
        """Scores on labelled rows, each with its 95 % bootstrap interval, and the confusion matrix.

        Raises:
            DataError: The rows have no labels.
        """
        rows = self._rows(data, with_target=True)
        truth = self._truth(rows)
        known = np.flatnonzero(_has_label(rows.values(self.model.target)))
        found = self.model.predict(rows.take(known))
        names = [metric_shelf.check(metric, found) for metric in self._metrics(metrics)]
        return Evaluation(
            scores(names, truth[known], found, seed=seed), _confusion(truth[known], found)
        )

    def confusion(self, data: Any) -> pd.DataFrame:
        """How often each label (row) got each answer (column).

        Raises:
            ConfigError: The model answers with numbers.
        """
        found = self.evaluate(data).confusion
        if found is None:
            raise ConfigError("This model answers with numbers; a confusion matrix needs classes.")
        return found

    def _metrics(self, wanted: Metric | Sequence[Metric] | None) -> list[Metric]:
        if wanted is None:
            usual = tasks[self.model.task].metrics(self.model.classes)
            first = [self.model.metric] if self.model.metric in metric_shelf.metrics else []
            return list(dict.fromkeys([*first, *usual]))
        if isinstance(wanted, str) or callable(wanted):
            return [wanted]
        if not wanted:
            usual = tasks[self.model.task].metrics(self.model.classes)
            raise ConfigError(
                f"No metric is named. Name some, such as --metrics {','.join(usual)}, or leave "
                "--metrics away."
            )
        return list(wanted)

    def _rows(self, data: Any, *, with_target: bool = False) -> Dataset:
        """Rows with the input columns, typed as in training."""
        quick = None if with_target else self._quick(data)
        if quick is not None:
            return quick
        names = self.model.columns if with_target else self.model.inputs
        rows = read(
            [data] if isinstance(data, Mapping) and not _is_table(data) else data, like=names
        )
        gone = [column.name for column in names if column.name not in rows.names]
        if gone:
            raise DataError(
                f"{rows.source} lacks {', '.join(map(repr, gone))}, which this model "
                f"{'is scored by' if gone == [self.model.target] else 'was trained on'}. It has: "
                f"{', '.join(map(repr, rows.names))}. A cell may be empty, a column may not be "
                "absent."
            )
        return rows

    def _quick(self, data: Any) -> Dataset | None:
        """One row without a reader: a text for a model with one text column, or a dict."""
        inputs = self.model.inputs
        if isinstance(data, str) and len(inputs) == 1 and not Path(data[:200]).suffix:
            data = {inputs[0].name: data}
        if not isinstance(data, Mapping) or _is_table(data):
            return None
        if any(column.kind == "date" or column.name not in data for column in inputs):
            return None
        cells = {column.name: _cell(column, data[column.name]) for column in inputs}
        return Dataset("one row", inputs, cells, np.ones(1, dtype=np.int64))

    def _truth(self, rows: Dataset) -> NDArray[Any]:
        model = self.model
        values = rows.values(model.target)
        if not _has_label(values).any():
            raise DataError(
                f"No row of {rows.source} has a value in the target column {model.target!r}; "
                "scores need labels."
            )
        if not model.classes:
            return values.astype(np.float64)
        index = {label: code for code, label in enumerate(model.classes)}
        found = np.array([index.get(label, -1) for label in labels(values)], dtype=np.int64)
        if (found < 0).all():
            other = next(label for label in labels(values) if label is not None)
            raise DataError(
                f"No label in the target column {model.target!r} of {rows.source} is one that this "
                f"model knows; the first is {other!r}.{did_you_mean(other, model.classes)}"
            )
        return found


def _read_facts(file: Path) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} cannot be read: {error}. Take the run again from where it was saved, or give "
            f"the model alone: {file.parent / 'best'}."
        ) from error
    if not isinstance(facts, dict):
        raise DataError(f"{file} does not hold the facts of a fit.")
    return facts


def _confusion(truth: NDArray[Any], found: Prediction) -> pd.DataFrame | None:
    if not isinstance(found, ClassScores):
        return None
    import pandas as pd

    names = list(found.classes)
    return pd.DataFrame(confusion(truth, found), index=names, columns=names)


def _is_table(data: Mapping[Any, Any]) -> bool:
    """Whether a mapping holds columns rather than the cells of one row."""
    return any(isinstance(value, list | tuple | np.ndarray) for value in data.values())


def _has_label(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isnan(values))
    return np.array([value is not None for value in values], dtype=bool)


def _cell(column: Column, value: Any) -> NDArray[Any]:
    if column.kind == "number":
        try:
            return np.array([float("nan") if value is None else float(value)])
        except (TypeError, ValueError) as error:
            raise DataError(f"The column {column.name!r} holds numbers, not {value!r}.") from error
    found = np.empty(1, dtype=object)
    found[0] = None if value is None or value == "" else str(value)
    return found


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
