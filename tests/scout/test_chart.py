import re
import xml.etree.ElementTree as ElementTree

import pytest

from tunesmith.core.errors import ConfigError
from tunesmith.scouting.chart import HEIGHT, WIDTH, Point, plot, seconds_said

POINTS = [
    Point('<script>"evil" & co</script>', 0.87, 0.85, 0.89, 640, False),
    Point("small", 0.85, 0.83, 0.87, 95, True),
    Point("x" * 200, 0.85, 0.83, 0.87, 95, True),
]


def _circles(file):
    found = ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}circle")
    return [c for c in found if c.attrib["r"] == "5.5"]


def test_every_point_is_drawn_within_the_picture_and_dearer_is_further_right(tmp_path):
    circles = _circles(plot(POINTS, tmp_path / "a.svg"))
    assert len(circles) == 3
    assert all(0 < float(c.attrib["cx"]) < WIDTH for c in circles)
    assert all(0 < float(c.attrib["cy"]) < HEIGHT for c in circles)
    dear, cheap = circles[:2]
    assert float(dear.attrib["cx"]) > float(cheap.attrib["cx"])
    assert float(dear.attrib["cy"]) < float(cheap.attrib["cy"])
    assert [c.attrib["class"] for c in circles] == ["not", "fits", "fits"]


@pytest.mark.parametrize("name", ["a.svg", "a.html"])
def test_names_are_escaped_and_nothing_is_fetched(tmp_path, name):
    text = plot(POINTS, tmp_path / name, title="<b>", metric="a < b").read_text()
    assert "<script" not in text
    assert "<b>" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"\b(href|src|@import)\b", text)


@pytest.mark.parametrize(
    "points",
    [
        [],
        POINTS[:1],
        [Point("a", 0.5, 0.5, 0.5, 1e-4, True)],
        [Point("a", 1, 1, 1, 1e7, True)] * 30,
    ],
)
def test_any_number_of_points_gives_a_picture(tmp_path, points):
    assert len(_circles(plot(points, tmp_path / "a.svg"))) == len(points)


def test_points_without_score_or_cost_are_left_out(tmp_path):
    nowhere = [Point("a", float("nan"), 0, 1, 5, True), Point("b", 0.5, 0.4, 0.6, 0.0, True)]
    assert len(_circles(plot([*nowhere, POINTS[1]], tmp_path / "a.svg"))) == 1


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"a\.png"):
        plot(POINTS, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.3, "0.3 s"), (45, "45 s"), (720, "12 min"), (9000, "2.5 h")]
)
def test_times_as_one_reads_them(seconds, said):
    assert seconds_said(seconds) == said
