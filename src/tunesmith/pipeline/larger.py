"""Which configs are tried again with larger pictures: those that rank best at a side, at the next
one, at what that is forecast to take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith import zoo
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import TunesmithError
from tunesmith.core.records import Problem, Result
from tunesmith.learners import learners
from tunesmith.pipeline.plan import Pins, fixed, modality_of
from tunesmith.pipeline.reading_costs import USUAL_SIDE, reading_seconds
from tunesmith.pipeline.results import Results, again_seconds
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.sides import BEGIN_SMALL, FIELDS, Ladder, pictures_side
from tunesmith.pipeline.standing import signed
from tunesmith.zoo.backbones import backbone

ONE_IN = 3
"""Of the configs that were tried at a side, one in so many goes on to the next, as in asynchronous
halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020)."""
ROUNDED_SECONDS = 10
LEAST_RANKED = 2
"""Configs at a side before the best of them is that."""


@dataclass(frozen=True)
class Larger:
    """A config with larger pictures: that of a trial, which was so far among so many at its side;
    and the seconds that it should take."""

    result: Result
    config: Mapping[str, Any]
    before: int
    pixels: int
    rank: int
    count: int
    seconds: float

    def told(self, *, in_seconds: bool) -> str:
        """Why, in words; whether time counts."""
        ranked = f"trial {self.result.trial.number} ranked {self.rank} of {self.count}"
        digits = ".0f" if self.seconds >= ROUNDED_SECONDS else ".2g"
        cost = f" is forecast at {self.seconds:{digits}} s" if in_seconds else " is next"
        return f"{ranked} at {self.before} px; {self.pixels} px{cost}"


@dataclass(frozen=True)
class Gained:
    """The scores of each learner's configs by the pixels of the side, higher is better."""

    scores: Mapping[tuple[str, str], Mapping[int, float]]

    def of(self, learner: str, before: int, after: int) -> list[float]:
        """What the same configs gained from one side to another; those of all learners where none
        of this one is known."""
        pairs = [
            (name, one[after] - one[before])
            for (name, _), one in self.scores.items()
            if before in one and after in one
        ]
        return [gain for name, gain in pairs if name == learner] or [gain for _, gain in pairs]


@dataclass
class Growth:
    """The sides of pictures in a search: at which a new config is tried first, which share of the
    work that is, and what is worth trying larger. Off, with a `Ladder` of nothing, where pictures
    are not read, a side is pinned, or the network reads one alone."""

    run: Run
    problem: Problem
    pins: Pins
    results: Results
    is_on: bool
    _ladders: dict[tuple[str, str], Ladder] = field(default_factory=dict)
    _pixels: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_on &= modality_of(self.problem) == "image" and not self.problem.is_few

    def may(self, name: str) -> bool:
        """Whether sides can count for a learner at all."""
        return self.is_on and name in FIELDS

    def ladder(self, name: str, checkpoint: str) -> Ladder:
        """The sides of a learner that reads with a checkpoint."""
        if not self.may(name) or not checkpoint:
            return Ladder(())
        key = (name, checkpoint)
        if key not in self._ladders:
            self._ladders[key] = self._ladder(name, checkpoint)
        return self._ladders[key]

    def _ladder(self, name: str, checkpoint: str) -> Ladder:
        pins, path = self.pins, FIELDS[name][1]
        held = fixed(name, self.problem, pins, self.run.clock.limit_seconds)
        mark = dimensions(learners[name].config, held).get(path)
        try:
            encoder = backbone(checkpoint).encoder
        except TunesmithError:
            return Ladder(())
        if mark is None or not getattr(encoder, "reads_pictures", False) or not encoder.any_size:
            return Ladder(())
        is_asked, pictures = path in pins.get(name, {}), pictures_side(self.problem)
        return Ladder.of(mark, encoder.size, pictures, encoder.readable, is_asked=is_asked)

    def first(self, name: str, read: Mapping[str, Any]) -> dict[str, int]:
        """The side that a new config is tried at, by field; nothing where it is searched like all
        else. `read` is what is stored (`standing.as_read`). What does not begin small under a
        deadline goes on at the side that it began with."""
        who, path = FIELDS.get(name, ("", ""))
        pin = self.pins.get(name, {}).get(who)
        checkpoint = str(pin if isinstance(pin, str) else read.get(who, ""))
        ladder = self.ladder(name, checkpoint)
        if not ladder:
            return {}
        if name not in BEGIN_SMALL and path in read:
            return {path: read[path]}
        tried = self.results.of(name)
        if name not in BEGIN_SMALL and tried and self.run.clock.has_deadline():
            return {path: int(tried[0].trial.config[path])}
        return {path: ladder.rungs[0][0]}

    def of(self, result: Result) -> tuple[Ladder, int]:
        """The sides of a trial's learner and checkpoint, and pixels of the one that it was tried
        at."""
        name = result.trial.learner
        who, path = FIELDS.get(name, ("", ""))
        ladder = self.ladder(name, str(result.trial.config.get(who, "")))
        if not ladder:
            return ladder, 0
        key = str(result.trial.config[who]), int(result.trial.config[path])
        if key not in self._pixels:
            encoder = backbone(key[0]).encoder
            self._pixels[key] = encoder.readable(key[1] or encoder.size)
        return ladder, self._pixels[key]

    def share(self, result: Result) -> float:
        """Of the work with the largest pictures, that of a trial."""
        ladder, pixels = self.of(result)
        return ladder.share(pixels) if ladder else 1.0

    def levelled(self, name: str) -> list[float]:
        """What the trials of a learner should come to at the largest side that one of them was
        tried at, best first and higher is better; nothing where sides do not count."""
        if not self.may(name):
            return []
        each = [(one, *self.of(one)) for one in self.results.ranked(name)]
        if not any(ladder for _, ladder, _ in each):
            return []
        top, gained = max(pixels for _, _, pixels in each), self.gained()
        found = []
        for one, ladder, pixels in each:
            rise, step = 0.0, ladder.above(pixels)
            while step is not None and step[1] <= top:
                known = gained.of(name, pixels, step[1])
                rise += max(0.0, statistics.fmean(known)) if known else 0.0
                pixels, step = step[1], ladder.above(step[1])
            found.append(signed(self.problem, one) + rise)
        return sorted(found, reverse=True)

    def gained(self) -> Gained:
        """What each config has gained from side to side so far."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        for result in self.results:
            ladder, pixels = self.of(result)
            if ladder and result.score is not None:
                scores = found.setdefault((result.trial.learner, _but_for_side(result)), {})
                scores[pixels] = signed(self.problem, result)
        return Gained(found)

    def seconds(self, result: Result, pixels: int) -> float:
        """What a trial should take at another side: training grows with the area; what is frozen is
        read once, by whoever is the first at that side."""
        name, config = result.trial.learner, result.trial.config
        area = (pixels / max(1, self.of(result)[1])) ** 2
        again = again_seconds(result)
        if not learners[name].uses_all_time:
            return again + self._reading_seconds(result, pixels)
        frozen = 1.0 - float(config.get("depth", 0.0))
        return area * again + frozen * self._reading_seconds(result, pixels)

    def _reading_seconds(self, result: Result, pixels: int) -> float:
        """What the checkpoint of a trial takes for all rows at a side; 0 where they were read."""
        checkpoint = str(result.trial.config[FIELDS[result.trial.learner][0]])
        measured = [0.0]
        for one in self.results:
            who = FIELDS.get(one.trial.learner, ("", ""))[0]
            if one.score is None or str(one.trial.config.get(who, "")) != checkpoint:
                continue
            _, side = self.of(one)
            if side == pixels and one.trial.learner != "neural":
                return 0.0
            if one.trial.learner == "probe" and side:
                measured.append(one.stored_seconds * (pixels / side) ** 2)
        usual = reading_seconds(zoo.card_for(checkpoint), self.problem)
        return max(measured) or usual * (pixels / USUAL_SIDE) ** 2

    def once_seconds(self, name: str, first: Mapping[str, int], taken_up: float) -> float | None:
        """What a new config takes at its `first` side and, as far as it is likely to be tried so,
        at the next; None where sides do not count."""
        done = [one for one in self.results.ranked(name) if self.of(one)[0]] if first else []
        if not done:
            return None
        found = []
        for one in done:
            ladder, pixels = self.of(one)
            begin = next((px for value, px in ladder.rungs if value in first.values()), pixels)
            step = ladder.above(begin)
            rest = taken_up * self.seconds(one, step[1]) if step else 0.0
            found.append(self.seconds(one, begin) + rest)
        return statistics.median(found)

    def larger(self, name: str, is_tried: Callable[[Mapping[str, Any]], bool]) -> Iterator[Larger]:
        """The configs of a learner that rank among the best one in `ONE_IN` at their side and were
        not tried at the next, each with what that should take."""
        by_side: dict[int, list[Result]] = {}
        for result in self.results.ranked(name):
            ladder, pixels = self.of(result)
            if ladder and result.trial.share == 1 and not math.isnan(signed(self.problem, result)):
                by_side.setdefault(pixels, []).append(result)
        for pixels, ranked in by_side.items():
            if len(ranked) < LEAST_RANKED:
                continue
            for rank, result in enumerate(ranked[: math.ceil(len(ranked) / ONE_IN)], start=1):
                step = self.of(result)[0].above(pixels)
                if step is None or result.status != "done":
                    continue
                config = {**result.trial.config, FIELDS[name][1]: step[0]}
                if is_tried(config):
                    continue
                took = self.seconds(result, step[1])
                yield Larger(result, config, pixels, step[1], rank, len(ranked), took)


def _but_for_side(result: Result) -> str:
    """A trial's config, all but the side, as a key."""
    _, path = FIELDS[result.trial.learner]
    return repr(sorted((k, v) for k, v in result.trial.config.items() if k != path))
