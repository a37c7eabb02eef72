"""Questions about scenes: the answer is drawn first, then the scene that makes it right.

So every answer is as likely as every other, and the words of a question never give it away.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.task import Kind
from .desk import ABSENT, Asked, Desk, listed, plural, truth_about, with_article
from .detail import HIDDEN, LEAST, MARGINS, TEXTURES, with_margin, with_texture
from .exam import Exam
from .places import mark_all, mark_finding, segment_lesion, segment_organ
from .scene import LEVELS, Lesion, Quadrant, Scene, Structure

Form = Callable[[Desk], Asked]

QUADRANTS: dict[Quadrant, str] = {
    (0, 0): "upper left",
    (1, 0): "upper right",
    (0, 1): "lower left",
    (1, 1): "lower right",
}
NOTHING = "no abnormality"
SIDES = {"right": ("right",), "left": ("left",), "both sides": ("right", "left"), "neither side": ()}
COARSE = 128
"""In images smaller than this, in pixels, small lesions are all of one size."""
LARGER = 1.3
"""The larger of two lesions is longer at least by this factor."""


def ask(exam: Exam, rng: np.random.Generator, native: int, form: str, difficulty: int, absent: float = ABSENT) -> Asked:
    """Make a question of a form about a new scene of `native` by `native` pixels."""
    asked = dict(forms_of(exam, native))[form][1](Desk(exam, rng, native, LEVELS[difficulty], absent))
    return replace(asked, meta=_meta(exam, asked, form, difficulty, native))


def forms_of(exam: Exam, native: int) -> Iterator[tuple[str, tuple[Kind, Form]]]:
    """Give every form of question that makes sense about an exam, by name, with its kind."""
    for kind in Kind:
        for form in (*FORMS[kind], *exam.forms.get(kind, ())):
            if _makes_sense(exam, native, form):
                yield form.__name__, (kind, form)


def _makes_sense(exam: Exam, native: int, form: Form) -> bool:
    if form is side:
        return bool(exam.sides)
    if form is diameter:
        return bool(exam.unit and exam.measured)
    if form is larger:
        return native >= COARSE
    if form in (margin, texture):
        return bool(exam.etched) and native >= LEAST
    return True


def _meta(exam: Exam, asked: Asked, form: str, difficulty: int, native: int) -> dict[str, Any]:
    lesions = asked.scene.lesions
    return {
        "form": form,
        "exam": exam.name,
        "difficulty": difficulty,
        "zoom_needed": form in (margin.__name__, texture.__name__) and native >= HIDDEN,
        "findings": [lesion.name for lesion in lesions],
        "diameters": [_rounded(lesion.diameter) for lesion in lesions],
        "unit": exam.unit,
        "structures": [s.name for s in asked.scene.structures if not s.finding],
        **asked.scene.notes,
        **asked.meta,
    }


def host(desk: Desk) -> Asked:
    """Which organ, or other part, holds the lesion."""
    lesion = desk.lesion()
    scene = desk.scene([lesion])
    question = f"Which {desk.exam.host} contains the {desk.exam.lesion}?"
    return desk.choice(scene, question, lesion.host, desk.exam.hosts, scene.lesions)


def finding(desk: Desk) -> Asked:
    """Which finding a part shows, or none."""
    at = desk.one(desk.exam.hosts)
    answers = (*desk.exam.findings, NOTHING)
    right = desk.one(answers)
    target = [] if right == NOTHING else [Lesion(at, right)]
    scene = desk.scene([*target, *desk.others(desk.few(), lambda lesion: lesion.host != at, target)])
    return desk.choice(scene, f"Which finding does the {at} show?", right, answers, _held_by(scene, at))


def quadrant(desk: Desk) -> Asked:
    """In which quadrant of the image the lesion is."""
    quadrants = list(QUADRANTS)
    where = quadrants[int(desk.rng.integers(len(quadrants)))]
    lesion = Lesion(desk.one(desk.exam.reach[where]), desk.one(desk.exam.findings), where)
    scene = desk.scene([lesion])
    question = f"In which quadrant of the image, as displayed, is the {desk.exam.lesion}?"
    return desk.choice(scene, question, QUADRANTS[where], list(QUADRANTS.values()), scene.lesions)


def side(desk: Desk) -> Asked:
    """On which side of the patient there are lesions."""
    right = desk.one(list(SIDES))
    ways = SIDES[right] * (1 + (len(SIDES[right]) == 1 and desk.chance(0.5)))
    hosts = {way: [host for host, where in desk.exam.sides.items() if where == way] for way in ways}
    scene = desk.scene([Lesion(desk.one(hosts[way]), desk.one(desk.exam.findings)) for way in ways])
    evidence = scene.lesions or [s for at in desk.exam.sides for s in scene.named(at)]
    question = f"On which side of the patient does the image show any {desk.exam.lesion}?"
    return desk.choice(scene, question, right, list(SIDES), evidence)


def larger(desk: Desk) -> Asked:
    """Which part holds the larger of two lesions."""
    for tries in range(50):
        one, other = desk.some(desk.exam.hosts, 2)
        finding = desk.one(desk.exam.findings)
        small, big = (0.0, 1.0) if tries > 5 else desk.rng.uniform(0.0, 0.5) + np.array([0.0, 0.5])
        scene = desk.scene([Lesion(one, finding, size=float(big)), Lesion(other, finding, size=float(small))])
        if scene.lesions[0].diameter >= LARGER * scene.lesions[1].diameter:
            break
    else:
        raise ValueError(f"no lesions of two sizes fit into {desk.exam.name} at {desk.native} pixels")
    question = f"There are two {plural(desk.exam.lesion)}. Which {desk.exam.host} contains the larger one?"
    return desk.choice(scene, question, one, _with(desk, one, other), scene.lesions)


def _with(desk: Desk, one: str, other: str) -> list[str]:
    """Return four hosts of which two are these."""
    rest = [host for host in desk.exam.hosts if host not in (one, other)]
    return [one, other, *desk.some(rest, 2)]


def margin(desk: Desk) -> Asked:
    """What the margin of a lesion looks like at full resolution."""
    right = desk.one(MARGINS)
    scene = _etchable(desk)
    scene = with_margin(desk.rng, scene, scene.lesions[0], right)
    question = f"At full resolution, what is the margin of the {desk.exam.lesion}?"
    return desk.choice(scene, question, right, MARGINS, scene.lesions, target=right)


def texture(desk: Desk) -> Asked:
    """What the texture of a lesion looks like at full resolution."""
    right = desk.one(TEXTURES)
    scene = _etchable(desk)
    scene = with_texture(desk.rng, scene, scene.lesions[0], right)
    question = f"At full resolution, what is the texture of the {desk.exam.lesion}?"
    return desk.choice(scene, question, right, TEXTURES, scene.lesions, target=right)


def _etchable(desk: Desk) -> Scene:
    return desk.scene([desk.lesion(desk.exam.etched, size=float(desk.rng.uniform(0.4, 1.0)))])


def present(desk: Desk) -> Asked:
    """Whether a part shows a finding."""
    target = desk.lesion()
    there, count = desk.chance(0.5), desk.few(1)
    held = [target] * there
    scene = desk.scene([*held, *desk.others(count - there, lambda at: at != target, held)])
    evidence = scene.named(target.name) or scene.named(target.host)
    question = f"Is there {with_article(target.finding)} in the {target.host}?"
    return Asked(scene, question, truth_about(scene, evidence, answer="yes" if there else "no"))


def clear(desk: Desk) -> Asked:
    """Whether a part is free of lesions."""
    at = desk.one(desk.exam.hosts)
    free, count = desk.chance(0.5), desk.few(1)
    held = [] if free else [Lesion(at, desk.one(desk.exam.findings))]
    scene = desk.scene([*held, *desk.others(count - len(held), lambda lesion: lesion.host != at, held)])
    question = f"Is the {at} free of any {desk.exam.lesion}?"
    return Asked(scene, question, truth_about(scene, _held_by(scene, at), answer="yes" if free else "no"))


def name_host(desk: Desk) -> Asked:
    """Name the part that holds the lesion."""
    lesion = desk.lesion()
    scene = desk.scene([lesion])
    truth = truth_about(scene, scene.lesions, answer=lesion.host, accepted=desk.exam.accepted.get(lesion.host, ()))
    question = f"Which {desk.exam.host} contains the {desk.exam.lesion}: {listed(desk.exam.hosts)}?"
    return Asked(scene, question, truth)


def name_finding(desk: Desk) -> Asked:
    """Name what a lesion is."""
    lesion = desk.lesion()
    rest = desk.others(desk.few(), lambda at: at.host != lesion.host, [lesion])
    scene = desk.scene([lesion, *rest])
    accepted = desk.exam.accepted.get(lesion.finding, ())
    truth = truth_about(scene, scene.named(lesion.name), answer=lesion.finding, accepted=accepted)
    question = f"What kind of {desk.exam.lesion} is in the {lesion.host}: {listed(desk.exam.findings)}?"
    return Asked(scene, question, truth)


def count(desk: Desk) -> Asked:
    """How many lesions there are."""
    number = int(desk.rng.integers(desk.exam.most + 1))
    scene = desk.scene(desk.others(number, lambda _: True))
    evidence = scene.lesions or [s for at in desk.exam.hosts for s in scene.named(at)]
    question = f"How many {plural(desk.exam.lesion)} are in the image?"
    return Asked(scene, question, truth_about(scene, evidence, answer=str(number)))


def diameter(desk: Desk) -> Asked:
    """How long a lesion is."""
    exam = desk.exam
    scene = desk.scene([desk.lesion(exam.measured, size=float(desk.rng.random()))])
    question = (
        f"What is the longest diameter of the {exam.lesion} in {exam.unit}? "
        f"One pixel of the original image is {scene.pitch:.3g} {exam.unit}."
    )
    found = _rounded(scene.lesions[0].diameter)
    truth = truth_about(scene, scene.lesions, answer=f"{found}", unit=exam.unit, tolerance=0.1)
    return Asked(scene, question, truth)


def _rounded(length: float) -> float:
    """Round to three figures, or to whole units."""
    return round(length, max(0, 2 - math.floor(math.log10(max(length, 1e-3)))))


def _held_by(scene: Scene, host: str) -> tuple[Structure, ...]:
    return tuple(s for s in scene.lesions if s.host == host) or scene.named(host)


FORMS: dict[Kind, tuple[Form, ...]] = {
    Kind.CHOICE: (host, finding, quadrant, side, larger, margin, texture),
    Kind.YES_NO: (present, clear),
    Kind.OPEN: (name_host, name_finding),
    Kind.NUMBER: (count, diameter),
    Kind.SEGMENTATION: (segment_organ, segment_lesion),
    Kind.DETECTION: (mark_all, mark_finding),
}
"""The forms of question of each kind, all as likely."""
