"""Planning: which learners on which checkpoints, in which order, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from tunesmith import zoo
from tunesmith.core.clock import UNLIMITED, Clock
from tunesmith.core.dimensions import dimensions
from tunesmith.core.errors import ConfigError, did_you_mean
from tunesmith.core.records import Candidate, Card, Problem
from tunesmith.core.space import Choice, Range, check_pins, default, from_dict, space, to_dict
from tunesmith.data.languages import detect, suits_language
from tunesmith.learners import learners
from tunesmith.learners._per_label import suits
from tunesmith.pipeline.embedding import fusions, is_fused, with_embeddings, with_others
from tunesmith.pipeline.reading_costs import (
    READ_SHARE,
    SIDES,
    START_SECONDS,
    USUAL_SIDE,
    reading_seconds,
    side_in_time,
    told_size,
)
from tunesmith.pipeline.sides import sides_worth
from tunesmith.search import known, named

ORDER = (
    "majority",
    "linear",
    "scorecard",
    "ebm",
    "lightgbm",
    "tabular",
    "catboost",
    "xgboost",
    "forest",
    "neighbours",
    "tabicl",
    "tabpfn",
    "probe",
    "cell",
    "fusion",
    "neural",
)
WITH_TEXTS = ("majority", "linear", "probe", "cell", "fusion", "neural")
"""The order where there are texts; those of tables follow."""
BESIDE_TEXTS = ("tabular", "catboost", "xgboost", "forest", "neighbours")
"""Learners that are left out where there are texts, unless asked for."""
ONE_KIND = ("probe", "cell", "neural")
"""Learners whose network reads texts or one column of pictures, and has the rest as numbers."""
ON_REQUEST = ("ebm",)
"""Learners that are tried where they are asked for, or a field of theirs is fixed."""
SEARCHED = ("cell",)
"""Learners that are nothing but an architecture, tried where such are searched."""
BY_GRADIENT = "darts"
"""How such a learner says that its architecture is found by gradient, in its field `search`."""
REASONS = {
    "majority": "what every other model must beat",
    "lightgbm": "boosted trees, the quickest of them",
    "catboost": "boosted trees that err otherwise: symmetric ones, careful with categories",
    "xgboost": "boosted trees that grow by depth",
    "tabular": "a network that is an ensemble in one, unlike all trees",
    "scorecard": "a few points for each bin of a column: it can be read",
    "ebm": "a table for each column, and for a few pairs: it can be read",
    "forest": "trees apart: sturdier where there are few rows",
    "neighbours": "errs otherwise than trees",
}
BOOSTED, MANY_CLASSES = ("lightgbm", "catboost", "xgboost"), 4
QUICK_LR, QUICK_L2, ROWS_TO_LET_GO = 0.1, 0.01, 1_000
"""With more classes than so many, larger steps; of so many rows LightGBM's leaves are held back
less as well: of 228 rows of 8 classes its answers grew less likely by that."""
TUNED_SHARE = 0.4
"""Of the budget, what a few epochs of fine-tuning everything may take: where that is too much,
smaller pictures are read."""
PLANNED_EPOCHS = 3
"""Of a fine-tuning, for which its cost is told."""
VIEWED_PASSES = 60
"""Of the smallest pictures, for which there must be time before others than they are get a trial: a
fine-tuning that sees them anew wants about eight epochs, of three passes each."""
FOR_PICTURES = {"lr": 1e-3, "layer_decay": 1.0, "epochs": 8}
"""What suits the fine-tuning of convolutional networks: with a rate that falls from block to block
1,000 pictures of pasted digits at 64 pixels come to 0.51, with one rate to 0.80."""
SHORT_SHARE = 0.25
SECOND_SHARE = 0.1
GOOD_QUALITY = 0.8
LANGUAGE_ROWS = 400
FOR_FEW, TOO_FEW = ("majority", "linear", "probe"), "there are too few examples of each class"
"""Learners that few examples are enough for, and why others are left out."""
SETTLED: Mapping[str, Mapping[str, Any]] = {"linear": {"strength": 5.0}}
"""What few examples are not spared to choose."""
BACKBONES = ("backbone", "text_backbone", "picture_backbone")
"""Fields of a learner's config that name a checkpoint."""
DEPTHS = {0.34: "the top third of the blocks fine-tuned", 1.0: "all blocks fine-tuned"}
MOST_CLASSES_FOR_PAIRS = 20
QUICK_NETWORK = {
    "network": "RealMLP",
    "network.RealMLP.numbers": "Plain",
    "network.RealMLP.blocks": 2,
    "lr": 3e-3,
}
"""A small network of numbers as they are."""

Pins = Mapping[str, Mapping[str, Any]]


def check_wanted(wanted: Sequence[str] | None, pins: Pins) -> None:
    """Refuse learners and pins that are not known, before any work.

    Raises:
        ConfigError: Names the wrong one and the nearest.
    """
    for name in [*(wanted or ()), *pins]:
        if name not in learners or not learners[name].is_proposed:
            raise ConfigError(f"There is no learner {name!r}.{did_you_mean(name, learners)}")
    for name, values in pins.items():
        check_pins(learners[name].config, values)
    if wanted is not None and not wanted:
        raise ConfigError(f"No learner is named. Known: {', '.join(learners)}.")


def whole_names(pins: Pins) -> Pins:
    """The same pins with checkpoints by the names of their cards.

    Raises:
        ConfigError: A checkpoint is not known.
    """

    def whole(path: str, pin: Any) -> Any:
        if path not in BACKBONES or not isinstance(pin, str | Choice):
            return pin
        if isinstance(pin, str):
            return zoo.card_for(pin).name
        return Choice(*(zoo.card_for(str(one)).name for one in pin.values))

    return {
        learner: {path: whole(path, pin) for path, pin in fields.items()}
        for learner, fields in pins.items()
    }


def check_search(
    search: str | Sequence[str],
    names: Sequence[str],
    problem: Problem,
    pins: Pins,
    goals: int = 1,
) -> None:
    """Refuse a search that cannot do what the learners need, before any work.

    Raises:
        ConfigError: Says which, and why.
    """
    searcher = named(search)
    for name in names:
        ranges = dimensions(learners[name].config, fixed(name, problem, pins))
        reason = searcher.refuses(ranges, goals) if ranges else ""
        if searcher.goes_first and not any(known(one).configs for one in names):
            reason = "nothing that does well elsewhere is known; name another beside it"
        if reason:
            raise ConfigError(
                f"The search '{spelled(search)}' cannot be used for the learner {name!r}: {reason}."
            )


def spelled(search: str | Sequence[str]) -> str:
    """A search, or several, by name."""
    return search if isinstance(search, str) else ", ".join(search)


def modality_of(problem: Problem) -> str:
    """What an encoder reads of the inputs: "image" or "text"."""
    return "image" if problem.data.with_columns(problem.inputs).of_kind("image") else "text"


def fixed(
    name: str, problem: Problem, pins: Pins, limit_seconds: float = UNLIMITED
) -> dict[str, Any]:
    """Of a learner's config what the user pinned, and what changes nothing on this problem or
    beside these pins, or is not worth a trial in so little time, at its default; ranges as the time
    allows."""
    usual = to_dict(default(learners[name].config, {}))
    idle = {path: usual[path] for path in learners[name].idle(problem) if path in usual}
    of_pictures = learners[name].usual_of_pictures if modality_of(problem) == "image" else {}
    seen = _seen_within(name, problem, limit_seconds)
    narrowed = {**learners[name].usual, **of_pictures, **seen}
    own = pins.get(name, {})
    spelled_out = [many for field, many in learners[name].replaced.items() if own.get(field)]
    replaced = {
        path: usual[path]
        for path in chain(*spelled_out)
        if isinstance(own.get(path), Range) or path not in own
    }
    return {**narrowed, **idle, **own, **replaced}


def _seen_within(name: str, problem: Problem, limit_seconds: float) -> dict[str, Any]:
    """How pictures may be seen in so much time: the sides at which one pass over them takes a small
    share of it and more is to be seen than at smaller ones, and as they are where a network could
    not see many views of them."""
    ranges = space(learners[name].config)
    if not _has_backbone(name) or modality_of(problem) != "image" or "size" not in ranges:
        return {}
    sides = [int(side) for side in getattr(ranges["size"], "values", ())]
    found: dict[str, Any] = {"size": Choice(*sides_worth(problem, sides))}
    here = [card for card in zoo.cards("image") if zoo.is_here(card)]
    if limit_seconds == UNLIMITED or not here:
        return found
    least = min(reading_seconds(card, problem) for card in here) / USUAL_SIDE**2
    most = max(math.sqrt(READ_SHARE * limit_seconds / least), min(SIDES))
    fits = [side for side in found["size"].values if (side or USUAL_SIDE) <= most]
    found["size"] = Choice(*fits)
    if "augment" in ranges and limit_seconds < VIEWED_PASSES * least * min(SIDES) ** 2:
        found["augment"] = "none"
    return found


def plan(
    problem: Problem,
    *,
    wanted: Sequence[str] | None,
    pins: Pins,
    clock: Clock,
    offline: bool,
    asked: str = "",
    beside: Sequence[str] = (),
) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Candidates in the order they are to be tried, cheap ones first, and notes on what is left
    out. `asked` is a learner that must be among them, `beside` are tried beside the usual ones.

    Raises:
        ConfigError: None can learn this, or not the one that was asked for, or not as pinned.
    """
    found: list[Candidate] = []
    notes: list[str] = []
    left_out: dict[str, list[str]] = {}
    text = problem.data.with_columns(problem.inputs).of_kind("text")
    order = tuple(dict.fromkeys([*WITH_TEXTS, *ORDER])) if text else ORDER
    usual = [n for n in learners if learners[n].is_proposed and n not in (*ON_REQUEST, *SEARCHED)]
    more = [n for n in (asked, *(pins if wanted is None else ()), *beside) if n]
    names = sorted(
        dict.fromkeys([*(wanted or usual), *more]),
        key=lambda n: (order.index(n) if n in order else len(order), n),
    )
    for name in names:
        told = "weights" in pins.get(name, {})  # where they lie; a fit says what is wrong with them
        reason = "" if told else suits(learners[name], problem)
        is_one = problem.is_few or not is_fused(problem)
        if name == "fusion" and wanted is None and name not in more and is_one:
            continue  # a probe does as much
        is_other = name in ONE_KIND and wanted is None and name not in more
        if problem.is_few and name not in (*FOR_FEW, *(wanted or ()), *more):
            reason = reason or TOO_FEW
        if is_other and not problem.is_few and is_fused(problem) and not problem.several:
            reason = reason or "fusion reads all columns; asked for, it reads one kind by itself"
        if text and wanted is None and name in BESIDE_TEXTS:
            reason = reason or "of texts it sees a few numbers alone, which lightgbm does too"
        if reason and name == asked:
            raise ConfigError(f"The model to be read, {name!r}, cannot be fitted: {reason}.")
        if reason:
            left_out.setdefault(reason, []).append(name)
        elif name == "fusion":
            found += fusions(problem, pins.get(name, {}), clock, notes)
        elif _has_backbone(name):
            read = _with_cards(name, problem, pins.get(name, {}), clock, offline, notes)
            for one in read:
                refuse(problem, one)
            found += read
        else:
            pinned = {**quicker(name, problem), **_settled(name, problem), **pins.get(name, {})}
            chosen = default(learners[name].config, pinned)
            if wrong := learners[name].refuses(problem, chosen):
                raise ConfigError(wrong)
            found.append(Candidate(name, to_dict(chosen), _why(name, problem)))
    found = _with_quick_network(_with_pairs(found, problem, pins), problem, pins)
    found = with_embeddings(found, problem, pins, clock, notes)
    for reason, several in left_out.items():
        names_told = " and ".join(filter(None, [", ".join(several[:-1]), several[-1]]))
        verb = "are" if several[1:] else "is"
        notes.append(f"{names_told} {verb} left out: {reason}")
    if problem.is_unproven:
        found, alone = _likeliest(found)
        notes.append(alone)
    if not found:
        raise ConfigError(f"No learner can learn this: {'; '.join(notes)}.")
    return tuple(found), tuple(dict.fromkeys(notes))


def refuse(problem: Problem, candidate: Candidate) -> None:
    """Refuse what no trial could be, before there is any.

    Raises:
        ConfigError: Says why.
    """
    learner = learners[candidate.learner]
    if wrong := learner.refuses(problem, from_dict(learner.config, candidate.config)):
        raise ConfigError(f"{wrong[0].upper()}{wrong[1:]}".rstrip(".") + ".")


def quicker(name: str, problem: Problem) -> dict[str, Any]:
    """Of boosted trees, which grow one a class in every round, larger steps where classes are many:
    on ten of them a third of the time, and hardly less likely answers. LightGBM's leaves are held
    back less there, unless rows are few: those of rows that are nearly sure would need many more
    rounds."""
    if name not in BOOSTED or len(problem.classes) <= MANY_CLASSES:
        return {}
    is_held = name != "lightgbm" or len(problem.rows) < ROWS_TO_LET_GO
    return {"lr": QUICK_LR} if is_held else {"lr": QUICK_LR, "l2": QUICK_L2}


def _settled(name: str, problem: Problem) -> dict[str, Any]:
    """Of a learner's config what few examples are not spared to choose."""
    return dict(SETTLED.get(name, {})) if problem.is_few else {}


def _likeliest(found: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """The one candidate where nothing can be validated: the probe on the checkpoint that does best
    elsewhere, else the last of those that there are."""
    probes = [candidate for candidate in found if candidate.learner == "probe"]
    chosen = [*probes[:1], *reversed(found)][:1]
    told = ", ".join(candidate.learner for candidate in chosen)
    return chosen, f"{told} alone is fitted: there is nothing to choose by"


def _why(name: str, problem: Problem) -> str:
    if name != "linear":
        return REASONS.get(name, "asked for")
    text = problem.data.with_columns(problem.inputs).of_kind("text")
    return f"{'words counted' if text else 'plain columns'}, seconds to fit, often hard to beat"


def _with_pairs(found: list[Candidate], problem: Problem, pins: Pins) -> list[Candidate]:
    """A second linear model, on pairs of words too, before a checkpoint is opened. With many
    classes it takes long and gains little."""
    plain = [c for c in found if c.learner == "linear"]
    text = problem.data.with_columns(problem.inputs).of_kind("text")
    if not plain or not text or "words" in pins.get("linear", {}):
        return found
    if len(problem.classes) > MOST_CLASSES_FOR_PAIRS:
        return found
    pairs = Candidate("linear", {**plain[0].config, "words": 2}, "pairs of words count as well")
    place = found.index(plain[0]) + 1
    return [*found[:place], pairs, *found[place:]]


def _with_quick_network(found: list[Candidate], problem: Problem, pins: Pins) -> list[Candidate]:
    """A network of plain numbers before the one of their bins: it takes less than half of the time,
    and of few rows it often does better."""
    own, inputs = pins.get("tabular", {}), problem.data.with_columns(problem.inputs)
    usual = [c for c in found if c.learner == "tabular"]
    is_pinned = any(path.partition(".")[0] in QUICK_NETWORK for path in own)
    if not usual or is_pinned or not problem.folds or not inputs.of_kind("number"):
        return found
    config = default(learners["tabular"].config, {**own, **QUICK_NETWORK})
    place = found.index(usual[0])
    quick = Candidate("tabular", to_dict(config), "a network of plain numbers, quick on few rows")
    return [*found[:place], quick, *found[place:]]


def _has_backbone(name: str) -> bool:
    return "backbone" in learners[name].config.__dataclass_fields__


def _with_cards(
    name: str, problem: Problem, pins: Mapping[str, Any], clock: Clock, offline: bool, notes: Any
) -> list[Candidate]:
    if "backbone" in pins:
        pin = pins["backbone"]
        asked = pin.values if isinstance(pin, Choice) else (pin,)
        cards: Sequence[Card] = [zoo.card_for(str(one)) for one in asked]
    else:
        here = [card for card in zoo.cards(modality_of(problem)) if zoo.is_here(card)]
        cards = here or _to_fetch(problem)
    usable = [card for card in cards if not offline or zoo.is_here(card)]
    if not usable:
        notes.append(
            "no pretrained weights are on this machine and none may be fetched; bring them once "
            f"with: tunesmith weights fetch {cards[0].name}"
        )
        return []
    if is_fused(problem):
        pins = {**with_others(problem, pins, clock), **pins}
    costs = {card.name: reading_seconds(card, problem) for card in usable}
    limit = clock.limit_seconds
    if costs[usable[0].name] > SHORT_SHARE * limit:
        usable = sorted(usable, key=lambda card: costs[card.name])
    if name in SEARCHED:
        card = usable[0]
        found = _probe(card, pins, costs[card.name], limit, name)
        return [found, *_by_gradient(found, pins)]
    if name != "probe":
        return _by_depth(name, usable[0], pins, costs[usable[0].name], limit)
    others = [card for card in usable[1:] if costs[card.name] <= SECOND_SHARE * limit]
    return [_probe(card, pins, costs[card.name], limit) for card in (usable[0], *others[:1])]


def _to_fetch(problem: Problem) -> list[Card]:
    """What is brought where no checkpoint is here: the lightest good one that reads the language of
    the texts."""
    if modality_of(problem) == "image":
        return sorted(zoo.cards("image"), key=lambda card: card.download_bytes)[:1]
    names = problem.data.with_columns(problem.inputs).of_kind("text")
    texts = [cell or "" for name in names for cell in problem.data.values(name)[:LANGUAGE_ROWS]]
    main = detect(texts, seed=problem.seed).main
    cards = sorted(zoo.cards("text"), key=lambda card: card.download_bytes)
    good = [card for card in cards if card.quality >= GOOD_QUALITY]
    return [card for card in good if suits_language(card.languages, main)][:1] or good[:1]


def _probe(
    card: Card, pins: Mapping[str, Any], seconds: float, limit: float, name: str = "probe"
) -> Candidate:
    """A learner on frozen features, as large as the time allows."""
    read, share = side_in_time(card, seconds, READ_SHARE * limit)
    chosen = default(learners[name].config, {**read, **pins, "backbone": card.name})
    about = "frozen features" if name == "probe" else "a cell on frozen features"
    reason = f"{about}{told_size(card)}, about {START_SECONDS + share * seconds:.0f} s"
    return Candidate(name, to_dict(chosen), reason, START_SECONDS + share * seconds)


def _by_gradient(candidate: Candidate, pins: Mapping[str, Any]) -> list[Candidate]:
    """The same where its architecture is found by gradient, unless a pin says otherwise."""
    if "search" in pins:
        return []
    config = {**candidate.config, "search": BY_GRADIENT}
    return [replace(candidate, config=config, reason=f"{candidate.reason}, found by gradient")]


def _by_depth(
    name: str, card: Card, pins: Mapping[str, Any], seconds: float, limit: float
) -> list[Candidate]:
    """Fine-tuning of the top blocks first, then of everything; of pictures the top blocks at the
    size at which a probe has read them."""
    found = []
    for depth, words in DEPTHS.items():
        times = PLANNED_EPOCHS * (1 + 2 * depth)
        spare = READ_SHARE if depth < 1 else TUNED_SHARE / times
        read, share = side_in_time(card, seconds, spare * limit)
        usual = FOR_PICTURES if card.modality == "image" else {}
        chosen = {"depth": depth, **usual, **read, **pins, "backbone": card.name}
        config = to_dict(default(learners[name].config, chosen))
        told = f"{words}{told_size(card)}"
        found.append(Candidate(name, config, told, times * share * seconds))
    return found[:1] if "depth" in pins else found
