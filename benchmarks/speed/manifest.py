"""Measure what a large manifest costs: memory and time of 10,000 tasks read one after another, and drawn at random.

    python benchmarks/speed/manifest.py [--rows 10000] [--images 300] [--out benchmarks/speed/manifest.json]

It makes small pictures and records of all kinds on them, three structures to each, imports them as `medgym data import`
does, and then, in a process of its own, plays one task after another in an environment: reset, and the first view.
The pictures are looked at again and again, so that the bounded caches of pixels fill up within the first tasks: after
them, nothing should grow. (As many pictures as rows fill them more slowly, up to their bound of 1.75 GiB.)
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

SIZE = 128
MARKS = (1000, 5000, 10_000)
NAMES = ("liver", "left kidney", "spleen")


def make(folder: Path, rows: int, images: int) -> Path:
    """Write pictures with masks of three structures, and records on them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    for number in range(images):
        Image.fromarray(rng.integers(0, 255, (SIZE, SIZE), np.uint8)).save(folder / f"{number}.png")
        for place, _ in enumerate(NAMES):
            centre, radius = rng.integers(30, 98, 2), rng.integers(8, 28)
            disc = np.hypot(x - centre[0], y - centre[1]) < radius
            Image.fromarray(disc.astype(np.uint8) * 255).save(folder / f"{number}_{place}.png")
    with (folder / "records.jsonl").open("w") as file:
        for number in range(rows):
            file.write(json.dumps(record(number, images)) + "\n")
    return folder / "records.jsonl"


def record(number: int, images: int) -> dict[str, Any]:
    image, place = number % images, number % len(NAMES)
    common = {"question_id": number, "image_path": f"{image}.png", "patient": f"P{image}", "modality": "CT"}
    mask = {"mask_path": f"{image}_{place}.png", "target": NAMES[place]}
    kinds: list[dict[str, Any]] = [
        {"question_type": "segmentation", "question": f"Segment the {NAMES[place]}.", **mask},
        {"question_type": "yes/no", "question": f"Is the {NAMES[place]} there?", "answer": "yes", **mask},
        {
            "question_type": "multiple choice",
            "question": "Which is it?",
            "options": list(NAMES),
            "answer": NAMES[place],
        },
        {"question_type": "detection", "question": f"Mark the {NAMES[place]}.", "boxes": [[8, 8, 40, 40 + place]]},
    ]
    return {**common, **kinds[number // images % len(kinds)]}


def play(folder: str, rows: int, pipe: Any) -> None:
    """Reset an environment to each task in turn, then to some at random, and tell memory and time."""
    import psutil

    import medgym  # noqa: F401

    process = psutil.Process()

    def resident() -> float:
        return float(process.memory_info().rss / 2**20)

    before = resident()
    start = time.perf_counter()
    env = gym.make("MedTool-v0", tasks=folder, split="train")
    opened = time.perf_counter() - start
    found: dict[str, Any] = {"mib_before": before, "mib_opened": resident(), "seconds_to_open": opened}
    start = time.perf_counter()
    found["mib_after"] = {}
    for index in range(rows):
        env.reset(seed=0, options={"split": "train", "index": index})
        if index + 1 in MARKS:
            found["mib_after"][str(index + 1)] = resident()
    found["ms_a_reset_in_turn"] = (time.perf_counter() - start) / rows * 1e3
    drawn = np.random.default_rng(0).integers(0, rows, 2000)
    start = time.perf_counter()
    for index in drawn:
        env.reset(seed=0, options={"split": "train", "index": int(index)})
    found["ms_a_reset_at_random"] = (time.perf_counter() - start) / len(drawn) * 1e3
    found["mib_at_the_end"] = resident()
    pipe.send(found)


def measured(rows: int, images: int) -> dict[str, Any]:
    from medgym.data.imports import bring_in

    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        path = make(folder, rows, images)
        start = time.perf_counter()
        told = bring_in(path, folder / "tasks", split="train")
        took = time.perf_counter() - start
        assert told["tasks"] == rows, told
        size = (folder / "tasks" / "manifest.parquet").stat().st_size
        ours, theirs = multiprocessing.Pipe(False)
        child = multiprocessing.get_context("spawn").Process(
            target=play, args=(str(folder / "tasks"), rows, theirs), daemon=True
        )
        child.start()
        found: dict[str, Any] = ours.recv()
        child.join()
    about = {"rows": rows, "images": images, "size": SIZE, "cores": os.cpu_count(), "manifest_mib": size / 2**20}
    return {**about, "ms_a_row_to_import": took / rows * 1e3, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=MARKS[-1])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    found = measured(options.rows, options.images)
    table = Table("what", "measured", show_edge=False)
    for name, value in found.items():
        values = value.items() if isinstance(value, dict) else [("", value)]
        for part, each in values:
            table.add_row(f"{name.replace('_', ' ')} {part}".strip(), f"{each:,.2f}".removesuffix(".00"))
    Console().print(table)
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
