"""A set gives nothing away without its images: what would is taken out, and no more."""

from collections import Counter
from dataclasses import replace

import numpy as np

from medgym.core.task import Kind
from medgym.data.questions.blind import MARGIN, Guessing, evened, guessed, thinned
from medgym.data.questions.draft import Draft
from medgym.data.questions.scenes import Scene
from tests.data.questions.conftest import scene

HERE = scene()
SIDES = ("left half", "right half")


def image(number: int) -> Scene:
    """The same scene as if it were of another image."""
    return scene(seed=number)


def asked(right: str, number: int, about: str = "liver", options: tuple[str, ...] = SIDES, form: str = "side") -> Draft:
    question = f"Where is the {about}?" if form == "side" else "Which?"
    return Draft(form, Kind.CHOICE, SCENES[number], (about,), question, right, options)


SCENES = [image(number) for number in range(60)]


def test_no_answer_is_right_more_often_than_chance() -> None:
    lopsided = [asked("left half" if i < 30 else "right half", i) for i in range(40)]
    kept, out = evened(lopsided)
    counts = Counter(draft.right for draft in kept)
    assert counts == {"left half": 11, "right half": 10}
    assert len(out) == 19
    assert out[0][1] == "'left half' would be right in 30 questions with these words; chance has 20.0"


def test_a_label_does_not_tell_where_it_lies() -> None:
    """Of each form half are left and half right, but of the liver all are left."""
    told = [asked("left half", i, "liver") for i in range(20)] + [asked("right half", i, "spleen") for i in range(20)]
    kept, _ = evened(told)
    assert Counter(draft.about for draft in kept) == {("liver",): 1, ("spleen",): 1}


def test_an_option_that_is_always_right_is_taken_out() -> None:
    pairs = [asked("liver", i, form="larger", options=("liver", other)) for i, other in enumerate("abcdefgh")]
    kept, _ = evened(pairs)
    assert len(kept) == 1


def test_numbers_and_lengths_are_evened_too() -> None:
    counts = [Draft("count", Kind.NUMBER, SCENES[i], ("liver",), "How many?", str(1 + (i > 8))) for i in range(12)]
    kept, _ = evened(counts)
    assert Counter(draft.right for draft in kept) == {"1": 2, "2": 2}
    lengths = [
        Draft("diameter", Kind.NUMBER, SCENES[i], ("liver",), "How long?", str(length), unit="mm")
        for i, length in enumerate((50, 51, 52, 53, 90, 20))
    ]
    kept, _ = evened(lengths)
    assert {draft.right for draft in kept} >= {"90", "20"}
    assert len(kept) < 6


def test_places_are_left_as_they_are() -> None:
    marks = [Draft("segment", Kind.SEGMENTATION, SCENES[i], ("liver",), "Segment the liver.") for i in range(9)]
    assert thinned(marks) == (marks, [])
    assert guessed(marks) == Guessing(0.0, 0.0, 0)


def test_a_reader_of_the_words_is_found_out() -> None:
    """No answer is too frequent, no words come twice, but one word of each question goes with the side."""
    told = [
        replace(asked(SIDES[i % 2], i, about=f"organ {chr(97 + i)}"), question=f"Where is {('x', 'y')[i % 2]} {chr(97 + i)}?")
        for i in range(24)
    ]  # fmt: skip
    assert evened(told)[0] == told
    assert guessed(told).right > 0.9
    kept, out = thinned(told)
    after = guessed(kept)
    assert after.right <= after.allowed
    assert any(why.startswith("the text alone is guessed") for _, why in out)


def test_a_fair_set_is_not_touched() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(40)
    fair = [asked(SIDES[int(order[i]) % 2], i, about="liver") for i in range(40)]
    kept, out = thinned(fair)
    assert len(kept) >= 36
    assert len(kept) + len(out) == 40
    assert MARGIN == 0.05
