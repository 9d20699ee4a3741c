"""The grammar of the command line, and how errors are told."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main as entry
from tunesmith.core.errors import DataError

Command = Callable[..., Any]
NAMES = ("fit", "predict", "evaluate", "leaderboard", "zoo", "weights", "demo", "doctor")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(command: Command, name: str) -> None:
    ran = command(name, "--help")
    assert ran.status == 0
    assert "Usage" in ran.out


def test_the_version_is_that_of_the_package(command: Command) -> None:
    assert command("--version").out == f"tunesmith {importlib.metadata.version('tunesmith')}\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["fot", "a.csv"], "fit"),
        (["fit", "a.csv", "--targt", "x"], "--target"),
        (["fit", "a.csv"], "--target"),
        (["fit", "a.csv", "--target", "x", "--trials", "few"], "--trials"),
        (["predict"], "RUN"),
    ],
)
def test_a_mistyped_command_line_names_what_is_meant(
    command: Command, arguments: list[str], hint: str
) -> None:
    ran = command(*arguments)
    assert ran.status == 2
    assert hint in ran.err
    assert ran.out == ""


def test_an_error_to_put_right_is_one_paragraph(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = _with_doctor_raising(DataError("One.\nTwo " + "long " * 40), command, monkeypatch)
    assert ran.status == 2
    assert ran.err.startswith("error: One. Two long")
    assert "\n\n" not in ran.err
    assert "Traceback" not in ran.err
    assert max(map(len, ran.err.splitlines())) <= 100


def test_an_error_of_ours_asks_to_be_reported(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = _with_doctor_raising(ZeroDivisionError("by zero"), command, monkeypatch)
    assert ran.status == 1
    assert "ZeroDivisionError: by zero" in ran.err
    assert "report" in ran.err
    assert "Traceback" not in ran.err


def test_the_traceback_is_there_for_who_asks(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_DEBUG", "1")
    ran = _with_doctor_raising(ZeroDivisionError("by zero"), command, monkeypatch)
    assert "Traceback" in ran.err


def test_an_interrupt_ends_with_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _with_doctor_raising(KeyboardInterrupt(), command, monkeypatch).status == 130


def _with_doctor_raising(
    error: BaseException, command: Command, monkeypatch: pytest.MonkeyPatch
) -> Any:
    def fail() -> str:
        raise error

    monkeypatch.setattr("tunesmith.nn.machine.processor", fail)
    return command("doctor")


def test_a_reader_that_leaves_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    code = "from tunesmith.cli.main import main; main(['--version'])"
    try:
        result = subprocess.run(
            [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(write)
    assert "Traceback" not in result.stderr


def test_the_module_runs_as_the_command_does() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tunesmith", "--version"], capture_output=True, text=True
    )
    assert result.stdout.startswith("tunesmith ")
    assert Path(entry.__file__).name == "main.py"
