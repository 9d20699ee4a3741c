"""The explainable boosting machine as code, by interpret itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunesmith.core.contracts import Exporter, Recipe, Setting
from tunesmith.core.records import Problem
from tunesmith.export._data import columns_of, given
from tunesmith.export._shelf import exporters
from tunesmith.export._writing import fit_head

MOST_LEVELS, FEWEST_OF_LEVEL, STEP, LR = 200, 3, 25, 0.03
"""As the learner has them."""
CODE = '''\
@dataclass
class ExplainableBoosting:
    """What each column, and each of a few pairs, adds to the answer, in steps."""

    params: dict
    rounds: int
    pairs: int
    pair_rounds: int
    balanced: bool
    rising: list
    falling: list
    seed: int

{head}
        self.levels, self.models = {{}}, []
        for name in table.columns[table.dtypes == object]:
            counts = table[name][table[name].fillna("") != ""].value_counts()
            self.levels[name] = sorted(counts.index[counts >= {fewest}][:{most}])
        {features}
        if self.balanced:
            weights = {counted}compute_sample_weight("balanced", truth)
{target}
        margins = np.zeros({shape}) + self.start
        signs = [(n in self.rising) - (n in self.falling) for n in table.columns]
        alone = {{"interactions": 0}}
        if any(signs):
            alone["monotone_constraints"] = signs
        for rounds in self.steps(self.rounds):
            model = self.model(table, rounds, alone)
            model.fit(features, target, weights, init_score=margins)
            margins = margins + model.{answer}(features)
        if not self.pair_rounds:
            return self
        free = [i for i, sign in enumerate(signs) if not sign]
        ranked = measure_interactions(
            features[:, free],
            target,
            interactions=self.pairs,
            init_score=margins,
            sample_weight=weights,
            feature_types=[self.types(table)[i] for i in free],
            max_interaction_bins=self.params["max_interaction_bins"],
            min_samples_leaf=self.params["min_samples_leaf"],
            objective="{objective}",
        )
        pairs = [tuple(sorted((free[i], free[j]))) for (i, j), _ in ranked]
        for rounds in self.steps(self.pair_rounds):
            how = {{"exclude": "mains", "interactions": pairs}}
            model = self.model(table, rounds, how)
            model.fit(features, target, weights, init_score=margins)
            margins = margins + model.{answer}(features)
        return self

    def steps(self, rounds: int) -> list[int]:
        """The rounds of each step."""
        return [min({step}, rounds - done) for done in range(0, rounds, {step})]

    def types(self, table: pd.DataFrame) -> list[str]:
        """What the library calls the columns."""
        return ["nominal" if n in self.levels else "continuous" for n in table.columns]

    def model(self, table: pd.DataFrame, rounds: int, how: dict) -> Machine:
        """The next step, not fitted yet."""
        model = Machine(
            **self.params,
            **how,
            feature_types=self.types(table),
            max_rounds=rounds,
            smoothing_rounds=0 if self.models else rounds,
            interaction_smoothing_rounds=0,
            early_stopping_rounds=0,
            validation_size=0,
            greedy_ratio=0.0,
            outer_bags=1,
            n_jobs=1,
            random_state=self.seed + len(self.models) + 1,
        )
        self.models.append(model)
        return model

    def features(self, table: pd.DataFrame) -> np.ndarray:
        """Numbers as they are, dates in seconds, levels by place; NaN where missing."""
        columns = []
        for name in table.columns:
            column = table[name]
            if name in self.levels:
                place = {{level: i for i, level in enumerate(self.levels[name])}}
                column = column.map(place)
            elif column.dtype.kind == "M":
                column = (column - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
            columns.append(column.to_numpy(float))
        return np.column_stack(columns)

    def scores(self, table: pd.DataFrame) -> np.ndarray:
        features = self.features(table)
        found = self.start + sum(m.{answer}(features) for m in self.models)
{scores}

    def save(self, folder: Path) -> None:
        joblib.dump(vars(self), folder / "ebm.joblib")

    def load(self, folder: Path) -> "ExplainableBoosting":
        # A joblib file can run code as it is opened: open none but your own.
        vars(self).update(joblib.load(folder / "ebm.joblib"))
        return self
'''
CLASS_TARGET = """\
        target, logs = truth, np.log(np.bincount(truth, weights))
        self.start = {start}"""
NUMBER_TARGET = """\
        self.mean, self.deviation = float(truth.mean()), float(truth.std()) or 1.0
        target, self.start = (truth - self.mean) / self.deviation, 0.0"""
ABOUT = {
    "rounds": "Rounds of the columns, as the validation rows ended the training.",
    "pairs": "Most pairs of columns.",
    "pair_rounds": "Rounds of the pairs.",
    "balanced": "Whether rare classes count as the others.",
}


@exporters.add("ebm")
class EbmExporter(Exporter):
    """interpret's boosting with the rounds that were settled."""

    def refuses(self, problem: Problem, config: Mapping[str, Any]) -> str:
        if columns_of(problem).texts:
            return "an explainable boosting machine has no table for texts"
        if len(np.unique(problem.truth("train"))) < len(problem.classes):
            return "its training rows lack some of the classes"
        return "" if config["rounds"] else "its rounds were never settled"

    def recipe(self, problem: Problem, config: Mapping[str, Any]) -> Recipe:
        classes, is_weighted = len(problem.classes), problem.weights is not None
        kind = f"ExplainableBoosting{'Classifier' if classes else 'Regressor'}"
        start = "logs[1] - logs[0]" if classes == 2 else "logs - logs.max()"
        found = "softmax(found, axis=1)"
        if classes == 2:
            found = "np.column_stack([expit(-found), expit(found)])"
        code = CODE.format(
            head=fit_head("ExplainableBoosting", given(problem)),
            features="features = self.features(table)"
            if is_weighted
            else "features, weights = self.features(table), None",
            counted="weights * " if is_weighted else "",
            fewest=FEWEST_OF_LEVEL,
            most=MOST_LEVELS,
            step=STEP,
            kind=kind,
            target=CLASS_TARGET.format(start=start) if classes else NUMBER_TARGET,
            shape=f"(len(truth), {classes})" if classes > 2 else "len(truth)",
            answer="decision_function" if classes else "predict",
            objective="log_loss" if classes else "rmse",
            scores=f"        return {found if classes else 'found * self.deviation + self.mean'}",
        )
        named = {
            about: [one.strip() for one in str(config[about]).split(",") if one.strip()]
            for about in ("rising", "falling")
        }
        settings = {
            "params": Setting(_params(config), "As interpret names them."),
            **{name: Setting(config[name], about) for name, about in ABOUT.items()},
            "rising": Setting(named["rising"], "Columns along which the answer only rises."),
            "falling": Setting(named["falling"], "Columns along which it only falls."),
            "seed": Setting(problem.seed % 2**30, "Of the random splits of the first step."),
        }
        special = {0: (), 2: ("expit",)}.get(classes, ("softmax",))
        imports = (
            "import joblib",
            "from dataclasses import dataclass",
            f"from interpret.glassbox import {kind} as Machine",
            "from interpret.utils import measure_interactions",
            *(f"from scipy.special import {one}" for one in special),
            "from sklearn.utils.class_weight import compute_sample_weight",
        )
        packages = ("interpret-core", "joblib", *(("scipy",) if special else ()))
        return Recipe("ExplainableBoosting", settings, code, imports, packages)


def _params(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "learning_rate": LR,
        "max_bins": config["max_bins"],
        "max_interaction_bins": config["pair_bins"],
        "max_leaves": config["max_leaves"],
        "min_samples_leaf": config["min_samples_leaf"],
        "reg_lambda": config["l2"],
    }
