"""Measure what shared work saves, and what a tool server costs, in one run.

    python benchmarks/speed/segmenters.py [--model random-tiny] [--seconds 10] [--out benchmarks/speed/segmenters.json]

A group: 8 rollouts of one task make 4 calls each, by box, with SAM 2 (random weights by default: they cost what trained
ones do). Through the environment the image is embedded once and a step's calls are one batch; without sharing, each
call embeds the image again. The two take turns, a step of each.

The server: 1, 8 and 64 clients at once, each asking for a mask of another box and waiting for it. `instant` is a
segmenter that costs nothing, so the figures are those of HTTP, JSON and masks; `sam2` is the model above, its images
embedded already. Clients and server share the machine's cores.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

import medgym
from medgym.core.view import View
from medgym.tools.segmenter import Prompt, ask
from medgym.tools.segmenters import make_segmenter
from medgym.tools.segmenters.embedding import colour
from medgym.tools.segmenters.remote import Remote

ROLLOUTS, CALLS, SIDE = 8, 4, 512
CLIENTS = (1, 8, 64)
IMAGES = 8
INSTANT = """
from medgym.core.mask import Mask
from medgym.tools.segmenter import Segmentation

class Instant:
    name, needs_truth = "instant", False
    def segment(self, prompts):
        return [Segmentation(Mask.of_box(prompt.box, prompt.source.size)) for prompt in prompts]
"""


def box(rng: np.random.Generator) -> list[int]:
    x, y = rng.integers(20, SIDE // 2, 2)
    width, height = rng.integers(60, SIDE // 2 - 20, 2)
    return [int(x), int(y), int(x + width), int(y + height)]


def group(model: str) -> dict[str, float]:
    """Time a group of rollouts with shared work, and the same calls without, step by step in turn."""
    import torch

    spec = f"sam2:model={model}"
    segmenter: Any = make_segmenter(spec)
    predictor = segmenter.inner.predictor
    settings = {"tasks": f"phantoms:native={SIDE}", "tools": ["zoom_in", "sam2"], "max_turns": CALLS + 1}
    env = gym.make_vec("MedTool-v0", num_envs=ROLLOUTS, segmenter=spec, autoreset_mode="Disabled", **settings)
    rng = np.random.default_rng(0)
    env.reset(seed=0, options={"index": 1, "split": "test"})
    warm = colour(medgym.load_tasks(settings["tasks"], "test")[0].images[0].pixels)
    predictor.set_image(warm)
    predictor.predict(box=np.array([10, 10, 90, 90]), multimask_output=False)
    pixels = colour(env.unwrapped.episodes[0].task.images[0].pixels)
    shared, alone = [], []
    for _ in range(CALLS):
        boxes = [box(rng) for _ in range(ROLLOUTS)]
        actions = [
            f'<think>I ask.</think><tool_call>{{"name": "sam2", "arguments": {{"image": 1, "bbox_2d": {each}}}}}'
            "</tool_call>"
            for each in boxes
        ]
        start = time.perf_counter()
        _, _, _, _, infos = env.step(actions)
        shared.append(time.perf_counter() - start)
        assert infos["tool_ok"].all()
        for each in boxes:
            start = time.perf_counter()
            with torch.inference_mode():
                predictor.set_image(pixels)
                predictor.predict(box=np.array(each), multimask_output=False)
            alone.append(time.perf_counter() - start)
    assert segmenter.inner.embedded == 1
    return {
        "calls": ROLLOUTS * CALLS,
        "embeddings": segmenter.inner.embedded,
        "shared_s": sum(shared),
        "alone_s": sum(alone),
        "ratio": sum(alone) / sum(shared),
        "ratio_after_the_first_step": ROLLOUTS * statistics.median(alone) / statistics.median(shared[1:]),
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def served(spec: str, seconds: float) -> dict[str, dict[str, float]]:
    """Time 1, 8 and 64 clients against a server of its own."""
    port = free_port()
    command = [sys.executable, "-m", "medgym", "serve", "--segmenter", spec, "--tools", "sam2", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        ask(connected(port), [Prompt(view, box=(10.0, 10.0, 200.0, 200.0)) for view in images()])
        return {str(clients): pressed(port, clients, seconds) for clients in CLIENTS}
    finally:
        server.terminate()
        server.wait()


def connected(port: int) -> Remote:
    for _ in range(240):
        try:
            return Remote([f"http://127.0.0.1:{port}"], retries=0)
        except medgym.InputError:
            time.sleep(0.5)
    raise TimeoutError("the server did not start")


def images() -> list[View]:
    source = medgym.load_tasks(f"phantoms:native={SIDE}", "test")
    return [View.whole(source[i].images[0], SIDE, index=1) for i in range(IMAGES)]


def pressed(port: int, clients: int, seconds: float) -> dict[str, float]:
    """Let clients ask and wait for so many seconds, eight to a process, each over a connection of its own."""
    processes = max(1, clients // 8)
    spawning = multiprocessing.get_context("spawn")
    with spawning.Manager() as manager, ProcessPoolExecutor(processes, spawning) as pool:
        ready = manager.Barrier(processes)
        jobs = [pool.submit(press, port, clients // processes, ready, seconds, i) for i in range(processes)]
        waited = [each for job in jobs for each in job.result()]
    return {
        "masks_per_s": len(waited) / seconds,
        "median_ms": 1000 * statistics.median(waited),
        "p95_ms": 1000 * float(np.percentile(waited, 95)),
    }


def press(port: int, clients: int, ready: Any, seconds: float, process: int) -> list[float]:
    """Ask once all are `ready`, each client in a thread; how long each answer took that came in time."""
    views = images()
    remotes = [connected(port) for _ in range(clients)]
    for remote in remotes:
        remote.servers[0].sent.update(view.source.digest for view in views)
    waited: list[float] = []
    ready.wait()
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        rng = np.random.default_rng([process, number])
        while time.perf_counter() < end:
            prompt = Prompt(views[int(rng.integers(IMAGES))], box=tuple(map(float, box(rng))))  # type: ignore[arg-type]
            start = time.perf_counter()
            (answer,) = remotes[number].segment([prompt])
            assert not isinstance(answer, medgym.ToolError), answer
            if time.perf_counter() < end:
                waited.append(time.perf_counter() - start)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="random-tiny", help="of SAM 2: a checkpoint, a name on the hub, or random")
    parser.add_argument(
        "--seconds", type=float, default=10, help="how long each number of clients asks; SAM 2 four times that"
    )
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    import torch

    found: dict[str, Any] = {"group": group(options.model), "server": {}}
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "instant.py"
        own.write_text(INSTANT)
        found["server"]["instant"] = served(f"{own}:Instant", options.seconds)
    found["server"]["sam2"] = served(f"sam2:model={options.model}", 4 * options.seconds)
    found["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    console = Console()
    shared = found["group"]
    console.print(
        f"{shared['calls']} calls of {ROLLOUTS} rollouts on one image: {shared['alone_s']:.1f} s each on its own, "
        f"{shared['shared_s']:.1f} s shared, ratio {shared['ratio']:.1f}"
    )
    table = Table("server", "clients", "masks a second", "median ms", "95th percentile ms", show_edge=False)
    for name, rows in found["server"].items():
        for clients, row in rows.items():
            table.add_row(name, clients, *(f"{row[key]:.1f}" for key in ("masks_per_s", "median_ms", "p95_ms")))
    console.print(table)
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
