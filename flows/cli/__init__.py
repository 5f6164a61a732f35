"""The `darkroom` command line over the flows: one module a group of commands."""

from flows.cli.main import app, main, run

__all__ = ["app", "main", "run"]
