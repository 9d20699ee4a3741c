"""Separated text: what is read, and how what cannot be read is told."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.read import read
from tunesmith.data.readers.csv_text import ROWS_AT_ONCE

ROWS = 'text,age\n"Hello, world",3\nplain,4\n'


def save(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separator_is_found_and_quotes_hide_it(tmp_path: Path, mark: str) -> None:
    rows = f'text{mark}age\n"a{mark}b, c; d",3\n'.replace('",3', f'"{mark}3')
    data = read(save(tmp_path, rows + f"plain{mark}4\n"))
    assert data.names == ("text", "age")
    assert list(data.values("text")) == [f"a{mark}b, c; d", "plain"]
    assert list(data.values("age")) == [3.0, 4.0]


def test_decimal_commas_do_not_win_over_semicolons(tmp_path: Path) -> None:
    data = read(save(tmp_path, "a;b;c\n1,5;2,5;x\n3,5;4,5;y\n"))
    assert data.names == ("a", "b", "c")


def test_free_text_in_one_column_stays_whole(tmp_path: Path) -> None:
    data = read(save(tmp_path, "text\nI like it, really\nNo\nWell, well, well; hm\n"))
    assert list(data.values("text")) == ["I like it, really", "No", "Well, well, well; hm"]


def test_spaces_after_the_separator_are_no_part_of_a_cell(tmp_path: Path) -> None:
    data = read(save(tmp_path, 'a, b\nx, "1, 2"\ny, z\n'))
    assert data.names == ("a", "b")
    assert list(data.values("b")) == ["1, 2", "z"]


def test_excel_says_its_separator_in_the_first_line(tmp_path: Path) -> None:
    assert read(save(tmp_path, "sep=;\r\na;b\r\nx;y\r\nz;w\r\n")).names == ("a", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = "text,city\nÜber das Café naïve,Zürich\nplain,Köln\n".encode(encoding)
    data = read(save(tmp_path, content))
    assert data.names == ("text", "city")
    assert list(data.values("city")) == ["Zürich", "Köln"]


def test_reading_as_windows_1252_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tunesmith"):
        read(save(tmp_path, "a,b\ncafé,1\nx,2\n".encode("cp1252")))
    assert "Windows-1252" in caplog.text


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "shift_jis", "gbk", "euc_kr"])
def test_other_encodings_are_not_guessed(tmp_path: Path, encoding: str) -> None:
    word = {"shift_jis": "こんにちは世界", "gbk": "你好世界你好", "euc_kr": "안녕하세요"}
    content = f"text,n\n{word.get(encoding, 'Привет всем')},1\n".encode(encoding)
    with pytest.raises(DataError, match=r"offset \d+ \(line 2\).*UTF-8"):
        read(save(tmp_path, content))


def test_damaged_utf8_names_the_byte(tmp_path: Path) -> None:
    content = "a,b\nçäöü ñandú,1\n".encode() + b"x\xff,2\n"
    with pytest.raises(DataError, match=rf"0xff at offset {content.index(0xFF)} \(line 3\)"):
        read(save(tmp_path, content))


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_those_of_the_file(tmp_path: Path, newline: str) -> None:
    rows = ["text,n", "", '"two', 'lines",1', "", "one,2", '"a ""quote""",3']
    data = read(save(tmp_path, newline.join(rows)))
    assert list(data.lines) == [3, 6, 7]
    assert list(data.values("text")) == [f"two{newline}lines", "one", 'a "quote"']


@pytest.mark.parametrize(
    ("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed(tmp_path: Path, ending: str, pack: object) -> None:
    assert callable(pack)
    assert len(read(save(tmp_path, pack(ROWS.encode()), f"data.csv{ending}"))) == 2
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(save(tmp_path, ROWS, f"broken.csv{ending}"))


def test_ragged_rows_stop_with_a_count_and_the_first_five(tmp_path: Path) -> None:
    path = save(tmp_path, "a,b\n" + "1,2\n" + "1\n" * 4 + "1,2,3\n" * 3 + "3,4\n")
    with pytest.raises(DataError) as caught:
        read(path)
    told = str(caught.value)
    assert "7 of 9 rows" in told
    assert "line 3: got 1 cell, expected 2 cells" in told
    assert "line 7: got 3 cells, expected 2 cells" in told
    assert "line 8" not in told
    assert "and 2 more" in told
    assert "--bad-rows skip" in told


def test_ragged_rows_left_out_stand_in_bad(tmp_path: Path) -> None:
    data = read(save(tmp_path, "a,b\n1,2\n1\n1,2,3\n3,4\n"), bad_rows="skip")
    assert list(data.lines) == [2, 5]
    assert [(bad.line, bad.column, bad.got, bad.expected) for bad in data.bad] == [
        (3, "", "1 cell", "2 cells"),
        (4, "", "3 cells", "2 cells"),
    ]


def test_all_rows_bad_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0 rows.*All 2 rows were left out"):
        read(save(tmp_path, "a,b\n1\n2\n"), bad_rows="skip")


def test_text_after_a_closing_quote_is_a_bad_row(tmp_path: Path) -> None:
    path = save(tmp_path, 'a,b\n"x" y,1\nz,2\n')
    with pytest.raises(DataError, match="line 2: got text after the closing quote"):
        read(path)
    assert list(read(path, bad_rows="skip").lines) == [3]


def test_header_repeated_further_down_is_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: got the header once more"):
        read(save(tmp_path, "a,b\n1,2\na,b\n3,4\n"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty: 0 bytes"),
        ("\n\n \n", "blank lines only"),
        ("a,b\n", r"header at line 1 \(a, b\) and no rows"),
        ("a,b,a,c,b,a\n1,2,3,4,5,6\n", r"'a' \(3 times\), 'b' \(2 times\)"),
        ("a,,b,\n1,2,3,4\n", "column 2, 4 has no name"),
        ("1.5,2,3\n4,5,6\n", "header is missing.*only numbers"),
        ("x,5,y\nx,5,z\nx,6,y\n", "header is missing; 3 of its 3 names"),
        ('a,b\nx,1\n"never closed,2\ny,3\n', "starts at line 3 and never closed"),
        (
            "a,b\nx,1\n" + '"' + "z" * 1_000_001 + '",2\n',
            "starts at line 3 is longer than 1,000,000",
        ),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"PK\x03\x04..xl/workbook.xml", "Excel file"),
        (b"PAR1....", "Parquet"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"\xff\xd8\xff\xe0", "JPEG picture"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"a,b\n1,\x00\n", "binary: byte 0 at offset 6"),
        ("text,n\nhello,1\n".encode("utf-16-le"), "UTF-16 text without a mark"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: str | bytes, told: str) -> None:
    path = save(tmp_path, content)
    with pytest.raises(DataError, match=told) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_the_index_that_pandas_writes_gets_its_name(tmp_path: Path) -> None:
    data = read(save(tmp_path, ",a\n" + "".join(f"{n},x{n % 3}\n" for n in range(30))))
    assert data.names == ("Unnamed: 0", "a")
    assert data.column("Unnamed: 0").kind == "identifier"


def test_columns_named_by_their_place_are_a_header(tmp_path: Path) -> None:
    assert read(save(tmp_path, "0,1,2\n5,6,x\n7,8,y\n")).names == ("0", "1", "2")


def test_the_limit_of_the_csv_module_is_set_back(tmp_path: Path) -> None:
    import csv

    before = csv.field_size_limit()
    with pytest.raises(DataError):
        read(save(tmp_path, "a,b\n1\n"))
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_rows_stay_whole_and_in_order_however_many_there_are(tmp_path: Path, more: int) -> None:
    count = 2 * ROWS_AT_ONCE + more
    data = read(save(tmp_path, "a,b\n" + "".join(f"{n % 7},x{n % 5}\n" for n in range(count))))
    assert list(data.values("a")) == [n % 7 for n in range(count)]
    assert list(data.values("b")) == [f"x{n % 5}" for n in range(count)]
    assert list(data.lines) == list(range(2, count + 2))
