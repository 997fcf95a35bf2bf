"""In a real browser, without a network: pages fit their windows, say nothing on the console, and are light or dark."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess

import pytest
from PIL import Image
from unit.evaluation.report.hostile import HOSTILE, with_names
from unit.evaluation.report.plausible import plausible_findings

_BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(_BROWSER is None, reason="needs a browser: apt-get install chromium")

_WIDTHS = (320, 720, 1280)
_SORTS = ("refused", "without classes", "100 classes", "long names", "bare")
_MEASURE = """
const found = {};
onload = () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument.documentElement;
    found[frame.id] = [page.scrollHeight, page.scrollWidth];
  }
  document.querySelector("pre").textContent = JSON.stringify(found);
};
function attack() { found.attacked = true; }
"""


@pytest.fixture
def browse(tmp_path):
    """Opens a page and returns what the browser printed of it; fails if anything is said on the console."""

    def run(page: str, *options: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(page)
        command = [
            _BROWSER,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000"),
            f"--user-data-dir={tmp_path / 'profile'}",
            *options,
            path.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout

    return run


def test_pages_fit_windows_of_any_width(browse, render, sorts):
    pages = {**{name: sorts[name] for name in _SORTS}, "hostile": with_names(HOSTILE)}
    frames = [
        f'<iframe id="{name} {width}" style="border:0;width:{width}px" srcdoc="{html.escape(render(found).decode())}">'
        "</iframe>"
        for name, found in pages.items()
        for width in _WIDTHS
    ]
    printed = browse(f"<!doctype html>{''.join(frames)}<pre></pre><script>{_MEASURE}</script>", "--dump-dom")
    found = json.loads(html.unescape(re.findall("<pre>(.*?)</pre>", printed, re.DOTALL)[-1]))
    assert len(found) == len(frames)
    for name, (height, width) in found.items():
        assert width == int(name.split()[-1]), f"{name} is {width} wide"
        assert height > 500, f"{name} is {height} high"


@pytest.mark.parametrize(("scheme", "number"), [("dark", 0), ("light", 1)])
def test_page_is_light_or_dark_as_its_reader_wants(browse, render, tmp_path, scheme, number):
    path = tmp_path / "screen.png"
    browse(
        render(plausible_findings()).decode(),
        f"--screenshot={path}",
        "--window-size=1280,900",
        f"--blink-settings=preferredColorScheme={number}",
    )
    picture = Image.open(io.BytesIO(path.read_bytes())).convert("L")
    levels = picture.histogram()
    assert picture.size == (1280, 900)
    assert (picture.getpixel((5, 5)) > 128) == (scheme == "light")
    # Text is as far from its ground as it can be, and there is plenty of it.
    far = sum(levels[:64]) if scheme == "light" else sum(levels[192:])
    assert far > 5000
