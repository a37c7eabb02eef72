"""Published data sets: found, read as published, left out by reason, and split without a shared image."""

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import medgym
import medgym.testing as contract
from medgym.core.errors import InputError
from medgym.core.task import SPLITS, Kind, TaskSource, truth_of
from medgym.evaluation.inventory import describe, inventory
from medgym.tasks import load_tasks
from medgym.tasks.published import PUBLISHED
from medgym.tasks.published.pictures import UNREADABLE

from .samples import SAMPLES, copied, encoded, pixels, triplets

Sample = Callable[[str], Path]
EVERY = sorted(SAMPLES)


def splits_of(name: str, path: Path) -> dict[str, TaskSource]:
    """Load every split that the data set has."""
    found = {}
    for split in SPLITS:
        try:
            found[split] = load_tasks(f"{name}:path={path}", split)
        except InputError as fault:
            assert "no task of split" in str(fault) or "has no" in str(fault)  # noqa: PT017
    return found


@pytest.mark.parametrize("name", EVERY)
def test_a_sample_keeps_the_contract(name: str, sample: Sample) -> None:
    for source in splits_of(name, sample(name)).values():
        contract.check_tasks(source, most=100)
        assert source[0].id == source[0].id
        assert all(source[i].id.startswith(f"{name}/") for i in range(len(source)))


@pytest.mark.parametrize("name", EVERY)
def test_no_image_is_in_two_splits(name: str, sample: Sample) -> None:
    digests: dict[str, set[str]] = {}
    for split, source in splits_of(name, sample(name)).items():
        digests[split] = {image.digest for i in range(len(source)) for image in source[i].images}
    held = [digest for each in digests.values() for digest in each]
    assert len(held) == len(set(held))


@pytest.mark.parametrize("name", EVERY)
def test_every_task_of_a_sample_can_be_won(name: str, sample: Sample) -> None:
    for split, source in splits_of(name, sample(name)).items():
        env = gym.make("MedTool-v0", tasks=f"{name}:path={sample(name)}", segmenter="simulated:error=0")
        for index in range(min(len(source), 12)):
            medgym.rollout(env, medgym.make_agent("oracle"), options={"split": split, "index": index})
            values = env.unwrapped.reward.values  # type: ignore[attr-defined]
            full = 3 if source[index].kind is Kind.SEGMENTATION else 1
            assert values["answer"] >= min(full, 1) * 0.99, source[index].id
            assert values["answer"] >= full or source[index].kind is Kind.DETECTION, source[index].id


@pytest.mark.parametrize("name", EVERY)
def test_images_travel_to_other_processes_without_the_truth(name: str, sample: Sample) -> None:
    for source in splits_of(name, sample(name)).values():
        task = source[0]
        bytes_of = pickle.dumps(task.public())
        again = pickle.loads(bytes_of)
        assert again.images[0].digest == task.images[0].digest
        for image in task.images:
            assert b"core.task" not in pickle.dumps(image)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_is_not_at_hand_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no way out")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    monkeypatch.setenv("MEDGYM_DATA", str(tmp_path))
    card = PUBLISHED[name]().card
    split = "validation" if name == "mmmu" else "test"
    for spec in (name, f"{name}:path={tmp_path / 'nowhere'}"):
        with pytest.raises(InputError) as raised:
            load_tasks(spec, split)
        assert f"$MEDGYM_DATA/{name}" in str(raised.value)
        assert card.licence in str(raised.value)


@pytest.mark.parametrize("name", EVERY)
def test_the_shared_folder_is_looked_in(
    name: str, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / name).symlink_to(sample(name))
    monkeypatch.setenv("MEDGYM_DATA", str(tmp_path))
    split, source = next(iter(splits_of(name, sample(name)).items()))
    assert [load_tasks(name, split)[i].id for i in range(len(source))] == [source[i].id for i in range(len(source))]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_facts_are_shown(name: str) -> None:
    facts = describe(name)
    assert facts["name"] == name
    assert all(facts[fact] for fact in ("about", "kinds", "modalities", "size", "splits", "licence", "citation", "get"))
    assert inventory()["tasks"][name] == facts["about"]
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` "))
    assert all(kind.replace("_", "/") in row for kind in facts["kinds"])


@pytest.mark.parametrize("kind", ["yes_no", "open", "number"])
def test_kinds_filter_and_change_no_task(kind: str, sample: Sample) -> None:
    path = sample("vqa-rad")
    whole = load_tasks(f"vqa-rad:path={path}", "test", published=True)
    some = load_tasks(f"vqa-rad:path={path}", "test", kind=kind, published=True)
    expected = [whole[i].id for i in range(len(whole)) if whole[i].kind == kind]
    assert [some[i].id for i in range(len(some))] == expected


def test_a_kind_that_a_split_lacks_says_what_it_has(sample: Sample) -> None:
    with pytest.raises(InputError, match=r"no task of split 'test' is of kind detection; it has 1 yes_no"):
        load_tasks(f"vqa-rad:path={sample('vqa-rad')}", "test", kind="detection")


def test_the_published_splits_are_to_be_had(sample: Sample) -> None:
    spec = f"vqa-rad:path={sample('vqa-rad')},published=true"
    assert len(load_tasks(spec, "train")) == 29
    with pytest.raises(InputError, match="published with train or test"):
        load_tasks(spec, "validation")
    cut = {split: load_tasks(f"vqa-rad:path={sample('vqa-rad')}", split) for split in ("train", "validation")}
    assert sum(map(len, cut.values())) == 28
    assert cut["train"].left_out == {"its image or patient is in the test split too": 1}  # type: ignore[attr-defined]


@pytest.mark.parametrize("saved", ["dataset", "folder", "convert"])
def test_a_local_copy_may_be_of_any_form(saved: str, tmp_path: Path, sample: Sample) -> None:
    """What hf download, save_to_disk and the hub's own conversion write all read alike."""
    import datasets

    files = {split: str(sample("vqa-rad") / f"data/{split}-00000-of-00001.parquet") for split in ("train", "test")}
    if saved == "dataset":
        datasets.load_dataset("parquet", data_files=files).save_to_disk(str(tmp_path / "copy"))
    else:
        for split, file in files.items():
            at = tmp_path / "copy" / ("" if saved == "folder" else f"default/{split}")
            at.mkdir(parents=True, exist_ok=True)
            (at / (f"{split}.parquet" if saved == "folder" else "0000.parquet")).write_bytes(Path(file).read_bytes())
    tasks = load_tasks(f"vqa-rad:path={tmp_path / 'copy'}", "test")
    expected = load_tasks(f"vqa-rad:path={sample('vqa-rad')}", "test")
    assert [tasks[i].images[0].digest for i in range(3)] == [expected[i].images[0].digest for i in range(3)]


def png(values: np.ndarray, **how: Any) -> dict[str, Any]:
    out = io.BytesIO()
    Image.fromarray(values).save(out, how.pop("form", "PNG"), **how)
    return {"bytes": out.getvalue(), "path": None}


def turned() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return png(pixels(0), form="JPEG", exif=exif)


WHOLE = encoded(3)["bytes"]
ROWS = {
    "no question": ((encoded(1), "", "yes"), "there is no question"),
    "no answer": ((encoded(1), "is it?", None), "there is no answer"),
    "an answer of nothing but a dash": ((encoded(1), "what is it?", "-"), "there is no answer"),
    "no image": ((None, "is it?", "yes"), "the image is missing"),
    "bytes that are no image": (({"bytes": b"nothing", "path": None}, "is it?", "yes"), UNREADABLE),
    "a cut-off PNG": (({"bytes": WHOLE[: len(WHOLE) // 2], "path": None}, "is it?", "yes"), UNREADABLE),
    "a cut-off JPEG": (({"bytes": encoded(3, "JPEG")["bytes"][:900], "path": None}, "is it?", "yes"), UNREADABLE),
}


@pytest.mark.parametrize("case", sorted(ROWS))
def test_a_bad_row_is_counted_and_stops_no_other(case: str, tmp_path: Path) -> None:
    row, reason = ROWS[case]
    path = triplets(tmp_path / "bad", {"test": [(encoded(9), "is it?", "no"), row, (encoded(8), "who?", "me")]})
    source = load_tasks(f"vqa-rad:path={path}", "test")
    assert source.left_out == {reason: 1}  # type: ignore[attr-defined]
    assert [source[i].id for i in range(len(source))] == ["vqa-rad/test/0", "vqa-rad/test/2"]


FORMS = {
    "16-bit": (lambda: png(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20), (64, 48), 2),
    "one channel": (lambda: png(pixels(0)[..., 0]), (64, 48), 2),
    "RGBA": (lambda: png(np.dstack([pixels(0), np.full((48, 64), 128, np.uint8)])), (64, 48), 3),
    "turned by EXIF": (turned, (48, 64), 3),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_images_of_every_form_are_read_as_shown(form: str, tmp_path: Path) -> None:
    make, size, axes = FORMS[form]
    row = (make(), "qu'est-ce que c'est ? 何ですか", "œdème 5 µm")
    task = load_tasks(f"vqa-rad:path={triplets(tmp_path / 'form', {'test': [row]})}", "test")[0]
    assert task.images[0].size == size
    assert task.images[0].pixels.ndim == axes
    assert (task.question, truth_of(task).answer) == (row[1], row[2])


def test_a_column_or_a_split_that_is_missing_is_named(tmp_path: Path) -> None:
    from .samples import parquet

    parquet(tmp_path / "a", "test", {"image": [encoded(1)], "question": ["is it?"]})
    with pytest.raises(InputError, match="has no column 'answer'; it has image, question"):
        load_tasks(f"vqa-rad:path={tmp_path / 'a'}", "test")
    with pytest.raises(InputError, match="has no split 'validation'; it has test"):
        load_tasks(f"path-vqa:path={tmp_path / 'a'}", "train")
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="neither parquet files nor"):
        load_tasks(f"vqa-rad:path={tmp_path / 'b'}", "test")


def test_slake_gives_masks_and_boxes_in_the_pixels_of_its_image(sample: Sample) -> None:
    tasks = load_tasks(f"slake:path={sample('slake')}", "test", kind=["segmentation", "detection"])
    found = {tasks[i].question: truth_of(tasks[i]) for i in range(7 if len(tasks) > 6 else len(tasks))}
    liver = found["Segment the liver in this image."]
    assert liver.mask is not None
    assert (liver.mask.area, liver.mask.box) == (15 * 20, (10, 5, 30, 20))
    assert set(liver.structures) == {"liver", "left kidney"}
    assert found["Mark the liver in this image with a box."].boxes == ((10, 5, 30, 20),)


def test_slake_asks_in_one_language(sample: Sample) -> None:
    tasks = load_tasks(f"slake:path={sample('slake')},language=zh", "test", kind="open")
    assert {tasks[i].question for i in range(len(tasks))} == {"最大的器官是什么？"}
    with pytest.raises(InputError, match="expected en or zh"):
        load_tasks(f"slake:path={sample('slake')},language=fr", "test")


def spoil_mask_size(folder: Path) -> None:
    Image.fromarray(np.ones((10, 10), np.uint8)).save(folder / "mask.png")


def spoil_mask(folder: Path) -> None:
    (folder / "mask.png").write_bytes(b"no mask")


def spoil_names(folder: Path) -> None:
    (folder.parents[1] / "mask.txt").unlink()


def spoil_numbers(folder: Path) -> None:
    Image.fromarray(np.full((48, 64), 9, np.uint8)).save(folder / "mask.png")


def spoil_boxes(folder: Path) -> None:
    (folder / "detection.json").write_text(json.dumps([{"Liver": [40, 20, 60, 40]}, {"Lung": [2, 2, 5, 5]}]))


@pytest.mark.parametrize(
    ("spoil", "left_out", "kept"),
    [
        (spoil_mask_size, {"the mask has another size than its image": 1}, 12),
        (spoil_mask, {"the mask cannot be read": 1}, 12),
        (spoil_names, {"mask.txt, which names what a mask shows, is missing or of another form": 2}, 10),
        (spoil_numbers, {"mask.txt names nothing of what the mask shows": 1}, 12),
        (spoil_boxes, {"a box is empty or reaches outside its image": 1}, 13),
    ],
)
def test_slake_counts_marks_that_cannot_be_used(
    spoil: Callable[[Path], None], left_out: dict[str, int], kept: int, sample: Sample, tmp_path: Path
) -> None:
    path = copied(sample("slake"), tmp_path / "slake")
    spoil(path / "imgs" / "xmlab5")
    source = load_tasks(f"slake:path={path}", "test")
    assert (source.left_out, len(source)) == (left_out, kept)  # type: ignore[attr-defined]
    contract.check_tasks(source, most=100)


BAD_CHOICES = {
    "an answer outside the options": ({"gt_answer": "ultrasound"}, "the answer is none of the options"),
    "options that say the same": ({"option_A": "MRI", "option_C": "mri."}, "two options say the same"),
    "one option": (dict.fromkeys(("option_B", "option_C", "option_D")), "there are fewer than two options"),
    "an empty option": ({"option_B": " "}, "an option is empty"),
    "no image": ({"image_path": "Images/ACRIMA/none.png"}, "the image is missing"),
    "no image named": ({"image_path": None}, "no image is named"),
    "an id twice": ({"question_id": "ACRIMA_0002"}, "another row has its id"),
}


@pytest.mark.parametrize("case", sorted(BAD_CHOICES))
def test_a_bad_choice_is_counted_and_stops_no_other(case: str, sample: Sample, tmp_path: Path) -> None:
    changed, reason = BAD_CHOICES[case]
    path = copied(sample("omnimedvqa"), tmp_path / "omnimedvqa")
    file = path / "OmniMedVQA" / "QA_information" / "Open-access" / "ACRIMA.json"
    rows = json.loads(file.read_text())
    rows[4] = {**rows[4], **changed}
    file.write_text(json.dumps(rows))
    sources = [load_tasks(f"omnimedvqa:path={path},only=ACRIMA", split) for split in SPLITS]
    assert all(source.left_out == {reason: 1} for source in sources)  # type: ignore[attr-defined]
    assert sum(map(len, sources)) == 19


def test_the_answers_of_mmmu_that_are_not_published_are_said_to_be_missing(sample: Sample) -> None:
    with pytest.raises(InputError, match=r"left out: 15: there is no answer"):
        load_tasks(f"mmmu:path={sample('mmmu')}", "test")
    task = load_tasks(f"mmmu:path={sample('mmmu')}", "validation")[1]
    assert (len(task.images), task.options[1], truth_of(task).answer) == (2, "(image 2)", "C")


def test_options_that_are_letters_are_named_by_their_place(sample: Sample) -> None:
    task = load_tasks(f"medxpertqa-mm:path={sample('medxpertqa-mm')}", "test")[2]
    assert (task.options[ord(truth_of(task).answer) - ord("A")], task.question) == (
        "A",
        "Which artery, labeled in Figure A?",
    )


def test_pmc_vqa_counts_an_answer_whose_letter_and_text_disagree(sample: Sample, tmp_path: Path) -> None:
    path = copied(sample("pmc-vqa"), tmp_path / "pmc-vqa")
    text = (path / "test_clean.csv").read_text()
    (path / "test_clean.csv").write_text(
        text.replace('"CT, axial", A:', "MRI, A:").replace('"CT, axial"," A:', 'MRI," A:')
    )
    source = load_tasks(f"pmc-vqa:path={path}", "test")
    assert source.left_out == {"the answer's letter and its text disagree": 1}  # type: ignore[attr-defined]
    (path / "test_clean.csv").write_text("Figure_path,Question\na,b\n")
    with pytest.raises(InputError, match="there is no column 'Choice A'; there are Figure_path, Question"):
        load_tasks(f"pmc-vqa:path={path},published=true", "test")


def test_a_file_that_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    for name in ("slake", "pmc-vqa", "omnimedvqa", "medxpertqa-mm"):
        with pytest.raises(InputError, match="To get it:\n  hf download"):
            load_tasks(f"{name}:path={tmp_path}", "test")


def test_msd_shows_the_slice_where_a_structure_is_largest_and_some_without_it(sample: Sample) -> None:
    source = load_tasks(f"msd:path={sample('msd')},absent=1", "train")
    tasks = [source[i] for i in range(len(source))]
    areas: dict[str, list[int]] = {}
    for task in tasks:
        mask, values = truth_of(task).mask, task.images[0].values
        assert mask is not None
        assert values is not None
        name, _, number = task.id.rpartition("/")
        assert number in "12"
        areas.setdefault(name.removeprefix("msd/Task03_Liver/"), []).append(mask.area)
        # The scan is 100 for each label and noise: a mask turned another way than its image would not fit.
        label = 1 if "/liver/" in task.id else 2
        assert (mask.bits() == ((values > 100 * label - 51) & (values < 100 * label - 9))).all(), task.id
        assert (task.meta["patient"], task.images[0].unit) == (name.split("/")[2], "HU")
    assert sorted(areas["liver_1/liver"]) == [0, 21 * 17 - 4 * 3]
    assert areas["liver_12/cancer"] == [0, 0]
    assert all(0 in pair for pair in areas.values())
    firsts = {truth_of(task).mask.area > 0 for task in tasks if task.id.endswith("liver/1")}  # type: ignore[union-attr]
    assert firsts == {True, False}, "the number in an id tells whether the structure is there"


def test_msd_is_shown_as_a_nifti_file_is(tmp_path: Path) -> None:
    """Axial slices are seen from below: the patient's right is on the image's left, anterior on top."""
    from .samples import volume

    scan, labels = np.zeros((6, 4, 3), np.int16), np.zeros((6, 4, 3), np.uint8)
    scan[0, 0, 1], labels[0, 0, 1] = 900, 1
    for affine in ((-1, -1, 1, 1), (1, 1, 1, 1)):
        home = tmp_path / str(affine[0])
        for kind, values in (("imagesTr", scan), ("labelsTr", labels)):
            volume(home / kind / "case_0.nii.gz", values, affine)
        about = {"labels": {"1": "dot"}, "modality": {"0": "CT"}, "name": "dots"}
        pair = {"image": "./imagesTr/case_0.nii.gz", "label": "./labelsTr/case_0.nii.gz"}
        (home / "dataset.json").write_text(json.dumps({**about, "training": [pair]}))
        split = next(split for split in SPLITS if splits_of("msd", home).get(split))
        mask = truth_of(load_tasks(f"msd:path={home},absent=0", split)[0]).mask
        assert mask is not None
        # NIfTI's axes run to the right, front and top: with negative ones the first voxel is right and in front.
        assert mask.box == ((0, 0, 1, 1) if affine[0] < 0 else (5, 3, 6, 4))


def spoil(folder: Path, case: str) -> None:
    name = "train_LGG_a_000_MRI-FLAIR_brain"
    mask = folder / "LGG" / "train_mask" / f"{name}_lower-grade+glioma.png"
    if case == "size":
        Image.fromarray(np.ones((9, 9), np.uint8)).save(mask)
    elif case == "unreadable":
        mask.write_bytes(b"no mask")
    elif case == "name":
        mask.rename(mask.with_name("glioma.png"))
    elif case == "image":
        (folder / "LGG" / "train" / f"{name}.png").unlink()
    else:
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(mask)


@pytest.mark.parametrize(
    ("case", "left_out"),
    [
        ("size", {"the mask has another size than its image": 1}),
        ("unreadable", {"the mask cannot be read": 1}),
        ("name", {"the mask's name is not <image>_<modality>_<site>_<target>.png": 1}),
        ("image", {"the image is missing": 1}),
        ("empty", {}),
    ],
)
def test_masks_that_cannot_be_used_are_counted(
    case: str, left_out: dict[str, int], sample: Sample, tmp_path: Path
) -> None:
    path = copied(sample("biomedparse-data"), tmp_path / "biomedparse-data")
    spoil(path, case)
    source = load_tasks(f"biomedparse-data:path={path},only=LGG,published=true", "train")
    assert source.left_out == left_out  # type: ignore[attr-defined]
    contract.check_tasks(source, most=100)
    first = truth_of(source[0])
    assert first.mask is not None
    assert bool(first.mask.area) == (case != "empty")


@pytest.mark.parametrize("spoiled", ["scan", "labels", "shape", "card"])
def test_volumes_that_cannot_be_used_are_counted(spoiled: str, sample: Sample, tmp_path: Path) -> None:
    from .samples import volume

    path = copied(sample("msd"), tmp_path / "msd")
    home = path / "Task03_Liver"
    if spoiled == "card":
        (home / "dataset.json").write_text(json.dumps({"labels": {"1": "liver"}}))
        with pytest.raises(InputError, match=r"dataset\.json: expected labels, training and modality"):
            load_tasks(f"msd:path={path}", "train")
        return
    if spoiled == "shape":
        volume(home / "labelsTr" / "liver_1.nii.gz", np.ones((4, 4, 4), np.uint8))
    else:
        (home / {"scan": "imagesTr", "labels": "labelsTr"}[spoiled] / "liver_1.nii.gz").write_bytes(b"no volume")
    source = load_tasks(f"msd:path={path},absent=0", "train")
    reason = "the mask has another size than its image" if spoiled == "shape" else UNREADABLE
    assert source.left_out == {reason: 2}  # type: ignore[attr-defined]
    contract.check_tasks(source, most=100)


def test_tables_come_from_the_hub_where_they_are_nowhere_else(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets
    import huggingface_hub

    from medgym.tasks.published import source, tables

    files = {split: str(sample("vqa-rad") / f"data/{split}-00000-of-00001.parquet") for split in ("train", "test")}
    there = datasets.load_dataset("parquet", data_files=files)
    monkeypatch.setenv("MEDGYM_DATA", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(datasets, "load_dataset", lambda hub, _: {"flaviagiammarino/vqa-rad": there}[hub])
    try:
        tasks = load_tasks("vqa-rad", "test")
        assert (tasks[0].images[0].pixels == pixels(100)).all()
    finally:
        for cache in (tables.opened, tables._column, source._units, source._index):
            cache.cache_clear()


def test_a_data_set_without_splits_has_none_to_give(sample: Sample) -> None:
    with pytest.raises(InputError, match="omnimedvqa was published without splits"):
        load_tasks(f"omnimedvqa:path={sample('omnimedvqa')},published=true", "test")


@pytest.mark.slow
def test_ten_thousand_rows_keep_memory_flat(tmp_path: Path) -> None:
    """A source holds which rows are tasks, and neither their images nor their texts."""
    import tracemalloc

    images = [encoded(n) for n in range(100)]
    rows = [(images[n % 100], f"is structure {n} seen?", "yes" if n % 2 else f"nodule {n}") for n in range(10_000)]
    source = load_tasks(f"vqa-rad:path={triplets(tmp_path / 'large', {'test': rows})}", "test")
    assert len(source) == 10_000
    for index in range(200):
        source[index]
    tracemalloc.start()
    for index in range(200, len(source)):
        source[index]
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1 << 20
    assert peak < 4 << 20
    assert source[9_999].question == "is structure 9999 seen?"


def test_a_table_of_several_pieces_is_read_whole(tmp_path: Path) -> None:
    """Tables saved in parts, or filtered before they were saved, hold the images of their own rows."""
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "question": datasets.Value("string"), "answer": datasets.Value("string")}
    )
    parts = [
        datasets.Dataset.from_list(
            [
                {"image": encoded(n) if n % 3 else None, "question": f"{n}?", "answer": "yes"}
                for n in range(first, last)
            ],
            features=features,
        )
        for first, last in ((0, 5), (5, 6), (6, 12))
    ]
    whole = datasets.concatenate_datasets(parts).filter(lambda row: row["question"] != "4?")
    datasets.DatasetDict({"test": whole}).save_to_disk(str(tmp_path / "copy"))
    source = load_tasks(f"vqa-rad:path={tmp_path / 'copy'}", "test")
    assert source.left_out == {"the image is missing": 4}  # type: ignore[attr-defined]
    for index in range(len(source)):
        number = int(source[index].question[:-1])
        assert (source[index].images[0].pixels == pixels(number)).all()
