"""An architecture drawn: what stands where, in both themes, and as a section of a report."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tunesmith.core.architecture import Architecture, Block, Layer, Measured, Read
from tunesmith.report.architecture import WIDTH, Box, Line, Words, chart, laid_out, says, svg
from tunesmith.report.drawing import svg as for_a_page
from tunesmith.report.facts import Facts
from tunesmith.report.sections.architecture import architecture as section

FOUND = Architecture(
    "cell",
    "all-MiniLM-L6-v2",
    (
        Block(1, heads=0.5),
        Block(2),
        Block(3, trains=True, adapter="lora", rank=8),
        Block(4, kept=False),
    ),
    (Read(0, "mean", 1.0), Read(3, "attention", 3.0)),
    (Layer("linear", 128, "gelu", "layer", True, 0.1),),
    77,
    12,
    Measured(22_000_000, 4.25, 90.0, 0.913, "accuracy"),
    (Layer("conv", 64, "gelu", "layer", True),),
)


def texts(architecture: Architecture) -> list[str]:
    return [one.text for one in laid_out(architecture).shapes if isinstance(one, Words)]


def test_everything_is_drawn_from_the_answer_down() -> None:
    shapes = laid_out(FOUND).shapes
    words = [one for one in shapes if isinstance(one, Words)]
    y = {one.text: one.y for one in words}
    rows = ["77 outputs", "linear 128", "with 12 numbers beside", "2 vectors in a weighted mean"]
    rows += ["conv 64", "removed", "trains", "all-MiniLM-L6-v2"]
    assert [y[text] for text in rows] == sorted(y[text] for text in rows)
    assert {"lora 8", "heads 50%", "attention 0.75", "mean 0.25"} <= set(y)
    assert [one.is_dashed for one in shapes if isinstance(one, Box)].count(True) == 1


def test_layers_that_are_mixed_come_together_in_a_neck_and_are_pooled_above_it() -> None:
    alike = replace(FOUND, reads=(Read(1, "max", 1.0), Read(3, "max", 3.0)))
    y = {one.text: one.y for one in laid_out(alike).shapes if isinstance(one, Words)}
    assert y["linear 128"] < y["max"] < y["conv 64"] < y["trains"]
    assert "2 vectors in a weighted mean" not in y
    ends = {one.points[-1][1] for one in laid_out(alike).shapes if isinstance(one, Line)}
    assert y["conv 64"] in ends
    assert "2 vectors in a weighted mean" in texts(replace(alike, neck=()))


def test_what_counts_more_is_read_by_a_thicker_line() -> None:
    lines = [one for one in laid_out(FOUND).shapes if isinstance(one, Line)]
    widths = sorted(one.width for one in lines if len(one.points) == 4)
    assert widths == pytest.approx([1.5 + 5 * 0.25, 1.5 + 5 * 0.75])


def test_nothing_leaves_the_ground() -> None:
    layout = laid_out(FOUND)
    for one in layout.shapes:
        if isinstance(one, Box):
            assert one.x >= 0
            assert one.x + one.width <= WIDTH
            assert one.y + one.height <= layout.height


def test_a_cell_with_everything_is_told_whole_and_can_be_read_on_a_phone() -> None:
    full = Layer("conv", 1024, "identity", "batch", True, 0.125)
    changed = Block(1, heads=0.25, hidden=0.25, activation="identity", norm="batch")
    hard = replace(FOUND, cell=(full,), blocks=(changed,), reads=(Read(1, "generalised"),))
    shapes = laid_out(hard).shapes
    words = [one for one in shapes if isinstance(one, Words)]
    told = " ".join(one.text for one in words)
    for part in ("identity, batch norm, residual,", "dropout 0.12", "width 25%,", "batch norm"):
        assert part in told
    assert not [one for one in words if "…" in one.text]
    assert min(one.size for one in words) * 350 / WIDTH >= 10
    boxes = sorted((one for one in shapes if isinstance(one, Box)), key=lambda box: box.y)
    for over, under in itertools.pairwise(boxes):
        assert over.y + over.height < under.y
    assert all(any(box.y < one.y < box.y + box.height for box in boxes) for one in words)


def test_many_blocks_that_are_alike_are_drawn_as_one_but_for_what_is_read() -> None:
    blocks = tuple(Block(number) for number in range(1, 25))
    deep = replace(FOUND, blocks=blocks, reads=(Read(24, "mean"), Read(20, "max")))
    drawn = texts(deep)
    assert {"21–24", "1–20"} <= set(drawn)
    assert drawn.count("frozen") == 2


def test_the_file_is_svg_for_both_themes_and_fetches_nothing() -> None:
    wild = replace(FOUND, backbone='</text><script>alert("x")</script>')
    written = svg(wild)
    root = ElementTree.fromstring(written)
    assert root.tag.endswith("svg")
    assert not [one for one in root.iter() if one.tag.endswith("script")]
    assert "prefers-color-scheme:dark" in written
    assert "http" not in written.replace("http://www.w3.org/2000/svg", "")
    assert root[0].text == says(wild)[:400]


def test_a_section_shows_the_picture_its_table_and_the_course_of_the_weights() -> None:
    pytest.importorskip("matplotlib")
    course: tuple[dict[str, Any], ...] = tuple(
        {"progress": p, "weights": {"cell 1": {"linear": 0.5 + p / 4, "skip": 0.5 - p / 4}}}
        for p in (0.1, 0.5, 1.0)
    )
    facts = Facts(Path(), {}, {}, architecture=FOUND, architecture_course=course)
    found = section(facts)
    assert found is not None
    picture, words, weights = found.blocks
    assert "accuracy 0.913" in words.text  # type: ignore[union-attr]
    for one in (picture, weights):
        assert "var(--" in for_a_page(one)  # type: ignore[arg-type]
    assert weights.says.endswith("linear counted most at the end, with 0.75.")  # type: ignore[union-attr]
    assert weights.table.rows[1] == (0.5, 0.625, 0.375)  # type: ignore[union-attr]
    assert ("block 4", "removed") in chart(FOUND).table.rows
    assert ("neck", "conv 64, gelu, layer norm, residual") in chart(FOUND).table.rows


def test_choices_of_two_share_a_chart_and_options_that_fall_away_end() -> None:
    pytest.importorskip("matplotlib")
    weights: tuple[dict[str, dict[str, float]], ...] = (
        {"norm": {"none": 0.3, "layer": 0.3, "batch": 0.4}, "read 1": {"in": 0.5, "out": 0.5}},
        {"norm": {"none": 0.6, "layer": 0.4}, "read 1": {"in": 0.9, "out": 0.1}},
        {"norm": {"none": 1.0}, "read 1": {"in": 1.0}},
    )
    weights = tuple({**one, "joined": {"mixed": 0.2, "side": 0.8}} for one in weights)
    course = tuple({"progress": n / 3, "weights": one} for n, one in enumerate(weights, 1))
    facts = Facts(Path(), {}, {}, architecture=FOUND, architecture_course=course)
    found = section(facts)
    assert found is not None
    pairs, norm = found.blocks[2:]
    heads = [head.name for head in pairs.table.heads]  # type: ignore[union-attr]
    assert heads == ["share of the search", "read 1: in", "joined: side"]
    assert [row[1] for row in pairs.table.rows] == [0.5, 0.9, 1.0]  # type: ignore[union-attr]
    assert norm.table.said(norm.table.rows[2])[1:] == ["1.000", "–", "–"]  # type: ignore[union-attr]
    assert "var(--" in for_a_page(norm)  # type: ignore[arg-type]


def test_where_there_is_no_network_there_is_no_section() -> None:
    assert section(Facts(Path(), {}, {})) is None
