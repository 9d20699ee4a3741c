"""The commonest answer as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe
from tunesmith.core.records import Problem
from tunesmith.export._shelf import exporters

CODE = '''\
class Majority:
    """{about}"""

    def fit(self, table: pd.DataFrame, truth: np.ndarray) -> "Majority":
        self.answer = {answer}
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return {scores}

    def save(self, folder: Path) -> None:
        (folder / "majority.json").write_text(json.dumps({saved}))

    def load(self, folder: Path) -> "Majority":
        self.answer = {loaded}
        return self
'''
FILE = 'json.loads((folder / "majority.json").read_text())'


@exporters.add("majority")
class MajorityExporter(Exporter):
    """Shares of the classes, or the median."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return ""

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        code = (
            CODE.format(
                about="The shares of the classes among the training rows, for every row.",
                answer="np.bincount(truth, minlength=len(CLASSES)) / len(truth)",
                scores="np.tile(self.answer, (len(table), 1))",
                saved="self.answer.tolist()",
                loaded=f"np.array({FILE})",
            )
            if problem.classes
            else CODE.format(
                about="The median of the training rows, for every row.",
                answer="float(np.median(truth))",
                scores="np.full(len(table), self.answer)",
                saved="self.answer",
                loaded=FILE,
            )
        )
        return Recipe("Majority", {}, code, (), ())
