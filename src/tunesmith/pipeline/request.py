"""What a user asked of a fit, written into the run folder so that it can go on without being asked
again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.core.clock import UNLIMITED
from tunesmith.core.errors import ConfigError, DataError
from tunesmith.core.pins import read_pins, write_pins
from tunesmith.core.records import Budget, Dataset
from tunesmith.core.runfolder import REQUEST, read_json, write_json
from tunesmith.data.readers._bytes import is_url


@dataclass(frozen=True)
class Request:
    """The options of a fit. `source` is empty where it was an object in memory, `metric` where it
    is to be chosen or was a callable (`own_metric`). Several targets are columns of 0 and 1."""

    source: str
    target: str | tuple[str, ...]
    budget: Budget
    task: str | None = None
    metric: str | None = None
    own_metric: bool = False
    seed: int = 0
    offline: bool = False
    kinds: Mapping[str, Any] | None = None
    group: str | None = None
    time_column: str | None = None
    split: str | None = None
    folds: int | None = None
    nested: int = 0
    wanted: tuple[str, ...] | None = None
    pins: Mapping[str, Mapping[str, Any]] | None = None
    bad_rows: str = "stop"
    cache: bool = True
    search: str | tuple[str, ...] = "auto"
    stopper: str = "median"
    goals: tuple[str, ...] = ()
    workers: int | None = None
    auto_stack: int = 0
    distill: bool = False
    costs: Any = None
    weights: str | None = None
    sensitive: tuple[str, ...] = ()
    interpretable: bool | str = True
    label_delimiter: str | None = None
    architecture: Any = "auto"

    def write(self, folder: Path) -> None:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        seconds = self.budget.seconds if self.budget.has_deadline() else None
        told["budget"] = {"seconds": seconds, "trials": self.budget.trials}
        told["pins"] = write_pins(self.pins or {})
        try:
            write_json(folder / REQUEST, _plain(told))
        except TypeError as error:
            raise ConfigError(f"An option cannot be written down to go on by: {error}.") from error

    @staticmethod
    def read(folder: Path) -> Request:
        """The request of a run.

        Raises:
            DataError: There is none, or it cannot be understood.
        """
        if not (folder / REQUEST).is_file():
            raise DataError(
                f"{folder} cannot go on: it holds no {REQUEST}. Give a run folder that "
                "`tunesmith fit` has made."
            )
        told = read_json(folder / REQUEST)
        try:
            seconds, trials = told["budget"]["seconds"], told["budget"]["trials"]
            told["budget"] = Budget(UNLIMITED if seconds is None else float(seconds), trials)
            told["pins"] = read_pins(told["pins"])
            told["wanted"] = None if told["wanted"] is None else tuple(told["wanted"])
            told["target"] = _names(told["target"])
            told["search"] = _names(told["search"])
            told["goals"] = tuple(told.get("goals", ()))
            told["sensitive"] = tuple(told.get("sensitive", ()))
            return Request(**told)
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{folder / REQUEST} cannot be understood: {type(error).__name__} {error}. It was "
                "written by another version, or changed."
            ) from error

    def refuse_nested(self, folder: Path, what: str) -> None:
        """Raises:
        ConfigError: The run has kept no rows apart, which what is to be done needs.
        """
        if self.nested:
            raise ConfigError(
                f"{folder} was scored by nested validation: no rows were kept apart to check "
                f"anything else on. To {what}, fit a run without --nested."
            )

    def extended(self, more: Budget | None, *, spent: float, trials: int) -> Request:
        """The same with more time, or more trials, than were spent."""
        if more is None:
            return self
        seconds, most = self.budget.seconds, self.budget.trials
        if more.has_deadline():
            seconds = spent + more.seconds
        if more.trials is not None:
            most = trials + more.trials
            seconds = seconds if more.has_deadline() else UNLIMITED
        elif most is not None and more.has_deadline():
            most = None
        return replace(self, budget=replace(self.budget, seconds=seconds, trials=most))


def _plain(value: Any) -> Any:
    """Numbers of numpy's as Python's own, all through."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.item() if isinstance(value, np.generic) else value


def _names(told: str | Sequence[str]) -> str | tuple[str, ...]:
    return told if isinstance(told, str) else tuple(told)


def source_name(source: Any) -> str:
    """A source as a name that finds it again from elsewhere; empty for an object in memory."""
    if not isinstance(source, str | Path):
        return ""
    text = str(source)
    return text if is_url(text) else str(Path(text).expanduser().absolute())


def refuse_network(source: Any, offline: bool) -> None:
    """Nothing from another machine where no socket may be opened.

    Raises:
        ConfigError: The source is such.
    """
    if offline and is_url(source) and not source.startswith(("file:", "memory:")):
        raise ConfigError(
            f"{source} lies on another machine, and --offline opens no socket. Bring the file here "
            "first, or leave --offline away."
        )


def refuse_far_pictures(data: Dataset, offline: bool) -> None:
    """No picture from another machine where no socket may be opened.

    Raises:
        ConfigError: One lies there.
    """
    for name in data.of_kind("image") if offline else ():
        for cell in data.values(name):
            refuse_network(cell, offline)
