"""A fitted model as a user meets it: answers, scores, the facts of its fit."""

from __future__ import annotations

import glob
import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.contracts import RawTable
from tunesmith.core.errors import ConfigError, DataError, DataWarning, did_you_mean
from tunesmith.core.predictions import ClassScores, Prediction
from tunesmith.core.records import Column, Dataset, Score
from tunesmith.core.runfolder import recover_folder
from tunesmith.data.cells import CODE, number, same
from tunesmith.data.kinds import infer
from tunesmith.data.read import read
from tunesmith.data.readers import readers
from tunesmith.data.readers._bytes import is_url
from tunesmith.data.readers._table import objects, plain
from tunesmith.evaluate.fairness import Fairness, fairness
from tunesmith.evaluate.scores import confusion, scores
from tunesmith.learners.scorecard import Scorecard
from tunesmith.pipeline import artifact, decisions
from tunesmith.pipeline.costing import read_weights
from tunesmith.pipeline.distill import distill
from tunesmith.pipeline.export import export_code
from tunesmith.pipeline.fit import Metric
from tunesmith.pipeline.pick import pick as pick_model
from tunesmith.pipeline.suspecting import read_suspects
from tunesmith.tasks import tasks
from tunesmith.tasks.classification import label_of, labels

if TYPE_CHECKING:
    import pandas as pd

LONGEST_PATH = 4096
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


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

    def scorecard(self) -> pd.DataFrame:
        """The scorecard of the run, a line for each bin of each column: feature, bin, points,
        weight of evidence, share of the rows. Points of a row's bins add up; the card's own model
        lies in `interpretable` of the run folder.

        Raises:
            ConfigError: There is none.
        """
        import pandas as pd

        return pd.DataFrame(self._scorecard()[0].table())

    def scorecard_points(self, data: Any) -> pd.DataFrame:
        """The points that rows have by the scorecard: a column for each feature, and `points`,
        their sum.

        Raises:
            ConfigError: There is no scorecard.
        """
        import pandas as pd

        card, model = self._scorecard()
        rows = Predictor(model)._rows(data)
        found = pd.DataFrame(card.points(rows), columns=[one.bins.name for one in card.features])
        return found.assign(points=found.sum(axis=1))

    def _scorecard(self) -> tuple[Scorecard, Path]:
        """The one scorecard at hand, and the folder of its model."""
        beside = recover_folder(self.folder / "interpretable")
        place = beside if beside.is_dir() else self.place
        for fitted, _ in artifact.load(place).members:
            if isinstance(fitted, Scorecard):
                return fitted, place
        raise ConfigError(
            f"{self.folder} holds no scorecard. One is fitted for two classes told from numbers, "
            "categories and dates, in a run of the learner `scorecard`."
        )

    def pick(
        self, *, max_latency_ms: float = float("inf"), max_size_mb: float = float("inf")
    ) -> Predictor:
        """Of the models of this run the one that validates best among those that answer a row (in a
        batch) within so many milliseconds and have at most so many megabytes. The leaderboard says
        what each takes, and which lie on the Pareto front of score, time and size.

        Raises:
            ConfigError: None is so quick or so small.
        """
        return Predictor(
            pick_model(self.folder, max_latency_ms=max_latency_ms, max_size_mb=max_size_mb)
        )

    def distill(
        self,
        *,
        student: str | Sequence[str] | None = None,
        temperature: float = 1.0,
        unlabelled: Any = None,
        source: Any = None,
        budget: str | float | None = None,
    ) -> Predictor:
        """One small model that has learned what the models of this run answer together, saved in
        its folder `distilled`. Its summary tells as `distilled` what that loses in score on the
        test rows, with the interval, and the size and the time for a row of both.

        Args:
            student: A learner that weighs rows, or several to choose from by the validation rows;
                by default "linear", and "lightgbm" where no text is to be read.
            temperature: Of the probabilities that are learned: above 1 those of unlikely classes
                count for more.
            unlabelled: Rows without labels to learn from as well; whatever `fit` takes.
            source: The data of the fit, where that was an object in memory or has moved.
            budget: Time for it, such as "60s".

        Raises:
            TunesmithError: It cannot be done; says why.
        """
        names = (student,) if isinstance(student, str) else tuple(student or ())
        return Predictor(
            distill(
                self.folder,
                students=names,
                temperature=temperature,
                unlabelled=unlabelled,
                source=source,
                budget=budget,
            )
        )

    def suspects(self) -> pd.DataFrame:
        """The rows of the fit whose label is least probable, the most suspect first: `rank`, `line`
        in the source, `given` label, `likelier` label, the probability of each (for numbers the
        answer and the residual), and whether the row is taken to be mislabelled (`flagged`).

        Raises:
            DataError: The fit left no such list.
        """
        return read_suspects(self.folder)

    def export_code(
        self, folder: str | Path, *, source: Any = None, check: bool | None = None
    ) -> dict[str, Any]:
        """Write the model as `train.py` into a new folder: code that fits it again without
        tunesmith, with the packages it needs and the split. Gives what export.json there holds; see
        docs/export.md.

        Args:
            source: The file of the data, where it has moved or `fit` was given an object.
            check: Run the script and compare its score; by default where that takes less than two
                minutes. Warns where they differ.

        Raises:
            TunesmithError: It cannot be written; says why.
        """
        facts = export_code(self.folder, Path(folder), source=source, check=check)
        if facts["agrees"] is False:
            warnings.warn(
                f"{folder}/train.py does not give the score of the run within its interval: "
                f"{facts['script']} against {facts['winner']}",
                DataWarning,
                stacklevel=2,
            )
        return facts

    def predict(
        self,
        data: Any,
        *,
        threshold: float | None = None,
        abstain: float | None = None,
        risk: float | None = None,
    ) -> NDArray[Any]:
        """One answer a row: numbers, or labels (as bool or int where all are such words, else as
        text).

        Args:
            data: Whatever `fit` takes, or a dict for a single row; where text is the only input, a
                text or a list of texts.
            threshold: Of two classes, answer the second above this probability, in place of what
                was chosen for the metric.
            abstain: Answer None where the model is less confident than in that share of the
                validation rows, such as 0.1.
            risk: Answer None below the confidence above which at most that share of the answers is
                wrong, 90 % sure by the validation rows.

        Raises:
            ConfigError: An option is out of its range, or not for this model.
        """
        return self.decide(self.scores(data), threshold=threshold, abstain=abstain, risk=risk)

    def decide(
        self,
        found: Prediction,
        *,
        threshold: float | None = None,
        abstain: float | None = None,
        risk: float | None = None,
    ) -> NDArray[Any]:
        """The answers to what `scores` gave; options and errors as of `predict`."""
        chosen = decisions.with_threshold(found, threshold)
        answers = _natural(chosen.decode(), self.model.classes)
        if abstain is None and risk is None:
            return answers
        if threshold is not None:
            raise ConfigError("A threshold of yours has no known confidence: leave it or the rest.")
        kept = decisions.answered(self.model.after, chosen, abstain=abstain, risk=risk)
        left = answers.astype(object)
        left[~kept] = None
        return left

    def predict_set(
        self, data: Any, coverage: float = 0.9, *, each_class: bool = False
    ) -> pd.DataFrame:
        """For each row the `prediction`, the `set` of labels that holds the true one with that
        probability (likeliest first, never empty) and its `size`. With `each_class` every class is
        held so often, rare ones too, by larger sets.

        Raises:
            ConfigError: The model answers with numbers, or the coverage is not between 0 and 1 or
                more than the validation rows can tell.
        """
        if not self.model.classes:
            raise ConfigError("This model answers with numbers: predict_interval is for them.")
        return self.hold(self.scores(data), coverage, each_class=each_class)

    def predict_interval(self, data: Any, coverage: float = 0.9) -> pd.DataFrame:
        """For each row the `prediction`, and `low` and `high`, between which the truth lies with
        that probability.

        Raises:
            ConfigError: The model answers with classes, or the coverage is not between 0 and 1 or
                more than the validation rows can tell.
        """
        if self.model.classes:
            raise ConfigError("This model answers with classes: predict_set is for them.")
        return self.hold(self.scores(data), coverage)

    def hold(self, found: Prediction, coverage: float, *, each_class: bool = False) -> pd.DataFrame:
        """Sets or intervals for what `scores` gave, as of `predict_set` and `predict_interval`."""
        import pandas as pd

        columns = decisions.held(self.model.after, found, coverage, each_class=each_class)
        if "set" in columns:
            names = [_natural(labels, self.model.classes).tolist() for labels in columns["set"]]
            columns["set"] = pd.Series(names, dtype=object)
        return pd.DataFrame({"prediction": self.decide(found), **columns})

    def coverage(
        self, data: Any, coverage: float = 0.9, *, by: str | Sequence[str] | Mapping[str, Any] = ()
    ) -> dict[str, Any]:
        """How often sets or intervals hold the truth of labelled rows: of all, of each class, and
        of each value of `by`, which names input columns or holds a value for each row by name.

        Raises:
            ConfigError: The coverage is not between 0 and 1 or more than can be told.
            DataError: The rows have no labels, or lack a column.
        """
        rows, known, truth, found = self._labelled(data)
        if isinstance(by, Mapping):
            groups = {name: np.asarray(values)[known] for name, values in by.items()}
        else:
            names = [by] if isinstance(by, str) else by
            groups = {name: rows.values(name)[known] for name in names}
        return decisions.coverage_of(self.model.after.known(), truth, found, coverage, groups)

    def risk_coverage(self, data: Any) -> pd.DataFrame:
        """The risk-coverage curve on labelled rows: when only the most confident are answered, the
        least `confidence` among them, their share (`coverage`) and the share of wrong answers
        (`risk`).

        Raises:
            ConfigError: The model answers with numbers.
            DataError: The rows have no labels.
        """
        import pandas as pd

        _, _, truth, found = self._labelled(data)
        if not isinstance(found, ClassScores):
            raise ConfigError(
                "This model answers with numbers; a risk of wrong answers is of classes."
            )
        return pd.DataFrame(decisions.risk_coverage(truth, found))

    def reliability(self, data: Any) -> pd.DataFrame:
        """The reliability curve on labelled rows: in ten equally full bins of a probability (of the
        second of two classes, else of the likeliest) its mean (`said`), how often it came true
        (`came`) and the number of `rows`.

        Raises:
            ConfigError: The model answers with numbers.
            DataError: The rows have no labels.
        """
        import pandas as pd

        _, _, truth, found = self._labelled(data)
        if not isinstance(found, ClassScores):
            raise ConfigError("This model answers with numbers; probabilities are for classes.")
        return pd.DataFrame(decisions.reliability(truth, found))

    def _labelled(self, data: Any) -> tuple[Dataset, NDArray[np.int64], NDArray[Any], Prediction]:
        """All rows; which have a label; of these the truth and the model's answers."""
        rows = self._rows(data, with_target=True)
        truth = self._truth(rows)
        known = np.flatnonzero(_has_label(rows.values(self.model.target)))
        return rows, known, truth[known], self._answers(rows.take(known))

    def predict_proba(self, data: Any) -> pd.DataFrame:
        """A probability for each class, a column each, a row each.

        Raises:
            ConfigError: The model answers with numbers.
        """
        return self.shares(self.model.predict(self._rows(data)))

    def shares(self, found: Prediction) -> pd.DataFrame:
        """The probabilities in what `scores` gave, as of `predict_proba`."""
        import pandas as pd

        if not isinstance(found, ClassScores):
            raise ConfigError("This model answers with numbers; probabilities are for classes.")
        return pd.DataFrame(found.probabilities, columns=list(found.classes))

    def scores(self, data: Any) -> Prediction:
        """What the model hands back, before one answer is chosen: the likeliest, or where answers
        have costs the one that is expected to cost least."""
        return self._answers(self._rows(data))

    def _answers(self, rows: Dataset) -> Prediction:
        return self.model.decide(rows, self.model.predict(rows))

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
        found = self._answers(rows.take(known))
        names = [metric_shelf.check(metric, found) for metric in self._metrics(metrics)]
        weights = self._weights(rows.take(known))
        return Evaluation(
            scores(names, truth[known], found, seed=seed, weights=weights),
            _confusion(truth[known], found),
        )

    def _weights(self, rows: Dataset) -> NDArray[np.float64] | None:
        """How much each row counts; None where all count alike."""
        name = self.model.weights
        if not name:
            return None
        if name not in rows.names:
            warnings.warn(
                f"{rows.source} lacks {name!r}, the column of row weights that this model was "
                "fitted and scored with: all rows count alike",
                DataWarning,
                stacklevel=3,
            )
            return None
        return read_weights(rows, name, {"labelled": np.arange(len(rows))})

    def confusion(self, data: Any) -> pd.DataFrame:
        """How often each label (row) got each answer (column).

        Raises:
            ConfigError: The model answers with numbers.
        """
        found = self.evaluate(data).confusion
        if found is None:
            raise ConfigError("This model answers with numbers; a confusion matrix needs classes.")
        return found

    def fairness(
        self, data: Any, columns: Sequence[str], *, positive: str | None = None, seed: int = 0
    ) -> dict[str, Fairness]:
        """Scores of labelled rows by the groups of each of some columns, which need not be inputs,
        and the gaps between groups, with 95 % bootstrap intervals. Groups of fewer than 30 rows, or
        10 of a class, are marked as too small, and have no say in the gaps.

        Args:
            positive: The label whose choice counts as selection; of two the second by default.

        Raises:
            DataError: The rows have no labels, or there is no such column.
            ConfigError: There is no such label, or no column is named.
        """
        names = [columns] if isinstance(columns, str) else list(columns)
        if not names:
            raise ConfigError("No column is named. Say by which to look, such as columns=['sex'].")
        if positive is not None and positive not in self.model.classes:
            raise ConfigError(
                f"There is no label {positive!r}.{did_you_mean(positive, self.model.classes)}"
            )
        rows = self._rows(data, with_target=True)
        truth = self._truth(rows)
        known = np.flatnonzero(_has_label(rows.values(self.model.target)))
        found = self.model.predict(rows.take(known))
        inputs = {column.name for column in self.model.inputs}
        others = rows if set(names) <= inputs else read(self._as_table(data))
        return {
            name: fairness(
                name,
                (rows if name in inputs else others).values(name)[known],
                truth[known],
                found,
                positive=positive,
                seed=seed,
            )
            for name in names
        }

    def _metrics(self, wanted: Metric | Sequence[Metric] | None) -> list[Metric]:
        if wanted is None:
            usual = tasks[self.model.task].metrics(self.model.classes)
            usual = (*usual, metric_shelf.COST) if self.model.costs is not None else usual
            first = [self.model.metric] if metric_shelf.is_known(self.model.metric) else []
            if not first:
                warnings.warn(
                    f"the metric {self.model.metric!r} of the fit is a function of yours: name it "
                    "in metrics=[…] to have it",
                    DataWarning,
                    stacklevel=3,
                )
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
        names = self.model.columns if with_target else self.model.inputs
        data = self._as_table(data)
        target = self.model.target if with_target else None
        if with_target and self.model.weights:
            there = data.names if isinstance(data, RawTable) else read(data).names
            if self.model.weights in there:
                names = (*names, Column(self.model.weights, "number", "row weights"))
        if isinstance(data, RawTable):
            rows = infer(data, like=names)
        else:
            rows = read(data, like=names, target=target)
        _tell_unreadable(rows)
        return rows

    def _as_table(self, data: Any) -> Any:
        """One row, or the cells of the only input column, as something that can be read."""
        names = [column.name for column in self.model.inputs]
        if hasattr(data, "to_dict") and hasattr(data, "index") and not hasattr(data, "columns"):
            # A pandas Series is a row where it goes by the names of the columns, else a column.
            data = data.to_dict() if set(names) <= set(data.index) else data.tolist()
        if len(names) == 1:
            if isinstance(data, str) and not _names_a_source(data):
                data = {names[0]: data}
            elif isinstance(data, list | tuple | np.ndarray) and _are_texts(data):
                data = {names[0]: list(data)}
        if isinstance(data, Mapping) and not _is_table(data):
            cells = {str(name): objects([plain(value)]) for name, value in data.items()}
            return RawTable("one row", tuple(cells), cells, np.ones(1, dtype=np.int64))
        return data

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
        index = {same(label): code for code, label in enumerate(model.classes)}
        index |= {label: code for code, label in enumerate(model.classes)}
        found_labels = labels(values)
        codes = [-1 if v is None else _code(v, index) for v in found_labels]
        found = np.array(codes, dtype=np.int64)
        others = dict.fromkeys(v for v in found_labels[found < 0] if v is not None)
        if not others:
            return found
        first = next(iter(others))
        if (found < 0).all():
            raise DataError(
                f"No label in the target column {model.target!r} of {rows.source} is one that this "
                f"model knows; the first is {first!r}.{did_you_mean(first, model.classes)}"
            )
        unknown = sum(v in others for v in found_labels)
        warnings.warn(
            f"{rows.source}: {unknown:,} row{'s' * (unknown != 1)} with a label that this model "
            f"does not know ({', '.join(map(repr, list(others)[:3]))}) count as answered wrongly",
            DataWarning,
            stacklevel=3,
        )
        return found


def _code(label: str, index: Mapping[str, int]) -> int:
    """The class of a label, whichever way it is written; -1 where there is none."""
    as_number = label if CODE.match(label) else label_of(number(label)) or label
    return next((index[name] for name in (label, same(label), as_number) if name in index), -1)


def _natural(found: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
    """Labels as data frames hold them: 1 rather than "1", True rather than "True"."""
    if classes and set(classes) <= {"True", "False"}:
        return np.asarray(found == "True")
    if classes and all(WHOLE.fullmatch(label) for label in classes):
        return found.astype(np.int64)
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
    if values.dtype.kind == "M":
        return np.asarray(~np.isnat(values))
    return np.array([value is not None for value in values], dtype=bool)


def _names_a_source(text: str) -> bool:
    """Whether a text is the place of a table rather than a text to answer."""
    if any(readers[name].claims(text) for name in readers):
        return True
    if is_url(text) and len(text.split()) == 1:
        return True
    if len(text) >= LONGEST_PATH or "\0" in text:
        return False
    return os.path.isfile(text) or any(map(os.path.isfile, glob.iglob(text, recursive=True)))


def _are_texts(values: Any) -> bool:
    """Whether all are texts, or missing."""
    known = [v for v in values if v is not None and not (isinstance(v, float) and np.isnan(v))]
    return bool(known) and all(isinstance(value, str) for value in known)


def _tell_unreadable(rows: Dataset) -> None:
    """Warn of cells that count as missing because they are not what their column holds.

    Raises:
        DataError: Most of a column is such cells.
    """
    for column in rows.columns:
        bad = [cell for cell in rows.bad if cell.column == column.name]
        if not bad:
            continue
        first = bad[0]
        told = (
            f"{rows.source}: {len(bad):,} cell{'s' * (len(bad) != 1)} of column {column.name!r} "
            f"cannot be read as {first.expected}, the first {first.got!r} at line {first.line}"
        )
        if len(bad) > int(_has_label(rows.values(column.name)).sum()):
            raise DataError(
                f"{told}. Write them as in the data the model was trained on ({column.reason}), or "
                "leave them empty."
            )
        warnings.warn(f"{told}; they count as missing", DataWarning, stacklevel=4)
