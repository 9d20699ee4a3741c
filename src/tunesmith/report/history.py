"""The course of a run, read from its folder: which trials, when, how far, how good."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tunesmith.core.errors import DataError
from tunesmith.core.events import Event, read_journal, stages
from tunesmith.core.runfolder import RunFolder, read_json
from tunesmith.report.board import student_row

STUDENT = 0
"""In place of a trial's number, that of the model which was distilled from them."""
State = Literal["running", "finished", "cut short"]


@dataclass(frozen=True)
class Course:
    """One trial: between which seconds of the run, its scores over the share of its planned work,
    and how it ended (None: it has not)."""

    trial: int
    learner: str
    backbone: str
    config: Mapping[str, Any]
    reason: str
    start_seconds: float
    end_seconds: float | None = None
    status: str = "running"
    score: float | None = None
    low: float | None = None
    high: float | None = None
    curve: tuple[tuple[float, float], ...] = ()
    share: float = 1.0
    """Of the training rows, what it was fitted to last."""
    predict_ms: float | None = None
    size_mb: float | None = None

    @property
    def fidelity(self) -> float:
        """The share of its planned work that it did, or of the rows that it saw, in [0, 1]; 1 for
        who reports none."""
        done = self.curve[-1][0] if self.curve and self.status != "done" else 1.0
        return self.share * done


@dataclass(frozen=True)
class History:
    """A run: its trials in order, its metric, and where it stands."""

    folder: Path
    state: State
    metric: str
    higher_is_better: bool
    courses: tuple[Course, ...]
    seconds: float
    final: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[Mapping[str, Any], ...] = ()
    """What each stage was planned to take, where that was said, and took, in seconds."""
    student: Course | None = None
    """The model that was distilled from the trials, where it was scored on the same rows."""

    @property
    def scored(self) -> tuple[Course, ...]:
        return tuple(one for one in self.courses if one.score is not None)

    @property
    def rivals(self) -> tuple[Course, ...]:
        """The trials with a score, and the model that was distilled from them."""
        return self.scored if self.student is None else (*self.scored, self.student)

    def best(self) -> Course | None:
        """The trial that validates best."""
        sign = 1.0 if self.higher_is_better else -1.0
        return max(self.scored, key=lambda one: sign * (one.score or 0.0), default=None)

    def thinned(self, most: int) -> History:
        """The same with so many trials at most: the better half of them, and of the others every
        so many, so that thousands can be drawn."""
        if len(self.courses) <= most:
            return self
        sign = -1.0 if self.higher_is_better else 1.0
        ranked = sorted(self.scored, key=lambda one: sign * (one.score or 0.0))
        kept = {one.trial for one in ranked[: most // 2]} | {t.trial for t in self._improving()}
        rest = [one for one in self.courses if one.trial not in kept]
        step = max(1, -(-len(rest) // max(1, most - len(kept))))
        kept |= {one.trial for one in rest[::step]}
        return replace(self, courses=tuple(one for one in self.courses if one.trial in kept))

    def front(self) -> set[int]:
        """The trials that no other beats in score and time to answer alike, or the model that was
        distilled from them."""
        sign = 1.0 if self.higher_is_better else -1.0
        known = [one for one in self.rivals if one.predict_ms is not None]
        order = sorted(known, key=lambda one: (one.predict_ms or 0.0, -sign * (one.score or 0.0)))
        found, best = set[int](), float("-inf")
        for one in order:
            if sign * (one.score or 0.0) > best:
                best = sign * (one.score or 0.0)
                found.add(one.trial)
        return found

    def _improving(self) -> list[Course]:
        """The trials that were the best so far when they ended."""
        times = {seconds for seconds, _ in self.bests()}
        return [one for one in self.scored if one.end_seconds in times]

    def bests(self) -> list[tuple[float, float]]:
        """Seconds at which the best score changed, and to what."""
        sign, found = (1.0 if self.higher_is_better else -1.0), list[tuple[float, float]]()
        for one in sorted(self.scored, key=lambda one: one.end_seconds or 0.0):
            assert one.score is not None
            assert one.end_seconds is not None
            if not found or sign * one.score > sign * found[-1][1]:
                found.append((one.end_seconds, one.score))
        return found


def history(folder: Path) -> History:
    """What a run folder tells.

    Raises:
        DataError: It is no run folder.
    """
    place = RunFolder.open(folder)
    events = list(read_journal(place.journal)) if place.journal.is_file() else []
    problem = folder / "problem.json"
    facts = read_json(problem) if problem.is_file() else {}
    final = next((e.facts.get("score") for e in reversed(events) if e.kind == "final"), None)
    return History(
        folder,
        state(place, events),
        str(facts.get("metric", "")),
        bool(facts.get("higher_is_better", True)),
        courses(events),
        max((event.seconds for event in events), default=0.0),
        final,
        facts,
        tuple(stages(events, max((event.seconds for event in events), default=0.0))),
        _student(folder / "summary.json"),
    )


def _student(summary: Path) -> Course | None:
    """The model that was distilled from a run, as a summary tells of it."""
    row = student_row(read_json(summary)) if summary.is_file() else None
    if row is None or not read_json(summary)["distilled"]["among"]["all_rows"]:
        return None
    return Course(
        *(STUDENT, row["learner"], row["backbone"], row["config"], row["reason"], 0.0),
        status=row["status"],
        score=row["score"],
        predict_ms=row["predict_ms_per_row"],
        size_mb=row["size_mb"],
    )


def state(place: RunFolder, events: Iterable[Event]) -> State:
    """Whether a process is at work in a run, it has ended, or it was cut short."""
    if place.is_held():
        return "running"
    last = [event.kind for event in events if event.kind in ("end", "resumed", "trial")]
    return "finished" if last and last[-1] == "end" else "cut short"


def courses(events: Iterable[Event]) -> tuple[Course, ...]:
    """The trials that events tell of, by number; one that was begun again counts from there."""
    found: dict[int, Course] = {}
    for event in events:
        facts, number = event.facts, event.facts.get("trial")
        if event.kind == "trial":
            found[number] = Course(  # type: ignore[index]
                int(facts["trial"]),
                facts["learner"],
                facts.get("backbone", ""),
                facts.get("config", {}),
                facts.get("reason", ""),
                event.seconds,
                share=float(facts.get("share", 1.0)),
            )
        elif event.kind == "score" and number in found:
            point = (float(facts["progress"]), float(facts["score"]))
            found[number] = replace(found[number], curve=(*found[number].curve, point))
        elif event.kind == "result" and number in found:
            found[number] = replace(
                found[number],
                end_seconds=event.seconds,
                status=facts["status"],
                score=facts.get("score"),
                low=facts.get("low"),
                high=facts.get("high"),
                predict_ms=facts.get("predict_ms_per_row"),
                size_mb=facts.get("size_mb"),
            )
    return tuple(found[number] for number in sorted(found))


def runs(folder: Path) -> list[History]:
    """The runs in a folder, or below it, the latest first; one that cannot be read is left out."""
    marks = [*folder.glob("run.json"), *folder.glob("*/run.json"), *folder.glob("*/*/run.json")]
    latest = sorted(set(marks), key=lambda mark: -mark.stat().st_mtime)
    found = []
    for mark in latest:
        with suppress(DataError):
            found.append(history(mark.parent))
    return found
