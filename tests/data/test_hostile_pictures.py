"""Hostile files: none crashes, hangs, writes outside or takes much memory; each is named."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.errors import DataError, DataWarning
from tunesmith.data.pictures import read_bytes
from tunesmith.data.read import read

pytest.importorskip("PIL.Image")

SCRIPT = Path(__file__).with_name("_hostile.py")
HOSTILE = runpy.run_path(str(SCRIPT))
GIB = 1024**3
LONGEST_SECONDS = 120


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile") / "files"
    HOSTILE["write"](folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        env=environment,
        cwd=folder.parent,
    )
    assert ended.returncode == 0, ended.stderr
    assert os.listdir(folder.parent) == ["files"]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_there_are_more_than_thirty():
    assert len(HOSTILE["REFUSED"]) + len(HOSTILE["READ"]) > 30


@pytest.mark.parametrize("name", [*HOSTILE["REFUSED"], "pipe.png", "folder.png", "itself.png"])
def test_a_hostile_file_is_named_with_a_reason(outcome: dict[str, Any], name: str):
    assert name in outcome["told"][name]


@pytest.mark.parametrize("name", HOSTILE["READ"])
def test_a_strange_picture_is_read(outcome: dict[str, Any], name: str):
    assert outcome["told"][name] == "read"


def test_all_of_them_together_stay_within_a_gibibyte(outcome: dict[str, Any]):
    assert outcome["bytes"] < GIB


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_members_that_climb_out_or_explode_are_named_and_nothing_is_written(
    tmp_path: Path, ending: str
):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    place = inside / f"data.{ending}"
    good = HOSTILE["_saved"](HOSTILE["photograph"](), "PNG")
    HOSTILE["write_zip" if ending == "zip" else "write_tar"](place, good)
    explodes = pytest.warns(DataWarning, match=r"bomb\.png") if ending == "zip" else nullcontext()
    with explodes:
        data = read(place)
    assert data.values("label").tolist() == ["cat", "dog"]
    told = " ".join(cell.got for cell in data.bad)
    assert told.count("leads out of the archive") == (3 if ending == "zip" else 2)
    for name in ("link.png", "bomb.png", "rare.png") if ending == "zip" else ("link", "zero"):
        assert name in told
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [place]


def test_an_archive_that_is_none_says_so(tmp_path: Path):
    for ending in ("zip", "tar", "tar.gz", "tar.xz"):
        place = tmp_path / f"data.{ending}"
        place.write_bytes(b"words, many words" * 99)
        with pytest.raises(DataError, match=r"data\.[a-z.]+ .*archive"):
            read(place)


def test_a_tar_that_explodes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import gzip

    monkeypatch.setattr("tunesmith.data.archives.MOST_UNPACKED_BYTES", 10_000)
    place = tmp_path / "data.tar.gz"
    place.write_bytes(gzip.compress(bytes(4 * 1024**2)))
    with pytest.raises(DataError, match="decompression bomb"):
        read(place)


def test_an_entry_that_denies_its_size_is_cut_off(tmp_path: Path):
    import zipfile

    place = tmp_path / "data.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.png", bytes(1024**2))
    data = bytearray(place.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    place.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png cannot be used"):
        read_bytes(f"{place}!/a.png")


@pytest.mark.parametrize("cell", ["/dev/zero", "a\0b.png", "x" * 5_000, "data:image/png;base64,é"])
def test_cells_that_are_no_place_are_refused(cell: str):
    with pytest.raises(DataError, match="cannot be used"):
        read_bytes(cell)
