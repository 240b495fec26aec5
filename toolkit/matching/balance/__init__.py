"""How alike the groups are."""

from toolkit.matching.balance.measure import balance
from toolkit.matching.balance.result import Balance

__all__ = ["Balance", "balance"]
