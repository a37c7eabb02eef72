"""Measure what phantoms are worth, and write the tables of results.md beside this.

    python benchmarks/phantoms/measure.py [--tasks 2000] [--boxes 120] [--zooms 400] [--only ct]

How well the classical segmenter does when it is given the true box; how often a classifier is right that sees question
and options alone; and how often one is right about margins and textures that sees the first view, or the region at full
resolution. All from seeds: the same command gives the same figures.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

import medgym
from medgym.core.image import ORIGINALS
from medgym.core.mask import Mask
from medgym.core.task import Task, truth_of
from medgym.core.view import View
from medgym.tasks.phantoms import MODALITIES
from medgym.testing.leaks import guessed_from_text, told_apart
from medgym.tools.segmenter import Prompt, Segmentation
from medgym.tools.segmenters import make_segmenter

PAGE = Path(__file__).with_name("results.md")
HEAD = """# Phantoms, measured

Written by `python benchmarks/phantoms/measure.py --tasks {tasks} --boxes {boxes} --zooms {zooms}` with medgym
{version}; the train split of seed {seed}.
"""
SEED = 11


def tasks(modality: str, count: int, **settings: object) -> Iterator[Task]:
    source = medgym.load_tasks("phantoms", "train", seed=SEED, modality=modality, size=count, **settings)
    return (source[index] for index in range(count))


def by_box(modality: str, count: int) -> list[str]:
    """The classical segmenter's mean IoU on lesions by difficulty, and on organs, each given its true box."""
    segmenter = make_segmenter("classical")
    found: dict[object, list[float]] = {}
    for task in tasks(modality, count, form="segment_lesion+segment_organ"):
        truth = truth_of(task)
        view = View.whole(task.images[0], 512, index=1)
        for name, mask in truth.structures.items():
            lesion = name in task.meta["findings"]
            asked = name == task.meta["target"]
            if mask.box is None or name == "lesion" or not (lesion or asked) or task.meta["findings"].count(name) > 1:
                continue
            answer = segmenter.segment([Prompt(view, box=mask.box)])[0]
            iou = mask.iou(Mask.of(answer.bits)) if isinstance(answer, Segmentation) else 0.0
            for group in ("lesions", task.meta["difficulty"]) if lesion else ("organs",):
                found.setdefault(group, []).append(iou)
    groups = ("lesions", 0, 1, 2, 3, "organs")
    return [f"{np.mean(found[group]):.2f} ({len(found[group])})" if group in found else "none" for group in groups]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000, help="for the classifier on text, of each modality")
    parser.add_argument("--boxes", type=int, default=120, help="for the segmenter, of each modality")
    parser.add_argument("--zooms", type=int, default=400, help="for the classifiers on pixels, of each form")
    parser.add_argument("--only", help="one modality; prints and writes nothing")
    options = parser.parse_args()
    ORIGINALS.most_bytes = 2**26
    boxes, words = [], []
    for modality in track([options.only] if options.only else list(MODALITIES), "measuring"):
        boxes.append((modality, *by_box(modality, options.boxes)))
        text = guessed_from_text(tasks(modality, options.tasks, native=128))
        cells = [f"{text.right:.2f}", f"{text.chance:.2f} ± {2 * text.error:.2f}", str(text.n)]
        for form in ("margin", "texture"):
            held = list(tasks(modality, options.zooms, form=form))
            seen = [told_apart(held, zoomed=zoomed) for zoomed in (False, True)]
            cells += [f"{guess.right:.2f}" for guess in seen]
            cells.append(f"{seen[0].chance:.2f} ± {2 * seen[0].error:.2f}")
        words.append((modality, *cells))
    page = HEAD.format(version=medgym.__version__, seed=SEED, **vars(options))
    page += (
        "\n## The classical segmenter, given the true box\n\nMean IoU (and number) of lesions, of those by"
        " difficulty, and of organs, at 1024 x 1024.\n\n"
    )
    page += table(("modality", "lesions", *(f"difficulty {level}" for level in range(4)), "organs"), boxes)
    page += (
        "\n## What can be had without looking\n\nShare of right answers of a classifier that sees question and options"
        " alone, on tasks that it was not trained on (those answered in words). Margin and texture: of"
        " one that sees how neighbouring pixels differ at the lesion, in the first view of 512 pixels and at full"
        " resolution. Behind ± stand two standard errors.\n\n"
    )
    headings = ("modality", "text alone", "chance", "n", "margin, view", "zoomed", "chance")
    headings += ("texture, view", "zoomed", "chance")
    page += table(headings, words)
    print(page)
    if not options.only:
        PAGE.write_text(page)


def table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
