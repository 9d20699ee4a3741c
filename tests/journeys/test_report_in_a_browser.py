"""A report as a reader has it: light and dark, on a phone and on a desk, without a network, read
aloud. Needs playwright and a chromium, and for the last axe-core: `npm pack axe-core`, unpacked,
TUNESMITH_AXE=package/axe.min.js."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tunesmith as ts
from tunesmith.core.architecture import Architecture, Block, Layer, Read
from tunesmith.core.explaining import Piece
from tunesmith.core.explanations import Faithfulness, RowExplanation
from tunesmith.report.architecture import chart
from tunesmith.report.explanation import Explanation
from tunesmith.report.page import page as page_of
from tunesmith.report.section import Marked, Section

pytestmark = pytest.mark.slow

WIDTHS = {390: 844, 1440: 900}
SCRIPT = "</script><script>window.hacked = 1</script>"
LONG = "averylongnamewithoutanyspace" * 20
ROOM = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def _chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium on this machine")


def _axe() -> str:
    places = [os.environ.get("TUNESMITH_AXE", ""), "node_modules/axe-core/axe.min.js"]
    for place in map(Path, filter(None, places)):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    pytest.skip("no axe-core: npm pack axe-core, unpack it, TUNESMITH_AXE=package/axe.min.js")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a table whose names are hostile and long, with sensitive columns and labelled rows."""
    dice, rows = np.random.default_rng(0), 600
    number = dice.normal(size=rows)
    data = pd.DataFrame(
        {
            "number": number,
            LONG: dice.normal(size=rows),
            SCRIPT: dice.choice(["<b>bold</b>", LONG, "=1+1"], rows),
            "group": dice.choice(["north", "south"], rows),
            "label": np.where(number + dice.normal(0, 0.7, rows) > 0, SCRIPT, LONG),
        }
    )
    folder = tmp_path_factory.mktemp("browser") / "run"
    learners = ["majority", "linear", "scorecard", "lightgbm"]
    model = ts.fit(
        data, "label", trials=16, folder=folder, learners=learners, sensitive=["group"], folds=0
    )
    return model.report(data=data.tail(100))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_is_read_whole_and_asks_for_nothing(
    browser: Any, report: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    size = {"width": width, "height": WIDTHS[width]}
    page = browser.new_page(viewport=size, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    assert (said, asked) == ([], [report.as_uri()])
    assert page.evaluate("window.hacked") is None
    sections = page.locator("main > section").all()
    assert len(sections) >= 14
    assert all(one.is_visible() and one.locator("h2").is_visible() for one in sections)
    across, room = page.evaluate(ROOM)
    assert across <= room
    for one in page.locator("summary").all():
        one.click()
    across, room = page.evaluate(ROOM)
    assert across <= room
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(255, 255, 255)") == (scheme == "light")
    page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
    page.close()


def test_the_theme_is_changed_by_the_keyboard_and_kept(browser: Any, report: Path) -> None:
    page = browser.new_page(color_scheme="light")
    page.goto(report.as_uri())
    button = page.get_by_role("button", name="Dark theme")
    button.focus()
    page.keyboard.press("Enter")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    assert dark != "rgb(255, 255, 255)"
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    assert page.evaluate(ink) == page.evaluate("getComputedStyle(document.body).color")
    page.reload()
    assert page.evaluate(ground) == dark
    assert page.get_by_role("button", name="Light theme").is_visible()
    page.close()


def test_paper_is_white_and_shows_the_numbers_behind_drawings(browser: Any, report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    page.set_viewport_size({"width": 700, "height": 1000})  # A4 with its margins
    across, room = page.evaluate(ROOM)
    assert across <= room
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shown", ["report", "why", "marked"])
def test_nothing_bars_who_uses_a_keyboard_or_a_reader(
    browser: Any, request: pytest.FixtureRequest, shown: str, width: int, scheme: str
) -> None:
    axe, place = _axe(), request.getfixturevalue(shown)
    size = {"width": width, "height": WIDTHS[width]}
    # The page's own policy refuses the checker's script as it would any other.
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(place.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")["violations"]
    told = [(one["impact"], one["id"], one["nodes"][0]["html"][:200]) for one in found]
    assert [one for one in told if one[0] in ("serious", "critical")] == []
    context.close()


def test_the_policy_of_the_page_refuses_every_other_script(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.evaluate(
        "{ const one = document.createElement('script'); one.textContent = 'window.hacked = 1';"
        " document.body.append(one); }"
    )
    assert page.evaluate("window.hacked") is None
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_drawing_of_an_architecture_fits_a_phone(
    browser: Any, tmp_path: Path, scheme: str
) -> None:
    """Of every part that a network can have; nothing is drawn beyond its edge, nor too small."""
    pytest.importorskip("matplotlib")
    layer = Layer("attention", 60_000, "identity", "batch", True, 0.125)
    blocks = (
        *(Block(n, trains=n > 8, adapter="bottleneck", rank=64) for n in range(1, 11)),
        Block(11, heads=0.25, hidden=0.25, activation="identity", norm="batch"),
        Block(12, kept=False),
    )
    reads = (Read(0, "generalised", 1.0), Read(6, "attention", 3.0), Read(11, "quarters", 2.0))
    hard = Architecture("cell", LONG, blocks, reads, (layer, layer), 12_345, 12_000)
    section = Section("architecture", "Architecture", "", (chart(hard),))
    place = tmp_path / "page.html"
    place.write_text(page_of((section,), title="t", subtitle="s", folder="f"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(place.as_uri())
    wide, room = page.evaluate(ROOM)
    assert wide <= room
    words = page.evaluate(
        """() => {
        const svg = document.querySelector("#architecture svg").getBoundingClientRect()
        return [...document.querySelectorAll("#architecture svg text")].map(one => {
            const at = one.getBoundingClientRect()
            return [one.textContent, at.left >= svg.left && at.right <= svg.right, at.height]
        })}"""
    )
    assert len(words) > 20
    assert [text for text, is_inside, _ in words if not is_inside] == []
    assert min(height for *_, height in words) >= 10


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with words that count as much as any can, both ways."""
    block = Marked("A row", "What counts.", (("up", 1.0), (" and ", 0.0), ("down", -1.0)))
    place = tmp_path_factory.mktemp("marked") / "page.html"
    section = Section("reasons", "Reasons", "Why.", (block,))
    place.write_text(page_of((section,), title="t", subtitle="s", folder="f"), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def why(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an explanation, of hostile and long words."""
    words = ["fine", SCRIPT, "\u202eturned", LONG]
    text = " ".join(words)
    starts = [text.index(word) for word in words]
    pieces = (
        *(
            Piece(SCRIPT, "text", word, (at, at + len(word)))
            for word, at in zip(words, starts, strict=True)
        ),
        Piece(LONG, "number", "-0.123456789"),
    )
    proof = Faithfulness(0.1, 0.05, 0.15, 1)
    row = RowExplanation(
        row=0,
        answer=SCRIPT,
        output=SCRIPT,
        value=0.9,
        base=None,
        method="integrated-gradients",
        is_additive=False,
        pieces=pieces,
        credits=np.array([0.3, -0.3, 0.1, 0.05, -0.12345]),
        cells={SCRIPT: text, LONG: -0.123456789},
        gain=0.1,
        faithfulness=proof,
        tried={},
        seconds=0.1,
        evaluations=9,
        change=0.1,
    )
    return Explanation((row,), proof).save(tmp_path_factory.mktemp("why") / "why.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_explanation_fits_a_phone_and_breaks_no_number(
    browser: Any, why: Path, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(why.as_uri())
    page.locator("summary").click()
    wide, room = page.evaluate(ROOM)
    assert wide <= room
    assert said == []
    assert page.evaluate("window.hacked") is None
    heights = page.evaluate(
        """() => [...document.querySelectorAll("td.number")].map(one => {
            const range = document.createRange(); range.selectNodeContents(one)
            return range.getClientRects().length })"""
    )
    assert heights == [1] * 6
    assert "is missed" in page.locator("article").inner_text()
