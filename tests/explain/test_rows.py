"""Rows of real models explained: a planted reason is named, sums hold, text does no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.errors import BudgetError, ConfigError, DataError
from tunesmith.core.explanations import Sanity
from tunesmith.explain import explainers
from tunesmith.explain.choosing import explained
from tunesmith.explain.game import RowGame
from tunesmith.predictor import Predictor
from tunesmith.predictor.explaining import _checked
from tunesmith.predictor.rows import rows_of

WORDS = ["the", "of", "a", "in", "fine", "dress", "shirt", "blue", "small", "very"]
HARM = "<script>alert(1)</script>"
ADDITIVE = [name for name in explainers if explainers[name].is_additive]
ROOM = 1e-3


def texts_of(rows: int, seed: int) -> pd.DataFrame:
    """Texts of plain words; every one of the class `yes` says "zebra" somewhere."""
    dice = np.random.default_rng(seed)
    label = np.where(dice.random(rows) < 0.5, "yes", "no")
    texts = []
    for told in label:
        words = list(dice.choice(WORDS, 12))
        if told == "yes":
            words[dice.integers(12)] = "zebra"
        texts.append(" ".join(words))
    return pd.DataFrame({"text": texts, "label": label})


def table_of(rows: int, seed: int) -> pd.DataFrame:
    """A table whose column `leak` tells the label."""
    dice = np.random.default_rng(seed)
    label = dice.random(rows) < 0.5
    return pd.DataFrame(
        {
            "noise": dice.normal(size=rows),
            "shop": dice.choice(["a", "b", "c"], rows),
            "leak": label * 2.0 + dice.normal(0, 0.2, rows),
            "label": np.where(label, "yes", HARM),
        }
    )


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    place = tmp_path_factory.mktemp("words") / "run"
    return ts.fit(texts_of(400, 0), "label", trials=1, learners=["linear"], folder=place)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    place = tmp_path_factory.mktemp("table") / "run"
    return ts.fit(table_of(400, 0), "label", trials=1, learners=["lightgbm"], folds=0, folder=place)


def test_a_planted_word_is_the_first_reason(words: Predictor):
    rows = texts_of(60, 1)
    found = words.explain(rows[rows.label == "yes"], seconds=20)
    assert all(row.answer == "yes" for row in found.rows)
    first = [row.top(1)[0][0].text for row in found.rows]
    assert np.mean([word == "zebra" for word in first]) >= 0.95
    assert found.faithfulness.is_better
    first_word = found.words().iloc[0]
    assert (first_word["word"], first_word["output"]) == ("zebra", "yes")
    assert first_word["rows"] == len(found)


def test_a_leaking_column_is_the_first_reason(table: Predictor):
    found = table.explain(table_of(40, 1), seconds=20)
    first = [next(iter(row.by_column())) for row in found.rows]
    assert np.mean([name == "leak" for name in first]) >= 0.95
    assert found.columns().abs().mean().idxmax() == "leak"


@pytest.mark.parametrize("method", ADDITIVE)
def test_additive_credits_sum_to_what_is_answered(words: Predictor, table: Predictor, method: str):
    for model, rows in ((words, texts_of(3, 2)), (table, table_of(3, 2))):
        try:
            found = model.explain(rows, method, seconds=20)
        except ConfigError:
            continue  # not for this kind of model, which it says
        told = model.predict_proba(rows)
        for place, row in enumerate(found.rows):
            assert row.base is not None
            assert abs(row.value - told[row.output][place]) < ROOM
            assert abs(row.base + row.credits.sum() - row.value) < ROOM


def test_another_class_can_be_explained(words: Predictor):
    rows = texts_of(2, 3)
    yes, no = (words.explain(rows, "permutation-shap", output=one) for one in ("yes", "no"))
    assert np.allclose(yes[0].credits, -no[0].credits, atol=ROOM)
    with pytest.raises(ConfigError, match="no class 'yess'"):
        words.explain(rows, output="yess")


def test_only_some_rows_are_explained_and_known_by_their_places(words: Predictor):
    found = words.explain(texts_of(9, 4), "occlusion", only=[7, 2])
    assert [row.row for row in found.rows] == [7, 2]
    assert [row.row for row in words.explain(texts_of(9, 4), "occlusion", most_rows=2).rows] == [
        0,
        1,
    ]
    for places in ([7], [0, 7], [-1]):
        with pytest.raises(DataError, match=f"none at place {places[-1]}"):
            words.explain(texts_of(3, 4), only=places)
    with pytest.raises(ConfigError, match="1 or more"):
        words.explain(texts_of(3, 4), most_rows=0)


def test_time_must_be_given_if_any_is(words: Predictor):
    with pytest.raises(BudgetError):
        words.explain(texts_of(1, 4), seconds=0)


def test_numbers_are_explained_in_their_own_units(tmp_path: Path):
    dice = np.random.default_rng(0)
    rows = pd.DataFrame({"a": dice.normal(size=400), "b": dice.normal(size=400)})
    rows["price"] = 100 + 30 * rows.a
    model = ts.fit(rows, "price", trials=1, learners=["linear"], folder=tmp_path / "run")
    found = model.explain({"a": 2.0, "b": 0.0}, "shap")
    assert abs(found[0].value - 160) < 5
    assert abs(found[0].by_column()["a"] - 60) < 12
    assert abs(found[0].by_column()["b"]) < 3
    assert not found[0].output


@pytest.mark.parametrize("pieces", ["grid", "superpixels"])
def test_a_picture_is_explained_where_it_is_light(picture_run: Path, photos: Path, pieces: str):
    if pieces == "superpixels":
        pytest.importorskip("skimage")
    model = ts.load(picture_run)
    picture = sorted((photos / "above").iterdir())[0]
    found = model.explain(picture, "partition-shap", seconds=20, pieces=pieces)
    assert len(found[0].pieces) == 49 or pieces == "superpixels"
    assert {bool(piece.outline) for piece in found[0].pieces} == {pieces == "superpixels"}
    assert abs(found[0].base + found[0].credits.sum() - found[0].value) < ROOM  # type: ignore[operator]
    light = found.rectangles("image")
    assert light.shape == (7, 7)
    assert light[:3].sum() > light[4:].sum()
    assert "<svg" in found.html()
    assert "data:image/jpeg;base64," in found.html()


@pytest.mark.parametrize(("method", "is_cut"), [("lime", True), ("partition-shap", False)])
def test_a_method_has_the_pieces_that_serve_it(
    picture_run: Path, photos: Path, method: str, is_cut: bool
):
    pytest.importorskip("skimage")
    picture = sorted((photos / "above").iterdir())[0]
    found = ts.load(picture_run).explain(picture, method, seconds=1)
    assert {bool(piece.outline) for piece in found[0].pieces} == {is_cut}


def test_pieces_that_there_are_not_are_refused(words: Predictor):
    with pytest.raises(ConfigError, match=r"'superpixel'.*Did you mean 'superpixels'"):
        words.explain(texts_of(1, 4), pieces="superpixel")


def test_credit_of_a_network_is_compared_with_that_of_one_whose_weights_are_redrawn(
    picture_run: Path, photos: Path, words: Predictor
):
    model = ts.load(picture_run)
    found = model.explain(sorted((photos / "above").iterdir())[0], "occlusion", seconds=60)
    assert found.sanity is not None
    assert abs(found.sanity.correlation) <= 1
    assert found.sanity.told() in found.html().replace("A model with", "a model with")


def test_a_linear_model_is_redrawn_too_and_what_cannot_be_says_so(
    words: Predictor, table: Predictor
):
    found = words.explain(texts_of(1, 8), "occlusion", seconds=20)
    assert found.sanity is not None
    assert not found.sanity.is_independent
    of_trees = table.explain(table_of(1, 8), seconds=20)
    assert of_trees.sanity is None
    assert "trees" in of_trees.unchecked
    assert of_trees.unchecked in of_trees.html()
    assert of_trees.to_json()["unchecked"] == of_trees.unchecked
    hurried = words.explain(texts_of(1, 8), "kernel-shap", seconds=1e-6)
    assert "no time" in hurried.checked()


def test_the_check_asks_as_much_as_there_is_time_for(words: Predictor):
    typical = words.model.background
    assert typical is not None
    row = rows_of(words.model, texts_of(1, 8))
    game = RowGame(words.model, row, typical, 1)
    best = explained(game, ("lime",), seed=0, clock=Clock()).best
    slow = replace(best, seconds=10.0, evaluations=200)
    half, hardly = (Clock(limit, now=lambda: 0.0) for limit in (6.0, 0.1))
    assert isinstance(_checked(game, slow, 0, half), Sanity)
    assert "no time" in str(_checked(game, slow, 0, hardly))


def test_it_is_printed_as_text(words: Predictor, table: Predictor):
    told = str(words.explain(texts_of(2, 6), "occlusion", seconds=20))
    assert "Row 1: " in told
    assert "Row 2: " in told
    assert "Over 2 rows: " in told
    assert "redrawn weights" in told
    lines = str(
        table.explain(table_of(1, 5).assign(shop="\x1b[31m" + "y" * 300), "tree")
    ).splitlines()
    assert lines[0].startswith("Row 1: ")
    assert lines[1].split() == ["column", "value", "credit"]
    assert lines[2].startswith("leak ")
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines[1:5])) < 130


def test_what_a_user_wrote_does_no_harm_where_it_is_shown(table: Predictor, tmp_path: Path):
    rows = table_of(6, 5)
    rows["shop"] = "=cmd|' /C calc'!A0"
    rows["noise"] = np.nan
    found = table.explain(rows, seconds=20)
    assert "<script" not in found.html()
    assert "&lt;script&gt;" in found.html()
    told = found.save(tmp_path / "why.csv").read_text()
    assert "\n=" not in told
    assert ",=" not in told
    assert "'=cmd" in told


def test_it_is_written_as_page_json_table_and_picture(words: Predictor, tmp_path: Path):
    found = words.explain(texts_of(2, 6), "occlusion")
    page = found.save(tmp_path / "why.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page
    told = json.loads(found.save(tmp_path / "why.json").read_text())
    assert len(told["rows"]) == 2
    assert len(told["rows"][0]["pieces"]) == 12
    frame = pd.read_csv(found.save(tmp_path / "why.csv"))
    assert set(frame.columns) >= {"row", "column", "piece", "start", "end", "credit"}
    pytest.importorskip("matplotlib")
    assert found.save(tmp_path / "why.png").stat().st_size > 5_000
    steered = words.explain(pd.DataFrame({"text": ["a zebra\x1b[31m \u202e$x$"]}), "occlusion")
    drawn = steered.save(tmp_path / "why.svg").read_text()
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    with pytest.raises(ConfigError, match="must end in"):
        found.save(tmp_path / "why.exe")


def test_typical_cells_are_saved_with_a_model_and_tell_no_text(words: Predictor, table: Predictor):
    typical = table.model.background
    assert typical is not None
    assert set(typical.values("shop")) == {"a", "b", "c"}
    assert abs(np.mean(typical.values("leak")) - 1.0) < 0.3
    assert words.model.background is not None
    assert set(words.model.background.values("text")) == {None}


def test_a_model_that_was_saved_without_them_is_explained_by_its_golden_rows(
    table: Predictor, tmp_path: Path
):
    import shutil

    copy = tmp_path / "best"
    shutil.copytree(table.place, copy)
    (copy / "background.json").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["background.json"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert len(ts.load(copy).explain(table_of(1, 7), "occlusion")) == 1
