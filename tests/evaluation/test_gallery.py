"""The page of samples: a row for each part, the true masks drawn, everything in one file."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.evaluation.gallery import COLUMNS, SIDE, write_gallery
from medgym.tasks.phantoms import Phantoms


def pictures(page: str) -> list[np.ndarray]:
    codes = re.findall(r"base64,([^\"]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))) for code in codes]


def test_phantoms_have_a_row_for_each_modality_and_difficulty(tmp_path: Path):
    out, told = tmp_path / "gallery.html", []
    count = write_gallery(
        "phantoms:modality=ct+fundus,native=96", "test", out, lambda done, of: told.append((done, of))
    )
    page = out.read_text("utf-8")
    assert count == 2 * 4 * COLUMNS
    assert re.findall(r"<h2>(.*?)</h2>", page) == [f"{m}, difficulty {d}" for m in ("ct", "fundus") for d in range(4)]
    assert told == [(done, 8) for done in range(9)]
    found = pictures(page)
    assert len(found) == 2 * count, "each plain and with its masks"
    assert max(picture.shape[0] for picture in found) <= SIDE
    assert page.count("src=") == page.count('src="data:'), "it opens from disk, whatever is beside it"


def test_the_true_masks_are_drawn(tmp_path: Path):
    out = tmp_path / "gallery.html"
    write_gallery("phantoms:modality=ct,difficulty=0,form=host,native=256", "train", out)
    plain, drawn = (picture.astype(int) for picture in pictures(out.read_text("utf-8"))[:2])
    task = Phantoms("train", modality="ct", difficulty=0, form="host", native=256)[0]
    x1, y1, x2, y2 = map(int, task.truth.boxes[0])
    red = (drawn[..., 0] - drawn[..., 1:].max(2) > 140) & (np.abs(plain - drawn).sum(2) > 60)
    rows, columns = np.nonzero(red)
    assert np.abs(np.array([columns.min(), rows.min(), columns.max(), rows.max()]) - (x1, y1, x2, y2)).max() < 4


def test_records_are_shown_in_order(tmp_path: Path):
    Image.fromarray(np.full((40, 50), 90, np.uint8)).save(tmp_path / "a.png")
    records = [
        {"question_id": i, "question_type": "open-ended", "question": f"Is <{i}> what?", "answer": "this",
         "image_path": ["a.png"]}
        for i in range(6)
    ]  # fmt: skip
    (tmp_path / "records.json").write_text(json.dumps(records))
    out = tmp_path / "gallery.html"
    assert write_gallery(str(tmp_path / "records.json"), "test", out) == 6
    page = out.read_text("utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["tasks 0 to 3", "tasks 4 to 5"]
    assert "Is &lt;5&gt; what?" in page, "questions are text, not HTML"


def test_an_unknown_source_writes_nothing(tmp_path: Path):
    with pytest.raises(InputError, match="phantoms"):
        write_gallery("fantoms", "test", tmp_path / "gallery.html")
    assert not list(tmp_path.iterdir())
