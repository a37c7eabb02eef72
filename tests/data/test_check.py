"""The check of a set of tasks: what leaks from split to split, what cannot be read, what names a patient."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.data.check import check
from medgym.data.headers import Header
from medgym.tasks.sources import load_tasks
from tests.conftest import CASES
from tests.data.imports.samples import series
from tests.data.test_screening import dicom, scan
from tests.tasks.published import samples
from tests.test_cli import medgym


def phantom(index: int) -> np.ndarray:
    return np.array(load_tasks("phantoms:modality=ct,native=256", "train")[index].images[0].pixels)


def record(name: str, split: str, **more: Any) -> dict[str, Any]:
    asked = {"question_type": "yes/no", "question": "Is it round?", "answer": "yes", "image_path": name}
    return {**asked, "question_id": f"{split}-{name}", "split": split, **more}


def saved(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "own.json"
    path.write_text(json.dumps(rows))
    return str(path)


def faults(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {fault["what"]: fault for fault in found["faults"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        Image.fromarray(phantom(number)).save(tmp_path / f"{number}.png")
    return tmp_path


def test_disjoint_splits_are_right_and_counted(folder: Path) -> None:
    path = saved(
        folder, record("0.png", "train", patient="p0", modality="CT"), record("1.png", "train", patient="p1"),
        record("2.png", "test", patient="p2"),
    )  # fmt: skip
    found = check(path)
    assert (found["right"], found["faults"]) == (True, [])
    train = found["splits"]["train"]
    assert (train["tasks"], train["images"], train["patients"]) == (2, 2, 2)
    assert (train["kinds"], train["modalities"]) == ({"yes_no": 2}, {"CT": 1, "unknown": 1})
    assert list(found["absent"]) == ["validation"]


def test_one_image_under_two_names_is_found(folder: Path) -> None:
    Image.fromarray(phantom(0)).save(folder / "copy.bmp")
    found = check(saved(folder, record("0.png", "train"), record("copy.bmp", "test")))
    fault = faults(found)["splits share an image, pixel by pixel"]
    assert not found["right"], "a policy would be measured on what it was trained on"
    assert fault["tasks"] == ("own/train-0.png = own/test-copy.bmp",)


def test_a_re_encoded_image_is_found_across_splits_and_only_counted_within(folder: Path) -> None:
    Image.fromarray(phantom(0)).save(folder / "copy.jpg", quality=60)
    across = check(saved(folder, record("0.png", "train"), record("copy.jpg", "test")))
    assert not across["right"]
    assert across["copies"][0]["tasks"] == ["own/train-0.png", "own/test-copy.jpg"]
    assert across["copies"][0]["splits"] == ["train", "test"]
    assert across["copies"][0]["distance"] < 10
    within = check(saved(folder, record("0.png", "train"), record("copy.jpg", "train")))
    assert within["right"], "two views of one patient in a split are no leak"
    assert not faults(within)["images are near copies within a split"]["error"]


class Leaky:
    """A source of one's own whose splits share patients."""

    def __init__(self, split: str, seed: int, kinds: object) -> None:
        self.tasks = load_tasks("phantoms:modality=ct,native=128,size=3", split)

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: int) -> Any:
        if index == 2:
            raise KeyError("lost")
        return replace(self.tasks[index], meta={"patient": f"p{index}", "study": f"{self.tasks[index].split}{index}"})


def test_shared_patients_and_failing_tasks_of_a_source_of_ones_own_are_named() -> None:
    found = check("tests.data.test_check:Leaky")
    named = faults(found)
    assert named["splits share a patient"]["error"]
    assert "splits share a study" not in named
    assert "KeyError: 'lost'" in named["a task cannot be made"]["tasks"][0]
    assert found["splits"]["test"]["made"] == 2
    assert not any("p0" in str(fault) for fault in found["faults"]), "a patient's name is not repeated"


class Numbered(Leaky):
    """A source of one's own that counts the tasks of each split from 0."""

    def __getitem__(self, index: int) -> Any:
        return replace(self.tasks[index], id=str(index))


def test_splits_of_one_length_and_numbering_are_not_taken_for_one() -> None:
    found = check("tests.data.test_check:Numbered")
    assert list(found["splits"]) == ["train", "validation", "test"]
    assert "splits share a task" in faults(found)


def test_records_that_name_no_split_are_one_split(folder: Path) -> None:
    rows = [{**record(f"{number}.png", ""), "question_id": number} for number in range(2)]
    found = check(saved(folder, *({k: v for k, v in row.items() if k != "split"} for row in rows)))
    assert found["right"], "every image would be said to be in all three splits"
    assert list(found["splits"]) == ["train"]


def test_a_damaged_image_is_an_error_with_its_record(folder: Path) -> None:
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:200])
    found = check(saved(folder, record("0.png", "train"), record("1.png", "train")))
    assert not found["right"]
    assert "record 2" in faults(found)["a task cannot be made"]["tasks"][0]


def test_signs_of_a_patient_are_errors_unless_the_identity_was_removed(folder: Path) -> None:
    Image.fromarray(scan("Doe, Jane")).save(folder / "named.png")
    dicom(folder / "named.dcm", PatientName="Doe^Jane")
    found = check(saved(folder, record("named.png", "train"), record("named.dcm", "test")))
    assert faults(found)["text in the pixels"]["tasks"] == ("own/train-named.png",)
    header = faults(found)["identifying elements in the header"]
    assert (header["error"], header["about"]) == (True, "PatientName")
    assert "Doe" not in json.dumps(found)
    dicom(folder / "named.dcm", PatientName="Anonymous", PatientIdentityRemoved="YES")
    assert check(saved(folder, record("named.dcm", "test")))["right"]


def test_a_series_is_checked_by_the_headers_of_all_its_files(folder: Path) -> None:
    series(folder / "scan", BurnedInAnnotation="NO")
    dataset = pydicom.dcmread(folder / "scan" / "image3.dcm")
    dataset.BurnedInAnnotation, dataset.InstitutionName = "YES", "Hospital"
    dataset.save_as(folder / "scan" / "image3.dcm")
    (folder / "scan" / "empty").touch()
    found = check(saved(folder, record("scan", "train")))
    assert faults(found)["BurnedInAnnotation is YES"]["tasks"] == ("own/train-scan",)
    assert faults(found)["identifying elements in the header"]["about"] == "InstitutionName, PatientID, PatientName"


def test_a_header_that_cannot_be_read_is_an_error_with_its_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> Header:
        raise InputError(f"{path}: damaged")

    dicom(folder / "damaged.dcm")
    monkeypatch.setattr("medgym.data.screening.read_header", fails)
    found = check(saved(folder, record("0.png", "train"), record("damaged.dcm", "train")))
    assert "damaged" in faults(found)["a task cannot be made"]["tasks"][0]


def test_published_data_are_checked_by_their_groups(tmp_path: Path) -> None:
    found = check(f"vqa-rad:path={samples.vqa_rad(tmp_path)}")
    assert found["splits"]["test"]["groups"] == 2
    assert sum(found["splits"]["train"]["left_out"].values()) == 1, "what shares an image with test is left out"
    assert "splits share a group" not in faults(found)


def test_phantoms_are_right() -> None:
    assert check("phantoms:size=6,native=256")["right"]


@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_the_real_cases_are_right() -> None:
    found = check(str(CASES / "records.json"))
    assert found["right"]
    assert "PatientID" in faults(found)["identifying elements in the header"]["about"]


def test_a_source_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        check(str(tmp_path / "none.json"))


def test_the_command_exits_with_1_where_something_is_wrong(folder: Path) -> None:
    right = saved(folder, record("0.png", "train"), record("1.png", "test"))
    ran = medgym("data", "check", right)
    assert (ran.returncode, "Nothing is wrong" in ran.stdout) == (0, True)
    wrong = saved(folder, record("0.png", "train"), record("0.png", "test"))
    ran = medgym("data", "check", wrong, "--json")
    assert (ran.returncode, json.loads(ran.stdout)["right"]) == (1, False)
