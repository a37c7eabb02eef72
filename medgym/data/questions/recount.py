"""The right answer once more, by pycocotools and column by column: nothing of `shapes` is used.

What `forms` and this do not agree on is refused.
"""

import contextlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from ...core.geometry import Box
from ...core.mask import Mask
from .draft import Draft

Runs = NDArray[np.int64]


def recounted(draft: Draft) -> str | tuple[Box, ...]:
    """Return the right option's text, yes or no, the number, or the boxes asked for."""
    return OF_FORM[draft.form](draft)


def _structure(draft: Draft) -> str:
    """Return the one name whose mask holds the pixel of the point; nothing where several do."""
    assert draft.point is not None
    width, height = draft.scene.image.size
    x, y = min(width - 1, draft.point[0] * width // 100), min(height - 1, draft.point[1] * height // 100)
    masks = draft.scene.masks
    there = [name for name in masks if inside(masks[name], (x, y, x + 1, y + 1))]
    return there[0] if len(there) == 1 else ""


def _quadrant(draft: Draft) -> str:
    width, height = draft.scene.image.size
    x, y = width / 2, height / 2
    return _most(draft, {
        "upper left": (0, 0, x, y), "upper right": (x, 0, width, y),
        "lower left": (0, y, x, height), "lower right": (x, y, width, height),
    })  # fmt: skip


def _side(draft: Draft) -> str:
    width, height = draft.scene.image.size
    return _most(draft, {"left half": (0, 0, width / 2, height), "right half": (width / 2, 0, width, height)})


def _most(draft: Draft, places: dict[str, Box]) -> str:
    mask = draft.scene.masks[draft.about[0]]
    return max(places, key=lambda place: inside(mask, places[place]))


def _present(draft: Draft) -> str:
    mask = draft.scene.masks.get(draft.about[0])
    return "yes" if mask is not None and int(coco.area(mask.to_json())) else "no"


def _larger(draft: Draft) -> str:
    return max(draft.options, key=lambda name: int(coco.area(draft.scene.masks[name].to_json())))


def _count(draft: Draft) -> str:
    return str(len(boxes_of_parts(draft.scene.masks[draft.about[0]])))


def _diameter(draft: Draft) -> str:
    assert draft.scene.spacing is not None
    return f"{hull_diameter(draft.scene.masks[draft.about[0]], draft.scene.spacing):.3g}"


def _segment(draft: Draft) -> tuple[Box, ...]:
    x, y, width, height = (float(v) for v in coco.toBbox(draft.scene.masks[draft.about[0]].to_json()))
    return ((x, y, x + width, y + height),)


def _mark(draft: Draft) -> tuple[Box, ...]:
    return boxes_of_parts(draft.scene.masks[draft.about[0]])


OF_FORM: dict[str, Callable[[Draft], str | tuple[Box, ...]]] = {
    "structure": _structure, "quadrant": _quadrant, "side": _side, "present": _present, "larger": _larger,
    "count": _count, "diameter": _diameter, "segment": _segment, "mark": _mark,
}  # fmt: skip


def inside(mask: Mask, box: Box) -> int:
    """Count the pixels of a mask within a box, rounded to whole pixels."""
    return int(coco.area(coco.merge([mask.to_json(), Mask.of_box(box, mask.size).to_json()], intersect=True)))


def columns_of(mask: Mask) -> Runs:
    """Return each run within a column: ``(n, 3)`` of the column, its first row and the row after its last."""
    height = mask.size[1]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.bits().T.ravel().astype(np.int8), [0]))))
    found = []
    for start, stop in edges.reshape(-1, 2):
        for column in range(start // height, (stop - 1) // height + 1):
            top = column * height
            found.append((column, max(start, top) - top, min(stop, top + height) - top))
    return np.array(found, np.int64).reshape(-1, 3)


def boxes_of_parts(mask: Mask) -> tuple[Box, ...]:
    """Return the box of each part; runs belong together where they share an edge: corners alone do not join."""
    runs = columns_of(mask)
    parent = list(range(len(runs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first = np.searchsorted(runs[:, 0], np.arange(mask.size[0] + 1))
    for i, (column, top, bottom) in enumerate(runs):
        for j in range(first[column + 1], first[column + 2] if column + 2 < len(first) else first[column + 1]):
            if runs[j, 1] < bottom and top < runs[j, 2]:
                parent[root(j)] = root(i)
    roots = np.array([root(i) for i in range(len(runs))])
    return tuple(_box(runs[roots == each]) for each in np.unique(roots))


def _box(runs: Runs) -> Box:
    x1, y1 = runs[:, :2].min(0)
    return float(x1), float(y1), float(runs[:, 0].max() + 1), float(runs[:, 2].max())


def hull_diameter(mask: Mask, pitch: tuple[float, float]) -> float:
    """Return the largest distance between two corners of the convex hull, in the unit of `pitch`."""
    ends = [(column, row) for column, top, bottom in columns_of(mask) for row in (top, bottom)]
    corners = np.array([(column + side, row) for column, row in ends for side in (0, 1)])
    scaled = np.unique(corners, axis=0) * np.asarray(pitch)
    with contextlib.suppress(QhullError):
        scaled = scaled[ConvexHull(scaled).vertices]
    return float(pdist(scaled).max())
