"""What a whole set of questions gives away without its images, and which of them have to go for that.

Two things are asked of a set. No answer is right more often than chance has it: among the questions with the same
words, among those of a form, and wherever it is one of the options. And a reader of the text alone, who learnt from
the questions on all other images which words go with which answers, is right no more often than chance by `MARGIN`.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ...core.task import Kind
from .draft import Draft

MARGIN = 0.05
ERRORS = 2.0
"""What chance does to a small set: so many standard errors are allowed besides the margin."""
NUMBERS = 3
"""A number is one of at least so many that are thought likely."""
LENGTHS = 1.2
"""Lengths within this factor are one answer."""
CELLS = 4
"""Points are told apart by this many columns and rows."""
NUMERAL = re.compile(r"\d+(?:\.\d+)?")

Refusal = tuple[Draft, str]


class Guessing(NamedTuple):
    """How often a reader of the text alone is right, how often chance is, and of how many questions."""

    right: float
    chance: float
    n: int

    @property
    def allowed(self) -> float:
        """The most that is not above chance."""
        return self.chance + MARGIN + ERRORS * math.sqrt(self.chance * (1 - self.chance) / max(self.n, 1))


def thinned(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Refusal]]:
    """Take out what pushes a set above chance, and say of each why; the rest keeps its order."""
    kept, out = evened(drafts)
    while surest := _too_easy(kept):
        out += surest
        gone = {id(draft) for draft, _ in surest}
        kept, more = evened([draft for draft in kept if id(draft) not in gone])
        out += more
    return kept, out


# No answer more often than chance


def evened(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Refusal]]:
    """Take out questions until no answer is right more often than chance."""
    kept, out = list(drafts), list[Refusal]()
    while True:
        before = len(kept)
        for words, key in (("with these words", text_of), ("of this form", lambda draft: draft.form)):
            kept, more = _evened_by(kept, key, words)
            out += more
        if len(kept) == before:
            return kept, out


def _evened_by(drafts: Sequence[Draft], key: Callable[[Draft], str], words: str) -> tuple[list[Draft], list[Refusal]]:
    groups: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if not draft.kind.localised:
            groups[key(draft)].append(draft)
    out = [refusal for group in groups.values() for refusal in _too_many(group, words)]
    gone = {id(draft) for draft, _ in out}
    return [draft for draft in drafts if id(draft) not in gone], out


def _too_many(group: Sequence[Draft], words: str) -> list[Refusal]:
    """Return what has to go so that each answer is right at most as often as chance would choose it."""
    rest = {answer: list(found) for answer, found in _by_answer(group).items()}
    likely = max(NUMBERS, len(rest))
    chance: Counter[str] = Counter()
    for draft in group:
        chance.update({each: 1 / len(draft.candidates) for each in draft.candidates} or dict.fromkeys(rest, 1 / likely))
    out: list[Refusal] = []
    while True:
        over = {answer: len(found) - math.ceil(chance[answer] - 1e-9) for answer, found in rest.items()}
        answer = max(sorted(over), key=lambda each: over[each])
        if over[answer] <= 0:
            return out
        draft = rest[answer].pop()
        why = f"{answer!r} would be right in {len(rest[answer]) + 1} questions {words}; chance has {chance[answer]:.1f}"
        out.append((draft, why))
        chance.subtract(
            {each: 1 / len(draft.candidates) for each in draft.candidates} or dict.fromkeys(rest, 1 / likely)
        )


def _by_answer(group: Iterable[Draft]) -> dict[str, list[Draft]]:
    """Sort by the answer, and then so that the last are anybody's."""
    ordered = sorted(group, key=lambda draft: (answer_of(draft), draft.id))
    return {answer: list(found) for answer, found in groupby(ordered, answer_of)}


def text_of(draft: Draft) -> str:
    """Return what a reader sees without the image, but for numbers and the order of options."""
    return "\n".join((draft.form, NUMERAL.sub("#", draft.question), *sorted(draft.options)))


def answer_of(draft: Draft) -> str:
    """Return the answer; of a length, which others would be taken for it."""
    if draft.kind is Kind.NUMBER and draft.unit:
        return f"about {LENGTHS ** round(math.log(float(draft.right), LENGTHS)):.3g} {draft.unit}"
    return draft.right


# A reader of the text alone


def guessed(drafts: Sequence[Draft]) -> Guessing:
    """Return how often the reader is right; questions that ask for a place are left out."""
    found = _read(drafts)
    if not found:
        return Guessing(0.0, 0.0, 0)
    return Guessing(
        float(np.mean([each.right for each in found])), float(np.mean([each.chance for each in found])), len(found)
    )


class _Reading(NamedTuple):
    draft: Draft
    right: bool
    sure: float
    chance: float


def _too_easy(drafts: Sequence[Draft]) -> list[Refusal]:
    """Return so many of what the reader gets right, the surest first, that the others are not above what is allowed."""
    found = _read(drafts)
    measured = guessed(drafts)
    over = math.ceil((measured.right - measured.allowed) * measured.n)
    if over <= 0:
        return []
    surest = sorted((each for each in found if each.right), key=lambda each: (-each.sure, each.draft.id))[:over]
    why = (
        f"the text alone is guessed in {measured.right:.2f} of {measured.n} questions; chance is {measured.chance:.2f}"
    )
    return [(each.draft, why) for each in surest]


def _read(drafts: Sequence[Draft]) -> list[_Reading]:
    """Let each question be guessed by what the questions on other images teach."""
    asked = [draft for draft in drafts if not draft.kind.localised]
    numbers: dict[str, set[str]] = defaultdict(set)
    for draft in asked:
        if not draft.candidates:
            numbers[draft.form].add(answer_of(draft))
    seen: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    features = {id(draft): _features(draft, sorted(numbers[draft.form])) for draft in asked}
    for draft in asked:
        _count(draft, features[id(draft)], seen, right, 1)
    found = []
    for _, group in groupby(sorted(asked, key=lambda draft: draft.scene.digest), lambda draft: draft.scene.digest):
        own = list(group)
        for draft in own:
            _count(draft, features[id(draft)], seen, right, -1)
        found += [_guess(draft, features[id(draft)], seen, right) for draft in own]
        for draft in own:
            _count(draft, features[id(draft)], seen, right, 1)
    return found


Features = dict[str, list[tuple[str, str]]]


def _features(draft: Draft, numbers: Sequence[str]) -> Features:
    """Return, for each possible answer, what goes with it: the form, the words, where a point is, which is long."""
    among = draft.candidates or numbers
    context = {"", *re.findall(r"[^\W\d]+", draft.question.casefold())}
    if draft.point:
        cell = [min(CELLS - 1, each * CELLS // 100) for each in draft.point]
        context |= {f"column {cell[0]}", f"row {cell[1]}", f"cell {cell[0]} {cell[1]}"}
    longest, shortest = max(map(len, among)), min(map(len, among))
    found: Features = {}
    for answer in among:
        own = [(f"{draft.form} {word}", answer) for word in sorted(context)]
        own += [(f"{draft.form} over {other}", answer) for other in draft.options if other != answer]
        own.append((draft.form, f"longest {len(answer) == longest} shortest {len(answer) == shortest}"))
        found[answer] = own
    return found


def _count(
    draft: Draft, features: Features, seen: Counter[tuple[str, str]], right: Counter[tuple[str, str]], by: int
) -> None:
    truth = answer_of(draft)
    for answer, own in features.items():
        for feature in own:
            seen[feature] += by
            right[feature] += by * (answer == truth)


def _guess(
    draft: Draft, features: Features, seen: Counter[tuple[str, str]], right: Counter[tuple[str, str]]
) -> _Reading:
    """Choose the answer whose features were right most, a mean of log odds; a tie is chance's, not the reader's."""
    prior = 1 / max(len(features), 1 if draft.candidates else NUMBERS)
    scores = {
        answer: float(np.mean([math.log((right[each] + prior) / (seen[each] + 1) / prior) for each in own]))
        for answer, own in features.items()
    }
    best = max(scores.values())
    ties = sorted(answer for answer, score in scores.items() if score > best - 1e-9)
    rest = [score for answer, score in scores.items() if answer not in ties]
    guess = ties[int(draft.id, 16) % len(ties)]
    return _Reading(draft, guess == answer_of(draft), best - max(rest, default=0.0), prior)
