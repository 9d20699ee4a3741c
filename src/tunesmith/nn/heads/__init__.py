"""Losses and answers, by the shape of the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.predictions import ClassScores, Prediction, Values

if TYPE_CHECKING:
    import torch


def loss(
    logits: torch.Tensor,
    truth: torch.Tensor,
    *,
    classes: int,
    smoothing: float,
    weights: torch.Tensor | None,
) -> torch.Tensor:
    """Cross-entropy of logits (batch, classes) against codes (batch,), or the squared error of
    (batch, 1) against standardised numbers (batch,)."""
    from torch.nn import functional

    if classes:
        return functional.cross_entropy(logits, truth, weight=weights, label_smoothing=smoothing)
    return functional.mse_loss(logits[:, 0], truth)


def answer(logits: torch.Tensor, classes: tuple[str, ...], mean: float, scale: float) -> Prediction:
    """Logits (rows, classes) as class scores, or (rows, 1) as numbers in the target's units."""
    numbers = logits.double()
    if classes:
        return ClassScores(classes, numbers.softmax(dim=1).cpu().numpy())
    return Values(np.asarray(numbers[:, 0].cpu().numpy() * scale + mean))
