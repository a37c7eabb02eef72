"""What a row asks, in the forms of our kinds; or why it cannot be scored."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core.task import Kind
from ..schema import YES_NO, folded, numeric

NO_QUESTION = "there is no question"
NO_ANSWER = "there is no answer"
NO_SUCH_OPTION = "the answer is none of the options"
FEW = "there are fewer than two options"
GAP = "an option is empty"
REPEATED = "two options say the same"


class Asked(NamedTuple):
    """A question's kind, its options, the right answer as `Truth` has it, and others that are as right."""

    kind: Kind
    answer: str
    options: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


def text_of(found: Any) -> str:
    """Return what a cell says: nothing where it is empty or not a number."""
    return "" if found is None or found != found else str(found).strip()


def free(answer: Any) -> Asked | str:
    """Read an answer without options: yes or no, a number, or words; of a list, the first and others as right."""
    texts = [text_of(each) for each in (answer if isinstance(answer, list) else [answer])]
    texts = [text for text in texts if text]
    if not texts:
        return NO_ANSWER
    if len(texts) == 1 and folded(texts[0]) in YES_NO:
        return Asked(Kind.YES_NO, folded(texts[0]))
    if len(texts) == 1 and numeric(texts[0]) and "e" not in texts[0].lower():
        return Asked(Kind.NUMBER, texts[0])
    # Answers of punctuation alone reduce to nothing, and nothing can be right then.
    if not any(character.isalnum() for character in texts[0]):
        return NO_ANSWER
    return Asked(Kind.OPEN, texts[0], accepted=tuple(texts[1:]))


def by_letter(letter: Any, options: Sequence[Any]) -> Asked | str:
    """Read a choice whose answer is a letter, also where the options' texts are letters themselves."""
    texts = _texts(options)
    if isinstance(texts, str):
        return texts
    said = text_of(letter).strip("().:").upper()
    if not said:
        return NO_ANSWER
    place = ord(said) - ord("A") if len(said) == 1 else -1
    return _choice(texts, place) if 0 <= place < len(texts) else NO_SUCH_OPTION


def by_text(answer: Any, options: Sequence[Any]) -> Asked | str:
    """Read a choice whose answer is the text of an option, also where that is a letter."""
    texts = _texts(options)
    if isinstance(texts, str):
        return texts
    said = folded(text_of(answer))
    if not said:
        return NO_ANSWER
    known = [folded(text) for text in texts]
    return _choice(texts, known.index(said)) if said in known else NO_SUCH_OPTION


def _texts(options: Sequence[Any]) -> tuple[str, ...] | str:
    """Check options; those at the end may be absent."""
    texts = [text_of(option) for option in options]
    while texts and not texts[-1]:
        texts.pop()
    if len(texts) < 2:
        return FEW
    if not all(texts):
        return GAP
    if len({folded(text) for text in texts}) < len(texts):
        return REPEATED
    return tuple(texts)


def _choice(texts: tuple[str, ...], place: int) -> Asked:
    if {folded(text) for text in texts} == YES_NO:
        return Asked(Kind.YES_NO, folded(texts[place]), texts)
    return Asked(Kind.CHOICE, chr(ord("A") + place), texts)
