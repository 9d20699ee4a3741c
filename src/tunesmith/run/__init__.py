"""Shelf: executes trials."""

from tunesmith.run._shelf import runners

__all__ = ["runners"]
