"""Every form of question: its answer follows from the scene, and nothing but the scene tells it."""

from collections import Counter, defaultdict
from dataclasses import fields

import numpy as np
import pytest

from medgym.core.mask import Mask, longest_diameter
from medgym.tasks.phantoms import MODALITIES
from medgym.tasks.phantoms.ct import ABDOMEN
from medgym.tasks.phantoms.desk import Asked
from medgym.tasks.phantoms.exam import Exam
from medgym.tasks.phantoms.questions import LARGER, QUADRANTS, ask
from medgym.tasks.phantoms.scene import LEVELS, Scene, Structure

SPOTS = [Mask.of(np.arange(25).reshape(5, 5) == i) for i in range(25)]


class Sketched(Exam):
    """Draws every lesion as a pixel: fast enough to count answers by the thousand."""

    def draw(self, rng, native, lesions=(), absent=(), level=LEVELS[1]) -> Scene:
        names = [organ for organ in self.organs if organ not in absent]
        assert all(asked.host in names for asked in lesions)
        held = [Structure(name, SPOTS[i]) for i, name in enumerate(names)]
        for i, asked in enumerate(lesions, len(names)):
            size = rng.random() if asked.size is None else asked.size
            held.append(Structure(asked.name, SPOTS[i], asked.host, asked.finding, 5 * 8**size))
        return Scene(np.zeros((5, 5), np.uint8), 0.5, tuple(held))


SKETCH = Sketched(**{field.name: getattr(ABDOMEN, field.name) for field in fields(Exam)})


def sketched(form: str, count: int, difficulty: int | None = None) -> list[Asked]:
    levels = range(4) if difficulty is None else [difficulty]
    return [ask(SKETCH, np.random.default_rng([5, i]), 128, form, levels[i % len(levels)]) for i in range(count)]


def right_of(asked: Asked) -> str:
    return asked.options["ABCD".index(asked.truth.answer)]


def evenly(counts: Counter, cells: int) -> None:
    """Chi-square at one in a thousand for up to seven cells."""
    expected = sum(counts.values()) / cells
    assert len(counts) == cells
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 22.5, counts


@pytest.mark.parametrize("form", ["host", "finding", "quadrant", "side", "larger"])
def test_choices_have_one_right_option_and_no_favourite(form: str):
    made = sketched(form, 800)
    for asked in made:
        assert len(set(asked.options)) == len(asked.options) == 4
    evenly(Counter(asked.truth.answer for asked in made), 4)
    by_question = defaultdict(Counter)
    for asked in made:
        by_question[asked.question][right_of(asked)] += 1
    for counts in by_question.values():
        evenly(counts, 4)


def test_choices_are_true():
    for asked in sketched("host", 60):
        assert [s.host for s in asked.scene.lesions] == [right_of(asked)]
    for asked in sketched("finding", 200):
        organ = asked.question.removeprefix("Which finding does the ").removesuffix(" show?")
        held = [s.finding for s in asked.scene.lesions if s.host == organ]
        assert held == ([] if right_of(asked) == "no abnormality" else [right_of(asked)])
    for asked in sketched("side", 200):
        sides = {ABDOMEN.sides[s.host] for s in asked.scene.lesions}
        told = {"right": {"right"}, "left": {"left"}, "both sides": {"left", "right"}, "neither side": set()}
        assert sides == told[right_of(asked)]
    for asked in sketched("larger", 200):
        one, other = sorted(asked.scene.lesions, key=lambda lesion: -lesion.diameter)
        assert (one.host, one.finding) == (right_of(asked), other.finding)
        assert one.diameter >= LARGER * other.diameter
        assert other.host in asked.options, "it is not enough to see where something is"


def test_segmentation_asks_for_the_named_structure():
    negative = []
    for asked in [*sketched("segment_organ", 500), *sketched("segment_lesion", 500)]:
        target = asked.meta["target"]
        assert target in asked.question
        assert asked.truth.mask == asked.truth.structures.get(target, Mask.empty((5, 5)))
        assert (asked.truth.mask.area == 0) == asked.meta["negative"] == (not asked.truth.boxes)
        negative.append(asked.meta["negative"])
    assert 0.15 < np.mean(negative) < 0.25


@pytest.mark.parametrize("form", ["segment_organ", "segment_lesion", "mark_finding"])
def test_words_do_not_tell_what_is_missing(form: str):
    missing = defaultdict(list)
    for asked in sketched(form, 1500):
        missing["all" in asked.question].append(asked.meta["negative"])
        missing[asked.meta["target"].rsplit(" ")[-1]].append(asked.meta["negative"])
    assert all(0.1 < np.mean(found) < 0.3 for found in missing.values())


def test_detection_asks_for_each_lesion():
    negative = []
    for asked in [*sketched("mark_all", 500), *sketched("mark_finding", 500)]:
        target, lesions = asked.meta["target"], asked.scene.lesions
        named = [s.mask.box for s in lesions if target in ("lesion", s.finding)]
        assert list(asked.truth.boxes) == named
        assert asked.meta["negative"] == (not named)
        negative.append(asked.meta["negative"])
    assert 0.15 < np.mean(negative) < 0.25


def test_yes_and_no_are_as_likely_and_true():
    yes = defaultdict(list)
    for asked in [*sketched("present", 1500), *sketched("clear", 1500)]:
        names = [f"{s.host} {s.finding}" for s in asked.scene.lesions]
        if asked.meta["form"] == "present":
            finding, organ = asked.question.removeprefix("Is there a ").removesuffix("?").split(" in the ")
            true = f"{organ} {finding}" in names
        else:
            organ = asked.question.removeprefix("Is the ").removesuffix(" free of any lesion?")
            true = not any(name.startswith(organ) for name in names)
        assert asked.truth.answer == ("yes" if true else "no")
        yes[asked.question].append(true)
        yes[len(names)].append(true)
    assert all(0.33 < np.mean(found) < 0.67 for found in yes.values()), "nor does the number of lesions tell"


def test_counts_are_as_likely_and_true():
    counts = Counter()
    for asked in sketched("count", 800):
        assert int(asked.truth.answer) == len(asked.scene.lesions)
        counts[asked.truth.answer] += 1
    evenly(counts, ABDOMEN.most + 1)


def test_diameters_spread_widely():
    lengths = np.array([float(asked.truth.answer) for asked in sketched("diameter", 500)])
    guesses = lengths[:, None]
    assert (abs(guesses - lengths) <= 0.1 * lengths).mean(1).max() < 0.15, "a constant guess earns little"


@pytest.mark.parametrize("exam", [exam for exams in MODALITIES.values() for exam in exams if exam.unit])
def test_a_diameter_is_that_of_the_mask(exam: Exam):
    for i in range(4):
        asked = ask(exam, np.random.default_rng(i), 256, "diameter", i % 4)
        length = longest_diameter(asked.scene.lesions[0].mask.bits(), asked.scene.pitch)
        assert asked.truth.unit == exam.unit
        assert f" {exam.unit}" in asked.question
        assert float(asked.truth.answer) == pytest.approx(length, rel=0.02), "rounding costs little of the tolerance"


def test_open_answers_accept_other_spellings():
    for asked in [*sketched("name_host", 40), *sketched("name_finding", 40)]:
        assert asked.truth.answer in {word for s in asked.scene.lesions for word in (s.host, s.finding)}
        assert asked.truth.accepted
        assert asked.truth.answer not in asked.truth.accepted


def test_harder_scenes_hold_more_that_is_not_asked_about():
    means = [np.mean([len(asked.scene.lesions) for asked in sketched("present", 300, level)]) for level in range(4)]
    assert means[0] == 1
    assert means[0] < means[1] < means[3]


def test_the_quadrant_is_where_the_lesion_is():
    for i in range(12):
        asked = ask(ABDOMEN, np.random.default_rng(i), 96, "quadrant", i % 4)
        x, y = np.mean(np.reshape(asked.truth.boxes[0], (2, 2)), 0) > 48
        assert right_of(asked) == QUADRANTS[int(x), int(y)]
