"""What every test may use: comparisons that end up on the validation page."""

import json
import math
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# One thread of linear algebra a worker: more wait for each other, and cost a sixth of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--validation", metavar="FILE", help="write the recorded comparisons and coverages there"
    )


@pytest.fixture
def agree(request):
    """Assert that our numbers equal a reference's, and record by how much they differ.

    agree("Cox", "coefficients, Efron", ours, theirs, tolerance=1e-8, source="R survival 3.5-3")

    `relative=True` divides the difference by the size of their numbers. A `reason` is asked for
    where the tolerance is wider than 1e-6, or where the two differ by definition.
    """

    def compare(
        section, quantity, ours, theirs, *, tolerance=1e-8, source, reason="", relative=False
    ):
        ours, theirs = (
            np.atleast_1d(np.array([np.nan if x is None else x for x in _flat(values)], float))
            for values in (ours, theirs)
        )
        assert ours.shape == theirs.shape, (
            f"{quantity}: {ours.shape} numbers against {theirs.shape}"
        )
        assert (np.isnan(ours) == np.isnan(theirs)).all(), (
            f"{quantity}: missing in one, not in both"
        )
        assert tolerance <= 1e-6 or reason, "say why the tolerance is as wide as that"
        known = ~np.isnan(theirs)
        size = np.maximum(np.abs(theirs[known]), 1e-12) if relative else 1.0
        off = float(np.max(np.abs(ours[known] - theirs[known]) / size, initial=0.0))
        request.node.user_properties.append(
            (
                "validation",
                json.dumps(
                    {
                        "section": section,
                        "quantity": quantity,
                        "numbers": int(known.sum()),
                        "ours": _first(ours, theirs),
                        "theirs": _first(theirs, theirs),
                        "difference": off,
                        "relative": relative,
                        "tolerance": tolerance,
                        "source": source,
                        "reason": reason,
                    }
                ),
            )
        )
        assert off <= tolerance, f"{section}, {quantity}: {off:.3g} apart, allowed {tolerance:g}"

    return compare


@pytest.fixture(scope="session")
def check_matching():
    """Assert what every matched sample promises: `check_matching` of matching_invariants.py."""
    spec = spec_from_file_location(
        "matching_invariants", Path(__file__).with_name("matching_invariants.py")
    )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check_matching


@pytest.fixture
def covers(request):
    """Assert that intervals cover the truth as often as they say, and record how often.

    covers("Cox", "log hazard ratio, Efron", low, high, truth, level=0.95)

    `slack` is what the approximation itself may be off, beside four standard deviations of a
    binomial share.
    """

    def check(section, quantity, low, high, truth, *, level=0.95, slack=0.005, note=""):
        low, high = np.asarray(low, float), np.asarray(high, float)
        inside = (low <= truth) & (truth <= high)
        share, n = float(inside.mean()), len(inside)
        allowed = slack + 4 * math.sqrt(level * (1 - level) / n)
        request.node.user_properties.append(
            (
                "coverage",
                json.dumps(
                    {
                        "section": section,
                        "quantity": quantity,
                        "level": level,
                        "covered": share,
                        "replicates": n,
                        "allowed": allowed,
                        "note": note,
                    }
                ),
            )
        )
        assert abs(share - level) <= allowed, f"{section}, {quantity}: covers {share:.3f} of {n}"

    return check


@pytest.fixture
def calibrates(request):
    """Assert that a method finds the truth where it should, and is flagged where it cannot.

    calibrates("Effects in known worlds", "a. on observables", "doubly robust", 0.15, findings,
               right=True)

    `findings` are a replicate each: `estimate, low, high` and `flags`, the criteria of the gate
    that were not met (none: supported). With `right` the mean estimate is the truth, intervals
    cover it, and few are flagged; else most are, unless nothing can show it (`seen=False`): then
    few are, and the page says so. None asserts nothing: where the truth at hand is not quite what
    the method is after, or what shows depends on the number of people. `slack` is what the
    approximation may be off; the rest is noise.
    """

    def check(
        section, world, method, truth, findings, *, right, seen=True, truth_error=0.0, slack=0.005,
        unit="pp", robustness=None, takes=None,
    ):  # fmt: skip
        estimate, low, high = (
            np.array([getattr(one, name) for one in findings])
            for name in ("estimate", "low", "high")
        )
        n, truth = len(findings), np.broadcast_to(np.asarray(truth, float), len(findings))
        flagged = float(np.mean([bool(one.flags) for one in findings]))
        why = [flag for one in findings for flag in one.flags]
        bias = float((estimate - truth).mean())
        inside = (low <= truth) & (truth <= high)
        request.node.user_properties.append(
            (
                "calibration",
                json.dumps(
                    {
                        "section": section,
                        "quantity": f"{world}: {method}",
                        "world": world,
                        "method": method,
                        "right": right,
                        "seen": seen,
                        "unit": unit,
                        "truth": float(truth.mean()),
                        "bias": bias,
                        "rmse": float(np.sqrt(np.mean((estimate - truth) ** 2))),
                        "covered": float(inside.mean()),
                        "flagged": flagged,
                        "why": sorted(set(why), key=lambda flag: (-why.count(flag), flag)),
                        "robustness": None if robustness is None else float(robustness),
                        "takes": None if takes is None else float(takes),
                        "replicates": n,
                    }
                ),
            )
        )
        label = f"{world}, {method}"
        noise = 4 * math.hypot(float((high - low).mean()) / 3.92 / math.sqrt(n), truth_error)
        binomial = 4 * math.sqrt(0.05 * 0.95 / n)
        if right:
            assert abs(bias) <= slack + noise, f"{label}: {bias:.3f} off, {noise:.3f} by chance"
            assert abs(inside.mean() - 0.95) <= 0.02 + binomial, f"{label}: {inside.mean():.2f}"
            assert flagged <= 0.05 + binomial, f"{label}: flagged {flagged:.2f}"
        elif right is False and seen:
            assert flagged >= 0.8 - 4 * math.sqrt(0.16 / n), f"{label}: flagged {flagged:.2f}"
        elif right is False and seen is False:
            assert flagged <= 0.1 + 4 * math.sqrt(0.09 / n), f"{label}: flagged {flagged:.2f}"

    return check


@pytest.fixture
def recovers(request):
    """Record what a method makes of LaLonde's data: estimate, error, and what the gate says.

    recovers("entropy balancing", row, 1.794, supported=False, why="ess 24")

    `row` has `estimate` and `std_error`, in thousands; the test itself asserts.
    """

    def record(method, row, benchmark, *, supported, why):
        request.node.user_properties.append(
            (
                "recovery",
                json.dumps(
                    {
                        "section": "LaLonde",
                        "quantity": method,
                        "estimate": row["estimate"],
                        "std_error": row["std_error"],
                        "benchmark": benchmark,
                        "supported": supported,
                        "why": why,
                    }
                ),
            )
        )

    return record


def _flat(values):
    if hasattr(values, "to_list"):
        return values.to_list()
    return np.asarray(values, dtype=object).ravel().tolist()


def _first(values, theirs):
    """Return the first number that is there."""
    known = np.flatnonzero(~np.isnan(theirs))
    return float(values[known[0]]) if len(known) else None


_RECORDED = []
_KINDS = {"validation", "coverage", "calibration", "recovery"}


def pytest_runtest_logreport(report):
    if report.when == "call":
        _RECORDED.extend((key, json.loads(row)) for key, row in report.user_properties
                         if key in _KINDS)  # fmt: skip


def pytest_sessionfinish(session):
    target = session.config.getoption("--validation")
    if target and not hasattr(session.config, "workerinput"):
        rows = sorted(_RECORDED, key=lambda row: (row[0], row[1]["section"], row[1]["quantity"]))
        Path(target).write_text(json.dumps(rows, indent=1), encoding="utf-8")
