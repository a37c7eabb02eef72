"""What every import promises: the format told, the good rows in, the bad ones named, and no patient in two splits."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import medgym
import medgym.testing as contract
from medgym.core.errors import InputError
from medgym.core.task import SPLITS, Kind, Task, truth_of
from medgym.data.imports import bring_in, detected
from medgym.data.imports.found import labels_of, names_of, pseudonym
from medgym.data.imports.splits import Splits, shares_of
from medgym.data.imports.writer import general
from medgym.tasks import load_tasks

from .samples import BOX, HEIGHT, NAME, OTHER, PATIENT, SAMPLES, WIDTH, filled, folder, noise, picture, records

FORMS = sorted(SAMPLES)


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """Make a source of a format, import it once, and return the folder and what it is about."""
    made: dict[str, tuple[Path, dict[str, Any]]] = {}

    def of(form: str) -> tuple[Path, dict[str, Any]]:
        if form not in made:
            home = tmp_path_factory.mktemp(form)
            (home / "source").mkdir()
            told = bring_in(SAMPLES[form](home / "source"), home / "tasks", split="test")
            made[form] = home / "tasks", told
        return made[form]

    return of


def tasks(out: Path) -> list[Task]:
    """Return the tasks of all splits."""
    found = []
    for split in SPLITS:
        try:
            source = load_tasks(str(out), split)
        except InputError as fault:
            assert "no row of split" in str(fault)  # noqa: PT017
            continue
        found += [source[index] for index in range(len(source))]
    return found


def rejected(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("form", FORMS)
def test_a_format_is_told_and_all_of_a_good_source_goes_in(form: str, brought: Callable[[str], Any]) -> None:
    out, told = brought(form)
    assert told["format"] == form
    assert told["tasks"] == {"folder": 12, "records": 8, "coco": 6, "nifti": 6, "dicom": 3}[form]
    assert told["rejected"] == {"count": 0, "reasons": {}}
    assert rejected(out) == []
    assert json.loads((out / "about.json").read_text()) == told
    assert told["medgym"] == medgym.__version__


@pytest.mark.parametrize("form", FORMS)
def test_an_import_keeps_the_contract_of_tasks(form: str, brought: Callable[[str], Any]) -> None:
    for path in (brought(form)[0], brought(form)[0] / "manifest.parquet"):
        contract.check_tasks(load_tasks(str(path), "test"), most=100)


@pytest.mark.parametrize("form", FORMS)
def test_every_task_of_an_import_can_be_won(form: str, brought: Callable[[str], Any]) -> None:
    source = load_tasks(str(brought(form)[0]), "test")
    env = gym.make("MedTool-v0", tasks=str(brought(form)[0]), split="test", segmenter="simulated:error=0")
    for index in range(len(source)):
        medgym.rollout(env, medgym.make_agent("oracle"), options={"split": "test", "index": index})
        earned = env.unwrapped.reward.values["answer"]  # type: ignore[attr-defined]
        assert earned >= (3 if source[index].kind is Kind.SEGMENTATION else 0.99), source[index].id


@pytest.mark.parametrize("form", FORMS)
def test_nobody_is_named(form: str, brought: Callable[[str], Any]) -> None:
    """Neither a manifest nor what lies beside it quotes who a patient is."""
    for task in tasks(brought(form)[0]):
        told = repr((task, task.meta))
        assert PATIENT not in told
        assert "Doe" not in told
    for path in brought(form)[0].iterdir():
        assert PATIENT.encode() not in path.read_bytes()
        assert NAME.encode() not in path.read_bytes()


def test_a_patient_is_a_hash_that_other_imports_share() -> None:
    assert pseudonym(PATIENT) == pseudonym(f" {PATIENT} ") == "9ce105a12e3e"
    assert pseudonym(PATIENT) != pseudonym("MRN-4712")


def test_records_are_the_tasks_they_were(brought: Callable[[str], Any]) -> None:
    out, _ = brought("records")
    before = load_tasks(str(out.parent / "source" / "set.jsonl"), "test")
    after = load_tasks(str(out), "test")
    assert len(before) == len(after)
    for index in range(len(after)):
        ours, theirs = after[index], before[index]
        assert (ours.id, ours.kind, ours.question, ours.options, ours.modality) == (
            theirs.id, theirs.kind, theirs.question, theirs.options, theirs.modality,
        )  # fmt: skip
        assert truth_of(ours) == truth_of(theirs)
        assert [image.digest for image in ours.images] == [image.digest for image in theirs.images]


# The folder that is written


def test_paths_are_relative_beneath_the_folder_of_the_manifest_and_may_move_with_it(tmp_path: Path) -> None:
    home = tmp_path / "here"
    bring_in(folder(home / "source"), home / "tasks")
    digests = [task.images[0].digest for task in tasks(home / "tasks")]
    home.rename(tmp_path / "there")
    assert [task.images[0].digest for task in tasks(tmp_path / "there" / "tasks")] == digests
    bring_in(tmp_path / "there" / "source", tmp_path / "elsewhere" / "tasks")
    (tmp_path / "elsewhere").rename(tmp_path / "moved")
    assert [task.images[0].digest for task in tasks(tmp_path / "moved" / "tasks")] == digests


def test_only_an_imports_own_folder_is_replaced(tmp_path: Path) -> None:
    source, out = folder(tmp_path / "source"), tmp_path / "tasks"
    bring_in(source, out)
    first = (out / "about.json").read_text()
    bring_in(source, out)
    assert (out / "about.json").read_text() == first
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not, or not only, what an import wrote"):
        bring_in(source, out)
    for taken in (source, source / "images" / "case 0 é.png"):
        with pytest.raises(InputError, match="expected a new folder"):
            bring_in(source, taken)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "tasks"]


def test_where_nothing_can_be_imported_the_reasons_are_told_and_nothing_is_written(tmp_path: Path) -> None:
    picture(tmp_path / "source" / "images" / "a.png", noise())
    picture(tmp_path / "source" / "masks" / "a.png", filled() * 0)
    with pytest.raises(InputError, match="nothing could be imported; rejected: 1: the mask is empty"):
        bring_in(tmp_path / "source", tmp_path / "tasks")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_error_about_many_files_stays_short(tmp_path: Path) -> None:
    """Of a thousand images that are not there, one reason is told, though they are named by words."""
    names = ["".join(chr(97 + int(digit)) for digit in f"{number:04d}") for number in range(1000)]
    images = [{"id": name, "file_name": f"{name}.png"} for name in names]
    marks = [{"id": name, "image_id": name, "category_id": 1, "bbox": [1, 2, 3, 4]} for name in names]
    whole = {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "nodule"}]}
    (tmp_path / "instances.json").write_text(json.dumps(whole))
    with pytest.raises(InputError, match="rejected: 1000: no such file: '…'; expected") as told:
        bring_in(tmp_path / "instances.json", tmp_path / "out")
    assert len(str(told.value)) < 1000


# Formats


def test_what_is_no_source_or_several_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        bring_in(tmp_path / "gone", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="looks like nothing that is known; say which with --format"):
        bring_in(tmp_path / "empty", tmp_path / "out")
    SAMPLES["nifti"](SAMPLES["folder"](tmp_path / "both"))
    with pytest.raises(InputError, match=r"looks like NIfTI volumes with labels \(nifti\) or a folder of images"):
        detected(str(tmp_path / "both"))
    told = bring_in(tmp_path / "both", tmp_path / "out", "nifti")
    assert told["tasks"] == 6
    with pytest.raises(InputError, match=r"unknown format 'nfti'. Did you mean 'nifti'"):
        bring_in(tmp_path / "both", tmp_path / "out", "nfti")
    with pytest.raises(InputError, match="expected a folder for the format 'folder'"):
        bring_in(records(tmp_path), tmp_path / "out", "folder")


def test_a_folder_is_told_with_a_slash_behind_it_and_broken_links_in_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    records(tmp_path / "source")
    (tmp_path / "source" / "about.json").symlink_to(tmp_path / "gone.json")
    assert detected(f"{tmp_path}/source/") == detected(f"{tmp_path}/source") == "records"


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_of_anything_else_holds_nothing(form: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"expected|nothing could be imported"):
        bring_in(tmp_path / "source", tmp_path / "out", form)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("liver", ({}, "liver")),
        ("1=liver,2=liver_tumor", ({1: "liver", 2: "liver tumor"}, "")),
    ],
)
def test_names_are_written_in_words(text: str, found: tuple[dict[int, str], str]) -> None:
    assert names_of(text) == found


def test_names_are_read_as_the_decathlon_and_nnunet_write_them(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "spleen": 1, "whole": [1, 2]}}))
    assert names_of(str(tmp_path / "dataset.json")) == ({1: "spleen"}, "")
    assert labels_of({"0": "background", "1": "spleen"}, "") == {1: "spleen"}
    for wrong in ("liver=1x", "1=liver,2"):
        with pytest.raises(InputError, match="expected the names of labels"):
            names_of(wrong)
    with pytest.raises(InputError, match="not readable as JSON"):
        names_of(str(tmp_path / "gone.json"))


# Splits


def test_shares_are_three_that_sum_to_one_or_a_split() -> None:
    assert shares_of("0.5,0.5,0") == {"train": (0, 0.5), "validation": (0.5, 1), "test": (1, 1)}
    assert shares_of("val") == {"validation": (0, 1)}
    for wrong in ("0.5,0.5", "1,1,-1", "0.8,0.1,0.2", "nan,0,1", "a,b,c"):
        with pytest.raises(InputError):
            shares_of(wrong)


def test_groups_are_cut_by_their_share_and_stay_together() -> None:
    splits = Splits(shares_of("0.6,0.2,0.2"))
    found = Counter(splits.place("", [("patient", f"P{n}"), ("image", f"{n}.png")]) for n in range(2000))
    assert all(abs(found[split] - expected) < 80 for split, expected in zip(SPLITS, (1200, 400, 400), strict=True))
    again = Splits(shares_of("0.6,0.2,0.2"))
    placed = {n: again.place("", [("patient", f"P{n}")]) for n in range(50)}
    assert all(again.place("", [("image", f"{n}.png"), ("patient", f"P{n}")]) == placed[n] for n in range(50))


def test_the_sources_splits_are_kept_and_what_is_in_two_is_rejected(tmp_path: Path) -> None:
    path = records(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()[:7]]
    rows = [{**row, "patient": f"P{i % 6}", "split": ("train", "val", "test")[i % 3]} for i, row in enumerate(rows)]
    rows[6]["split"] = "test"  # and its patient's other row is in train
    for i, row in enumerate(rows[:6]):
        picture(tmp_path / f"{i}.png", noise(i))
        row["image_path"] = f"{i}.png"
    path.write_text("\n".join(map(json.dumps, rows)))
    told = bring_in(path, tmp_path / "out")
    assert told["splits"] == {"train": 2, "validation": 2, "test": 2}
    assert rejected(tmp_path / "out") == [
        {
            "file": "set.jsonl", "line": 7, "item": "record 7",
            "reason": "its patient is in two splits, test here and train in others; expected one",
        }
    ]  # fmt: skip
    assert bring_in(path, tmp_path / "out", split="1,0,0")["splits"] == {"train": 7}


def test_folders_name_splits(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        picture(tmp_path / "source" / split / "images" / "a.png", noise(len(split)))
        picture(tmp_path / "source" / split / "masks" / "a.png", filled())
        picture(tmp_path / "other" / "images" / split / "a.png", noise(len(split)))
        picture(tmp_path / "other" / "masks" / split / "a_mask.png", filled())
    for source in ("source", "other"):
        told = bring_in(tmp_path / source, tmp_path / "out")
        assert told["splits"] == {"train": 1, "validation": 1, "test": 1}


# The command


def medgym_data(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "medgym", "data", "import", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_says_what_it_took_and_counts_what_it_rejected(tmp_path: Path) -> None:
    source = folder(tmp_path / "source")
    (source / "images" / "case 0 é.png").write_bytes(b"no image")
    ran = medgym_data(str(source), "--out", str(tmp_path / "tasks"))
    assert ran.returncode == 0, ran.stderr
    assert "as a folder of images and masks: 10 tasks" in ran.stdout
    assert "rejected: 1, each with its place and reason in" in ran.stdout
    assert "1: not an image that can be read" in ran.stdout
    ran = medgym_data(str(source), "--out", str(tmp_path / "tasks"), "--modality", "CT", "--json")
    assert json.loads(ran.stdout)["modalities"] == {"CT": 10}
    refused = medgym_data(str(source), "--out", str(source))
    assert (refused.returncode, "expected a new folder" in refused.stderr) == (2, True)
    good = medgym_data(str(folder(tmp_path / "good")), "--out", str(tmp_path / "tasks"))
    assert "rejected: 0\n" in good.stdout


def test_masks_and_boxes_are_where_they_were_drawn(brought: Callable[[str], Any]) -> None:
    for task in tasks(brought("folder")[0]):
        truth = truth_of(task)
        assert truth.mask is not None
        assert truth.mask.box == {"Segment the liver.": BOX, "Segment the tumor.": OTHER}[task.question]
        assert set(truth.structures) == {"liver", "tumor"}
        assert task.images[0].size == (WIDTH, HEIGHT)
        assert np.array_equal(task.images[0].pixels, noise(int(task.id.split()[1])))


@pytest.mark.parametrize("form", ["folder", "records"])
def test_dicom_images_of_other_formats_keep_their_patient_in_one_split(form: str, tmp_path: Path) -> None:
    """Two series of one patient are no two patients, though their masks are pictures."""
    from .samples import series

    home = tmp_path / "source"
    rows = []
    for number in range(10):
        (image,) = series(home / "images" / f"{number}", 1, PatientID=f"{PATIENT}-{number // 5}")
        assert image.PatientID
        picture(home / "masks" / f"{number}" / "image0.png", filled())
        rows.append({
            "question_type": "segmentation", "question": "Segment the liver.",
            "image_path": f"images/{number}/image0.dcm", "mask_path": f"masks/{number}/image0.png",
        })  # fmt: skip
    (home / "set.json").write_text(json.dumps(rows))
    told = bring_in(home, tmp_path / "out", form, split="0.4,0.3,0.3")
    assert (told["tasks"], told["modalities"]) == (10, {"CT": 10})
    found = tasks(tmp_path / "out")
    assert len({task.meta["patient"] for task in found}) == 2
    assert len({(task.meta["patient"], task.split) for task in found}) == 2
    assert not any(PATIENT in repr(task.meta) for task in found)


def test_a_series_of_a_record_keeps_its_patient_in_one_split(tmp_path: Path) -> None:
    from .samples import series

    rows = []
    for number in range(8):
        series(tmp_path / f"scan{number}", 3, SeriesInstanceUID=f"1.2.{number}", PatientID=f"{PATIENT}-{number // 4}")
        rows.append({"question_type": "yes/no", "question": "Is it?", "answer": "no", "image_path": f"scan{number}"})
    (tmp_path / "set.json").write_text(json.dumps(rows))
    bring_in(tmp_path / "set.json", tmp_path / "out", split="0.4,0.3,0.3")
    found = {(task.meta["patient"], task.split) for task in tasks(tmp_path / "out")}
    assert len(found) == len({patient for patient, _ in found}) == 2


def test_links_are_followed_once_and_broken_ones_are_reported(tmp_path: Path) -> None:
    source = folder(tmp_path / "real")
    home = tmp_path / "source"
    home.mkdir()
    for name in ("images", "masks"):
        (home / name).symlink_to(source / name)
    (home / "masks" / "loop").symlink_to(source / "masks")
    (source / "images" / "case 0 é.png").unlink()
    (source / "images" / "case 0 é.png").symlink_to(tmp_path / "gone.png")
    told = bring_in(home, tmp_path / "out")
    assert (told["tasks"], told["rejected"]["count"]) == (10, 1)
    assert next(iter(told["rejected"]["reasons"])).startswith("no such file; expected PNG")


@pytest.mark.parametrize(
    ("reason", "shared"),
    [
        ("/a b/c.png: the mask is 12x10; expected 9x9", "the mask is NxN; expected NxN"),
        ("mask_path: no such file: /a/b c.png; expected a path", "mask_path: no such file: …; expected a path"),
        ("unknown split 'tain'. There are: yes/no", "unknown split '…'. There are: yes/no"),
        ("label 'a' of the image's mask: \"b's\"", "label '…' of the image's mask: \"…\""),
        ("the segment's pixels are not the image's; expected", "the segment's pixels are not the image's; expected"),
        ("it has no name; expected one in --names", "it has no name; expected one in --names"),
    ],
)
def test_reasons_are_counted_by_what_they_share(reason: str, shared: str) -> None:
    assert general(reason) == shared


def test_a_path_may_name_the_patient(tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / "source" / "images" / f"p{number // 3}_{number}.png", noise(number))
        picture(tmp_path / "source" / "masks" / f"p{number // 3}_{number}.png", filled())
    picture(tmp_path / "source" / "images" / "odd.png", noise())
    picture(tmp_path / "source" / "masks" / "odd.png", filled())
    told = bring_in(tmp_path / "source", tmp_path / "out", split="0.4,0.3,0.3", patient=r"images/(p\d)_")
    assert (told["tasks"], list(told["rejected"]["reasons"])) == (
        12, ["the image's path does not name its patient; expected what --patient says"],
    )  # fmt: skip
    found = tasks(tmp_path / "out")
    assert (
        len({task.meta["patient"] for task in found})
        == len({(task.meta["patient"], task.split) for task in found})
        == 4
    )
    with pytest.raises(InputError, match="is no regular expression"):
        bring_in(tmp_path / "source", tmp_path / "out", patient="(")
