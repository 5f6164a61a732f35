"""The built-in sample dataset: six classes of painted landscapes, drawn by chance."""

from tasks.sample.draw import draw_sample

__all__ = ["draw_sample"]
