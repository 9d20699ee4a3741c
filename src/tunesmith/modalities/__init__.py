"""Shelf: how a kind of column becomes model input."""

from tunesmith.modalities._shelf import modalities

__all__ = ["modalities"]
