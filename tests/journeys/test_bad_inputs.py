"""What cannot work is refused: exit status 2, one paragraph that names what matters, within ten
seconds, and nothing half-written that looks whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tunesmith.cli.main import main

SECONDS = 10.0
QUICK = ("--trials", "2", "--learners", "majority,linear", "--offline", "--quiet")
Make = Callable[[Path], Path]
"""Writes what a case needs into a new folder and gives the data to name on the command line."""


@dataclass(frozen=True)
class Ran:
    """Exit status, standard output and standard error of one command."""

    status: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `tunesmith ARGUMENTS` in this process."""

    def run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ran(end.value.code, out, err)

    return run


def in_a_process(*arguments: str | Path, largest_file: int | None = None) -> Ran:
    """Runs `tunesmith ARGUMENTS` as a user does, if asked with a limit to the bytes of a file."""

    def limit() -> None:
        assert largest_file is not None
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    result = subprocess.run(
        [sys.executable, "-m", "tunesmith", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=None if largest_file is None else limit,
        timeout=60,
    )
    return Ran(result.returncode, result.stdout, result.stderr)


def refused(run: Command, *arguments: str | Path, names: tuple[str, ...]) -> str:
    """The paragraph that a command was refused with, once it is seen to be one."""
    began = time.monotonic()
    ran = run(*arguments)
    seconds = time.monotonic() - began
    told = " ".join(ran.err.split())
    assert ran.status == 2, ran.err
    assert told.startswith("error: ")
    assert len([line for line in ran.err.splitlines() if line.startswith("error:")]) == 1
    assert "\n\n" not in ran.err.strip()
    assert "Traceback" not in ran.err
    assert not [word for word in names if word not in told], told
    assert len(told) < 1200, told
    assert ran.out == ""
    assert seconds < SECONDS
    return told


def refused_fit(
    run: Command, data: str | Path, *options: str | Path, names: tuple[str, ...]
) -> str:
    """As `refused`, of a fit that must leave nothing in `--folder`."""
    place = Path(data).parent if Path(data).parent.is_dir() else Path.cwd()
    folder = place / "runs" / "run"
    target = () if "--target" in options else ("--target", "label")
    arguments = ("fit", data, *target, *QUICK, "--folder", folder, *options)
    told = refused(run, *arguments, names=names)
    assert not folder.exists()
    return told


def rows(count: int, header: str = "review,age,label") -> list[str]:
    """A table that can be learned: the header, then lines whose words decide the label."""
    words = (("awful cheap torn", "bad"), ("lovely soft warm", "good"))
    return [
        header,
        *(f"{words[i % 2][0]} number{i},{20 + i % 40},{words[i % 2][1]}" for i in range(count)),
    ]


def lines(*text: str) -> Make:
    return content("\n".join(text).encode() + b"\n")


def content(data: bytes, name: str = "data.csv") -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def amounts(*odd: str) -> Make:
    """Forty rows with a number to predict; then the odd ones."""
    plain = [f"word{i % 7} thing,{i},{i * 1.5}" for i in range(40)]
    return lines("review,age,label", *plain, *(f"odd,1,{cell}" for cell in odd))


def split_words(*words: str) -> Make:
    table = rows(40)
    told = [f"{line},{words[i % len(words)]}" for i, line in enumerate(table[1:])]
    return lines(f"{table[0]},part", *told)


def broken_parquet(folder: Path) -> Path:
    import pandas as pd

    path = folder / "data.parquet"
    pd.DataFrame({"review": ["a b"] * 30, "label": ["x", "y", "z"] * 10}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-50])
    return path


def broken_excel(folder: Path) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows(30):
        book.active.append(row.split(","))
    whole = io.BytesIO()
    book.save(whole)
    return content(whole.getvalue()[: len(whole.getvalue()) // 2], "data.xlsx")(folder)


GOOD = lines(*rows(60))
UNREADABLE: dict[str, tuple[Make, tuple[str, ...]]] = {
    "empty file": (content(b""), ("data.csv", "empty", "header")),
    "blank lines only": (content(b"\n\n  \n"), ("data.csv", "blank")),
    "header only": (lines("review,age,label"), ("data.csv", "line 1", "no rows")),
    "no such file": (lambda folder: folder / "date.csv", ("There is no file", "date.csv")),
    "no such folder": (lambda folder: folder / "a" / "b.csv", ("There is no file", "b.csv")),
    "pattern of nothing": (lambda folder: folder / "*.csv", ("*.csv", "pattern")),
    "a folder": (lambda folder: folder, ("is a folder", "*.csv")),
    "ragged rows": (
        lines(*rows(40), "one,two", "three,4,good,more"),
        ("data.csv", "line 42", "2 cells", "line 43", "4 cells", "--bad-rows skip"),
    ),
    "binary file": (content(b"\x89PNG\r\n\x1a\n" + bytes(200)), ("data.csv", "PNG")),
    "bytes of zero": (content(b"review,label\n" + bytes(5000)), ("data.csv", "binary")),
    "unclosed quote": (
        lines(*rows(40), '"never closed,3,good', *rows(40)[1:]),
        ("data.csv", "line 42", "quote", "never closed"),
    ),
    "cell of 20 MB": (
        content("\n".join(rows(40)).encode() + b'\n"' + b"x" * 20_000_000 + b'",3,good\n'),
        ("data.csv", "line 42", "1,000,000 characters"),
    ),
    "unknown encoding": (
        content(b"review,label\n" + "これは本です,良い\n".encode("shift_jis") * 30),
        ("data.csv", "UTF-8", "line 2", "iconv"),
    ),
    "duplicate columns": (
        lines("review,age,age,label", *(["a b,1,2,x", "c d,2,3,y"] * 20)),
        ("data.csv", "'age'"),
    ),
    "unknown ending": (content(b"review,label\na,b\n", "data.doc"), ("data.doc", ".csv")),
    "broken parquet": (broken_parquet, ("data.parquet", "Parquet")),
    "broken Excel": (broken_excel, ("data.xlsx", "Excel")),
    "JSON lines with a bad one": (
        content(b'{"review": "a", "label": "b"}\n' * 20 + b'{"review": "a", \n', "data.jsonl"),
        ("data.jsonl", "line 21", "JSON"),
    ),
    "compressed in name alone": (content(b"review,label\na,b\n", "data.csv.gz"), ("data.csv.gz",)),
}


TEXTS = [f"{('lovely soft warm', 'awful cheap torn')[i % 2]} number{i} of many" for i in range(60)]


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_source_that_cannot_be_read(case: str, command: Command, tmp_path: Path) -> None:
    make, names = UNREADABLE[case]
    refused_fit(command, make(tmp_path), names=names)


UNLEARNABLE: dict[str, tuple[Make, tuple[str, ...], tuple[str, ...]]] = {
    "no such column": (
        GOOD,
        ("--target", "lable"),
        ("'lable'", "Did you mean 'label'", "data.csv"),
    ),
    "all labels missing": (
        lines("review,label", *(["some words,"] * 40)),
        (),
        ("data.csv", "'label'", "40", "empty"),
    ),
    "one class": (
        lines("review,label", *(["a b,x", "c d,x"] * 20)),
        (),
        ("'label'", "same", "'x'"),
    ),
    "one number": (
        lines("review,label", *(["a b,7", "c d,7"] * 20)),
        ("--task", "regression"),
        ("same", "7"),
    ),
    "mixed types": (
        amounts("dear", "cheap"),
        (),
        ("'label'", "numbers", "'dear'", "line 42", "--task"),
    ),
    "one row": (lines(*rows(1)), (), ("data.csv", "1 row ", "10")),
    "three rows, the usual way": (lines(*rows(3)), ("--folds", "0"), ("data.csv", "3 rows", "10")),
    "10,000 classes": (
        lines("review,label", *(f"some words {i % 9},name{i}" for i in range(10_000))),
        (),
        ("'label'", "10,000", "too few"),
    ),
    "NaN in most of the target": (
        lines("review,label", "a b,1.5", "c d,2.5", *(["e f,NaN"] * 40)),
        ("--task", "regression"),
        ("'label'", "2 rows", "10"),
    ),
    "infinite number in the target": (
        amounts("inf", "-inf"),
        (),
        ("'label'", "infinite", "line 42", "line 43"),
    ),
    "infinite number in the target, regression": (
        amounts("inf"),
        ("--task", "regression"),
        ("'label'", "infinite", "line 42"),
    ),
    "words for a regression": (
        GOOD,
        ("--task", "regression"),
        ("'label'", "'bad'", "classification"),
    ),
    "only an identifier": (
        lines("id,label", *(f"{i + 100000},{'xy'[i * 7 % 3 % 2]}" for i in range(60))),
        (),
        ("data.csv", "id", "--kind"),
    ),
    "only the target": (lines("label", *(["x", "y"] * 30)), (), ("data.csv", "besides the target")),
    "group is the target": (GOOD, ("--group", "label"), ("--group", "'label'", "target")),
    "no such group": (GOOD, ("--group", "agee"), ("'agee'", "Did you mean 'age'")),
    "time of categories": (GOOD, ("--time", "review"), ("--time", "'review'", "dates or numbers")),
    "group and time": (GOOD, ("--group", "review", "--time", "age"), ("--group and --time",)),
    "split of wrong words": (
        split_words("train", "train", "exam"),
        ("--split", "part"),
        ("data.csv", "'part'", "'exam'", "train", "valid", "test"),
    ),
    "split without train": (split_words("test"), ("--split", "part"), ("'train'",)),
    "kind of no column": (GOOD, ("--kind", "aeg=number"), ("'aeg'", "Did you mean 'age'")),
    "no such kind": (GOOD, ("--kind", "age=numbr"), ("'numbr'", "Did you mean 'number'")),
    "kind that does not fit": (
        GOOD,
        ("--kind", "review=number"),
        ("'review'", "'number'", "awful"),
    ),
    "kind without a kind": (GOOD, ("--kind", "age"), ("--kind", "COLUMN=KIND")),
}


@pytest.mark.parametrize("case", UNLEARNABLE)
def test_a_table_that_nothing_can_be_learned_from(
    case: str, command: Command, tmp_path: Path
) -> None:
    make, options, names = UNLEARNABLE[case]
    refused_fit(command, make(tmp_path), *options, names=names)


OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "budget of no time": (("--budget", "soon"), ("'soon'", "10m")),
    "budget below zero": (("--budget", "-5s"), ("'-5s'", "10m")),
    "budget of zero": (("--budget", "0"), ("'0'", "10m")),
    "budget that is no number": (("--budget", "nan"), ("'nan'", "10m")),
    "budget without end": (("--budget", "inf"), ("'inf'", "10m")),
    "empty budget": (("--budget", ""), ("''", "10m")),
    "no trials": (("--trials", "0"), ("0", "trial")),
    "half a trial": (("--trials", "1.5"), ("--trials",)),
    "unknown option": (("--bugdet", "5s"), ("--bugdet", "--budget")),
    "unknown task": (("--task", "clasification"), ("'clasification'", "'classification'")),
    "unknown metric": (("--metric", "acuracy"), ("'acuracy'", "'accuracy'")),
    "metric of numbers": (("--metric", "rmse"), ("'rmse'",)),
    "unknown learner": (("--learners", "liner"), ("'liner'", "'linear'")),
    "no learner": (("--learners", ","), ("learner", "linear")),
    "unknown field": (("--set", "linear.word=2"), ("'word'", "'words'")),
    "field of no learner": (("--set", "liner.words=2"), ("'liner'", "'linear'")),
    "value that does not fit": (("--set", "linear.words=many"), ("words", "many")),
    "pin without a value": (("--set", "linear.words"), ("--set", "LEARNER.FIELD=VALUE")),
    "unknown way with bad rows": (("--bad-rows", "mend"), ("--bad-rows", "'mend'", "skip", "stop")),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_cannot_be_met(case: str, command: Command, tmp_path: Path) -> None:
    options, names = OPTIONS[case]
    refused_fit(command, GOOD(tmp_path), *options, names=names)


def test_a_folder_that_holds_something_is_left_alone(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    arguments = ("fit", GOOD(tmp_path), "--target", "label", *QUICK, "--folder", run)
    refused(command, *arguments, names=(str(run), "not an empty folder", "--folder"))
    assert [file.name for file in run.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("folder", ["/dev/null/x", "/proc/x", f"/tmp/{'long' * 100}"])
def test_a_folder_that_cannot_be_made(folder: str, command: Command, tmp_path: Path) -> None:
    if not Path(folder).parent.exists():
        pytest.skip("there is no such place here")
    arguments = ("fit", GOOD(tmp_path), "--target", "label", *QUICK, "--folder", folder)
    refused(command, *arguments, names=(folder, "--folder"))


@pytest.fixture
def tiny_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real file system of as many bytes as the test says."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root on Linux only")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def big(folder: Path) -> Path:
    """A table whose linear model takes some hundred kilobytes."""
    spread = (f"word{i * 7919 % 4000} word{i * 104729 % 4000}" for i in range(2000))
    told = [f"{text} {'good' if i % 2 else 'bad'},{'yn'[i % 2]}" for i, text in enumerate(spread)]
    return lines("review,label", *told)(folder)


@pytest.mark.parametrize("tiny_disk", ["4k", "16k", "40k", "100k", "150k"], indirect=True)
def test_a_full_disk(tiny_disk: Path, command: Command, tmp_path: Path) -> None:
    run = tiny_disk / "run"
    arguments = ("fit", big(tmp_path), "--target", "label", *QUICK, "--folder", run)
    refused(command, *arguments, names=("No space left", "--folder"))
    assert_whole_or_nothing(run, command, tmp_path)


@pytest.mark.parametrize("largest", [10, 3_000, 30_000])
def test_a_file_that_may_not_grow(largest: int, command: Command, tmp_path: Path) -> None:
    def run_limited(*arguments: str | Path) -> Ran:
        return in_a_process(*arguments, largest_file=largest)

    run = tmp_path / "run"
    arguments = ("fit", big(tmp_path), "--target", "label", *QUICK, "--folder", run)
    refused(run_limited, *arguments, names=("File too large", "--folder"))
    assert_whole_or_nothing(run, command, tmp_path)


def assert_whole_or_nothing(run: Path, command: Command, tmp_path: Path) -> None:
    """What a failed fit leaves is nothing, or a model that opens and answers."""
    if run.exists():
        assert not list(run.glob(".best*"))
        assert command("predict", run, big(tmp_path)).status == 0


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data.csv` and a run learned from it."""
    folder = tmp_path_factory.mktemp("fitted")
    arguments = ("fit", GOOD(folder), "--target", "label", *QUICK, "--folder", folder / "run")
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 0
    return folder


@pytest.fixture
def run(fitted: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoiled."""
    return Path(shutil.copytree(fitted / "run", tmp_path / "run"))


def flip_a_byte(best: Path) -> str:
    file = next(best.glob("members/0/*.safetensors"))
    bytes_ = bytearray(file.read_bytes())
    bytes_[-5] ^= 1
    file.unlink()  # the trial's file may be the same one, by a hard link
    file.write_bytes(bytes_)
    return file.name


def cut(name: str) -> Callable[[Path], str]:
    def spoil(best: Path) -> str:
        whole = (best / name).read_bytes()
        (best / name).unlink()
        (best / name).write_bytes(whole[: len(whole) // 2])
        return name

    return spoil


def lose_a_file(best: Path) -> str:
    file = next(best.glob("members/0/*.safetensors"))
    file.unlink()
    return file.name


def add_a_file(best: Path) -> str:
    (best / "members" / "0" / "more.bin").write_bytes(b"more")
    return "more.bin"


def put_a_link(best: Path) -> str:
    (best / "link.json").symlink_to("/etc/hostname")
    return "link.json"


def leave_the_folder(best: Path) -> str:
    manifest = json.loads((best / "manifest.json").read_text())
    manifest["files"]["../../secret"] = {"bytes": 1, "sha256": ""}
    (best / "manifest.json").unlink()
    (best / "manifest.json").write_text(json.dumps(manifest))
    return "'../../secret'"


def lose_the_manifest(best: Path) -> str:
    (best / "manifest.json").unlink()
    return "manifest.json"


def manifest_of_a_list(best: Path) -> str:
    (best / "manifest.json").unlink()
    (best / "manifest.json").write_text("[]")
    return "manifest.json"


def forge(name: str, field: str, value: object) -> Callable[[Path], str]:
    """A file rewritten by hand, its entry in the manifest too."""

    def spoil(best: Path) -> str:
        found = json.loads((best / name).read_text())
        replace(best, name, json.dumps({**found, field: value}).encode())
        return str(best)

    return spoil


def forge_weights(best: Path) -> str:
    name = next(best.glob("members/0/*.safetensors")).relative_to(best).as_posix()
    replace(best, name, (best / name).read_bytes()[:-40])
    return str(best)


def replace(best: Path, name: str, data: bytes) -> None:
    manifest = json.loads((best / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    for place, written in ((name, data), ("manifest.json", json.dumps(manifest).encode())):
        (best / place).unlink()
        (best / place).write_bytes(written)


SPOILED: dict[str, Callable[[Path], str]] = {
    "a byte flipped": flip_a_byte,
    "a file missing": lose_a_file,
    "a file more": add_a_file,
    "a link": put_a_link,
    "a file outside": leave_the_folder,
    "predictor.json cut": cut("predictor.json"),
    "golden.json cut": cut("golden.json"),
    "manifest.json cut": cut("manifest.json"),
    "manifest.json gone": lose_the_manifest,
    "manifest.json a list": manifest_of_a_list,
    "weights cut, hashed again": forge_weights,
    "no members": forge("predictor.json", "members", []),
    "members that are words": forge("predictor.json", "members", ["linear"]),
    "columns that are a number": forge("predictor.json", "columns", 5),
    "one class fewer": forge("predictor.json", "classes", ["bad"]),
    "another format": forge("predictor.json", "format", 99),
    "other answers": forge("golden.json", "answers", [[0.5, 0.5]]),
    "answers that are words": forge("golden.json", "answers", "yes"),
    "a learner that is not known": forge(
        "predictor.json",
        "members",
        [{"learner": "pickle", "version": 1, "backbone": "", "weight": 1.0, "trial": 1}],
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_model_that_was_spoiled_answers_nothing(
    case: str, run: Path, fitted: Path, command: Command, tmp_path: Path
) -> None:
    name = SPOILED[case](run / "best")
    out = tmp_path / "answers.csv"
    refused(
        command, "predict", run, fitted / "data.csv", "--out", out, names=(str(run / "best"), name)
    )
    refused(command, "evaluate", run, fitted / "data.csv", names=(name,))
    assert not out.exists()


def test_a_summary_that_was_cut(run: Path, command: Command) -> None:
    whole = (run / "summary.json").read_text()
    (run / "summary.json").write_text(whole[: len(whole) // 2])
    refused(command, "leaderboard", run, names=("summary.json",))


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_a_run_that_is_not_there(name: str, fitted: Path, command: Command, tmp_path: Path) -> None:
    refused(command, name, tmp_path / "rum", fitted / "data.csv", names=("rum", "no run folder"))


def test_a_folder_that_holds_no_model(fitted: Path, command: Command, tmp_path: Path) -> None:
    refused(command, "predict", tmp_path, fitted / "data.csv", names=(str(tmp_path), "no model"))
    refused(command, "leaderboard", tmp_path, names=(str(tmp_path), "no model"))


def test_a_name_too_long_for_a_run(fitted: Path, command: Command) -> None:
    refused(command, "predict", "x" * 300, fitted / "data.csv", names=("xxx", "no run folder"))


def test_a_file_in_the_place_of_a_run(fitted: Path, command: Command) -> None:
    data = fitted / "data.csv"
    refused(command, "predict", data, data, names=(str(data),))


BAD_ROWS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "a column less": (lines("review,label", "a,good"), ("'age'", "trained on", "data.csv")),
    "no file": (lambda folder: folder / "date.csv", ("There is no file", "date.csv")),
    "no rows": (lines("review,age"), ("data.csv", "no rows")),
    "ragged rows": (lines("review,age", "a,1", "b"), ("data.csv", "line 3", "1 cell")),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_answered(
    case: str, fitted: Path, command: Command, tmp_path: Path
) -> None:
    make, names = BAD_ROWS[case]
    out = tmp_path / "answers.csv"
    refused(command, "predict", fitted / "run", make(tmp_path), "--out", out, names=names)
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "names"),
    [("missing/answers.csv", ("--out", "missing")), (".", ("--out", "folder"))],
)
def test_answers_that_cannot_be_written(
    out: str, names: tuple[str, ...], fitted: Path, command: Command, tmp_path: Path
) -> None:
    arguments = ("predict", fitted / "run", fitted / "data.csv", "--out", tmp_path / out)
    refused(command, *arguments, names=names)
    assert not list(tmp_path.iterdir())


def test_answers_on_a_full_disk(fitted: Path, tmp_path: Path) -> None:
    def run_limited(*arguments: str | Path) -> Ran:
        return in_a_process(*arguments, largest_file=64)

    arguments = ("predict", fitted / "run", fitted / "data.csv")
    out = tmp_path / "answers.csv"
    refused(run_limited, *arguments, "--out", out, names=("answers.csv", "File too large", "--out"))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_standard_output_on_a_full_disk(fitted: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "tunesmith", "predict", fitted / "run", fitted / "data.csv"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert "No space left" in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.parametrize(
    ("make", "options", "names"),
    [
        (lines("review,age", "a,1"), (), ("'label'", "scored", "data.csv")),
        (lines("review,age,label", "a,1,", "b,2,"), (), ("'label'", "data.csv")),
        (lines(*rows(20)), ("--metrics", "rmse"), ("'rmse'",)),
        (lines(*rows(20)), ("--metrics", "acuracy"), ("'acuracy'", "'accuracy'")),
        (lines(*rows(20)), ("--metrics", ","), ("--metrics",)),
        (
            lines("review,age,label", "a,1,excellent", "b,2,dire"),
            (),
            ("'excellent'", "Known: bad, good", "'label'"),
        ),
    ],
)
def test_scores_that_cannot_be_taken(
    make: Make,
    options: tuple[str, ...],
    names: tuple[str, ...],
    fitted: Path,
    command: Command,
    tmp_path: Path,
) -> None:
    refused(command, "evaluate", fitted / "run", make(tmp_path), *options, names=names)


@pytest.mark.parametrize("data", ["words", "."])
def test_a_name_without_an_ending_is_no_text_to_answer(
    data: str, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    table = lines("review,label", *(f"{text},{'yn'[i % 2]}" for i, text in enumerate(TEXTS)))
    ran = command("fit", table(tmp_path), "--target", "label", *QUICK, "--folder", run)
    assert ran.status == 0, ran.err
    refused(command, "predict", run, data, names=(data,))


def test_a_far_file_under_offline(command: Command, tmp_path: Path) -> None:
    address = "https://example.com/data.csv"
    arguments = ("fit", address, "--target", "label", *QUICK, "--folder", tmp_path / "run")
    refused(command, *arguments, names=(address, "--offline"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("weights", "fetch", "nope"), ("'nope'", "MiniLM")),
        (("weights", "path", "nope"), ("'nope'", "MiniLM")),
        (("leaderboard", "/nowhere/run"), ("/nowhere/run",)),
        (("predict", "/nowhere/run"), ("DATA", "--help")),
        (("ft",), ("'ft'", "fit")),
    ],
)
def test_other_commands(
    arguments: tuple[str, ...], names: tuple[str, ...], command: Command
) -> None:
    refused(command, *arguments, names=names)


def test_a_model_that_diverges_is_a_failed_trial(
    command: Command, checkpoint: str, tmp_path: Path
) -> None:
    pins = ("neural.lr=1e99", "neural.epochs=1", f"neural.backbone={checkpoint}")
    pinned = ("--learners", "neural", *(word for pin in pins for word in ("--set", pin)))
    refused_fit(command, GOOD(tmp_path), *pinned, names=("No model could be fitted", "diverged"))


def test_a_file_name_that_is_no_text_is_read(command: Command, tmp_path: Path) -> None:
    data = GOOD(tmp_path).rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    ran = command("fit", data, "--target", "label", *QUICK, "--folder", tmp_path / "run")
    assert ran.status == 0, ran.err
    assert command("predict", tmp_path / "run", data).status == 0


def test_new_words_and_empty_cells_are_answered(
    fitted: Path, command: Command, tmp_path: Path
) -> None:
    asked = (
        "never seen before,1e9",
        ",",
        "lovely soft warm,",
        ",33",
        "lovely,n/a",
        "x,not a number",
    )
    ran = command("predict", fitted / "run", lines("review,age", *asked)(tmp_path))
    assert ran.status == 0, ran.err
    answers = ran.out.splitlines()[1:]
    assert len(answers) == len(asked)
    assert set(answers) <= {"good", "bad"}
    assert answers[2] == "good"


def test_new_categories_are_answered(command: Command, tmp_path: Path) -> None:
    shops = [f"shop{i % 3},{i % 5},{'yn'[i % 3 == 0]}" for i in range(60)]
    data, folder = lines("shop,size,label", *shops)(tmp_path), tmp_path / "run"
    assert command("fit", data, "--target", "label", *QUICK, "--folder", folder).status == 0
    asked = lines("size,shop,more", "3,shop9,x", ",shop0,", ",,")(tmp_path)
    ran = command("predict", folder, asked, "--probabilities")
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 4
    assert "nan" not in ran.out


def test_a_few_missing_numbers_in_the_target_are_left_out(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    data = amounts("NaN", "", "nan")(tmp_path)
    ran = command("fit", data, "--target", "label", *QUICK, "--folder", folder, "--json")
    assert ran.status == 0, ran.err
    rows = json.loads(ran.out)["rows"]
    assert rows["train"] + rows["test"] == 40, "cross-validated: what trains selects as well"


@pytest.mark.parametrize(
    ("make", "options", "names"),
    [
        (content(b""), (), ("data.csv", "empty")),
        (GOOD, ("--target", "lable"), ("'lable'", "'label'")),
        (GOOD, ("--budget", "soon"), ("'soon'",)),
        (GOOD, ("--fodler", "x"), ("--fodler",)),
    ],
)
def test_a_process_ends_as_the_call_does(
    make: Make, options: tuple[str, ...], names: tuple[str, ...], tmp_path: Path
) -> None:
    refused_fit(in_a_process, make(tmp_path), *options, names=names)


def test_without_quiet_the_paragraph_is_the_last_thing_told(tmp_path: Path) -> None:
    arguments = ["--target", "label", "--folder", tmp_path / "run", "--budget", "5s", "--offline"]
    ran = in_a_process("fit", lines("review,label", *(["a,x"] * 30))(tmp_path), *arguments)
    assert ran.status == 2
    assert ran.err[ran.err.index("error: ") :].count("\n") <= 5
    assert not (tmp_path / "run").exists()
    assert os.listdir(tmp_path) == ["data.csv"]
