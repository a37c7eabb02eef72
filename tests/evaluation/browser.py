"""A page in headless Chromium: what a script that a test adds to it finds there."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

WATCH = """<script>
window.faults = [];
addEventListener("error", (event) => event.message && faults.push(event.message), true);
addEventListener("unhandledrejection", (event) => faults.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => faults.push("fetched " + event.blockedURI));
</script>"""

DRIVE = """<script>
const press = (key) => (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const pause = (ms = 120) => new Promise((done) => setTimeout(done, ms));
const all = (what) => [...document.querySelectorAll(what)];
const words = (what) => document.querySelector(what)?.textContent ?? null;
const pick = (id, value) => {
  const list = document.getElementById(id);
  list.value = value;
  list.dispatchEvent(new Event(list.tagName === "INPUT" ? "input" : "change", { bubbles: true }));
};
addEventListener("load", async () => {
  const found = {};
  try {
    await pause();
    %s
  } catch (error) {
    faults.push(String(error.stack));
  }
  document.body.replaceChildren(Object.assign(document.createElement("pre"), { id: "found", textContent: JSON.stringify({ found, faults }) }));
});
</script>"""


def driven(page: Path, script: str, address: str = "", width: int = 1280) -> dict[str, Any]:
    """Open a copy of a page beside it, run a script that fills `found`, and return that.

    Whatever goes wrong in the page, or is fetched from elsewhere, fails the test.
    """
    copy = page.with_name(f"driven-{page.name}")
    text = page.read_text("utf-8").replace("<head>", "<head>" + WATCH, 1)
    copy.write_text(text.replace("</body>", DRIVE % script + "</body>"), "utf-8")
    shown = dumped(f"{copy.as_uri()}{address}", page.parent, width)
    inside = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert inside, shown[:2000]
    result = json.loads(html.unescape(inside[1]))
    assert result["faults"] == []
    return dict(result["found"])


def dumped(address: str, folder: Path, width: int = 1280) -> str:
    """Return what an address shows when nothing more happens there; `folder` keeps the browser's own files."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--virtual-time-budget=20000"]
    command = [str(BROWSER), *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, encoding="utf-8").stdout
