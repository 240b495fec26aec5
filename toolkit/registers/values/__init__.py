"""Delivered values decoded: each becomes a typed value, or a word for why there is none."""

from toolkit.registers.values.parse import parse

__all__ = ["parse"]
