"""The commonest answer as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe
from tunesmith.core.records import Problem
from tunesmith.export._data import given
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

CODE = '''\
class Majority:
    """{about}"""

{head}
        {answer}
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return {scores}

    def save(self, folder: Path) -> None:
        (folder / "majority.json").write_text(json.dumps({saved}))

    def load(self, folder: Path) -> "Majority":
        self.answer = {loaded}
        return self
'''
SHARES = "self.answer = np.bincount(truth, minlength=len(CLASSES)) / len(truth)"
WEIGHTED_SHARES = """\
counts = np.bincount(truth, weights, minlength=len(CLASSES))
        self.answer = counts / counts.sum()"""
MEDIAN = "self.answer = float(np.median(truth))"
WEIGHTED_MEDIAN = """\
order = np.argsort(truth)
        sums = np.cumsum(weights[order])
        self.answer = float(truth[order][np.searchsorted(sums, sums[-1] / 2)])"""
FILE = 'json.loads((folder / "majority.json").read_text())'


@exporters.add("majority")
class MajorityExporter(Exporter):
    """Shares of the classes, or the median."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return ""

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        is_weighted = problem.weights is not None
        head = fit_head("Majority", given(problem))
        code = (
            CODE.format(
                about="The shares of the classes among the training rows, for every row.",
                head=head,
                answer=WEIGHTED_SHARES if is_weighted else SHARES,
                scores="np.tile(self.answer, (len(table), 1))",
                saved="self.answer.tolist()",
                loaded=f"np.array({FILE})",
            )
            if problem.classes
            else CODE.format(
                about="The median of the training rows, for every row.",
                head=head,
                answer=WEIGHTED_MEDIAN if is_weighted else MEDIAN,
                scores="np.full(len(table), self.answer)",
                saved="self.answer",
                loaded=FILE,
            )
        )
        return Recipe("Majority", {}, code, (), ())
