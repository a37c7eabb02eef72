"""Measure what an environment costs, against a stand-in of the published design, in one run.

    python benchmarks/speed/measure.py [--many 2048] [--out benchmarks/speed/results.json]

Each line is a median; the two designs take turns in short blocks, so that the ratio holds on a machine whose speed
drifts. Every timed zoom and mask is one that was not made before.
Masks come from a segmenter that answers at once: what is measured is everything but the model.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil
from PIL import Image
from published import PublishedEnv, Workers, answer_of_server
from rich.console import Console
from rich.table import Table

import medgym
from medgym.tools.segmenter import Prompt, Segmentation

SIZE = 512
ROUNDS = 60
BLOCK = 6
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]
DISC = (ROWS - 250) ** 2 + (COLUMNS - 260) ** 2 < 80**2


class Instant:
    """A segmenter that costs nothing."""

    name, needs_truth = "", False

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation]:
        return [Segmentation(DISC) for _ in prompts]


def call(name: str, **arguments: Any) -> str:
    return f"<think>I look.</think><tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def real_looking() -> np.ndarray:
    """A 512 x 512 slice of a phantom, in colour, so that PNG compression has honest work."""
    pixels = medgym.load_tasks("phantoms:modality=ct,native=512", split="test")[0].images[0].pixels
    return np.stack([pixels] * 3, -1)


def own(folder: Path, pixels: np.ndarray) -> gym.Env[Any, Any]:
    Image.fromarray(pixels).save(folder / "image.png")
    record = {"question_type": "open-ended", "question": "Which organ?", "answer": "liver", "image_path": "image.png"}
    (folder / "records.json").write_text(json.dumps([record]))
    env = gym.make("MedTool-v0", tasks=str(folder / "records.json"), max_turns=40)
    env.unwrapped.scenario.toolbox.segmenter = Instant()  # type: ignore[attr-defined]
    return env


Contender = Callable[[int], Callable[[], Any]]
"""Sets up a round, untimed, by its number, and returns what is timed."""


def in_turn(ours: Contender, theirs: Contender) -> dict[str, float]:
    """Time two contenders in blocks of `BLOCK` rounds by turns; the first block of each warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    for block in range(ROUNDS // BLOCK + 1):
        for kept, prepare in zip(times, (ours, theirs), strict=True):
            for number in range(block * BLOCK, (block + 1) * BLOCK):
                act = prepare(number)
                start = time.perf_counter()
                act()
                kept.append(time.perf_counter() - start)
    one, two = (statistics.median(kept[BLOCK:]) for kept in times)
    return {"medgym_ms": 1e3 * one, "published_ms": 1e3 * two, "ratio": two / one}


def single(folder: Path) -> dict[str, dict[str, float]]:
    """Compare reset, zoom, segmentation and a whole episode of one environment."""
    pixels = real_looking()
    env, published = own(folder, pixels), PublishedEnv()
    published.reset(pixels)
    npz = answer_of_server(DISC)

    def zoom_ours(number: int, views: int = 0) -> Callable[[], Any]:
        env.reset(options={"index": 0})
        for i in range(views):
            env.step(call("zoom_in", image=1, bbox_2d=[i, i, 210 + i, 220 + i]))
        text = call("zoom_in", image=1, bbox_2d=[100 + views, 60 + number, 300, 270 + number])
        return lambda: env.step(text)

    def zoom_theirs(number: int, views: int = 0) -> Callable[[], Any]:
        published.reset()
        published.views += published.views[:1] * views
        return lambda: published.zoom(0, [100, 60 + number, 300, 270 + number])

    def segment_ours(number: int) -> Callable[[], Any]:
        env.reset(options={"index": 0})
        text = call("sam2", image=1, bbox_2d=[180, 120 + number, 340, 330])
        return lambda: env.step(text)

    def segment_theirs(number: int) -> Callable[[], Any]:
        published.reset()
        return lambda: published.segment(0, npz)

    def episode_ours(number: int) -> None:
        env.reset(options={"index": 0})
        env.step(call("sam2", image=1, bbox_2d=[180, 170, 340, 330]))
        env.step(call("zoom_in", image=1, bbox_2d=[110, 50 + number, 310, 250 + number]))
        env.step("<think>I know.</think><answer>liver</answer>")

    def episode_theirs(number: int) -> None:
        published.reset()
        published.segment(0, npz)
        published.zoom(0, [110, 50 + number, 310, 250 + number])
        published.observe()

    return {
        "reset": in_turn(lambda _: lambda: env.reset(options={"index": 0}), lambda _: published.reset),
        "zoom step": in_turn(zoom_ours, zoom_theirs),
        "zoom step, 29 views before it": in_turn(lambda n: zoom_ours(n, 29), lambda n: zoom_theirs(n, 29)),
        "segmentation step, without the model": in_turn(segment_ours, segment_theirs),
        "episode: segment, zoom, answer": in_turn(
            lambda n: lambda: episode_ours(n), lambda n: lambda: episode_theirs(n)
        ),
    }


def many(count: int) -> dict[str, float]:
    """Step a vector environment of `count` distinct phantoms, and say how much memory the process took.

    Images of 512 pixels: of larger ones, those beyond the cache's bound would be drawn anew at each zoom.
    """
    before = time.perf_counter()
    env = gym.make_vec("MedTool-v0", count, tasks="phantoms:native=512")
    env.reset(seed=0, options={"index": list(range(count))})
    env.unwrapped.scenario.toolbox.segmenter = Instant()  # type: ignore[attr-defined]
    reset = time.perf_counter() - before
    times = []
    for turn in range(5):
        actions = [call("zoom_in", image=1, bbox_2d=[100, 60 + turn, 300, 270 + turn + i % 50]) for i in range(count)]
        start = time.perf_counter()
        env.step(actions)
        times.append(time.perf_counter() - start)
    return {
        "reset_s": reset,
        "steps_per_s": count / statistics.median(times),
        "peak_mib": peak_bytes() / 2**20,
        "observation_mib": count * SIZE * SIZE * 3 / 2**20,
    }


def peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def elsewhere(count: int) -> dict[str, float]:
    """Measure `many` in a process of its own, so that memory is its own."""
    ran = subprocess.run([sys.executable, __file__, "--only", str(count)], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def published_many(count: int) -> dict[str, float]:
    """Step `count` processes of the stand-in."""
    workers = Workers(count, real_looking())
    times = []
    for turn in range(5):
        start = time.perf_counter()
        workers.zoom([100, 60 + turn, 300, 270 + turn])
        times.append(time.perf_counter() - start)
    workers.close()
    return {"steps_per_s": count / statistics.median(times), "sum_mib": sum(workers.resident) / 2**20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=2048, help="the largest number of environments in one process")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(many(options.only)))
        return
    with tempfile.TemporaryDirectory() as folder:
        one = single(Path(folder))
    counts = [1, 64, options.many]
    vectors = {str(count): elsewhere(count) for count in counts}
    stand_in = {str(count): published_many(count) for count in counts if count <= 64}
    show(one, vectors, stand_in)
    if options.out:
        machine = {
            "python": platform.python_version(),
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "medgym": medgym.__version__,
        }
        memory = round(psutil.virtual_memory().total / 2**30)
        found = {"machine": {**machine, "memory_gib": memory}, "one": one, "vector": vectors, "published": stand_in}
        options.out.write_text(json.dumps(found, indent=2) + "\n")


def cpu() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip() if names else platform.processor()


def show(one: dict[str, dict[str, float]], vectors: dict[str, Any], stand_in: dict[str, Any]) -> None:
    console = Console()
    table = Table("one environment, 512 x 512, medians", "medgym, ms", "published design, ms", "ratio")
    for name, row in one.items():
        table.add_row(name, f"{row['medgym_ms']:.2f}", f"{row['published_ms']:.2f}", f"{row['ratio']:.0f}")
    console.print(table)
    table = Table("environments", "steps/s", "peak MiB", "of it observations", "published: steps/s", "published: MiB")
    for count, row in vectors.items():
        other = stand_in.get(count)
        theirs = (f"{other['steps_per_s']:.0f}", f"{other['sum_mib']:.0f}") if other else ("not run", "not run")
        own_figures = (f"{row['steps_per_s']:.0f}", f"{row['peak_mib']:.0f}", f"{row['observation_mib']:.0f}")
        table.add_row(count, *own_figures, *theirs)
    console.print(table)


if __name__ == "__main__":
    main()
