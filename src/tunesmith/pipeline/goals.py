"""What a search is to reach: the score, and beside it short answers or a small model."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.records import Problem, Result
from tunesmith.pipeline.standing import signed

GOALS = {
    "score": "the metric of the problem",
    "latency": "milliseconds for a row",
    "size": "megabytes of the saved model",
    "memory": "megabytes that it takes to open it and to answer",
    "parameters": "millions of weights of its network",
}
BYTES_OF_A_NUMBER = 4
"""By which the weights of a model that is no network are counted from its size; where nobody tells
the memory, its size stands for it."""


def check_goals(goals: Sequence[str]) -> tuple[str, ...]:
    """The goals of a search, the score first, whether it was named or not; none where it is alone.

    Raises:
        ConfigError: One is not known.
    """
    for name in goals:
        if name not in GOALS:
            known = ", ".join(f"{name} ({what})" for name, what in GOALS.items())
            raise ConfigError(
                f"There is no goal {name!r}.{did_you_mean(name, GOALS)} Known: {known}."
            )
    found = tuple(dict.fromkeys(("score", *goals)))
    return found if len(found) > 1 else ()


def goals_of(problem: Problem, result: Result, goals: Sequence[str]) -> tuple[float, ...]:
    """A result by each goal, higher is better; the score alone where none is named."""
    values = {
        "score": signed(problem, result),
        "latency": -1000 * result.predict_seconds,
        "size": -result.size_bytes / 1e6,
        "memory": -(result.memory_bytes or result.size_bytes) / 1e6,
        "parameters": -(result.parameters or result.size_bytes / BYTES_OF_A_NUMBER) / 1e6,
    }
    return tuple(values[name] for name in goals or ("score",))
