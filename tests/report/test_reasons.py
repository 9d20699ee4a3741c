"""Reasons in a report: a planted one is named in the global view, a text is marked as it stands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.predictor import Predictor
from tunesmith.report.section import Chart, Marked, Section, Table, Words
from tunesmith.report.sections.reasons import reasons

HARM = "<script>alert(1)</script>"


def rows_of(seed: int, rows: int = 300) -> pd.DataFrame:
    """Reviews of which those of class `no` say "frankly", beside a column of noise."""
    dice = np.random.default_rng(seed)
    label = np.where(dice.random(rows) < 0.5, "yes", "no")
    texts = []
    for told in label:
        words = [*dice.choice(["a", "dress", "fine", "blue", "small"], 8), HARM]
        words[dice.integers(8)] = "frankly" if told == "no" else "well"
        texts.append(" ".join(words))
    return pd.DataFrame({"text": texts, "size": dice.normal(size=rows), "label": label})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    place = tmp_path_factory.mktemp("reasons")
    rows_of(0).to_csv(place / "rows.csv", index=False)
    return ts.fit(place / "rows.csv", "label", trials=1, learners=["linear"], folder=place / "run")


@pytest.fixture(scope="module")
def section(fitted: Predictor) -> Section:
    (found,) = [one for one in fitted.describe().sections if one.name == "reasons"]
    return found


def test_a_planted_word_is_first_in_the_view_of_all_rows(section: Section):
    (words,) = [b for b in section.blocks if isinstance(b, Table) and "words" in b.title]
    assert {words.rows[0][0], words.rows[1][0]} == {"frankly", "well"}


def test_inputs_are_compared_in_one_scale(section: Section):
    (worth,) = [b for b in section.blocks if isinstance(b, Chart) and b.name == "worth"]
    assert [row[0] for row in worth.table.rows] == ["text", "size"]
    assert worth.says.startswith("text changes answers most")


def test_what_credits_miss_of_the_change_is_said(fitted: Predictor):
    found = fitted.explain(rows_of(1, rows=3), "occlusion", seconds=20)
    short = [replace(one, change=float(one.credits.sum()) + 0.25) for one in found.rows]
    facts = fitted.describe(explain_seconds=0).facts
    section = reasons(replace(facts, explained=replace(found, rows=tuple(short))))
    assert section is not None
    words = section.blocks[0]
    assert isinstance(words, Words)
    assert "they miss 0.25" in words.text
    marked = [one for one in section.blocks if isinstance(one, Marked)]
    assert marked
    assert all("missed" in one.says for one in marked)


def test_a_leaking_column_is_named_first(tmp_path: Path):
    dice, label = np.random.default_rng(0), np.repeat(["bad", "good"], 150)
    noise = {f"noise{n}": dice.normal(size=300) for n in range(4)}
    data = pd.DataFrame({**noise, "leak": (label == "bad") + dice.normal(0, 0.2, 300)})
    model = ts.fit(
        data.assign(label=label), "label", trials=2, learners=["lightgbm"], folder=tmp_path / "run"
    )
    (reasons,) = [
        one for one in model.describe(data.assign(label=label)).sections if one.name == "reasons"
    ]
    (worth,) = [b for b in reasons.blocks if isinstance(b, Chart) and b.name == "worth"]
    assert worth.says.startswith("leak changes answers most")


def test_a_planted_corner_is_named_among_the_rectangles(picture_checkpoint: str, tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    dice = np.random.default_rng(0)
    for number in range(80):
        pixels = dice.integers(0, 120, (42, 42, 3), dtype=np.uint8)
        if number % 2:
            pixels[:6, :6] = 255
        place = tmp_path / "seen" / ("plain", "marked")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels).save(place / f"{number:02d}.png")
    pins = {"probe": {"backbone": picture_checkpoint}}
    model = ts.fit(
        tmp_path / "seen",
        "label",
        trials=1,
        learners=["probe"],
        space=pins,
        folder=tmp_path / "run",
    )
    sections = model.describe(tmp_path / "seen", explain_seconds=60).sections
    (reasons,) = [one for one in sections if one.name == "reasons"]
    (where,) = [b for b in reasons.blocks if isinstance(b, Chart) and b.name == "where-image"]
    assert "the rectangle 1 from the top and 1 from the left of 7 by 7 counts most" in where.says


def test_single_rows_are_of_all_answers(fitted: Predictor):
    data = rows_of(2).sort_values("label")  # as a folder of each class is read
    (reasons,) = [one for one in fitted.describe(data).sections if one.name == "reasons"]
    titles = [block.title for block in reasons.blocks if isinstance(block, Marked)]
    assert len(titles) == 4
    assert sum(": yes" in title for title in titles) == 2


def test_a_text_is_marked_as_it_stands(section: Section, fitted: Predictor):
    marked = [block for block in section.blocks if isinstance(block, Marked)]
    assert marked
    texts = set(rows_of(0)["text"])
    for block in marked:
        assert "".join(text for text, _ in block.pieces) in texts
        assert max(abs(share) for _, share in block.pieces) == pytest.approx(1.0, abs=0.6)
        assert all(abs(share) <= 1 for _, share in block.pieces)


def test_the_page_escapes_what_is_marked_and_json_and_markdown_have_it(fitted: Predictor):
    told = fitted.describe()
    page = told.html()
    assert "Why these answers" in page
    assert HARM not in page
    assert "frankly" in json.dumps(told.json())
    assert HARM not in told.markdown()


def test_labelled_rows_of_ones_own_are_explained_too(fitted: Predictor, tmp_path: Path):
    other = rows_of(1, 200)
    other.loc[:60, "label"] = other.loc[:60, "label"].map({"yes": "no", "no": "yes"})
    other.to_csv(tmp_path / "other.csv", index=False)
    names = [one.name for one in fitted.describe(tmp_path / "other.csv").sections]
    assert {"labelled", "reasons", "slices"} <= set(names)


def test_where_the_data_is_gone_the_rest_is_told(fitted: Predictor, tmp_path: Path):
    import shutil

    copy = tmp_path / "best"
    shutil.copytree(fitted.place, copy)
    told = {one.name: one for one in ts.load(copy).describe().sections}
    (said,) = told["reasons"].blocks
    assert isinstance(said, Words)
    assert said.text.startswith("No rows are at hand to be explained, give labelled ones: ")
    assert "slices" not in told
    assert "card" in told


def test_without_time_for_it_there_are_none(fitted: Predictor):
    names = [one.name for one in fitted.describe(explain_seconds=0).sections]
    assert not {"reasons", "slices"} & set(names)
