"""The models of a run in one small model: what that loses is told, and it opens alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.fit import fit_lines
from tunesmith.core.errors import BudgetError, ConfigError, DataError
from tunesmith.pipeline.distilling import message


def table(rows: int = 240, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    cells = dice.normal(size=(rows, 3))
    value = cells @ [1.5, -1.0, 0.3] + 0.5 * dice.normal(size=rows)
    named = pd.DataFrame(cells, columns=["x", "y", "z"])
    named = named.assign(shop=dice.choice(["p", "q"], rows))
    names = np.array(["bad", "fair", "good"])
    label = names[np.digitize(value, np.linspace(-1, 1, classes + 1)[1:-1])] if classes else value
    return named.assign(label=label)


def run(folder: Path, data: Any, **more: Any) -> ts.Predictor:
    more = {"learners": ["linear", "lightgbm"], "folds": 2, "trials": 2, **more}
    return ts.fit(data, "label", folder=folder, **more)


@pytest.mark.parametrize("classes", [2, 0])
def test_a_fit_tells_what_one_small_model_loses(tmp_path: Path, classes: int) -> None:
    data = table(classes=classes)
    model = run(tmp_path / "run", data, distill=True)
    told = model.summary["distilled"]
    assert told["low"] <= told["gain"] <= told["high"]
    assert np.isclose(told["against"], model.summary["score"])
    assert told["rows"] == model.summary["score_rows"]
    learned = told["learned_from"]
    assert learned["labelled"] == learned["answered"] > 0
    assert (learned["unlabelled"], learned["made"]) == (0, 2 * learned["labelled"])
    assert told["message"] in fit_lines(model.summary)
    assert told["models"] >= 2
    assert told["size_mb"] < told["against_size_mb"]
    alone = ts.load(tmp_path / "run" / "distilled")
    test = model.summary["rows"]["test"]
    assert alone.summary["score"] == told["score"]
    assert len(alone.predict(data.drop(columns="label"))) == len(data) > test
    assert (tmp_path / "run" / "distilled" / "members" / "0").is_dir()
    assert not list((tmp_path / "run").glob(".distilled*"))


def test_a_run_is_distilled_later_too_and_its_score_is_of_the_same_rows(tmp_path: Path) -> None:
    data = table()
    model = run(tmp_path / "run", data)
    with pytest.raises(ConfigError, match="object in memory"):
        model.distill()
    small = model.distill(student="linear", source=data, temperature=2.0)
    told = model.summary["distilled"]
    assert (told["learner"], told["temperature"]) == ("linear", 2.0)
    lines = json.loads((tmp_path / "run" / "problem.json").read_text())["parts"]["test"]
    test = data.iloc[np.array(lines) - 1]
    again = small.evaluate(test, model.summary["metric"])
    assert np.isclose(next(iter(again.values())).value, told["score"])
    assert {"gain", "low", "high"} == set(told["over_labels_alone"])


def test_rows_without_labels_are_learned_from_as_well(tmp_path: Path) -> None:
    data = table(120)
    model = run(tmp_path / "run", data, folds=0)
    more = table(300, seed=1).drop(columns="label")
    few = model.distill(student="lightgbm", source=data).predict_proba(more)
    many = model.distill(student="lightgbm", source=data, unlabelled=more).predict_proba(more)
    teacher = model.predict_proba(more)
    assert np.abs(many - teacher).mean().mean() < np.abs(few - teacher).mean().mean()
    with pytest.raises(DataError, match="lacks 'shop'"):
        model.distill(source=data, unlabelled=more.drop(columns="shop"))


def test_words_are_learned_by_a_linear_model_or_by_one_on_a_checkpoint(
    tmp_path: Path, checkpoint: str
) -> None:
    from tunesmith.tasks.classification import reviews

    made = reviews(np.random.default_rng(0), 160)
    data = pd.DataFrame({name: made.values(name) for name in ("text", "age", "label")})
    file = tmp_path / "reviews.csv"
    data.to_csv(file, index=False)
    space = {
        "neural": {"backbone": checkpoint, "epochs": 2, "lr": 1e-3, "batch_size": 16},
        "probe": {"backbone": checkpoint},
    }
    more: dict[str, Any] = {"learners": ["linear", "probe", "neural"], "space": space}
    model = run(tmp_path / "run", file, **{**more, "folds": 0, "offline": True, "trials": 4})
    assert model.distill().summary["distilled"]["learner"] == "linear"
    for student in ("probe", "neural"):
        small = model.distill(student=student)
        assert small.summary["best"]["backbone"] == checkpoint
        assert set(ts.load(small.folder).predict(data[:5])) <= {"good", "bad"}


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    data = table(120)
    model = run(tmp_path / "run", data, learners=["linear"], trials=1)
    for wrong, told in (
        ({"student": "neighbours"}, "does not weigh rows"),
        ({"student": "lihgtgbm"}, "Did you mean 'lightgbm'"),
        ({"temperature": 0.0}, "temperature lies between"),
        ({"student": "probe"}, "Nothing was distilled: probe"),
    ):
        with pytest.raises(ConfigError, match=told):
            model.distill(source=data, **wrong)
    with pytest.raises(BudgetError, match="Nothing was distilled"):
        model.distill(source=data, budget=1e-6)
    with pytest.raises(DataError, match="not hold what"):
        model.distill(source=table(120, seed=5))
    shutil.rmtree(tmp_path / "run" / "trials" / "0001" / "model")
    with pytest.raises(DataError, match="only the final one is left"):
        model.distill(source=data)


def test_smaller_and_tied_is_said_and_so_is_what_is_neither() -> None:
    told = {"learner": "linear", "score": 0.8, "against": 0.81, "models": 4, "rows": 1000}
    told |= {"gain": -0.01, "low": -0.02, "high": 0.001, "ms_per_row": 0.1}
    told |= {"size_mb": 0.5, "against_size_mb": 9.0, "against_ms_per_row": 2.0}
    assert message("roc_auc", told).endswith("smaller and tied with it on these rows")
    worse = {**told, "high": -0.001}
    assert message("roc_auc", worse).endswith("2.000")
    assert message("roc_auc", {**worse, "size_mb": 10.0}).endswith("no smaller")


def test_a_run_cut_short_while_distilling_ends_as_if_undisturbed(tmp_path: Path) -> None:
    data, folder = table(120), tmp_path / "run"
    model = run(folder, data, learners=["linear"], trials=1, distill=True)
    before = model.summary["distilled"]
    (folder / "summary.json").unlink()
    shutil.rmtree(folder / "distilled")
    (folder / ".distilled.desk" / "linear").mkdir(parents=True)
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines()
    cut = next(i for i, line in enumerate(lines) if '"distilling"' in line)
    journal.write_text("\n".join(lines[: cut + 1]) + "\n")
    after = ts.resume(folder, source=data).summary["distilled"]
    assert all(after[name] == before[name] for name in ("score", "gain", "low", "high", "size_mb"))
    assert not (folder / ".distilled.desk").exists()
    ts.load(folder / "distilled")
