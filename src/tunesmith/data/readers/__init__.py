"""Shelf: the formats that can be read."""

from tunesmith.data.readers._shelf import readers

__all__ = ["readers"]
