"""Shelf: the next config from the history."""

from tunesmith.search._known import known, within
from tunesmith.search._shelf import searchers
from tunesmith.search._together import named

__all__ = ["known", "named", "searchers", "within"]
