"""Losses and answers, by the shape of the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.predictions import ClassScores, Labels, Prediction, Values

if TYPE_CHECKING:
    import torch


def loss(
    logits: torch.Tensor,
    truth: torch.Tensor,
    *,
    classes: int,
    smoothing: float,
    weights: torch.Tensor | None,
    focal: float = 0.0,
    row_weights: torch.Tensor | None = None,
    is_shared: bool = False,
) -> torch.Tensor:
    """Cross-entropy of logits (batch, classes) against codes (batch,), the mean binary one against
    zeros and ones (batch, labels), or the squared error of (batch, 1) against standardised numbers
    (batch,).

    Classes count by `weights` (classes,), and the mean is by their sum; rows count by `row_weights`
    (batch,), which are not summed: over all rows their mean is one. With `focal` each row counts
    (1 - p)**focal, p being the probability of what is true. Where the truth `is_shared`, (batch,
    classes) are the share that each class has in a row.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 5.
    """
    from torch.nn import functional

    if is_shared:
        losses = functional.cross_entropy(
            logits, truth, weight=weights, label_smoothing=smoothing, reduction="none"
        )
        if focal:
            right = (logits.float().softmax(dim=1) * truth).sum(dim=1)
            losses = losses * (1 - right).clamp(min=1e-8) ** focal
        if row_weights is not None:
            losses = losses * row_weights
        return losses.sum() / (len(truth) if weights is None else (truth @ weights).sum())
    if truth.ndim == 2:
        each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        losses = each.mean(dim=1)
        return (losses if row_weights is None else losses * row_weights).mean()
    if classes and (focal or row_weights is not None):
        losses = functional.cross_entropy(
            logits, truth, weight=weights, label_smoothing=smoothing, reduction="none"
        )
        if focal:
            right = logits.float().softmax(dim=1).gather(1, truth[:, None])[:, 0]
            losses = losses * (1 - right).clamp(min=1e-8) ** focal
        if row_weights is not None:
            losses = losses * row_weights
        return losses.sum() / (len(truth) if weights is None else weights[truth].sum())
    if row_weights is not None:
        return (row_weights * (logits[:, 0] - truth) ** 2).mean()
    if classes:
        return functional.cross_entropy(logits, truth, weight=weights, label_smoothing=smoothing)
    return functional.mse_loss(logits[:, 0], truth)


def answer(
    logits: torch.Tensor,
    classes: tuple[str, ...],
    mean: float,
    scale: float,
    *,
    several: bool = False,
) -> Prediction:
    """Logits (rows, classes) as class scores, where rows may have `several` of the classes each by
    itself, or (rows, 1) as numbers in the target's units."""
    numbers = logits.double()
    if several:
        return Labels(classes, numbers.sigmoid().cpu().numpy())
    if classes:
        return ClassScores(classes, numbers.softmax(dim=1).cpu().numpy())
    return Values(np.asarray(numbers[:, 0].cpu().numpy() * scale + mean))
