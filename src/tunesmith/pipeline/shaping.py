"""Whether a fit searches architectures, or is given one: which learners and dimensions that opens,
what it fixes, and with what it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith import zoo
from tunesmith.core.architecture import Architecture
from tunesmith.core.errors import ConfigError, DataError, did_you_mean
from tunesmith.core.records import Candidate, Problem
from tunesmith.core.runfolder import read_json
from tunesmith.core.space import Range, check_pins, default, to_dict
from tunesmith.learners import learners
from tunesmith.pipeline.architectures import FILE
from tunesmith.pipeline.plan import SEARCHED, Pins, modality_of, refuse, whole_names
from tunesmith.pipeline.run import Run

AUTO, START, PIN = "auto", "start", "pin"
HOW = (
    'architecture= takes True, False, "auto", the file or dict of an architecture, or '
    '{"start": FILE} to begin with one.'
)
WORTH: Mapping[tuple[str, str], float] = {("cell", "text"): 6.0}
"""By learner and what its networks read ("text" or "image"): where its architectures have won on
held-out rows beyond the interval, and for how many trials of it there must be time then. `auto`
searches no others. See docs/architecture-search.md."""
UNPROVEN = "it has not been worth its time on such data elsewhere"
WORTH_TRIALS = 40
"""Where trials are counted and not time, so many are enough."""

MOST_LETTERS = 200
"""Of a name that is told in an error: it may be a whole file by mistake."""

Asked = bool | str | Mapping[str, Any]
"""As a request has it: True, False, "auto", {"pin": architecture} or {"start": architecture}."""


def asked_of(told: Any) -> Asked:
    """What a user asked for, with an architecture read from its file.

    Raises:
        ConfigError: It is none of what may be asked for, or holds no architecture.
    """
    if isinstance(told, bool) or told == AUTO:
        return bool(told) if isinstance(told, bool) else AUTO
    if isinstance(told, Mapping) and set(told) == {START}:
        return {START: _read(told[START]).to_dict()}
    return {PIN: _read(told).to_dict()}


def _read(told: Any) -> Architecture:
    """An architecture from a value, a file, a run folder or a saved model."""
    if isinstance(told, Architecture):
        return told
    if isinstance(told, Mapping):
        return Architecture.from_dict(told)
    if not isinstance(told, str | Path):
        raise ConfigError(f"An architecture cannot be {told!r}. {HOW}")
    place = Path(told)
    inside = (place / FILE, place / "best" / FILE)
    try:
        file = next((one for one in (*inside, place) if one.is_file()), None)
    except OSError:  # such as of a name that is too long
        file = None
    if file is None:
        name = str(told)
        shown = name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS]}…"
        raise ConfigError(f"There is no architecture in {shown or 'a file without a name'}. {HOW}")
    try:
        return Architecture.from_dict(read_json(file))
    except DataError as error:
        raise ConfigError(f"{error} {HOW}") from error
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def given(asked: Asked) -> Architecture | None:
    """The architecture that is fixed, or begun with; None where none was given."""
    if not isinstance(asked, Mapping):
        return None
    return Architecture.from_dict(next(iter(asked.values())))


def with_given(asked: Asked, pins: Pins, wanted: Sequence[str] | None = None) -> Pins:
    """The pins with what fixes the architecture that was given; one to begin with is checked, and
    where no checkpoint is on this machine but its own, that is fixed.

    Raises:
        ConfigError: Its learner is not known, is not `wanted` or cannot make it, or a pin says
            otherwise.
    """
    found = given(asked)
    if found is None:
        return pins
    if wanted is not None and found.learner not in wanted:
        raise ConfigError(
            f"The architecture is of the learner {found.learner!r}, and only {', '.join(wanted)} "
            "may be tried: name it too, or leave `learners` away."
        )
    own, fixed = pins.get(found.learner, {}), _made_of(found)
    check_pins(learners[found.learner].config, fixed)
    for path, value in fixed.items():
        if path in own and not _allows(own[path], value):
            raise ConfigError(
                f"The architecture has {found.learner}.{path}={value!r}, and the space has "
                f"{own[path]!r}: leave one of them away."
            )
    if isinstance(asked, Mapping) and PIN in asked:
        return {**pins, found.learner: {**own, **fixed}}
    if not found.backbone or "backbone" in own or _are_here(zoo.card_for(found.backbone).modality):
        return pins
    return {**pins, found.learner: {**own, "backbone": found.backbone}}


def _are_here(modality: str) -> bool:
    """Whether any checkpoint that has a name is on this machine."""
    return any(zoo.is_here(card) for card in zoo.cards(modality))


def _allows(pin: Any, value: Any) -> bool:
    return bool(pin.allows(value)) if isinstance(pin, Range) else bool(pin == value)


def _made_of(architecture: Architecture) -> dict[str, Any]:
    """What of its learner's config makes an architecture.

    Raises:
        ConfigError: The learner is not known, cannot make it, or its checkpoint is not known or has
            another number of blocks.
    """
    name = architecture.learner
    if name not in learners:
        raise ConfigError(
            f"The architecture is of a learner {name!r}, which there is not."
            f"{did_you_mean(name, learners)}"
        )
    fixed = dict(whole_names({name: learners[name].shaped(architecture)})[name])
    card = zoo.card_for(fixed["backbone"]) if "backbone" in fixed else None
    if card and card.blocks and card.blocks != len(architecture.blocks):
        raise ConfigError(
            f"The architecture has {len(architecture.blocks)} blocks, and its backbone {card.name} "
            f"has {card.blocks}: tell of each, and of what is removed by kept=false."
        )
    return fixed


@dataclass(frozen=True)
class Opened:
    """The learners whose architecture is searched, in which order anything is tried, and why."""

    learners: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    reason: str


def beside(asked: Asked, problem: Problem) -> tuple[str, ...]:
    """Learners that are planned for beside the usual ones."""
    found = given(asked)
    own = () if found is None else (found.learner,)
    if not asked or (isinstance(asked, Mapping) and PIN in asked):
        return own
    kind = modality_of(problem)
    worth = tuple(name for name in SEARCHED if (name, kind) in WORTH)
    wanted = worth if asked == AUTO else SEARCHED
    return (*own, *(name for name in wanted if name in learners and name not in own))


def opened(
    asked: Asked,
    run: Run,
    problem: Problem,
    candidates: Sequence[Candidate],
    pins: Pins,
    wanted: Sequence[str] | None = None,
) -> Opened:
    """What of the candidates is searched as an architecture. `wanted` are the learners that were
    asked for, all usual ones if None.

    Raises:
        ConfigError: It was asked for, and none of them has any.
    """
    every = tuple(candidates)
    shaped = tuple(dict.fromkeys(c.learner for c in every if _has_shapes(c.learner)))
    if not asked or (isinstance(asked, Mapping) and PIN in asked):
        return Opened((), every, _told_closed(asked))
    if asked != AUTO:
        if not shaped:
            tried = ", ".join(dict.fromkeys(one.learner for one in every))
            able = ", ".join(name for name in learners if _has_shapes(name))
            raise ConfigError(
                f"There is no architecture to search: none of the learners that can learn this "
                f"({tried}) has any. Of all learners {able or 'none'} has; they read texts or "
                "pictures. Leave `architecture` away."
            )
        return Opened(
            shaped, _begun(asked, problem, every, pins), f"asked for: {', '.join(shaped)}"
        )
    worth: list[str] = []
    told: list[str] = []
    for name in shaped:
        is_asked = name in SEARCHED and name in (wanted or pins)
        why = "" if is_asked else _why_not(name, run, problem, every)
        (told if why else worth).append(f"{name}: {why}" if why else name)
    kept = tuple(one for one in every if one.learner not in SEARCHED or one.learner in worth)
    reason = f"searched: {', '.join(worth)}" if worth else "the fixed ones are kept"
    if not shaped:
        told = ["no learner that is tried has any to search"]
    told += [f"{name}: {UNPROVEN}" for name in SEARCHED if name not in shaped]
    return Opened(tuple(worth), kept, "; ".join([reason, *told]))


def _told_closed(asked: Asked) -> str:
    found = given(asked)
    return "not searched" if found is None else f"fixed as given, for the learner {found.learner!r}"


def _has_shapes(name: str) -> bool:
    return name in SEARCHED or bool(learners[name].shapes)


def _why_not(name: str, run: Run, problem: Problem, candidates: Sequence[Candidate]) -> str:
    """Why `auto` leaves the architectures of a learner out; empty where they are worth the time."""
    if problem.is_few:
        return "with few examples the best of many shapes is so by luck"
    key = (name, modality_of(problem))
    if key not in WORTH:
        return UNPROVEN
    if not run.clock.has_deadline():
        most = run.most_trials
        is_worth = most is None or most >= WORTH_TRIALS
        return "" if is_worth else f"it takes {WORTH_TRIALS} trials, {most} are planned"
    seconds = max((one.cost_seconds for one in candidates if one.learner == name), default=0.0)
    left, wanted = run.clock.left(), WORTH[key] * seconds
    if left >= wanted:
        return ""
    return f"it takes about {wanted:.0f} s to search, {left:.0f} s are left"


def _begun(
    asked: Asked, problem: Problem, candidates: tuple[Candidate, ...], pins: Pins
) -> tuple[Candidate, ...]:
    """The candidates with the architecture to begin with, all else as pinned, before all others
    that read by a checkpoint."""
    found = given(asked)
    if found is None:
        return candidates
    config = to_dict(
        default(learners[found.learner].config, {**pins.get(found.learner, {}), **_made_of(found)})
    )
    alike = (one.cost_seconds for one in candidates if one.learner == found.learner)
    first = Candidate(
        found.learner, config, "the architecture to begin with", next(alike, 0.0), is_given=True
    )
    refuse(problem, first)
    reads = (n for n, one in enumerate(candidates) if one.config.get("backbone"))
    place = next(reads, len(candidates))
    return (*candidates[:place], first, *candidates[place:])


def widened(pins: Pins, names: Sequence[str]) -> Pins:
    """The pins with the dimensions that are searched for the sake of an architecture, where a pin
    does not say otherwise."""
    more = {name: {**learners[name].shapes, **pins.get(name, {})} for name in names}
    return {**pins, **more}
