"""Shelf: the next config from the history."""

from tunesmith.search._known import known, within
from tunesmith.search._shelf import searchers
from tunesmith.search._together import named
from tunesmith.search.ageing import mutated

__all__ = ["known", "mutated", "named", "searchers", "within"]
