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

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from _table import OURS as TIMES_OURS
from _table import PEAK, SECONDS, Work, clocked, main, peak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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


def child(name: str, path: str) -> dict[str, Any]:
    """Return the best of the seconds `name` takes, its peak MiB, and its coefficients."""
    run = prepared(name, pl.read_parquet(path))
    found = np.zeros(0)

    def once() -> None:
        nonlocal found
        found = run()

    seconds = min(clocked(once) for _ in range(3 if name in OURS else 1))
    return {"seconds": seconds, "peak": peak(), "found": np.sort(found).tolist()}


def apart(own: dict[str, Any], ours: dict[str, Any] | None) -> str:
    """Return how far coefficients are from ours."""
    if ours is None:
        return ""
    return f"{np.abs(np.subtract(own['found'], ours['found'])).max():.0e}"


def works(n: int, folder: Path) -> Iterator[Work]:
    path = folder / "people.parquet"
    make(n, path)
    for name, what in WORKS.items():
        if name in OURS:
            yield Work(name=name, what=what, arguments=(name, str(path)))
            continue
        for threads in ("", "1"):
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
            yield Work(
                name=f"{name} {threads}".strip(), what=what + (", 1 thread" if threads else ""),
                arguments=(name, str(path)), ours=name.partition(" ")[0],
                env=dict.fromkeys(names, threads) if threads else {},
            )  # fmt: skip


COLUMNS = {"seconds": SECONDS, "× ours": TIMES_OURS, "peak MiB": PEAK, "apart": apart}

if __name__ == "__main__":
    main(
        __doc__, __file__, COLUMNS, sizes=[100_000, 1_000_000], unit="rows",
        note="ours best of 3, peers once", patience=120.0, works=works, child=child,
    )  # fmt: skip
