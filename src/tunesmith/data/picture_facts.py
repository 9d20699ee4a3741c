"""What a picture is like before anybody looks at what it shows: size, shape, light, kind of
file."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields

import numpy as np

from tunesmith.data.picture_headers import open_header, refuse_many_scans
from tunesmith.data.pictures import read_bytes
from tunesmith.data.readers._bytes import is_url

SIDE = 64
"""Pixels of the small copy on which light is measured."""


@dataclass(frozen=True)
class PictureFacts:
    """Width and height in pixels, width over height, the mean and the standard deviation of its
    grey values in [0, 1], and the format of the file."""

    width: float
    height: float
    aspect: float
    brightness: float
    contrast: float
    kind: str


FACTS = tuple(field.name for field in fields(PictureFacts))


def picture_facts(cell: str | None) -> PictureFacts | None:
    """Of the picture of a cell; None where it has none, cannot be read, or lies on the network."""
    if cell is None or is_url(cell):
        return None
    try:
        data = read_bytes(cell, offline=True)
        refuse_many_scans(data, cell)
        image = open_header(io.BytesIO(data), cell)
        width, height = image.size
        kind = str(image.format or "").lower()
        image.draft("L", (SIDE, SIDE))  # a JPEG is decoded small
        grey = image.convert("L")
        grey.thumbnail((SIDE, SIDE))
    except Exception:  # decoders raise anything for a broken file, which has no properties
        return None
    light = np.asarray(grey, dtype=np.float64) / 255
    return PictureFacts(
        float(width), float(height), width / height, float(light.mean()), float(light.std()), kind
    )
