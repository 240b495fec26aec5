"""The registry of methods: what each asks, assumes, needs and reports, and whether it is net."""

from __future__ import annotations


def claim(design: str) -> str:
    """Return what a result of this method may claim, as a line of text."""
    return f"Method: {design}"
