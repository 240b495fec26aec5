"""Events that come back: models of their rate, their mean number, and the revolving door."""

from toolkit.survival.recurrent.mean_cumulative import mean_cumulative
from toolkit.survival.recurrent.mean_curve import MeanCumulative

__all__ = ["MeanCumulative", "mean_cumulative"]
