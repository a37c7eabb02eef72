"""Measure how long the report of a large run takes to write and to open, and how large it is.

    python benchmarks/speed/report.py RUN [--episodes 2000] [--runs 5]

The episodes of a run are repeated under new indexes, each with pictures of its own (a few pixels differ), until there
are enough. The page is opened from disk in headless Chromium, in a fresh profile each time: how long after the start of
the navigation the first content is painted, the list of episodes can be used, the last byte is read, and an episode far
down the list, opened by its address, is shown with its picture. Medians, on whatever else the machine does.
"""

import argparse
import html
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from medgym.evaluation.report import write_report
from medgym.evaluation.summary import summarise

STEPS = {
    "paint": "first content painted",
    "list": "list filled and a filter answered",
    "loaded": "page loaded to its last byte",
    "episode": "an episode far down, by its address, with its picture",
}
WATCH = """<script>
const times = {};
const watch = setInterval(() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  if (paint) times.paint ??= paint.startTime;
  if (!times.list && document.querySelector(".row")) {
    const list = document.getElementById("by-outcome");
    list.value = "wrong";
    list.dispatchEvent(new Event("change"));
    list.value = "";
    list.dispatchEvent(new Event("change"));
    times.list = performance.now();
  }
  if (document.querySelector("figure img")?.naturalWidth) times.episode ??= performance.now();
  if (document.readyState === "complete") times.loaded ??= performance.now();
  if (Object.keys(times).length === 4) {
    clearInterval(watch);
    const found = Object.assign(document.createElement("pre"), { id: "times", textContent: JSON.stringify(times) });
    document.body.replaceChildren(found);
  }
}, 5);
</script>"""


def repeated(run: Path, episodes: int, folder: Path) -> list[dict]:
    """Return `episodes` lines made of a run's, and write a picture of its own for each of their views."""
    lines = [json.loads(line) for line in (run / "episodes.jsonl").read_text("utf-8").splitlines()]
    (folder / "images").mkdir(parents=True)
    made = []
    for index in range(episodes):
        line = json.loads(json.dumps(lines[index % len(lines)])) | {"index": index, "task_id": f"repeated/{index}"}
        for view in line["views"]:
            name = f"{view['image']}{index:06d}"
            with Image.open(run / "images" / f"{view['image']}.png") as picture:
                pixels = np.array(picture)
            pixels[:2, :3] = index % 251
            Image.fromarray(pixels).save(folder / "images" / f"{name}.png", compress_level=1)
            view["image"] = name
        made.append(line)
    return made


def opened(page: Path, browser: str, address: str) -> dict[str, float]:
    """Open a page in a fresh profile and return its times in seconds."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900", "--timeout=60000"]
        command = [browser, *flags, f"--user-data-dir={profile}", "--dump-dom", page.as_uri() + address]
        dumped = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    inside = re.search(r'<pre id="times">(.*?)</pre>', dumped)
    if inside is None:
        raise SystemExit("the page did not open within a minute")
    return {name: value / 1000 for name, value in json.loads(html.unescape(inside[1])).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder")
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5, help="how often the page is opened")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("no Chromium is installed")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "run"
        lines = repeated(options.run, options.episodes, folder)
        truths = {line["index"]: {"mask": line["turns"][-1]["mask"], "image": 0} for line in lines}
        start = time.perf_counter()
        write_report(folder, lines, summarise(lines), truths=truths)
        wrote = time.perf_counter() - start
        page = folder / "report.html"
        size = page.stat().st_size
        page.write_text(page.read_text("utf-8").replace("<head>", "<head>" + WATCH, 1), "utf-8")
        times = [opened(page, browser, f"#index={options.episodes - 10}") for _ in range(options.runs)]
    table = Table(f"{len(lines)} episodes, {sum(len(line['views']) for line in lines)} pictures", "median", "worst")
    table.add_row("written in", f"{wrote:.0f} s", "")
    table.add_row("size", f"{size / 1e6:.1f} MB", "")
    for name, words in STEPS.items():
        found = [each[name] for each in times]
        table.add_row(words, f"{statistics.median(found):.2f} s", f"{max(found):.2f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
