"""What benchmarks/survival.py times: the data, our calls, and how a peer does the same."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N_GROUPS = 400
WHOLE = [f"x{i}" for i in range(10)]
FEW = ["sex", "age", "low", "origin", "home", "size"]
BY_GROUP = "a loop over groups"

#: Name → what it is; the first word says which data and which plain count go with it.
WORKS = {
    "count": "polars: count group × time × event",
    "km": "toolkit kaplan_meier().tidy()",
    "km lifelines": f"lifelines KaplanMeierFitter, {BY_GROUP}",
    "km statsmodels": f"statsmodels SurvfuncRight, {BY_GROUP}",
    "km sksurv": f"scikit-survival kaplan_meier_estimator, {BY_GROUP}",
    "km R": "R survfit(Surv(time, event) ~ group)",
    "aj": "toolkit cumulative_incidence().tidy()",
    "aj lifelines": f"lifelines AalenJohansenFitter, {BY_GROUP}, one cause",
    "aj statsmodels": f"statsmodels CumIncidenceRight, {BY_GROUP}",
    "aj sksurv": f"scikit-survival cumulative_incidence_competing_risks, {BY_GROUP}",
    "aj R": "R survfit(Surv(time, factor(cause)) ~ group)",
    "cox": "toolkit cox, 10 continuous covariates",
    "cox lifelines": "lifelines CoxPHFitter",
    "cox statsmodels": "statsmodels PHReg, Efron",
    "cox sksurv": "scikit-survival CoxPHSurvivalAnalysis, Efron",
    "cox R": "R coxph",
    "cox robust": "toolkit cox(robust=True), 10 continuous covariates",
    "cox robust lifelines": "lifelines CoxPHFitter, robust=True",
    "cox robust R": "R coxph, cluster(id)",
    "cox few": "toolkit cox(robust=True), 6 categorical covariates",
    "cox few lifelines": "lifelines CoxPHFitter, robust=True",
    "cloglog": "toolkit discrete_hazard, 6 categorical covariates, month dummies",
    "cloglog statsmodels": "statsmodels GLM on expanded person-months",
    "cloglog R": "R glm on expanded person-months",
    "states": "toolkit multi_state().probabilities(), 4 states",
    "states R": "R survfit, multi-state with id",
}


def make(n: int, folder: Path) -> None:
    """Write the data of `n` persons: durations with covariates, and spells in four states."""
    rng = np.random.default_rng(20080101)
    cause = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    frame = pl.DataFrame(
        {
            "id": np.arange(n),
            "group": rng.integers(0, N_GROUPS, n),
            "time": np.minimum(rng.geometric(0.03, n), 120),
            "event": cause > 0,
            "cause": cause,
            **{name: rng.normal(size=n).round(6) for name in WHOLE},
            "sex": rng.integers(0, 2, n),
            "age": rng.integers(0, 4, n),
            "low": rng.integers(0, 2, n),
            "origin": rng.integers(0, 3, n),
            "home": rng.integers(0, 4, n),
            "size": rng.integers(0, 3, n),
        }
    )
    frame.write_parquet(folder / "rows.parquet")
    spells = draw_spells(n // 3, rng)
    spells.write_parquet(folder / "spells.parquet")
    if n <= 1_000_000:
        frame.cast({"event": pl.Int8}).write_csv(folder / "rows.csv")
        spells.write_csv(folder / "spells.csv")


def draw_spells(persons: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return three successive monthly spells a person, the last one censored."""
    lengths = rng.geometric(0.08, (persons, 3))
    stops = lengths.cumsum(axis=1)
    states = np.empty((persons, 4), dtype=np.int64)
    states[:, 0] = rng.integers(1, 4, persons)
    for k in range(1, 4):  # another state than the one before
        states[:, k] = (states[:, k - 1] + rng.integers(1, 4, persons)) % 4
    going_to = states[:, 1:].astype(float)
    going_to[:, 2] = np.nan
    return pl.DataFrame(
        {
            "id": np.repeat(np.arange(persons), 3),
            "start": (stops - lengths).ravel(),
            "stop": stops.ravel(),
            "from_state": states[:, :3].ravel(),
            "to_state": pl.Series(going_to.ravel()).fill_nan(None).cast(pl.Int64),
        }
    )


def data_of(name: str) -> str:
    """Return which file a work reads."""
    return "spells" if name.startswith("states") else "rows"


def plain(name: str, frame: pl.DataFrame) -> object:
    """Do the least anybody must do for this work: count."""
    keys = {
        "aj": ["group", "time", "cause"],
        "cox": ["time", "event"],
        "cox few": [*FEW, "time", "event"],
        "cloglog": [*FEW, "time", "event"],
        "states": ["start", "stop", "from_state", "to_state"],
    }
    two = " ".join(name.split()[:2])
    return frame.group_by(
        keys.get(two) or keys.get(name.split(maxsplit=1)[0]) or ["group", "time", "event"]
    ).len()


def prepared(name: str, frame: pl.DataFrame) -> tuple[Callable[[], object], int]:
    """Return what is to be timed, imports and conversions done, and how often it may be run."""
    if name in OURS:
        small = frame.head(2000)
        OURS[name](small)  # imports, and kernels that compile once
        run = OURS[name]
        return (lambda: run(frame)), (3 if name.startswith("cox") else 5)
    first = name.split(maxsplit=1)[0]
    peer = name.rsplit(maxsplit=1)[-1]
    if first in {"km", "aj"}:
        return _by_group(name, frame), 1
    if first == "cox":
        return _cox_peer(name, peer, frame), 1
    return _glm(frame), 1


def _by_group(name: str, frame: pl.DataFrame) -> Callable[[], object]:
    one = PEERS[name]
    columns = ("time", "event", "cause")
    one(*(frame[column].head(50).to_numpy() for column in columns))  # imports

    def run() -> object:  # cutting the frame in groups is part of the work, as it is for ours
        parts = frame.select("group", *columns).partition_by("group")
        return [one(*(part[column].to_numpy() for column in columns)) for part in parts]

    return run


def _cox_peer(name: str, peer: str, frame: pl.DataFrame) -> Callable[[], object]:
    columns = FEW if "few" in name else WHOLE
    if peer == "lifelines":
        from lifelines import CoxPHFitter

        if "few" in name:
            table = frame.select(*columns, "time", "event").to_dummies(
                [c for c in FEW if frame[c].max() > 1], drop_first=True
            )
        else:
            table = frame.select(*columns, "time", "event")
        pandas = _to_pandas(table)
        robust = "robust" in name or "few" in name
        return lambda: CoxPHFitter().fit(pandas, "time", "event", robust=robust)
    x = frame.select(columns).to_numpy()
    if peer == "statsmodels":
        from statsmodels.duration.hazard_regression import PHReg

        time, event = frame["time"].to_numpy(), frame["event"].cast(int).to_numpy()
        return lambda: PHReg(time, x, status=event, ties="efron").fit()
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    y = Surv.from_arrays(frame["event"].to_numpy(), frame["time"].to_numpy())
    return lambda: CoxPHSurvivalAnalysis(ties="efron").fit(x, y)


def _glm(frame: pl.DataFrame) -> Callable[[], object]:
    """Return the cloglog fit on person-months, as it is done without counting."""
    import statsmodels.api as sm

    def run() -> object:
        months = frame.select(*FEW, "time", "event", month=pl.int_ranges(1, pl.col("time") + 1))
        months = months.explode("month").with_columns(
            y=pl.col("event") & (pl.col("month") == pl.col("time"))
        )
        dummies = months.select(*FEW, "month").to_dummies([*FEW, "month"], drop_first=True)
        x = np.column_stack([np.ones(len(months)), dummies.cast(pl.Float64).to_numpy()])
        family = sm.families.Binomial(sm.families.links.CLogLog())
        return sm.GLM(months["y"].cast(int).to_numpy(), x, family=family).fit()

    return run


def _to_pandas(table: pl.DataFrame) -> Any:
    import pandas as pd

    return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})


# --- ours -----------------------------------------------------------------------------------------


def kaplan_meier(frame: pl.DataFrame) -> object:
    from toolkit import survival

    return survival.kaplan_meier(frame, time="time", event="event", by="group").tidy()


def cumulative_incidence(frame: pl.DataFrame) -> object:
    from toolkit import survival

    return survival.cumulative_incidence(frame, time="time", event="cause", by="group").tidy()


def cox(frame: pl.DataFrame, formula: str = " + ".join(WHOLE), **options: Any) -> object:
    from toolkit import survival

    return survival.cox(formula, frame, time="time", event="event", **options).tidy()


def cloglog(frame: pl.DataFrame) -> object:
    from toolkit import survival

    formula = " + ".join(f"C({name})" for name in FEW)
    return survival.discrete_hazard(formula, frame, time="time", event="event").tidy()


def multi_state(frame: pl.DataFrame) -> object:
    from toolkit import survival

    return survival.multi_state(
        frame, person="id", start="start", stop="stop", from_state="from_state",
        to_state="to_state",
    ).probabilities(0)  # fmt: skip


OURS: dict[str, Callable[[pl.DataFrame], object]] = {
    "count": lambda frame: plain("count", frame),
    "km": kaplan_meier,
    "aj": cumulative_incidence,
    "cox": cox,
    "cox robust": lambda frame: cox(frame, robust=True),
    "cox few": lambda frame: cox(frame, " + ".join(f"C({name})" for name in FEW), robust=True),
    "cloglog": cloglog,
    "states": multi_state,
}


# --- peers' curves, one group ---------------------------------------------------------------------


def lifelines_km(time: np.ndarray, event: np.ndarray, _: np.ndarray) -> object:
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(time, event)


def lifelines_aj(time: np.ndarray, _: np.ndarray, cause: np.ndarray) -> object:
    from lifelines import AalenJohansenFitter

    return AalenJohansenFitter(seed=1).fit(time, cause, 1)


def statsmodels_km(time: np.ndarray, event: np.ndarray, _: np.ndarray) -> object:
    from statsmodels.duration.survfunc import SurvfuncRight

    return SurvfuncRight(time, event)


def statsmodels_aj(time: np.ndarray, _: np.ndarray, cause: np.ndarray) -> object:
    from statsmodels.duration.survfunc import CumIncidenceRight

    return CumIncidenceRight(time, cause)


def sksurv_km(time: np.ndarray, event: np.ndarray, _: np.ndarray) -> object:
    from sksurv.nonparametric import kaplan_meier_estimator

    return kaplan_meier_estimator(event, time, conf_type="log-log")


def sksurv_aj(time: np.ndarray, _: np.ndarray, cause: np.ndarray) -> object:
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    return cumulative_incidence_competing_risks(cause, time, conf_type="log-log")


PEERS: dict[str, Callable[..., object]] = {
    "km lifelines": lifelines_km,
    "km statsmodels": statsmodels_km,
    "km sksurv": sksurv_km,
    "aj lifelines": lifelines_aj,
    "aj statsmodels": statsmodels_aj,
    "aj sksurv": sksurv_aj,
}

# --- R --------------------------------------------------------------------------------------------

R_CODE = """
suppressMessages(library(survival))
d <- read.csv("{path}")
{before}
took <- system.time({call})["elapsed"]
cat(took, max(0, as.numeric(sub("[^0-9]*([0-9]+).*", "\\\\1",
  grep("VmHWM", readLines("/proc/self/status"), value = TRUE)))) / 1024)
"""
_X = " + ".join(WHOLE)
R_CALLS = {
    "km R": ("", "survfit(Surv(time, event) ~ group, d)"),
    "aj R": ("", "survfit(Surv(time, factor(cause)) ~ group, d)"),
    "cox R": ("", f"coxph(Surv(time, event) ~ {_X}, d)"),
    "cox robust R": ("", f"coxph(Surv(time, event) ~ {_X}, d, cluster = id)"),
    "cloglog R": (
        "",
        "{m <- d[rep(seq_len(nrow(d)), d$time), ]; m$month <- sequence(d$time);"
        " m$y <- m$event == 1 & m$month == m$time; glm(y ~ "
        + " + ".join(f"factor({name})" for name in [*FEW, "month"])
        + ", binomial('cloglog'), m)}",
    ),
    "states R": (
        (
            "d$to <- factor(ifelse(is.na(d$to_state), 'none', d$to_state),"
            " c('none', 0:3)); d$from <- factor(d$from_state)"
        ),
        "survfit(Surv(start, stop, to) ~ 1, d, id = id, istate = from)",
    ),
}


def run_r(name: str, path: Path) -> tuple[float, float]:
    """Return the seconds and peak MiB of a call in R."""
    before, call = R_CALLS[name]
    done = subprocess.run(
        ["Rscript", "-e", R_CODE.format(path=path, before=before, call=call)],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return float(done[0]), float(done[1])
