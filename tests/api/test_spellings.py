"""What names a source, and which label is meant, however it is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith as ts
from tunesmith.core.errors import DataError

QUICK = {"trials": 2, "learners": ["majority", "linear"], "offline": True}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ts.Predictor:
    """A model with one text column."""
    texts = [f"{('lovely soft', 'awful cheap')[i % 2]} number {i}" for i in range(60)]
    rows = {"text": texts, "label": ["good", "bad"] * 30}
    return ts.fit(rows, "label", folder=tmp_path_factory.mktemp("read") / "run", **QUICK)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://shop.example is where I bought it",
        "soft? lovely*",
        "a\0b",
        "a." * 5000,
    ],
)
def test_words_beside_a_name_make_it_a_text(reader: ts.Predictor, text: str) -> None:
    assert len(reader.predict(text)) == 1


def test_a_pattern_that_matches_is_a_source(reader: ts.Predictor, tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text("text\nlovely\nawful\nsoft\n")
    assert len(reader.predict(f"{tmp_path}/*")) == 3


@pytest.mark.parametrize("written", ["1e3 0.50", "1000.0 0.5", "1000 .50"])
def test_a_file_is_scored_by_the_labels_it_taught(written: str, tmp_path: Path) -> None:
    cells = [f"{('u', 'v')[i % 2]},{written.split()[i % 2]}" for i in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["x,y", *cells]))
    model = ts.fit(
        tmp_path / "data.csv", "y", task="classification", folder=tmp_path / "run", **QUICK
    )
    assert model.model.classes == ("0.5", "1000")
    assert model.evaluate(tmp_path / "data.csv")["accuracy"].value == 1


def test_a_column_that_is_lacking_is_told_beside_all_that_are_there(reader: ts.Predictor) -> None:
    for rows in ({"Text": "lovely", "more": 1}, {"Text": ["lovely"], "more": [1]}):
        with pytest.raises(DataError, match=r"lacks 'text'.*It has: 'Text', 'more'"):
            reader.predict(rows)


def test_classes_are_in_the_same_order_in_every_process() -> None:
    code = (
        "import numpy as np; from tunesmith.tasks import tasks; "
        "print(tasks['classification'].classes(np.array(['2', '1', '02', '01'], dtype=object)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert said == {"('01', '1', '02', '2')\n"}
