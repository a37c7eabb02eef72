"""Whether words are the answer: strict, whole, and never by a letter that happens to stand in a sentence."""

import re
import unicodedata
from collections import Counter

from ..core.task import Kind, Task, Truth

LETTER = re.compile(r"\(?([A-Za-z])\)?(?:[.:)]\s*|\s+|$)(.*)", re.DOTALL)
NUMBER = re.compile(r"([+-]?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15}))\s*(\D.{0,15})?")
METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "\u03bcm": 1e-6, "um": 1e-6}
ARTICLES = {"a", "an", "the"}
SILENT = re.compile(r"[,;:!?\"'`()\[\]{}_]|\.(?!\d)|(?<=\w)-(?=[^\W\d_])")
"""Punctuation: not the point of a number, and not the sign of ``-40 HU``, ``<5 mm`` or ``HER2-``."""


def agrees(answer: str, task: Task, truth: Truth) -> tuple[bool, str]:
    """Return whether `answer` is right, and why not; the reason does not tell the right answer."""
    if task.kind is Kind.CHOICE:
        letter = chosen(answer, task.options)
        if letter is None:
            return False, "the answer is not one of the options"
        return letter == truth.answer, f"answered option {letter}"
    if task.kind is Kind.NUMBER:
        return _same_number(answer, truth)
    said = plain(answer)
    if task.kind is Kind.YES_NO:
        letter = chosen(answer, task.options)
        said = plain(task.options[ord(letter) - ord("A")]) if letter else said
        if said not in ("yes", "no"):
            return False, "the answer is neither yes nor no"
        return said == truth.answer, f"answered {said}"
    return said in {plain(text) for text in (truth.answer, *truth.accepted)} - {""}, "compared as whole words"


def chosen(answer: str, options: tuple[str, ...]) -> str | None:
    """Return the letter of the one option that an answer names: ``B``, ``(B)``, ``B. text`` or the text."""
    if not options:
        return None
    answer = unicodedata.normalize("NFKC", answer).strip()
    texts = [plain(option) for option in options]
    if len(answer) > 1 and [words(option) for option in options].count(words(answer)) == 1:
        return chr(ord("A") + [words(option) for option in options].index(words(answer)))
    found = LETTER.fullmatch(answer)
    if found:
        place = ord(found[1].upper()) - ord("A")
        if place < len(options) and plain(found[2]) in ("", texts[place]):
            return found[1].upper()
        if not answer[1:2].isspace():
            return None  # a letter with a text that is not its own; "a liver tumor" may still be a text
    matches = [i for i, text in enumerate(texts) if text and text == plain(answer)]
    return chr(ord("A") + matches[0]) if len(matches) == 1 else None


def shared_words(answer: str, truth: Truth) -> float:
    """Return the F1 score of an answer's words, each counted once a time it is said: 1 for the same, 0 for none shared.

    Of several answers as right, the nearest counts (Rajpurkar et al., SQuAD, arXiv 1606.05250).
    """
    said = Counter(plain(answer).split())
    scores = [0.0]
    for text in (truth.answer, *truth.accepted):
        right = Counter(plain(text).split())
        total = said.total() + right.total()
        scores.append(2 * (said & right).total() / total if said and right else 0.0)
    return max(scores)


def plain(text: str) -> str:
    """Reduce words to what matters: case, punctuation, spacing and an article in front do not; signs do."""
    said = words(text)
    return " ".join(said[1:] if len(said) > 1 and said[0] in ARTICLES else said)


def words(text: str) -> list[str]:
    """Split a text into its words, without case and punctuation."""
    return SILENT.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split()


def _unit(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip().rstrip(".")


def _same_number(answer: str, truth: Truth) -> tuple[bool, str]:
    found = NUMBER.fullmatch(answer.strip().replace("\u2212", "-"))
    unit = _unit(truth.unit)
    if not found:
        return False, "the answer is not one number"
    said, in_unit = float(found[1]), _unit(found[2] or "") or unit
    if in_unit != unit:
        if in_unit not in METRES or unit not in METRES:
            return False, "the answer is not one number in the unit asked for"
        said *= METRES[in_unit] / METRES[unit]
    right = float(truth.answer)
    return abs(said - right) <= max(truth.tolerance, 1e-9) * abs(right), f"answered {said:g}"
