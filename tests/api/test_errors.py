"""Where a model errs: of each kind of answer what fits it, in words, as tables and as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.core.errors import ConfigError, DataError

ROWS = 500


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    dice = np.random.default_rng(seed)
    shop = dice.choice(["north", "south", "east"], rows)
    size, color = dice.normal(size=rows), dice.choice(["=red", "blue"], rows)
    label = np.where(size + 0.3 * dice.normal(size=rows) > 0, "yes", "no")
    flipped = (shop == "east") & (dice.random(rows) < 0.5)
    label = np.where(flipped, np.where(label == "yes", "no", "yes"), label)
    return pd.DataFrame({"shop": shop, "size": size, "color": color, "label": label})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("errors") / "run"
    return ts.fit(table(0), "label", trials=1, learners=["linear"], folder=folder)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    rows = table(1).assign(price=lambda t: 3 * t["size"] + (t["shop"] == "east"))
    folder = tmp_path_factory.mktemp("numbers") / "run"
    columns = rows[["shop", "size", "price"]]
    return ts.fit(columns, "price", trials=1, learners=["linear"], folder=folder)


def test_a_sort_of_rows_with_shuffled_labels_comes_first(model: ts.Predictor) -> None:
    found = model.errors(table(2, 1_000))
    first = found.slices[0]
    assert first.name == "shop is east"
    assert first.error > 0.3 > first.rest_error
    assert 0 < first.gap_low < first.gap < first.gap_high
    assert first.lines
    assert "shop is east" in str(found)
    assert {"name", "rows", "error", "gap_low"} <= set(found.frame().columns)
    json.dumps(found.to_json(), allow_nan=False)


def test_pairs_and_rows_are_those_of_the_answers(model: ts.Predictor) -> None:
    data = table(3)
    found = model.errors(data)
    wrong = model.predict(data) != data["label"]
    assert sum(pair.rows for pair in found.pairs) == wrong.sum()
    assert found.error == pytest.approx(wrong.mean())
    worst = found.frame("worst")
    assert worst["loss"].is_monotonic_decreasing
    assert (worst["truth"] != worst["answer"]).all()
    line = int(worst["line"].iloc[0])
    assert worst["row"].iloc[0].startswith(f"shop: {data['shop'].iloc[line - 1]}; size: ")
    least = np.abs(model.predict_proba(data)["yes"] - 0.5)
    assert set(found.frame("uncertain")["line"][:5]) <= set(least.nsmallest(8).index + 1)
    assert found.deciles == ()


def test_numbers_are_told_by_tenths_of_the_truth(numbers: ts.Predictor) -> None:
    data = table(4).assign(price=lambda t: 3 * t["size"] + 4 * (t["size"] > 1))
    found = numbers.errors(data)
    assert found.measure == "mean absolute error"
    assert found.pairs == ()
    assert sum(one.rows for one in found.deciles) == len(data)
    assert found.deciles[-1].mean_error < -2
    assert found.slices[0].columns == ("size",)


def test_several_labels_have_no_pairs_but_are_missed_and_added(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    size = dice.normal(size=300)
    rows = pd.DataFrame({"size": size, "big": (size > 0.5) * 1, "odd": dice.integers(0, 2, 300)})
    run = tmp_path / "run"
    model = ts.fit(rows, ["big", "odd"], trials=1, learners=["linear"], folder=run)
    found = model.errors(rows)
    assert found.pairs == ()
    assert found.labels[0].label == "odd"
    assert any("one label a row" in note for note in found.notes)


def test_the_command_tells_and_writes_them(
    model: ts.Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(5, 800)
    data["color"] = "=cmd()"
    data.loc[0, "shop"] = "\x1b[31mred"
    data.to_csv(tmp_path / "new.csv", index=False)
    out, file = tmp_path / "out", tmp_path / "all.json"
    asked = ["errors", str(model.folder), str(tmp_path / "new.csv"), "--json", str(file)]
    with pytest.raises(SystemExit) as end:
        main([*asked, "--out", str(out)])
    told = capsys.readouterr()
    assert end.value.code == 0, told.err
    assert "shop is east" in told.out
    assert "\x1b" not in told.out
    assert json.loads(file.read_text())["slices"][0]["name"] == "shop is east"
    assert {"slices.csv", "pairs.csv", "worst.csv", "uncertain.csv"} <= {
        one.name for one in out.iterdir()
    }
    assert pd.read_csv(out / "slices.csv")["name"][0] == "shop is east"


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: m.errors(table(0).drop(columns="label")), DataError, "lacks 'label'"),
        (lambda m: m.errors(table(0), most=0), ConfigError, "Give 1 or more"),
        (lambda m: m.errors(table(0)).frame("slice"), ConfigError, "Did you mean 'slices'"),
    ],
)
def test_what_cannot_be_told_is_said(
    model: ts.Predictor, call: Callable[[Any], Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        call(model)


def test_few_rows_have_no_slices(model: ts.Predictor) -> None:
    found = model.errors(table(6, 40))
    assert found.slices == ()
    assert any("100 labelled rows" in note for note in found.notes)
