from synthetic_data.deliver.delivery import Delivery, deliver
from synthetic_data.deliver.dirt import Dirt

__all__ = ["Delivery", "Dirt", "deliver"]
