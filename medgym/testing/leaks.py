"""What can be had without looking, measured with small classifiers: leaks of a task source, and what a zoom shows."""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, sparse

from ..core.geometry import Affine, grow, snap
from ..core.task import Task, truth_of
from ..core.view import View

Floats = NDArray[np.float64]
Examples = Sequence[tuple[sparse.csr_array, int]]

HASHED = 1 << 12
"""The number of weights; words are hashed into them."""
DECAY = 0.02
"""How strongly weights are drawn to zero, an example."""
FOLDS = 4
"""Each part of this many is tried by what the others taught."""


class Guessing(NamedTuple):
    """How often a guess is right, how often one who knows no better would be, and of how many tasks."""

    right: float
    chance: float
    n: int

    @property
    def error(self) -> float:
        """The standard error of `right` if it were chance."""
        return float((self.chance * (1 - self.chance) / max(self.n, 1)) ** 0.5)


def guessed_from_text(tasks: Iterable[Task]) -> Guessing:
    """Train a classifier on question and options alone, and try it on tasks that it was not trained on.

    It learns which words of an option go with which words of a question, and which place is right more often.
    Tasks that are answered by a place or by a length are left out: the others have a set of possible answers.
    Those of an open question or a count are all that the source gives to questions of its form.
    """
    held = [task for task in tasks if not task.kind.localised and not truth_of(task).unit]
    known: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for task in held:
        known[_form(task)].add(truth_of(task).answer)
    examples, chances = [], []
    for task in held:
        answers = task.letters if task.options else sorted(known[_form(task)])
        chances.append(1 / len(answers))
        examples.append((_worded(task, answers), answers.index(truth_of(task).answer)))
    return _tried(examples, chances)


def told_apart(tasks: Iterable[Task], *, zoomed: bool) -> Guessing:
    """Train a classifier to answer questions with options from how neighbouring pixels differ at the evidence.

    Args:
        tasks: choices among the same options, each with one region as evidence.
        zoomed: whether it sees the region at full resolution, or as the first view of 512 pixels shows it.
    """
    held = list(tasks)
    names = sorted({option for task in held for option in task.options})
    rows = np.stack([_looks(task, zoomed) for task in held])
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-9)
    examples = []
    for task, row in zip(held, rows, strict=True):
        features = sparse.block_diag([row[None]] * len(names), format="csr")
        examples.append(
            (sparse.csr_array(features), names.index(task.options[task.letters.index(truth_of(task).answer)]))
        )
    # Answering always what is most often right among these tasks is no sight.
    most = Counter(truth for _, truth in examples).most_common(1)[0][1]
    return _tried(examples, [most / len(examples)] * len(examples))


def _form(task: Task) -> tuple[str, ...]:
    return (task.kind, task.modality, str(task.meta.get("exam")), str(task.meta.get("form")))


def _worded(task: Task, answers: Sequence[str]) -> sparse.csr_array:
    """Return a row of features for each possible answer."""
    question = [*_words(task.question), "?"]
    rows, columns = [], []
    for place, answer in enumerate(answers):
        text = task.options[place] if task.options else answer
        names = [f"place {place} of {len(answers)}", *(f"{a} {b}" for a in (text, *_words(text)) for b in question)]
        found = {zlib.crc32(f"{task.kind} {name}".encode()) % HASHED for name in names}
        columns += sorted(found)
        rows += [place] * len(found)
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, columns)), shape=(len(answers), HASHED))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _tried(examples: Examples, chances: Sequence[float]) -> Guessing:
    """Try each part of the examples with weights that were fitted to the other parts."""
    if len(examples) < FOLDS:
        raise ValueError(f"{len(examples)} tasks are too few to learn from")
    edges = [len(examples) * fold // FOLDS for fold in range(FOLDS + 1)]
    right = []
    for start, end in pairwise(edges):
        weights = _fitted([*examples[:start], *examples[end:]])
        right += [int(np.argmax(features @ weights)) == truth for features, truth in examples[start:end]]
    return Guessing(float(np.mean(right)), float(np.mean(chances)), len(right))


def _fitted(examples: Examples) -> Floats:
    """Return the weights of a softmax over each example's own rows."""
    stacked = sparse.csr_array(sparse.vstack([features for features, _ in examples]))
    starts = np.cumsum([0, *(features.shape[0] for features, _ in examples)])
    truths = starts[:-1] + [truth for _, truth in examples]
    owner = np.repeat(np.arange(len(examples)), np.diff(starts))

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = stacked @ weights
        scores -= np.maximum.reduceat(scores, starts[:-1])[owner]
        odds = np.exp(scores)
        share = odds / np.add.reduceat(odds, starts[:-1])[owner]
        slope = share.copy()
        slope[truths] -= 1
        value = -np.log(share[truths] + 1e-300).sum() + DECAY * len(examples) * (weights @ weights) / 2
        return float(value), np.asarray(stacked.T @ slope + DECAY * len(examples) * weights)

    start = np.zeros(stacked.shape[1])
    return np.asarray(optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)


def _looks(task: Task, zoomed: bool) -> Floats:
    """Return how much neighbouring pixels differ, by direction, inside the evidence and at its border."""
    truth = truth_of(task)
    image = task.images[truth.image]
    mask = next(mask for mask in truth.structures.values() if mask.box == truth.boxes[0])
    box = snap(grow(truth.boxes[0], 0.25), image.size)
    x1, y1, x2, y2 = box
    if zoomed:
        view = View(image, Affine.onto(box, (x2 - x1, y2 - y1)), (x2 - x1, y2 - y1))
        pixels, inside = view.plain, mask.seen(view.to_original, view.size)
    else:
        view = View.whole(image, 512)
        part = np.s_[int(y1 / view.to_original.e) : int(y2 / view.to_original.e), :]
        across = np.s_[int(x1 / view.to_original.a) : int(x2 / view.to_original.a)]
        pixels, inside = view.plain[part][:, across], mask.seen(view.to_original, view.size)[part][:, across]
    return _differences(pixels.mean(2), inside)


def _differences(grey: Floats, inside: NDArray[np.bool_]) -> Floats:
    depth = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    down, across = np.gradient(ndimage.gaussian_filter(depth, 1.5))
    steep = np.hypot(down, across) + 1e-6
    down, across = (down / steep) ** 2, (across / steep) ** 2
    fine, wide = np.array([1.0, -2.0, 1.0]) / 4, np.array([1.0, 2.0, 1.0]) / 4
    kernels = [np.outer(a, b) for a, b in ((fine, wide), (wide, fine), (fine, fine))]
    y, x, both = (np.asarray(ndimage.convolve(grey, kernel)) ** 2 for kernel in kernels)
    energies = (y, x, both, y * down + x * across, y * across + x * down)
    inner, outer = (depth >= 0) & (depth < 3.5), (depth < 0) & (depth > -3.5)
    regions = (depth > 4, inner, outer, np.abs(depth) < 1.5)
    found = [float(e[region].mean()) if region.any() else 0.0 for region in regions for e in energies]
    along = ndimage.gaussian_filter(both, 3.0)[np.abs(depth) < 1.5]
    found.append(float(along.std() / (along.mean() + 0.05)) if along.size else 0.0)
    return np.asarray(np.log(np.array(found) + 0.05))
