"""What is taken away from a checkpoint before it is fine-tuned: upper blocks, blocks in between,
attention heads and feed-forward units, the least important first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Watch
from tunesmith.core.errors import ConfigError
from tunesmith.core.records import Problem
from tunesmith.core.seeds import generator
from tunesmith.modalities.inputs import Inputs
from tunesmith.nn.batches import Content, Rows
from tunesmith.nn.inside import INSIDE, Shape, kept_heads, kept_units
from tunesmith.zoo.backbones import Backbone, kept_of

if TYPE_CHECKING:
    from tunesmith.learners.neural import NeuralConfig
    from tunesmith.nn.importance import Loss
    from tunesmith.nn.network import Network

MEASURED_ROWS, SHARED_ROWS = 256, 512
"""Training rows by which importance is measured, and blocks are compared."""
TIMED_ROWS = 16
MOST_CHOOSING = 0.05
"""Of the time that is left, what comparing sub-networks may take."""


def why_no_shape(config: NeuralConfig, family: str, count: int) -> str:
    """Why a checkpoint of a family and so many blocks cannot be made smaller as a config asks for;
    empty where it can."""
    kept, inside = kept_of(config.blocks, count), INSIDE.get(family)
    heads = sorted(name for name, one in INSIDE.items() if one.out)
    if config.heads_kept < 1 and (inside is None or not inside.out):
        return (
            f"attention heads of {family} cannot be taken out (heads_kept is "
            f"{config.heads_kept:g}, only 1 is possible); of {', '.join(heads)} they can"
        )
    if config.width_kept < 1 and inside is None:
        return (
            f"feed-forward units of {family} cannot be taken out (width_kept is "
            f"{config.width_kept:g}, only 1 is possible); of {', '.join(sorted(INSIDE))} they can"
        )
    if config.skip and config.skip >= kept:
        return f"{config.skip} blocks cannot be skipped of {kept}: one at least stays"
    try:
        named = skipped_numbers(config.skipped)
    except ConfigError as error:
        return str(error).rstrip(".")
    wrong = [number for number in named if not 1 <= number < kept]
    if wrong:
        return (
            f"block {wrong[0] + 1} cannot be skipped: of {kept} blocks those numbered 2 to {kept} "
            "can"
        )
    return ""


def skipped_numbers(told: str) -> tuple[int, ...]:
    """The blocks named in "2, 5", which counts from 1 as architectures do, by number from 0.

    Raises:
        ConfigError: It is no list of numbers.
    """
    try:
        return tuple(sorted({int(one) - 1 for one in told.split(",") if one.strip()}))
    except ValueError as error:
        raise ConfigError(f"skipped names blocks by number, as in '2, 5', not {told!r}.") from error


def kept_blocks(
    problem: Problem,
    config: NeuralConfig,
    base: Backbone,
    ids: Sequence[Content],
    watch: Watch,
    seed: int,
) -> tuple[int, ...]:
    """The numbers of the blocks that stay: the lower ones, without those that are skipped."""
    from tunesmith.nn.shapes import skippable

    count = len(base.encoder.blocks)
    kept = list(range(kept_of(config.blocks, count)))
    if config.skipped:
        named = skipped_numbers(config.skipped)
        return tuple(number for number in kept if number not in named)
    most = min(config.skip, len(skippable(base.encoder, kept)))
    if most < config.skip:
        watch.tell("skip", f"{most} in place of {config.skip}: no more can be left out")
    if not most:
        return tuple(kept)
    drawn = drawn_rows(len(ids), seed, SHARED_ROWS)
    rows = Rows(
        [ids[row] for row in drawn],
        np.empty((len(drawn), 0), dtype=np.float32),
        getattr(base.encoder, "pad_id", 0),
    )
    if _is_quick(base, rows, kept, most, watch):
        left = least_needed(base, rows, _targets(problem, drawn), kept, most)
        why = "the others tell most of the target as they are"
    else:
        left = least_changing(base, rows, kept, most)
        why = "what changes least of what goes through, as there is no time to try sub-networks"
    names = ", ".join(str(number + 1) for number in kept if number not in left)
    watch.tell("skip", f"without block {names}: {why}")
    return left


def _is_quick(base: Backbone, rows: Rows, kept: Sequence[int], count: int, watch: Watch) -> bool:
    """Whether sub-networks can be tried in a small share of the time: of those without one block
    half of the blocks run for each, as they begin alike."""
    if not watch.clock.has_deadline():
        return True
    from tunesmith.nn.features import embed

    few = rows.ids[:TIMED_ROWS]
    embed(base.encoder, few)
    began = watch.clock.elapsed()
    embed(base.encoder, few)
    each = (watch.clock.elapsed() - began) / max(1, len(few))
    return each * len(rows) * count * len(kept) / 2 <= MOST_CHOOSING * watch.clock.left()


def least_needed(
    base: Backbone, rows: Rows, targets: NDArray[np.float64], kept: Sequence[int], count: int
) -> tuple[int, ...]:
    """What is left of these blocks without so many, none of them trained."""
    from tunesmith.nn.shapes import skippable
    from tunesmith.nn.shared import without

    may_go = skippable(base.encoder, kept)
    return without(base.encoder, rows, targets, tuple(kept), count, may_go)


def least_changing(base: Backbone, rows: Rows, kept: Sequence[int], count: int) -> tuple[int, ...]:
    """What is left without so many that change least of what goes through them."""
    from tunesmith.nn.importance import changes
    from tunesmith.nn.shapes import skippable

    change = changes(base.encoder, rows)
    gone = sorted(skippable(base.encoder, kept), key=lambda number: change[number])[:count]
    return tuple(number for number in kept if number not in gone)


def _targets(problem: Problem, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is true of the drawn training rows: zeros and ones, or numbers, (rows, outputs)."""
    truth = problem.truth("train")[drawn]
    if truth.ndim == 2:
        return np.asarray(truth, dtype=np.float64)
    if not problem.classes:
        return np.asarray(truth, dtype=np.float64)[:, None]
    return np.asarray(np.eye(len(problem.classes))[truth])


def drawn_rows(count: int, seed: int, most: int = MEASURED_ROWS) -> NDArray[np.int64]:
    return np.sort(generator(seed, "importance").permutation(count)[:most])


def pruned(
    network: Network,
    config: NeuralConfig,
    problem: Problem,
    inputs: Inputs,
    ids: Sequence[Content],
    kept: tuple[int, ...],
    of: int,
    watch: Watch,
    seed: int,
    *,
    is_started: bool,
) -> Shape:
    """Take heads and units out of the trained blocks of a network; those below stay as they are, so
    that they are read from the store. Gives the shape that is left.

    Args:
        is_started: Whether the head knows something, so that its loss tells what counts.
    """
    from tunesmith.nn.importance import of_parts
    from tunesmith.nn.shapes import counts_of, inside_of, prune

    inside, encoder = inside_of(network.encoder), network.encoder
    shares = {"heads": config.heads_kept, "units": config.width_kept}
    gone = [
        name
        for name, share in shares.items()
        if share < 1 and (inside is None or (name == "heads" and not inside.out))
    ]
    for name in gone:
        watch.tell("pruning", f"all {name} stay: they cannot be taken out of this family")
        shares[name] = 1.0
    count, first = len(encoder.blocks), network.first_trained
    if min(shares.values()) == 1 or first == count:
        return Shape(of, kept)
    drawn = drawn_rows(len(ids), seed)
    rows = Rows(
        [ids[row] for row in drawn],
        inputs.dense(problem.part("train").take(drawn)),
        getattr(encoder, "pad_id", 0),
    )
    counted = of_parts(network, rows, _loss(problem, drawn) if is_started else None)
    left: dict[str, list[int]] = {"heads": [0] * count, "units": [0] * count}
    for place in range(first, count):
        heads, units = counts_of(encoder, place)
        most = {
            "heads": kept_heads(heads, shares["heads"]),
            "units": kept_units(units, shares["units"]),
        }
        chosen: dict[str, Any] = {
            name: np.sort(np.argsort(-counted[place, name], kind="stable")[: most[name]])
            for name in shares
            if shares[name] < 1
        }
        prune(encoder, place, chosen.get("heads", ()), chosen.get("units", ()))
        for name, some in chosen.items():
            left[name][place] = len(some)
    by = "the gradient of the loss" if is_started else "what they pass on"
    told = f"the trained blocks keep {shares['heads']:.0%} of their heads (by {by}) and "
    watch.tell("pruning", f"{told}{shares['units']:.0%} of their feed-forward width")
    return Shape(of, kept, *(tuple(left[name]) if any(left[name]) else () for name in left))


def _loss(problem: Problem, drawn: NDArray[np.int64]) -> Loss:
    """The sum of the losses of some of the drawn training rows."""
    import torch

    from tunesmith.learners._answers import target_scale
    from tunesmith.nn import heads

    truth = problem.truth("train")[drawn]
    mean, scale = target_scale(problem)
    is_codes = bool(problem.classes) and truth.ndim == 1
    told = truth if problem.classes else (truth - mean) / scale
    numbers = torch.from_numpy(np.asarray(told, dtype=np.int64 if is_codes else np.float32))

    def loss(logits: torch.Tensor, chosen: NDArray[np.int64]) -> torch.Tensor:
        some = numbers[torch.from_numpy(chosen)].to(logits.device)
        each = heads.loss(logits, some, classes=len(problem.classes), smoothing=0.0, weights=None)
        return each * len(chosen)

    return loss
