"""What a row asks: letters and texts as answers, options that cannot be told apart, answers that are no answer."""

from typing import Any

import pytest

from medgym.core.task import Kind
from medgym.tasks.published.asked import (
    FEW,
    GAP,
    NO_ANSWER,
    NO_SUCH_OPTION,
    REPEATED,
    Asked,
    by_letter,
    by_text,
    free,
)

LETTERS = ("C", "D", "A", "B")


@pytest.mark.parametrize(
    ("answer", "options", "expected"),
    [
        ("b", ("liver", "spleen"), Asked(Kind.CHOICE, "B", ("liver", "spleen"))),
        ("(B).", ("liver", "spleen", None, ""), Asked(Kind.CHOICE, "B", ("liver", "spleen"))),
        ("C", LETTERS, Asked(Kind.CHOICE, "C", LETTERS)),
        ("A", ("Yes", "No"), Asked(Kind.YES_NO, "yes", ("Yes", "No"))),
        ("C", ("liver", "spleen"), NO_SUCH_OPTION),
        ("spleen", ("liver", "spleen"), NO_SUCH_OPTION),
        ("", ("liver", "spleen"), NO_ANSWER),
        ("A", ("liver", "Liver."), REPEATED),
        ("A", ("liver", "", "spleen"), GAP),
        ("A", ("liver",), FEW),
        ("A", (), FEW),
    ],
)
def test_a_letter_names_an_option(answer: Any, options: Any, expected: Asked | str) -> None:
    assert by_letter(answer, options) == expected


@pytest.mark.parametrize(
    ("answer", "options", "expected"),
    [
        ("Spleen.", ("liver", "spleen"), Asked(Kind.CHOICE, "B", ("liver", "spleen"))),
        ("C", LETTERS, Asked(Kind.CHOICE, "A", LETTERS)),
        ("no", ("Yes", "No"), Asked(Kind.YES_NO, "no", ("Yes", "No"))),
        ("kidney", ("liver", "spleen"), NO_SUCH_OPTION),
        ("B", ("liver", "spleen"), NO_SUCH_OPTION),
        (None, ("liver", "spleen"), NO_ANSWER),
        (float("nan"), ("liver", "spleen"), NO_ANSWER),
        ("liver", ("liver", "spleen", "spleen"), REPEATED),
    ],
)
def test_a_text_names_an_option(answer: Any, options: Any, expected: Asked | str) -> None:
    assert by_text(answer, options) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes", Asked(Kind.YES_NO, "yes")),
        (" 3 ", Asked(Kind.NUMBER, "3")),
        ("1e5", Asked(Kind.OPEN, "1e5")),
        ("5.6 cm", Asked(Kind.OPEN, "5.6 cm")),
        (["three", "3"], Asked(Kind.OPEN, "three", accepted=("3",))),
        ("肝脏", Asked(Kind.OPEN, "肝脏")),
        ([], NO_ANSWER),
        ("…", NO_ANSWER),
        (None, NO_ANSWER),
    ],
)
def test_a_free_answer_tells_its_kind(answer: Any, expected: Asked | str) -> None:
    assert free(answer) == expected
