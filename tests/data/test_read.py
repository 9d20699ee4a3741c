"""From any source to a dataset: paths, patterns, URLs, datasets."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.errors import ConfigError, DataError, MissingExtra
from tunesmith.core.records import Column
from tunesmith.data.read import read

CSV = "text,n\nhello,1\nworld,2\n"
NOBODY = 65534


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A file that this process may not read, whoever runs the tests."""
    path = tmp_path / "secret.csv"
    path.write_text(CSV)
    path.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield path
    os.seteuid(before)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"no file .*trian\.csv.*Did you mean .*train\.csv"):
        read(tmp_path / "trian.csv")
    with pytest.raises(DataError, match=r"holds: train\.csv"):
        read(str(tmp_path / "nothing_alike.parquet"))
    with pytest.raises(DataError, match=r"no file .*folder"):
        read(tmp_path / "no" / "folder" / "x.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"is a folder.*part\.csv"):
        read(tmp_path)


def test_no_permission(unprivileged: Path) -> None:
    with pytest.raises(DataError, match="permission denied"):
        read(unprivileged)


def test_unknown_ending(tmp_path: Path) -> None:
    (tmp_path / "data.foo").write_text(CSV)
    with pytest.raises(DataError, match=r"ending '\.foo'.*csv, excel, folder, frames, jsonl"):
        read(tmp_path / "data.foo")


def test_unknown_way_with_bad_rows(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'skip'"):
        read(tmp_path, bad_rows="skp")  # type: ignore[arg-type]


def test_pattern_joins_files_whatever_the_order_of_their_columns(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("n,text\n3,three\n4\n")
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "c.jsonl").write_text('{"text": "five", "n": 5}\n')
    data = read(tmp_path / "*", bad_rows="skip")
    assert list(data.values("text")) == ["hello", "world", "three", "five"]
    assert list(data.values("n")) == [1, 2, 3, 5]
    assert list(data.lines) == [2, 3, 2, 1]
    assert data.bad[0].line == 3
    assert "b.csv" in data.bad[0].got
    with pytest.raises(DataError, match=r"b\.csv, line 3"):
        read(tmp_path / "*.csv")


def test_pattern_of_files_that_differ(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text("text,m\nx,1\n")
    with pytest.raises(DataError, match=r"b\.csv.*lacks \['n'\] and has \['m'\]"):
        read(tmp_path / "*.csv")
    with pytest.raises(DataError, match="No file matches"):
        read(tmp_path / "*.tsv")


def test_a_name_that_only_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "data[1].csv").write_text(CSV)
    assert len(read(tmp_path / "data[1].csv")) == 2


def test_urls(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/read-test/a.csv", CSV.encode())
    memory.pipe("/read-test/b.csv", CSV.encode())
    (tmp_path / "local.csv").write_text(CSV)
    assert list(read("memory://read-test/a.csv").values("n")) == [1, 2]
    assert len(read("memory://read-test/*.csv")) == 4
    assert len(read(f"file://{tmp_path}/local.csv")) == 2
    with pytest.raises(DataError, match="no such file"):
        read("memory://read-test/none.csv")
    with pytest.raises(DataError, match="No file matches"):
        read("memory://read-test/*.jsonl")
    with pytest.raises(DataError, match="nosuch"):
        read("nosuch://bucket/a.csv")


def test_a_url_without_its_package_gives_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"tunesmith\[remote\]"):
        read("memory://read-test/a.csv")


def test_a_dataset_comes_back_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    data = read(tmp_path / "a.csv")
    assert read(data) is data
    assert read(data, like=data.columns) is data


def test_a_dataset_is_typed_anew_where_asked() -> None:
    rows = {"n": [1, 2, 3] * 10, "day": ["2024-01-02"] * 15 + ["2024-01-03"] * 15, "y": [7] * 30}
    data = read(rows)
    again = read(data, kinds={"n": "category"}, target="y")
    assert list(again.values("n")[:3]) == ["1", "2", "3"]
    assert again.column("y").kind == "number"
    assert again.column("day") == data.column("day")
    np.testing.assert_array_equal(again.values("day"), data.values("day"))
    back = read(again, like=[Column("n", "number", "as in training")])
    assert list(back.values("n")[:3]) == [1.0, 2.0, 3.0]
    with pytest.raises(ConfigError, match="'m'"):
        read(data, kinds={"m": "text"})


def test_reading_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    code = (
        "import sys; from tunesmith.data.read import read; read(sys.argv[1]); "
        "print([m for m in ('pandas', 'pyarrow', 'torch', 'polars', 'datasets') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_table_is_read_over_http(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra remote is not installed")
    (tmp_path / "far.csv").write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert list(read(f"{address}/far.csv").values("b")) == ["x", "y"]
        with pytest.raises(DataError, match=r"gone\.csv"):
            read(f"{address}/gone.csv")
        server.shutdown()
