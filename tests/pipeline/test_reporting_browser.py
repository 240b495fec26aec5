"""The report in a real browser: on a phone nothing sticks out, every picture is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from functools import partial
from html import unescape

import polars as pl
import pytest

from toolkit import reporting
from toolkit.reporting import figures

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed"),
]

#: A frame of a given width around the report, and what is seen in it as JSON. All of it happens in
#: the frame's load event, which the page's own waits for: nothing depends on timing. Painting a
#: picture on a canvas decodes it there and then.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><title>probe</title><body>
<script>
const frame = document.createElement("iframe");
frame.style.cssText = "width:{width}px;height:900px;border:0";
frame.onload = () => {{
  const page = frame.contentDocument;
  const painted = image => {{
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 50;
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0, 50, 50);
    const dots = pen.getImageData(0, 0, 50, 50).data;
    return dots.some((value, at) => at % 4 < 3 && value < 240 && dots[at - at % 4 + 3] > 0);
  }};
  const out = [...page.body.querySelectorAll("*")].filter(e =>
    !e.closest(".scroll table, .scroll > div") && e.getBoundingClientRect().right > {width} + 0.5);
  const seen = {{
    wide: page.documentElement.scrollWidth,
    broken: [...page.images].filter(i => !i.naturalWidth || !painted(i)).map(i => i.alt),
    out: out.map(e => e.tagName + "." + e.className),
    shown: [...page.images].map(i => i.naturalWidth),
    scrolling: [...page.querySelectorAll(".scroll")]
      .filter(e => e.scrollWidth > e.clientWidth).length,
  }};
  const pre = document.createElement("pre");
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
}};
frame.src = "report.html";
document.body.append(frame);
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    tidy = pl.DataFrame({"time": [1, 2], "estimate": [0.9, 0.8], "n_risk": [50, 45]})
    saved = reporting.save_figure(
        partial(figures.survival, tidy, title="Terug"),
        folder / "exit",
        "terug",
        table=tidy,
        alt="Terug",
    )
    wide = pl.DataFrame({f"kolom_{i}": [date(2006, 1, i + 1)] for i in range(12)})
    table = reporting.save_table(wide, folder / "exit", "breed")
    chapter = reporting.Chapter(
        "exit", "Arbeidsongeschiktheidsuitkeringsgerechtigden", "Een lead.",
        (
            reporting.Text("Woord " * 80),
            reporting.Figure(saved),
            reporting.Table(table, "Breed"),
            reporting.KeyFigures((
                reporting.KeyFigure("Werk", 0.84, 0.84, n=18650, denominator="alle uitstromers"),
            )),
        ),
    )  # fmt: skip
    reporting.render_report([chapter], folder / "report.html", title="Duurzame uitstroom",
                            colophon={"Hash": "f" * 64})  # fmt: skip
    return folder


def look(site, tmp_path, width):
    probe = site / f"probe_{width}.html"
    probe.write_text(PROBE.format(width=width), encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
            "--window-size=1400,1000", "--dump-dom", probe.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r"<pre>(.+?)</pre>", done.stdout, flags=re.DOTALL)
    assert found, "the page did not load"
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(unescape(found[1])), errors


def test_on_a_phone_nothing_sticks_out(site, tmp_path):
    seen, errors = look(site, tmp_path, 390)
    assert errors == []
    assert seen["wide"] <= 390
    assert seen["out"] == []
    assert seen["scrolling"] >= 1  # the wide table, in its own box
    assert seen["broken"] == []
    assert seen["shown"][0] < 1000  # the narrow picture


def test_on_a_desk_the_wide_picture_is_shown(site, tmp_path):
    seen, errors = look(site, tmp_path, 1200)
    assert errors == []
    assert seen["wide"] <= 1200
    assert seen["broken"] == []
    assert seen["shown"][0] > 1500
