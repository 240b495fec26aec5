"""Proportional hazards of the subdistribution of one cause (Fine and Gray 1999)."""

from toolkit.survival.fine_gray.fit import fine_gray
from toolkit.survival.fine_gray.model import FineGrayModel

__all__ = ["FineGrayModel", "fine_gray"]
