"""A written script stands alone, reads what the run read, and gives what the run gave."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.contracts import Recipe
from tunesmith.export._script import _named

Load = Callable[[Path], ModuleType]
TARGET, LABELS = "'''label", ('say "no"\n', "it's '''yes'''")
ALONE = """
import runpy, sys
sys.modules["tunesmith"] = None  # any import of it now raises ImportError
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
KNOWN = {"numpy": "numpy", "pandas": "pandas", "sklearn": "scikit-learn", "joblib": "joblib"}


def test_a_script_gives_the_score_of_the_run_without_this_library(
    run: ts.Predictor, tmp_path: Path
) -> None:
    facts = run.export_code(tmp_path / "code", check=False)
    script = tmp_path / "code" / "train.py"
    out = tmp_path / "model"
    command = [sys.executable, "-c", ALONE, script, "--out", out, "--all-rows"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads((out / "score.json").read_text())
    assert told["rows"] == facts["winner"]["rows"]
    assert told["score"] == pytest.approx(run.summary["score"], rel=0.05)
    assert facts["agrees"] is None


def test_it_answers_as_the_run_from_the_columns_that_the_run_saw(
    run: ts.Predictor, tmp_path: Path, data: Path, load: Load
) -> None:
    run.export_code(tmp_path, check=False)
    train = load(tmp_path)
    read = train.read(train.DATA)
    inputs, truth = train.prepare(read), train.truth_of(read)
    split = json.loads((tmp_path / "split.json").read_text())
    every = sorted({*split["train"], *split["valid"], *split["test"]})
    assert every == list(range(len(read)))
    model = train.build().fit(inputs.iloc[every], truth[every])
    model.save(tmp_path)
    found = train.predict(read, tmp_path)
    # The saved model of the run was fitted to all rows with what was settled, as this one is.
    assert "all rows" in run.summary["model_is"]
    shares = run.predict_proba(data)
    assert list(shares.columns) == train.CLASSES == sorted(word.strip() for word in LABELS)
    assert np.abs(model.scores(inputs) - shares.to_numpy()).max() < 0.01
    assert (found == run.predict(data)).mean() > 0.98


def test_names_and_labels_stay_text_whatever_they_hold(run: ts.Predictor, tmp_path: Path) -> None:
    run.export_code(tmp_path, check=False)
    code = (tmp_path / "train.py").read_text()
    names = {
        node.module or "" for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)
    }
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    tops = {name.partition(".")[0] for name in names}
    assert "os" not in tops
    assert "tunesmith" not in tops
    listed = (tmp_path / "requirements.txt").read_text().splitlines()
    assert {line.partition("~=")[0] for line in listed} == {
        KNOWN[top] for top in tops - sys.stdlib_module_names
    }


@pytest.mark.parametrize("target", [TARGET, "amount"])
def test_a_script_looks_as_a_formatter_leaves_it(
    target: str, run: ts.Predictor, data: Path, tmp_path: Path
) -> None:
    if target == "amount":
        run = ts.fit(data, target, trials=1, learners=["linear"], folder=tmp_path / "run")
        facts = run.export_code(tmp_path / "code", check=True)
        assert facts["agrees"] is True
        assert facts["script"]["score"] == pytest.approx(facts["winner"]["score"], rel=0.01)
    else:
        run.export_code(tmp_path / "code", check=False)
    tool, script = Path(sys.executable).with_name("ruff"), tmp_path / "code" / "train.py"
    for command in (
        ["format", "--check", "--line-length", "88"],
        ["check", "--select", "F,I,B,UP"],
    ):
        ran = subprocess.run([tool, *command, "--isolated", script], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout


def test_there_is_no_code_for_what_the_problem_does_not_have(tmp_path: Path) -> None:
    file = tmp_path / "plain.csv"
    dice = np.random.default_rng(0)
    x = dice.normal(size=80)
    pd.DataFrame({"x": x, "label": np.where(x + dice.normal(size=80) > 0, "a", "b")}).to_csv(
        file, index=False
    )
    run = ts.fit(file, "label", trials=1, learners=["linear"], folder=tmp_path / "run")
    run.export_code(tmp_path / "code", check=False)
    code = (tmp_path / "code" / "train.py").read_text()
    for word in ("CATEGORIES", "TEXT", "DATES", "Tfidf", "OneHot", "Blend", "Ridge", "checkpoint"):
        assert word not in code, word


def test_rows_of_other_formats_are_read_the_same(data: Path, tmp_path: Path, load: Load) -> None:
    rows = pd.read_csv(data)
    rows["on"] = np.arange(len(rows)) % 3 == 0
    for name in ("parquet", "jsonl"):
        file = tmp_path / f"data.{name}"
        if name == "parquet":
            rows.to_parquet(file)
        else:
            rows.to_json(file, orient="records", lines=True)
        run = ts.fit(file, "on", trials=1, learners=["majority"], folder=tmp_path / name)
        code = tmp_path / f"code-{name}"
        facts = run.export_code(code, check=False)
        train, split = load(code), json.loads((code / "split.json").read_text())
        found = train.read(train.DATA)
        inputs, truth = train.prepare(found), train.truth_of(found)
        model = train.build().fit(inputs.iloc[split["train"]], truth[split["train"]])
        answers = model.scores(inputs.iloc[split["test"]])
        assert train.score(truth[split["test"]], answers) == facts["winner"]["score"]


def test_two_models_of_one_learner_keep_their_own_code() -> None:
    def one(answer: int) -> Recipe:
        helper = f'def answered() -> int:\n    """What is answered(here)."""\n    return {answer}\n'
        code = (
            "class Answer:\n"
            '    def fit(self) -> "Answer":\n'
            "        self.value = answered()\n"
            "        return self\n"
        )
        return Recipe("Answer", {}, code, (), (), (helper,))

    named = _named([one(n) for n in (1, 2, 1, 3)])
    blocks = dict.fromkeys(block for r in named for block in (*r.helpers, r.code))
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    assert [names[recipe.name]().fit().value for recipe in named] == [1, 2, 1, 3]
    assert len(blocks) == 6
