"""From a delivery to the store: discover, who is who, read and check, settle, write, account."""

from toolkit.registers.intake.account import account, by_layout, by_rule, has_facts
from toolkit.registers.intake.ingest import ingest

__all__ = ["account", "by_layout", "by_rule", "has_facts", "ingest"]
