"""A command line run in this process, as `main` runs it, and a table that is quick to learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tunesmith.cli.main import main


@dataclass(frozen=True)
class Ran:
    """Exit status, standard output and standard error of one command."""

    status: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `tunesmith ARGUMENTS`."""

    def run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ran(end.value.code, out, err)

    return run


def write_table(path: Path, rows: int) -> Path:
    """Reviews whose words decide the label, with a number and a category beside them."""
    words = (("awful cheap torn", "bad"), ("lovely soft warm", "good"))
    lines = ["review,age,shop,label"]
    for row in range(rows):
        text, label = words[row % 2]
        lines.append(f"{text} number{row},{20 + row % 40},shop{row % 3},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "train.csv", 120)
