"""Small PNG files: the 256 most used colours of a drawing, and every other the nearest of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

#: Level of zlib; 9 saves a twentieth and takes five times as long.
_COMPRESSION = 6
#: White, opaque, as one number in either order of bytes.
_PAPER = 0xFFFFFFFF


def write_png(figure: Any, path: Path, dpi: int) -> None:
    """Draw a figure and write it with a palette: a third of the size, no difference the eye sees.

    No date and no program name are written: the same drawing gives the same bytes. A drawing of
    ours has one or two thousand colours, nearly all of them edges of letters, so that the palette
    is a count and not a search.
    """
    import numpy as np
    from PIL import Image

    figure.set_dpi(dpi)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    packed = pixels.view(np.uint32)[..., 0]
    drawn = packed != _PAPER  # most of a figure is paper: only the rest is counted
    ink = pl.Series("colour", packed[drawn])
    counts = ink.value_counts().sort("count", "colour", descending=[True, False])
    colours = counts["colour"].to_numpy().view(np.uint8).reshape(-1, 4)[:, :3].astype(np.int32)
    kept = np.concatenate([np.full((1, 3), 255, dtype=np.int32), colours[:255]])
    nearest = ((colours[:, None, :] - kept[None]) ** 2).sum(axis=2).argmin(axis=1)
    places = np.zeros(packed.shape, dtype=np.uint8)
    places[drawn] = ink.replace_strict(
        counts["colour"], pl.Series(nearest.astype(np.uint8)), return_dtype=pl.UInt8
    ).to_numpy()
    picture = Image.fromarray(places, mode="P")
    picture.putpalette(kept.astype(np.uint8).tobytes())
    picture.save(path, compress_level=_COMPRESSION, dpi=(dpi, dpi))
