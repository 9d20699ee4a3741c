"""What the scout finds: where each backbone stands, on how many rows, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Why = Literal["worse", "failed", "unread"]


@dataclass(frozen=True)
class Reading:
    """What one read-out (a layer, a pooling) of a backbone gives for the sample, shape
    (rows, width), float32."""

    backbone: str
    readout: str
    features: NDArray[np.float32]


@dataclass(frozen=True)
class Standing:
    """One backbone among the others, at its best read-out.

    `score` estimates, with its interval, the metric after fine-tuning: comparable within one
    ranking. `scores` holds each score in its own unit: `ridge` and `nearest` in the ranking's
    metric, `logme` per row, `h_score`, `n_leep`. `tied` says that it cannot be told from the best.
    """

    backbone: str
    readout: str
    score: float
    low: float
    high: float
    scores: Mapping[str, float]
    quality: float
    tied: bool


@dataclass(frozen=True)
class Dropped:
    """A backbone that was not read to the end: worse than the best on so many rows (its `score`
    and that of the `best` there; NaN for the others), failed, or not reached in time."""

    backbone: str
    why: Why
    rows: int
    reason: str
    score: float = math.nan
    best: float = math.nan


@dataclass(frozen=True)
class Round:
    """One look: on how many rows, who stood where (best first), and who went no further."""

    rows: int
    standings: tuple[Standing, ...]
    dropped: tuple[Dropped, ...]
    seconds: float


@dataclass(frozen=True)
class Ranking:
    """Backbones from best to worst on `rows` rows.

    `better[i, j]` is the probability that standing i is better than standing j; `gaps[i, j]` the
    interval of their difference, at `level`; shapes (standings, standings) and
    (standings, standings, 2). `stopped` says why no more rows were read, empty while they are.
    """

    metric: str
    rows: int
    level: float
    standings: tuple[Standing, ...]
    better: NDArray[np.float64]
    gaps: NDArray[np.float64]
    rounds: tuple[Round, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    stopped: str = ""

    @property
    def order(self) -> tuple[str, ...]:
        """Every backbone that could be read, best first; then those not reached in time."""
        worse = [d.backbone for d in reversed(self.dropped) if d.why == "worse"]
        unread = [d.backbone for d in self.dropped if d.why == "unread"]
        return tuple([s.backbone for s in self.standings] + worse + unread)

    @property
    def verdict(self) -> str:
        """In words: who is best, who is tied with it, who is worse, who could not be read."""
        beaten = any(one.why == "worse" for one in self.dropped)
        return ". ".join([_of_standings(self.standings, beaten), *_of_dropped(self.dropped)])


def _of_standings(standings: Sequence[Standing], beaten: bool) -> str:
    tied = [s for s in standings if s.tied]
    worse = [s for s in standings if not s.tied]
    if not standings:
        return "No backbone was read"
    if len(standings) == 1 and not beaten:
        return f"{standings[0].backbone} alone was read ({standings[0].score:.2f})"
    if len(tied) == 1:
        head = f"{tied[0].backbone} is best"
    else:
        head = f"{listed([s.backbone for s in tied])} are tied"
    span = _span([s.score for s in tied])
    if not worse:
        return f"{head} ({span})"
    verb = "is" if len(worse) == 1 else "are"
    tail = f"{listed([s.backbone for s in worse])} {verb} worse"
    return f"{head}, {tail} ({_span([s.score for s in worse])} against {span})"


def _of_dropped(dropped: Sequence[Dropped]) -> list[str]:
    """A sentence for those that went at the same size of sample, the best of them first."""
    worse = [d for d in reversed(dropped) if d.why == "worse"]
    parts = []
    for rows in sorted({d.rows for d in worse}, reverse=True):
        gone = [d for d in worse if d.rows == rows]
        verb = "is" if len(gone) == 1 else "are"
        span = _span([d.score for d in gone])
        parts.append(
            f"{listed([d.backbone for d in gone])} {verb} worse "
            f"({span} against {gone[0].best:.2f} on {rows} rows)"
        )
    said = {"failed": "could not be read", "unread": "was not read"}
    return parts + [f"{d.backbone} {said[d.why]}: {d.reason}" for d in dropped if d.why in said]


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence: "A", "A and B", "A, B and C"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _span(scores: Sequence[float]) -> str:
    low, high = f"{min(scores):.2f}", f"{max(scores):.2f}"
    return low if low == high else f"{low} to {high}"
