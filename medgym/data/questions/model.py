"""What an OpenAI-compatible endpoint is asked about questions: to word them, and to agree with them.

It may answer without the image (then the words give the answer away), not take what is outlined for what the label
says, or answer otherwise with the image: each refuses the question. What it does not answer, after retries, or answers
in another form than asked, is not checked, and not accepted. Every usable answer is written down at once.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...agents.agent import AgentError, Messages
from ...agents.openai import OpenAI
from ...agents.wire import ANSWER
from ...core.task import Kind, Task, Truth
from ...rewards.words import agrees, plain, words
from .blind import NUMERAL
from .draft import MODEL, Draft
from .outlines import COLOURS, outlined

UNCHECKED = "not checked"
ANSWERS = "answers.jsonl"
SAMPLES = 3
"""So often in a row, its options in another order each time, a question is answered right without its image."""
ROUGH = 0.35
"""A length estimated by eye agrees within this share."""
TURNING = frozenset(
    {
        "absent",
        "except",
        "free",
        "lacks",
        "least",
        "missing",
        "neither",
        "no",
        "not",
        "shortest",
        "smaller",
        "smallest",
        "without",
    }
)
"""Words that would make another answer right."""
LONGEST = 400
QUOTED = 200

TAGS = "Write the answer alone between <answer> and </answer>: {form}."
FORMS_OF_ANSWER = {
    Kind.CHOICE: "the letter of one option",
    Kind.YES_NO: "yes or no",
    Kind.NUMBER: "one number",
}
BLIND = (
    "The image that this question is about is withheld. Where the words alone do not tell, the answer is: cannot tell."
)
WORD = """Word this question about a medical image anew, for experts, as plainly as it is. {question}
{options}The right answer is: {right}.
Keep every name, number and unit, and the words "as displayed". Give no hint at the answer, and ask nothing else.
Write one JSON object and nothing else: {{"question": "…", "distractors": ["…"]}}. {distractors}"""


@dataclass(frozen=True)
class _Ask:
    """One request: words, and the image that they are about.

    Attributes:
        names: the structures that are outlined; None where no image is shown.
    """

    draft: Draft
    text: str
    names: tuple[str, ...] | None = None
    sample: int = 0

    def key(self, model: str) -> str:
        """Name the request by all that it says."""
        shown = None if self.names is None else [self.draft.scene.digest, *self.names]
        said = json.dumps([model, self.text, shown, self.sample])
        return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()

    def chat(self) -> Messages:
        """Return it as a chat."""
        parts: list[dict[str, Any]] = [{"type": "text", "text": self.text}]
        if self.names is not None:
            parts.insert(0, {"type": "image", "image": outlined(self.draft.scene, self.names)})
        return [{"role": "user", "content": parts}]


@dataclass(frozen=True)
class _Silence:
    """Why there is no answer."""

    why: str


class Model:
    """A model behind an endpoint; what it answered is held in a file, and not asked for again.

    `notify` may be set, and is told of how many requests of a round were answered.

    Args:
        name: by which the endpoint knows the model.
        url: of the endpoint.
        folder: where `ANSWERS` is, or will be.
        settings: of the agent `openai`, such as ``concurrency``.
    """

    def __init__(self, name: str, url: str, folder: Path, **settings: Any) -> None:
        self.agent = OpenAI(name, url, **settings)
        self.name, self.path = f"{name} at {self.agent.endpoint.url}", folder / ANSWERS
        self.notify: Callable[[int, int], None] = lambda *_: None
        self._held = _read(self.path)

    @property
    def usage(self) -> dict[str, float]:
        """What this run's requests took."""
        return self.agent.usage

    def written(self, drafts: Sequence[Draft]) -> dict[int, Draft | tuple[str, str]]:
        """Return each draft in the model's words, or the check that these fail and why, by the draft's ``id()``."""
        asks = [_Ask(draft, _to_word(draft)) for draft in drafts]
        found: dict[int, Draft | tuple[str, str]] = {}
        for draft, said in zip(drafts, self._ask(asks, lambda _: True), strict=True):
            found[id(draft)] = (UNCHECKED, said.why) if isinstance(said, _Silence) else _worded(draft, said)
        return found

    def refused(self, drafts: Sequence[Draft]) -> list[tuple[Draft, str, str]]:
        """Return the drafts that the model does not agree with, or that it could not be asked about, and why."""
        rest, out = list(drafts), list[tuple[Draft, str, str]]()
        for check in (self._blind, self._named, self._answered):
            found = check(rest)
            out += [(draft, *found[id(draft)]) for draft in rest if id(draft) in found]
            rest = [draft for draft in rest if id(draft) not in found]
        return out

    def _blind(self, drafts: Sequence[Draft]) -> dict[int, tuple[str, str]]:
        """Ask without the image, as long as the answers are right."""
        out: dict[int, tuple[str, str]] = {}
        rest = [draft for draft in drafts if not draft.kind.localised]
        for sample in range(SAMPLES):
            turned = [draft.shuffled(_chance(draft, sample)) for draft in rest]
            asks = [_Ask(each, f"{BLIND}\n{_asked(each)}", sample=sample) for each in turned]
            replies = list(zip(rest, turned, self._ask(asks, _readable), strict=True))
            out |= {id(draft): (UNCHECKED, said.why) for draft, _, said in replies if isinstance(said, _Silence)}
            rest = [draft for draft, each, said in replies if isinstance(said, str) and _right(said, each)]
        why = f"the model answers it right {SAMPLES} times without the image"
        return out | {id(draft): ("independence", why) for draft in rest}

    def _named(self, drafts: Sequence[Draft]) -> dict[int, tuple[str, str]]:
        """Ask whether what is outlined is what its label says."""
        asks = [
            _Ask(draft, f"Is what the yellow outline marks: {name}? {TAGS.format(form='yes or no')}", (name,))
            for draft in drafts
            for name in (draft.about if draft.form == "larger" else draft.about[:1])
            if name in draft.scene.masks
        ]
        out: dict[int, tuple[str, str]] = {}
        for ask, said in zip(asks, self._ask(asks, _readable), strict=True):
            if isinstance(said, _Silence):
                out[id(ask.draft)] = (UNCHECKED, said.why)
            elif plain(_answer(said)) != "yes":
                out.setdefault(id(ask.draft), ("grounding", f"the model does not see {(ask.names or ('',))[0]} there"))
        return out

    def _answered(self, drafts: Sequence[Draft]) -> dict[int, tuple[str, str]]:
        """Ask with the image and the outline; a place is not asked for, since it is what is outlined."""
        asks = [_Ask(draft, *_shown(draft)) for draft in drafts if not draft.kind.localised]
        out: dict[int, tuple[str, str]] = {}
        for ask, said in zip(asks, self._ask(asks, _readable), strict=True):
            if isinstance(said, _Silence):
                out[id(ask.draft)] = (UNCHECKED, said.why)
            elif not _right(said, ask.draft):
                out[id(ask.draft)] = ("answer", f"the model answers {_answer(said)[:QUOTED]!r} with the image")
        return out

    def _ask(self, asks: Sequence[_Ask], usable: Callable[[str], bool]) -> list[str | _Silence]:
        """Return the answer to each request, from what is held where it was answered before."""
        keys = [ask.key(self.name) for ask in asks]
        new = {key: ask for key, ask in zip(keys, asks, strict=True) if key not in self._held}
        silent: dict[str, _Silence] = {}
        waiting, size = list(new.items()), self.agent.concurrency
        for start in range(0, len(waiting), size):
            batch = waiting[start : start + size]
            replies = self.agent.act_batch([ask.chat() for _, ask in batch])
            for (key, _), said in zip(batch, replies, strict=True):
                if isinstance(said, AgentError):
                    silent[key] = _Silence(str(said))
                elif usable(said):
                    self._keep(key, said)
                else:
                    silent[key] = _Silence(f"an answer in another form than asked: {said[:QUOTED]!r}")
            self.notify(start + len(batch), len(waiting))
        return [silent[key] if key in silent else self._held[key] for key in keys]

    def _keep(self, key: str, said: str) -> None:
        self._held[key] = said
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "model": self.name, "said": said}) + "\n")


def _read(path: Path) -> dict[str, str]:
    """Read the answers held; a last line that was cut off is ended, and asked for again."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return {}
    text = path.read_text("utf-8", "replace")
    if text and not text.endswith("\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    held = {}
    for line in text.split("\n"):
        try:
            found = json.loads(line)
            held[str(found["key"])] = str(found["said"])
        except (ValueError, KeyError, TypeError):
            continue
    return held


def _asked(draft: Draft) -> str:
    """Return a question with its options and the form of its answer."""
    options = "".join(f"\n{chr(ord('A') + i)}. {option}" for i, option in enumerate(draft.options))
    form = FORMS_OF_ANSWER[draft.kind] + (f" of {draft.unit}, without the unit" if draft.unit else "")
    return f"{draft.question}{options}\n{TAGS.format(form=form)}"


def _shown(draft: Draft) -> tuple[str, tuple[str, ...]]:
    """Return a question as it is asked with the image, and what is outlined in that."""
    if draft.form == "structure":
        return f"The yellow outline goes around the structure at the point.\n{_asked(draft)}", draft.about[:1]
    names = tuple(sorted(draft.about if draft.form == "larger" else draft.about[:1]))
    names = tuple(name for name in names if name in draft.scene.masks)
    legend = [f"The {colour} outline marks: {name}." for name, colour in zip(names, COLOURS, strict=False)]
    return "\n".join([*legend, _asked(draft)]), names


def _to_word(draft: Draft) -> str:
    options = f"Its options: {', '.join(sorted(draft.options))}.\n" if draft.options else ""
    known = ", ".join(sorted(draft.scene.masks))
    distractors = (
        f"Distractors are wrong, and among: {known}." if draft.form == "structure" else "Leave distractors empty."
    )
    right = draft.right or f"the region of {draft.about[0]}"
    return WORD.format(question=draft.question, options=options, right=right, distractors=distractors)


def _worded(draft: Draft, said: str) -> Draft | tuple[str, str]:
    """Read what the model wrote; the check that it fails, and why, where it is not what was asked for."""
    text = said.rpartition("</think>")[2].strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        found = json.loads(text)
        question, wrong = found["question"], found.get("distractors") or []
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "schema", f"the model wrote no JSON object with a question: {said[:QUOTED]!r}"
    if not isinstance(question, str) or not isinstance(wrong, list) or not all(isinstance(each, str) for each in wrong):
        return (
            "schema",
            f"the model wrote a question that is no text, or distractors that are no texts: {said[:QUOTED]!r}",
        )
    if fault := _unlike(draft, question):
        return "schema", f"the model wrote {question[:QUOTED]!r}: {fault}"
    new = replace(draft, question=question.strip(), by=MODEL)
    if draft.form != "structure" or not wrong:
        return new
    return replace(new, options=(draft.right, *wrong), about=(draft.about[0], *wrong))


def _unlike(draft: Draft, question: str) -> str:
    """Say what a question in other words lost of the drafted one, or added."""
    if not 0 < len(question.strip()) <= LONGEST:
        return f"it has {len(question)} letters; expected at most {LONGEST}"
    if sorted(NUMERAL.findall(question)) != sorted(NUMERAL.findall(draft.question)):
        return "it has other numbers"
    held, said = set(words(draft.question)), set(words(question))
    kept = {"displayed", "mm", "width", "height", "left", "upper"} | {
        word for name in draft.about for word in words(name) if set(words(name)) <= held
    }
    others = {name for name in draft.scene.masks if name not in draft.about and set(words(name)) <= said - held}
    if added := sorted(others | ((said - held) & TURNING)):
        return f"it says {', '.join(added)} besides"
    lost = sorted((kept & held) - said)
    return f"it lost {', '.join(lost)}" if lost else ""


def _chance(draft: Draft, sample: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([int(draft.id, 16), sample]))


def _answer(said: str) -> str:
    found: list[str] = ANSWER.findall(said.rpartition("</think>")[2])
    return found[-1].strip() if found else ""


def _readable(said: str) -> bool:
    return bool(_answer(said))


def _right(said: str, draft: Draft) -> bool:
    letter = chr(ord("A") + draft.options.index(draft.right)) if draft.options else draft.right
    task = Task(draft.id, draft.kind, draft.question, (), draft.options)
    truth = Truth(letter, unit=draft.unit, tolerance=ROUGH if draft.unit else 0.0)
    return agrees(_answer(said), task, truth)[0]
