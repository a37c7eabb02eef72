"""What is wrong with a set of tasks before a policy is trained or measured on it: splits that share, images that name.

Every split that there is is loaded, and every image looked at once. **Errors**: a split shares a task, a patient, a
study, a group, a file or the same pixels with another, or has a near copy of another's image; a task cannot be made, or
its image not read; text in the pixels; a header that says that its pixels name the patient or show a face, or that has
identifying elements and does not say that the identity was removed. **Warnings**: near copies within a split; images of
one grey; identifying elements where the identity is said to be removed; and of sources that are made or public, all
signs of a patient, since these are known already.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from ..core.errors import InputError
from ..core.image import SourceImage
from ..core.task import SPLITS, Task, TaskSource
from ..tasks.readers import file_of
from ..tasks.sources import load_tasks
from .duplicates import Hashes, hashes_of, near_pairs
from .screening import Finding, Sign, is_public, screened

OWNERS = ("patient", "study", "group")
"""What `Task.meta` says of whose images a task has: of records the first two, of published data the last."""
SHARED = {
    "task": "a task",
    **{whose: f"a {whose}" for whose in OWNERS},
    "file": "a file",
    "image": "an image, pixel by pixel",
}
"""What two splits may share, the gravest first."""
NAMED = 20
"""So many tasks are named in a fault."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fault:
    """What is wrong, and with which tasks; `count` is of all of them, `tasks` names the first."""

    what: str
    error: bool
    about: str
    count: int
    tasks: tuple[str, ...] = ()


@dataclass
class _Seen:
    """One image by its pixels: who has it, and where."""

    hashes: Hashes | None
    path: str
    tasks: dict[str, str] = field(default_factory=dict)
    """A task of each split."""


@dataclass
class _Survey:
    """What was seen of all splits."""

    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    digests: dict[Hashable, str] = field(default_factory=dict)
    images: dict[str, _Seen] = field(default_factory=dict)
    owners: dict[tuple[str, str], dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Of each owner of images a task of each split, by what it is and its name."""
    signs: dict[tuple[str, bool], dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))


def check(source: str, progress: Progress | None = None) -> dict[str, Any]:
    """Check every split of a task source; the answer is as `medgym data check --json` prints it.

    Args:
        source: a task source's name or path, as `load_tasks` takes it.
        progress: called with the number of tasks that were looked at, and of all.

    Raises:
        InputError: where no split can be loaded.
    """
    sources, absent = _splits(source)
    survey, public = _Survey(), is_public(source)
    total, done = sum(map(len, sources.values())), 0
    for split, tasks in sources.items():
        for task in _tasks(tasks, split, survey):
            if task is not None:
                _look(task, split, survey, public)
            done += 1
            if progress:
                progress(done, total)
    copies = _copies(survey)
    faults = [*survey.faults, *_shared(survey), *_signs(survey), *_near(copies)]
    return {
        "source": source,
        "right": not any(fault.error for fault in faults),
        "splits": survey.splits,
        "absent": absent,
        "faults": [asdict(fault) for fault in sorted(faults, key=lambda fault: not fault.error)],
        "copies": copies,
    }


def _splits(source: str) -> tuple[dict[str, TaskSource], dict[str, str]]:
    """Load what splits there are, and say why the others are not; splits that are one are loaded once."""
    found: dict[str, TaskSource] = {}
    absent: dict[str, str] = {}
    for split in SPLITS:
        try:
            tasks = load_tasks(source, split)
        except InputError as error:
            absent[split] = str(error)
            continue
        same = next((other for other, those in found.items() if _one(tasks, those)), None)
        if same:
            absent[split] = f"no split is named: it is the same tasks as {same}"
        else:
            found[split] = tasks
    if not found:
        raise InputError(next(iter(absent.values())))
    return found, absent


def _one(tasks: TaskSource, others: TaskSource) -> bool:
    """Whether two splits are the same tasks under two names, as those of records that name no split."""
    looked = {0, len(tasks) // 2, len(tasks) - 1}
    return len(tasks) == len(others) and all(_shown(tasks, at) == _shown(others, at) for at in looked)


def _shown(tasks: TaskSource, index: int) -> Hashable:
    """Return a task's name and its pixels: sources of one's own may number the tasks of each split."""
    try:
        task = tasks[index]
        return task.id, *(image.digest for image in task.images)
    except Exception as error:
        return _words(error)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def _tasks(tasks: TaskSource, split: str, survey: _Survey) -> Iterator[Task | None]:
    """Iterate the tasks of a split, None for one that cannot be made, and count them."""
    kinds, modalities, made = Counter[str](), Counter[str](), 0
    failed: list[str] = []
    for index in range(len(tasks)):
        try:
            task = tasks[index]
            for image in task.images:
                screened(image)
        except Exception as error:  # a source of the user's own may raise anything
            failed.append(f"{split} {index}: {_words(error)}")
            yield None
            continue
        made += 1
        kinds[str(task.kind)] += 1
        modalities[task.modality or "unknown"] += 1
        yield task
    if failed:
        survey.faults.append(Fault("a task cannot be made", True, split, len(failed), tuple(failed[:NAMED])))
    survey.splits[split] = {
        "tasks": len(tasks),
        "made": made,
        "images": sum(split in seen.tasks for seen in survey.images.values()),
        "kinds": dict(kinds),
        "modalities": dict(modalities),
        **{f"{whose}s": sum(split in where for (kind, _), where in survey.owners.items() if kind == whose)
           for whose in OWNERS},
        "left_out": dict(getattr(tasks, "left_out", {})),
    }  # fmt: skip


def _look(task: Task, split: str, survey: _Survey, public: bool) -> None:
    """Take note of a task's owners, of its images and of what they show."""
    names = [(whose, str(task.meta[whose])) for whose in OWNERS if task.meta.get(whose) not in (None, "")]
    files = [("file", path) for path, _ in map(file_of, task.images) if path]
    for owner in [("task", task.id), *names, *files]:
        survey.owners[owner].setdefault(split, task.id)
    for image in task.images:
        _image(image, survey).tasks.setdefault(split, task.id)
        for finding in screened(image):
            held = survey.signs[str(finding.sign), not (public or finding.removed)]
            held.setdefault(_plain(finding), []).append(task.id)


def _plain(finding: Finding) -> str:
    """Return what tasks are gathered by: all text is one fault, headers differ in their elements."""
    return finding.about if finding.sign is Sign.IDENTIFIERS else ""


def _image(image: SourceImage, survey: _Survey) -> _Seen:
    digest = survey.digests.get(image.key)
    if digest is None:
        digest = survey.digests[image.key] = image.digest
    if digest not in survey.images:
        survey.images[digest] = _Seen(hashes_of(image.pixels), file_of(image)[0])
    return survey.images[digest]


def _shared(survey: _Survey) -> Iterator[Fault]:
    """Find what two splits share: of each kind of thing, for every two splits, one fault."""
    places = [(whose, where) for (whose, _), where in survey.owners.items()]
    places += [("image", seen.tasks) for seen in survey.images.values()]
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for whose, where in places:
        for one, two in combinations(where, 2):
            found[whose, one, two].append((where[one], where[two]))
    order = list(SHARED)
    for (whose, one, two), pairs in sorted(found.items(), key=lambda item: order.index(item[0][0])):
        named = tuple(f"{first} = {second}" for first, second in pairs[:NAMED])
        yield Fault(f"splits share {SHARED[whose]}", True, f"{one} and {two}", len(pairs), named)
    flat = [next(iter(seen.tasks.values())) for seen in survey.images.values() if seen.hashes is None]
    if flat:
        yield Fault("an image is of one grey", False, "nothing is to be seen in it", len(flat), tuple(flat[:NAMED]))


def _signs(survey: _Survey) -> Iterator[Fault]:
    for (sign, error), held in survey.signs.items():
        for about, tasks in held.items():
            named = tuple(dict.fromkeys(tasks))
            yield Fault(sign, error, about, len(named), named[:NAMED])


def _copies(survey: _Survey) -> list[dict[str, Any]]:
    """Return near copies: of slices of one file within a split none, since neighbours are alike."""
    seen = [each for each in survey.images.values() if each.hashes is not None]
    found = []
    for one, two, distance in near_pairs([each.hashes for each in seen if each.hashes is not None]):
        first, second = seen[one], seen[two]
        across = [(a, b) for a in first.tasks for b in second.tasks if a != b]
        if not across and first.path and first.path == second.path:
            continue
        a, b = across[0] if across else (next(iter(first.tasks)), next(iter(second.tasks)))
        found.append(
            {"tasks": [first.tasks[a], second.tasks[b]], "splits": [a, b], "distance": distance, "across": bool(across)}
        )
    return found


def _near(copies: list[dict[str, Any]]) -> Iterator[Fault]:
    for across in (True, False):
        pairs = [f"{' ~ '.join(pair['tasks'])} ({pair['distance']})" for pair in copies if pair["across"] is across]
        if pairs:
            about = "pairs, and the bits of 256 in which they differ"
            where = "across splits" if across else "within a split"
            yield Fault(f"images are near copies {where}", across, about, len(pairs), tuple(pairs[:NAMED]))
