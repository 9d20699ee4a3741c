"""Values and imports as source text, laid out as `ruff format` would. Whatever a user's data says
(names of columns, labels, paths) gets into a script through `literal` alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Setting

WIDTH = 88
INDENT = "    "


def literal(value: Any, indent: int = 0, taken: int = 0) -> str:
    """A value of Python's own types as source, on one line where it fits between `taken` columns
    and the width, else an item a line, `indent` steps in.

    Raises:
        TypeError: It is of no such type.
    """
    flat = _flat(value)
    if taken + len(flat) <= WIDTH or not isinstance(value, list | tuple | Mapping) or not value:
        return flat
    inner = INDENT * (indent + 1)
    lines = [f"{inner}{item}," for item in _items(value, indent + 1)]
    opening, closing = _brackets(value)
    return "\n".join([opening, *lines, INDENT * indent + closing])


def _items(value: Sequence[Any] | Mapping[Any, Any], indent: int) -> list[str]:
    start = len(INDENT) * indent + 1  # the comma behind it
    if not isinstance(value, Mapping):
        return [literal(item, indent, start) for item in value]
    keys = [f"{_flat(key)}: " for key in value]
    return [
        key + literal(item, indent, start + len(key))
        for key, item in zip(keys, value.values(), strict=True)
    ]


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, Mapping):
        return "{", "}"
    return ("[", "]") if isinstance(value, list) else ("(", ")")


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        opening, closing = _brackets(value)
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return opening + ", ".join(map(_flat, value)) + comma + closing
    raise TypeError(f"A {type(value).__name__} cannot be written into a script.")


def quoted(text: str) -> str:
    """A text as a literal on one line, in double quotes unless single ones need fewer escapes."""
    # What repr escapes: every letter that is not printable, line ends among them.
    bare = repr(f"'\"{text}")[1:-1].removeprefix("\\'\"")
    if text.count('"') > text.count("'"):
        return f"'{bare}'"
    plain = re.sub(r"\\(.)", lambda found: "'" if found[1] == "'" else found[0], bare)
    return '"' + plain.replace('"', '\\"') + '"'


def assignment(name: str, value: Any) -> str:
    """`NAME = value`; a text that fits the width only on a line of its own has one, in brackets."""
    start, text = f"{name} = ", literal(value, taken=len(name) + 3)
    fits_alone = len(start) + len(text) > WIDTH >= len(INDENT) + len(text)
    return f"{start}(\n{INDENT}{text}\n)" if isinstance(value, str) and fits_alone else start + text


def settings(name: str, values: Mapping[str, Setting]) -> str:
    """`NAME = {…}`, a setting a line, each under what it is."""
    lines = [f"{name} = {{"]
    for key, setting in values.items():
        if setting.about:
            lines.append(f"{INDENT}# {setting.about}")
        start = f"{INDENT}{quoted(key)}: "
        lines.append(f"{start}{literal(setting.value, 1, len(start) + 1)},")
    return "\n".join([*lines, "}"]) if values else f"{name} = {{}}"


def call(function: str, arguments: Sequence[str], *, taken: int, indent: int) -> str:
    """`function(argument, …)` behind `taken` columns, in a statement `indent` steps in."""
    flat = f"{function}({', '.join(arguments)})"
    if taken + len(flat) <= WIDTH:
        return flat
    inner = INDENT * (indent + 1)
    if len(inner) + len(", ".join(arguments)) <= WIDTH:
        return f"{function}(\n{inner}{', '.join(arguments)}\n{INDENT * indent})"
    lines = [f"{inner}{argument}," for argument in arguments]
    return "\n".join([f"{function}(", *lines, f"{INDENT * indent})"])


TYPES = {"table": "pd.DataFrame", "truth": "np.ndarray", "weights": "np.ndarray", "folds": "list"}


def fit_head(name: str, given: Sequence[str] = ("table", "truth")) -> str:
    """The line that a method `fit` of a class begins with, by what it is given."""
    told = ", ".join(["self", *(f"{one}: {TYPES[one]}" for one in given)])
    flat = f'    def fit({told}) -> "{name}":'
    return flat if len(flat) <= WIDTH else f'    def fit(\n        {told}\n    ) -> "{name}":'


def options(values: Mapping[str, Any]) -> list[str]:
    """`name=value` of each."""
    return [f"{name}={_flat(value)}" for name, value in values.items()]


STANDARD = frozenset(
    {
        "argparse",
        "dataclasses",
        "glob",
        "importlib",
        "json",
        "math",
        "pathlib",
        "re",
        "shutil",
        "sys",
        "types",
        "warnings",
    }
)


def imports(lines: Iterable[str]) -> str:
    """Import lines in their usual order: the standard library first, modules before names, what
    comes from one module on one line."""
    modules: set[str] = set()
    names: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith("import "):
            modules.add(line)
            continue
        _, module, _, found = line.split(" ", 3)
        names.setdefault(module, set()).update(found.split(", "))
    whole = [*sorted(modules), *(_from(module, names[module]) for module in sorted(names))]
    groups = [[line for line in whole if _is_standard(line) == is_first] for is_first in (1, 0)]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _is_standard(line: str) -> bool:
    return line.split(" ")[1].partition(".")[0] in STANDARD


def _from(module: str, names: set[str]) -> str:
    ordered = sorted(names, key=lambda name: (not name.isupper(), name.islower(), name))
    flat = f"from {module} import {', '.join(ordered)}"
    if len(flat) <= WIDTH:
        return flat
    return "\n".join([f"from {module} import (", *(f"{INDENT}{n}," for n in ordered), ")"])
