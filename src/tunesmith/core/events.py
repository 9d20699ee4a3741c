"""The journal: one event a line, appended and flushed before the next step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.core.clock import Clock
from tunesmith.core.runfolder import cannot_write, sayable


@dataclass(frozen=True)
class Event:
    """Something that happened, `seconds` after the fit began."""

    kind: str
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]
PASSING = ("score",)
"""Events that no resumed run goes by: handed to the system at once, but not waited for until they
are on the disk, so that many trials may tell of themselves."""


@dataclass
class Journal:
    """Appends events to a file and tells them to the listeners, in that order."""

    path: Path
    clock: Clock
    listeners: tuple[Listener, ...] = ()

    def write(self, kind: str, **facts: Any) -> Event:
        """Append one event; on the disk when this returns, but for those that pass. A fact cannot
        be called `event` or `seconds`, as the event's own are.

        Raises:
            DataError: The disk is full or the file cannot be written.
        """
        event = Event(kind, round(self.clock.elapsed(), 3), facts)
        told = sayable({**facts, "event": kind, "seconds": event.seconds})
        line = json.dumps(told, allow_nan=False)
        try:
            self._append(line, waits=kind not in PASSING)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        for listener in self.listeners:
            listener(event)
        return event

    def _append(self, line: str, *, waits: bool) -> None:
        with self.path.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                line = "\n" + line  # the last line was cut short by a crash
            file.write(f"{line}\n".encode())
            file.flush()
            if waits:
                os.fsync(file.fileno())


class Held(Journal):
    """Tells the listeners at once, and writes when it is let go: what is under way may be refused
    yet, and then leaves no trace."""

    def __init__(self, path: Path, clock: Clock, listeners: tuple[Listener, ...] = ()) -> None:
        super().__init__(path, clock, listeners)
        self._lines: list[str] = []

    def _append(self, line: str, *, waits: bool) -> None:
        self._lines.append(line)

    def let_go(self) -> None:
        """Write what was held.

        Raises:
            DataError: The disk is full or the file cannot be written.
        """
        try:
            while self._lines:
                super()._append(self._lines.pop(0), waits=True)
        except OSError as error:
            raise cannot_write(self.path, error) from error


class Passing(Journal):
    """Hands events to who keeps the journal, in another process perhaps."""

    def __init__(self, tell: Callable[[str, dict[str, Any]], None], clock: Clock) -> None:
        super().__init__(Path(), clock)
        self._tell = tell

    def write(self, kind: str, **facts: Any) -> Event:
        self._tell(kind, facts)
        return Event(kind, round(self.clock.elapsed(), 3), facts)


def follow(path: Path, is_over: Callable[[], bool], *, wait: Callable[[], None]) -> Iterator[Event]:
    """The events of a journal that may be growing, as they come: until one says that the fit has
    ended, or nobody writes any more and all is read. `wait` is called between looks."""
    at = 0
    while True:
        was_over = is_over()
        at, lines = _whole_lines(path, at)
        for event in map(_event, lines):
            if event is not None:
                yield event
        if was_over:
            return
        wait()


def _whole_lines(path: Path, at: int) -> tuple[int, list[bytes]]:
    """The lines that are complete beyond a place in a file, and where they end."""
    if not path.is_file():
        return at, []
    with path.open("rb") as file:
        file.seek(at)
        found = file.read()
    end = found.rfind(b"\n") + 1
    return at + end, found[:end].splitlines()


def _event(line: bytes | str) -> Event | None:
    """The event of a line; None where it was cut short by a crash."""
    try:
        facts = json.loads(line)
        return Event(facts.pop("event"), facts.pop("seconds"), facts)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal; a line cut short by a crash is left out."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for event in map(_event, file):
            if event is not None:
                yield event


def stages(events: Iterable[Event], end_seconds: float) -> list[dict[str, Any]]:
    """What each stage of a run was planned to take, where that was said, and took, in seconds; one
    that came again, as the run was resumed, in all: its clock goes on at the last event."""
    found: dict[str, dict[str, Any]] = {}
    now, since = "", 0.0
    for event in [*events, Event("stage", end_seconds, {"name": ""})]:
        if event.kind != "stage":
            continue
        if now:
            found[now]["seconds"] = round(found[now]["seconds"] + event.seconds - since, 3)
        now, since = event.facts["name"], event.seconds
        if now:
            stage = found.setdefault(now, {"stage": now, "planned_seconds": None, "seconds": 0.0})
            stage["planned_seconds"] = event.facts.get("planned_seconds", stage["planned_seconds"])
    return list(found.values())
