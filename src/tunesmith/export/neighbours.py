"""Nearest neighbours as code: scaled features, and the answers of the rows most alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import columns_of, given
from tunesmith.export._features import dense
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

LEAST_DISTANCE, PRIOR = 1e-3, 1.0
"""As the learner has them."""
CODE = '''\
@dataclass
class Neighbours:
    """The rows most alike answer."""

    count: int
    relevant: bool
    by_distance: bool

{head}
        self.columns = ColumnTransformer(
            [
{rows}
            ]
        )
        features = self.columns.fit_transform({table})
        self.answers = {answers}
        self.scales = np.ones(features.shape[1])
        if self.relevant:
            self.scales = relevance(features, self.answers)
        self.index = NearestNeighbors(algorithm="brute").fit(features * self.scales)
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        features = self.columns.transform({table}) * self.scales
        count = min(self.count, len(self.answers))
        near, rows = self.index.kneighbors(features, count)
        usual = np.maximum(near.mean(axis=1, keepdims=True), 1e-12)
        weights = np.ones_like(near)
        if self.by_distance:
            weights = 1 / np.maximum(near / usual, {least})
        found = np.einsum("rn,rno->ro", weights, self.answers[rows])
{scores}

    def save(self, folder: Path) -> None:
        joblib.dump(self.__dict__, folder / "neighbours.joblib")

    def load(self, folder: Path) -> "Neighbours":
        # A joblib file can run code as it is opened: open none but your own.
        self.__dict__.update(joblib.load(folder / "neighbours.joblib"))
        return self
'''
RELEVANCE = '''\
def relevance(features: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """How closely each feature goes with the answers: the largest correlation, of the
    closest feature 1."""
    columns, wanted = features - features.mean(axis=0), answers - answers.mean(axis=0)
    sizes = [np.sqrt((one**2).sum(axis=0)) for one in (columns, wanted)]
    found = np.abs(columns.T @ wanted) / np.maximum(np.outer(*sizes), 1e-12)
    most = found.max(axis=1)
    return most / max(most.max(), 1e-12)
'''
CLASS_SCORES = """\
        # A little of the shares of all rows beside those of the neighbours.
        found += {prior} * self.answers.mean(axis=0)
        return found / (weights.sum(axis=1, keepdims=True) + {prior})"""
NUMBER_SCORES = """\
        return found[:, 0] / weights.sum(axis=1)"""


@exporters.add("neighbours")
class NeighboursExporter(Exporter):
    """k nearest neighbours on scaled columns."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if columns_of(problem).texts:
            return "there is no code for texts among neighbours"
        return "" if config["count"] else "the number of neighbours was never settled"

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        other = dense(columns_of(problem))
        settings = {
            "count": Setting(config["count"], "Rows that answer."),
            "relevant": Setting(
                config["relevant"], "Each feature counts by how closely it goes with the target."
            ),
            "by_distance": Setting(config["by_distance"], "Nearer rows count more."),
        }
        code = CODE.format(
            head=fit_head("Neighbours", given(problem)),
            rows="\n".join(f"                {row}," for row in other.rows),
            table=other.table,
            answers="np.eye(len(CLASSES))[truth]" if problem.classes else "truth[:, None]",
            least=LEAST_DISTANCE,
            scores=CLASS_SCORES.format(prior=PRIOR) if problem.classes else NUMBER_SCORES,
        )
        imports = (
            *("import joblib", "from dataclasses import dataclass"),
            "from sklearn.neighbors import NearestNeighbors",
            *other.imports,
        )
        return Recipe(
            "Neighbours", settings, code, imports, ("joblib",), (*other.helpers, RELEVANCE)
        )
