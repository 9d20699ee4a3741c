"""The scout: which backbone suits this data, from frozen features of a few rows; and its cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.clock import Clock
from tunesmith.core.errors import TunesmithError, WeightsError
from tunesmith.core.records import Card
from tunesmith.core.seeds import generator
from tunesmith.data.languages import Languages, detect, suits_language
from tunesmith.scouting.halving import HALVING, Halving, halve
from tunesmith.scouting.records import Ranking
from tunesmith.zoo.backbones import Backbone, backbone, blocks_of

if TYPE_CHECKING:
    from tunesmith.nn.costs import Costs

PICTURED = Languages({}, "", "pictures have none")
READOUTS = ("several", "last", "deep")
CAUSAL_READOUTS = ("several", "last", "ends")
LENGTH = 128
"""Tokens of a text that are read."""
TIMED_ROWS = 256
DEPTHS = (0.0, 0.17, 0.34, 1.0)
EPOCHS = 3
DEARER = 3
BETTER = 0.05
"""A backbone is outdone by another that costs a third of it or less and is known to be so much
better."""
LEAST_OF_RATIO = 0.6
"""A wide network does more operations in a second than a narrow one."""
SPARED_DEPTH = 0.34
SPENT_SHARE = 0.06
"""Of the fits it spares, what reading rows may take; a tenth with opening and measuring."""
MEASURING = 0.5
"""Of the time left, what has been spent before another checkpoint is not opened any more."""
FEWEST_ROWS = 60
ENOUGH, LEAST = 0.7, 0.5
"""Of the rows, that a backbone must be able to read in the time to be taken: better features of so
many tell more than worse ones of all. The second where those that can read more are that much
lower; and to be looked at."""
FEWER_COST = 0.02
"""Of the score, about what a backbone loses that reads between the least and enough of the rows."""
LITTLE = 0.01
"""A cheaper backbone is preferred where it is tied with the best and its score so much lower at
most: few rows make many ties."""


@dataclass(frozen=True)
class Scouted:
    """What was found: the ranking, the read-out that suits each backbone, what each costs, and who
    was left out before a row was read, with the reason."""

    ranking: Ranking
    costs: Mapping[str, Costs]
    left_out: Mapping[str, str]
    languages: Languages
    seconds: float

    def readout(self, name: str) -> str:
        """The read-out that told most of a backbone; the usual one where it was not read."""
        rounds = [s for r in self.ranking.rounds for s in r.standings if s.backbone == name]
        return rounds[-1].readout if rounds else READOUTS[0]

    def pick(self, rows: int, seconds: float, besides: str = "") -> tuple[str, str]:
        """The best backbone whose features of enough of the rows can be had in the time, of those
        tied with it and hardly lower the cheapest; and why. Not the one `besides` which it is to
        be."""
        order = tuple(name for name in self.ranking.order if name != besides)
        costs = {name: cost for name, cost in self.costs.items() if name != besides}
        enough, fits = 0, list[str]()
        for share in (ENOUGH,) if besides else (ENOUGH, LEAST):
            enough = int(share * rows)
            fits = [n for n in order if n in costs and costs[n].read_seconds(enough) <= seconds]
            if fits:
                break
        better = self._better_in_part([n for n in order if n in costs], fits, rows, seconds)
        if better:
            read = int(rows * seconds / costs[better].read_seconds(rows))
            told = f"; there is time to read about {read:,} of {rows:,} rows with it"
            return better, self.ranking.verdict + told
        if not fits and besides:
            return "", ""
        if not fits:
            cheap = min(costs, key=lambda n: costs[n].read_seconds(rows), default="")
            return cheap, f"reading {enough:,} rows fits the time with none; this is the quickest"
        scores = {s.backbone: s.score for s in self.ranking.standings if s.tied}
        best = scores.get(fits[0], float("inf"))
        level = [n for n in fits if n == fits[0] or scores.get(n, -1.0) >= best - LITTLE]
        is_timed = seconds < float("inf")  # else every run is to choose the same
        chosen = min(
            level, key=lambda n: costs[n].read_seconds(rows) if is_timed else costs[n].work
        )
        passed = [n for n in order[: order.index(fits[0])] if n in costs]
        why = self.ranking.verdict
        if passed:
            told = ", ".join(f"{n} ({costs[n].read_seconds(enough):.0f} s)" for n in passed)
            why += f"; reading {enough:,} rows takes too long with {told}"
        if len(level) > 1:
            why += f"; of those within {LITTLE:g}, {chosen} is the quickest"
        return chosen, why

    def _better_in_part(
        self, order: Sequence[str], fits: Sequence[str], rows: int, seconds: float
    ) -> str:
        """The one ahead of all that read enough of the rows in the time, where it reads the least
        that counts and their score is lower by more than that costs; else none."""
        if not fits or fits[0] == order[0]:
            return ""
        scores = {one.backbone: one.score for one in self.ranking.standings}
        lead = scores.get(order[0], 0.0) - scores.get(fits[0], -1.0)
        least = self.costs[order[0]].read_seconds(int(LEAST * rows))
        return order[0] if lead > FEWER_COST and least <= seconds else ""

    def table(self, rows: int, limit_seconds: float = float("inf")) -> list[dict[str, Any]]:
        """A record for each backbone, best first: score, interval, and for each depth the seconds,
        memory and disk that fine-tuning for some epochs takes."""
        last = {s.backbone: s for r in self.ranking.rounds for s in r.standings}
        last |= {s.backbone: s for s in self.ranking.standings}
        out = {d.backbone: d.reason for d in self.ranking.dropped}
        found = []
        for place, name in enumerate(self.ranking.order, start=1):
            one, cost = last.get(name), self.costs.get(name)
            depths = {} if cost is None else _depths(cost, rows, limit_seconds)
            found.append(
                {
                    "rank": place,
                    "backbone": name,
                    "readout": one.readout if one else "",
                    "score": one.score if one else None,
                    "low": one.low if one else None,
                    "high": one.high if one else None,
                    "tied": bool(one and one.tied and name not in out),
                    "scores": dict(one.scores) if one else {},
                    "dropped": out.get(name, ""),
                    "features_seconds": None if cost is None else cost.read_seconds(rows),
                    "depths": depths,
                }
            )
        return found


def _depths(cost: Costs, rows: int, limit_seconds: float) -> dict[str, dict[str, Any]]:
    found = {}
    for depth in DEPTHS:
        trained = blocks_of(depth, cost.blocks)
        seconds = cost.train_seconds(rows, trained, EPOCHS, stored=True)
        found[f"{depth:g}"] = {
            "blocks": trained,
            "seconds": seconds,
            "memory_bytes": cost.memory_bytes(trained),
            "disk_bytes": int(rows * cost.stored_bytes(trained)),
            "fits": seconds <= limit_seconds,
        }
    return found


def scout(
    contents: Sequence[str],
    truth: NDArray[Any],
    cards: Sequence[Card],
    *,
    clock: Clock,
    seed: int,
    size: int = 0,
    settings: Halving = HALVING,
    rows: int = 0,
    most_seconds: float = float("inf"),
    passes_over: bool = False,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Scouted:
    """Rank the checkpoints for these texts, or places of pictures, and their truth (class codes or
    numbers). All cards are of the same kind. Pictures are read at `size` pixels, at 0 at the size
    that each checkpoint was trained with.

    Those that do not read the language of the texts are left out, if there is one that does; and
    those whose features of half of `rows` rows would take more than `most_seconds`, but for the
    quickest.
    Every feature goes through the activation store, so that nothing of it is computed again. The
    sample stops growing where the scout would cost a tenth or so of the fits that it spares. With
    `passes_over`, a checkpoint that another outdoes for a fraction of its cost, as far as is known
    beforehand, is not looked at. Costs are those of a process with so many
    `threads`; by default of this one.

    Raises:
        WeightsError: None of the checkpoints can be used.
    """
    began = clock.elapsed()
    languages = PICTURED if cards[0].modality == "image" else detect(contents, seed=seed)
    left_out = {
        card.name: f"it does not read {languages.main!r}, the language of most texts"
        for card in cards
        if card.modality == "text" and not suits_language(card.languages, languages.main)
    }
    if len(left_out) == len(cards):
        left_out = {}
    reader = _Reader(contents, size, seed, left_out, tell, threads)
    names: list[str] = []
    usable = [card for card in cards if card.name not in left_out]
    least_rows = int(LEAST * rows)
    for card in sorted(usable, key=work):
        better = _outdoes(card, [one for one in usable if one.name in names])
        if passes_over and better:
            left_out[card.name] = f"{better} is known to be better, at a fraction of the cost"
            continue
        least = reader.least_seconds(card, cards, least_rows)
        if names and clock.has_deadline() and clock.elapsed() - began > MEASURING * clock.left():
            left_out[card.name] = "there was no time to look at it"
        elif least > most_seconds:
            left_out[card.name] = (
                f"by its size, reading {least_rows:,} rows takes {least:.0f} s at least, there are "
                f"{most_seconds:.0f} s"
            )
        elif reader.opens(card.name):
            names.append(card.name)
    if not names:
        raise WeightsError(f"No checkpoint can be used: {'; '.join(left_out.values())}")
    for name in names[1:]:
        if reader.costs[name].read_seconds(least_rows) > most_seconds:
            reader.measure_again(name)
        seconds = reader.costs[name].read_seconds(least_rows)
        if seconds > most_seconds:
            left_out[name] = (
                f"reading {least_rows:,} rows takes about {seconds:.0f} s, there are "
                f"{most_seconds:.0f} s"
            )
    names = [name for name in names if name not in left_out]
    if clock.has_deadline():
        settings = replace(settings, first_rows=_first_rows(reader, names, clock, settings))
    else:
        shapes = [card for card in cards if card.name in names]
        settings = _within_means(shapes, usable, rows or len(contents), settings)
    ranking = halve(
        names,
        reader.read,
        truth,
        quality={card.name: card.quality for card in cards},
        clock=clock,
        seed=seed,
        settings=settings,
    )
    return Scouted(ranking, reader.costs, left_out, languages, clock.elapsed() - began)


def _outdoes(card: Card, others: Sequence[Card]) -> str:
    """The name of one that costs a fraction of a card and is known to be clearly better; empty
    where there is none, or where nothing is known of the card."""
    if card.source.startswith(("folder:", "hub:")):
        return ""
    better = [
        other
        for other in others
        if work(other) * DEARER <= work(card) and other.quality >= card.quality + BETTER
    ]
    return max(better, key=lambda other: other.quality).name if better else ""


def work(card: Card) -> int:
    """What a token, or a picture, costs in a network of this shape, to sort by."""
    if card.modality == "image":
        return card.parameters
    return card.blocks * card.width**2


def _within_means(
    read: Sequence[Card], spared: Sequence[Card], rows: int, settings: Halving
) -> Halving:
    """No more rows than cost a tenth or so of the fits that the scout spares: of all the backbones
    but the dearest, those too that are not read. Counted in work, not in seconds, so that every run
    reads the same rows."""
    reading = sum(map(work, read))
    if not reading:
        return settings
    fits = [rows * work(card) * _passes(card) for card in spared]
    means = int(SPENT_SHARE * (sum(fits) - max(fits)) / reading)
    most = min(settings.most_rows, max(FEWEST_ROWS, means))
    return replace(settings, first_rows=min(settings.first_rows, most), most_rows=most)


def _passes(card: Card) -> float:
    """What fine-tuning the top blocks from the store costs, in passes over the rows."""
    trained = blocks_of(SPARED_DEPTH, card.blocks) / max(1, card.blocks)
    return (1 - trained) + 3 * EPOCHS * trained


def _first_rows(reader: _Reader, names: list[str], clock: Clock, settings: Halving) -> int:
    """As many rows as all can read in half of the time, within what is usual."""
    each = sum(reader.costs[name].read_seconds(1) for name in names)
    fits = int(clock.left() / 2 / max(each, 1e-9))
    return min(settings.first_rows, max(FEWEST_ROWS, fits))


@dataclass
class _Reader:
    """Reads rows by one backbone after another, and measures what each costs when first used."""

    contents: Sequence[str]
    size: int
    seed: int
    left_out: dict[str, str]
    tell: Callable[[str], None]
    threads: int | None = None
    costs: dict[str, Costs] = field(default_factory=dict)

    def least_seconds(self, card: Card, cards: Sequence[Card], rows: int) -> float:
        """What reading rows with a backbone that is not opened yet takes at the least, by its size
        and what the largest one that was measured took; 0 where nothing is known."""
        known = {one.name: work(one) for one in cards if one.name in self.costs}
        if not known or not work(card):
            return 0.0
        name = max(known, key=lambda one: known[one])
        ratio = work(card) / max(1, known[name])
        return LEAST_OF_RATIO * ratio * self.costs[name].read_seconds(rows)

    def opens(self, name: str) -> bool:
        """Whether a checkpoint can be brought into memory; measures it."""
        try:
            base = backbone(name)
        except TunesmithError as error:
            self.left_out[name] = str(error)
            return False
        self.costs[name] = self._measured(base)
        return True

    def measure_again(self, name: str) -> None:
        """What else ran in a moment makes costs too high, never too low: the lower ones count."""
        found = self._measured(backbone(name)), self.costs[name]
        self.costs[name] = min(found, key=lambda one: one.read_seconds(1))

    def _measured(self, base: Backbone) -> Costs:
        from tunesmith.nn import costs, picture_costs

        some = generator(self.seed, "costs").permutation(len(self.contents))[:TIMED_ROWS]
        self.tell(f"measuring {base.card.name}")
        measure = picture_costs.measure if base.reader.kind == "image" else costs.measure
        return measure(base.encoder, self._ids(base, some), self.threads)

    def read(self, name: str, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """The read-outs of rows, from the store where they are there. What reading new ones took
        is what it costs from then on."""
        from tunesmith.nn import activations
        from tunesmith.nn.tally import FROZEN

        self.tell(f"reading {len(rows)} rows with {name}")
        base = backbone(name)
        ids = self._ids(base, rows)
        wanted = CAUSAL_READOUTS if getattr(base.encoder, "is_causal", False) else READOUTS
        before, began = FROZEN.rows, perf_counter()
        found = {one: activations.features(base.trunk, ids, one) for one in wanted}
        new, seconds = FROZEN.rows - before, perf_counter() - began
        if self.threads is None and new >= FEWEST_ROWS:
            self.costs[name] = self.costs[name].read_at(seconds / new)
        return found

    def _ids(self, base: Backbone, rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        some = [self.contents[i] for i in rows]
        if base.reader.kind == "text":
            return base.ids(some, LENGTH)
        return base.ids(some, base.encoder.readable(self.size or base.encoder.size))
