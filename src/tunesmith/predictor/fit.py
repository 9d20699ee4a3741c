"""The fit behind a model: trials, scorecard, students, what columns are worth, code."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.architecture import Architecture
from tunesmith.core.errors import DataWarning
from tunesmith.pipeline import architectures, artifact
from tunesmith.pipeline.ablation import ablate
from tunesmith.pipeline.distill import distill
from tunesmith.pipeline.export import export_code
from tunesmith.pipeline.interpretable import open_readable
from tunesmith.pipeline.pick import pick as pick_model
from tunesmith.pipeline.reporting import facts_of
from tunesmith.pipeline.suspecting import read_suspects
from tunesmith.predictor.places import place_of, read_facts, scorecard_of
from tunesmith.predictor.reports import Leaderboard, in_short
from tunesmith.predictor.rows import rows_of
from tunesmith.report.board import board_of

if TYPE_CHECKING:
    from typing import Self

    import pandas as pd


class Fit:
    """The run of a model: its facts, other models of it, and what is made of it."""

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

    @property
    def architecture(self) -> Architecture | None:
        """The network that answers, of several the one that counts most: its blocks, what is read
        of them, its cell, and what was measured; None where it is no network. `text()` shows it,
        `to_dict()` is what another fit can be given as `architecture=`."""
        return architectures.read(self.place)

    def leaderboard(self) -> Leaderboard:
        """Every trial, best first: score on the validation rows with its interval, fit time,
        predict time a row, size; and the model that was distilled from them, where one was kept. A
        list of dicts, shown as a table in a notebook."""
        summary = self.summary
        return Leaderboard(board_of(summary), summary["metric"])

    def _repr_html_(self) -> str:
        return in_short(facts_of(self.folder, self.place))

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
    ) -> Self:
        """Of the models of this run the one that validates best among those that answer a row (in a
        batch) within so many milliseconds and have at most so many megabytes. The leaderboard says
        what each takes, and which lie on the Pareto front of score, time and size.

        Raises:
            ConfigError: None is so quick or so small.
        """
        return type(self)(
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
    ) -> Self:
        """One small model that has learned what the models of this run answer together, saved in
        its folder `distilled`. Its summary tells as `distilled` what that loses in score on the
        test rows, with the interval, and the size and the time for a row of both.

        Args:
            student: A learner that weighs rows, or several to choose from by the validation rows;
                by default "linear", and "lightgbm" where no text is to be read. "smaller" is the
                best fine-tuned network with half of its blocks.
            temperature: Of the probabilities that are learned: above 1 those of unlikely classes
                count for more.
            unlabelled: Rows without labels to learn from as well; whatever `fit` takes.
            source: The data of the fit, where that was an object in memory or has moved.
            budget: Time for it, such as "60s".

        Raises:
            TunesmithError: It cannot be done; says why.
        """
        names = (student,) if isinstance(student, str) else tuple(student or ())
        return type(self)(
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
