"""Shelf: everything about the target."""

from tunesmith.tasks._shelf import tasks

__all__ = ["tasks"]
