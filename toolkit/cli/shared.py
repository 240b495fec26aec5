"""What the verbs share: options with the same name and words, and progress on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Language = Annotated[
    Literal["nl", "en"], typer.Option(help="Language of figures, tables and report.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder for figures, tables and chapter; output/<study> without it."),
]
Own = Annotated[
    Path | None, typer.Option("--layouts", help="Folder with layouts of your own (TOML).")
]


def bar(items: Sequence[Any], *, title: str = "") -> Iterator[Any]:
    """Go through `items` behind a progress bar on a terminal, in silence elsewhere."""
    from tqdm import tqdm

    return iter(tqdm(items, desc=title, disable=None, leave=False, dynamic_ncols=True))


@contextmanager
def counter(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Count up to `total` on a terminal, in silence elsewhere: `progress(done, total)`."""
    from tqdm import tqdm

    with tqdm(total=total, desc=title, disable=None, leave=False, dynamic_ncols=True) as shown:

        def step(done: int, _: int) -> None:
            shown.update(done - shown.n)

        yield step


def folder_of(out: Path | None, study: str) -> Path:
    """Return where a study writes."""
    return Path("output") / study if out is None else out


def split(text: str) -> list[str]:
    """Return the parts between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
