"""Planning: learners of columns that are told what checkpoints make of texts and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.records import Candidate, Card, Problem
from tunesmith.core.space import Choice, default, to_dict
from tunesmith.learners import learners
from tunesmith.learners._frozen import (
    lightest,
    lightest_of_pictures,
    readers_of_pictures,
    readers_of_texts,
)
from tunesmith.learners._with_embeddings import BOTH, EMBEDDING, NONE, TOPICS
from tunesmith.pipeline.reading_costs import (
    READ_SHARE,
    START_SECONDS,
    USUAL_SIDE,
    reading_seconds,
    side_in_time,
)

SHORT_SHARE = 0.25
"""Of the budget: a checkpoint that takes longer at its own size gives way to the smallest."""
FUSION_SECONDS = 2.0
QUICK_FUSIONS = 2
"""Heads that take seconds over features that are read: they come before trees over the same."""
WAYS = {
    "Late": "one linear head over frozen features of all columns",
    "Gated": "a layer for each kind of column, and gates that weigh the kinds in every row",
    "Transformer": "a token for each column, and attention among them",
}
COMPONENTS = 64
"""What networks are given of a text or a picture. Of 0, 64 and 256, on two data sets: gates came to
0.750, 0.840 and 0.787, and 0.825, 0.860 and 0.840 of right answers among the validation rows."""

Pins = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Readers:
    """Who reads texts and pictures beside columns, empty where nobody does, and the side of the
    pictures in pixels, 0 for the checkpoint's own."""

    text: str = ""
    pictures: str = ""
    size: int = 0

    @staticmethod
    def best(problem: Problem, pins: Mapping[str, Any], clock: Clock) -> tuple[Readers, str]:
        """Those pinned; else of texts the best one that reads them in a part of the budget, of
        pictures the best one, smaller if need be; and why one is missing, empty where none is."""
        given, limit = problem.data.with_columns(problem.inputs), READ_SHARE * clock.limit_seconds
        text, reason = _pinned(pins.get("text_backbone")), ""
        if given.of_kind("text") and not text:
            cards, reason = readers_of_texts(problem)
            costs = [reading_seconds(card, problem) for card in cards]
            text = _best(cards, costs, limit)
        pictures, size = _pinned(pins.get("picture_backbone")), 0
        if given.of_kind("image") and not pictures and not reason:
            cards, reason = readers_of_pictures(problem)
            costs = [reading_seconds(card, problem) for card in cards]
            pictures = _best(cards, costs, SHORT_SHARE / READ_SHARE * limit)
        if pictures:
            size = _size_in_time(pictures, problem, clock)
        return Readers(text, pictures, size), reason

    @staticmethod
    def of(
        problem: Problem, found: list[Candidate], clock: Clock, notes: list[str], learner: str
    ) -> Readers:
        """What a probe or a fusion before is to read with, so that nothing is read twice; or the
        smallest checkpoints on this machine. A note says why there is none, and who sees less for
        it."""
        given = problem.data.with_columns(problem.inputs)
        fused = [candidate.config for candidate in found if candidate.learner == "fusion"]
        if fused:
            names = ("text_backbone", "picture_backbone", "picture_size")
            return Readers(*(fused[0][name] for name in names))
        text = pictures = ""
        size = 0
        if problem.several:
            notes.append(
                f"of texts beside other columns {learner} sees topics, of pictures none: with "
                "several labels a row each has a model of its own"
            )
            return Readers()
        if given.of_kind("text"):
            text, reason = lightest(problem)
            if not text:
                notes.append(f"of texts beside other columns {learner} sees topics: {reason}")
        if given.of_kind("image"):
            pictures, size = _of_probe(found)
            if not pictures:
                pictures, reason = lightest_of_pictures(problem)
                if reason:
                    notes.append(f"of pictures beside other columns {learner} sees none: {reason}")
                else:
                    size = _size_in_time(pictures, problem, clock)
        return Readers(text, pictures, size)

    def seconds(self, problem: Problem) -> float:
        """About what reading takes."""
        found = START_SECONDS
        for name in filter(None, (self.text, self.pictures)):
            card = zoo.card_for(name)
            is_small = card.modality == "image" and self.size
            share = (self.size / USUAL_SIDE) ** 2 if is_small else 1.0
            found += share * reading_seconds(card, problem)
        return found


def _size_in_time(name: str, problem: Problem, clock: Clock) -> int:
    """At how many pixels a checkpoint reads pictures in a part of the budget, 0 for its own."""
    card, limit = zoo.card_for(name), READ_SHARE * clock.limit_seconds
    found = side_in_time(card, reading_seconds(card, problem), limit)[0]
    return int(found.get("size", 0))


def _pinned(pin: Any) -> str:
    """The checkpoint that a pin names, the first of several."""
    return str(pin.values[0] if isinstance(pin, Choice) else pin or "")


def _best(cards: Sequence[Card], costs: Sequence[float], limit: float) -> str:
    """The best that costs no more, else the first; empty where there is none."""
    fits = [card for card, cost in zip(cards, costs, strict=True) if cost <= limit]
    return max(fits, key=lambda card: card.quality).name if fits else cards[0].name if cards else ""


def is_fused(problem: Problem) -> bool:
    """Whether a fit fuses columns by itself: pictures beside texts or beside other pictures, which
    no other learner reads at once."""
    given = problem.data.with_columns(problem.inputs)
    texts, pictures = given.of_kind("text"), given.of_kind("image")
    return len(pictures) > 1 or bool(texts and pictures)


def with_others(problem: Problem, pins: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    """Of a network that reads one kind of content, who reads the others."""
    readers, _ = Readers.best(problem, pins, clock)
    return {
        "text_backbone": readers.text,
        "picture_backbone": readers.pictures,
        "picture_size": readers.size,
    }


def fusions(
    problem: Problem, pins: Mapping[str, Any], clock: Clock, notes: list[str]
) -> list[Candidate]:
    """One head over all columns, then gates and a transformer over the same features."""
    readers, reason = Readers.best(problem, pins, clock)
    if reason:
        notes.append(f"fusion is left out: {reason}")
        return []
    read = {
        "text_backbone": readers.text,
        "picture_backbone": readers.pictures,
        "picture_size": readers.size,
    }
    kind = learners["fusion"].config
    found: list[Candidate] = []
    for way, told in WAYS.items():
        components = 0 if way == "Late" else COMPONENTS
        chosen = {"fusion": way, **read, "components": components, **pins}
        config = to_dict(default(kind, chosen))
        seconds = FUSION_SECONDS + (0.0 if found else readers.seconds(problem))
        found.append(Candidate("fusion", config, told, seconds))
    return found[:1] if "fusion" in pins else found


def _of_probe(found: list[Candidate]) -> tuple[str, int]:
    """The checkpoint and size that the first probe is to read pictures with."""
    for candidate in found:
        if candidate.learner == "probe":
            name = str(candidate.config["backbone"])
            if zoo.card_for(name).modality == "image":
                return name, int(candidate.config["size"])
    return "", 0


def with_embeddings(
    found: list[Candidate], problem: Problem, pins: Pins, clock: Clock, notes: list[str]
) -> list[Candidate]:
    """The candidates, and the first learner of columns a second time, told of texts and pictures
    what checkpoints on this machine make of them: after the probe, or the fusions that are quick
    once the first has read, or last."""
    sees = [c for c in found if "text" in c.config]
    if not sees or not problem.data.with_columns(problem.inputs).of_kind("text", "image"):
        return found
    plain = [c for c in sees if not {"text", "pictures"} & set(pins.get(c.learner, {}))]
    silent: list[str] = []
    readers = Readers.of(problem, found, clock, notes if plain else silent, sees[0].learner)
    found = [_said_who_reads(c, readers) for c in found]
    if not plain or not (readers.text or readers.pictures):
        return found
    chosen: dict[str, Any] = {}
    if readers.text:
        chosen |= {"text": BOTH, "text_backbone": readers.text}
    if readers.pictures:
        chosen |= {"pictures": EMBEDDING, "picture_backbone": readers.pictures}
        chosen |= {"picture_size": readers.size}
    chosen |= pins.get(plain[0].learner, {})
    config = to_dict(default(learners[plain[0].learner].config, chosen))
    fused = [place for place, c in enumerate(found) if c.learner == "fusion"][:QUICK_FUSIONS]
    probes = fused or [place for place, c in enumerate(found) if c.learner == "probe"]
    place = probes[-1] + 1 if probes else len(found)
    again = Candidate(
        plain[0].learner, config, _told(plain[0].learner, readers), readers.seconds(problem)
    )
    return [*found[:place], again, *found[place:]]


def _told(learner: str, readers: Readers) -> str:
    told = f"{learner} again, with frozen features of the "
    if not readers.pictures:
        return f"{told}texts beside their topics"
    both = "texts and pictures" if readers.text else "pictures"
    return f"{told}{both} beside the columns"


def _said_who_reads(candidate: Candidate, readers: Readers) -> Candidate:
    """The candidate; where its texts or pictures are embedded and no checkpoint is named, by
    these."""
    config = dict(candidate.config)
    if config.get("text", TOPICS) != TOPICS and not config["text_backbone"]:
        config["text_backbone"] = readers.text
    if config.get("pictures", NONE) != NONE and not config["picture_backbone"]:
        config |= {"picture_backbone": readers.pictures, "picture_size": readers.size}
    return replace(candidate, config=config)
