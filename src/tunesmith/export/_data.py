"""The part of a script that reads the table and types its columns, in plain pandas."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.records import Dataset, Problem
from tunesmith.data.cells import MISSING, same
from tunesmith.data.dates import ISO
from tunesmith.data.readers import csv_text, jsonl
from tunesmith.data.readers._bytes import MARKS, as_text, ending, fetch
from tunesmith.data.readers._separator import find_separator
from tunesmith.export._picture_files import ENDINGS, PLACED, Folder, unused
from tunesmith.export._writing import assignment, call, options

if TYPE_CHECKING:
    import pandas as pd

FORMAT = re.compile(r"written as '([^']+)'")
EXCEL = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class Reading:
    """The call of pandas that reads a source as the run did: `pandas.<function>(path, **options)`,
    of each file where the source is a pattern."""

    source: str
    function: str
    options: Mapping[str, Any]
    is_pattern: bool
    strips_names: bool
    packages: tuple[str, ...] = ()
    folder: Folder | None = None
    """Where the source is a folder of pictures."""

    def table(self, files: tuple[str, ...]) -> pd.DataFrame:
        """What a script will read."""
        import pandas as pd

        if self.folder is not None:
            return self.folder.table()
        read = getattr(pd, self.function)
        table: pd.DataFrame = pd.concat(
            [read(file, **self.options) for file in files], ignore_index=True
        )
        return table.rename(columns=_stripped) if self.strips_names else table


def reading(source: str, files: tuple[str, ...], data: Dataset) -> Reading:
    """How pandas reads a source: `files` are those of a pattern, or the source alone; `data` is
    what the run read.

    Raises:
        DataError: It cannot be read, or pandas has no call for it.
    """
    if os.path.isdir(source):
        return Reading(source, "", {}, False, False, folder=Folder.of(source, data))
    kind = ending(files[0])
    is_pattern = files != (source,)
    if kind in csv_text.ENDINGS:
        return Reading(source, "read_csv", *_csv(files[0], is_pattern))
    if kind in jsonl.ENDINGS:
        options: dict[str, Any] = {"lines": _holds_lines(files[0]), "dtype": False}
        return Reading(source, "read_json", options, is_pattern, strips_names=False)
    if kind == ".parquet":
        return Reading(source, "read_parquet", {}, is_pattern, False, ("pyarrow",))
    if kind in EXCEL and "#" not in source:
        options = {"dtype": "object", "keep_default_na": False}
        return Reading(source, "read_excel", options, is_pattern, True, ("openpyxl",))
    raise DataError(
        f"No script can be written that reads {source}: save it as .csv, .parquet, .jsonl or .xlsx "
        "and fit again."
    )


def _csv(file: str, is_pattern: bool) -> tuple[dict[str, Any], bool, bool]:
    data = fetch(file)
    text = as_text(data, file)
    said = re.match(r"sep=([^\r\n])\r?\n", text)
    separator = said[1] if said else find_separator(text)
    body = text[said.end() :] if said else text
    options: dict[str, Any] = {"sep": separator, "dtype": "str", "keep_default_na": False}
    if (encoding := _encoding(data)) != "utf-8":
        options["encoding"] = encoding
    if said:
        options["skiprows"] = 1
    if csv_text._is_spaced(body, separator):
        options["skipinitialspace"] = True
    header = next(csv.reader([body.lstrip("\r\n").partition("\n")[0]], delimiter=separator))
    return options, is_pattern, any(name != name.strip() for name in header)


def _encoding(data: bytes) -> str:
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _holds_lines(file: str) -> bool:
    return ending(file) != ".json" or jsonl._is_object_a_line(as_text(fetch(file), file))


def _stripped(name: Any) -> str:
    return str(name).strip()


@dataclass(frozen=True)
class Columns:
    """The input columns of a problem by kind, and how their cells are typed."""

    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    dates: Mapping[str, str]
    """The format of each, as `pandas.to_datetime` takes it; empty where the cells are dates."""
    text: str
    """The column of a prepared table that holds all texts; empty where there is none."""
    image: str = ""
    """The column of pictures; empty where there is none."""

    @property
    def has_dense(self) -> bool:
        return bool(self.numbers or self.categories or self.dates)


def columns_of(problem: Problem) -> Columns:
    """The inputs of a problem as a script names them."""
    inputs = problem.data.with_columns(problem.inputs)
    texts = inputs.of_kind("text")
    text = texts[0] if len(texts) == 1 else "text of all columns" if texts else ""
    while len(texts) > 1 and text in problem.inputs:
        text += "_"
    dates = {}
    for name in inputs.of_kind("date"):
        found = FORMAT.search(inputs.column(name).reason)
        dates[name] = "" if found is None else "ISO8601" if found[1] == ISO else found[1]
    image = next(iter(inputs.of_kind("image")), "")
    return Columns(texts, inputs.of_kind("number"), inputs.of_kind("category"), dates, text, image)


def given(problem: Problem) -> tuple[str, ...]:
    """What the method `fit` of a model in a script is given."""
    return ("table", "truth") if problem.weights is None else ("table", "truth", "weights")


def lacks_classes(problem: Problem) -> bool:
    """Whether a model may be fitted to rows that lack some of the classes."""
    fits = [train for train, _ in problem.folds] or [problem.parts["train"]]
    labels = problem.data.values(problem.target)
    return any(len(np.unique(problem.encode(labels[r]))) < len(problem.classes) for r in fits)


def constants(problem: Problem, reading: Reading, table: pd.DataFrame) -> list[str]:
    """The lines that name the data: path, target, columns by kind, classes."""
    columns = columns_of(problem)
    found = [assignment("DATA", reading.source), assignment("TARGET", problem.target)]
    if columns.image:
        found.append(assignment("IMAGE", columns.image))
        if reading.folder is not None:
            found.append(assignment("ENDINGS", list(ENDINGS)))
            left_out: list[str] = list(reading.folder.left_out)
        else:
            cells, known = table[columns.image].tolist(), problem.data.values(columns.image)
            left_out = unused(cells, known.tolist())
        found.append(assignment("LEFT_OUT", left_out))
    if len(columns.texts) == 1:
        found.append(assignment("TEXT", columns.text))
    elif columns.texts:
        found.append(assignment("TEXTS", list(columns.texts)))
        found.append(assignment("TEXT", columns.text))
    if columns.numbers:
        found.append(assignment("NUMBERS", list(columns.numbers)))
    if columns.categories:
        found.append(assignment("CATEGORIES", list(columns.categories)))
    if columns.dates:
        found.append(assignment("DATES", {n: f or None for n, f in columns.dates.items()}))
    if columns.categories or columns.dates:
        found.append(assignment("MISSING", sorted(MISSING)))
    if problem.classes:
        found.append(assignment("CLASSES", list(problem.classes)))
    return found


READ = '''\
def read(path: str) -> pd.DataFrame:
    """{about}"""
{lines}
'''


def read_code(reading: Reading) -> str:
    """The function `read(path)`."""
    if reading.folder is not None:
        return reading.folder.code()
    function, about = f"pd.{reading.function}", "The table."
    if reading.function == "read_csv":
        about = "The table, every cell as it is written."
    end = ".rename(columns=str.strip)" if reading.strips_names else ""
    if reading.is_pattern:
        about = "The tables of all files of a pattern, one below the other."
        made = call(function, ["file", *options(reading.options)], taken=8, indent=2)
        lines = [
            f"    tables = [\n        {made}",
            "        for file in sorted(glob.glob(path, recursive=True))\n    ]",
            f"    return pd.concat(tables, ignore_index=True){end}",
        ]
    else:
        start = "    table = " if end else "    return "
        arguments = ["path", *options(reading.options)]
        lines = [start + call(function, arguments, taken=len(start), indent=1)]
        lines += [f"    return table{end}"] if end else []
    return READ.format(about=about, lines="\n".join(lines))


SAME = '''\
def one_spelling(word: str) -> str:
    """The same word for what means the same: 1 for 1.0, True for TRUE."""
    if word.lower() in ("true", "false"):
        return word.capitalize()
    is_whole = re.fullmatch(r"[+-]?([1-9]\\d*|0)\\.0*", word)
    return str(int(float(word))) if is_whole else word
'''
WORDS = '''\
def words(column: pd.Series) -> pd.Series:
    """Cells as text without the spaces around them, empty where one is missing."""
    text = column.astype("string").fillna("").str.strip()
    return text.mask(text.isin(MISSING), ""){spelled}.astype(object)
'''
JOINED = '''\
def joined(table: pd.DataFrame) -> list[str]:
    """The texts of each row, each after the name of its column."""
    cells = table[TEXTS].astype("string").fillna("")
    return [
        "\\n".join(f"{name}: {row[name]}" for name in TEXTS if row[name].strip())
        for row in cells.to_dict("records")
    ]
'''
PREPARE = '''\
def prepare(table: pd.DataFrame) -> pd.DataFrame:
    """The input columns, each as what it holds."""
    columns = {{}}
{lines}
    return pd.DataFrame(columns, index=table.index)
'''
ONE_TEXT = '    columns[TEXT] = table[TEXT].astype("string").fillna("").astype(object)'
ONE_IMAGE = '    columns[IMAGE] = table[IMAGE].fillna("").astype(object)'
ALL_TEXTS = "    columns[TEXT] = joined(table)"
NUMBERS = """\
    for name in NUMBERS:
        columns[name] = pd.to_numeric(table[name], errors="coerce").astype(float)"""
CATEGORIES = """\
    for name in CATEGORIES:
        columns[name] = words(table[name])"""
DATES = """\
    for name, form in DATES.items():
        cells = {cells}
        moments = pd.to_datetime(cells, format=form, errors="coerce", utc=True)
        columns[name] = moments.dt.tz_localize(None)"""


def prepare_code(problem: Problem, reading: Reading, table: pd.DataFrame) -> list[str]:
    """The functions that end in `prepare(table)`."""
    columns, found, lines = columns_of(problem), [], []
    are_written = any(columns.dates.values())
    if columns.categories or are_written:
        needs_same = any(
            word != same(word)
            for name in columns.categories
            for word in table[name].astype("string").dropna().unique()
        )
        if needs_same:
            found.append(SAME)
        found.append(WORDS.format(spelled=".map(one_spelling)" if needs_same else ""))
    if len(columns.texts) > 1:
        found.append(JOINED)
    if columns.image and reading.folder is None:
        found.append(PLACED)
    if columns.image:
        lines.append(ONE_IMAGE)
    if columns.texts:
        lines.append(ONE_TEXT if len(columns.texts) == 1 else ALL_TEXTS)
    if columns.numbers:
        lines.append(NUMBERS)
    if columns.categories:
        lines.append(CATEGORIES)
    if columns.dates:
        lines.append(DATES.format(cells="words(table[name])" if are_written else "table[name]"))
    return [*found, PREPARE.format(lines="\n".join(lines))]


WORD_TARGET = '''\
def truth_of(table: pd.DataFrame) -> np.ndarray:
    """The place of each row's label among the classes; -1 where it has none."""
    labels = table[TARGET].astype("string").str.strip()
    return pd.Categorical(labels, categories=CLASSES).codes.astype(int)
'''
NUMBER_LABELS = '''\
def truth_of(table: pd.DataFrame) -> np.ndarray:
    """The place of each row's label among the classes; -1 where it has none."""
    labels = pd.to_numeric(table[TARGET], errors="coerce")
    return pd.Categorical(labels, categories=list(map(float, CLASSES))).codes.astype(int)
'''
NUMBER_TARGET = '''\
def truth_of(table: pd.DataFrame) -> np.ndarray:
    """The number to predict of each row."""
    return pd.to_numeric(table[TARGET], errors="coerce").to_numpy(float)
'''


def truth_code(problem: Problem, table: pd.DataFrame) -> str:
    """The function `truth_of(table)`, seen to give what the run learned from, row by row.

    Raises:
        DataError: What pandas reads is not what the run read.
    """
    import pandas as pd

    rows = np.unique(np.concatenate(list(problem.parts.values())))
    if len(table) != len(problem.data):
        raise _read_otherwise(problem, f"{len(table):,} rows, not {len(problem.data):,}")
    wanted, cells = problem.encode(problem.data.values(problem.target)[rows]), table[problem.target]
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    if not problem.classes:
        if not np.allclose(numbers.to_numpy()[rows], wanted):
            raise _read_otherwise(problem, "other numbers in the target")
        return NUMBER_TARGET
    if _agree(cells.astype("string").str.strip(), list(problem.classes), rows, wanted):
        return WORD_TARGET
    try:
        classes = list(map(float, problem.classes))
    except ValueError:
        classes = []
    if classes and _agree(numbers, classes, rows, wanted):
        return NUMBER_LABELS
    raise _read_otherwise(problem, "other labels")


def _agree(cells: Any, classes: list[Any], rows: NDArray[np.int64], wanted: NDArray[Any]) -> bool:
    import pandas as pd

    if len(set(classes)) < len(classes):
        return False
    return np.array_equal(pd.Categorical(cells, categories=classes).codes[rows], wanted)


def _read_otherwise(problem: Problem, what: str) -> DataError:
    return DataError(
        f"{problem.data.source} is not the same table to pandas as to this library: {what}. Save "
        "it as .parquet, or without the rows that do not fit, and fit again."
    )
