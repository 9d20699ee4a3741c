"""The results of a run so far, in the order of their trials, best first, and by learner: kept up to
date as each comes, so that a search of ten thousand trials sorts nothing anew."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from tunesmith.core.records import Result
from tunesmith.learners._with_embeddings import checkpoints

Key = Callable[[Result], tuple[float, float, int]]


def kind_of(result: Result) -> tuple[str, str]:
    """Its learner, and the checkpoint that it reads with, or both where it reads texts and
    pictures; empty where there is none."""
    return result.trial.learner, ", ".join(checkpoints(result.trial.config).values())


def again_seconds(result: Result) -> float:
    """What a trial would cost once more: nothing that is stored is computed again."""
    return result.fit_seconds - result.stored_seconds


@dataclass
class _Column:
    """The results of one learner: all, those with a score, what these took, in order, and how many
    came since the best. What trials on a part of the rows took is counted apart, as if it had been
    all of them."""

    every: list[Result] = field(default_factory=list)
    scored: list[Result] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    again_seconds: list[float] = field(default_factory=list)
    by_part_seconds: list[float] = field(default_factory=list)
    since_best: float = 0.0

    def count(self, result: Result) -> None:
        """What a result took, among the others."""
        bisect.insort(self.fit_seconds, result.fit_seconds)
        bisect.insort(self._again(result), again_seconds(result) / result.trial.share)

    def discount(self, result: Result) -> None:
        again, seconds = self._again(result), again_seconds(result) / result.trial.share
        del self.fit_seconds[bisect.bisect_left(self.fit_seconds, result.fit_seconds)]
        del again[bisect.bisect_left(again, seconds)]

    def _again(self, result: Result) -> list[float]:
        return self.again_seconds if result.trial.share == 1 else self.by_part_seconds


class Results(Sequence[Result]):
    """As a sequence: every trial once, as it ended last. `key` orders those with a score, best
    first."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._every: list[Result] = []
        self._places: dict[int, int] = {}
        self._ranked: list[Result] = []
        self._columns: dict[str, _Column] = {}
        self._paused: list[Result] = []
        self._firsts: dict[tuple[str, str], Result] = {}

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
        if all(self._key(result) < self._key(other) for other in column.scored[:1]):
            column.since_best = 0
        bisect.insort(column.scored, result, key=self._key)
        bisect.insort(self._ranked, result, key=self._key)
        column.count(result)
        if result.status == "stopped":
            bisect.insort(self._paused, result, key=self._key)
        first = self._firsts.setdefault(kind_of(result), result)
        if self._key(result) < self._key(first):
            self._firsts[kind_of(result)] = result

    def _replace(self, place: int, result: Result) -> None:
        old, column = self._every[place], self._columns[result.trial.learner]
        self._every[place] = result
        column.every = [one for one in column.every if one is not old]
        column.scored = [one for one in column.scored if one is not old]
        self._ranked = [one for one in self._ranked if one is not old]
        self._paused = [one for one in self._paused if one is not old]
        if old.score is not None:
            column.discount(old)
        kind = kind_of(old)
        if self._firsts.get(kind) is old:
            del self._firsts[kind]
            next_best = next((one for one in self._ranked if kind_of(one) == kind), None)
            if next_best is not None:
                self._firsts[kind] = next_best
        self._note(column, result)

    def ranked(self, learner: str | None = None) -> list[Result]:
        """Those with a score, best first, of one learner or of all."""
        return self._ranked if learner is None else self._column(learner).scored

    def of(self, learner: str) -> list[Result]:
        """Those of one learner, in the order in which they came."""
        return self._column(learner).every

    def paused(self) -> list[Result]:
        """Those with a score that a stopper has ended, or that looked at a part of the rows, best
        first."""
        return self._paused

    def firsts(self) -> list[Result]:
        """The best of every learner on every checkpoint."""
        return list(self._firsts.values())

    def numbered(self, number: int) -> Result:
        """The trial of that number, as it ended last."""
        return self._every[self._places[number]]

    def fit_seconds(self, learner: str) -> list[float]:
        """What each trial of a learner with a score took, the shortest first."""
        return self._column(learner).fit_seconds

    def again_seconds(self, learner: str) -> list[float]:
        """What each would cost once more on all rows, the shortest first; by those on a part where
        there are no others."""
        column = self._column(learner)
        return column.again_seconds or column.by_part_seconds

    def since_best(self, learner: str) -> float:
        """How many trials of a learner came after its best one, those on a part of the rows by
        their share; all where none has a score."""
        return self._column(learner).since_best

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
