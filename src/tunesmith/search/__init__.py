"""Shelf: the next config from the history."""

from tunesmith.search._shelf import searchers

__all__ = ["searchers"]
