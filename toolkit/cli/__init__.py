"""The command line."""

from toolkit.cli.entry import app, main

__all__ = ["app", "main"]
