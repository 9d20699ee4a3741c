"""Shelf: go on or stop, from the curves."""

from tunesmith.stoppers._shelf import stoppers

__all__ = ["stoppers"]
