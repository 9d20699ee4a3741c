"""CatBoost as code: it takes categories as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export import _trees
from tunesmith.export._data import columns_of, given
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

CODE = '''\
@dataclass
class CatBoostTrees:
    """Boosted trees of CatBoost."""

    params: dict
{fields}
    def pool(self, table: pd.DataFrame, **named: np.ndarray) -> Pool:
        """Rows in CatBoost's own form."""
        columns = {names}
        return Pool({table}[columns], {categories}**named)

{head}
{target}
        self.model = CatBoost(self.params)
        self.model.fit(self.pool(table, label=target{weight}))
        return self

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        return {answers}

    def save(self, folder: Path) -> None:
        self.model.save_model(folder / "catboost.cbm")
{saved}
    def load(self, folder: Path) -> "CatBoostTrees":
        self.model = CatBoost().load_model(folder / "catboost.cbm")
{loaded}        return self
'''
SAVED = """\
        told = json.dumps([self.mean, self.deviation])
        (folder / "target.json").write_text(told)
"""
LOADED = """\
        told = json.loads((folder / "target.json").read_text())
        self.mean, self.deviation = told
"""


@exporters.add("catboost")
class CatboostExporter(Exporter):
    """CatBoost with the trees that were settled."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        return _trees.refuses(problem) or ("" if config["rounds"] else "no trees were settled")

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        columns, classes = columns_of(problem), len(problem.classes)
        number = "MAE" if _trees.is_by_size(problem) else "RMSE"
        params = {
            "loss_function": ("MultiClass" if classes > 2 else "Logloss") if classes else number,
            "iterations": config["rounds"],
            "learning_rate": config["lr"],
            "depth": config["max_depth"],
            "l2_leaf_reg": config["l2"],
            "random_strength": config["randomness"],
            "bootstrap_type": "Bayesian",
            "bagging_temperature": config["bagging"],
            "border_count": config["max_bin"],
            "one_hot_max_size": config["one_hot_levels"],
            "max_ctr_complexity": config["combined"],
            "random_seed": problem.seed % 2**31,
            "allow_writing_files": False,
            "verbose": False,
        }
        settings = {"params": Setting(params, "As CatBoost names them.")}
        if classes:
            settings["class_weight"] = _trees.class_weight(config)
        names = [
            *(["CATEGORIES"] if columns.categories else []),
            *(["NUMBERS"] if columns.numbers else []),
            *(["list(DATES)", "PART_NAMES"] if columns.dates else []),
        ]
        answer = 'self.model.predict(self.pool(table), prediction_type="Probability")'
        code = CODE.format(
            fields="    class_weight: str | None\n" if classes else "",
            table="with_parts(table)" if columns.dates else "table",
            names=" + ".join(names),
            categories="cat_features=CATEGORIES, " if columns.categories else "",
            head=fit_head("CatBoostTrees", given(problem)),
            target=_trees.target(problem),
            weight=_trees.weight(problem),
            answers=answer
            if classes
            else "self.model.predict(self.pool(table)) * self.deviation + self.mean",
            saved="" if classes else SAVED,
            loaded="" if classes else LOADED,
        )
        imports = ["from catboost import CatBoost, Pool", "from dataclasses import dataclass"]
        if classes:
            imports.append("from sklearn.utils.class_weight import compute_sample_weight")
        helpers = (_trees.PART_NAMES, _trees.PARTS) if columns.dates else ()
        return Recipe("CatBoostTrees", settings, code, tuple(imports), ("catboost",), helpers)
