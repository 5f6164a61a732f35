"""Draws the built-in sample dataset: six classes of landscapes, painted at random."""

from tasks.sample.draw import draw_sample

__all__ = ["draw_sample"]
