from synthetic_data.deliver import Delivery, Dirt, deliver
from synthetic_data.simulate import make_register, simulate
from synthetic_data.world import World

__all__ = ["Delivery", "Dirt", "World", "deliver", "make_register", "simulate"]
