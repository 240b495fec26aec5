"""What counts as an exit, as work, as a return, as durable: data with a name, not code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from toolkit.errors import CallError, check_option, unknown_option
from toolkit.registers import codes
from toolkit.trajectories.keys import MAX_GAP

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a definition may name: the benefit schemes, and `nug`, a registered jobseeker without one.
SCHEMES = (*codes.SCHEME, "nug")

ToWork = Literal["job", "end_reason", "either"]
ExitMonth = Literal["first_day_off", "last_day_on"]
Measure = Literal["point_in_time", "uninterrupted", "cumulative"]
Denominator = Literal["exits_to_work", "all_exits"]
Event = Literal["benefit_exit", "programme_start"]

#: Employee jobs, subsidised ones included; sheltered work, trainees and self-employment are not.
_EMPLOYED = ("regular", "subsidised", "legacy_subsidised", "director")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Every choice behind a figure on durable outflow. Derive others with `replace`.

    Attributes
    ----------
    name, description : str
        What it is called and what it measures, in a sentence.
    source, confidence : str
        Where it was published, and which choices are found there and which inferred.
    event : {"benefit_exit", "programme_start"}
        What the clock starts at.
    schemes : tuple of str
        Schemes a person leaves; `nug` is derived (registered as a jobseeker, no benefit).
    switch_is_exit : bool
        Whether passing from one of `schemes` to another is an exit. If not, spells of all `schemes`
        of a person are merged and the exit carries the last scheme.
    max_gap_days : int
        Longest gap (next start − end) that is an interruption, not an exit.
    work_kinds : tuple of str
        Kinds of job that count as work (`toolkit.registers.codes.JOB_KIND`).
    work_contracts : tuple of str or None
        Contracts that count; None is all, unknown ones included.
    min_hours : float
        Hours a week, over all counted jobs held on a day, from which a day is a day in work. With
        0 every counted job counts; above 0 a job of unknown hours adds nothing.
    to_work : {"job", "end_reason", "either"}
        How an exit to work is known: a job in the month after, the reason the benefit ended, or one
        of the two.
    work_end_reasons : tuple of str
        End reasons that mean work.
    exit_month_of : {"first_day_off", "last_day_on"}
        Which day's calendar month is the exit month. They differ for exits on a first of the month.
    month_after : int
        In which month after the exit month a job makes an exit "to work" (0: that month itself).
    off_benefit_at_start : bool
        Whether an exit to work must have no benefit of `schemes` in that month.
    off_benefit_at_horizon : bool
        Whether "in work at h" also needs no benefit of `schemes` in that month.
    horizons : tuple of int
        Months after the exit month at which work is looked at.
    measure : {"point_in_time", "uninterrupted", "cumulative"}
        The main measure of durable work; `durability` gives all of them.
    weeks : int or None
        Weeks in work within the horizon that the cumulative measure asks for.
    return_horizons : tuple of int
        Months within which a return is counted.
    return_schemes : tuple of str
        Schemes a new spell of which is a return.
    denominator : {"exits_to_work", "all_exits"}
        Exits the shares are of.
    min_age, max_age : int or None
        Bounds on age in years at exit, both inside.
    drop_if_reaching : int or None
        Leave out who reaches this age before the end of the longest horizon.
    pension_age : int or None
        Age from the month of which on a person is no longer observed (censored).
    excluded_end_reasons : tuple of str
        Exits for these reasons are left out.

    Examples
    --------
    >>> Definition(name="any work").replace(name="12 hours", min_hours=12.0).min_hours
    12.0
    """

    name: str
    description: str = ""
    source: str = ""
    confidence: str = ""
    event: Event = "benefit_exit"
    schemes: tuple[str, ...] = ("wwb",)
    switch_is_exit: bool = False
    max_gap_days: int = 31
    work_kinds: tuple[str, ...] = _EMPLOYED
    work_contracts: tuple[str, ...] | None = None
    min_hours: float = 0.0
    to_work: ToWork = "job"
    work_end_reasons: tuple[str, ...] = ("work", "self_employment")
    exit_month_of: ExitMonth = "first_day_off"
    month_after: int = 1
    off_benefit_at_start: bool = False
    off_benefit_at_horizon: bool = False
    horizons: tuple[int, ...] = (12,)
    measure: Measure = "point_in_time"
    weeks: int | None = None
    return_horizons: tuple[int, ...] = (6,)
    return_schemes: tuple[str, ...] = ("wwb",)
    denominator: Denominator = "exits_to_work"
    min_age: int | None = None
    max_age: int | None = None
    drop_if_reaching: int | None = None
    pension_age: int | None = 65
    excluded_end_reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, list):
                object.__setattr__(self, item.name, tuple(value))
        _check(self)

    @property
    def counts_subsidised(self) -> bool:
        """Whether subsidised, sheltered or legacy jobs count as work."""
        return bool({"subsidised", "sheltered", "legacy_subsidised"} & set(self.work_kinds))

    @property
    def longest_horizon(self) -> int:
        """The last month any outcome of the definition looks at."""
        return max((*self.horizons, *self.return_horizons, self.month_after))

    @property
    def denominator_text(self) -> str:
        """The denominator in words."""
        if self.event == "programme_start":
            return "first starts of support"
        who = {
            "exits_to_work": f"exits from {'/'.join(self.schemes)} to work",
            "all_exits": f"all exits from {'/'.join(self.schemes)}",
        }
        return who[self.denominator]

    def __str__(self) -> str:
        return f"{self.name}: {self.description}" if self.description else self.name

    def replace(self, **changes: Any) -> Definition:
        """Return the definition with some choices changed; give it a `name` of its own."""
        known = [item.name for item in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_option("the parameter of a definition", name, known)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all choices as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, choices: Mapping[str, Any]) -> Definition:
        """Read a definition back from `to_dict`."""
        known = [item.name for item in fields(cls)]
        for name in choices:
            if name not in known:
                raise unknown_option("the parameter of a definition", name, known)
        if "name" not in choices:
            raise CallError("A definition needs a name", fix="add 'name'")
        return cls(**choices)


def _check(d: Definition) -> None:
    """Raise a CallError that names the first wrong choice."""
    for name, kind in (
        ("event", Event), ("to_work", ToWork), ("exit_month_of", ExitMonth),
        ("measure", Measure), ("denominator", Denominator),
    ):  # fmt: skip
        check_option(name, getattr(d, name), get_args(kind))
    for name, known, may_be_empty in (
        ("schemes", SCHEMES, False), ("return_schemes", SCHEMES, False),
        ("work_kinds", codes.JOB_KIND, False), ("work_contracts", codes.CONTRACT, False),
        ("work_end_reasons", codes.BENEFIT_END, True),
        ("excluded_end_reasons", codes.BENEFIT_END, True),
    ):  # fmt: skip
        values = getattr(d, name)
        if isinstance(values, str):
            raise CallError(f"{name}={values!r} is one word", fix=f"write ({values!r},)")
        if values is not None and not values and not may_be_empty:
            raise CallError(f"{name} is empty", fix=f"choose from {', '.join(known)}")
        for value in values or ():
            check_option(name, value, known)
    for name in ("horizons", "return_horizons"):
        values = getattr(d, name)
        if not values or any(not isinstance(h, int) or not 0 < h <= 600 for h in values):
            raise CallError(f"{name}={values!r}", fix="give whole months from 1 to 600")
        if list(values) != sorted(set(values)):
            raise CallError(f"{name}={values!r}", fix="give each month once, in rising order")
    if not 0 <= d.max_gap_days < MAX_GAP:
        raise CallError(f"max_gap_days={d.max_gap_days}", fix=f"choose 0 to {MAX_GAP - 1}")
    if not 0 <= d.min_hours <= 168:
        raise CallError(f"min_hours={d.min_hours}", fix="give hours a week, 0 to 168")
    if not 0 <= d.month_after <= 24:
        raise CallError(f"month_after={d.month_after}", fix="give months, 0 to 24")
    if (d.measure == "cumulative") and d.weeks is None:
        raise CallError("measure='cumulative' needs weeks", fix="give weeks, such as 26")
    if d.weeks is not None and not 0 < d.weeks * 7 <= max(d.horizons) * 31:
        raise CallError(
            f"weeks={d.weeks} do not fit in {max(d.horizons)} months", fix="lengthen the horizon"
        )
    if d.min_age is not None and d.max_age is not None and d.min_age > d.max_age:
        raise CallError(f"min_age={d.min_age} is above max_age={d.max_age}", fix="swap them")
