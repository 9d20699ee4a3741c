"""What columns are worth: what tells is seen to tell, and what does not is seen not to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError, DataError
from tunesmith.core.records import Problem
from tunesmith.learners._blocks import Reads
from tunesmith.nn.shards import Store, using
from tunesmith.nn.tally import FROZEN
from tunesmith.pipeline.ablation import reads_of, taken_apart


def by_name(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in facts["rows"]}


def test_every_kind_of_column_is_taken_apart(
    mixed: Problem, checkpoint: str, picture_checkpoint: str
) -> None:
    pytest.importorskip("timm")
    rows = np.concatenate([mixed.parts["valid"], mixed.parts["test"]])
    problem = replace(mixed, parts={**mixed.parts, "valid": rows}, metric="roc_auc")
    reads = Reads(checkpoint, picture_checkpoint, texts="apart", components=16)
    with using(Store(None, 10**8)):
        facts = taken_apart(problem, reads, Clock())
        before = FROZEN.rows
        taken_apart(problem, reads, Clock())
        assert FROZEN.rows == before
    found = by_name(facts)
    assert set(found) == {*mixed.inputs, "texts", "pictures"}
    assert found["texts"]["columns"] == ("said", "title")
    for told, idle in (("said", "title"), ("front", "back"), ("age", "day")):
        assert found[told]["alone"] > found[idle]["alone"]
        assert found[told]["lost"] > found[idle]["lost"]
    assert found["said"]["lost_low"] > 0
    assert facts["all"]["value"] > max(row["alone"] for row in facts["rows"])
    assert facts["none"]["value"] == pytest.approx(0.5)


def test_without_a_checkpoint_texts_are_topics_and_pictures_are_named(mixed: Problem) -> None:
    facts = taken_apart(mixed, Reads(texts="apart"), Clock())
    assert facts["not_read"] == ["front", "back"]
    found = by_name(facts)
    assert found["said"]["lost"] > found["title"]["lost"]


def test_a_clock_that_is_over_ends_it(mixed: Problem) -> None:
    ticks = iter(range(10_000))
    with pytest.raises(BudgetError, match="no time"):
        taken_apart(mixed, Reads(), Clock(3.0, lambda: float(next(ticks))))


def test_of_several_trials_the_best_that_reads_says_who_reads(
    checkpoint: str, picture_checkpoint: str
) -> None:
    both = {"text_backbone": checkpoint, "picture_backbone": picture_checkpoint}
    board = [
        {"config": {"text": "topics", "pictures": "none", **both, "picture_size": 64}},
        {"config": {"fusion": "Late", **both, "picture_size": 96, "max_length": 64}},
        {"config": {"backbone": picture_checkpoint, "size": 160}},
    ]
    reads = reads_of(board)
    assert (reads.text_backbone, reads.max_length) == (checkpoint, 64)
    assert (reads.picture_backbone, reads.picture_size) == (picture_checkpoint, 96)
    assert reads_of(board[:1]).text_backbone == ""


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    dice = np.random.default_rng(0)
    cells = pd.DataFrame(dice.normal(size=(300, 3)), columns=["x", "y", "z"])
    value = 2 * cells["x"] + cells["y"] + 0.5 * dice.normal(size=300)
    return cells.assign(shop=dice.choice(["p", "q"], 300), label=np.where(value > 0, "a", "b"))


@pytest.fixture(scope="module")
def run(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("ablation")
    table.to_csv(folder / "data.csv", index=False)
    return ts.fit(
        folder / "data.csv", "label", folder=folder / "run", learners=["linear"], trials=1, folds=3
    )


def test_a_run_with_folds_is_taken_apart_by_answers_out_of_fold(run: ts.Predictor) -> None:
    found = run.ablation().set_index("what")
    assert list(found.index) == ["numbers", "x", "y", "z", "shop"]
    assert found.loc["x", "alone"] > found.loc["y", "alone"] > found.loc["z", "alone"]
    assert found.loc["x", "lost_low"] > 0 > found.loc["shop", "lost_low"]
    kept = json.loads((run.folder / "ablation.json").read_text())
    assert [row["what"] for row in kept["rows"]] == list(found.index)
    assert run.ablation().attrs["all"]["value"] == kept["all"]["value"]


def test_the_command_tells_the_same(run: ts.Predictor, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["ablation", str(run.folder)])
    told = capsys.readouterr().out
    assert "all columns" in told
    assert "lost without" in told
    with pytest.raises(SystemExit, match="0"):
        main(["ablation", str(run.folder), "--json"])
    facts = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert facts["rows"][0]["what"] == "numbers"


def test_data_that_is_gone_or_has_changed_is_refused(
    run: ts.Predictor, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="does not hold"):
        run.ablation(source=table.head(250))
    model = ts.fit(table, "label", folder=tmp_path / "run", learners=["linear"], trials=1)
    with pytest.raises(ConfigError, match="ablation"):
        model.ablation()
    assert len(model.ablation(source=table)) == 5
