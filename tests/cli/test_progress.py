"""A fit told on a terminal and in plain lines."""

from __future__ import annotations

import io

import pytest

from tunesmith.cli.progress import Panel, line, progress
from tunesmith.core.events import Event

EVENTS = (
    Event("stage", 0.1, {"name": "reading", "left_seconds": 59.9}),
    Event("finding", 0.5, {"check": "duplicates", "message": "3 rows twice"}),
    Event("reason", 0.6, {"about": "task", "text": "two labels"}),
    Event("trial", 1.0, {"trial": 0, "learner": "majority", "backbone": "", "reason": "cheapest"}),
    Event("score", 1.1, {"trial": 0, "score": 0.5, "progress": 0.5}),
    Event(
        "result",
        1.2,
        {
            "trial": 0,
            "learner": "majority",
            "status": "done",
            "score": 0.5,
            "low": 0.4,
            "high": 0.6,
            "fit_seconds": 0.1,
            "reason": "",
        },
    ),
    Event(
        "best",
        1.3,
        {
            "trial": 0,
            "learner": "majority",
            "metric": "accuracy",
            "score": 0.5,
            "low": 0.4,
            "high": 0.6,
        },
    ),
    Event(
        "result",
        2.0,
        {
            "trial": 1,
            "learner": "neural",
            "status": "failed",
            "score": None,
            "low": None,
            "high": None,
            "fit_seconds": 0.1,
            "reason": "no memory",
        },
    ),
    Event("note", 2.1, {"text": "blending gained nothing"}),
    Event("final", 2.2, {"score": 0.7, "low": 0.6, "high": 0.8, "metric": "accuracy", "rows": 40}),
)


def test_without_a_terminal_each_event_of_interest_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress(quiet=False) as listeners:
        for event in EVENTS:
            for listener in listeners:
                listener(event)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(EVENTS) - 1  # a score on the way is of no interest in a log
    assert lines[0] == "[    0.1 s] stage: reading, 59.9 s left"
    assert "best so far: accuracy 0.5000 [0.4000, 0.6000], majority" in err
    assert "trial 1 failed after 0.1 s (no memory)" in err


def test_quiet_says_nothing() -> None:
    with progress(quiet=True) as listeners:
        assert listeners == ()


def test_an_event_of_a_later_version_is_passed_over() -> None:
    assert line("moon", {}) == ""


def test_the_panel_holds_stage_best_trials_and_time_left() -> None:
    from rich.console import Console

    screen = io.StringIO()
    panel = Panel(Console(file=screen, width=120))
    for event in EVENTS:
        panel(event)
    panel.console.print(panel.draw())
    text = screen.getvalue()
    assert "reading" in text
    assert "accuracy 0.5000 [0.4000, 0.6000], majority" in text
    assert "1 done, 1 failed" in text
    assert "time left    5" in text
    assert "audit: duplicates: 3 rows twice" in text


def test_a_fit_without_a_deadline_has_no_time_left() -> None:
    from rich.console import Console

    screen = io.StringIO()
    panel = Panel(Console(file=screen, width=120))
    panel(Event("stage", 0.0, {"name": "reading", "left_seconds": None}))
    panel.console.print(panel.draw())
    assert "no limit" in screen.getvalue()
