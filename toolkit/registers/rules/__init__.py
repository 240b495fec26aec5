"""What a record must keep to: the rules of every layout, and the check of each record by itself."""

from toolkit.registers.rules.checking import check_records
from toolkit.registers.rules.listing import Rule, rule_id, rules_of

__all__ = ["Rule", "check_records", "rule_id", "rules_of"]
