"""Delivered files → batches of records as delivered."""

from toolkit.registers.readers.door import Reading, encoding_of, extract, labels, read

__all__ = ["Reading", "encoding_of", "extract", "labels", "read"]
