"""Planning: learners of columns that are told what checkpoints make of texts and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import Clock
from tunesmith.core.records import Candidate, Problem
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.learners._frozen import lightest, lightest_of_pictures
from tunesmith.learners._with_embeddings import BOTH, EMBEDDING, NONE, TOPICS
from tunesmith.pipeline.reading_costs import (
    READ_SHARE,
    START_SECONDS,
    USUAL_SIDE,
    reading_seconds,
    side_in_time,
)

Pins = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Readers:
    """Who reads texts and pictures beside columns, empty where nobody does, and the side of the
    pictures in pixels, 0 for the checkpoint's own."""

    text: str = ""
    pictures: str = ""
    size: int = 0

    @staticmethod
    def of(
        problem: Problem, found: list[Candidate], clock: Clock, notes: list[str], learner: str
    ) -> Readers:
        """What a probe before is to read with, so that nothing is read twice; or the smallest
        checkpoints on this machine. A note says why there is none, and who sees less for it."""
        given = problem.data.with_columns(problem.inputs)
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
            if pictures and not size:
                card, limit = zoo.card_for(pictures), READ_SHARE * clock.limit_seconds
                size = side_in_time(card, reading_seconds(card, problem), limit)[0].get("size", 0)
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
    what checkpoints on this machine make of them: after the probe, which has read them by then, or
    last."""
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
    probes = [place for place, c in enumerate(found) if c.learner == "probe"]
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
