"""Measure how long an evaluation takes, and what share of it is the framework's.

    python benchmarks/speed/evaluation.py [--tasks 2000] [--workers 2] [--out benchmarks/speed/evaluation.json]

The agent `scripted` plays phantoms of 512 x 512 pixels, kept in a folder with pictures, truth, summary and report, as
`medgym eval` does. Then this process plays some of the tasks again and takes the time of each part: making the task,
the agent, the segmenter, writing pictures, and what is left, which is the framework's: views, parsing, chats, rewards,
lines.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import medgym.evaluation.run as harness
from medgym.evaluation.run import Player, RunConfig, Workers, conclude, play
from medgym.tools.segmenters.shared import Remembering

PROFILED = 200


def config(tasks: int) -> RunConfig:
    return RunConfig("MedTool-v0", "scripted", tasks, 0, {"tasks": "phantoms:native=512", "split": "test"})


def whole(tasks: int, workers: int, folder: Path) -> dict[str, float]:
    """Time a whole evaluation, and the report that ends it."""
    start = time.perf_counter()
    play(config(tasks), folder, workers=Workers(workers))
    took = time.perf_counter() - start
    start = time.perf_counter()
    conclude(folder)
    ending = time.perf_counter() - start
    return {"tasks": tasks, "workers": workers, "seconds": took, "of_it_summary_and_report": ending}


def shares(tasks: int, folder: Path) -> dict[str, float]:
    """Return the share of each part in the time of playing, in one process."""
    player = Player(config(tasks))
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return inner(*given, **named)
            finally:
                spent[name] += time.perf_counter() - start

        return call

    segmenter = player.scenario.toolbox.segmenter
    assert isinstance(segmenter, Remembering)
    player.scenario.task = timed("making tasks", player.scenario.task)  # type: ignore[method-assign]
    player.agent.act = timed("the agent", player.agent.act)  # type: ignore[method-assign]
    segmenter.segment = timed("the segmenter", segmenter.segment)  # type: ignore[method-assign]
    harness.keep_images = timed("writing pictures", harness.keep_images)  # type: ignore[assignment]
    start = time.perf_counter()
    for line, _ in player.play(range(tasks), folder):
        json.dumps(line)
    total = time.perf_counter() - start
    spent["the framework"] = total - sum(spent.values())
    return {name: seconds / total for name, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = whole(options.tasks, options.workers, Path(folder) / "run")
        found["shares"] = shares(min(PROFILED, options.tasks), Path(folder) / "images")
    found["cores"] = os.cpu_count()
    console = Console()
    console.print(
        f"{found['tasks']} tasks by {found['workers']} workers: {found['seconds']:.0f} s, "
        f"{found['of_it_summary_and_report']:.0f} s of it summary and report"
    )
    table = Table("part", "share of playing", show_edge=False)
    for name, share in sorted(found["shares"].items(), key=lambda item: -item[1]):
        table.add_row(name, f"{share:.0%}")
    console.print(table)
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
