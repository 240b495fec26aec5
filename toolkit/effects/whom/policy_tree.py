"""Who gets what: a shallow rule chosen by doubly robust scores, and its honest value."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.effects.doubly_robust.arms import ArmScores
from toolkit.effects.doubly_robust.result import DoublyRobust
from toolkit.effects.doubly_robust.scores import score_vcov
from toolkit.effects.result import EffectResult
from toolkit.effects.whom.policy_search import Node, follow, search
from toolkit.effects.whom.source import judged
from toolkit.effects.whom.variables import Variables, read_variables
from toolkit.errors import CallError, WrongTypeError, unknown_option
from toolkit.estimation.coefficients import coefficient_table
from toolkit.estimation.intervals import check_interval
from toolkit.frames import as_columns, to_frame
from toolkit.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PolicyTree(EffectResult):
    """A rule of who gets what, and what it is worth on people it was not chosen on.

    Attributes
    ----------
    root : Node
    actions : tuple
    variables : Variables
    values : DataFrame
        `term, estimate, std_error, …`: the mean outcome less costs under the rule, under each
        action for all, at random, and the rule less each of these.
    leaves : DataFrame
        `leaf, rule, action, n, share`.
    held_out : (N,) array of int
        The action that a tree grown on the other folds gives each row.
    """

    root: Node = field(repr=False)
    actions: tuple[Any, ...]
    variables: Variables = field(repr=False)
    values: pl.DataFrame = field(repr=False)
    leaves: pl.DataFrame = field(repr=False)
    held_out: Ints = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return the values: of the rule (held out), of simple rules, and of their differences."""
        return self.values

    def glance(self) -> pl.DataFrame:
        """Return the leaves of the rule: `leaf, rule, action, n, share`."""
        return self.leaves

    def assign(self, data: Any) -> pl.Series:
        """Return ``action``, what the rule gives each row of a frame.

        Raises
        ------
        toolkit.errors.ToolkitError
            For columns that are not there, missing values and levels not seen before.
        """
        place = follow(self.root, self.variables.bins(to_frame(data)))
        return pl.Series("action", [self.actions[a] for a in place])

    def rules(self) -> str:
        """Return the rule as text, indented."""
        return "\n".join(_lines(self.root, self.variables, self.actions, 0))

    def summary(self) -> str:
        """Return the rule, its value, and what may be claimed of it."""
        return f"{super().summary()}\n{self.rules()}"


def policy_tree(
    x: Any,
    *,
    on: str | Sequence[str],
    costs: Mapping[Any, float] | None = None,
    depth: int = 2,
    splits: int = 31,
    min_leaf: int = 50,
    outcome: str | None = None,
    maximise: bool = True,
    folds: int = 5,
    conf_level: float = 0.95,
) -> PolicyTree:
    """Find the shallow tree that gives each the action that is worth most, and what it is worth.

    Parameters
    ----------
    x : ArmScores or DoublyRobust
        Scores of several arms, or of treatment (``True``) against none (``False``), for all (ATE).
    on : str or sequence of str
        Columns to decide by: what may be known, and may be used, when deciding. Numbers and
        true/false are split by size, text level against level in alphabetical order.
    costs : mapping, optional
        Of an action, in the unit of the outcome; those not named cost 0.
    depth : {0, 1, 2, 3}
    splits : int
        Thresholds of a variable at most: a variable with more values is cut at as many quantiles.
        The tree is exact among these.
    min_leaf : int
        Fewest rows (mass of weights) of a leaf.
    outcome : str, optional
        Which, where there are several.
    maximise : bool
        Whether more of the outcome is better.
    folds : int
        For the honest value: each fold is given actions by a tree grown on the others. With
        clusters they stay together, as in the folds of `x`.
    conf_level : float

    Returns
    -------
    PolicyTree

    Raises
    ------
    toolkit.errors.ToolkitError
        For columns, costs or sizes that cannot be used.

    Notes
    -----
    The tree has the largest Σ w (s_a - cost_a) (Athey and Wager 2021; Zhou, Athey and Wager 2023).
    Its value on the rows it was chosen on is too good; the one given is of rows held out, and so of
    the way of choosing rather than of this one tree. `random` gives each action with the share the
    rule gives it, whoever gets it: the rule less `random` is what choosing *whom* is worth.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from toolkit import effects
    >>> rng = np.random.default_rng(1)
    >>> old, t = rng.integers(0, 2, 600), rng.integers(0, 2, 600)
    >>> y = t * (2.0 * old - 1) + rng.normal(0, 0.1, 600)
    >>> people = pl.DataFrame({"t": t, "old": old, "y": y})
    >>> found = effects.doubly_robust(people, treatment="t", outcome="y", on="old")
    >>> print(effects.policy_tree(found, on="old", depth=1).rules())
    if old <= 0: False
    else: True
    """
    begin = clock.perf_counter()
    check_interval(conf_level, "log")
    for name, value, least in (("depth", depth, 0), ("splits", splits, 1), ("folds", folds, 2),
                               ("min_leaf", min_leaf, 0)):  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise CallError(f"{name}={value!r} is not a whole number from {least} on")
    if depth > 3:
        raise CallError(f"depth={depth} is not shallow", fix="3 at most")
    scores, actions, weight = _read_scores(x, outcome)
    later = {x.treatment, *(x.outcomes if isinstance(x, DoublyRobust) else (x.outcome,))}
    for name in as_columns(on):
        if name in later:
            raise CallError(
                f"{name!r} is the treatment or the outcome: it is not known when deciding",
                fix="decide by columns from before it",
            )
    variables = read_variables(x.frame, on, splits)
    bins = variables.bins(x.frame)
    _check_size(len(variables.names), int(variables.sizes.max()), len(actions), depth)
    price = _read_costs(costs, actions)
    worth = (scores if maximise else -scores) - price
    gains = np.where(weight[:, None] > 0, weight[:, None] * worth, 0.0)
    fold = x.fold if x.n_fold > 1 and x.n_fold == folds else _folds(x, worth, bins, folds)
    held = np.empty(len(weight), np.int64)
    for f in range(folds):
        grow, test = fold != f, fold == f
        tree = search(bins[grow], variables.sizes, gains[grow], depth, min_leaf, weight[grow])
        held[test] = follow(tree, bins[test])
    root = search(bins, variables.sizes, gains, depth, min_leaf, weight)
    values = _values(worth, weight, held, actions, x.counts, x.cluster, conf_level)
    return PolicyTree(
        meta={
            "estimand": "mean outcome less costs under a rule, on people it was not chosen on",
            "method": f"Policy tree of depth {depth} by doubly robust scores",
            "definition": f"{x.meta['definition']}; by {', '.join(variables.names)}"
            + ("" if maximise else "; less is better: values are minus the outcome"),
            "design": x.meta["design"],
            "n": x.meta["n"],
            "costs": dict(zip(map(str, actions), price.tolist(), strict=True)),
            "folds": folds,
            "warnings": list(x.meta.get("warnings", ())),
            "seed": x.meta.get("seed"),
            "versions": versions(),
            **judged(x.meta),
            "wall_time": clock.perf_counter() - begin,
        },
        root=root, actions=actions, variables=variables, values=values,
        leaves=_leaves(root, variables, actions, bins, weight), held_out=held,
    )  # fmt: skip


def _read_scores(x: Any, outcome: str | None) -> tuple[Floats, tuple[Any, ...], Floats]:
    """Return scores (N, A), actions and weights (N,)."""
    if isinstance(x, ArmScores):
        if outcome not in {None, x.outcome}:
            raise unknown_option("outcome", outcome, [x.outcome])
        return x.scores, x.arms, x.weights
    if not isinstance(x, DoublyRobust):
        raise WrongTypeError(
            f"A {type(x).__name__} has no doubly robust scores",
            fix="use effects.doubly_robust_arms(…) or effects.doubly_robust(…, estimand='ATE')",
        )
    if x.meta["target"] != "ATE":
        raise CallError(
            f"A rule is for all, and the scores are those of {x.meta['target']}",
            fix="doubly_robust(…, estimand='ATE')",
        )
    if outcome is None and len(x.outcomes) > 1:
        raise CallError("There are several outcomes", fix="name one: outcome='…'")
    if outcome is not None and outcome not in x.outcomes:
        raise unknown_option("outcome", outcome, x.outcomes)
    k = 0 if outcome is None else x.outcomes.index(outcome)
    both = np.stack([x.scores.control[:, k], x.scores.treated[:, k]], axis=1)
    return both, (False, True), x.scores.weight[:, min(k, x.scores.weight.shape[1] - 1)]


def _read_costs(costs: Mapping[Any, float] | None, actions: tuple[Any, ...]) -> Floats:
    price = np.zeros(len(actions))
    for action, cost in (costs or {}).items():
        if action not in actions:
            raise unknown_option("costs", action, [str(one) for one in actions])
        usable = isinstance(cost, (int, float)) and not isinstance(cost, bool)
        if not usable or not np.isfinite(cost):
            raise CallError(f"The cost of {action!r} is {cost!r}, not a number", fix="0 for none")
        price[actions.index(action)] = cost
    return price


def _check_size(p: int, width: int, n_action: int, depth: int) -> None:
    """Raise before the tables of two variables fill the memory."""
    size = (p * width) ** 2 * (n_action + 1) * 8 * (3 if depth == 3 else 1)
    if depth >= 2 and size > 2**31:
        raise CallError(
            f"Tables of {p} variables with {width} values take {size / 2**30:.1f} GiB",
            fix="fewer variables, or splits=15",
        )


def _folds(x: Any, worth: Floats, bins: Ints, folds: int) -> Ints:
    """Return folds that do not depend on the order of rows."""
    from toolkit.effects.doubly_robust.folds import make_folds, row_marks

    marks = row_marks([*bins.T.astype(np.float64), *worth.T], int(x.meta.get("seed") or 0))
    return make_folds(marks, np.zeros(len(worth), np.int64), folds, x.cluster)


def _values(
    worth: Floats, weight: Floats, held: Ints, actions: tuple[Any, ...],
    counts: Floats | None, cluster: Ints | None, conf_level: float,
) -> pl.DataFrame:  # fmt: skip
    """Return what the rule and simpler ones are worth, and the differences."""
    total = weight.sum()
    own = np.where(weight > 0, worth[np.arange(len(held)), held], 0.0)
    worth = np.where(weight[:, None] > 0, worth, 0.0)
    share = np.bincount(held, weight, minlength=len(actions)) / total
    # the share that the rule gives each action moves with the rows as well
    given = held[:, None] == np.arange(len(actions))
    means = weight @ worth / total
    columns = {"policy": own}
    columns |= {f"all {action}": worth[:, a] for a, action in enumerate(actions)}
    columns["random"] = worth @ share + (given - share) @ means
    names = list(columns)
    every = np.stack([columns[name] for name in names], axis=1)
    value = weight @ every / total
    value[-1] = float(share @ means)
    centred = every - weight @ every / total
    vcov = score_vcov((weight / total)[:, None] * centred, counts, cluster)
    change = np.vstack([np.eye(len(names)), np.hstack([np.ones((len(names) - 1, 1)),
                                                       -np.eye(len(names) - 1)])])  # fmt: skip
    terms = [*names, *(f"policy less {name}" for name in names[1:])]
    return coefficient_table(terms, change @ value, change @ vcov @ change.T,
                             conf_level=conf_level)  # fmt: skip


def _leaves(
    root: Node, variables: Variables, actions: tuple[Any, ...], bins: Ints, weight: Floats
) -> pl.DataFrame:
    """Return the leaves, with who is in them."""
    rows: list[dict[str, Any]] = []

    def walk(node: Node, inside: NDArray[np.bool_], words: list[str]) -> None:
        if node.is_leaf or node.left is None or node.right is None:
            number = int((inside & (weight > 0)).sum())
            rows.append(
                {"leaf": len(rows) + 1, "rule": " and ".join(words) or "all",
                 "action": str(actions[node.action]), "n": number,
                 "share": float(weight[inside].sum() / weight.sum())}
            )  # fmt: skip
            return
        low, high = variables.words(node.variable, node.bin)
        left = bins[:, node.variable] <= node.bin
        walk(node.left, inside & left, [*words, low])
        walk(node.right, inside & ~left, [*words, high])

    walk(root, np.ones(len(bins), bool), [])
    return pl.DataFrame(rows)


def _lines(node: Node, variables: Variables, actions: tuple[Any, ...], depth: int) -> list[str]:
    """Return the lines of a tree."""
    pad = "  " * depth
    if node.is_leaf or node.left is None or node.right is None:
        return [f"{pad}{actions[node.action]}"]
    low, _ = variables.words(node.variable, node.bin)
    out = []
    for word, side in ((f"if {low}:", node.left), ("else:", node.right)):
        if side.is_leaf:
            out.append(f"{pad}{word} {actions[side.action]}")
        else:
            out += [f"{pad}{word}", *_lines(side, variables, actions, depth + 1)]
    return out
