"""The linear model as code: TF-IDF, scaled numbers and categories into scikit-learn's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import columns_of
from tunesmith.export._features import dense
from tunesmith.export._shelf import exporters

MOST_TERMS = 200_000
"""As the learner has it."""
CODE = '''\
@dataclass
class Linear:
    """{about}"""

{fields}

    def fit(self, table: pd.DataFrame, truth: np.ndarray) -> "Linear":
        inputs = ColumnTransformer(
            [
{rows}
            ]
        )
        {model}
        self.model = make_pipeline(inputs, model).fit({table}, truth)
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
{scores}

    def save(self, folder: Path) -> None:
        joblib.dump(self.model, folder / "linear.joblib")

    def load(self, folder: Path) -> "Linear":
        # A joblib file can run code as it is opened: open none but your own.
        self.model = joblib.load(folder / "linear.joblib")
        return self
'''
LOGISTIC = """\
model = LogisticRegression(
            C=self.strength, class_weight=self.class_weight, max_iter=1000
        )"""
RIDGE = "model = Ridge(alpha=1 / self.strength)"
SCATTERED = """\
        # The training rows lack some of the classes.
        found = np.zeros((len(table), len(CLASSES)))
        found[:, self.model.classes_] = self.model.predict_proba({table})
        return found"""


@exporters.add("linear")
class LinearExporter(Exporter):
    """Logistic or ridge regression of scikit-learn."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return "" if config.get("strength") else "its strength was never settled"

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns = columns_of(problem)
        other = dense(columns)
        rows = [*other.rows]
        settings: dict[str, Setting] = {}
        fields = []
        imports = ["import joblib", "from dataclasses import dataclass", *other.imports]
        imports.append("from sklearn.pipeline import make_pipeline")
        if columns.text:
            rows.insert(0, '("text", TfidfVectorizer(dtype=np.float32, **self.terms), TEXT)')
            settings["terms"] = Setting(_terms(problem, config), "What counts as a term, and how.")
            fields.append("    terms: dict")
            imports.append("from sklearn.feature_extraction.text import TfidfVectorizer")
        about = "Inverse strength of the regularisation, as the validation rows chose it."
        settings["strength"] = Setting(config["strength"], about)
        fields.append("    strength: float")
        if problem.classes:
            weight = "balanced" if config["balanced"] else None
            settings["class_weight"] = Setting(weight, "Whether rare classes count as the others.")
            fields.append("    class_weight: str | None")
        kind = "LogisticRegression" if problem.classes else "Ridge"
        imports.append(f"from sklearn.linear_model import {kind}")
        code = CODE.format(
            about=_about(problem, bool(columns.text)),
            fields="\n".join(fields),
            rows="\n".join(f"                {row}," for row in rows),
            model=LOGISTIC if problem.classes else RIDGE,
            table=other.table,
            scores=_scores(problem, other.table),
        )
        return Recipe("Linear", settings, code, tuple(imports), ("joblib",), other.helpers)


def _about(problem: Problem, has_text: bool) -> str:
    kind = "Logistic" if problem.classes else "Ridge"
    return f"{kind} regression{' on words and what stands beside them' if has_text else ''}."


def _terms(problem: Problem, config: Mapping[str, Any]) -> dict[str, Any]:
    rows = len(problem.parts["train"])
    shape: dict[str, Any] = (
        {"analyzer": "char_wb", "ngram_range": (2, 5)}
        if config["characters"]
        else {"token_pattern": r"(?u)\b\w+\b", "ngram_range": (1, config["words"])}
    )
    return {
        **shape,
        "min_df": min(config["rarest"], max(1, rows // 20)),
        "max_features": MOST_TERMS,
        "sublinear_tf": config["sublinear"],
    }


def _scores(problem: Problem, table: str) -> str:
    if not problem.classes:
        return f"        return self.model.predict({table})"
    if len(np.unique(problem.truth("train"))) < len(problem.classes):
        return SCATTERED.format(table=table)
    return f"        return self.model.predict_proba({table})"
