"""A picture of which pieces are not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import need
from tunesmith.core.explaining import GRID, Piece
from tunesmith.data.pictures import cell_of
from tunesmith.explain.pieces import Picture

Floats = NDArray[np.float32]
REACH = 1 / (4 * GRID)
"""Share of the longer side that is the standard deviation of the Gaussian by which what is there
tells what is not: a quarter of a rectangle of the grid, whose middle is told by its edges."""
TRACE = 1e-5
"""Weight of the mean colour, where a place with everything around it has 1: it counts where all
that is there is further away than four reaches, a rectangle of the grid."""
COARSE = 56
"""Pixels of the longer side at which colours are told, two to a reach: they change no faster."""


@dataclass(frozen=True)
class Canvas:
    """A picture, shape (height, width, 3), in which what is absent takes the colours of what is
    there around it, and the mean colour of all where nothing is near. In one colour for all a
    piece that is taken away would still be seen: the white corner of a dark picture turns grey, and
    a grey corner is a corner.

    `owners` is the number of each pixel's piece. `told` is what each piece tells of each place of a
    coarse picture, the sum of its colours by their weights and that of the weights, shape (pieces,
    rows, columns, 4); `trace` is what the mean colour tells, shape (rows, columns, 4).

    Source: Knutsson & Westin, "Normalized and Differential Convolution", CVPR 1993. Why not one
    colour: Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
    ICML 2022.
    """

    pixels: Picture
    owners: NDArray[np.int16]
    told: Floats
    trace: Floats

    @staticmethod
    def of(pixels: Picture, pieces: Sequence[Piece]) -> Canvas:
        height, width = pixels.shape[:2]
        owners = np.zeros((height, width), dtype=np.int16)
        for number, piece in enumerate(pieces):
            owners[piece.mask(height, width)] = number
        longer = max(height, width)
        shrunk, reach = min(1.0, COARSE / longer), REACH * longer
        down, across = (
            _nearness(side, max(1, round(shrunk * side)), reach) for side in (height, width)
        )
        told = np.stack([_told(pixels, owners == n, down, across) for n in range(len(pieces))])
        mean = np.append(pixels.mean(axis=(0, 1), dtype=np.float64), 1).astype(np.float32)
        return Canvas(pixels, owners, told, TRACE * told[..., 3:].sum(axis=0) * mean)

    def cell(self, present: NDArray[np.bool_]) -> str:
        """The picture without the pieces that are absent, as a data URI."""
        gone = ~present[self.owners]
        painted = self.pixels.copy()
        painted[gone] = self._surroundings(present)[gone]
        return cell_of(painted) or ""

    def _surroundings(self, present: NDArray[np.bool_]) -> Picture:
        """What the pieces that are there tell of every pixel."""
        sums = self.trace + np.tensordot(present.astype(np.float32), self.told, 1)
        coarse = (sums[..., :3] / sums[..., 3:]).round().astype(np.uint8)
        height, width = self.owners.shape
        if coarse.shape[:2] == (height, width):
            return coarse
        image: Any = need("PIL.Image", extra="image")
        fine = image.fromarray(coarse).resize((width, height), image.Resampling.BILINEAR)
        return np.asarray(fine, dtype=np.uint8)


def _nearness(fine: int, coarse: int, reach: float) -> Floats:
    """The weight of each of so many pixels in a row for each place of a coarser row of the same
    length, shape (coarse, fine)."""
    places = (np.arange(coarse) + 0.5) * fine / coarse
    apart = places[:, None] - (np.arange(fine) + 0.5)
    return np.exp(-(apart**2) / (2 * reach**2)).astype(np.float32)


def _told(pixels: Picture, mask: NDArray[np.bool_], down: Floats, across: Floats) -> Floats:
    """What some pixels tell of each place, shape (rows, columns, 4)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    here = np.ix_(rows, columns)
    colours = np.pad(pixels[here].astype(np.float32), [(0, 0), (0, 0), (0, 1)], constant_values=1)
    own = colours * mask[here][..., None]
    sums = np.einsum("ar,rsc,bs->abc", down[:, rows], own, across[:, columns], optimize=True)
    return np.asarray(sums)
