"""The journal: one event a line, appended and flushed before the next step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
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


@dataclass
class Journal:
    """Appends events to a file and tells them to the listeners, in that order."""

    path: Path
    clock: Clock
    listeners: tuple[Listener, ...] = ()

    def write(self, kind: str, **facts: Any) -> Event:
        """Append one event; on the disk when this returns.

        Raises:
            DataError: The disk is full or the file cannot be written.
        """
        event = Event(kind, round(self.clock.elapsed(), 3), facts)
        told = sayable({"event": kind, "seconds": event.seconds, **facts})
        line = json.dumps(told, allow_nan=False)
        try:
            self._append(line)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        for listener in self.listeners:
            listener(event)
        return event

    def _append(self, line: str) -> None:
        with self.path.open("ab+") as file:
            if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                line = "\n" + line  # the last line was cut short by a crash
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal; a line cut short by a crash is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                facts = json.loads(line)
            except json.JSONDecodeError:
                continue
            yield Event(facts.pop("event"), facts.pop("seconds"), facts)
