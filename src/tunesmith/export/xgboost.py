"""XGBoost as code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe
from tunesmith.core.records import Problem
from tunesmith.export import _trees
from tunesmith.export._shelf import exporters

PACKAGE = "xgboost-cpu"
"""Without the libraries of a GPU; imported as xgboost."""
MATRIX = '''\
def matrix(features: np.ndarray, codes: int, **named: np.ndarray) -> xgb.DMatrix:
    """Rows in XGBoost's own form; so many columns are codes, the first ones."""
    kinds = ["c"] * codes + ["q"] * (features.shape[1] - codes)
    return xgb.DMatrix(features, feature_types=kinds, enable_categorical=True, **named)
'''


@exporters.add("xgboost")
class XgboostExporter(Exporter):
    """XGBoost with the trees that were settled."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return _trees.refuses(problem) or ("" if config["rounds"] else "no trees were settled")

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        classes = len(problem.classes)
        number = "reg:absoluteerror" if _trees.is_by_size(problem) else "reg:squarederror"
        objective = ("multi:softprob" if classes > 2 else "binary:logistic") if classes else number
        params = {
            "objective": objective,
            **({"num_class": classes} if classes > 2 else {}),
            "eta": config["lr"],
            "max_depth": config["max_depth"],
            "min_child_weight": config["min_child_weight"],
            "colsample_bytree": config["feature_fraction"],
            "subsample": config["row_fraction"],
            "alpha": config["l1"],
            "lambda": config["l2"],
            "max_bin": config["max_bin"],
            "tree_method": "hist",
            "seed": problem.seed % 2**31,
        }
        weight = _trees.weight(problem)
        made = _trees.recipe(
            problem,
            config,
            name="XGBoost",
            library="XGBoost",
            alias="xgb",
            package="xgboost",
            params=params,
            train=(
                f"        data = matrix(features, {{codes}}, label=target{weight})\n"
                "        self.booster = xgb.train(self.params, data, self.rounds)"
            ),
            answers="self.booster.predict(matrix(features, {codes}))",
            opened='xgb.Booster(model_file=folder / "xgboost.ubj")',
            file="xgboost.ubj",
        )
        packages = tuple(PACKAGE if name == "xgboost" else name for name in made.packages)
        return replace(made, helpers=(MATRIX, *made.helpers), packages=packages)
