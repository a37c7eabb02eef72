"""Records: the good go in, and every slip is named with its line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.core.errors import InputError
from medgym.core.task import truth_of
from medgym.data.imports import bring_in
from medgym.tasks import load_tasks
from tests.conftest import CASES

from .samples import filled, noise, picture
from .test_imports import rejected, tasks

GOOD = {"question_id": "g", "question_type": "yes/no", "question": "Is it?", "answer": "yes", "image_path": "image.png"}
CHOICE = {**GOOD, "question_type": "multiple choice", "options": ["A. liver", "B. lung"], "answer": "B"}
SEGMENTATION = {**GOOD, "question_type": "segmentation", "question": "Segment the cyst.", "mask_path": "mask.png"}
del SEGMENTATION["answer"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    picture(tmp_path / "image.png", noise())
    picture(tmp_path / "mask.png", filled())
    picture(tmp_path / "none.png", filled() * 0)
    picture(tmp_path / "turned.png", filled().T)
    (tmp_path / "text.png").write_text("not an image")
    return tmp_path


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({**GOOD, "image_path": "text.png"}, "not an image that can be read"),
        ({**GOOD, "image_path": "gone.png"}, "no such file"),
        ({**GOOD, "answer": "perhaps"}, "answer does not fit; expected yes or no"),
        ({**CHOICE, "answer": "kidney"}, "answer does not fit; expected the letter or the text of one of the options"),
        ({**SEGMENTATION, "mask_path": "none.png"}, "the mask is empty; expected something in it, or --negatives"),
        (
            {**SEGMENTATION, "mask_path": "turned.png"},
            "the mask is 20x24 and its image 24x20 pixels; expected the same",
        ),
        ({**SEGMENTATION, "mask_path": "gone.png"}, "mask_path: no such file"),
        ({**SEGMENTATION, "mask_path": None}, "mask_path is missing"),
        ({**GOOD, "question_type": "ys/no"}, "Did you mean 'yes/no'"),
        ({**GOOD, "split": "tain"}, "unknown split 'tain'. Did you mean 'train'"),
        ({**GOOD, "question": "Is it \udc80?"}, "a name is not UTF-8"),
        ("text", "expected an object, found str"),
        (b'{"a": 1', "this line: not JSON"),
        (b'{"question": "\xff"}', "not readable as UTF-8"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_a_slip_is_reported_with_its_line_and_the_rest_goes_in(suffix: str, raw: Any, why: str, home: Path) -> None:
    path = home / f"set{suffix}"
    if suffix == ".jsonl":
        line = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        path.write_bytes(
            b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\n" + line + b"\n" + json.dumps(CHOICE).encode()
        )
    elif isinstance(raw, bytes):
        return
    else:
        path.write_text(json.dumps([GOOD, raw, CHOICE]))
    assert bring_in(path, home / "out")["tasks"] == 2
    (only,) = rejected(home / "out")
    line = 3 if suffix == ".jsonl" else None
    assert (only["file"], only["line"], only["item"]) == (path.name, line, "record 2")
    assert why in only["reason"]
    assert [task.id for task in tasks(home / "out")] == ["set/g", "set/g#2"]


def test_a_negative_says_so_by_its_answer(home: Path) -> None:
    options = ["A. Sure.", "B. No cyst detected"]
    rows = [{**SEGMENTATION, "options": options, "answer": "B", "mask_path": path} for path in (None, "none.png")]
    (home / "set.json").write_text(json.dumps(rows))
    assert bring_in(home / "set.json", home / "out")["rejected"]["count"] == 0
    for task in tasks(home / "out"):
        mask = truth_of(task).mask
        assert mask is not None
        assert (mask.area, truth_of(task).answer, mask.size) == (0, "B", (24, 20))


def test_an_option_that_seems_to_have_a_letter_comes_back_as_it_was(home: Path) -> None:
    rows = [{**CHOICE, "options": ["A. A. fumigatus", "B. Candida albicans"], "answer": "B"}]
    (home / "set.json").write_text(json.dumps(rows))
    bring_in(home / "set.json", home / "out")
    (task,) = tasks(home / "out")
    assert (task.options, truth_of(task).answer) == (("A. fumigatus", "Candida albicans"), "B")


def test_no_name_is_no_patient(home: Path) -> None:
    """Tables that are turned into records have empty texts where nothing is known."""
    rows = [{**GOOD, "question_id": n, "patient": "", "study": "", "split": ("train", "test")[n]} for n in (0, 1)]
    rows[1]["image_path"] = "mask.png"
    (home / "set.json").write_text(json.dumps(rows))
    assert bring_in(home / "set.json", home / "out")["splits"] == {"train": 1, "test": 1}
    assert len(load_tasks(str(home / "set.json"), "train")) == 1


@pytest.mark.parametrize(
    ("text", "why"), [("{}", "expected a list of records"), ("[", "not JSON"), ("[]", "nothing could be imported")]
)
def test_a_file_that_holds_no_records_is_refused(text: str, why: str, home: Path) -> None:
    (home / "set.json").write_text(text)
    with pytest.raises(InputError, match=why):
        bring_in(home / "set.json", home / "out", "records")


@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_the_real_cases_are_the_same_tasks(tmp_path: Path) -> None:
    told = bring_in(CASES, tmp_path / "out", split="test")
    assert (told["format"], told["tasks"], told["rejected"]["count"]) == ("records", 9, 0)
    before, after = load_tasks(str(CASES / "records.json"), "test"), load_tasks(str(tmp_path / "out"), "test")
    for index in range(9):
        assert truth_of(after[index]) == truth_of(before[index])
        assert (after[index].id, after[index].options) == (before[index].id, before[index].options)
        assert np.array_equal(after[index].images[0].pixels, before[index].images[0].pixels)
