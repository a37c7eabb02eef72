"""Screening: no run folder gets a picture of a patient's name unless its user says so."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medgym.core.errors import InputError
from medgym.data.headers import read_header
from medgym.data.screening import Flagged, Sign, screened
from medgym.evaluation.compare import cells
from medgym.evaluation.console import evaluate
from medgym.evaluation.run import ALONE, RunConfig, Workers, play
from medgym.tasks.readers import open_image
from tests.test_cli import medgym

SECRET = "Doe^Jane"


def scan(text: str = "") -> np.ndarray:
    """A bright disc on black, with a text in a corner."""
    y, x = np.mgrid[:256, :256]
    image = Image.fromarray(np.where((x - 128) ** 2 + (y - 128) ** 2 < 80**2, 150, 0).astype(np.uint8))
    ImageDraw.Draw(image).text((6, 6), text, 255, ImageFont.load_default(16))
    return np.asarray(image)


def dicom(path: Path, text: str = "", **fields: object) -> Path:
    pixels = scan(text)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def records(folder: Path, *names: str) -> Path:
    asked = {"question_type": "yes/no", "question": "Is it round?", "answer": "yes"}
    path = folder / "records.json"
    path.write_text(json.dumps([{**asked, "question_id": name, "image_path": name} for name in names]))
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three images, of which the second has a name in its pixels."""
    for name, text in (("a.png", ""), ("b.png", "Doe, Jane"), ("c.png", "")):
        Image.fromarray(scan(text)).save(tmp_path / name)
    return records(tmp_path, "a.png", "b.png", "c.png")


def config(tasks: Path | str) -> RunConfig:
    return RunConfig("MedTool-v0", "silent", None, 0, {"tasks": str(tasks)})


def test_a_run_is_refused_before_anything_is_written(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(
        InputError, match=r"(?s)1 of these tasks.*nothing was written.*records/b.png: text in the pixels"
    ):
        play(config(mixed), out)
    assert not out.exists()
    assert len(play(config(mixed))) == 3, "a run that keeps nothing has nothing to give away"


@pytest.mark.parametrize("workers", [ALONE, pytest.param(Workers(2), marks=pytest.mark.slow)])
def test_flagged_tasks_can_be_left_out_or_kept_knowingly(mixed: Path, tmp_path: Path, workers: Workers) -> None:
    skipped = play(config(mixed), tmp_path / "skipped", workers=workers, flagged=Flagged.SKIP)
    assert [line["task_id"] for line in skipped] == ["records/a.png", "records/c.png"]
    again = play(config(mixed), tmp_path / "skipped", workers=workers, flagged=Flagged.SKIP)
    assert again == skipped, "a run that goes on must leave out what it left out before"
    kept = play(config(mixed), tmp_path / "kept", workers=workers, flagged=Flagged.KEEP)
    assert len(kept) == 3
    for name in ("skip", "kept"):
        said = json.loads((tmp_path / f"{name}{'ped' if name == 'skip' else ''}" / "screening.json").read_text())
        assert list(said["tasks"]) == ["records/b.png"]
    with pytest.raises(InputError, match="nothing was written"):
        play(config(mixed), tmp_path / "kept", workers=workers)


def test_nothing_left_to_play_is_said(tmp_path: Path) -> None:
    Image.fromarray(scan("Doe, Jane")).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="nothing is left to play"):
        play(config(records(tmp_path, "b.png")), tmp_path / "run", flagged=Flagged.SKIP)
    assert not (tmp_path / "run").exists()


def test_an_evaluation_is_refused_before_its_first_run(mixed: Path, tmp_path: Path) -> None:
    clean = records(tmp_path, "a.png").rename(tmp_path / "clean.json")
    mixed = records(tmp_path, "a.png", "b.png")
    runs = cells(config(clean), ["silent"], [{"tasks": str(clean)}, {"tasks": str(mixed)}], withhold=False)
    with pytest.raises(InputError, match="nothing was written"):
        evaluate(runs, tmp_path / "eval", resume=False, workers=ALONE, quiet=True)
    assert not (tmp_path / "eval").exists(), "the first run's pictures would be there already"


def test_the_command_says_what_to_do(mixed: Path, tmp_path: Path) -> None:
    wanted = ["run", "--tasks", str(mixed), "--agent", "silent", "--out", str(tmp_path / "run")]
    refused = medgym(*wanted)
    assert (refused.returncode, "--flagged skip" in refused.stderr) == (2, True)
    assert medgym(*wanted, "--flagged", "skp").returncode == 2
    skipped = medgym(*wanted, "--flagged", "skip")
    assert (skipped.returncode, "screening.json" in skipped.stdout) == (0, True)


def test_made_tasks_are_not_screened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgym.data.screening.lines_of_text", lambda pixels: [(0.0, 0.0, 9.0, 9.0)])
    made = RunConfig("MedTool-v0", "silent", 1, 0, {"tasks": "phantoms:native=128"})
    assert len(play(made, tmp_path / "run")) == 1


def test_a_source_of_ones_own_is_screened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.py").write_text(
        "from medgym.tasks.phantoms import Phantoms\n\n\nclass Own(Phantoms):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.setattr("medgym.data.screening.lines_of_text", lambda pixels: [(0.0, 0.0, 9.0, 9.0)])
    own = RunConfig("MedTool-v0", "silent", 1, 0, {"tasks": f"{tmp_path / 'own.py'}:Own"})
    with pytest.raises(InputError, match="nothing was written"):
        play(own, tmp_path / "run")


@pytest.mark.parametrize("flag", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
def test_a_header_that_warns_of_its_pixels_holds_a_run_up(tmp_path: Path, flag: str) -> None:
    dicom(tmp_path / "scan.dcm", **{flag: "YES"})
    with pytest.raises(InputError, match=f"{flag} is YES"):
        play(config(records(tmp_path, "scan.dcm")), tmp_path / "run")
    dicom(tmp_path / "scan.dcm", **{flag: "NO"})
    assert len(play(config(records(tmp_path, "scan.dcm")), tmp_path / "run")) == 1


def test_a_named_patient_in_a_header_is_a_finding_but_reaches_no_run_folder(tmp_path: Path) -> None:
    item = pydicom.Dataset()
    item.OperatorsName = SECRET
    dicom(
        tmp_path / "scan.dcm",
        PatientName=SECRET,
        PatientID="",
        AccessionNumber="S3CRET",
        RequestAttributesSequence=[item],
    )
    finding = screened(open_image(tmp_path / "scan.dcm"))[0]
    assert (finding.sign, finding.removed) == (Sign.IDENTIFIERS, False)
    assert finding.about == "AccessionNumber, OperatorsName, PatientName", "an element that is empty names nobody"
    play(config(records(tmp_path, "scan.dcm")), tmp_path / "run")
    held = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"Doe" not in held
    assert b"S3CRET" not in held


def test_a_header_whose_identity_was_removed_says_so(tmp_path: Path) -> None:
    path = dicom(tmp_path / "scan.dcm", PatientID="study-17", PatientIdentityRemoved="YES", PatientName="^")
    assert read_header(str(path)) == (("PatientID",), True, False, False)


def test_an_image_is_looked_at_once_until_its_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(scan()).save(path)
    assert screened(open_image(path)) == ()
    monkeypatch.setattr("medgym.data.screening.lines_of_text", lambda pixels: pytest.fail("looked at twice"))
    assert screened(open_image(path)) == ()
    monkeypatch.undo()
    Image.fromarray(scan("Doe, Jane")).save(path)
    assert [finding.sign for finding in screened(open_image(path))] == [Sign.TEXT]
