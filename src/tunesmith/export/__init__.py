"""Shelf: models as code that stands without this library."""

from tunesmith.export._shelf import exporters

__all__ = ["exporters"]
