"""Scouting for a problem: which checkpoints are looked at, and what of it a person is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.errors import ConfigError, WeightsError
from tunesmith.core.records import Card, Dataset, Problem
from tunesmith.modalities.inputs import Inputs
from tunesmith.scouting.chart import Point, plot
from tunesmith.scouting.halving import HALVING, Halving
from tunesmith.scouting.scout import Scouted, scout
from tunesmith.tasks import tasks


@dataclass(frozen=True)
class Scouting:
    """What the scout found for a table, to look at: `table` has a record for each backbone, best
    first; `verdict` says in words who is best, who is tied, who is worse."""

    scouted: Scouted
    rows: int
    limit_seconds: float

    @property
    def verdict(self) -> str:
        return self.scouted.ranking.verdict

    @property
    def table(self) -> list[dict[str, Any]]:
        return self.scouted.table(self.rows, self.limit_seconds)

    @property
    def best(self) -> str:
        """The backbone that stands first."""
        return self.scouted.ranking.order[0]

    @property
    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        ranking = self.scouted.ranking
        return {
            "metric": ranking.metric,
            "rows_read": ranking.rows,
            "rows": self.rows,
            "scout_seconds": round(self.scouted.seconds, 3),
            "stopped": ranking.stopped,
            "verdict": self.verdict,
            "language": self.scouted.languages.main,
            "language_reason": self.scouted.languages.reason,
            "left_out": dict(self.scouted.left_out),
            "table": self.table,
        }

    def plot(self, file: str | Path, depth: str = "0.34") -> Path:
        """Score against the seconds that fine-tuning at a depth takes, as an SVG or HTML file."""
        points = [
            Point(
                row["backbone"],
                row["score"],
                row["low"],
                row["high"],
                max(1e-3, row["depths"][depth]["seconds"]),
                row["depths"][depth]["fits"],
            )
            for row in self.table
            if row["score"] is not None and row["depths"]
        ]
        plot(points, file, metric=self.scouted.ranking.metric)
        return Path(file)


def cards_here(
    named: Sequence[str] | None, kind: str = "text"
) -> tuple[tuple[Card, ...], dict[str, str]]:
    """The checkpoints to look at: those named, or every built-in one of a kind ("text", "image")
    whose bytes are here; and why the others are not.

    Raises:
        ConfigError: A name is not known, or is of another kind.
        WeightsError: None is on this machine.
    """
    wanted = zoo.cards(kind) if named is None else [zoo.card_for(name) for name in named]
    if others := [card.name for card in wanted if card.modality != kind]:
        raise ConfigError(f"{', '.join(others)} cannot read a column of the kind {kind!r}.")
    here = tuple(card for card in wanted if zoo.is_here(card))
    gone = {
        card.name: f"its bytes are not on this machine; run: tunesmith weights fetch {card.name}"
        for card in wanted
        if card not in here
    }
    if not here:
        raise WeightsError(
            "None of these checkpoints is on this machine: "
            f"{', '.join(gone)}. Bring one with: tunesmith weights fetch {next(iter(gone))}"
        )
    return here, gone


def _truth(problem: Problem, train: Dataset) -> NDArray[Any]:
    """What checkpoints are to tell: where rows have several labels, the strata of their sets."""
    if not problem.several:
        return problem.truth("train")
    return tasks[problem.task].strata(train.values(problem.target))


def scout_problem(
    problem: Problem,
    cards: Sequence[Card],
    *,
    clock: Clock,
    seed: int,
    size: int = 0,
    settings: Halving = HALVING,
    most_seconds: float = float("inf"),
    passes_over: bool = False,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Scouted:
    """Scout on the training rows alone: those that validate and test are not looked at.

    Raises:
        ConfigError: No input column holds texts or pictures.
    """
    train = problem.part("train")
    inputs = Inputs.fit(train, problem.inputs)
    if not (inputs.text_names or inputs.image_names):
        raise ConfigError(
            "The scout ranks readers of texts and of pictures, and no input column holds any."
        )
    return scout(
        inputs.contents(train),
        _truth(problem, train),
        cards,
        clock=clock,
        seed=seed,
        size=size,
        settings=settings,
        rows=len(problem.rows),
        most_seconds=most_seconds,
        passes_over=passes_over,
        threads=threads,
        tell=tell,
    )
