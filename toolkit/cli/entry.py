"""The command line: few verbs, thin. The Makefile calls them.

Exit codes: 0 done, 2 wrong call, 3 input refused, 4 checks failed, 5 cannot be written.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any

import typer

from toolkit.cli import data, layouts, pages, studies
from toolkit.errors import ToolkitError, ToolkitWarning

app = typer.Typer(
    name="reintegratie",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a register of life courses to answers: does re-integration work, for whom, for how "
    "long?",
)
for verb in (data.simulate, data.deliver, data.ingest, data.check, pages.report, pages.protocol):
    app.command()(verb)

run_app = typer.Typer(no_args_is_help=True, help="Run a study and write its chapter.")
app.add_typer(run_app, name="run")
for study in (
    studies.durable_outflow,
    studies.repeat_unemployment,
    studies.net_effect,
    studies.srg_quality,
    studies.school_to_work,
    studies.sequences,
):
    run_app.command(study.__name__)(study)

layouts_app = typer.Typer(help="Which files can be read: list, explain, and check a file.")
app.add_typer(layouts_app, name="layouts")
layouts_app.callback(invoke_without_command=True)(layouts.listed)
layouts_app.command()(layouts.show)
layouts_app.command()(layouts.check)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    label = "note" if issubclass(category, ToolkitWarning) else category.__name__
    print(f"{label}: {message}", file=sys.stderr)


def main() -> None:
    """Run the command line; an error of ours is one clear message and its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except ToolkitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except json.JSONDecodeError as error:
        print(
            f"error: a JSON file cannot be read: {error}. What to do: make it again.",
            file=sys.stderr,
        )
        sys.exit(3)
