"""Shelf: credit for one answer."""

from tunesmith.explain._shelf import explainers

__all__ = ["explainers"]
