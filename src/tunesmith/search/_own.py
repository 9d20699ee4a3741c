"""What the studies of our own share: proposals are numbered, and what came of them is kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.core.contracts import Study
from tunesmith.core.dimensions import Values
from tunesmith.core.space import Scalar


@dataclass(frozen=True)
class Seen:
    """A proposal that has ended, with its scores, None where it failed; what it took; and the share
    of the whole work, or of the rows, after which the scores were."""

    values: Values
    scores: tuple[float, ...] | None
    cost: float | None = None
    share: float = 1.0


@dataclass
class OwnStudy(Study):
    """Numbers proposals and keeps the history in the order in which they ended."""

    seen: list[Seen] = field(default_factory=list, init=False)
    open: dict[int, Values] = field(default_factory=dict, init=False)
    _number: int = field(default=0, init=False)

    @abstractmethod
    def propose(self) -> Values | None:
        """The next proposal; None where there is nothing left."""

    def ask(self) -> tuple[int, Mapping[str, Scalar]] | None:
        values = self.propose()
        if values is None:
            return None
        self._number += 1
        self.open[self._number] = values
        return self._number, values

    def tell(
        self,
        proposal: int,
        scores: Sequence[float] | None,
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        values = self.open.pop(proposal)
        self.seen.append(Seen(values, None if scores is None else tuple(scores), cost, share))

    def add(
        self,
        values: Mapping[str, Scalar],
        scores: Sequence[float],
        cost: float | None = None,
        share: float = 1.0,
    ) -> None:
        self.seen.append(Seen(dict(values), tuple(scores), cost, share))
