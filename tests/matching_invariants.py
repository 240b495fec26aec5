"""What holds in every matched sample, whatever the method: one helper for all tests."""

from collections import Counter, defaultdict

import numpy as np


def check_matching(
    sample, *, exact=(), antiexact=(), widths=None, replace=False, again=None, weights=True
):
    """Assert what a matched sample promises, from its rows in plain loops.

    Parameters
    ----------
    sample : Sample
        With `pairs`, or `subclass`, or both.
    exact, antiexact : sequence of str
        Columns that agree, or differ, within every pair (and, `exact`, within every subclass).
    widths : dict
        Column (or "distance") → by how much the two of a pair may differ.
    replace : bool
        Whether a partner may stand in several pairs.
    again : str, optional
        Column of the unit that must not come twice; without it a row is a unit.
    weights : bool
        Whether weights are those of pairs or subclasses and nothing else (no censoring).
    """
    frame, treated = sample.frame, np.asarray(sample.treated)
    weight, sampling = sample.weights.to_numpy(), np.asarray(sample.sampling)
    assert len(treated) == len(weight) == frame.height
    assert (weight >= 0).all()
    focal = ~treated if sample.estimand == "ATC" else treated
    pairs = getattr(sample, "pairs", None)
    if pairs is not None:
        one, two = (pairs[name].to_numpy() for name in ("treated_row", "control_row"))
        assert treated[one].all(), "a control stands as treated in a pair"
        assert not treated[two].any(), "a treated stands as control in a pair"
        assert len(set(zip(one, two, strict=True))) == len(pairs), "a pair stands twice"
        partner = one if sample.estimand == "ATC" else two
        star = _is_star(sample, pairs)
        if not replace and not star:
            units = frame[again].to_numpy()[partner] if again else partner
            assert max(Counter(units.tolist()).values()) == 1, "a partner stands in two pairs"
        assert set(np.flatnonzero(weight > 0)) <= {*one, *two}, "a weight without a pair"
        assert set(np.flatnonzero(focal & (weight > 0))) == {*(two if partner is one else one)}
        for name in exact:
            values = frame[name].to_numpy()
            assert _same(values[one], values[two]), f"a pair differs on {name}"
        for name in antiexact:
            values = frame[name].to_numpy()
            assert not (values[one] == values[two]).any(), f"a pair agrees on {name}"
        for name, width in (widths or {}).items():
            gap = pairs["distance"].to_numpy() if name == "distance" else np.abs(
                frame[name].to_numpy()[one] - frame[name].to_numpy()[two]
            )  # fmt: skip
            assert (gap <= width).all(), f"a pair is {gap.max()} apart on {name}, allowed {width}"
        assert (pairs["distance"].to_numpy() >= 0).all()
    if sample.subclass is not None:
        _check_subclasses(sample, pairs, exact)
    if weights:
        _check_weights(sample, pairs, focal, weight, sampling)
    left = sample.attrition
    for name, count in (("n_treated", sample.n_treated), ("n_control", sample.n_control)):
        assert (left[name].diff().drop_nulls() <= 0).all(), "attrition rises"
        assert left[name][-1] == count, "attrition does not end at those in the comparison"


def _is_star(sample, pairs):
    """Tell whether a subclass holds several focal rows: full matching."""
    sets = defaultdict(lambda: (set(), set()))
    for one, two, code in pairs.select("treated_row", "control_row", "subclass").iter_rows():
        sets[code][0].add(one)
        sets[code][1].add(two)
    assert all(min(len(a), len(b)) == 1 for a, b in sets.values()), "a set without a centre"
    place = 1 if sample.estimand == "ATC" else 0
    return any(len(both[place]) > 1 for both in sets.values())


def _same(one, two):
    return all(a == b or (a is None and b is None) for a, b in zip(one, two, strict=True))


def _check_subclasses(sample, pairs, exact):
    code, treated = np.asarray(sample.subclass), np.asarray(sample.treated)
    used = sample.weights.to_numpy() > 0
    assert (used == (code >= 0)).all(), "weight and subclass disagree on who is in"
    numbers = np.unique(code[used])
    assert (numbers == np.arange(len(numbers))).all(), "subclasses are not numbered from 0"
    for kind in (treated, ~treated):
        assert set(code[used & kind]) == set(numbers), "a subclass with one kind of people"
    if pairs is not None:
        for name in ("treated_row", "control_row"):
            assert (code[pairs[name].to_numpy()] == pairs["subclass"].to_numpy()).all()
    for name in exact:
        values = sample.frame[name].to_list()
        for number in numbers:
            assert len({values[row] for row in np.flatnonzero(code == number)}) == 1


def _check_weights(sample, pairs, focal, weight, sampling):
    """Weights from pairs and weights from subclasses are the weights."""
    made = []
    if sample.subclass is not None:
        made.append(_from_subclasses(sample, sampling))
    # of the ATE both sides weigh for each other: no pair of a row with its partners
    stands = sample.subclass is not None and sample.estimand == "ATE"
    if pairs is not None and not stands and (
        sample.subclass is None or not _is_star(sample, pairs)
    ):  # fmt: skip
        made.append(_from_pairs(pairs, focal, sampling))
    for one in made:
        assert np.allclose(one, weight, rtol=1e-10, atol=1e-12)
    for kind in (sample.treated, ~sample.treated):
        used = kind & (weight > 0)
        assert np.isclose(weight[kind].sum(), sampling[used].sum()), "weights are not scaled"


def _from_pairs(pairs, focal, sampling):
    made = np.zeros(len(sampling))
    partners = defaultdict(list)
    for one, two in pairs.select("treated_row", "control_row").iter_rows():
        i, j = (one, two) if focal[one] else (two, one)
        partners[i].append(j)
    for i, those in partners.items():
        made[i] = sampling[i]
        for j in those:
            made[j] += sampling[i] * sampling[j] / sum(sampling[k] for k in those)
    return _scaled(made, ~focal, sampling)


def _from_subclasses(sample, sampling):
    code, treated = np.asarray(sample.subclass), np.asarray(sample.treated)
    made = np.zeros(len(code))
    for number in set(code[code >= 0].tolist()):
        rows = code == number
        sums = {kind: sampling[rows & (treated == kind)].sum() for kind in (True, False)}
        aim = {"ATT": sums[True], "ATC": sums[False], "ATE": sums[True] + sums[False]}
        for kind in (True, False):
            who = rows & (treated == kind)
            made[who] = sampling[who] * aim[sample.estimand] / sums[kind]
    for kind in (treated, ~treated):
        made = _scaled(made, kind, sampling)
    return made


def _scaled(made, who, sampling):
    used = who & (made > 0)
    if used.any():
        made = made.copy()
        made[used] *= sampling[used].sum() / made[used].sum()
    return made
