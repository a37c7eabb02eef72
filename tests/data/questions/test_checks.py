"""The five checks: what each of them lets through, and what it stops and why."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medgym.core.mask import Mask
from medgym.data.questions import checks
from medgym.data.questions.checks import Source, refused
from medgym.data.questions.forms import FORMS
from medgym.data.questions.recount import OF_FORM, boxes_of_parts, hull_diameter
from medgym.data.questions.shapes import parts
from tests.data.questions.conftest import LIVER, ORGANS, draft, drafts, filled, scene

Sources = Callable[..., Source]


@pytest.mark.parametrize("form", FORMS)
def test_a_plain_question_of_each_form_passes_all_checks(source: Sources, form: str) -> None:
    found = [refused(each, source()) for each in drafts(scene(), form)]
    assert found == [("", "")] * 3


def test_each_form_is_answered_a_second_way() -> None:
    assert set(OF_FORM) == set(FORMS)


# Schema


@pytest.mark.parametrize(
    ("form", "changes", "why"),
    [
        ("structure", {"question": " "}, "question"),
        ("structure", {"options": ()}, "0 options"),
        ("structure", {"options": tuple(f"option {i}" for i in range(27))}, "options"),
        ("structure", {"right": "lung"}, "answer does not fit"),
        ("count", {"right": "many"}, "answer does not fit"),
        ("mark", {"boxes": ((50.0, 50.0, 20.0, 20.0),)}, "a box is empty"),
        ("mark", {"boxes": ((500.0, 500.0, 520.0, 520.0),)}, "lies outside the image"),
        ("present", {"right": "perhaps"}, "answer does not fit"),
    ],
)
def test_what_no_record_can_be_is_refused(source: Sources, form: str, changes: dict[str, object], why: str) -> None:
    broken = replace(draft(scene(), form), **changes)  # type: ignore[arg-type]
    assert refused(broken, source())[0] == "schema"
    assert why in checks.schema(broken, source())


def test_a_reason_names_no_file_that_is_gone(source: Sources) -> None:
    why = checks.schema(replace(draft(scene(), "count"), right="many"), source())
    assert why == "answer does not fit; expected a number"


def test_a_name_that_begins_with_a_letter_keeps_it_wherever_it_stands(source: Sources) -> None:
    of = scene({"A. carotis": ORGANS["liver"], "N. opticus": ORGANS["spleen"], "V. jugularis": ORGANS["kidney"]})
    one = next(each for each in drafts(of, "larger") if "A. carotis" in each.options)
    for options in (one.options, one.options[::-1]):
        assert checks.served(replace(one, options=options), source().folder).options == options


# Independence


def test_words_that_tell_the_options_apart_are_not_in_the_question(source: Sources) -> None:
    named = scene({"left kidney": (LIVER,)})
    why = checks.independence(draft(named, "side", "left kidney"), source())
    assert why == "the question has words that tell its options apart: left"
    asked = replace(draft(scene(), "structure"), question="Which structure, like the livers of others, is here?")
    assert "liver" in checks.independence(asked, source())
    assert checks.independence(draft(scene(), "side"), source()) == ""


def test_the_edges_from_which_a_point_is_measured_are_no_hint(source: Sources) -> None:
    pair = scene({"left kidney": ORGANS["liver"], "right kidney": ORGANS["spleen"]})
    asked = draft(pair, "structure", "left kidney")
    assert refused(asked, source()) == ("", "")
    hinted = replace(asked, question=f"{asked.question} It is on the left.")
    assert refused(hinted, source())[0] == "independence"


def test_the_number_is_not_in_the_question(source: Sources) -> None:
    asked = draft(scene(), "count")
    assert (
        checks.independence(replace(asked, question="How many, if not 1?"), source()) == "the question has the number 1"
    )
    assert checks.independence(replace(asked, question="How many, if not 11?"), source()) == ""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("liver", "spleen"), ""),
        (("segmental branch of the hepatic artery", "spleen"), "far longer"),
        (("eye", "segmental branch of the hepatic artery"), "far shorter"),
    ],
)
def test_the_length_of_an_option_does_not_show(source: Sources, options: tuple[str, ...], why: str) -> None:
    asked = replace(draft(scene(), "structure"), options=options, right=options[0])
    found = checks.independence(asked, source())
    assert why in found
    assert bool(found) == bool(why)


# Grounding


@pytest.mark.parametrize(
    ("form", "place", "why"),
    [
        ("segment", (20, 20, 25, 25), "too small to see: 25 of 32000"),
        ("segment", (0, 0, 200, 158), "fills the image"),
        ("side", (85, 20, 125, 60), "of the image from the dividing line"),
        ("side", (60, 20, 115, 60), "only 73% of it lies there"),
        ("quadrant", (20, 65, 60, 105), "of the image from the dividing line"),
        ("count", (0, 20, 40, 60), "cut off by the image's border"),
        ("diameter", (20, 20, 60, 160), "cut off by the image's border"),
        ("diameter", (20, 20, 29, 29), "pixels long"),
    ],
)
def test_a_place_in_doubt_is_refused(source: Sources, form: str, place: tuple[float, ...], why: str) -> None:
    asked = draft(scene({**ORGANS, "liver": (place,)}), form)  # type: ignore[dict-item]
    assert refused(asked, source())[0] == "grounding"
    assert why in checks.grounding(asked, source())


def test_what_is_asked_for_lies_in_the_evidence(source: Sources) -> None:
    asked = draft(scene(), "side")
    assert (
        checks.grounding(replace(asked, boxes=((20.0, 20.0, 50.0, 60.0),)), source())
        == "liver lies outside the evidence"
    )
    assert checks.grounding(replace(asked, about=("lung",)), source()) == "there is no mask of lung"


def test_two_sizes_too_near_each_other_are_refused(source: Sources) -> None:
    near = scene({"liver": (LIVER,), "spleen": ((100.0, 20.0, 160.0, 58.0),)})
    why = checks.grounding(drafts(near, "larger")[0], source())
    assert why == "liver is larger by a factor of 1.05 alone"


def test_touching_and_many_parts_are_refused(source: Sources) -> None:
    apart = (30.0, 100.0, 60.0, 130.0)
    for gap, why in ((1, "1 to 2 parts, as one looks"), (20, "")):
        other = (60.0 + gap, 100.0, 90.0 + gap, 130.0)
        asked = draft(scene({"liver": (apart, other)}), "count")
        assert asked.right == "2"
        assert checks.grounding(asked, source()) == why
    many = tuple((10.0 * i, 10.0 * j, 10.0 * i + 5, 10.0 * j + 5) for i in range(1, 5) for j in range(1, 4))
    assert "12 parts; 9 can be told" in checks.grounding(draft(scene({"liver": many}), "mark"), source())


def test_a_point_is_one_structures_alone(source: Sources) -> None:
    nested = scene({"liver": (LIVER,), "tumor": ((40.0, 30.0, 60.0, 50.0),), "spleen": ORGANS["spleen"]})
    assert checks.grounding(draft(nested, "structure", "liver"), source()) == "tumor is at the point too"
    thin = scene({**ORGANS, "liver": ((20.0, 20.0, 120.0, 23.0),)})
    assert checks.grounding(draft(thin, "structure"), source()) == "the point is too near the border of liver"


def test_only_what_is_known_to_be_absent_is_denied(source: Sources) -> None:
    names = ("gallbladder", "kidney", "liver tumor", "lung")
    assert [each.about[0] for each in drafts(scene(), "present", names) if each.right == "no"] == []
    looked_for = scene(absent=frozenset({"lung"}))
    denied = [each for each in drafts(looked_for, "present", names) if each.right == "no"]
    assert [each.about[0] for each in denied] == ["lung"]
    assert refused(denied[0], source(*names)) == ("", "")
    assert checks.grounding(replace(denied[0], about=("gallbladder",)), source(*names)).startswith("it is not known")
    # What holds a name that is there, such as the tumor of a liver, may be in it without a mask of its own.
    everything = [each.about[0] for each in drafts(scene(), "present", names, exhaustive=True) if each.right == "no"]
    assert everything == ["gallbladder", "lung"]
    assert [each.right for each in drafts(scene(modality=""), "present", names, exhaustive=True)] == ["yes"] * 3
    unclear = scene(unclear=frozenset({"lung"}))
    assert "lung" not in [each.about[0] for each in drafts(unclear, "present", names, exhaustive=True)]


# Options


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("liver",), "1 options"),
        (("liver", "Liver ", "spleen"), "say the same"),
        (("spleen", "kidney"), "not one of the options"),
        (("liver", "banana"), "no label of this image"),
        (("liver", "lung"), "no label of this image"),
        (("liver", "liver tumor"), "may name the same"),
        (("liver", "hepatic organ"), "show the same"),
        (("liver", "lesion"), "show the same"),
        (("liver", "spleen", "kidney"), ""),
    ],
)
def test_options_are_distinct_plausible_and_one_is_right(source: Sources, options: tuple[str, ...], why: str) -> None:
    shown = {
        **ORGANS,
        "liver tumor": ((22.0, 22.0, 40.0, 40.0),),
        "hepatic organ": ((20.0, 20.0, 80.0, 58.0),),
        "lesion": ((42.0, 22.0, 60.0, 40.0),),
    }
    asked = replace(draft(scene(shown), "structure"), options=options)
    found = checks.options(asked, source("lung"))
    assert why in found
    assert bool(found) == bool(why)


def test_an_absent_label_is_plausible_where_labels_are_exhaustive(source: Sources) -> None:
    asked = replace(draft(scene(), "structure"), options=("liver", "lung"), about=("liver", "lung"))
    assert checks.options(asked, source("lung", exhaustive=True)) == ""
    assert refused(asked, source("lung", exhaustive=True)) == ("", "")


def test_places_have_their_own_options(source: Sources) -> None:
    asked = draft(scene(), "side")
    assert checks.options(replace(asked, options=("left half", "lower half")), source()).startswith(
        "the options are others"
    )
    assert checks.options(replace(draft(scene(), "count"), options=("1", "2")), source()).startswith(
        "there are options"
    )


# Answer


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ("structure", {"right": "spleen"}),
        ("quadrant", {"right": "lower right"}),
        ("side", {"right": "right half"}),
        ("present", {"right": "no"}),
        ("larger", {"right": "spleen"}),
        ("count", {"right": "2"}),
        ("diameter", {"right": "50"}),
        ("segment", {"boxes": ((120.0, 100.0, 160.0, 140.0),)}),
        ("mark", {"boxes": ((20.0, 20.0, 80.0, 40.0), (20.0, 40.0, 80.0, 60.0))}),
        ("mark", {"boxes": ((20.0, 20.0, 80.0, 40.0),)}),
    ],
)
def test_a_wrong_answer_is_found_again_another_way(source: Sources, form: str, changes: dict[str, object]) -> None:
    asked = next(each for each in drafts(scene(), form) if each.about[0] == "liver" and "kidney" not in each.about[1:2])
    assert checks.answer(asked, source()) == ""
    assert checks.answer(replace(asked, **changes), source()).startswith("found again, it")  # type: ignore[arg-type]


def test_what_even_the_oracle_does_not_earn_is_refused(source: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_earned", lambda task: 2.0)
    assert checks.answer(draft(scene(), "segment"), source()) == "one who knows it earns 2 of 6"
    assert checks.answer(draft(scene(), "side"), source()) == "one who knows it earns 2 of 4"


@pytest.mark.parametrize("seed", range(6))
def test_parts_and_lengths_are_the_same_both_ways(seed: int) -> None:
    """By columns and union, and by pixels and labels; on blobs, where corners alone join parts in one of them."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(90, 120)), 4)
    bits = noise > np.quantile(noise, 0.85)
    mask = Mask.of(bits)
    edges = np.ones((3, 3), bool)
    edges[::2, ::2] = False
    labels, count = ndimage.label(bits, edges)
    expected = {(float(x.start), float(y.start), float(x.stop), float(y.stop)) for y, x in ndimage.find_objects(labels)}
    assert len(boxes_of_parts(mask)) == count
    assert set(boxes_of_parts(mask)) == expected
    rows, columns = np.nonzero(bits)
    corners = np.array([(x + i, y + j) for x, y in zip(columns, rows, strict=True) for i in (0, 1) for j in (0, 1)])
    scaled = np.unique(corners, axis=0) * np.array([0.5, 0.8])
    brute = max(float(np.hypot(*(scaled - point).T).max()) for point in scaled)
    assert hull_diameter(mask, (0.5, 0.8)) == pytest.approx(brute)


def test_parts_are_counted_with_their_doubt() -> None:
    two = filled((10, 10, 40, 40), (60, 10, 90, 40)).bits()
    assert parts(two, 1.5) == (((10.0, 10.0, 40.0, 40.0), (60.0, 10.0, 90.0, 40.0)), "")
    bridged = two.copy()
    bridged[25:27, 40:60] = True
    assert parts(bridged, 1.5).fault == "1 to 2 parts, as one looks"
