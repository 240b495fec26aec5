"""Makes docs/validation.md from what the tests recorded.

    python tests/validation_page.py output/validation.json            renew docs/validation.*
    python tests/validation_page.py --check output/validation.json    fail when the page is behind

The tests write their comparisons with `pytest --validation FILE` (see conftest.py). Coverage, and
what methods make of known worlds, is kept from the run with most replicates, that of
`make calibrate`.
"""

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
SECTIONS = (
    "Curves", "Tests of equality", "Cox", "Competing risks", "Discrete time", "Parametric",
    "Multi-state", "Markov chains", "Recurrent spells", "Differences", "Sequences",
    "Matching", "Weighting", "Balance", "Effects", "Designs", "Sensitivity",
)  # fmt: skip
#: What chance moves: the run with most replicates counts.
SIMULATED = {"coverage", "calibration"}
METHODS = (
    "naive difference", "before and after", "regression", "nearest neighbours",
    "risk sets, not yet", "risk sets, censored", "inverse probability", "overlap weights",
    "entropy balancing", "doubly robust", "differences in hours", "differences in work",
)  # fmt: skip
CRITERIA = {
    "gross": "gross method", "smd": "balance", "support": "overlap", "ess": "size",
    "placebo_p": "placebo", "leads_p": "months before", "pretended_p": "pretended starts",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recorded", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    new = joined(json.loads(options.recorded.read_text(encoding="utf-8")))
    kept = DOCS / "validation.json"
    old = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else []
    if options.check:
        return check(new, old)
    rows = merge(new, old)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    kept.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    (DOCS / "validation.md").write_text(page(rows), encoding="utf-8")
    print(f"docs/validation.md: {sum(k == 'validation' for k, _ in rows)} comparisons, "
          f"{sum(k == 'coverage' for k, _ in rows)} coverages, "
          f"{sum(k == 'calibration' for k, _ in rows)} methods in worlds")  # fmt: skip
    return 0


def check(new, old):
    known = {(kind, row["section"], row["quantity"]) for kind, row in old}
    found = {(kind, row["section"], row["quantity"]) for kind, row in new}
    missing, stale = sorted(found - known), sorted(known - found)
    for kind, section, quantity in missing:
        print(f"not on the page: {kind} {section}: {quantity}", file=sys.stderr)
    for kind, section, quantity in stale:
        print(f"on the page, but no test makes it: {kind} {section}: {quantity}", file=sys.stderr)
    if page(old) != (DOCS / "validation.md").read_text(encoding="utf-8"):
        print("docs/validation.md is not what validation.json makes", file=sys.stderr)
        return 1
    if missing or stale:
        print("renew it: make validation", file=sys.stderr)
    return int(bool(missing or stale))


def merge(new, old):
    """Return the new rows; a simulation that had more replicates before stays as it was."""
    before = {(kind, row["section"], row["quantity"]): row for kind, row in old}
    rows = {}
    for kind, row in new:
        key = (kind, row["section"], row["quantity"])
        if kind in SIMULATED and key in before:
            row = max(row, before[key], key=lambda r: r["replicates"])  # noqa: PLW2901
        rows[key] = row
    order = {name: i for i, name in enumerate(SECTIONS)}
    return [
        [key[0], rows[key]]
        for key in sorted(rows, key=lambda k: (k[0], order.get(k[1], len(order)), k[1], k[2]))
    ]


def page(rows):
    text = (Path(__file__).parent / "validation_page.md").read_text(encoding="utf-8")
    parts = {"comparisons": comparisons, "coverage": coverage, "worlds": worlds, "lalonde": lalonde}
    for name, made in parts.items():
        text = text.replace("{{" + name + "}}", made(rows))
    return text


def comparisons(rows):
    parts = []
    chosen = [row for kind, row in rows if kind == "validation"]
    for section, group in groupby(chosen, key=lambda row: row["section"]):
        group = list(group)  # noqa: PLW2901
        parts += [
            f"### {section}",
            "",
            "| quantity | cases | numbers | ours | theirs | apart at most | allowed | reference |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        ]
        notes: list[str] = []
        for row in folded(group):
            mark = ""
            if row["reason"]:
                if row["reason"] not in notes:
                    notes.append(row["reason"])
                mark = f" ({chr(97 + notes.index(row['reason']))})"
            unit = " of it" if row["relative"] else ""
            cells = (
                row["quantity"] + mark, f"{row['cases']:,}", f"{row['numbers']:,}",
                number(row["ours"]), number(row["theirs"]), power(row["difference"]) + unit,
                f"{row['tolerance']:.0e}" + unit, row["source"],
            )  # fmt: skip
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts += ["", *(f"({chr(97 + i)}) {note}" + "\n" for i, note in enumerate(notes))]
    return "\n".join(parts)


def folded(rows):
    """Put all cases of a quantity, the options in its brackets, in one row: the worst of them."""
    same = ("source", "reason", "relative", "tolerance")
    cases = {}
    for row in rows:
        key = (row["quantity"].partition(" [")[0], *(row[name] for name in same))
        cases.setdefault(key, []).append(row)
    for (quantity, *_), found in cases.items():
        worst = max(found, key=lambda row: row["difference"])
        yield worst | {
            "quantity": quantity,
            "cases": len(found),
            "numbers": sum(row["numbers"] for row in found),
        }


def joined(rows):
    """Put the parts of a case, what stands after its colon, in one row: the worst of them."""
    cases, out = {}, []
    for kind, row in rows:
        if kind != "validation":
            out.append((kind, row))
            continue
        named, bracket, options = row["quantity"].partition(" [")
        case, _, part = named.rpartition(": ")
        same = ("section", "source", "reason", "relative", "tolerance")
        key = (case or part, bracket + options, *(row[name] for name in same))
        cases.setdefault(key, []).append((part if case else "", row))
    for (case, options, *_), parts in cases.items():
        first = next((row for part, row in parts if part in {"estimate", "statistic"}), parts[0][1])
        names = ", ".join(sorted({part for part, _ in parts if part}))
        whole = first | {
            "quantity": (f"{case}: {names}" if names else case) + options,
            "numbers": sum(row["numbers"] for _, row in parts),
            "difference": max(row["difference"] for _, row in parts),
        }
        out.append(("validation", whole))
    return out


def coverage(rows):
    lines = [
        "| model | quantity | says | covers | replicates | allowed either way | note |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for kind, row in rows:
        if kind == "coverage":
            lines.append(
                f"| {row['section']} | {row['quantity']} | {row['level']:.0%} "
                f"| {row['covered']:.1%} | {row['replicates']:,} "
                f"| {row['allowed']:.1%} | {row['note']} |"
            )
    return "\n".join(lines)


def worlds(rows):
    """Return a table a world: which methods find the truth, and which say that they may not."""
    chosen = sorted(
        (row for kind, row in rows if kind == "calibration"),
        key=lambda row: (row["world"].startswith("register"), row["world"], *_place(row["method"])),
    )
    parts = []
    for world, group in groupby(chosen, key=lambda row: row["world"]):
        group = list(group)  # noqa: PLW2901
        parts += [
            f"### {world[:1].upper()}{world[1:]}",
            "",
            "| method | right here | truth | bias | rmse | covers | flagged | by |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        ]
        for row in group:
            hours = row["unit"] == "hours"
            scale, unit = (1, " hours") if hours else (100, " pp")
            cells = (
                row["method"], {True: "yes", False: "no", None: "nearly"}[row["right"]],
                f"{scale * row['truth']:.1f}{unit}", f"{scale * row['bias']:+.1f}",
                f"{scale * row['rmse']:.1f}", f"{row['covered']:.0%}", f"{row['flagged']:.0%}",
                ", ".join(CRITERIA.get(flag, flag) for flag in row["why"]),
            )  # fmt: skip
            parts.append("| " + " | ".join(cells) + " |")
        one = group[0]
        parts += ["", f"{one['replicates']:,} replicates." + _weakness(one), ""]
    return "\n".join(parts).rstrip()


def _place(method):
    return (METHODS.index(method), "") if method in METHODS else (len(METHODS), method)


def _weakness(row):
    """Return how little would undo the regression; where there is no effect that says nothing."""
    if row["robustness"] is None:
        return ""
    return (
        " Sensitivity of the regression (median): a hidden variable that explains"
        f" {row['robustness']:.1%} of what is left of start and of outcome takes its estimate away;"
        f" one as strong as the strongest that was seen takes {min(row['takes'], 1):.0%} of it."
    )


def lalonde(rows):
    """Return the table of estimates on LaLonde's data, in dollars."""
    chosen = [row for kind, row in rows if kind == "recovery"]
    lines = [
        "| method | estimate | se | off the experiment | supported | what speaks against it |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for row in sorted(chosen, key=lambda row: (row["supported"] is not None, row["quantity"])):
        off = row["estimate"] - row["benchmark"]
        wild = abs(off) > 100
        cells = (
            row["quantity"],
            *("beyond 100,000" if wild else f"{1000 * value:+,.0f}".removeprefix("+")
              for value in (row["estimate"], row["std_error"])),
            "" if row["supported"] is None else "far off" if wild else f"{1000 * off:+,.0f}",
            {None: "", True: "yes", False: "no"}[row["supported"]], row["why"],
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def number(value):
    return "" if value is None else f"{value:.8g}"


def power(value):
    """Return a difference as a power of ten above it: its digits are noise of the machine."""
    if value == 0:
        return "0"
    exponent = int(f"{value:e}".split("e")[1]) + 1
    return f"< 1e{exponent:+03d}" if exponent > -15 else "< 1e-15"


if __name__ == "__main__":
    raise SystemExit(main())
