"""What came in and what became of it, in a few lines of text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import check_option
from toolkit.registers.intake_facts import facts, facts_folder

if TYPE_CHECKING:
    from toolkit.registers.register import Register

#: Rules that are shown; the others are counted.
_SHOWN = 12
#: Names of files that are shown.
_NAMES = 5
#: Files beside the data that are used.
_SETTINGS = {"delivery.toml", "ontvangst.csv"}


_WORDS = {
    "en": {
        "head": "layout files records accepted rejected aside",
        "all": "all",
        "rules": "rules that were broken:",
        "error": "rejected",
        "set_aside": "set aside",
        "warning": "warning",
        "other": "other rules",
        "aside": "files left aside, no data by their names",
        "superseded": "files in an older version or another form, not read",
        "unusable": "canonical rows that could not stay as they were:",
    },
    "nl": {
        "head": "layout bestanden records aanvaard geweigerd apart",
        "all": "alle",
        "rules": "regels die zijn overtreden:",
        "error": "geweigerd",
        "set_aside": "apart gelegd",
        "warning": "waarschuwing",
        "other": "andere regels",
        "aside": "bestanden terzijde gelaten, naar hun naam geen gegevens",
        "superseded": "bestanden in een oudere versie of andere vorm, niet gelezen",
        "unusable": "rijen van het register die niet konden blijven:",
    },
}


def has_facts(register: Register) -> bool:
    """Tell whether a register was made from raw files, so that `facts` has something to read."""
    return facts_folder(register) is not None


def by_layout(register: Register) -> pl.DataFrame:
    """Return `layout, files, rows, accepted, rejected, set_aside`."""
    return (
        facts(register, "files")
        .group_by("layout")
        .agg(pl.len().alias("files"), pl.col("rows", "accepted", "rejected", "set_aside").sum())
        .sort("layout")
        .select("layout", "files", "rows", "accepted", "rejected", "set_aside")
    )


def by_rule(register: Register) -> pl.DataFrame:
    """Return `rule, layout, severity, n, files, nl, en`, the most frequent first."""
    return (
        facts(register, "rules")
        .group_by("rule", "layout", "severity", "nl", "en")
        .agg(n=pl.col("n").sum(), files=pl.col("file").n_unique())
        .filter(pl.col("n") > 0)
        .select("rule", "layout", "severity", "n", "files", "nl", "en")
        .sort("n", "rule", descending=[True, False])
    )


def account(register: Register, language: str = "en") -> str:
    """Return the account of an intake as text: a line a layout, then the rules broken most."""
    check_option("language", language, tuple(_WORDS))
    words = _WORDS[language]
    head = words["head"].split()
    lines = [f"{head[0]:<28}{head[1]:>9}{head[2]:>13}{head[3]:>13}{head[4]:>11}{head[5]:>9}"]
    table = by_layout(register)
    total = table.select(pl.lit(words["all"]).alias("layout"), pl.exclude("layout").sum())
    lines += [
        f"{row['layout']:<28}{row['files']:>9,}{row['rows']:>13,}{row['accepted']:>13,}"
        f"{row['rejected']:>11,}{row['set_aside']:>9,}"
        for row in pl.concat([table, total]).iter_rows(named=True)
    ]
    rules = (
        by_rule(register)
        .group_by("rule", "severity", "nl", "en")
        .agg(pl.col("n").sum())
        .sort("n", "rule", descending=[True, False])
    )
    if rules.height:
        lines += ["", words["rules"]]
        lines += [
            f"  {row['n']:>10,} × {row['rule']} ({words[row['severity']]}): {row[language]}"
            for row in rules.head(_SHOWN).iter_rows(named=True)
        ]
        if rules.height > _SHOWN:
            rest = rules[_SHOWN:]
            lines.append(f"  {rest['n'].sum():>10,} × {rest.height} {words['other']}")
    lines += _not_read(register, words)
    odd = facts(register, "unusable")
    if odd["n"].sum():
        lines += ["", words["unusable"]]
        lines += [
            f"  {row['n']:>10,} × {row['rule']} ({words[row['severity']]}): {row[language]}"
            for row in odd.iter_rows(named=True)
        ]
    return "\n".join(lines)


def _not_read(register: Register, words: dict[str, str]) -> list[str]:
    """Lines on the files that were not read: a name that was misspelt must not pass unseen."""
    folder = facts_folder(register)
    if folder is None or not (folder / "manifest.json").is_file():
        return []
    said = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parameters"]
    aside = [name for name in said.get("ignored", ()) if name.split("/")[-1] not in _SETTINGS]
    lines = []
    for names, why in (
        (aside, words["aside"]),
        (said.get("superseded", ()), words["superseded"]),
    ):
        if names:
            shown = ", ".join(names[:_NAMES])
            more = ", …" if len(names) > _NAMES else ""
            lines += ["", f"{len(names):,} {why}: {shown}{more}"]
    return lines
