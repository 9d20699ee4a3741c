"""The error tree. A message says what was asked, what came, what is allowed, what to do."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from types import ModuleType


class TunesmithError(Exception):
    """Anything the user can put right. At the command line: one paragraph, exit status 2."""


class DataError(TunesmithError):
    """The data cannot be used; names file, row and column."""


class ConfigError(TunesmithError):
    """An option or config field is wrong; names it and the nearest valid one."""


class BudgetError(TunesmithError):
    """The budget is malformed, or the work asked for cannot fit in it."""


class MissingExtra(TunesmithError):
    """An optional package is needed; gives the pip line."""


class WeightsError(TunesmithError):
    """Weights are missing or not what the card says; tells which bytes and where."""


class DataWarning(UserWarning):
    """Data that can be used, though not all of it as it may have been meant."""


class UnsafeArtifact(TunesmithError):
    """A saved thing was changed, is incomplete, or asks for something a loader must not do."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence naming the nearest valid word and all valid ones, to end a message with."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"{hint} Known: {shown or 'none'}."


def need(module: str, *, extra: str) -> ModuleType:
    """Import an optional package where it is used.

    Raises:
        MissingExtra: It is not installed.
    """
    top = module.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        raise MissingExtra(
            f"This needs the package {top!r}, which is not installed. "
            f'Install it with: pip install "tunesmith[{extra}]"'
        )
    return importlib.import_module(module)
