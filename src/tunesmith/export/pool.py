"""The top of a stack as code: a weight for each model below, by likelihood or least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe
from tunesmith.core.records import Problem
from tunesmith.export._data import given
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

HELD = 4.0
"""As the learner has it."""
CODE = '''\
class Pool:
    """A weight of zero or more for each of several models, over their answers; how far the
    weights are from equal ones counts as much as a few rows."""

    def stacked(self, table: pd.DataFrame) -> np.ndarray:
        """Shape (rows, outputs, models)."""
        cells = table.to_numpy(float).reshape(len(table), -1, {outputs})
        return np.swapaxes(cells, 1, 2)

    def sums(self, table: pd.DataFrame) -> np.ndarray:
        return self.stacked(table) @ self.weights + self.constants

{head}
        counted = {counted}
        answers = self.stacked(table)
        models = answers.shape[2]
        equal = np.full(models, 1 / models)
{spread}
        def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
            sums = answers @ point[:models] + point[models:]{unit}
{value}
            held = point[:models] - equal
            value += {held} * (held @ held) / 2
            of_models = np.einsum("ro,rom->m", slope, answers) + {held} * held
            return value, np.append(of_models, slope.sum(axis=0){unit})

        start = np.append(equal, np.zeros({outputs}))
        bounds = [(0, None)] * models + [(None, None)] * {outputs}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        self.weights, self.constants = found[:models], found[models:]{unit}
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return {scores}

    def save(self, folder: Path) -> None:
        told = {{"weights": self.weights.tolist(), "constants": self.constants.tolist()}}
        (folder / "pool.json").write_text(json.dumps(told))

    def load(self, folder: Path) -> "Pool":
        told = json.loads((folder / "pool.json").read_text())
        self.weights = np.array(told["weights"])
        self.constants = np.array(told["constants"])
        return self
'''
OF_CLASSES = """\
            chances = softmax({logits}, axis=1)
            likely = np.maximum(chances[range(len(truth)), truth], 1e-15)
            value = -(counted @ np.log(likely))
            slope = (chances - np.eye(len(CLASSES))[truth]) * counted[:, None]"""
OF_TWO = """
            slope = slope[:, 1:]"""
OF_NUMBERS = """\
            error = (sums[:, 0] - truth) / spread
            value = counted @ error**2 / 2
            slope = (counted * error / spread)[:, None]"""
TWO = "np.pad({sums}, ((0, 0), (1, 0)))"
"""Log odds (rows, 1) as the logits of two classes."""


@exporters.add("pool")
class PoolExporter(Exporter):
    """Breiman's stacked regressions, or the logarithmic opinion pool."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return ""

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        classes = len(problem.classes)
        logits = TWO if classes == 2 else "{sums}"
        value = OF_CLASSES.format(logits=logits.format(sums="sums")) if classes else OF_NUMBERS
        answers = f"softmax({logits.format(sums='self.sums(table)')}, axis=1)"
        code = CODE.format(
            head=fit_head("Pool", given(problem)),
            counted="np.ones(len(truth))" if problem.weights is None else "weights",
            outputs=classes if classes > 2 else 1,
            held=HELD,
            spread="" if classes else "        spread = float(truth.std()) or 1.0\n",
            unit="" if classes else " * spread",
            value=value + (OF_TWO if classes == 2 else ""),
            scores=answers if classes else "self.sums(table)[:, 0]",
        )
        imports = ["import json", "from scipy.optimize import minimize"]
        imports += ["from scipy.special import softmax"] if classes else []
        return Recipe("Pool", {}, code, tuple(imports), ("scipy",))
