"""A picture cut along its own edges."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import need
from tunesmith.core.explaining import Ring

PACKAGE = "skimage"
SIDE = 224
"""Pixels of the longer side at which edges are looked for: as many as most networks read."""
SIDES = {
    (-1, 0): ((0, 0), (1, 0)),
    (0, 1): ((1, 0), (1, 1)),
    (1, 0): ((1, 1), (0, 1)),
    (0, -1): ((0, 1), (0, 0)),
}
"""Of a pixel the neighbour beyond each side (down, across), and the corners (across, down) between
which that side goes, the pixel on its right."""
Corner = tuple[int, int]
Steps = dict[Corner, list[Corner]]
"""Where sides go on from each corner."""


def is_there() -> bool:
    """Whether the package that cuts is installed."""
    return find_spec(PACKAGE) is not None


def superpixels(pixels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """About so many connected parts of like colour and like size, of a picture of shape (height,
    width, 3): the number of each pixel's part, shape (height, width) of it or of less.

    How much colour counts beside nearness is settled for each part by itself (SLICO). With one
    number for all, a noisy picture ends as one part: those that it cuts are too small to be kept.

    Raises:
        MissingExtra: scikit-image is not installed.

    Source: Achanta et al., "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods",
    TPAMI 2012.
    """
    segmentation = need(f"{PACKAGE}.segmentation", extra="explain")
    small = _within(pixels, SIDE)
    most = min(count, small.shape[0] * small.shape[1])
    labels = segmentation.slic(small, n_segments=most, slic_zero=True, start_label=0)
    return np.asarray(np.unique(labels, return_inverse=True)[1].reshape(labels.shape))


def _within(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture with its longer side brought to at most so many pixels."""
    longer = max(pixels.shape[:2])
    if longer <= side:
        return pixels
    height, width = (max(1, round(one * side / longer)) for one in pixels.shape[:2])
    image = need("PIL.Image", extra="image")
    resized = image.fromarray(pixels).resize((width, height), image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def outlines(labels: NDArray[np.int64]) -> tuple[tuple[Ring, ...], ...]:
    """The borders of each part, by its number, as those of a piece."""
    height, width = labels.shape
    framed = np.pad(labels, 1, constant_values=-1)
    steps: list[Steps] = [{} for _ in range(int(labels.max()) + 1)]
    for (down, across), (first, last) in SIDES.items():
        beside = framed[1 + down : height + 1 + down, 1 + across : width + 1 + across]
        rows, columns = np.nonzero(labels != beside)
        own = labels[rows, columns]
        for part, y, x in zip(own.tolist(), rows.tolist(), columns.tolist(), strict=True):
            start, end = (x + first[0], y + first[1]), (x + last[0], y + last[1])
            steps[part].setdefault(start, []).append(end)
    return tuple(_rings(each, height, width) for each in steps)


def _rings(steps: Steps, height: int, width: int) -> tuple[Ring, ...]:
    """Sides of pixels joined into rings, of which the corners are kept."""
    found = []
    while steps:
        ring = [next(iter(steps))]
        while len(ring) == 1 or ring[-1] != ring[0]:
            ends = steps[ring[-1]]
            ring.append(ends.pop())
            if not ends:
                del steps[ring[-2]]
        points = np.array(ring[:-1])
        come, gone = (np.roll(points, by, axis=0) for by in (1, -1))
        turns = (points - come != gone - points).any(axis=1)
        found.append(tuple(map(tuple, (points[turns] / (width, height)).tolist())))
    return tuple(found)
