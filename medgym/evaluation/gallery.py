"""A page of samples of a task source with the true masks drawn over them, for people who want to see what it has."""

import base64
import html
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ..core.image import Pixels
from ..core.mask import Bits
from ..core.task import Task, TaskSource, truth_of
from ..core.view import View
from ..tasks.phantoms import Phantoms
from ..tasks.sources import load_tasks

SIDE = 320
"""The longest side of a sample in pixels."""
COLUMNS, MOST_ROWS = 4, 12
PALETTE = (
    (64, 196, 255),
    (124, 220, 90),
    (255, 171, 64),
    (186, 104, 255),
    (64, 224, 190),
    (255, 128, 171),
    (230, 230, 90),
)
LESION = (255, 40, 40)
"""The outlines of lesions and of what is asked for; everything else takes its colour from the palette."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body{{font:14px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:88rem;padding:0 1rem;color:#1c1c22}}
h2{{margin:1.6rem 0 .4rem;font-size:1.05rem}}.row{{display:grid;grid-template-columns:repeat({columns},1fr);gap:.8rem}}
figure{{margin:0}}.pair{{position:relative}}.pair img{{width:100%;display:block;border-radius:5px;background:#000}}
.pair .drawn{{position:absolute;inset:0}}.pair:hover .drawn{{opacity:0}}
figcaption{{font-size:12.5px;margin-top:.25rem}}.dim{{color:#666}}.key span{{margin-right:.6em;white-space:nowrap}}
</style></head><body><h1>{title}</h1><p class=dim>Outlines are the true masks; point at a picture to see it without
them.</p>{rows}</body></html>
"""


def write_gallery(name: str, split: str, out: Path, report: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Write a page of samples to `out`: a row for each modality and difficulty where a source has them.

    Args:
        name: the task source, as `load_tasks` takes it.
        split: of the source.
        out: the HTML file; everything is in it.
        report: told how many rows of how many are done.

    Returns:
        The number of samples.
    """
    rows, drawn, count = list(_rows(load_tasks(name, split))), [], 0
    for done, (heading, tasks) in enumerate(rows):
        report(done, len(rows))
        samples = [_sample(tasks[i]) for i in range(min(len(tasks), COLUMNS))]
        count += len(samples)
        drawn.append(f"<h2>{html.escape(heading)}</h2><div class=row>{''.join(samples)}</div>")
    title = html.escape(f"medgym: {name}, {split}")
    out.write_text(PAGE.format(title=title, columns=COLUMNS, rows="\n".join(drawn)), "utf-8")
    report(len(rows), len(rows))
    return count


def _rows(source: TaskSource) -> Iterator[tuple[str, Sequence[Task] | TaskSource]]:
    if isinstance(source, Phantoms):
        yield from source.parts()
        return
    for first in range(0, min(len(source), MOST_ROWS * COLUMNS), COLUMNS):
        last = min(first + COLUMNS, len(source))
        yield f"tasks {first} to {last - 1}", [source[i] for i in range(first, last)]


def _sample(task: Task) -> str:
    truth, image = truth_of(task), task.images[truth_of(task).image]
    view = View.whole(image, SIDE)
    drawn = view.pixels.copy()
    named = {**truth.structures, **({"asked for": truth.mask} if truth.mask else {})}
    key = []
    for i, (name, mask) in enumerate(named.items()):
        lesion = name == "asked for" or name in task.meta.get("findings", ())
        colour = LESION if lesion else PALETTE[i % len(PALETTE)]
        if name != "lesion" and mask.area:
            drawn[_rim(mask.seen(view.to_original, view.size))] = colour
            key.append(f'<span style="color:rgb{colour}">&#9632;</span><span>{html.escape(name)}</span>')
    options = "; ".join(f"{letter}. {text}" for letter, text in zip(task.letters, task.options, strict=True))
    places = f"{len(truth.boxes)} place{'s' * (len(truth.boxes) > 1)}" if truth.boxes else "nothing is there"
    answer = truth.answer or places
    return (
        f"<figure><div class=pair>{_picture(view.pixels, '')}{_picture(drawn, 'drawn')}</div><figcaption>"
        f"{html.escape(task.question)} {html.escape(options)} <b>{html.escape(answer)}</b>"
        f"<div class=key>{' '.join(key)}</div><div class=dim>{html.escape(task.id)}</div></figcaption></figure>"
    )


def _rim(bits: Bits) -> Bits:
    wide = np.pad(bits, 1)
    core = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return np.asarray(bits & ~core)


def _picture(pixels: Pixels, kind: str) -> str:
    held = io.BytesIO()
    Pillow.fromarray(pixels).save(held, "JPEG", quality=80, subsampling=0)
    code = base64.b64encode(held.getvalue()).decode("ascii")
    return f'<img class="{kind}" alt="" src="data:image/jpeg;base64,{code}">'
