from synthetic_data.deliver.dirt.dirtier import Dirtier
from synthetic_data.deliver.dirt.shares import Dirt

__all__ = ["Dirt", "Dirtier"]
