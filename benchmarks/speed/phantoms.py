"""Measure how fast phantoms are made: tasks a second on one core, by modality and size.

    python benchmarks/speed/phantoms.py [--tasks 40] [--out benchmarks/speed/phantoms.json]

Every task is a new one, question, masks and all; nothing is held, so the figures are those of a stream. Modalities take
turns, so that they compare on a machine whose speed drifts; to compare two runs, divide by their yardsticks (a Gaussian
filter of scipy). Beside the medians stands the peak memory of the process.
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

import medgym
from medgym.core.image import ORIGINALS
from medgym.tasks.phantoms import MODALITIES

SIZES = (512, 1024)


def measured(tasks: int) -> tuple[dict[str, dict[str, float]], float]:
    """Return the tasks a second by modality and size, from median and sum of all times, and the yardstick in ms."""
    ORIGINALS.most_bytes = 0
    times: dict[tuple[str, int], list[float]] = {}
    noise, yardstick = np.random.default_rng(0).random((1024, 1024), np.float32), []
    for index in range(-2, tasks):
        start = time.perf_counter()
        ndimage.gaussian_filter(noise, 3)
        yardstick.append(time.perf_counter() - start)
        for modality in MODALITIES:
            for size in SIZES:
                source = medgym.load_tasks("phantoms", "train", seed=7, modality=modality, native=size)
                start = time.perf_counter()
                source[index % 10_000]
                if index >= 0:
                    times.setdefault((modality, size), []).append(time.perf_counter() - start)
    found = {
        modality: {f"{size}": 1 / statistics.median(times[modality, size]) for size in SIZES}
        | {f"{size} mean": len(times[modality, size]) / sum(times[modality, size]) for size in SIZES}
        for modality in MODALITIES
    }
    return found, 1000 * statistics.median(yardstick)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40, help="how many of each modality and size")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    found, yardstick = measured(options.tasks)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = Table("tasks a second, one core", *(f"{size} x {size}" for size in SIZES), "all of them, in sequence")
    for modality, row in found.items():
        whole = " / ".join(f"{row[f'{size} mean']:.0f}" for size in SIZES)
        table.add_row(modality, *(f"{row[f'{size}']:.0f}" for size in SIZES), whole)
    Console().print(table)
    print(f"yardstick, a Gaussian filter (sigma 3) of 1024 x 1024: {yardstick:.0f} ms")
    print(f"peak memory of the process: {peak:.0f} MiB")
    if options.out:
        options.out.write_text(
            json.dumps({"tasks_per_s": found, "yardstick_ms": yardstick, "peak_mib": round(peak)}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
