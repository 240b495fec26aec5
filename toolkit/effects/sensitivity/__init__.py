"""What could undo an effect: hidden bias, omitted variables, placebos, other choices."""

from toolkit.effects.sensitivity.rosenbaum import RosenbaumBounds, amplify, rosenbaum_bounds

__all__ = ["RosenbaumBounds", "amplify", "rosenbaum_bounds"]
