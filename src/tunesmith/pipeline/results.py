"""The results of a run so far, in the order of their trials, best first, and by learner: kept up to
date as each comes, so that a search of ten thousand trials sorts nothing anew."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from tunesmith.core.records import Result

Key = Callable[[Result], tuple[float, float, int]]


@dataclass
class _Column:
    """The results of one learner: all, those with a score, how many came since the best, and the
    longest fit of a model."""

    every: list[Result] = field(default_factory=list)
    scored: list[Result] = field(default_factory=list)
    since_best: float = 0.0
    longest_seconds: float = 0.0


class Results(Sequence[Result]):
    """As a sequence: every trial once, as it ended last. `key` orders those with a score, best
    first."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._every: list[Result] = []
        self._places: dict[int, int] = {}
        self._ranked: list[Result] = []
        self._columns: dict[str, _Column] = {}

    @classmethod
    def of_all(cls, key: Key, results: Sequence[Result]) -> Results:
        """Those that came in this order."""
        found = cls(key)
        for result in results:
            found.add(result)
        return found

    def add(self, result: Result) -> None:
        """Note one; in place of the last one of the same trial, where there is any."""
        place = self._places.get(result.trial.number)
        if place is not None:
            self._replace(place, result)
            return
        self._places[result.trial.number] = len(self._every)
        self._every.append(result)
        column = self._columns.setdefault(result.trial.learner, _Column())
        self._note(column, result)

    def _note(self, column: _Column, result: Result) -> None:
        column.every.append(result)
        column.since_best += result.trial.share
        if result.score is None:
            return
        column.longest_seconds = max(column.longest_seconds, result.fit_seconds)
        if all(self._key(result) < self._key(other) for other in column.scored[:1]):
            column.since_best = 0
        bisect.insort(column.scored, result, key=self._key)
        bisect.insort(self._ranked, result, key=self._key)

    def _replace(self, place: int, result: Result) -> None:
        old, column = self._every[place], self._columns[result.trial.learner]
        self._every[place] = result
        column.every = [one for one in column.every if one is not old]
        column.scored = [one for one in column.scored if one is not old]
        self._ranked = [one for one in self._ranked if one is not old]
        self._note(column, result)

    def ranked(self, learner: str | None = None) -> list[Result]:
        """Those with a score, best first, of one learner or of all."""
        return self._ranked if learner is None else self._column(learner).scored

    def of(self, learner: str) -> list[Result]:
        """Those of one learner, in the order in which they came."""
        return self._column(learner).every

    def since_best(self, learner: str) -> float:
        """How many trials of a learner came after its best one, those on a part of the rows by
        their share; all where none has a score."""
        return self._column(learner).since_best

    def longest_seconds(self, learner: str) -> float:
        """What the longest trial of a learner that came to a model took; 0 where none did."""
        return self._column(learner).longest_seconds

    def _column(self, learner: str) -> _Column:
        return self._columns.get(learner) or _Column()

    @overload
    def __getitem__(self, place: int) -> Result: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Result]: ...
    def __getitem__(self, place: int | slice) -> Result | Sequence[Result]:
        return self._every[place]

    def __len__(self) -> int:
        return len(self._every)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._every)
