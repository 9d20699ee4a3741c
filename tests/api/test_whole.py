"""What a fitted model as a whole tells of its columns, and rows beside a row."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.cli.main import main
from tunesmith.data.read import read
from tunesmith.predictor import whole
from tunesmith.predictor.whole import FIRST_TIMED, TIMED_ROWS, answer_seconds

ROWS = 500


def drawn(seed: int) -> pd.DataFrame:
    """`sold` hangs on price and shop; colour and when are noise."""
    dice = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "shop": dice.choice(["north", "south", "east"], ROWS),
            "price": dice.normal(size=ROWS).round(3),
            "colour": dice.choice(["red", "blue"], ROWS),
            "when": pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d"),
        }
    )
    sold = found.price + (found["shop"] == "north") + dice.normal(0, 0.2, ROWS) > 0.5
    return found.assign(sold=np.where(sold, "yes", "no"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return drawn(0)


@pytest.fixture(scope="module")
def model(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    folder = tmp_path_factory.mktemp("whole") / "run"
    chosen = ["lightgbm", "linear"]
    return ts.fit(table, "sold", trials=2, learners=chosen, folder=folder, folds=0)


def test_the_columns_that_decide_stand_first_in_every_view(model: ts.Predictor) -> None:
    found = model.explain_global(drawn(1), explainer="occlusion", metric="accuracy")
    assert found.importance["column"].tolist()[:2] == ["price", "shop"]
    assert (found.importance["low"][:2] > 0).all()
    noise = found.importance.set_index("column").loc["colour"]
    assert noise["low"] <= 0 <= noise["high"] + 1e-12
    assert found.credits is not None
    assert found.credits["column"].tolist()[:2] == ["price", "shop"]
    rising = found.effects["price"]
    assert rising["mean"].iloc[-1] > rising["mean"].iloc[0] + 0.3
    assert rising["local"].iloc[-1] > rising["local"].iloc[0] + 0.3
    assert found.effects["shop"].set_index("shown")["mean"].idxmax() == "north"
    assert "price" in str(found)
    told = json.loads(found.to_json())
    assert told["metric"] == "accuracy"
    assert told["importance"][0]["column"] == "price"


def test_it_is_drawn_and_written_with_a_table_behind_every_picture(
    model: ts.Predictor, tmp_path: Path
) -> None:
    asked = ["price", "shop", "when"]
    found = model.explain_global(drawn(1).head(120), explainer="occlusion", columns=asked)
    assert list(found.charts) == ["importance", "credits", *asked]
    for name, chart in found.charts.items():
        frame = {"importance": found.importance, "credits": found.credits}.get(name)
        assert len(chart.table.rows) == len(found.effects[name] if frame is None else frame)
    assert found.charts["importance"].says.startswith("price counts most")
    assert "goes from 0.0000 at" in found.charts["price"].says
    assert "Effect of price" in found._repr_html_()
    told = pd.read_csv(found.save(tmp_path / "whole.csv"))
    assert told["column"].tolist() == found.importance["column"].tolist()
    assert json.loads(found.save(tmp_path / "whole.json").read_text())["effects"]["price"]
    pytest.importorskip("matplotlib")
    page = found.save(tmp_path / "whole.html").read_text()
    assert page.count("<svg") == len(found.charts)
    assert "http:" not in page
    assert "https:" not in page
    found.plot("price", "shop").save(tmp_path / "price.png")
    assert (tmp_path / "price.png").stat().st_size > 10_000
    assert len(found.plot("price").figure.axes[0].lines) > 20  # single rows, the mean, local
    with pytest.raises(ts.ConfigError, match="Did you mean 'price'"):
        found.plot("prise")
    with pytest.raises(ts.ConfigError, match="must end in"):
        found.save(tmp_path / "whole.exe")


def test_names_and_levels_do_no_harm_where_it_is_drawn(tmp_path: Path) -> None:
    harm = "<script>alert(1)</script>"
    dice = np.random.default_rng(0)
    data = pd.DataFrame({harm: dice.normal(size=150), "=A1": dice.choice([harm, "=B2"], 150)})
    data["label"] = np.where(data[harm] > 0, harm, "=C3")
    learners = ["linear"]
    model = ts.fit(data, "label", trials=1, learners=learners, folds=0, folder=tmp_path / "run")
    found = model.explain_global(data, columns=[harm, "=A1"])
    assert "<script>alert" not in found.save(tmp_path / "whole.html").read_text()
    assert "<script>alert" not in found._repr_html_()
    assert "'=A1" in found.save(tmp_path / "whole.csv").read_text()


def test_a_budget_chooses_how_many_rows_are_looked_at(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    many = pd.concat([table] * 10)
    found = model.explain_global(many, budget="20s")
    assert 100 < found.facts["rows"] <= 1_000
    assert set(found.effects) == {"price", "shop", "colour", "when"}
    few = model.explain_global(many, most_rows=30, budget="20s")
    assert few.facts["rows"] == 30


def test_the_pace_of_answers_is_that_of_a_second_time(table: pd.DataFrame) -> None:
    asked: list[int] = []
    rows = read(table)

    def pace(*times: float) -> float:
        clock = iter(times)
        return answer_seconds(lambda some: asked.append(len(some)), rows, lambda: next(clock))

    assert pace(0.0, 0.04, 1.0, 1.2) == pytest.approx(0.2 / TIMED_ROWS)
    assert asked == [FIRST_TIMED, FIRST_TIMED, TIMED_ROWS]
    assert pace(0.0, 8.0) == 2.0  # a slow model is not asked forty times for that
    assert len(asked) == 5


def test_without_a_budget_it_ends_by_itself_and_says_what_it_left_out(
    model: ts.Predictor, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quick = model.explain_global(table, columns=["price"], most_rows=100)
    assert quick.facts["left_out"] == []
    assert "no time" not in str(quick)
    answer = type(model.model).predict

    def slow(self: Any, rows: Any) -> Any:
        time.sleep(0.002 * len(rows))
        return answer(self, rows)

    monkeypatch.setattr(type(model.model), "predict", slow)
    monkeypatch.setattr(whole, "USUAL_SECONDS", 4.0)
    began = time.monotonic()
    found = model.explain_global(pd.concat([table] * 4), explainer="permutation-shap")
    assert time.monotonic() - began < 12
    assert found.facts["rows"] < 100
    left = found.facts["left_out"]
    assert left[0] == f"{1_000 - found.facts['rows']:,} of 1,000 rows"
    assert any("credits" in one for one in left)
    assert "There was no time for " in str(found)
    assert left[0] in found.html()
    assert json.loads(found.to_json())["left_out"] == left


def test_rows_without_labels_do(model: ts.Predictor, table: pd.DataFrame) -> None:
    found = model.explain_global(table.drop(columns="sold"), columns=["shop"])
    assert found.facts["metric"] is None
    assert found.importance["column"][0] == "price"
    assert list(found.effects) == ["shop"]


def test_a_counterfactual_is_answered_otherwise(model: ts.Predictor, table: pd.DataFrame) -> None:
    lost = table[(table.price < -0.5) & (table["shop"] == "south")].iloc[0].drop("sold").to_dict()
    assert model.predict(lost)[0] == "no"
    found = model.counterfactuals(lost, table, wanted="yes", frozen=["shop"])
    assert set(found["prediction"]) == {"yes"}
    assert "shop" not in set(found["column"])
    first = found[found["way"] == 1].set_index("column")["to"]
    changed = {**lost, **{name: first[name] for name in first.index}}
    assert model.predict(changed)[0] == "yes"
    with pytest.raises(ts.ConfigError, match="answered 'no' already"):
        model.counterfactuals(lost, table, wanted="no")
    with pytest.raises(ts.ConfigError, match="no label 'maybe'"):
        model.counterfactuals(lost, table, wanted="maybe")
    with pytest.raises(ts.DataError, match="one row at a time"):
        model.counterfactuals(table, table)


def test_the_nearest_training_rows_of_a_training_row_begin_with_itself(
    model: ts.Predictor, table: pd.DataFrame
) -> None:
    found = model.prototypes(table.iloc[[3, 40]], k=3, source=table)
    assert found["row"].tolist() == [0, 0, 0, 1, 1, 1]
    near = found[found["rank"] == 1]
    assert (near["distance"] < 0.05).all()
    assert set(found["label"]) <= {"yes", "no"}
    with pytest.raises(ts.ConfigError, match="object in memory"):
        model.prototypes(table.iloc[[3]])


def test_a_model_of_numbers_tells_ranges(table: pd.DataFrame, tmp_path: Path) -> None:
    dice = np.random.default_rng(1)
    paid = table.assign(
        paid=10 * table.price + 5 * (table["shop"] == "east") + dice.normal(size=ROWS)
    )
    model = ts.fit(
        paid.drop(columns="sold"),
        "paid",
        trials=1,
        learners=["lightgbm"],
        folds=0,
        folder=tmp_path / "run",
    )
    found = model.explain_global(paid, explainer="tree", most_rows=200)
    assert found.importance["column"][0] == "price"
    assert found.credits is not None
    assert found.credits["column"][0] == "price"
    row = paid.sort_values("price").iloc[20].drop(["paid", "sold"]).to_dict()
    ways = model.counterfactuals(row, paid, wanted=(5, None))
    assert (ways["prediction"] >= 5).all()
    assert len(ways)
    with pytest.raises(ts.ConfigError, match="in which range"):
        model.counterfactuals(row, paid)
    with pytest.raises(ts.ConfigError, match="no label to look at"):
        model.explain_global(paid, label="yes")


def test_the_command_tells_it_as_tables_and_as_json(
    model: ts.Predictor,
    table: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "rows.csv"
    table.head(150).to_csv(file, index=False)
    asked = ["importance", str(model.folder), str(file), "--columns", "price"]
    with pytest.raises(SystemExit) as end:
        main(asked)
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert "when a column is shuffled" in told
    assert "Effect of 'price' on the probability of 'yes'" in told
    with pytest.raises(SystemExit) as end:
        main([*asked, "--json"])
    assert json.loads(capsys.readouterr().out)["effects"]["price"]
    with pytest.raises(SystemExit) as end:
        main([*asked, "--out", str(tmp_path / "whole.html")])
    assert (tmp_path / "whole.html").is_file()
    assert "whole.html" in capsys.readouterr().err.replace("\n", "")
    with pytest.raises(SystemExit) as end:
        main(["importance", str(model.folder), str(file), "--columns", "prise"])
    assert end.value.code == 2
    assert "'price'" in capsys.readouterr().err


def test_of_several_labels_each_is_looked_at_and_what_would_change_is_refused(
    tmp_path: Path,
) -> None:
    dice = np.random.default_rng(2)
    size, weight = dice.normal(size=300), dice.normal(size=300)
    told = [
        ["big"] * bool(s > 0) + ["heavy"] * bool(w > 0) for s, w in zip(size, weight, strict=True)
    ]
    table = pd.DataFrame({"size": size, "weight": weight, "about": told})
    model = ts.fit(
        table, "about", trials=1, learners=["lightgbm"], folds=0, folder=tmp_path / "run"
    )
    found = model.explain_global(table, label="heavy", explainer="tree")
    assert (found.importance["low"] > 0).all()
    assert found.credits is not None
    assert found.credits["column"][0] == "weight"
    rising = found.effects["weight"]["mean"]
    assert rising.iloc[-1] > rising.iloc[0] + 0.5
    flat = found.effects["size"]["mean"]
    assert np.ptp(flat) < 0.1
    with pytest.raises(ts.ConfigError, match="several labels"):
        model.counterfactuals(table.iloc[0].drop("about").to_dict(), table)


def test_a_text_is_measured_in_the_scale_of_a_number(tmp_path: Path) -> None:
    dice = np.random.default_rng(3)
    good, size = dice.random(300) < 0.5, dice.normal(size=300)
    words = np.where(good, "lovely soft cloth", "awful thin rag")
    said = [f"{word} number {row}" for row, word in enumerate(words)]
    table = pd.DataFrame({"said": said, "size": size, "kept": np.where(good, "yes", "no")})
    model = ts.fit(
        table,
        "kept",
        trials=1,
        learners=["lightgbm"],
        kinds={"said": "text"},
        folds=0,
        folder=tmp_path / "run",
    )
    found = model.explain_global(table, metric="accuracy").importance.set_index("column")
    assert found.loc["said", "importance"] == pytest.approx(0.5, abs=0.1)
    assert abs(found.loc["size", "importance"]) < 0.02


def test_pictures_are_shuffled_too_and_the_nearest_are_found_by_features(
    picture_run: Path, photos: Path
) -> None:
    model = ts.load(picture_run)
    found = model.explain_global(photos, repeats=2)
    assert found.importance["column"].tolist() == ["image"]
    assert found.importance["low"][0] > 0
    assert found.effects == {}
    near = model.prototypes(photos / "above" / "00.png", k=3)
    assert near.attrs["space"] == "features"
    assert near["distance"].is_monotonic_increasing
