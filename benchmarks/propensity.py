"""A propensity score, beside statsmodels and scikit-learn.

    python benchmarks/propensity.py [--sizes 100000 1000000] [--patience 120] [--only logit]

20 covariates that do not repeat, and 6 that do. Every figure comes from one run on one machine:
each work is done in a process of its own on the same data, so that its peak memory is its own.
Ours starts from a data frame and ends with scores; peers are handed the matrix, and only fit. What
is timed is the work, not reading the data, importing or compiling. Peers run as they come, with the
threads their libraries start, and once more with one (`OMP_NUM_THREADS=1`), which under load is
faster. Ratios are against our own time; coefficients are compared, so that all solve the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

WIDE = [f"x{i}" for i in range(20)]
FEW = ["sex", "age", "origin", "home", "size", "quarter"]
#: Name → what it is; "logit" is on columns that do not repeat, "few" on those that do.
WORKS = {
    "logit": "toolkit propensity, 20 continuous columns of a frame",
    "logit sklearn": "scikit-learn LogisticRegression, newton-cholesky, of a matrix",
    "logit lbfgs": "scikit-learn LogisticRegression, lbfgs, of a matrix",
    "logit statsmodels": "statsmodels GLM, binomial, of a matrix",
    "logit smlogit": "statsmodels Logit, newton, of a matrix",
    "few": "toolkit propensity, 6 categorical columns of a frame",
    "few sklearn": "scikit-learn newton-cholesky, of a matrix of dummies",
    "few statsmodels": "statsmodels GLM, of a matrix of dummies",
    "probit": "toolkit propensity, probit, 20 continuous columns",
    "probit statsmodels": "statsmodels Probit, newton, of a matrix",
    "weigh": "toolkit weigh, ipw, 20 continuous columns, with influences",
    "entropy": "toolkit weigh, entropy balancing, 20 continuous columns, with influences",
}
OURS = {"logit", "few", "probit", "weigh", "entropy"}


def make(n: int, path: Path) -> None:
    rng = np.random.default_rng(20080101)
    wide = {name: rng.normal(size=n) for name in WIDE}
    few = {name: rng.integers(0, k, n) for name, k in zip(FEW, (2, 6, 3, 4, 3, 8), strict=True)}
    eta = -1.6 + 0.2 * sum(wide[name] for name in WIDE[:8]) + 0.1 * few["age"] - 0.2 * few["sex"]
    frame = pl.DataFrame({**wide, **few, "treated": rng.random(n) < 1 / (1 + np.exp(-eta))})
    frame.write_parquet(path)


def prepared(name: str, frame: pl.DataFrame) -> Callable[[], np.ndarray]:
    """Return what is timed: it gives the coefficients, the intercept first."""
    kind, _, peer = name.partition(" ")
    few = kind == "few"
    formula = "treated ~ " + " + ".join(f"C({x})" for x in FEW) if few else "treated ~ " + "+".join(
        WIDE
    )  # fmt: skip
    if not peer:
        from toolkit import matching

        def ours() -> np.ndarray:
            if kind in {"weigh", "entropy"}:
                found = matching.weigh(
                    frame, on=formula, method="ipw" if kind == "weigh" else "entropy"
                )
                assert found.nuisance is not None
                return found.weights.to_numpy()[:1]
            model = "probit" if kind == "probit" else "logit"
            return matching.propensity(formula, frame, model=model).fits[0].climbed.theta

        matching.propensity(formula, frame.head(2000))  # imports
        return ours
    x = frame.select(_dummies(frame)) if few else frame.select(WIDE)
    matrix, treated = x.cast(pl.Float64).to_numpy(order="c"), frame["treated"].to_numpy()
    if peer in {"sklearn", "lbfgs"}:
        from sklearn.linear_model import LogisticRegression

        solver = "lbfgs" if peer == "lbfgs" else "newton-cholesky"

        def learn() -> np.ndarray:
            model = LogisticRegression(C=np.inf, solver=solver, tol=1e-8, max_iter=1000)
            model.fit(matrix, treated)
            return np.concatenate([model.intercept_, model.coef_[0]])

        return learn
    import statsmodels.api as sm

    outcome = treated.astype(float)

    def fit() -> np.ndarray:
        design = sm.add_constant(matrix)
        if peer == "statsmodels" and kind != "probit":
            return sm.GLM(outcome, design, family=sm.families.Binomial()).fit().params
        model = sm.Probit if kind == "probit" else sm.Logit
        return model(outcome, design).fit(disp=0, method="newton").params

    return fit


def _dummies(frame: pl.DataFrame) -> list[pl.Expr]:
    return [
        (pl.col(name) == level).alias(f"{name}{level}")
        for name in FEW
        for level in sorted(frame[name].unique())[1:]
    ]


def work(name: str, path: Path) -> tuple[float, float, list[float]]:
    """Return the best of the seconds `name` takes, its peak MiB, and its coefficients."""
    frame = pl.read_parquet(path)
    run = prepared(name, frame)
    took, found = [], np.zeros(0)
    for _ in range(3 if name in OURS else 1):
        begin = time.perf_counter()
        found = run()
        took.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return min(took), peak, np.sort(found).tolist()


def line(name: str, path: Path, patience: float, known: dict[str, tuple[float, list[float]]],
         *, threads: str = "") -> None:  # fmt: skip
    """Print one line of the table."""
    what = WORKS[name] + (f", {threads} thread" if threads else "")
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    more = dict.fromkeys(names, threads) if threads else {}
    child = subprocess.Popen(
        [sys.executable, __file__, "--child", name, str(path)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True, env={**os.environ, **more},
    )  # fmt: skip
    try:
        said, _ = child.communicate(timeout=None if name in OURS else patience)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        print(f"{what:<74}{f'stopped after {patience:.0f} s':>27}", flush=True)
        return
    if child.returncode:
        print(f"{what:<74}{'FAILED':>27}", flush=True)
        return
    seconds, peak, found = json.loads(said)
    kind = name.partition(" ")[0]
    beside, off = "", ""
    if name in OURS:
        known[kind] = seconds, found
    elif kind in known:
        beside = f"{seconds / known[kind][0]:.1f}"
        off = f"{np.abs(np.subtract(known[kind][1], found)).max():.0e}"
    print(f"{what:<74}{seconds:>8.2f}{beside:>8}{peak:>10,.0f}{off:>9}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--patience", type=float, default=120.0, help="seconds a peer may take")
    parser.add_argument("--only", default="", help="works whose name starts with this")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(work(options.child[0], Path(options.child[1]))))
        return
    print(f"polars {pl.__version__}, numpy {np.__version__}; ours best of 3, peers once")
    for n in sorted(options.sizes):
        print(f"\n{n:,} rows\n{'work':<74}{'seconds':>8}{'× ours':>8}{'peak MiB':>10}{'apart':>9}")
        known: dict[str, tuple[float, list[float]]] = {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "people.parquet"
            make(n, path)
            for name in WORKS:
                if not name.startswith(options.only):
                    continue
                line(name, path, options.patience, known)
                if name not in OURS:
                    line(name, path, options.patience, known, threads="1")


if __name__ == "__main__":
    main()
