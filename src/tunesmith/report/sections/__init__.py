"""The sections of a report, one function a file, in the order in which they are read. Each takes
the facts and gives a section, or None where it has nothing to say."""

from __future__ import annotations

from collections.abc import Callable

from tunesmith.report.facts import Facts
from tunesmith.report.section import Section
from tunesmith.report.sections.architecture import architecture
from tunesmith.report.sections.audit import audit
from tunesmith.report.sections.calibration import calibration
from tunesmith.report.sections.card import card
from tunesmith.report.sections.choice import choice
from tunesmith.report.sections.coverage import coverage
from tunesmith.report.sections.curves import curves
from tunesmith.report.sections.errors import errors
from tunesmith.report.sections.fairness import fairness
from tunesmith.report.sections.glance import glance
from tunesmith.report.sections.labelled import labelled
from tunesmith.report.sections.leaderboard import leaderboard
from tunesmith.report.sections.reasons import reasons
from tunesmith.report.sections.search import search
from tunesmith.report.sections.task import task
from tunesmith.report.sections.thresholds import thresholds
from tunesmith.report.sections.use import use

ORDER: tuple[Callable[[Facts], Section | None], ...] = (
    glance,
    use,
    labelled,
    task,
    audit,
    choice,
    search,
    architecture,
    leaderboard,
    errors,
    lambda facts: facts.slices,
    reasons,
    curves,
    calibration,
    thresholds,
    coverage,
    fairness,
    card,
)


def sections(facts: Facts) -> tuple[Section, ...]:
    """What there is to say, in order."""
    told = (section(facts) for section in ORDER)
    return tuple(one for one in told if one is not None)
