"""Wage rows to canonical jobs: one row as long as a job runs on unchanged terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import InputError, MissingValueError, UnknownCodeError, masked, nearest
from toolkit.registers import codes, schema
from toolkit.registers.wages.job_months import (
    FOUR_WEEKLY,
    HOURS_CAP,
    HOURS_STEP,
    HOURS_UNKNOWN,
    JOB,
    WAGE_STEP,
    WAGE_UNKNOWN,
    cut_by_month,
    is_correction,
    known,
    main_terms,
    rates,
    sums,
)

if TYPE_CHECKING:
    from datetime import date

    from toolkit.registers.layout import TableSpec

#: Columns a table with `via = "wage_rows"` names. Ends are the first day after, as everywhere:
#: write `SDATUMEINDEIKO + INTERVAL '1d'` where the delivery gives the last day.
REQUIRED = ("job", "employer", "start", "end", "wage", "hours", "kind")
OPTIONAL = ("contract", "job_start", "job_end", "period")

_TERMS = ("employer", "kind", "contract", "hours", "wage")
_KEY = ("person", "job")


def wage_rows_to_jobs(
    staged: pl.DataFrame,
    table: TableSpec,
    *,
    covered_from: date | None = None,
    covered_until: date | None = None,
    hours_cap: float = HOURS_CAP,
    hours_step: float = HOURS_STEP,
    wage_step: float = WAGE_STEP,
) -> pl.DataFrame:
    """Turn accepted wage rows of some persons into canonical jobs.

    Hours and wage are those of `job_months`, apart for each kind and contract in a month, on a grid
    of `hours_step` and `wage_step`: that is the tolerance within which terms are the same. A row of
    the result starts on the first day on which the terms are new, and ends where the next starts.

    * `job_start` and `job_end` come from the latest wage row of the job, and bound it: a month
      without a wage row is no gap, and rows outside them (back pay) set no terms. A job without any
      row inside has unknown hours and wage.
    * `job_end` null: still running. Where the delivery has no `job_start` and `job_end`, the rows
      themselves bound the job, and days without a row are a gap (within a month they are not).
    * An unknown contract, hours or wage is no change: the last known one goes on (within the same
      employer, kind and contract). Before the first known one it is null.
    * Corrections below zero belong to the kind and contract they name where the job has another row
      with those in the month, else to the main ones of the month.

    Parameters
    ----------
    staged : pl.DataFrame
        Accepted wage rows: `person`, the fields, and `_file`, `_row` where there are.
    table : TableSpec
        Names the columns of `REQUIRED` and `OPTIONAL` in SQL over the fields.
    covered_from : date, optional
        First day the wage rows cover. With it, a job that began earlier starts on that day, to join
        what an earlier source says; without, it starts on its `job_start`, on the first terms seen.
    covered_until : date, optional
        First day the wage rows do not cover: later ends are null, still running.
    hours_cap, hours_step, wage_step : float
        See `job_months`.

    Returns
    -------
    pl.DataFrame
        Canonical `jobs`, sorted.

    Raises
    ------
    InputError
        When the table does not name its columns; a kind or contract is no known name; or a job has
        no kind.
    """
    if staged.is_empty():
        return schema.empty("jobs")
    rows = _rows(staged, table)
    bounds = _bounds(rows, table)
    parts = _with_their_terms(cut_by_month(rows.lazy()).collect(engine="streaming"))
    by = (*JOB, "kind", "contract")
    months = rates(
        sums(parts.lazy(), by=by), hours_cap=hours_cap, hours_step=hours_step, wage_step=wage_step,
        by=by,
    ).collect(engine="streaming")  # fmt: skip
    seams = "job_end" not in table.columns
    pieces = _pieces(months, bounds, seams=seams)
    return _runs(pieces, seams=seams, covered_from=covered_from, covered_until=covered_until)


def _rows(staged: pl.DataFrame, table: TableSpec) -> pl.DataFrame:
    """Return the wage rows under the names used here."""
    named = {"person", *REQUIRED, *OPTIONAL}
    for name in table.columns:
        if name not in named:
            hint = nearest(name, named)
            raise InputError(
                f"A table of wage rows has no column {name!r}",
                fix=f"did you mean {hint!r}?" if hint else f"name {', '.join(sorted(named))}",
            )
    lacking = [name for name in REQUIRED if name not in table.columns]
    if lacking:
        raise InputError(
            f"A table of wage rows needs {', '.join(lacking)}",
            fix="name the field it comes from under columns",
        )
    if table.where is not None:
        staged = staged.filter(pl.sql_expr(table.where))
    sql = {name: pl.sql_expr(text) for name, text in table.columns.items()}
    order = [pl.col(name) for name in ("_file", "_row") if name in staged.columns]
    none = pl.lit(None)
    rows = staged.select(
        "person",
        *(sql[name].cast(pl.Int64).alias(name) for name in ("job", "employer")),
        *(sql[name].cast(pl.Date).alias(name) for name in ("start", "end")),
        known(sql["wage"], WAGE_UNKNOWN).alias("wage"),
        known(sql["hours"], HOURS_UNKNOWN).alias("hours"),
        sql["kind"].cast(pl.String).alias("kind"),
        sql.get("contract", none).cast(pl.String).alias("contract"),
        *(sql.get(name, none).cast(pl.Date).alias(name) for name in ("job_start", "job_end")),
        (sql["period"] == FOUR_WEEKLY if "period" in sql else pl.lit(value=False))
        .fill_null(value=False)
        .alias("four_weekly"),
        *order,
    )
    for name, codelist in (("kind", codes.JOB_KIND), ("contract", codes.CONTRACT)):
        odd = rows[name].drop_nulls().unique().to_list()
        odd = sorted(set(odd) - set(codelist))
        if odd:
            raise UnknownCodeError(
                f"{masked(odd[0])!r} is no {name} of a job",
                where=f"column {name!r} of a table of wage rows",
                fix=f"map codes onto {', '.join(codelist)}",
            )
    return rows.with_columns(
        pl.col("kind").cast(pl.Enum(codes.JOB_KIND)),
        pl.col("contract").cast(pl.Enum(codes.CONTRACT)),
    )


def _bounds(rows: pl.DataFrame, table: TableSpec) -> pl.DataFrame:
    """Return start and end of each job: as the latest row says, else as the rows lie."""
    # one integer in the order of first day, last day, file and record; days are below 2^20
    rank = pl.lit(0, pl.Int128)
    for name, room in (("start", 2**20), ("end", 2**20), ("_file", 2**32), ("_row", 2**32)):
        if name in rows.columns:
            place = pl.col(name).to_physical().cast(pl.Int128).fill_null(0)
            rank = rank * room + place
    found = (
        rows.lazy()
        .group_by(*_KEY)
        .agg(
            *(
                pl.col(name).max_by(rank)
                for name in ("job_start", "job_end", "kind", "employer", "contract")
            ),
            pl.col("start").min().alias("_first"),
            pl.col("end").max().alias("_last"),
        )
        .collect(engine="streaming")
    )
    end = pl.col("job_end") if "job_end" in table.columns else pl.col("_last")
    return found.select(
        *_KEY, pl.coalesce("job_start", "_first").alias("job_start"), end.alias("job_end"),
        *(pl.col(name).alias(f"_{name}") for name in ("kind", "employer", "contract")),
    )  # fmt: skip


def _with_their_terms(parts: pl.DataFrame) -> pl.DataFrame:
    """Give corrections a kind and contract that their job had in that month.

    Their own where another row of the job and month has it too; else those of the main row.
    """
    if not parts.select(is_correction().any()).item():
        return parts
    main = sums(parts.lazy(), by=JOB).select(*JOB, "month", *main_terms()).collect()
    there = [*JOB, "month", "kind", "contract"]
    plain = parts.filter(~is_correction()).select(there).unique().with_columns(_there=True)
    joined = parts.join(
        main, on=[*JOB, "month"], how="left", suffix="_main", nulls_equal=True,
        maintain_order="left",
    ).join(plain, on=there, how="left", nulls_equal=True, maintain_order="left")  # fmt: skip
    astray = is_correction() & pl.col("_there").is_null()
    return joined.with_columns(
        pl.when(astray).then(f"{name}_main").otherwise(name).alias(name)
        for name in ("kind", "contract")
    ).drop("kind_main", "contract_main", "_there")


def _pieces(months: pl.DataFrame, bounds: pl.DataFrame, *, seams: bool) -> pl.DataFrame:
    """Return one row a job and day on which terms may be new, unknown terms carried on."""
    begins, ends = pl.col("job_start"), pl.col("job_end")
    inside = (
        months.filter(pl.col("days") > 0)
        .join(bounds, on=_KEY, how="inner")
        .filter((pl.col("end") > begins) & (ends.is_null() | (pl.col("start") < ends)))
        .with_columns(start=pl.max_horizontal("start", begins))
        .sort(*_KEY, "start", "days", "n_rows", "kind", "contract", "wage")
        # two sets of terms from the same day: the one that covers most
        .filter(_changed(*_KEY, "start", by=-1))
    )
    bare = bounds.join(inside, on=_KEY, how="anti").filter(
        begins.is_not_null() & (ends.is_null() | (ends > begins))
    )
    bare = bare.select(
        *_KEY, begins.alias("start"), "job_start", "job_end",
        pl.col("_employer").alias("employer"), pl.col("_kind").alias("kind"),
        pl.col("_contract").alias("contract"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("hours", "wage")),
    )  # fmt: skip
    names = [*_KEY, "start", "job_start", "job_end", *_TERMS]
    pieces = inside.select(*names, "end")
    if bare.height:
        pieces = pl.concat([pieces, bare.select(*names, end="job_end")]).sort(*_KEY, "start")
    gap = pl.lit(value=False)
    if seams:
        gap = pl.col("start") > pl.col("end").cum_max().shift().over(_KEY)
    pieces = pieces.with_columns(_new=_changed(*_KEY) | gap.fill_null(value=False))
    pieces = _carry(pieces, "kind", "contract", within=("employer",))
    return _carry(pieces, "hours", "wage", within=("employer", "kind", "contract"))


def _changed(*names: str, by: int = 1) -> pl.Expr:
    """Return whether a row differs in some column from the one before it (`by` -1: after it)."""
    differs = [pl.col(name).ne_missing(pl.col(name).shift(by)) for name in names]
    edge = pl.int_range(pl.len()) == (0 if by == 1 else pl.len() - 1)
    return pl.any_horizontal(*differs, edge)


def _carry(pieces: pl.DataFrame, *names: str, within: tuple[str, ...]) -> pl.DataFrame:
    """Fill unknown values with the last known one of the same job (and `within`)."""
    if not pieces.select(pl.any_horizontal(pl.col(*names).is_null().any())).item():
        return pieces
    return (
        pieces.with_columns(_group=(pl.col("_new") | _changed(*within)).cum_sum())
        .with_columns(pl.col(*names).forward_fill().over("_group"))
        .drop("_group")
    )


def _runs(
    pieces: pl.DataFrame,
    *,
    seams: bool,
    covered_from: date | None,
    covered_until: date | None,
) -> pl.DataFrame:
    """Join pieces on the same terms: a run ends where the next starts, the last with the job."""
    lacking = pieces["kind"].null_count()
    if lacking:
        raise MissingValueError(
            "Jobs have no kind",
            where=f"{lacking:,} of {pieces.height:,} months of jobs",
            fix="make the field of the kind required, so that such rows are rejected and counted",
        )
    stretch_end = pl.col("end").max().over("_stretch") if seams else pl.col("job_end")
    runs = (
        pieces.with_columns(_stretch=pl.col("_new").cum_sum(), _job=_changed(*_KEY))
        .with_columns(_stretch_end=stretch_end)
        .filter(pl.col("_new") | _changed(*_TERMS))
        .with_columns(_last=pl.col("_new").shift(-1, fill_value=True))
        .with_columns(
            start=pl.when("_job").then("job_start").otherwise("start"),
            end=pl.when("_last").then("_stretch_end").otherwise(pl.col("start").shift(-1)),
        )
    )
    if covered_until is not None:
        # a delivered end on that day is known; that new terms begin there, or rows stop, says
        # nothing: nobody looked
        told = pl.lit(value=False) if seams else pl.col("_last")
        past = (pl.col("end") > covered_until) | (~told & (pl.col("end") == covered_until))
        runs = runs.with_columns(end=pl.when(~past.fill_null(value=False)).then("end"))
        runs = runs.filter(pl.col("start") < covered_until)
    if covered_from is not None:
        runs = runs.with_columns(pl.col("start").clip(lower_bound=covered_from))
    runs = runs.filter(pl.col("end").is_null() | (pl.col("end") > pl.col("start")))
    types = schema.dtypes("jobs")
    return runs.select(pl.col(name).cast(dtype) for name, dtype in types.items()).sort(
        schema.sort_key("jobs")
    )
