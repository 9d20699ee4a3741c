"""Credit by the inside of several models, brought together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.explaining import Heat, Heats


def mixed(parts: Sequence[Heats | None], weights: Sequence[float]) -> Heats | None:
    """The weighted mean of heats of the same cells, by column. What has none counts as zero; None
    where nothing has any. The change is known where it is of all that have some."""
    total, found = sum(weights), dict[str, Heat]()
    for heats, weight in zip(parts, weights, strict=True):
        for name, heat in (heats or {}).items():
            share = Heat(heat.credits * (weight / total), heat.spans)
            found[name] = _added(found[name], share) if name in found else share
    return Heats(found, _change(parts, weights)) if found else None


def _change(parts: Sequence[Heats | None], weights: Sequence[float]) -> float | None:
    told = [(heats.change, w) for heats, w in zip(parts, weights, strict=True) if heats]
    known = [change * weight for change, weight in told if change is not None]
    return sum(known) / sum(weights) if len(known) == len(told) else None


def scaled(heats: Heats, times: float) -> Heats:
    """So many times the credit; what it should sum to is not known any more."""
    return Heats({name: Heat(heat.credits * times, heat.spans) for name, heat in heats.items()})


def _added(one: Heat, other: Heat) -> Heat:
    """Both heats of one cell together; of pictures on the finer grid."""
    if one.spans is not None and other.spans is not None:
        spans = np.concatenate([one.spans, other.spans])
        return Heat(np.concatenate([one.credits, other.credits]), spans)
    if one.credits.shape == other.credits.shape:
        return Heat(one.credits + other.credits)
    fine, coarse = sorted((one.credits, other.credits), key=np.size, reverse=True)
    return Heat(fine + _stretched(coarse, fine.shape))


def _stretched(heat: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A map at another size: every place hands its credit out in equal parts."""
    for axis in (0, 1):
        at = np.arange(shape[axis]) * heat.shape[axis] // shape[axis]
        counts = np.bincount(at, minlength=heat.shape[axis])[at]
        parts = counts[:, None] if axis == 0 else counts[None, :]
        heat = np.take(heat, at, axis=axis) / parts
    return heat
