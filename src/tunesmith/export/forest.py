"""Random forests and extremely randomised trees as code of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _trees
from tunesmith.export._data import given, lacks_classes
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

MOST_ROWS_A_TREE = 100_000
"""As the learner has it."""
CODE = '''\
@dataclass
class Forest:
    """{about}"""

    params: dict
{fields}
{head}
        self.columns = ColumnTransformer(
            [
{rows}
            ]
        )
{target}
        features = self.columns.fit_transform({table}, target)
        features = features.astype(np.float32)
        lowest = np.nanmin(np.where(np.isnan(features), np.inf, features), axis=0)
        # A missing cell counts as below all others.
        self.lows = np.where(np.isfinite(lowest), lowest - 1 - np.abs(lowest), 0)
        self.forest = {kind}(**self.params)
        self.forest.fit(self.filled(features), target{weight})
        return self

    def filled(self, features: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(features), self.lows, features)

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        features = self.columns.transform({table})
        features = features.astype(np.float32)
{scores}

    def save(self, folder: Path) -> None:
        joblib.dump(self.__dict__, folder / "forest.joblib")

    def load(self, folder: Path) -> "Forest":
        # A joblib file can run code as it is opened: open none but your own.
        self.__dict__.update(joblib.load(folder / "forest.joblib"))
        return self
'''
CLASS_SCORES = """\
        return self.forest.predict_proba(self.filled(features))"""
SCATTERED = """\
        # Training rows may lack some of the classes.
        found = np.zeros((len(table), len(CLASSES)))
        answers = self.forest.predict_proba(self.filled(features))
        found[:, self.forest.classes_] = answers
        return found"""
NUMBER_SCORES = """\
        found = self.forest.predict(self.filled(features))
        return found * self.deviation + self.mean"""


@exporters.add("forest")
class ForestExporter(Exporter):
    """Forests with the trees that were grown."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return _trees.refuses(problem) or ("" if config["trees"] else "no trees were grown")

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        is_large = len(problem.parts["train"]) > MOST_ROWS_A_TREE
        params = {
            "n_estimators": config["trees"],
            "min_samples_leaf": config["min_samples_leaf"],
            "max_features": config["max_features"],
            "bootstrap": is_large or not config["extra"],
            "max_samples": MOST_ROWS_A_TREE if is_large else None,
            "n_jobs": -1,
            "random_state": problem.seed % 2**31,
        }
        settings = {"params": Setting(params, "As scikit-learn names them.")}
        if problem.classes:
            settings["class_weight"] = _trees.class_weight(config)
        about = "Extremely randomised trees." if config["extra"] else "A random forest."
        kind = "ExtraTrees" if config["extra"] else "RandomForest"
        kind += "Classifier" if problem.classes else "Regressor"
        scores = NUMBER_SCORES
        if problem.classes:
            scores = SCATTERED if lacks_classes(problem) else CLASS_SCORES
        columns = _trees.columns_code(problem, config)
        code = CODE.format(
            about=about,
            fields="    class_weight: str | None\n" if problem.classes else "",
            head=fit_head("Forest", given(problem)),
            rows=columns.rows,
            target=_trees.target(problem),
            table=columns.table,
            kind=kind,
            weight=_trees.weight(problem, "sample_weight"),
            scores=scores,
        )
        imports = [
            *("import joblib", "from dataclasses import dataclass"),
            f"from sklearn.ensemble import {kind}",
            *columns.imports,
        ]
        return Recipe("Forest", settings, code, tuple(imports), ("joblib",), columns.helpers)
