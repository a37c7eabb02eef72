"""What is installed, and which segmenters answer: each is loaded and asked, and its time taken."""

import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from ..core.errors import InputError, ToolError
from ..core.task import truth_of
from ..core.view import View
from ..tasks.sources import load_tasks
from ..tools.segmenter import Prompt, ask, takes
from ..tools.segmenters import make_segmenter

PACKAGES = {
    "torch": "train", "transformers": "train", "trl": "train", "peft": "train", "wandb": "train", "sam2": "sam2",
    "pydicom": "data", "nibabel": "data", "imagehash": "data", "httpx": "remote", "fastapi": "serve", "ray": "ray",
}  # fmt: skip
ALWAYS = ("classical", "simulated")

Finding = dict[str, Any]


def finding(what: str, ok: bool, about: str, needed: bool = True) -> Finding:
    """Return what was found: ``what``, ``ok``, ``about``, and whether it is ``needed``."""
    return {"what": what, "ok": ok, "about": about, "needed": needed}


def packages() -> list[Finding]:
    """Say of each package that an extra brings whether it is there."""
    return [_package(name, extra) for name, extra in PACKAGES.items()]


def segmenters(named: Sequence[str] = ()) -> list[Finding]:
    """Load and ask the segmenters named, or all that need no download; those named are needed."""
    if named:
        return [_segmenter(spec, spec, needed=True) for spec in named]
    found = [_segmenter(spec, spec) for spec in ALWAYS]
    if find_spec("sam2") is not None:
        found.append(_segmenter("sam2:model=random-tiny", "sam2, random weights"))
    return found


def _package(name: str, extra: str) -> Finding:
    try:
        return finding(name, True, version(name), needed=False)
    except PackageNotFoundError:
        return finding(name, False, f"pip install 'medgym[{extra}]'", needed=False)


def _segmenter(spec: str, what: str, needed: bool = False) -> Finding:
    try:
        begun = time.perf_counter()
        segmenter = make_segmenter(spec)
        loaded = time.perf_counter() - begun
        times = []
        for prompt in _prompts(takes(segmenter)):
            begun = time.perf_counter()
            (answer,) = ask(segmenter, [prompt])
            times.append(time.perf_counter() - begun)
            if isinstance(answer, ToolError):
                return finding(what, False, f"it answers: {answer}", needed)
    except (InputError, OSError, RuntimeError, ValueError, TypeError) as error:
        return finding(what, False, str(error) or type(error).__name__, needed)
    first, second = times
    return finding(what, True, f"loaded in {loaded:.2g} s, first call {first:.2g} s, second {second:.2g} s", needed)


def _prompts(ways: frozenset[str]) -> list[Prompt]:
    """Ask twice about one image, not the same."""
    task = load_tasks("phantoms:native=512,absent=0", "test", kind="segmentation")[0]
    truth = truth_of(task)
    view = View.whole(task.images[0], 512, index=1)
    if "box" not in ways:
        return [Prompt(view, text=text, truth=truth) for text in ("lesion", "liver")]
    return [Prompt(view, box=(100.0, 100.0, 300.0 + more, 300.0), truth=truth) for more in (0, 20)]
