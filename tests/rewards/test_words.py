"""Answers in words: right ones count however they are written, and nothing else does."""

import pytest

from medgym.core.task import Kind, Truth, truth_of
from medgym.rewards.words import agrees, chosen, plain, shared_words
from tests.conftest import task

OPTIONS = ("spleen", "liver tumor", "kidney")


@pytest.mark.parametrize("said", ["B", "b", "(B)", "B.", "B:", "B)", "B. liver tumor", "(B) Liver Tumor", "B liver tumor",
                                  "liver tumor", "The liver tumor.", "Ｂ", " B \n"])  # fmt: skip
def test_a_choice_may_be_a_letter_a_text_or_both(said: str) -> None:
    assert chosen(said, OPTIONS) == "B"


@pytest.mark.parametrize("said", ["", "A or B", "A, B, C", "B C", "AB", "BB", "D", "B. spleen", "liver", "I think B", "option B",
                                  "A region", "В", "B" * 100_000, "not B", "1", "liver tumor or spleen"])  # fmt: skip
def test_all_else_is_no_choice(said: str) -> None:
    assert chosen(said, OPTIONS) is None


def right(kind: Kind, said: str, **truth: object) -> bool:
    made = task(kind, **truth)
    return agrees(said, made, truth_of(made))[0]


@pytest.mark.parametrize(("said", "counts"), [("yes", True), ("Yes.", True), ("YES", True), ("no", False),
    ("yes and no", False), ("I do not know", False), ("yes, no", False), ("", False), ("yess", False)])  # fmt: skip
def test_yes_is_yes_alone(said: str, counts: bool) -> None:
    assert right(Kind.YES_NO, said) is counts


@pytest.mark.parametrize(("said", "counts"), [("liver", True), ("The Liver.", True), ("hepar", True), ("liver or spleen", False),
    ("liver spleen kidney", False), ("live", False), ("", False), ("the", False)])  # fmt: skip
def test_open_answers_match_as_whole_words(said: str, counts: bool) -> None:
    assert right(Kind.OPEN, said, accepted=("hepar",)) is counts


@pytest.mark.parametrize(("said", "counts"), [("12", True), ("12.9 mm", True), ("1.2 cm", True), ("12mm.", True), ("13.3", False),
    ("12 13", False), ("10-14", False), ("12 s", False), ("nan", False), ("inf", False), ("1e1", False), ("twelve", False),
    ("-12", False), ("1" * 400, False), ("", False)])  # fmt: skip
def test_a_number_is_one_number_within_tolerance(said: str, counts: bool) -> None:
    assert right(Kind.NUMBER, said) is counts


def test_a_count_is_exact() -> None:
    assert right(Kind.NUMBER, "3", answer="3", unit="", tolerance=0.0)
    assert right(Kind.NUMBER, "3.0", answer="3", unit="", tolerance=0.0)
    assert not right(Kind.NUMBER, "3.1", answer="3", unit="", tolerance=0.0)
    assert right(Kind.NUMBER, "0", answer="0", unit="", tolerance=0.0)


def test_reasons_do_not_tell_the_answer() -> None:
    for kind, wrong in ((Kind.CHOICE, "A"), (Kind.OPEN, "x"), (Kind.NUMBER, "7"), (Kind.YES_NO, "no")):
        made = task(kind)
        truth = truth_of(made)
        assert truth.answer not in agrees(wrong, made, truth)[1].replace("neither yes nor no", "").split()


@pytest.mark.parametrize(("said", "truth", "counts"), [("HER2-", "HER2+", False), ("HER2+", "HER2+", True),
    (">5 mm", "<5 mm", False), ("-40 HU", "40 HU", False), ("hepatitis", "Hepatitis A", False), ("+", "+", True),
    ("A hepatitis", "hepatitis", True), ("2.5 cm", "2.5 cm.", True), ("25 cm", "2.5 cm", False)])  # fmt: skip
def test_signs_and_last_words_matter(said: str, truth: str, counts: bool) -> None:
    assert right(Kind.OPEN, said, answer=truth) is counts


def test_options_that_differ_by_a_sign_are_told_apart() -> None:
    assert [chosen(said, ("HER2+", "HER2-")) for said in ("HER2+", "HER2-", "A. HER2-", "B. HER2-")] == [
        "A",
        "B",
        None,
        "B",
    ]


def test_names_that_begin_like_a_letter_of_an_option_are_names() -> None:
    bacteria = ("S. aureus", "E. coli", "C. difficile", "K. pneumoniae", "P. mirabilis")
    assert [chosen(said, bacteria) for said in ("E. coli", "C. difficile", "B", "B. E. coli", "C. coli")] == [
        "B", "C", "B", "B", None,
    ]  # fmt: skip


def test_hyphens_join_words_and_signs_stay() -> None:
    assert plain("HER2-positive") == plain("HER2 positive")
    assert plain("T2-weighted") == "t2 weighted"
    assert right(Kind.NUMBER, "\u22125", answer="-5", unit="")


@pytest.mark.parametrize(("said", "unit"), [("60 mmHg", "mmHg"), ("60%", "%"), ("60 mm2", "mm²"), ("60 µm", "μm")])
def test_a_number_may_carry_the_unit_asked_for(said: str, unit: str) -> None:
    assert right(Kind.NUMBER, said, answer="60", unit=unit)


def test_case_punctuation_and_articles_do_not_matter() -> None:
    assert plain("  The  Left-Kidney!") == "left kidney"
    assert plain("a") == "a"


@pytest.mark.parametrize(("said", "shared"), [("Right upper lobe.", 1), ("the right lobe", 0.8), ("lobe lobe lobe", 1 / 3),
    ("left lung", 0), ("", 0), ("hepar", 1)])  # fmt: skip
def test_open_answers_share_words_each_counted_once_a_time(said: str, shared: float) -> None:
    truth = Truth("right upper lobe", ("hepar",))
    assert shared_words(said, truth) == pytest.approx(shared)
