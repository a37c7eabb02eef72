"""Small made samples of the published data sets, in the schemas and folders that they are distributed in."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A picture that no other number gives."""
    return np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)


def encoded(number: int, form: str = "PNG", **how: Any) -> dict[str, Any]:
    """A cell as the hub's tables hold it."""
    out = io.BytesIO()
    Image.fromarray(pixels(number)).save(out, form, **how)
    return {"bytes": out.getvalue(), "path": None}


def parquet(
    folder: Path, split: str, columns: dict[str, list[Any]], pictures: Sequence[str] = ("image",), name: str = ""
) -> None:
    """Write a split as the hub does."""
    import datasets

    table = datasets.Dataset.from_dict(columns)
    for column in pictures:
        if column in columns:
            table = table.cast_column(column, datasets.Image())
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(str(folder / (name or f"{split}-00000-of-00001.parquet")))


def triplets(folder: Path, splits: dict[str, Sequence[tuple[Any, Any, Any]]]) -> Path:
    """Write tables of image, question and answer."""
    for split, rows in splits.items():
        images, questions, answers = zip(*rows, strict=True)
        parquet(folder / "data", split, {"image": list(images), "question": list(questions), "answer": list(answers)})
    return folder


def vqa_rad(folder: Path) -> Path:
    train = [(encoded(n), f"is structure {n} enlarged?", ("yes", "No")[n % 2]) for n in range(20)]
    train += [(encoded(n), "how many masses are there?", "2") for n in range(8)]
    train += [(encoded(100), "is it on the test image?", "yes")]
    test = [
        (encoded(100), "is there an effusion?", "no"),
        (encoded(101), "which lobe is affected?", "right upper lobe"),
        (encoded(101), "how large is it?", "2.5"),
    ]
    return triplets(folder, {"train": train, "test": test})


def path_vqa(folder: Path) -> Path:
    splits = {
        split: [
            (encoded(first), "is it benign?", "yes"),
            (encoded(first + 1), "what is seen?", "müllerian cells, 5 µm"),
        ]
        for split, first in {"train": 0, "validation": 10, "test": 20}.items()
    }
    return triplets(folder, splits)


def slake(folder: Path) -> Path:
    number = 0
    (folder / "imgs").mkdir(parents=True)
    (folder / "mask.txt").write_text("1: Liver\n2: Left Kidney\n200 Spinal Cord\n")
    for split in ("train", "validation", "test"):
        rows: list[dict[str, Any]] = []
        for _ in range(2):
            number += 1
            home = folder / "imgs" / f"xmlab{number}"
            home.mkdir()
            Image.fromarray(pixels(number)).save(home / "source.jpg")
            labels = np.zeros((48, 64), np.uint8)
            labels[5:20, 10:30], labels[30:40, 40:60], labels[0:4, 0:4] = 1, 2, 77
            Image.fromarray(labels).save(home / "mask.png")
            (home / "detection.json").write_text(json.dumps([{"Liver": [10, 5, 20, 15]}, {"Lung": [2, 2, 5, 5]}]))
            about = {"img_id": number, "img_name": f"xmlab{number}/source.jpg", "modality": "CT", "location": "Abdomen"}
            asked = [
                ("Is the liver seen?", "Yes", "en", "CLOSED"),
                ("What is the largest organ?", "Liver", "en", "OPEN"),
                ("Which is larger, liver or kidney?", "Liver", "en", "CLOSED"),
                ("最大的器官是什么？", "肝脏", "zh", "OPEN"),
            ]
            for question, answer, language, form in asked:
                found = {"question": question, "answer": answer, "q_lang": language, "answer_type": form}
                rows.append({**about, **found, "qid": 1000 * number + len(rows)})
        (folder / f"{split}.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return folder


def pmc_vqa(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    head = ["Figure_path", "Question", "Answer", *(f"Choice {letter}" for letter in "ABCD"), "Answer_label"]
    for split, first, count in (("train", 100, 30), ("test_clean", 0, 4)):
        rows = []
        for number in range(first, first + count):
            Image.fromarray(pixels(number)).save(folder / "images" / f"PMC{number}_F1.jpg")
            options = ["CT, axial", "MRI", "X-ray", f"a scan of the {number}th kind"]
            choices = [f" {letter}:{option} " for letter, option in zip("ABCD", options, strict=True)]
            right = number % 4
            rows.append([f"PMC{number}_F1.jpg", "What\nis it?", options[right], *choices, "ABCD"[right]])
        with open(folder / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *rows])
    return folder


def omnimedvqa(folder: Path) -> Path:
    home = folder / "OmniMedVQA"
    (home / "QA_information" / "Open-access").mkdir(parents=True)
    for data in ("ACRIMA", "Chest CT Scan"):
        (home / "Images" / data).mkdir(parents=True)
        rows = []
        for number in range(20):
            image = f"Images/{data}/{number}.png"
            Image.fromarray(pixels(number + 50 * len(data))).save(home / image)
            row = {
                "dataset": data,
                "question_id": f"{data}_{number:04}",
                "question_type": "Modality Recognition",
                "question": "How was it made?",
                "gt_answer": "Fundus imaging." if number % 2 else "CT",
                "image_path": image,
                "option_A": "CT",
                "option_B": "Fundus imaging",
                "modality_type": "Fundus Photography",
            }
            rows.append(row if number % 2 else {**row, "option_C": "MRI", "option_D": "PET"})
        (home / "QA_information" / "Open-access" / f"{data}.json").write_text(json.dumps(rows))
    return folder


def mmmu(folder: Path) -> Path:
    from medgym.tasks.published.mmmu import SUBJECTS

    for place, subject in enumerate(SUBJECTS):
        for split, first in (("dev", 0), ("validation", 100), ("test", 200)):
            start = first + 10 * place
            hidden = split == "test"
            table: dict[str, list[Any]] = {
                "id": [f"{split}_{subject}_{number}" for number in range(3)],
                "question": [
                    "What is shown? <image 1>",
                    "Which of <image 1> and <image 2> is it?",
                    "How many <image 1>?",
                ],
                "options": ["['a cell', 'a \\'nucleus\\'']", "['<image 1>', '<image 2>', 'C']", "[]"],
                "answer": ["?"] * 3 if hidden else ["B", "C", "['three', '3']"],
                "question_type": ["multiple-choice", "multiple-choice", "open"],
                "subfield": ["Anatomy"] * 3,
                "image_1": [encoded(start + number) for number in range(3)],
                "image_2": [None, encoded(start + 5), None],
                "image_3": [None] * 3,
            }
            parquet(folder / subject, split, table, ("image_1", "image_2", "image_3"))
    return folder


def medxpertqa(folder: Path) -> Path:
    (folder / "MM").mkdir(parents=True)
    (folder / "images").mkdir()
    for split, first in (("dev", 0), ("test", 10)):
        rows = []
        for number in range(first, first + 3):
            names = [f"MM-{number}-{letter}.jpeg" for letter in "ab"[: 1 + number % 2]]
            for name in names:
                Image.fromarray(pixels(1000 + number * 2 + len(name))).save(folder / "images" / name)
            # Options that are letters themselves: the label is the option's letter.
            options = dict(zip("ABCDE", ["C", "D", "A", "B", "None of the above"], strict=True))
            rows.append(
                {
                    "id": f"MM-{number}",
                    "question": "Which artery, labeled in Figure A?\nAnswer Choices: (A) C (B) D (C) A (D) B (E) None",
                    "options": options,
                    "label": "ABCDE"[number % 5],
                    "images": names,
                    "medical_task": "Diagnosis",
                    "body_system": "Cardiovascular",
                    "question_type": "Reasoning",
                }
            )
        (folder / "MM" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder


def biomedparse(folder: Path) -> Path:
    number = 300
    for data, modality, site in (("LGG", "MRI-FLAIR", "brain"), ("amos22/CT", "CT", "abdomen")):
        for split, count in (("train", 12), ("test", 2)):
            for name in (split, f"{split}_mask"):
                (folder / data / name).mkdir(parents=True)
            for case in range(count):
                number += 1
                stem = f"{split}_{data.replace('/', '-')}_{'abcdefghijkl'[case]}_{case:03}_{modality}_{site}"
                Image.fromarray(pixels(number)).save(folder / data / split / f"{stem}.png")
                for place, target in enumerate(("lower-grade+glioma", "tumor")[: 1 + case % 2]):
                    mask = np.zeros((48, 64), np.uint8)
                    mask[5 + place : 20, 8:30] = 255
                    Image.fromarray(mask).save(folder / data / f"{split}_mask" / f"{stem}_{target}.png")
    return folder


def volume(path: Path, values: np.ndarray, affine: Sequence[float] = (-1, -1, 1, 1)) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(values, np.diag(affine)).to_filename(path)


def msd(folder: Path) -> Path:
    home = folder / "Task03_Liver"
    pairs = []
    for case in range(24):
        rng = np.random.default_rng(case)
        labels = np.zeros((40, 30, 9), np.uint8)
        labels[5:20, 4:16, 2:7] = 1
        labels[3:24, 3:20, 4 + case % 2] = 1
        if case % 3:
            labels[8:12, 6:9, 5] = 2
        scan = (labels * 100 + rng.integers(0, 40, labels.shape) - 50).astype(np.int16)
        for kind, values in (("imagesTr", scan), ("labelsTr", labels)):
            volume(home / kind / f"liver_{case}.nii.gz", values, ((-1, -1, 1, 1), (1, 1, -1, 1))[case % 2])
        pairs.append({"image": f"./imagesTr/liver_{case}.nii.gz", "label": f"./labelsTr/liver_{case}.nii.gz"})
    about = {
        "name": "Liver",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "numTraining": len(pairs),
        "training": pairs,
        "test": ["./imagesTs/liver_99.nii.gz"],
    }
    (home / "dataset.json").write_text(json.dumps(about))
    return folder


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "vqa-rad": vqa_rad,
    "path-vqa": path_vqa,
    "slake": slake,
    "pmc-vqa": pmc_vqa,
    "omnimedvqa": omnimedvqa,
    "mmmu": mmmu,
    "medxpertqa-mm": medxpertqa,
    "biomedparse-data": biomedparse,
    "msd": msd,
}


def copied(sample: Path, to: Path) -> Path:
    shutil.copytree(sample, to)
    return to
