"""What is gathered from a source: one scene an image, with what all its tasks say of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.data.questions.scenes import gather
from medgym.tasks.readers import open_image
from tests.data.questions.conftest import KIDNEY, LIVER, SIZE, SPLEEN, filled
from tests.tasks.published.samples import SAMPLES


def written(folder: Path, *raw: dict[str, Any]) -> str:
    """Write records of segmentations of one image, and what they have besides."""
    pixels = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0]), np.uint8)
    Image.fromarray(pixels).save(folder / "ct.png")
    Image.fromarray(pixels[::-1]).save(folder / "other.png")
    common = {"question_type": "segmentation", "image_path": "ct.png", "modality": "CT"}
    path = folder / "set.jsonl"
    path.write_text("\n".join(json.dumps({**common, **each}) for each in raw))
    return str(path)


def asked(name: str, *boxes: tuple[float, ...], **given: Any) -> dict[str, Any]:
    masks = {name: filled(*boxes).to_json()}  # type: ignore[arg-type]
    return {"question": f"Segment the {name}.", "masks": masks, "target": name, **given}


def test_all_tasks_of_an_image_are_one_scene(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        asked("liver", LIVER, patient="7", source="hospital"),
        asked("left_kidney", KIDNEY),
        asked("lung"),
        {**asked("spleen", SPLEEN), "image_path": "other.png"},
    )
    scenes, left_out = gather(path, ["train"])
    assert [list(scene.masks) for scene in scenes] == [["left kidney", "liver"], ["spleen"]]
    first = scenes[0]
    assert (first.absent, first.modality, first.source, dict(first.whose)) == (
        {"lung"},
        "CT",
        "hospital",
        {"patient": "7"},
    )
    assert scenes[1].source == "set"
    assert (first.path, first.slice) == (str(tmp_path / "ct.png"), None)
    assert not left_out


def test_a_name_of_which_two_things_are_said_names_nothing(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        asked("liver", LIVER),
        asked("liver", SPLEEN),
        asked("lung"),
        asked("lung", KIDNEY),
        asked("spleen", SPLEEN),
    )
    scene = gather(path, ["train"])[0][0]
    assert (list(scene.masks), scene.absent, scene.unclear) == (["spleen"], frozenset(), {"liver", "lung"})


def test_the_words_of_a_question_or_an_answer_are_no_label(tmp_path: Path) -> None:
    """Records take a mask's name from there where they are not told it."""
    Image.fromarray(filled(LIVER).bits().astype(np.uint8) * 255).save(tmp_path / "mask.png")
    choice = {
        "question_type": "multiple choice",
        "question": "Which half is it?",
        "options": ["left", "right"],
        "answer": "A",
    }
    number = {"question_type": "number", "question": "How long is it?", "answer": 3}
    path = written(tmp_path, *({**each, "mask_path": "mask.png"} for each in (choice, number)))
    with pytest.raises(InputError, match=r"no image of train has a mask with a name \(2: it has no mask with a name\)"):
        gather(path, ["train"])


def test_an_image_in_two_splits_is_in_the_first_alone(tmp_path: Path) -> None:
    path = written(tmp_path, asked("liver", LIVER))
    scenes, left_out = gather(path, ["train", "test"])
    assert [scene.split for scene in scenes] == ["train"]
    assert left_out == {"its image is in another split too": 1}


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, asked("liver", LIVER), {**asked("spleen", SPLEEN), "image_path": "broken.png"})
    (tmp_path / "broken.png").write_text("no image")
    scenes, left_out = gather(path, ["train"])
    assert len(scenes) == 1
    assert list(left_out.values()) == [1]
    assert next(iter(left_out)).startswith("it cannot be read")


def test_a_slice_is_served_from_its_volume(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = np.random.default_rng(0).integers(0, 255, (*SIZE, 5), np.uint8)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([0.7, 0.7, 3, 1])), tmp_path / "scan.nii.gz")
    path = written(tmp_path, {**asked("liver", LIVER), "image_path": "scan.nii.gz", "slice": 1})
    scene = gather(path, ["train"])[0][0]
    assert (scene.path, scene.slice, scene.spacing) == (str(tmp_path / "scan.nii.gz"), 1, (0.7, 0.7))
    assert scene.place(tmp_path / "made") == (scene.path, 1)


def test_an_image_without_a_file_is_written_once(tmp_path: Path) -> None:
    scene = gather("phantoms:size=1,native=64", ["train"])[0][0]
    path, number = scene.place(tmp_path)
    assert (path, number) == (str(tmp_path / "images" / f"{scene.digest}.png"), None)
    assert (np.asarray(Image.open(path)) == scene.image.pixels).all()
    before = Path(path).stat().st_mtime_ns
    scene.place(tmp_path)
    assert Path(path).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["slake", "biomedparse-data", "msd"])
def test_published_data_has_scenes(tmp_path: Path, name: str) -> None:
    scenes, _ = gather(f"{name}:path={SAMPLES[name](tmp_path)}", ["train"])
    assert all(scene.masks and scene.source == name and scene.split == "train" for scene in scenes)
    for scene in scenes:
        path, number = scene.place(tmp_path / "made")
        assert open_image(path, number).digest == scene.digest
    if name == "msd":
        assert all(scene.whose["patient"] for scene in scenes)
