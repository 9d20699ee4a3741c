"""What is written into a script means what it was, and looks as a formatter would leave it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tunesmith.core.contracts import Setting
from tunesmith.export._writing import assignment, imports, settings

NASTY = (
    *("", "a", "it's", 'say "x"', "both ' and \"", 'two "" and \'', "''\"", "\\", "\\'", '\\"'),
    *(
        '"); import os #',
        "'''",
        '"""',
        "line\nend\r\t\0",
        "\u2028 \u200b",
        "\ud800",
        "café ✓",
        "{x}",
    ),
)


def formatted(code: str) -> str:
    tool = Path(sys.executable).with_name("ruff")
    command = [tool, "format", "--isolated", "--line-length", "88", "-"]
    return subprocess.run(command, input=code, capture_output=True, text=True, check=True).stdout


def meaning(code: str) -> Any:
    return ast.literal_eval(code.partition(" = ")[2])


VALUES: list[Any] = [
    *([1, 2.5, None, True], {"a": {}, "b": (), "c": (1,)}, ["x" * 30] * 4, list(NASTY)),
    {word: [word] * 3 for word in NASTY},
    {"long": {"deep": [{"deeper": "y" * 60}, "z" * 90]}, "short": (1, 2)},
    [f"column {i}" for i in range(7)],
    [f"column {i}" for i in range(8)],
    *("w" * length for length in range(76, 88)),
]


@pytest.mark.parametrize("value", [*NASTY, *VALUES], ids=lambda value: ascii(value)[:20])
def test_a_value_reads_back_as_it_was(value: Any) -> None:
    code = assignment("NAME", value)
    assert meaning(code) == value
    ast.parse(code)


def test_values_are_laid_out_as_a_formatter_would() -> None:
    lines = [assignment("NAME", value) for value in [*NASTY, *VALUES]]
    lines.append(settings("SET", {"a": Setting(1, "One."), "b": Setting(VALUES[-1])}))
    code = "\n".join(lines) + "\n"
    assert formatted(code) == code


def test_anything_but_plain_values_is_refused() -> None:
    with pytest.raises(TypeError):
        assignment("NAME", {"path": Path("x")})


def test_imports_stand_once_and_in_order() -> None:
    given = ["import numpy as np", "from b import C, d", "import json", "from b import a, C"]
    assert imports(given) == "import json\n\nimport numpy as np\nfrom b import C, a, d"
