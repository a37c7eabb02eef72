"""The order of things: gather, draft, check one by one, let an endpoint look, even out, deal the letters, write.

What is refused is kept beside what is made, with the check that refused it. The same seed gives the same file; of an
endpoint every answer is kept, so that the same command again goes on and asks for nothing twice.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, nearest
from ...core.task import Kind
from ...tasks.manifest import MANIFEST
from ...tasks.sources import load_tasks
from .blind import guessed, thinned
from .checks import CHECKS, COSTLY, EARLY, Source, refused
from .draft import MODEL, Draft
from .forms import FORMS, Paper
from .model import ANSWERS, UNCHECKED, Model
from .scenes import Scene, gather, vocabularies

REJECTED = "rejected.jsonl"
Notify = Callable[[str, int, int], None]


class Desk:
    """What was made so far: drafts go over it from step to step, and what is refused stays on it."""

    def __init__(self, source: Source, seed: int, notify: Notify) -> None:
        self.source, self.seed, self.notify = source, seed, notify
        self.refused: list[tuple[Draft, str, str]] = []
        self.spoilt: list[tuple[Draft, str, str]] = []

    def draft(self, scenes: Sequence[Scene], forms: Sequence[str]) -> list[Draft]:
        """Draft every question of the forms that passes the early checks, one image after the other."""
        kept = []
        for number, scene in enumerate(scenes, 1):
            for name in forms:
                rng = self.chance(list(FORMS).index(name), scene.digest)
                paper = Paper(scene, self.source.names(scene), self.source.exhaustive, rng)
                kept += self.passed(FORMS[name](paper), EARLY)
            scene.let_go()
            self.notify("checks", number, len(scenes))
        return sorted(kept, key=lambda draft: (draft.scene.digest, draft.id))

    def passed(self, drafts: Iterable[Draft], checks: Sequence[str] = tuple(CHECKS)) -> list[Draft]:
        """Return what passes checks, by default all five."""
        kept = []
        for draft in drafts:
            check, why = refused(draft, self.source, checks)
            if check:
                self.refused.append((draft, check, why))
            else:
                kept.append(draft)
        return kept

    def evened(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return what gives nothing away as a set, and as each of its splits."""
        even = []
        for split in sorted({draft.scene.split for draft in drafts}):
            kept, out = thinned([draft for draft in drafts if draft.scene.split == split])
            self.refused += [(draft, "independence", why) for draft, why in out]
            even += kept
        return even

    def asked(self, drafts: Sequence[Draft], model: Model, write: bool) -> list[Draft]:
        """Return what an endpoint agrees with, in its own words where it is to write and these pass the checks."""
        own = model.written(drafts) if write else {}
        worded = []
        for draft in drafts:
            said = own.get(id(draft))
            if isinstance(said, Draft) and self.passed([said]):
                draft.scene.let_go()
                worded.append(said)
                continue
            if isinstance(said, tuple):
                self.spoilt.append((replace(draft, by=MODEL), *said))
            worded.append(draft)
        found = {id(draft): (check, why) for draft, check, why in model.refused(worded)}
        self.refused += [(draft, *found[id(draft)]) for draft in worded if id(draft) in found]
        return [draft for draft in worded if id(draft) not in found]

    def dealt(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Give the right options of each form, in each split, all letters in turn, in random order."""
        groups: dict[tuple[str, int], list[Draft]] = defaultdict(list)
        for draft in drafts:
            groups[f"{draft.scene.split} {draft.form}", len(draft.options)].append(draft)
        dealt = {}
        for (name, count), group in groups.items():
            rng = self.chance(count, name.encode().hex())
            turn = int(rng.integers(count)) if count else 0
            for i in rng.permutation(len(group)):
                dealt[id(group[i])] = _with_right_at(group[i], turn % count, rng) if count else group[i]
                turn += 1
        return [dealt[id(draft)] for draft in drafts]

    def chance(self, number: int, digest: str) -> np.random.Generator:
        """Return a source of chance of its own for a form and what it is about."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, number, int(digest or "0", 16)]))


def _with_right_at(draft: Draft, place: int, rng: np.random.Generator) -> Draft:
    wrong = [option for option in draft.shuffled(rng).options if option != draft.right]
    return replace(draft, options=(*wrong[:place], draft.right, *wrong[place:]))


def make(
    source: str,
    out: str | Path,
    *,
    splits: Sequence[str] = ("train",),
    seed: int = 0,
    forms: Sequence[str] = (),
    per_image: int | None = None,
    exhaustive: bool = False,
    model: Model | None = None,
    write: bool = False,
    notify: Notify = lambda *_: None,
) -> dict[str, Any]:
    """Make questions of a source's masks, write them to `out` and the rejected beside it, and return the counts.

    Args:
        source: what `load_tasks` takes, with tasks that have masks with names.
        out: a ``.jsonl`` file of records; beside it `REJECTED`, and ``images/`` for images without a file of their own.
        splits: which of the source's splits to read; each question is in that of its image.
        seed: of what is drawn.
        forms: names of `FORMS`; default: all.
        per_image: at most so many questions an image, of as many forms as it has.
        exhaustive: whether what an image has no mask of is not in it, wherever other images of the source and the
            modality have one. By default only what the source looked for and did not find is known to be absent.
        model: an endpoint, to check by.
        write: whether the endpoint also words the questions, and proposes options.
        notify: is told of each step how far it is.

    Raises:
        InputError: for an unknown form, a source without masks, and where no question passes.
    """
    out = Path(out).absolute()
    if Path(source).resolve() == out.resolve():
        raise InputError(f"{out}: the questions would take the place of their source; name another file")
    chosen = _checked(out, forms, per_image, write, model)
    scenes, left_out = gather(source, splits, seed, lambda done, total: notify("images", done, total))
    desk = Desk(Source(out.parent, vocabularies(scenes), exhaustive), seed, notify)
    passed = desk.draft(scenes, chosen)
    picked = _picked(passed, per_image)
    kept = desk.evened(desk.passed(desk.evened(picked), COSTLY))
    if model is not None:
        model.notify = lambda done, total: notify("endpoint", done, total)
        kept = desk.evened(desk.asked(kept, model, write))
    kept = desk.dealt(sorted(kept, key=lambda draft: draft.id))
    _write(out.parent / REJECTED, [_why(*each, out.parent) for each in (*desk.refused, *desk.spoilt)])
    counts = _counts(desk, kept, len(passed) - len(picked), len(scenes), left_out)
    if not kept:
        raise InputError(f"{source}: no question passes the checks; {out.parent / REJECTED} says why")
    _write(out, [draft.record(out.parent) for draft in kept])
    for split in sorted({draft.scene.split for draft in kept}):
        load_tasks(str(out), split)
    return {
        **counts,
        "out": str(out),
        "rejected_in": str(out.parent / REJECTED),
        "usage": dict(model.usage) if model else {},
    }


def _checked(
    out: Path, forms: Sequence[str], per_image: int | None, write: bool, model: Model | None
) -> tuple[str, ...]:
    """Return the forms in their order, or say what is wrong."""
    for name in forms:
        if name not in FORMS:
            raise InputError(f"unknown form {name!r}{nearest(str(name), FORMS)}")
    if out.suffix != ".jsonl" or out.name in (REJECTED, ANSWERS):
        raise InputError(f"{out}: expected the name of a .jsonl file other than {REJECTED} and {ANSWERS}")
    if (out.parent / MANIFEST).exists():
        raise InputError(
            f"{out.parent}: holds an import, whose {REJECTED} would be lost; name a file in another folder"
        )
    if not _ours(out):
        raise InputError(f"{out}: exists and is not what medgym data questions wrote; name another file")
    if per_image is not None and per_image < 1:
        raise InputError(f"per-image is a whole number from 1, not {per_image}")
    if write and model is None:
        raise InputError("only an endpoint can word questions; name one by --endpoint and --model")
    out.parent.mkdir(parents=True, exist_ok=True)
    return tuple(name for name in FORMS if name in (forms or FORMS))


def _ours(out: Path) -> bool:
    """Whether a file may be replaced: there is none, or it begins with a question of a form."""
    try:
        with out.open(encoding="utf-8") as file:
            first = file.readline()
        return not first or json.loads(first)["data_type"] in FORMS
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _picked(drafts: Sequence[Draft], most: int | None) -> list[Draft]:
    """Take at most so many an image, one of each form in turn."""
    if most is None:
        return list(drafts)
    turns: Counter[tuple[str, str]] = Counter()
    ranked: dict[str, list[tuple[int, Draft]]] = defaultdict(list)
    for draft in drafts:
        digest = draft.scene.digest
        ranked[digest].append((turns[digest, draft.form], draft))
        turns[digest, draft.form] += 1
    taken = {
        id(draft) for each in ranked.values() for _, draft in sorted(each, key=lambda one: (one[0], one[1].id))[:most]
    }
    return [draft for draft in drafts if id(draft) in taken]


def _why(draft: Draft, check: str, why: str, folder: Path) -> dict[str, Any]:
    return {"check": check, "why": why, "form": draft.form, "by": draft.by, "record": draft.record(folder)}


def _write(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    partial = path.with_suffix(".part")
    partial.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    partial.replace(path)


def _counts(desk: Desk, kept: Sequence[Draft], left_over: int, scenes: int, left_out: Counter[str]) -> dict[str, Any]:
    reading = guessed(kept)
    rejected: dict[str, Counter[str]] = {}
    for draft, check, _ in (*desk.refused, *desk.spoilt):
        rejected.setdefault(draft.form, Counter())[check] += 1
    by_form = Counter(draft.form for draft in kept)
    return {
        "images": scenes,
        "kept": {form: by_form[form] for form in FORMS if by_form[form]},
        "rejected": {form: dict(sorted(rejected[form].items())) for form in FORMS if form in rejected},
        "not_checked": sum(check == UNCHECKED for _, check, _ in (*desk.refused, *desk.spoilt)),
        "left_over": left_over,
        "written_by_model": sum(draft.by == MODEL for draft in kept),
        "letters": dict(sorted(Counter(_letter(draft) for draft in kept if draft.kind is Kind.CHOICE).items())),
        "text_alone": {"right": round(reading.right, 3), "chance": round(reading.chance, 3), "n": reading.n},
        "tasks_left_out": dict(left_out),
    }


def _letter(draft: Draft) -> str:
    return chr(ord("A") + draft.options.index(draft.right))
