"""Small made samples of the published data sets, in the schemas and folders that they are distributed in."""

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


SAMPLES: dict[str, Callable[[Path], Path]] = {"vqa-rad": vqa_rad, "path-vqa": path_vqa, "slake": slake}


def copied(sample: Path, to: Path) -> Path:
    shutil.copytree(sample, to)
    return to
