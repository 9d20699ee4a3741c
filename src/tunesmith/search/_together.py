"""Several searches as one: they take turns, and each learns from what the others proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.core.contracts import Searcher, Study
from tunesmith.core.dimensions import Values
from tunesmith.core.errors import ConfigError
from tunesmith.core.seeds import derive
from tunesmith.core.space import Range, Scalar
from tunesmith.search._shelf import searchers


def named(search: str | Sequence[str]) -> Searcher:
    """The searcher of that name, or several that share their history.

    Raises:
        ConfigError: A name is not known, or none is given.
    """
    names = [search] if isinstance(search, str) else list(search)
    if not names:
        raise ConfigError(f"No search is named. Known: {', '.join(searchers)}.")
    found = [searchers[name] for name in names]
    know = all(one.knows_shares for one in found)
    return found[0] if len(found) == 1 else Together(tuple(names), know)


@dataclass(frozen=True)
class Together(Searcher):
    """Turns, in the order of the names; those that go first until they have nothing left."""

    names: tuple[str, ...]
    knows_shares: bool = False

    def refuses(self, ranges: Mapping[str, Range], goals: int) -> str:
        told = ((name, searchers[name].refuses(ranges, goals)) for name in self.names)
        return "; ".join(f"{name}: {reason}" for name, reason in told if reason)

    def begin(
        self,
        ranges: Mapping[str, Range],
        *,
        seed: int,
        goals: int = 1,
        known: Sequence[Mapping[str, Scalar]] = (),
    ) -> Study:
        studies = [
            searchers[name].begin(ranges, seed=derive(seed, name), goals=goals, known=known)
            for name in self.names
        ]
        return _Turns(studies, [searchers[name].goes_first for name in self.names])


@dataclass
class _Turns(Study):
    studies: list[Study]
    first: list[bool]
    used_up: set[int] = field(default_factory=set)
    open: dict[int, tuple[int, int, Values]] = field(default_factory=dict)
    turn: int = 0
    number: int = 0

    def ask(self) -> tuple[int, Mapping[str, Scalar]] | None:
        while len(self.used_up) < len(self.studies):
            place = self._next()
            asked = self.studies[place].ask()
            if asked is None:
                self.used_up.add(place)
                continue
            self.number += 1
            self.open[self.number] = (place, *asked)
            return self.number, asked[1]
        return None

    def _next(self) -> int:
        left = [place for place in range(len(self.studies)) if place not in self.used_up]
        eager = [place for place in left if self.first[place]]
        if eager:
            return eager[0]
        self.turn += 1
        return left[(self.turn - 1) % len(left)]

    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        place, inner, values = self.open.pop(proposal)
        self.studies[place].tell(inner, scores, cost, share)
        for other, study in enumerate(self.studies):
            if other != place and scores is not None:
                study.add(values, scores, cost, share)

    def add(
        self,
        values: Mapping[str, Scalar],
        scores: Sequence[float],
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        for study in self.studies:
            study.add(values, scores, cost, share)
