"""Canonical tables of a register: their schemas and codes, the store, and what makes them valid."""

from toolkit.registers.intake import account, by_layout, by_rule, has_facts, ingest
from toolkit.registers.intake_facts import facts
from toolkit.registers.register import Partition, Register, from_frames
from toolkit.registers.store import StoreWriter, is_store
from toolkit.registers.store import open_store as open  # noqa: A004 (`registers.open` is the promise)
from toolkit.registers.validate import validate

__all__ = [
    "Partition", "Register", "StoreWriter", "account", "by_layout", "by_rule", "facts",
    "from_frames", "has_facts", "ingest", "is_store", "open", "validate",
]  # fmt: skip
