"""Pins as a person writes them, in Python, YAML or on the command line, made into values and
ranges: `1e-4`, `[1e-4, 1e-3]` (one of these), `log(1e-5, 1e-3)`, `linear(0, 0.3)`, `int(1, 8)`,
`choice(a, b)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.errors import ConfigError
from tunesmith.core.space import Choice, Int, Linear, Log

CALL = re.compile(r"\s*(log|linear|int|choice)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)
MADE = {"log": Log, "linear": Linear, "int": Int, "choice": Choice}
HOW = (
    "Write a value, a list of values, or log(1e-5, 1e-3), linear(0, 0.3), int(1, 8), choice(a, b)."
)


def read_pins(pins: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """By learner and dotted field, what a user fixes or narrows; fields may be nested.

    Raises:
        ConfigError: Names the field whose range cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    for learner, fields in (pins or {}).items():
        if not isinstance(fields, Mapping):
            raise ConfigError(
                f"What is fixed of {learner!r} is a table of fields, not {fields!r}: "
                f'for example {{"{learner}": {{"lr": 1e-4}}}}.'
            )
        found[str(learner)] = dict(_flat(fields, f"{learner}."))
    return found


def write_pins(pins: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same as plain values for JSON, which `read_pins` reads."""
    return {
        learner: {path: _written(pin) for path, pin in fields.items()}
        for learner, fields in pins.items()
    }


def _written(pin: Any) -> Any:
    if isinstance(pin, Choice):
        return list(pin.values)
    if isinstance(pin, Int):
        return f"int({pin.low}, {pin.high}{', log=true' if pin.log else ''})"
    if isinstance(pin, Log | Linear):
        return f"{type(pin).__name__.lower()}({float(pin.low)!r}, {float(pin.high)!r})"
    return pin


def _flat(fields: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat |= _flat(value, where, f"{path}.")
        else:
            flat[path] = _read(value, f"{where}{path}")
    return flat


def _read(value: Any, where: str) -> Any:
    if isinstance(value, list | tuple):
        # YAML takes 1e-5, which has no point, for a word
        return _made("choice", [_word(v) if isinstance(v, str) else v for v in value], where)
    match = CALL.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else _made(match[1].lower(), _arguments(match[2], where), where)


def _made(kind: str, values: Sequence[Any], where: str) -> Any:
    named = [v for v in values if isinstance(v, _Named)]
    plain = [v for v in values if not isinstance(v, _Named)]
    try:
        return MADE[kind](*plain, **{one.name: one.value for one in named})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except TypeError as error:
        raise ConfigError(f"{where} has no range {kind}{tuple(plain)}. {HOW}") from error


class _Named:
    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value


def _arguments(text: str, where: str) -> list[Any]:
    """What stands between the brackets, split at commas: numbers, words, true and false."""
    found: list[Any] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        found.append(_Named(name.strip(), _word(value)) if equals else _word(part))
    if not found:
        raise ConfigError(f"{where} has an empty range. {HOW}")
    return found


def _word(text: str) -> Any:
    text = text.strip()
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, int | float | str | bool) else text
