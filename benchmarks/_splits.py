"""Tables with numbers only, drawn into train, valid and test, and models of scikit-learn that have
answered valid and test: what calibration and conformal sets are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets, ensemble, linear_model, naive_bayes, pipeline, preprocessing
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from tunesmith.data.folds import repeats

ADULT = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "income"),
]


@dataclass(frozen=True)
class Data:
    """Inputs (rows, columns), truth as codes or numbers, and how many rows learn, choose and test;
    where none choose, those that learn do so in five folds, drawn as often as a fit draws them."""

    name: str
    inputs: np.ndarray
    truth: np.ndarray
    train: int
    valid: int
    test: int


@dataclass(frozen=True)
class Answered:
    """Truth and answers of the rows that choose and of those that test."""

    data: str
    model: str
    split: int
    valid_truth: np.ndarray
    valid: np.ndarray
    test_truth: np.ndarray
    test: np.ndarray


def _numbers(table: pd.DataFrame) -> np.ndarray:
    return pd.get_dummies(table).to_numpy(dtype=np.float64)


def classes(folder: Path) -> list[Data]:
    """Adult, German credit and handwritten digits."""
    adult = pd.concat(
        pd.read_csv(folder / "adult" / name, names=ADULT, skipinitialspace=True, comment="|")
        for name in ("train.csv", "test.csv")
    )
    income = adult.pop("income").str.rstrip(".")
    german = pd.read_csv(folder / "german_credit" / "german.csv", header=None)
    bad = german.pop(german.columns[-1])
    x, y = datasets.load_digits(return_X_y=True)
    return [
        Data("Adult", _numbers(adult), (income == ">50K").to_numpy(int), 4000, 2000, 5000),
        Data("German credit", _numbers(german), (bad == bad.max()).to_numpy(int), 700, 0, 300),
        Data("digits", x, y, 600, 400, 797),
    ]


def numbers(folder: Path) -> list[Data]:
    """Diabetes, hours worked a week of Adult, and a made-up curve whose noise grows."""
    x, y = datasets.load_diabetes(return_X_y=True)
    adult = pd.read_csv(folder / "adult" / "train.csv", names=ADULT, skipinitialspace=True)
    hours = adult.pop("hours-per-week").to_numpy(float)
    a, b = datasets.make_friedman1(6000, noise=0.0, random_state=0)
    b = b + np.random.default_rng(0).normal(size=len(b)) * b / 6
    return [
        Data("diabetes", x, y, 300, 0, 142),
        Data("Adult, hours", _numbers(adult), hours, 4000, 2000, 5000),
        Data("Friedman, growing noise", a, b, 2000, 1000, 3000),
    ]


def models(of_classes: bool) -> dict[str, Any]:
    """Kinds of models that are unlike each other, also in how sure they are of themselves."""
    scale = preprocessing.StandardScaler
    if not of_classes:
        return {
            "linear": pipeline.make_pipeline(scale(), linear_model.RidgeCV()),
            "forest": ensemble.RandomForestRegressor(100, min_samples_leaf=2, random_state=0),
            "boosting": ensemble.HistGradientBoostingRegressor(random_state=0),
        }
    return {
        "logistic": pipeline.make_pipeline(scale(), linear_model.LogisticRegression(max_iter=500)),
        "naive Bayes": pipeline.make_pipeline(scale(), naive_bayes.GaussianNB(var_smoothing=1e-2)),
        "forest": ensemble.RandomForestClassifier(100, random_state=0),
        "boosting": ensemble.HistGradientBoostingClassifier(max_iter=60, random_state=0),
    }


def answered(data: Data, splits: int) -> Iterator[Answered]:
    """Every model on every split."""
    of_classes = data.truth.dtype.kind == "i"
    for split in range(splits):
        rows = np.arange(len(data.truth))
        train, rest = train_test_split(
            rows,
            train_size=data.train,
            stratify=data.truth if of_classes else None,
            random_state=split,
        )
        valid, test = rest[: data.valid], rest[data.valid :][: data.test]
        for name, model in models(of_classes).items():
            if data.valid:
                said = _fitted(model, data, train, (valid, test))
            else:
                valid = train
                said = _in_folds(model, data, train, test, of_classes, split)
            truths = data.truth[valid], data.truth[test]
            yield Answered(data.name, name, split, truths[0], said[0], truths[1], said[1])


def _fitted(model: Any, data: Data, train: np.ndarray, parts: tuple[np.ndarray, ...]) -> Any:
    model.fit(data.inputs[train], data.truth[train])
    say = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    return [say(data.inputs[part]) for part in parts]


def _in_folds(
    model: Any, data: Data, train: np.ndarray, test: np.ndarray, of_classes: bool, seed: int
) -> Any:
    """Out-of-fold answers of the rows that learn, the mean over draws of the folds; of those that
    test the mean of all folds'."""
    out: Any = None
    means, draws = [], repeats(len(train))
    for draw in range(draws):
        state = seed + 1000 * draw
        cut = (StratifiedKFold if of_classes else KFold)(5, shuffle=True, random_state=state)
        for rest, held in cut.split(data.inputs[train], data.truth[train]):
            said, other = _fitted(model, data, train[rest], (train[held], test))
            out = np.zeros((len(train), *said.shape[1:])) if out is None else out
            out[held] += said / draws
            means.append(other)
    return out, np.mean(means, axis=0)
