"""How a fit is going, on standard error: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.cli.tables import duration, interval, number

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tunesmith.core.events import Event, Listener

Facts = Mapping[str, Any]


@contextmanager
def progress(*, quiet: bool) -> Iterator[tuple[Listener, ...]]:
    """The listeners to give to a fit, for as long as it runs."""
    if quiet:
        yield ()
    elif not sys.stderr.isatty():
        yield (_write_line,)
    else:
        from rich.console import Console
        from rich.live import Live

        panel = Panel(Console(stderr=True))
        with Live(console=panel.console, get_renderable=panel.draw, refresh_per_second=4):
            yield (panel,)


def _write_line(event: Event) -> None:
    text = line(event.kind, event.facts)
    if text:
        print(f"[{event.seconds:7.1f} s] {text}", file=sys.stderr, flush=True)


def line(kind: str, facts: Facts) -> str:
    """One event as a sentence; empty where it is of no interest to a reader."""
    told: dict[str, Callable[[Facts], str]] = {
        "stage": _stage,
        "finding": lambda f: f"audit: {f['check']}: {f['message']}",
        "reason": lambda f: f"{f['about']}: {f['text']}",
        "trial": lambda f: f"trial {f['trial']}: {_model(f)} ({f.get('reason', '')})",
        "result": _result,
        "best": lambda f: f"best so far: {f.get('metric', '')} {_score(f)}, {_model(f)}",
        "resumed": lambda f: (
            f"going on after {duration(f['after_seconds'])} with {f['trials']} trials made"
        ),
        "note": lambda f: str(f["text"]),
        "final": lambda f: (
            f"{f.get('of', 'kept-apart rows')}: {f.get('metric', '')} {_score(f)} "
            f"on {f.get('rows')} rows"
        ),
    }
    return told[kind](facts) if kind in told else ""


def _stage(facts: Facts) -> str:
    left = facts.get("left_seconds")
    return f"stage: {facts['name']}" + (f", {duration(left)} left" if left is not None else "")


def _result(facts: Facts) -> str:
    text = f"trial {facts['trial']} {facts.get('status', '')}"
    if facts.get("score") is not None:
        text += f": {_score(facts)}"
    if facts.get("fit_seconds") is not None:
        text += f" after {duration(facts['fit_seconds'])}"
    return text + (f" ({facts['reason']})" if facts.get("reason") else "")


def _score(facts: Facts) -> str:
    return f"{number(facts.get('score'))} {interval(facts.get('low'), facts.get('high'))}".strip()


def _model(facts: Facts) -> str:
    backbone = facts.get("backbone")
    return f"{facts.get('learner', '')}" + (f" on {backbone}" if backbone else "")


class Panel:
    """Listens to a fit and draws its state: stage, best so far, trials, time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._stage = "starting"
        self._best = "none yet"
        self._now = ""
        self._ended = {"done": 0, "stopped": 0, "failed": 0}
        self._deadline: float | None = None

    def __call__(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "stage":
            self._stage = str(facts["name"])
            left = facts.get("left_seconds")
            self._deadline = None if left is None else time.monotonic() + left
        elif event.kind == "trial":
            self._now = f"{facts['trial']}: {_model(facts)}"
        elif event.kind == "score":
            self._now = f"{self._now.partition(',')[0]}, {_curve(facts)}"
        elif event.kind == "result":
            status = str(facts.get("status", "done"))
            self._ended[status] = self._ended.get(status, 0) + 1
            self._now = ""
        elif event.kind == "best":
            self._best = f"{facts.get('metric', '')} {_score(facts)}, {_model(facts)}"
        if event.kind in ("finding", "reason", "note", "result", "final", "resumed"):
            text = f"[{event.seconds:7.1f} s] {line(event.kind, facts)}"
            self.console.print(text, markup=False, highlight=False)

    def draw(self) -> RenderableType:
        """The state as it is at this moment."""
        from rich.table import Table as RichTable
        from rich.text import Text

        grid = RichTable.grid(padding=(0, 2))
        ended = ", ".join(f"{count} {how}" for how, count in self._ended.items() if count)
        for name, value in (
            ("stage", self._stage),
            ("best so far", self._best),
            ("trials", ended or "none ended"),
            ("now", self._now or "-"),
            ("time left", self._left()),
        ):
            grid.add_row(Text(name, style="dim"), Text(value))
        return grid

    def _left(self) -> str:
        if self._deadline is None:
            return "no limit"
        return duration(max(0.0, self._deadline - time.monotonic()))


def _curve(facts: Facts) -> str:
    progress_made = facts.get("progress")
    share = "" if progress_made is None else f" at {100 * progress_made:.0f} %"
    return f"{number(facts.get('score'))}{share}"
