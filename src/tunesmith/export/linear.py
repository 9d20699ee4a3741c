"""The linear model as code: TF-IDF, scaled numbers and categories into scikit-learn's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import columns_of, given, lacks_classes
from tunesmith.export._features import dense
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import call, fit_head

MOST_TERMS = 200_000
"""As the learner has it."""
CODE = '''\
@dataclass
class Linear:
    """{about}"""

{fields}

{head}
{drawn}        inputs = ColumnTransformer(
            [
{rows}
            ]
        )
        {model}
        self.model = make_pipeline(inputs, model)
        {fit}
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
{scores}

    def save(self, folder: Path) -> None:
        joblib.dump({saved}, folder / "linear.joblib")

    def load(self, folder: Path) -> "Linear":
        # A joblib file can run code as it is opened: open none but your own.
        {saved} = joblib.load(folder / "linear.joblib")
        return self
'''
LOGISTIC = """\
model = LogisticRegression(
            C=self.strength, class_weight=self.class_weight, max_iter=1000
        )"""
RIDGE = "model = Ridge(alpha=1 / self.strength)"
SCATTERED = """\
        # Training rows may lack some of the classes.
        found = np.zeros((len(table), len(CLASSES)))
        found[:, self.model.classes_] = self.model.predict_proba({table})"""
RESAMPLED = '''\
def resampled(truth: np.ndarray, how: str, dice: np.random.Generator) -> np.ndarray:
    """Rows such that all classes are equally frequent: as many of each as the rarest has
    ("under"), or as the commonest has, with some of them again ("over")."""
    counts = np.bincount(truth)
    size = counts[counts > 0].min() if how == "under" else counts.max()
    found = []
    for code in np.flatnonzero(counts):
        rows = np.flatnonzero(truth == code)
        if how == "under":
            found.append(dice.permutation(rows)[:size])
        else:
            found += [rows, dice.choice(rows, size - len(rows))]
    return np.sort(np.concatenate(found))
'''
DRAWN = """\
        rows = resampled(truth, self.resample, np.random.default_rng(self.seed))
        before = np.bincount(truth, minlength=len(CLASSES)) / len(truth)
        after = np.bincount(truth[rows], minlength=len(CLASSES)) / len(rows)
        self.shares = before / np.maximum(after, 1e-12)
        {names} = {drawn}
"""
RIGHT = """\
        # As many of each class as there were before the rows were drawn.
        found = {found} * self.shares
        return found / found.sum(axis=1, keepdims=True)"""


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
        is_drawn = bool(problem.classes) and config["resample"] != "none"
        if is_drawn:
            about = "Which rows make all classes equally frequent; probabilities are put right."
            settings["resample"] = Setting(config["resample"], about)
            settings["seed"] = Setting(problem.seed)
            fields += ["    resample: str", "    seed: int"]
        kind = "LogisticRegression" if problem.classes else "Ridge"
        imports.append(f"from sklearn.linear_model import {kind}")
        code = CODE.format(
            about=_about(problem, bool(columns.text)),
            fields="\n".join(fields),
            rows="\n".join(f"                {row}," for row in rows),
            model=LOGISTIC if problem.classes else RIDGE,
            head=fit_head("Linear", given(problem)),
            drawn=_drawn(problem) if is_drawn else "",
            fit=_fit(problem, other.table, kind),
            scores=_scores(problem, other.table, is_drawn),
            saved="self.model, self.shares" if is_drawn else "self.model",
        ).replace("dump(self.model, self.shares,", "dump([self.model, self.shares],")
        helpers = (*other.helpers, *((RESAMPLED,) if is_drawn else ()))
        return Recipe("Linear", settings, code, tuple(imports), ("joblib",), helpers)


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


def _drawn(problem: Problem) -> str:
    names = given(problem)
    drawn = ", ".join(["table.iloc[rows]", *(f"{name}[rows]" for name in names[1:])])
    return DRAWN.format(names=", ".join(names), drawn=drawn)


def _fit(problem: Problem, table: str, kind: str) -> str:
    weights = f"{kind.lower()}__sample_weight=weights"
    arguments = [table, "truth", *([weights] if problem.weights is not None else [])]
    return call("self.model.fit", arguments, taken=8, indent=2)


def _scores(problem: Problem, table: str, is_drawn: bool) -> str:
    if not problem.classes:
        return f"        return self.model.predict({table})"
    lines, found = "", f"self.model.predict_proba({table})"
    if lacks_classes(problem):
        lines, found = SCATTERED.format(table=table) + "\n", "found"
    return lines + (RIGHT.format(found=found) if is_drawn else f"        return {found}")
