"""A fitted model as a user meets it: answers, scores, the facts of its fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import metrics as metric_shelf
from tunesmith.core.errors import ConfigError, DataWarning, did_you_mean
from tunesmith.core.predictions import ClassScores, Labels, Prediction
from tunesmith.core.records import Dataset
from tunesmith.data.read import read
from tunesmith.evaluate.fairness import Fairness, fairness
from tunesmith.evaluate.scores import scores
from tunesmith.pipeline import artifact, decisions
from tunesmith.pipeline.ablation import ablate
from tunesmith.pipeline.distill import distill
from tunesmith.pipeline.export import export_code
from tunesmith.pipeline.fit import Metric
from tunesmith.pipeline.interpretable import open_readable
from tunesmith.pipeline.pick import pick as pick_model
from tunesmith.pipeline.suspecting import read_suspects
from tunesmith.predictor.evaluation import Evaluation, confusion_of, metrics_of
from tunesmith.predictor.labelled import labelled
from tunesmith.predictor.labels import answers_of, natural, weights_of
from tunesmith.predictor.pictures import picture_names
from tunesmith.predictor.places import place_of, read_facts, scorecard_of
from tunesmith.predictor.rows import as_table, rows_of
from tunesmith.predictor.sheets import sections_of
from tunesmith.report import sheet

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """A fitted model: it predicts, and tells how good it is and why it was chosen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def place(self) -> Path:
        """The folder of the artifact itself."""
        return place_of(self.folder)

    @cached_property
    def model(self) -> artifact.Model:
        """The model, opened and checked when first needed."""
        return artifact.load(self.place)

    @property
    def summary(self) -> dict[str, Any]:
        """The facts of the fit: task, metric, score and interval, reasons, findings, …"""
        file = self.folder / "summary.json"
        if file.is_file() and self.place != self.folder:
            return read_facts(file)
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

        return pd.DataFrame(scorecard_of(self.folder)[0].table())

    def scorecard_points(self, data: Any) -> pd.DataFrame:
        """The points that rows have by the scorecard: a column for each feature, and `points`,
        their sum.

        Raises:
            ConfigError: There is no scorecard.
        """
        import pandas as pd

        card, model = scorecard_of(self.folder)
        rows = rows_of(artifact.load(model), data)
        found = pd.DataFrame(card.points(rows), columns=[one.bins.name for one in card.features])
        return found.assign(points=found.sum(axis=1))

    def terms(self) -> pd.DataFrame:
        """The model of the run that can be read, a line for each bin of each of its terms: of a
        scorecard as `scorecard` says; of an explainable boosting machine the intercept and what
        each bin of a column, or of a pair, adds to the log odds of the second class, to the logit
        of each of several, or to the number, and which share of the training rows lie in it.

        Raises:
            ConfigError: There is none.
        """
        import pandas as pd

        return pd.DataFrame(open_readable(self.folder, self.place)[0].table())

    def contributions(self, data: Any) -> pd.DataFrame:
        """What each term of the model that can be read adds for each row, a column a term (of
        several classes a column for each term and class); added up they are the log odds of the
        second class, the logits or the number, of a scorecard the points.

        Raises:
            ConfigError: There is none.
        """
        import pandas as pd

        readable, model = open_readable(self.folder, self.place)
        return pd.DataFrame(readable.contributions(rows_of(artifact.load(model), data)))

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

    def ablation(self, *, source: Any = None, budget: str | float | None = None) -> pd.DataFrame:
        """What each kind of column, and each column, is worth on the validation rows of the fit, by
        linear heads on frozen features, which the activation store mostly has: `what`, `kind`,
        `columns`, the score of them `alone`, and what is `lost` without them (positive: they help),
        each with the 95 % interval (`_low`, `_high`); NaN where nothing else is there. The facts
        beside the table are in its `attrs`, and in `ablation.json` of the run folder.

        Args:
            source: The data of the fit, where that was an object in memory or has moved.
            budget: Time for it, such as "60s".

        Raises:
            DataError: The run has no final model, or the data is not as it was.
            ConfigError: The data is gone.
            BudgetError: Not in the time.
        """
        import pandas as pd

        facts = ablate(self.folder, source=source, budget=budget)
        table = pd.DataFrame(facts["rows"])
        table.attrs.update({name: value for name, value in facts.items() if name != "rows"})
        return table

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
        if self.model.classes and not self.model.label_form:
            raise ConfigError("This model answers with classes: predict_set is for them.")
        return self.hold(self.scores(data), coverage)

    def hold(self, found: Prediction, coverage: float, *, each_class: bool = False) -> pd.DataFrame:
        """Sets or intervals for what `scores` gave, as of `predict_set` and `predict_interval`."""
        import pandas as pd

        columns = decisions.held(self.model.after, found, coverage, each_class=each_class)
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
