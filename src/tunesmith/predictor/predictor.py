"""A fitted model as a user meets it: answers and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.errors import ConfigError, TunesmithError, did_you_mean
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Dataset
from tunesmith.data.read import read
from tunesmith.evaluate.fairness import Fairness, fairness
from tunesmith.evaluate.scores import scores
from tunesmith.pipeline import decisions
from tunesmith.pipeline.fit import Metric
from tunesmith.pipeline.profiling import read_profile
from tunesmith.pipeline.reporting import facts_of
from tunesmith.predictor.analysis import errors_of
from tunesmith.predictor.check import Check, check_of
from tunesmith.predictor.errors import Errors
from tunesmith.predictor.evaluation import Evaluation, confusion_of, metrics_of
from tunesmith.predictor.insight import Known, known_rows, with_insight
from tunesmith.predictor.labelled import Labelled as LabelledRows
from tunesmith.predictor.labelled import has_labels, labelled
from tunesmith.predictor.labelling import to_label_of
from tunesmith.predictor.labels import answers_of, natural, weights_of
from tunesmith.predictor.pictures import picture_names
from tunesmith.predictor.reports import Picture, Report, check_place, usual_place
from tunesmith.predictor.rows import as_table, rows_of
from tunesmith.predictor.sheets import sections_of
from tunesmith.predictor.whole import Whole
from tunesmith.report import sheet
from tunesmith.report.facts import Answered, Labelled

if TYPE_CHECKING:
    import pandas as pd


EXPLAIN_SECONDS = 10.0
"""Of a report, for reasons and sorts of rows."""


class Predictor(Whole):
    """A fitted model: it predicts, and tells how good it is and why it was chosen."""

    def predict(
        self,
        data: Any,
        *,
        threshold: float | None = None,
        abstain: float | None = None,
        risk: float | None = None,
    ) -> NDArray[Any]:
        """One answer a row: numbers, or labels (as bool or int where all are such words, else as
        text). Of several labels a row a list of them each; or zeros and ones, shape (rows, labels),
        in the order of the columns, where the target was a column of 0 and 1 for each.

        Args:
            data: Whatever `fit` takes, or a dict for a single row; where text is the only input, a
                text or a list of texts; where pictures are, a folder, an archive, a pattern or a
                path, bytes, a PIL image, an array, or a list of these.
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
        if isinstance(chosen, Labels):
            answers = answers_of(self.model, chosen)
        else:
            answers = natural(chosen.decode(), self.model.classes)
        if abstain is None and risk is None:
            return answers
        if threshold is not None:
            raise ConfigError("A threshold of yours has no known confidence: leave it or the rest.")
        kept = decisions.answered(self.model.after, chosen, abstain=abstain, risk=risk)
        left = answers.astype(object)
        left[~kept] = None
        return left

    def predict_set(
        self,
        data: Any,
        coverage: float = 0.9,
        *,
        each_class: bool = False,
        lot: int | None = None,
    ) -> pd.DataFrame:
        """For each row the `prediction`, the `set` of labels that holds the true one with that
        probability (likeliest first, never empty) and its `size`. With `each_class` every class is
        held so often, rare ones too, by larger sets.

        Args:
            lot: A seed. Rows that are tied where it is decided are then held by lot, so that no
                more are held than asked: of a model that tells few kinds of rows apart the sets are
                smaller. A row's set then hangs on its place; asked one at a time, each needs a seed
                of its own.

        Raises:
            ConfigError: The model answers with numbers, or the coverage is not between 0 and 1 or
                more than the validation rows can tell, or the seed is no whole number from 0.
        """
        if not self.model.classes:
            raise ConfigError("This model answers with numbers: predict_interval is for them.")
        return self.hold(self.scores(data), coverage, each_class=each_class, lot=lot)

    def predict_interval(self, data: Any, coverage: float = 0.9) -> pd.DataFrame:
        """For each row the `prediction`, and `low` and `high`, between which the truth lies with
        that probability.

        Raises:
            ConfigError: The model answers with classes, or the coverage is not between 0 and 1 or
                more than the validation rows can tell.
        """
        if self.model.classes and not self.model.label_form:
            raise ConfigError("This model answers with classes: predict_set is for them.")
        return self.hold(self.scores(data), coverage)

    def hold(
        self,
        found: Prediction,
        coverage: float,
        *,
        each_class: bool = False,
        lot: int | None = None,
    ) -> pd.DataFrame:
        """Sets or intervals for what `scores` gave, as of `predict_set` and `predict_interval`."""
        import pandas as pd

        columns = decisions.held(self.model.after, found, coverage, each_class=each_class, lot=lot)
        if "set" in columns:
            names = [natural(labels, self.model.classes).tolist() for labels in columns["set"]]
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
        if self.model.label_form:
            raise ConfigError(f"This model answers with {decisions.SEVERAL}: it has no sets.")
        told = labelled(self.model, data)
        if isinstance(by, Mapping):
            groups = {name: np.asarray(values)[told.known] for name, values in by.items()}
        else:
            names = [by] if isinstance(by, str) else by
            groups = {name: told.all_rows.values(name)[told.known] for name in names}
        found = self._answers(told.rows)
        known, weights = self.model.after.known(), weights_of(self.model, told.rows)
        return decisions.coverage_of(known, told.truth, found, coverage, groups, weights)

    def risk_coverage(self, data: Any) -> pd.DataFrame:
        """The risk-coverage curve on labelled rows: when only the most confident are answered, the
        least `confidence` among them, their share (`coverage`) and the share of wrong answers
        (`risk`).

        Raises:
            ConfigError: The model answers with numbers.
            DataError: The rows have no labels.
        """
        import pandas as pd

        truth, found, weights = self._labelled_scores(data, "a risk of wrong answers is of classes")
        return pd.DataFrame(decisions.risk_coverage(truth, found, weights))

    def reliability(self, data: Any) -> pd.DataFrame:
        """The reliability curve on labelled rows: in ten equally full bins of a probability (of the
        second of two classes, else of the likeliest) its mean (`said`), how often it came true
        (`came`) and the number of `rows`.

        Raises:
            ConfigError: The model answers with numbers.
            DataError: The rows have no labels.
        """
        import pandas as pd

        truth, found, weights = self._labelled_scores(data, "probabilities are for classes")
        return pd.DataFrame(decisions.reliability(truth, found, weights=weights))

    def _labelled_scores(
        self, data: Any, why: str
    ) -> tuple[NDArray[Any], ClassScores, NDArray[np.float64] | None]:
        """Of the labelled rows the class codes, the answers and the weights; refused of numbers."""
        told = labelled(self.model, data)
        found = self._answers(told.rows)
        if not isinstance(found, ClassScores):
            what = decisions.SEVERAL if isinstance(found, Labels) else "numbers"
            raise ConfigError(f"This model answers with {what}; {why}.")
        return told.truth, found, weights_of(self.model, told.rows)

    def predict_proba(self, data: Any) -> pd.DataFrame:
        """A probability for each class or label, a column each, a row each.

        Raises:
            ConfigError: The model answers with numbers.
        """
        return self.shares(self.model.predict(rows_of(self.model, data)))

    def shares(self, found: Prediction) -> pd.DataFrame:
        """The probabilities in what `scores` gave, as of `predict_proba`."""
        import pandas as pd

        if not isinstance(found, ClassScores | Labels):
            raise ConfigError("This model answers with numbers; probabilities are for classes.")
        return pd.DataFrame(found.probabilities, columns=list(found.classes))

    def top(self, data: Any, k: int = 3) -> pd.DataFrame:
        """The `k` likeliest classes of each row: columns `top_1` and `top_1_probability`, `top_2`
        and so on; of pictures that lie in a folder, an archive or at paths, `image` before them.

        Raises:
            ConfigError: The model answers with numbers, or k is below 1.
        """
        found, names = self.likeliest(self.scores(data), k), self.names(data)
        if names is not None:
            found.insert(0, "image", names)
        return found

    def likeliest(self, found: Prediction, k: int) -> pd.DataFrame:
        """The `k` likeliest classes in what `scores` gave, as of `top`."""
        import pandas as pd

        if k < 1:
            raise ConfigError(f"The {k} likeliest classes cannot be given: ask for 1 or more.")
        shares = self.shares(found).to_numpy()
        labels = natural(np.array(self.model.classes, dtype=object), self.model.classes)
        codes = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        columns: dict[str, NDArray[Any]] = {}
        for place, chosen in enumerate(codes.T, start=1):
            columns[f"top_{place}"] = labels[chosen]
            columns[f"top_{place}_probability"] = shares[np.arange(len(shares)), chosen]
        return pd.DataFrame(columns)

    def names(self, data: Any) -> list[str] | None:
        """What a person calls the rows of a model that reads pictures alone: paths in their folder
        or archive, or as given. None where rows have no names: tables, bytes, arrays."""
        kinds = [column.kind for column in self.model.inputs]
        return picture_names(data) if kinds == ["image"] else None

    def scores(self, data: Any) -> Prediction:
        """What the model hands back, before one answer is chosen: the likeliest, or where answers
        have costs the one that is expected to cost least."""
        return self._answers(rows_of(self.model, data))

    def _answers(self, rows: Dataset) -> Prediction:
        return self.model.decide(rows, self.model.predict(rows))

    def evaluate(
        self, data: Any, metrics: Metric | Sequence[Metric] | None = None, *, seed: int = 0
    ) -> Evaluation:
        """Scores on labelled rows, each with its 95 % bootstrap interval, and the confusion matrix.

        Raises:
            DataError: The rows have no labels.
        """
        told = labelled(self.model, data)
        found = self._answers(told.rows)
        names = [metric_shelf.check(metric, found) for metric in metrics_of(self.model, metrics)]
        weights = weights_of(self.model, told.rows)
        return Evaluation(
            scores(names, told.truth, found, seed=seed, weights=weights),
            confusion_of(told.truth, found),
        )

    def confusion(self, data: Any) -> pd.DataFrame:
        """How often each label (row) got each answer (column).

        Raises:
            ConfigError: The model answers with numbers.
        """
        found = self.evaluate(data).confusion
        if found is None:
            what = decisions.SEVERAL if self.model.label_form else "numbers"
            raise ConfigError(
                f"This model answers with {what}; a confusion matrix needs one class a row."
            )
        return found

    def sheet(self, data: Any, file: str | Path | None = None, *, pictures: int = 48) -> Any:
        """A contact sheet of at most so many pictures, as a PIL image: wrong answers, the surest
        first, then right ones, each with its label, the answer and its probability. Where rows have
        no labels the answers stand alone; of numbers the furthest off come first.

        Args:
            file: A PNG to write it to as well.

        Raises:
            ConfigError: The model reads no pictures, or an argument is wrong.
        """
        if file is not None:
            sheet.check_place(Path(file))
        drawn = sheet.draw(*sections_of(self.model, data, pictures))
        if file is not None:
            sheet.save(drawn, Path(file))
        return drawn

    def errors(self, data: Any, *, most: int = 10, seed: int = 0) -> Errors:
        """Where the model errs on labelled rows it has not learned from: sorts of rows with a
        larger error than the others (at most so many, each proven on rows that had no say in
        choosing it), labels taken for one another, the worst rows and the least sure. Print it, or
        take a part with `frame("slices")`; see docs/errors.md.

        Raises:
            DataError: The rows have no labels.
            ConfigError: `most` is below one.
        """
        told = labelled(self.model, data)
        found = self._answers(told.rows)
        return errors_of(self.model, told, found, folder=self.folder, most=most, seed=seed)

    def to_label(self, data: Any, count: int = 20, *, seed: int = 0) -> pd.DataFrame:
        """The rows without labels that are most worth labelling, so many: those of which the model
        is unsure, and which are unlike one another. Columns `rank`, `line`, `prediction`,
        `uncertainty` and `row`, what is seen of it; in `attrs` what uncertainty is, and by what
        rows are unlike.

        Raises:
            ConfigError: `count` is below one.
            DataError: There is no row.
        """
        rows = rows_of(self.model, data)
        return to_label_of(self.model, rows, self._answers(rows), count, seed)

    def check(self, data: Any, *, seed: int = 0) -> Check:
        """Whether new rows look like those of the fit: how each column drifted, its texts and
        pictures by their properties, and whether new rows can be told from old ones. The data of
        the fit is not needed; see docs/errors.md.

        Raises:
            DataError: The model does not remember what its rows looked like, or there is no row.
        """
        with_target = has_labels(self.model, data)
        profile = read_profile(self.place)  # the model is open, and so its files are as saved
        rows = rows_of(self.model, data, with_target=with_target)
        return check_of(self.model, profile, rows, seed=seed)

    def describe(self, data: Any = None, *, explain_seconds: float = EXPLAIN_SECONDS) -> Report:
        """The report as a value, shown in a notebook: `sections`, `html()`, `json()`, `markdown()`
        (a model card), `write(file)`, `picture(name)`. Nothing is fitted for it.

        Args:
            data: Labelled rows by which the saved model is judged as well; whatever `fit` takes.
            explain_seconds: About how long rows are explained, and sorts of rows that go wrong
                looked for: of `data`, or else of the run's own rows that proved the model, where
                its data is still there. 0 leaves both out.

        Raises:
            DataError: The rows have no labels, or a file of the run cannot be read.
        """
        facts, known = facts_of(self.folder, self.place), None
        if data is not None:
            told = labelled(self.model, data)
            found = self._answers(told.rows)
            facts, known = replace(facts, labelled=self._judged(told, found)), Known(told, found)
        if explain_seconds > 0:
            try:
                known = known or known_rows(self.folder, facts)
            except TunesmithError as error:  # the data is gone: the rest is told all the same
                why = f"No rows are at hand to be explained, give labelled ones: {error}"
                return Report.of(replace(facts, unexplained=why))
            facts = with_insight(facts, self.model, known, seconds=explain_seconds)
        return Report.of(facts)

    def report(
        self,
        file: str | Path | None = None,
        data: Any = None,
        *,
        explain_seconds: float = EXPLAIN_SECONDS,
    ) -> Path:
        """Write everything about the model as one HTML page that fetches nothing, and give its
        place: task, audit, choices, search, leaderboard, errors, reasons, calibration, coverage,
        model card.

        Args:
            file: Where it goes; `report.html` in the run folder by default. Of a name that ends in
                `.json` the same as JSON, in `.md` as a model card.
            data, explain_seconds: As of `describe`.

        Raises:
            ConfigError: It cannot be written there.
            DataError: The rows have no labels.
        """
        place = usual_place(self.folder, self.place) if file is None else Path(file)
        check_place(place)
        return self.describe(data, explain_seconds=explain_seconds).write(place)

    def plot(self, *names: str, data: Any = None) -> Picture:
        """Pictures of the report by their names, one below the other, for a notebook or to `save`
        as PNG or SVG; without names all that there are. Of the search: `best`, `timeline`,
        `parallel`, `importance`, `spent`, `pareto`; of answers: `confusion`, `roc`,
        `precision_recall`, `calibration`, `thresholds`, `abstaining`, `coverage`; of numbers:
        `answers`, `residuals`, `coverage`.

        Args:
            data: Labelled rows to draw the answers for, in place of those of the run.

        Raises:
            ConfigError: There is no such picture; names those that there are.
            MissingExtra: matplotlib is not installed.
        """
        return self.describe(data, explain_seconds=0).picture(*names)

    def _judged(self, told: LabelledRows, found: Prediction) -> Labelled:
        weights = weights_of(self.model, told.rows)
        names = [metric_shelf.check(metric, found) for metric in metrics_of(self.model, None)]
        measured = scores(names, told.truth, found, weights=weights)
        answered = Answered("labelled rows", told.truth, found, weights)
        return Labelled(told.rows.source, measured, answered)

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
        told = labelled(self.model, data)
        found = self.model.predict(told.rows)
        weights = weights_of(self.model, told.rows)
        inputs = {column.name for column in self.model.inputs}
        others = told.all_rows if set(names) <= inputs else read(as_table(self.model, data))
        return {
            name: fairness(
                name,
                (told.all_rows if name in inputs else others).values(name)[told.known],
                told.truth,
                found,
                positive=positive,
                seed=seed,
                weights=weights,
            )
            for name in names
        }
