"""Successive halving: a sample that grows while the ranking is unclear, for those in question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, DataError, TunesmithError
from tunesmith.core.records import Rows
from tunesmith.core.seeds import generator
from tunesmith.scouting.rank import WEIGHTS, Examined, Weights, compare, examine, known_qualities
from tunesmith.scouting.records import Dropped, Ranking, Round, Why
from tunesmith.scouting.target import Target, aim

Readouts = Mapping[str, NDArray[Any]]
Read = Callable[[str, Rows], Readouts]
"""A backbone's name and rows not asked of it before → features of each of its read-outs, shape
(len(rows), width), in that order."""

NUMBER_BINS = 10
GROWTH = 2


@dataclass(frozen=True)
class Halving:
    """How long to look before deciding."""

    first_rows: int = 200
    most_rows: int = 2000
    keep: int = 1
    """This many are read to the end, however clear the best."""
    level: float = 0.98
    """Of the paired interval that must lie below zero for a backbone to be dropped. Above the 0.9
    of one look: there are several, and what is behind on few rows may catch up on more."""
    negligible: float = 0.005
    """Nobody reads on to tell smaller differences, in units of the metric."""


HALVING = Halving()


def halve(
    names: Sequence[str],
    read: Read,
    truth: NDArray[Any],
    *,
    quality: Mapping[str, float],
    clock: Clock,
    seed: int = 0,
    settings: Halving = HALVING,
    weights: Weights = WEIGHTS,
) -> Ranking:
    """Rank backbones on as few rows as it takes: the last of `rounds`."""
    looks = rounds(
        names,
        read,
        truth,
        quality=quality,
        clock=clock,
        seed=seed,
        settings=settings,
        weights=weights,
    )
    last = next(looks)
    for ranking in looks:
        last = ranking
    return last


def rounds(
    names: Sequence[str],
    read: Read,
    truth: NDArray[Any],
    *,
    quality: Mapping[str, float],
    clock: Clock,
    seed: int = 0,
    settings: Halving = HALVING,
    weights: Weights = WEIGHTS,
) -> Iterator[Ranking]:
    """The ranking after each look at a sample that doubles; `stopped` of the last says why no more
    rows were read.

    Each round reads the new rows alone and drops those clearly worse than the best. The same
    seed and answers give the same rounds, unless the clock ends them. A backbone whose `read`
    raises a TunesmithError is dropped with its message. Features of those still in question are
    held in memory.

    Source: Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016; here with a paired test in place of the fixed half.

    Raises:
        ConfigError: There is no backbone, or settings contradict each other.
        DataError: There are fewer than three rows.
    """
    _check(names, settings)
    aim(truth)
    order = nested_order(truth, seed)
    known = known_qualities(names, quality)
    best_known_first = sorted(names, key=lambda name: -known[name])
    race = _Race(read, clock, order, best_known_first)
    most = min(settings.most_rows, len(order))
    size, last = min(settings.first_rows, most), None
    while True:
        whole = race.grow(size, first=last is None)
        if not whole and last is not None:
            late = f"time was up before all were read on {size} rows"
            yield replace(last, dropped=tuple(race.dropped), stopped=late)
            return
        target = aim(truth[order[:size]])
        looked = race.look(target, seed)
        ranking = compare(
            looked, target, known=known, seed=seed, weights=weights, level=settings.level
        )
        race.drop(ranking, settings.keep)
        race.close(ranking)
        stopped = race.reason_to_stop(ranking, size, most, settings)
        last = race.told(ranking, stopped)
        yield last
        if stopped:
            return
        size = min(size * GROWTH, most)


def _check(names: Sequence[str], settings: Halving) -> None:
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"Ranking needs backbones of different names, not {list(names)}.")
    if settings.keep < 1 or settings.first_rows < 3 or settings.most_rows < settings.first_rows:
        raise ConfigError(
            "Halving needs keep of 1 or more and 3 <= first_rows <= most_rows, "
            f"not keep={settings.keep}, first_rows={settings.first_rows}, "
            f"most_rows={settings.most_rows}."
        )


def nested_order(truth: NDArray[Any], seed: int) -> Rows:
    """All rows in an order of which every beginning is a stratified sample: two rows of each class
    first, where they fit, then each class (for numbers: each tenth) in proportion. Shape (rows,).
    """
    dice = generator(seed, "scout", "sample")
    if truth.dtype.kind in "iub":
        _, strata = np.unique(truth, return_inverse=True)
    else:
        strata = np.argsort(np.argsort(truth, kind="stable")) * NUMBER_BINS // len(truth)
    shuffled = dice.permutation(len(truth))
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    counts = np.bincount(strata)
    starts = np.cumsum(counts) - counts
    within = np.arange(len(truth)) - starts[strata[by_stratum]]
    due = (within + dice.random(len(truth))) / counts[strata[by_stratum]]
    return np.asarray(by_stratum[np.lexsort((due, np.minimum(within, 2)))], dtype=np.int64)


@dataclass
class _Race:
    """Who is still read, what was read, and who went when."""

    read: Read
    clock: Clock
    order: Rows
    alive: list[str]
    features: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    row_seconds: dict[str, float] = field(default_factory=dict)
    size: int = 0
    started: float = 0.0
    told_dropped: int = 0

    def grow(self, size: int, *, first: bool) -> bool:
        """Read the rows up to `size` of all alive; False where the clock ended that. In the first
        round those not reached go."""
        self.started = self.clock.elapsed()
        new = self.order[self.size : size]
        for name in tuple(self.alive):
            if self.clock.is_over() and not first:
                return False
            if self.clock.is_over():
                self._out(name, "unread", 0, "time was up")
                continue
            before = self.clock.elapsed()
            try:
                self._append(name, self.read(name, new))
            except TunesmithError as error:
                self._out(name, "failed", size, str(error))
            self.row_seconds[name] = (self.clock.elapsed() - before) / max(1, len(new))
        self.size = size
        return True

    def _append(self, name: str, found: Readouts) -> None:
        held = self.features.get(name)
        if held is None:
            self.features[name] = dict(found)
            return
        if held.keys() != found.keys():
            raise DataError(f"{name} gave {sorted(found)} after {sorted(held)}.")
        self.features[name] = {key: np.concatenate([held[key], found[key]]) for key in held}

    def _out(self, name: str, why: Why, rows: int, reason: str, **scores: float) -> None:
        self.alive.remove(name)
        self.features.pop(name, None)
        self.dropped.append(Dropped(name, why, rows, reason, **scores))

    def look(self, target: Target, seed: int) -> list[Examined]:
        """Examine all alive; features that cannot be used end the reading of a backbone."""
        found = []
        for name in tuple(self.alive):
            try:
                found.append(examine(name, self.features[name], target, seed=seed))
            except TunesmithError as error:
                self._out(name, "failed", self.size, str(error))
        return found

    def drop(self, ranking: Ranking, keep: int) -> None:
        """Worst first, those clearly worse than the best, while more than `keep` are left."""
        for standing in reversed(ranking.standings):
            if not standing.tied and len(self.alive) > keep:
                best = ranking.standings[0].score
                score = standing.score
                reason = f"{score:.2f} against {best:.2f} on {self.size} rows"
                self._out(standing.backbone, "worse", self.size, reason, score=score, best=best)

    def close(self, ranking: Ranking) -> None:
        """Write the round down."""
        gone = tuple(self.dropped[self.told_dropped :])
        self.told_dropped = len(self.dropped)
        seconds = self.clock.elapsed() - self.started
        self.rounds.append(Round(self.size, ranking.standings, gone, seconds))

    def told(self, ranking: Ranking, stopped: str) -> Ranking:
        """The ranking of those alive, with what led to it."""
        left = [i for i, s in enumerate(ranking.standings) if s.backbone in self.alive]
        return replace(
            ranking,
            standings=tuple(ranking.standings[i] for i in left),
            better=ranking.better[np.ix_(left, left)],
            gaps=ranking.gaps[np.ix_(left, left)],
            rounds=tuple(self.rounds),
            dropped=tuple(self.dropped),
            stopped=stopped,
        )

    def reason_to_stop(self, ranking: Ranking, size: int, most: int, settings: Halving) -> str:
        """Empty where another round is worth its rows and fits the clock."""
        if not self.alive:
            late = any(one.why == "unread" for one in self.dropped)
            return "time was up" if late else "no backbone could be read"
        if len(self.alive) == 1:
            return "one is left"
        if len(self.alive) <= settings.keep:
            return f"no more than the {settings.keep} to keep are left"
        left = [i for i, s in enumerate(ranking.standings) if s.backbone in self.alive]
        if float(np.abs(ranking.gaps[left[0], left[1:]]).max()) <= settings.negligible:
            return f"those left differ by less than {settings.negligible:g}"
        if size >= most:
            return f"all {size} rows are read"
        new = min(size * GROWTH, most) - size
        forecast = new * sum(self.row_seconds[name] for name in self.alive)
        if self.clock.is_over() or forecast > self.clock.left():
            return (
                f"{new} more rows would take {forecast:.1f} s, {self.clock.left():.1f} s are left"
            )
        return ""
