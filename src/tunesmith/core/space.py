"""Configs are their own search space: what may vary stands in the annotation of the field.

A field annotated with `Log`, `Linear`, `Int` or `Choice` is a dimension. A field whose type is a
config is searched inside. A field whose type is a union of configs is a branch: the class name is
the choice, and only the chosen class's own dimensions are then asked for.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, dataclass_transform, get_args, get_origin

import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass

from tunesmith.core.errors import ConfigError, did_you_mean

C = TypeVar("C")
Scalar = float | int | str | bool | None


@dataclass(frozen=True)
class Log:
    """A number between `low` and `high`, both included, searched on a logarithmic scale."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ConfigError(f"Log needs 0 < low < high, not {self.low} and {self.high}.")

    def allows(self, value: object) -> bool:
        return _is_number(value) and self.low <= float(value) <= self.high  # type: ignore[arg-type]


@dataclass(frozen=True)
class Linear:
    """A number between `low` and `high`, both included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"Linear needs low < high, not {self.low} and {self.high}.")

    def allows(self, value: object) -> bool:
        return _is_number(value) and self.low <= float(value) <= self.high  # type: ignore[arg-type]


@dataclass(frozen=True)
class Int:
    """A whole number between `low` and `high`, both included; `log` for a logarithmic scale."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"Int needs low < high, not {self.low} and {self.high}.")
        if self.log and self.low < 1:
            raise ConfigError(f"Int on a logarithmic scale needs low >= 1, not {self.low}.")

    def allows(self, value: object) -> bool:
        return isinstance(value, int) and _is_number(value) and self.low <= value <= self.high


class Choice:
    """One of the values given, in order where they have one."""

    def __init__(self, *values: Scalar) -> None:
        if not values:
            raise ConfigError("Choice needs at least one value.")
        self.values = values

    def allows(self, value: object) -> bool:
        return value in self.values

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)


Range = Log | Linear | Int | Choice
Space = Mapping[str, Range]
Ask = Callable[[str, Range], Scalar]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass_transform(frozen_default=True)
def config(cls: type[C]) -> type[C]:
    """Make a class a config: a frozen pydantic dataclass that refuses unknown fields and whose
    numbers must be finite."""
    settings = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
    return cast(type[C], pydantic_dataclass(cls, frozen=True, config=settings))


def fields(cls: type) -> tuple[tuple[str, Any, Range | None], ...]:
    """Name, bare type and range (or None) of each field of a config."""
    return _fields(cast(Hashable, cls))


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any, Range | None], ...]:
    every = []
    hints = typing.get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        kind, found = hints[field.name], None
        if get_origin(kind) is Annotated:
            kind, *marks = get_args(kind)
            found = next((m for m in marks if isinstance(m, Log | Linear | Int | Choice)), None)
        every.append((field.name, kind, found))
    return tuple(every)


def branches(kind: Any) -> dict[str, type]:
    """The config classes of a union, by name; one for a nested config; none for a plain type."""
    members = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    classes = [m for m in members if isinstance(m, type) and dataclasses.is_dataclass(m)]
    return {m.__name__: m for m in classes} if len(classes) == len(members) else {}


def space(cls: type, prefix: str = "") -> dict[str, Range]:
    """Every dimension of a config by dotted path; those inside a branch carry its name:
    `optimizer` chooses among `AdamW` and `SGD`, `optimizer.SGD.momentum` counts if it is SGD."""
    found: dict[str, Range] = {}
    for name, kind, mark in fields(cls):
        path, nested = f"{prefix}{name}", branches(kind)
        if mark is not None:
            found[path] = mark
        if len(nested) > 1:
            found[path] = Choice(*nested)
        for branch, member in nested.items():
            inner = f"{path}.{branch}." if len(nested) > 1 else f"{path}."
            found |= space(member, inner)
    return found


def sample(cls: type[C], ask: Ask, pins: Mapping[str, Any] | None = None, prefix: str = "") -> C:
    """Build a config by asking for each dimension on the path actually taken.

    `ask(path, range)` gives a value in the range. `pins` maps dotted paths to a fixed value or to
    a narrower range; fields without a range keep their default.

    Raises:
        ConfigError: A value does not fit its field.
    """
    pins = pins or {}
    values: dict[str, Any] = {}
    for name, kind, mark in fields(cls):
        path, nested = f"{prefix}{name}", branches(kind)
        if len(nested) > 1:
            branch = str(_settle(path, Choice(*nested), ask, pins))
            if branch not in nested:
                raise ConfigError(f"{path} cannot be {branch!r}.{did_you_mean(branch, nested)}")
            values[name] = sample(nested[branch], ask, pins, f"{path}.{branch}.")
        elif nested:
            values[name] = sample(next(iter(nested.values())), ask, pins, f"{path}.")
        elif mark is not None:
            values[name] = _settle(path, mark, ask, pins)
        elif path in pins:
            values[name] = _settle(path, pins[path], ask, pins)
    return make(cls, values)


def _settle(path: str, mark: Any, ask: Ask, pins: Mapping[str, Any]) -> Any:
    pin = pins.get(path, mark)
    return ask(path, pin) if isinstance(pin, Log | Linear | Int | Choice) else pin


def check_pins(cls: type, pins: Mapping[str, Any]) -> None:
    """Refuse pins that name no field or give a value the field cannot take.

    Raises:
        ConfigError: Names the pin and the nearest field.
    """
    known = space(cls)
    plain = set(_plain(cls))
    for path, value in pins.items():
        if path not in known and path not in plain:
            raise ConfigError(
                f"{cls.__name__} has no field {path!r}.{did_you_mean(path, [*known, *plain])}"
            )
        mark = known.get(path)
        if isinstance(mark, Choice) and not _are_numbers(mark):
            for one in value.values if isinstance(value, Choice) else (value,):
                if not mark.allows(one):
                    known_values = map(str, mark.values)
                    raise ConfigError(
                        f"{path} cannot be {one!r}.{did_you_mean(str(one), known_values)}"
                    )
        whole = isinstance(mark, Int) or (
            isinstance(mark, Choice) and all(type(one) is int for one in mark.values)
        )
        if whole and isinstance(value, Log | Linear):
            raise ConfigError(f"{path} is a whole number: give int(low, high), not {value}.")
        way = {p: path[len(p) + 1 :].partition(".")[0] for p in known if path.startswith(f"{p}.")}
        for one in _ends(value):
            default(cls, way | {path: one})


def _ends(pin: Any) -> tuple[Any, ...]:
    """What of a pin must suit its field: the ends of a range, every value of a choice."""
    if isinstance(pin, Choice):
        return pin.values
    return (pin.low, pin.high) if isinstance(pin, Log | Linear | Int) else (pin,)


def _are_numbers(mark: Choice) -> bool:
    """Whether other values than these may be meant."""
    return all(_is_number(value) for value in mark.values)


def _plain(cls: type, prefix: str = "") -> Iterator[str]:
    """The dotted paths of the fields that have no range, those of every branch included."""
    for name, kind, mark in fields(cls):
        path, nested = f"{prefix}{name}", branches(kind)
        if mark is None and not nested:
            yield path
        for branch, member in nested.items():
            yield from _plain(member, f"{path}.{branch}." if len(nested) > 1 else f"{path}.")


def default_of(cls: type, path: str, mark: Range) -> Scalar:
    """The default value at a dotted path, or the first value of the range where the default lies
    outside it."""
    flat = flatten(cls())
    if path in flat and mark.allows(flat[path]):
        return flat[path]
    for name, kind, _ in fields(cls):
        nested = branches(kind)
        for branch, member in nested.items():
            inner = f"{name}.{branch}." if len(nested) > 1 else f"{name}."
            if path not in flat and path.startswith(inner):
                return default_of(member, path.removeprefix(inner), mark)
    return mark.values[0] if isinstance(mark, Choice) else mark.low


def default(cls: type[C], pins: Mapping[str, Any] | None = None) -> C:
    """The default config with the pins set: the first trial."""
    return sample(cls, lambda path, mark: default_of(cls, path, mark), pins)


def flatten(value: object) -> dict[str, Scalar]:
    """The dimensions of a config and their values, by the same dotted paths as `space`."""
    known = space(type(value))
    return {path: inner for path, inner in leaves(value).items() if path in known}


def leaves(value: object, prefix: str = "") -> dict[str, Scalar]:
    """Every value of a config by dotted path, those of fields without a range too."""
    flat: dict[str, Scalar] = {}
    for name, kind, _ in fields(type(value)):
        path, inner = f"{prefix}{name}", getattr(value, name)
        nested = branches(kind)
        if len(nested) > 1:
            flat[path] = type(inner).__name__
            flat |= leaves(inner, f"{path}.{type(inner).__name__}.")
        elif nested:
            flat |= leaves(inner, f"{path}.")
        else:
            flat[path] = inner
    return flat


def make(cls: type[C], values: Mapping[str, Any]) -> C:
    """Validate values into a config.

    Raises:
        ConfigError: Names the field, what is wrong, and the nearest valid name.
    """
    try:
        return cls(**values)
    except pydantic.ValidationError as error:
        raise ConfigError(_explain(cls, error)) from error


def to_dict(value: object) -> dict[str, Any]:
    """A config as plain values for JSON; a branch also carries its class as `kind`."""
    plain: dict[str, Any] = {}
    for name, kind, _ in fields(type(value)):
        inner, nested = getattr(value, name), branches(kind)
        if nested:
            tag = {"kind": type(inner).__name__} if len(nested) > 1 else {}
            plain[name] = tag | to_dict(inner)
        else:
            plain[name] = inner
    return plain


def from_dict(cls: type[C], plain: Mapping[str, Any]) -> C:
    """The config that `to_dict` wrote.

    Raises:
        ConfigError: A field is unknown or does not fit.
    """
    values = dict(plain)
    for name, kind, _ in fields(cls):
        nested = branches(kind)
        if nested and isinstance(values.get(name), Mapping):
            inner = dict(values[name])
            branch = inner.pop("kind", "") if len(nested) > 1 else next(iter(nested))
            if branch not in nested:
                raise ConfigError(f"{name} cannot be {branch!r}.{did_you_mean(branch, nested)}")
            values[name] = from_dict(nested[branch], inner)
    return make(cls, values)


def _explain(cls: type, error: pydantic.ValidationError) -> str:
    known = [name for name, _, _ in fields(cls)]
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "unexpected_keyword_argument":
            lines.append(f"{cls.__name__} has no field {where!r}.{did_you_mean(where, known)}")
        else:
            lines.append(
                f"{cls.__name__}.{where} cannot be {problem['input']!r}: {problem['msg']}."
            )
    return " ".join(lines)
