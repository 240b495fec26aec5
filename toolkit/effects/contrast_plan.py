"""Which variance is right for a sample, and which is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from toolkit.effects.bootstrap import check_replicates
from toolkit.effects.contrast_influence import Clustering
from toolkit.effects.contrast_sample import clustering_of
from toolkit.errors import CallError, check_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from toolkit.effects.contrast_means import Link
    from toolkit.effects.contrast_sample import Kind
    from toolkit.matching.sample import Sample

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Variance = Literal["influence", "strata", "abadie_imbens", "bootstrap"]
VARIANCES = ("influence", "strata", "abadie_imbens", "bootstrap")
Correction = Literal["HC0", "HC1", "HC2", "HC3"]
CORRECTIONS = ("HC0", "HC1", "HC2", "HC3")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is to be computed, checked.

    Attributes
    ----------
    y, weight : (N,) arrays
        Outcome (0 where not known) and weight (0 = not in).
    known : (N,) array of bool
        Where there is an outcome, in the comparison or not.
    group : (N,) array
        -1 = not in.
    counts : (N,) array or None
        How many equal rows each is; None = 1, or sampling weights.
    """

    sample: Sample = field(repr=False)
    kind: Kind
    y: Floats = field(repr=False)
    known: Bools = field(repr=False)
    weight: Floats = field(repr=False)
    groups: pl.DataFrame = field(repr=False)
    group: Ints = field(repr=False)
    counts: Floats | None = field(repr=False)
    clustering: Clustering
    variance: Variance
    correction: Correction
    adjust: str | None
    link: Link
    interacted: bool
    neighbours: int
    replicates: int
    seed: int
    said: list[str]

    @property
    def n_group(self) -> int:
        """Number of groups."""
        return max(self.groups.height, 1)

    @property
    def described(self) -> str:
        """The variance in words."""
        if self.variance == "abadie_imbens":
            return f"Abadie and Imbens (2006), {self.neighbours} neighbours"
        if self.variance == "bootstrap":
            words = f"weighted bootstrap, {self.replicates:,} replicates"
        else:
            words = {"influence": "influence functions", "strata": "by stratum"}[self.variance]
            words += f", {self.correction}"
        if self.sample.nuisance is not None:
            words += ", weights estimated"
        return words + (f", clusters of {self.clustering.label}" if self.clustering else "")


def make_plan(
    sample: Sample,
    kind: Kind,
    *,
    y: Floats,
    known: Bools,
    keep: Bools,
    groups: pl.DataFrame,
    group: Ints,
    cluster: str | Sequence[str] | Literal[False] | None,
    variance: Variance | None,
    correction: Correction | None,
    weight_type: Literal["frequency", "sampling"] | None,
    adjust: str | None,
    link: Link,
    interacted: bool,
    neighbours: int,
    replicates: int,
    seed: int,
) -> Plan:
    """Return what is to be computed; refuse what is not valid, with the reason."""
    said: list[str] = []
    clustering = clustering_of(sample, kind, cluster)
    weight = np.where(keep, sample.weights.to_numpy(), 0.0)
    singles = kind == "strata" and _lone(sample, weight, group)
    unequal = kind == "reused" and _unequal(sample, weight)
    if variance is None:
        variance = _default(kind, clustering, singles=singles or unequal, adjust=adjust)
    asked = Clustering() if cluster is None else clustering
    if variance == "abadie_imbens" and unequal:
        raise CallError(
            "The variance of Abadie and Imbens does not know weights within risk sets, or of "
            "controls who stand for the censored",
            fix="leave variance= out: influence functions, clusters of persons",
        )
    _check(kind, variance, clustering, adjust, asked=asked, singles=singles)
    if kind == "strata" and variance == "influence" and not clustering and cluster is None:
        if adjust is None and not singles:
            said.append("strata are taken as given: their shares are not estimated")
        elif sample.subclass is not None:
            clustering = Clustering(
                names=("subclass",), codes=(np.maximum(sample.subclass, 0),)
            )  # fmt: skip
    if kind == "reused" and variance == "influence":
        said.append("matches used again are taken as weights: their choice counts as fixed")
    counts = _counts(sample, weight, weight_type)
    if counts is not None and variance in {"bootstrap", "abadie_imbens"}:
        raise CallError(
            f"variance={variance!r} does not know weights that count equal rows",
            fix="weight_type='sampling' where they say how many others a row stands for; else "
            "repeat the rows, or use variance='influence'",
        )
    if variance == "bootstrap":
        check_replicates(replicates)
    if not _whole(neighbours) or neighbours < 1:
        raise CallError(f"neighbours={neighbours!r} is no whole number from 1 on", fix="2 serves")
    if not _whole(seed):
        raise CallError(f"seed={seed!r} is no whole number", fix="for instance seed=1")
    chosen = correction or ("HC2" if variance == "strata" else "HC1")
    check_option("correction", chosen, CORRECTIONS)
    if clustering and chosen in {"HC2", "HC3"} and variance != "strata":
        raise CallError(
            f"correction={chosen!r} is one of single rows, and there are clusters of "
            f"{clustering.label}",
            fix="use HC1, or cluster=False",
        )
    return Plan(
        sample=sample, kind=kind, y=y, known=known, weight=weight, groups=groups, group=group,
        counts=counts, clustering=clustering, variance=variance, correction=chosen,
        adjust=adjust, link=link, interacted=interacted, neighbours=neighbours,
        replicates=replicates, seed=seed, said=said,
    )  # fmt: skip


def _default(kind: Kind, clustering: Clustering, *, singles: bool, adjust: str | None) -> Variance:
    if kind == "reused" and not clustering and not singles:
        return "abadie_imbens"
    if kind == "strata" and adjust is None and not singles:
        return "strata"
    return "influence"


def _check(
    kind: Kind,
    variance: Variance,
    clustering: Clustering,
    adjust: str | None,
    *,
    asked: Clustering,
    singles: bool,
) -> None:
    if variance == "abadie_imbens":
        if kind != "reused":
            raise CallError(
                "variance='abadie_imbens' is for matching with replacement",
                fix="leave variance= out: pairs and weights have their own",
            )
        if clustering:
            raise CallError(
                "The variance of Abadie and Imbens knows no clusters",
                fix="use variance='influence', or cluster=False",
            )
    if variance == "strata":
        if kind != "strata":
            raise CallError("variance='strata' is for strata", fix="leave variance= out")
        if adjust is not None:
            raise CallError(
                "With adjust= the regression takes the place of means by stratum",
                fix="leave variance= out, or put the stratum in the formula",
            )
        if singles:
            raise CallError(
                "A stratum has only one treated or one control: no variance within it",
                fix="leave variance= out, which sums over strata; or make fewer strata",
            )
    if variance == "bootstrap":
        _check_bootstrap(kind, clustering, adjust, asked=asked)


def _check_bootstrap(
    kind: Kind, clustering: Clustering, adjust: str | None, *, asked: Clustering
) -> None:
    if kind == "reused":
        raise CallError(
            "The bootstrap is not valid for nearest-neighbour matching with replacement: how often "
            "a match is used does not vary in a replicate as in a sample, however large (Abadie "
            "and Imbens 2008, Econometrica 76)",
            fix="leave variance= out: Abadie and Imbens (2006)",
        )
    if kind == "pairs" and "subclass" not in asked.names:
        raise CallError(
            "The bootstrap of single rows is not valid for nearest-neighbour matching: rows are in "
            "because of their partners, and matching again in each replicate fails as well "
            "(Abadie and Imbens 2008)",
            fix="leave variance= out; or draw whole pairs, cluster='subclass' (Abadie and Spiess "
            "2022)",
        )
    if kind == "strata":
        raise CallError(
            "The bootstrap keeps weights of strata as they are, though their sizes vary",
            fix="use variance='strata', which knows that shares of strata are estimated",
        )
    if adjust is not None:
        raise CallError(
            "The bootstrap does not fit the regression again",
            fix="use variance='influence', to which it is equal in large samples",
        )
    if len(clustering.names) > 1:
        raise CallError("The bootstrap draws one kind of cluster", fix="name one in cluster=")


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _unequal(sample: Sample, weight: Floats) -> bool:
    """Tell whether matches in risk sets count for other than their share of a treated's weight."""
    control = getattr(sample, "control", None)
    given = sample.sampling[weight > 0]
    return control == "censor" or (control is not None and bool((given != 1).any()))


def _lone(sample: Sample, weight: Floats, group: Ints) -> bool:
    """Tell whether a stratum in a group has an arm of one row, or none."""
    if sample.subclass is None:
        return False
    rows = (weight > 0) & (group >= 0) & (sample.subclass >= 0)
    cell = group[rows] * (int(sample.subclass.max()) + 1) + sample.subclass[rows]
    _, place = np.unique(cell, return_inverse=True)
    arms = [np.bincount(place[sample.treated[rows] == arm], minlength=place.max() + 1)
            for arm in (True, False)]  # fmt: skip
    return bool(min(int(arm.min()) for arm in arms) < 2)


def _counts(
    sample: Sample, weight: Floats, weight_type: Literal["frequency", "sampling"] | None
) -> Floats | None:
    """Return how many equal rows each row is, (N,); None where each is one."""
    if weight_type is not None:
        check_option("weight_type", weight_type, ("frequency", "sampling"))
    given = np.where(weight > 0, sample.sampling, 1.0)  # others may stand for those not shown
    if (given == 1).all():
        return None
    whole = bool((given == np.round(given)).all())
    if weight_type == "frequency" and not whole:
        raise CallError(
            "weight_type='frequency' is for whole numbers, and the weights are not",
            fix="use weight_type='sampling'",
        )
    return given if weight_type != "sampling" and whole else None
