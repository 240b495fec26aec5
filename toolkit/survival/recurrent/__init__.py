"""Events that come back: models of their rate, their mean number, and the revolving door."""

from toolkit.survival.recurrent.by_order import CoxByOrder
from toolkit.survival.recurrent.mean_cumulative import mean_cumulative
from toolkit.survival.recurrent.mean_curve import MeanCumulative
from toolkit.survival.recurrent.models import recurrent
from toolkit.survival.recurrent.orders import Orders, order_events
from toolkit.survival.recurrent.revolving_door import RevolvingDoor, revolving_door

__all__ = [
    "CoxByOrder",
    "MeanCumulative",
    "Orders",
    "RevolvingDoor",
    "mean_cumulative",
    "order_events",
    "recurrent",
    "revolving_door",
]
