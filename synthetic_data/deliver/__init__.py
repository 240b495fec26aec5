from synthetic_data.deliver.audit import Audit, audit
from synthetic_data.deliver.delivery import Delivery, deliver
from synthetic_data.deliver.dirt import Dirt

__all__ = ["Audit", "Delivery", "Dirt", "audit", "deliver"]
