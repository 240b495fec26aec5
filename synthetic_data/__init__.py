from synthetic_data.simulate import make_register, simulate
from synthetic_data.world import World

__all__ = ["World", "make_register", "simulate"]
