"""Shelf: the next config from the history."""

from tunesmith.search._shelf import searchers
from tunesmith.search._together import named

__all__ = ["named", "searchers"]
