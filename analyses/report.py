"""The report: the chapters of all studies in one page, with where they came from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from analyses import _calibration
from analyses._wording import read_toml
from toolkit import reporting
from toolkit.errors import MissingTableError
from toolkit.provenance import Manifest, versions
from toolkit.reporting import document

if TYPE_CHECKING:
    from toolkit.reporting.language import Language

#: Order of the chapters; others found in the folder follow.
ORDER = (
    "durable_outflow", "repeat_unemployment", "net_effect", "school_to_work", _calibration.NAME,
    "srg_quality",
)  # fmt: skip


def main(
    out: Path,
    register: Path | None = None,
    *,
    language: Language = "nl",
    kind: Literal["report", "check"] = "report",
) -> Path:
    """Bind the chapters below `out` into `out/report.html`; return its path.

    `kind` says what the page calls itself: a report of studies, or the check of a delivery.

    Raises
    ------
    MissingTableError
        When there is no chapter.
    """
    shutil.rmtree(Path(out) / _calibration.NAME, ignore_errors=True)  # of another register
    if register is not None and (table := Path(register).parent / "calibration.parquet").is_file():
        _calibration.main(table, Path(out), language=language)
    found = {path.parent.name: path.parent for path in Path(out).glob("*/chapter.json")}
    if not found:
        raise MissingTableError(
            "There is no chapter to bind",
            where=Path(out).as_posix(),
            fix="run a study first: reintegratie run durable_outflow …",
        )
    names = [*(name for name in ORDER if name in found), *sorted(set(found) - set(ORDER))]
    words = read_toml("words")[language]["report"]
    heads = words if kind == "report" else words["check"]
    manifest = Manifest(title="report")
    facts = _facts(register)
    manifest.parameters.update({"language": language, "chapters": names, **facts})
    with reporting.style(language):
        page = reporting.render_report(
            [document.Chapter.read(found[name]) for name in names],
            Path(out) / "report.html",
            title=heads["title"],
            subtitle=heads["subtitle"],
            colophon=_colophon(language, facts),
            language=language,
        )
    manifest.add_outputs(Path(out))
    manifest.write(Path(out) / "manifest.json")
    return page


def _facts(register: Path | None) -> dict[str, Any]:
    """Return what the register says of itself."""
    if register is None:
        return {}
    index = json.loads((Path(register) / "register.json").read_text(encoding="utf-8"))
    return {
        "source": index.get("source", Path(register).name),
        "seed": index.get("seed"),
        "persons": index["rows"]["persons"],
    }


def _colophon(language: Language, facts: dict[str, Any]) -> dict[str, str]:
    shared = read_toml("words")[language]
    words = shared["report"]
    limits = words["limits_text"]
    out = {}
    if facts:
        if facts["source"] == "synthetic":
            limits = f"{words['limits_synthetic']} {limits}"
        key = "register_text" if facts["seed"] is None else "register_seed"
        out[words["register"]] = words[key].format(
            source=shared["source"].get(facts["source"], facts["source"]),
            persons=reporting.format_count(facts["persons"]),
            seed=facts["seed"],
        )
    out[words["limits"]] = limits
    out[words["versions"]] = ", ".join(f"{name} {number}" for name, number in versions().items())
    out[words["rebuild"]] = words["rebuild_text"]
    return out
