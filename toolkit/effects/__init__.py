"""What would have happened otherwise: net effects, and what may be claimed of them."""

from toolkit.effects.registry import claim, methods
from toolkit.effects.result import EffectResult

__all__ = ["EffectResult", "claim", "methods"]
