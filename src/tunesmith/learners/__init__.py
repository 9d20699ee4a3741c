"""Shelf: ways to fit."""

from tunesmith.learners._shelf import learners

__all__ = ["learners"]
