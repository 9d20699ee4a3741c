"""Ranks backbones for the user's data from frozen features, before anything is fine-tuned."""
