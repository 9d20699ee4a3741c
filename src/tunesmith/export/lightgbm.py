"""LightGBM as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe
from tunesmith.core.records import Problem
from tunesmith.export import _trees
from tunesmith.export._ensembles import answer_name
from tunesmith.export._shelf import exporters

GROUP_ROWS = 20
"""As the learner has it."""
TRAIN = """\
        data = lgb.Dataset(features, target{weight}, categorical_feature=list(range({codes})))
        self.booster = lgb.train(self.params, data, self.rounds)"""
FOLLOWING = """\
        rising = [0] * {codes} + [1] * len(self.below)
        rising += [0] * (features.shape[1] - len(rising))
        params = {**self.params, "monotone_constraints": rising}
"""


@exporters.add("lightgbm")
class LightgbmExporter(Exporter):
    """LightGBM with the trees that were settled."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return _trees.refuses(problem) or ("" if config["rounds"] else "no trees were settled")

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        classes = len(problem.classes)
        number = "regression_l1" if _trees.is_by_size(problem) else "regression"
        objective = ("multiclass" if classes > 2 else "binary") if classes else number
        params = {
            "objective": objective,
            **({"num_class": classes} if classes > 2 else {}),
            "learning_rate": config["lr"],
            "num_leaves": config["num_leaves"],
            "min_data_in_leaf": config["min_child_samples"],
            "feature_fraction": config["feature_fraction"],
            "bagging_fraction": config["row_fraction"],
            "bagging_freq": 1 if config["row_fraction"] < 1 else 0,
            "lambda_l1": config["l1"],
            "lambda_l2": config["l2"],
            "max_bin": config["max_bin"],
            "extra_trees": config["extra_trees"],
            "cat_smooth": config["cat_smooth"],
            "max_cat_to_onehot": config["one_hot_levels"],
            "min_data_per_group": GROUP_ROWS,
            "seed": problem.seed % 2**31,
            "verbosity": -1,
        }
        name = answer_name(problem)
        below = [f"{name} {number}" for number in range(int(config["rising"]))]
        codes, _ = _trees.coded(problem, config)
        lines = TRAIN if codes else TRAIN.replace(", categorical_feature=list(range({codes}))", "")
        train = _fitted(lines.replace("{weight}", _trees.weight(problem)))
        if below:
            train = FOLLOWING + train.replace("train(self.params,", "train(params,")
        return _trees.recipe(
            problem,
            config,
            name="LightGBMOver" if below else "LightGBM",
            library="LightGBM",
            alias="lgb",
            package="lightgbm",
            params=params,
            train=train,
            answers="self.booster.predict(features)",
            opened='lgb.Booster(model_file=folder / "lightgbm.txt")',
            file="lightgbm.txt",
            answers_below=below,
        )


def _fitted(lines: str) -> str:
    first, rest = lines.split("\n", 1)
    if len(first) <= 88:
        return lines
    inside = first.strip().removeprefix("data = lgb.Dataset(").removesuffix(")")
    return f"        data = lgb.Dataset(\n            {inside}\n        )\n{rest}"
