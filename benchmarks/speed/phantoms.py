"""Measure how fast phantoms are made: tasks a second on one core, by modality and size.

    python benchmarks/speed/phantoms.py [--tasks 40] [--out benchmarks/speed/phantoms.json]

Every task is a new one, question, masks and all; nothing is held, so the figures are those of a stream. Modalities take
turns, so that they compare on a machine whose speed drifts. Beside the medians stands the peak memory of the process.
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import medgym
from medgym.core.image import ORIGINALS
from medgym.tasks.phantoms import MODALITIES

SIZES = (512, 1024)


def measured(tasks: int) -> dict[str, dict[str, float]]:
    """Return the tasks a second by modality and size, from the median and from the sum of all times."""
    ORIGINALS.most_bytes = 0
    times: dict[tuple[str, int], list[float]] = {}
    for index in range(-2, tasks):
        for modality in MODALITIES:
            for size in SIZES:
                source = medgym.load_tasks("phantoms", "train", seed=7, modality=modality, native=size)
                start = time.perf_counter()
                source[index % 10_000]
                if index >= 0:
                    times.setdefault((modality, size), []).append(time.perf_counter() - start)
    return {
        modality: {f"{size}": 1 / statistics.median(times[modality, size]) for size in SIZES}
        | {f"{size} mean": len(times[modality, size]) / sum(times[modality, size]) for size in SIZES}
        for modality in MODALITIES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=40, help="how many of each modality and size")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    found = measured(options.tasks)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = Table("tasks a second, one core", *(f"{size} x {size}" for size in SIZES), "all of them, in sequence")
    for modality, row in found.items():
        whole = " / ".join(f"{row[f'{size} mean']:.0f}" for size in SIZES)
        table.add_row(modality, *(f"{row[f'{size}']:.0f}" for size in SIZES), whole)
    Console().print(table)
    print(f"peak memory of the process: {peak:.0f} MiB")
    if options.out:
        options.out.write_text(json.dumps({"tasks_per_s": found, "peak_mib": round(peak)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
