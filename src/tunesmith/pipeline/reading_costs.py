"""What one pass of a checkpoint over the rows of a problem takes, and at which size it reads
pictures in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from tunesmith.core.records import Card, Problem

OPERATIONS_A_SECOND = 1.7e11
"""Of an encoder with bf16 on two cores, measured; only the order of cost matters."""
SOLVER_SECONDS = 8e-8
"""Of the linear model on top, for a row, a width and a class; measured."""
READ_SHARE = 0.15
"""Of the budget, what one pass over pictures for their frozen features may take: where that is too
much, smaller ones are read."""
START_SECONDS = 6.0
"""What a first pass takes beside it."""
SIDES, USUAL_SIDE = (64, 96, 128, 160), 224
PICTURE_SECONDS = 6e-9
"""Of a convolutional network at its own size, for a picture and a weight, with two cores."""
LETTERS_A_TOKEN = 4.5


def side_in_time(card: Card, seconds: float, spare: float) -> tuple[dict[str, Any], float]:
    """The side of pictures at which a pass over the rows takes no longer than is to spare, as a
    config has it: that of the checkpoint, or the largest that does; and what it costs beside it."""
    if card.modality != "image" or seconds <= spare:
        return {}, 1.0
    shares = {side: (side / USUAL_SIDE) ** 2 for side in SIDES}
    fits = [side for side in SIDES if shares[side] * seconds <= spare]
    side = max(fits, default=min(SIDES))
    return {"size": side}, shares[side]


def told_size(card: Card) -> str:
    return (
        f" ({card.blocks} blocks, {card.parameters / 1e6:.1f} M parameters)" if card.blocks else ""
    )


def reading_seconds(card: Card, problem: Problem) -> float:
    """About how long one pass over the rows takes."""
    text = problem.data.with_columns(problem.inputs).of_kind("text")
    rows = sum(len(problem.parts[part]) for part in ("train", "valid"))
    if card.modality == "image":
        solver = rows * card.width * len(problem.classes) * SOLVER_SECONDS
        pictures = len(problem.data.with_columns(problem.inputs).of_kind("image"))
        return pictures * rows * card.parameters * PICTURE_SECONDS + solver
    sample = np.linspace(0, len(problem.data) - 1, num=min(500, len(problem.data)), dtype=np.int64)
    letters = sum(
        np.mean([len(cell or "") for cell in problem.data.values(name)[sample]]) for name in text
    )
    tokens = min(128.0, float(letters) / LETTERS_A_TOKEN + 2)
    reading = rows * tokens * 24 * card.blocks * card.width**2 / OPERATIONS_A_SECOND
    return reading + rows * card.width * len(problem.classes) * SOLVER_SECONDS
