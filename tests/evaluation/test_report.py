"""The report of a run: everything of every episode is in one file, told rightly, whatever a policy wrote."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.geometry import Affine
from medgym.core.mask import Mask
from medgym.evaluation.pictures import embedded
from medgym.evaluation.report import Part, write_episodes, write_report
from medgym.evaluation.run import RunConfig, play

from .browser import driven, needs_browser

NASTY = "</script><b>&\"'` größer 肝臓 <!-- {{title}}"
TRUE = Mask.of_box((20, 10, 60, 50), (100, 80))
FOUND = Mask.of_box((30, 10, 70, 50), (100, 80))
TURNED = Affine(0.0, 0.5, 10.0, -0.5, 0.0, 70.0)
"""A view of 120 x 160 pixels, turned by a quarter, of the original's (10, 10) to (90, 70)."""


def view(index: int, image: str = "plain", **changes: Any) -> dict[str, Any]:
    whole = {"size": [100, 80], "to_original": list(Affine()), "of": 0, "mask": None, "drawn": "fill", "panels": []}
    return {"index": index, "image": image, **whole, **changes}


def record(index: int = 0, **changes: Any) -> dict[str, Any]:
    call = {"name": "sam2", "arguments": {"image": 1, "bbox_2d": [30, 10, 70, 50], "points": [[5, 6]], "labels": [0]}}
    turned = view(2, size=[120, 160], to_original=list(TURNED), mask=FOUND.to_json())
    empty = {"thought": "", "calls": [], "answer": None, "errors": [], "mask": None, "fault": ""}
    turns = [
        {**empty, "text": "raw", "thought": "I look.", "calls": [{**call, "result": {"text": "A mask.", "view": 2}}]},
        {**empty, "text": "raw", "answer": {"mask": 2}, "mask": FOUND.to_json()},
    ]
    return {
        "version": 3, "task_id": f"made/{index}", "split": "test", "index": index, "kind": "segmentation",
        "modality": "CT", "question": f"Segment tumor {index}.", "options": [], "end_reason": "answer", "reward": 2.0,
        "rewards": {"format": {"value": 1.0, "reason": "usable"}, "answer": {"value": 1.0, "reason": "IoU 0.600"}},
        "correct": True, "quality": 0.6, "iou": 0.6, "dice": 0.75, "calls": 1, "failed": "", "seconds": 1.5,
        "usage": {"output_tokens": 12}, "errors": [], "turns": turns, "views": [view(1), turned], **changes,
    }  # fmt: skip


def truth(index: int = 0, **changes: Any) -> dict[str, Any]:
    empty = {"answer": None, "accepted": [], "boxes": [], "image": 0, "unit": "", "tolerance": None}
    return {"index": index, **empty, "mask": TRUE.to_json(), **changes}


def written(folder: Path, lines: list[dict[str, Any]], **settings: Any) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    Image.new("RGB", (100, 80), (90, 60, 50)).save(folder / "images" / "plain.png")
    write_report(folder, lines, settings.pop("summary", {}), **settings)
    return folder / "report.html"


def held(page: str, name: str) -> Any:
    """What a page holds as JSON under a name; it must be JSON as others read it, without NaN."""
    inside = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert inside

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(inside[1], parse_constant=refuse)


def test_every_episode_and_truth_is_kept_and_no_text_leaves_its_place(tmp_path: Path):
    thought = "so " * 3333 + "\ud800"
    lines = [record(question=NASTY, reward=float("nan"), task_id=NASTY), record(1)]
    lines[0]["turns"][0]["thought"] = thought
    page = written(tmp_path, lines, truths={0: truth(accepted=[NASTY])}).read_text("utf-8")
    kept = held(page, "episode-0")
    assert kept["line"] == {**lines[0], "reward": None}
    assert kept["line"]["turns"][0]["thought"] == thought
    assert kept["truth"] == truth(accepted=[NASTY])
    assert held(page, "episode-1") == {"line": lines[1], "truth": None}
    assert held(page, "index")["columns"]["question"] == [NASTY, "Segment tumor 1."]
    assert "</script><b>" not in page
    assert page.count("</script>") == 5, "the script, the index, two episodes and one picture"
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


def test_a_picture_is_in_the_page_once_and_what_is_missing_or_damaged_stops_nothing(tmp_path: Path):
    views = [view(1), view(2, "gone"), view(3, "damaged")]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    page = written(tmp_path, [record(i, views=views) for i in range(3)]).read_text("utf-8")
    assert re.findall(r'id="picture-(\w+)"', page) == ["plain"]


def test_pictures_shrink_until_they_fit(tmp_path: Path):
    rng, paths = np.random.default_rng(0), []
    for i in range(6):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(rng.integers(0, 255, (512, 512, 3), np.uint8)).save(paths[-1], compress_level=0)
    large, small = (sum(len(code) for _, code in embedded(paths, budget)) for budget in (10**8, 400_000))
    assert small < 400_000 * 4 / 3 + 6 * 200 < large
    assert len(list(embedded(paths, 400_000))) == 6
    assert len(list(embedded(paths, 20_000))) < 6, "beyond the smallest size, the last stay beside the page"


def test_a_training_and_an_old_run_without_config_are_written_too(tmp_path: Path):
    old = {key: value for key, value in record().items() if key not in ("failed", "errors", "usage", "seconds")}
    parts = [Part(tmp_path, [old], stage=stage) for stage in ("before", "after SFT")]
    write_episodes(tmp_path / "training.html", NASTY, parts, {}, results="<p id=curves>")
    page = (tmp_path / "training.html").read_text("utf-8")
    assert "<p id=curves>" in page
    assert "<title>&lt;/script&gt;" in page
    assert held(page, "index")["columns"]["stage"] == ["before", "after SFT"]


def test_a_run_says_what_was_run(tmp_path: Path):
    lines = play(RunConfig("MedTool-v0", "silent", 2, 0, {"split": "test"}), tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    index = held(page, "index")
    assert dict(index["about"])["agent"] == "silent"
    assert index["summary"]["metrics"]["reward"]["mean"] == sum(line["reward"] for line in lines) / 2
    assert len(re.findall('id="picture-', page)) == 2


@needs_browser
def test_an_episode_is_shown_with_its_steps_masks_and_reasons(tmp_path: Path):
    page = written(tmp_path, [record(0), record(17, question=NASTY)], truths={17: truth(17)})
    script = """
    found.question = words(".question");
    found.turn = words(".turn[aria-current] h3");
    found.ious = all(".iou").map((each) => each.textContent);
    found.said = words("article");
    const canvas = all("#turn-1 canvas")[1];
    const seen = () => {
      const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const places = { cyan: [], amber: [] };
      for (let i = 0; i < data.length; i += 4) {
        const near = (r, g, b) => Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 30 && data[i + 3] > 200;
        if (near(34, 211, 238)) places.cyan.push([(i / 4) % width, Math.floor(i / 4 / width)]);
        if (near(255, 176, 32)) places.amber.push([(i / 4) % width, Math.floor(i / 4 / width)]);
      }
      const box = (list) => list.length ? [0, 1].flatMap((k) => [Math.min(...list.map((p) => p[k])), Math.max(...list.map((p) => p[k]))]) : null;
      return [box(places.cyan), box(places.amber)];
    };
    found.scale = canvas.width / 120;
    found.drawn = seen();
    press("t");
    found.untrue = seen();
    press("p");
    found.bare = seen();
    found.boxes = all("[data-layer]").map((box) => box.checked);
    """
    found = driven(page, script, "#index=17&turn=2")
    assert found["question"] == NASTY, "text of anybody's is text"
    assert found["turn"].startswith("Turn 2")
    assert found["ious"] == [f"{TRUE.iou(FOUND):.3f}"] * 2
    for words in (
        "I look.",
        "sam2(image=1, bbox_2d=[30, 10, 70, 50]",
        "A mask.",
        "IoU 0.600",
        "the mask outlined as truth",
    ):
        assert words in found["said"]
    for drawn, mask in zip(found["drawn"], (TRUE, FOUND), strict=True):
        x1, y1, x2, y2 = Mask.of(mask.seen(TURNED, (120, 160))).box or (0, 0, 0, 0)
        expected = [found["scale"] * edge for edge in (x1, x2, y1, y2)]
        assert np.abs(np.array(drawn) - expected).max() < 3, "outlines lie where the masks are, on a turned view too"
    assert found["untrue"][0] is None
    assert found["untrue"][1]
    assert found["bare"] == [None, None]
    assert found["boxes"] == [False, False]


@needs_browser
@pytest.mark.parametrize(("version", "drawn", "filled"), [(3, "fill", True), (3, "contour", False), (2, "fill", False)])
def test_a_plain_picture_gets_its_mask_as_the_policy_saw_it(tmp_path: Path, version: int, drawn: str, filled: bool):
    turned = view(2, size=[120, 160], to_original=list(TURNED), mask=FOUND.to_json(), drawn=drawn)
    page = written(tmp_path, [record(version=version, views=[view(1), turned])])
    script = """
    const canvas = all("#turn-1 canvas")[1];
    const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const red = [];
    for (let i = 0; i < data.length; i += 4)
      if (data[i] > 220 && data[i + 1] < 60 && data[i + 3] > 95 && data[i + 3] < 110)
        red.push([(i / 4) % width, Math.floor(i / 4 / width)]);
    found.scale = canvas.width / 120;
    found.red = red.length;
    found.middle = red.length ? [0, 1].map((k) => red.reduce((sum, place) => sum + place[k], 0) / red.length) : null;
    """
    found = driven(page, script, "#index=0&turn=1")
    assert (found["red"] > 0) == filled
    if filled:
        seen = FOUND.seen(TURNED, (120, 160))
        middle = [found["scale"] * (each.mean() + 0.5) for each in np.nonzero(seen)[::-1]]
        assert np.abs(np.array(found["middle"]) - middle).max() < 2
        assert found["red"] > 0.7 * found["scale"] ** 2 * seen.sum()


@needs_browser
def test_the_list_is_filtered_and_stepped_by_keys(tmp_path: Path):
    lines = [record(i, correct=i % 2 == 0, errors=["missed"] if i % 5 == 0 else []) for i in range(400)]
    lines[7] |= {"failed": "no answer from the endpoint", "kind": "choice", "options": ["a", "b"], "iou": None}
    lines[9]["views"][0]["image"] = "gone"
    script = """
    found.rows = all(".row").length;
    found.total = words("#found output");
    press("j"); press("ArrowDown"); press("k");
    found.second = words(".row[aria-selected=true] .words");
    press("l"); press("l"); press("l");
    found.address = location.hash;
    pick("by-outcome", "wrong");
    found.wrong = words("#found output");
    pick("by-error", "missed");
    found.missed = words("#found output");
    press("j");
    found.stepped = words(".question");
    document.getElementById("clear").click();
    found.cleared = words("#found output");
    pick("search", "TUMOR 39 made/39");
    found.searched = words("#found output");
    pick("search", "");
    pick("by-outcome", "failed");
    press("j");
    found.failed = words("article .error");
    document.getElementById("clear").click();
    location.hash = "#index=9";
    await pause(400);
    found.missing = all(".missing").map((note) => note.textContent);
    document.querySelector("figure .stage").click();
    found.enlarged = document.getElementById("enlarged").open;
    document.getElementById("enlarged").close();
    press("r");
    await pause();
    found.results = [words("#summary"), words("#charts"), document.getElementById("episodes").hidden];
    """
    summary = {
        "rewards": {"format": {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 399}},
        "by_kind": {"segmentation": {"iou": {"mean": 0.6, "low": None, "high": None, "n": 399}}},
        "metrics": {"iou": {"mean": 0.6, "low": 0.5, "high": 0.7, "n": 400}},
        "definitions": {"iou": "overlap of masks", "missed": "looked elsewhere"},
        "transitions": {"start": {"sam2": 400}},
        "errors": {"missed": 80},
    }
    found = driven(written(tmp_path, lines, summary=summary), script, "#episodes")
    assert found["total"] == "400 of 400 episodes"
    assert 5 < found["rows"] < 60, "only the rows in sight are drawn"
    assert found["second"] == "Segment tumor 1."
    assert found["address"] == "#index=1&turn=2"
    assert found["wrong"] == "199 of 400 episodes", "the failed one is not wrong"
    assert found["missed"] == "40 of 400 episodes"
    assert found["stepped"] == "Segment tumor 5."
    assert found["cleared"] == "400 of 400 episodes"
    assert found["searched"] == "11 of 400 episodes", "39, and 390 to 399"
    assert "no answer from the endpoint" in found["failed"]
    assert found["missing"] == ["The picture gone.png is missing."]
    assert found["enlarged"] is True
    table, charts, hidden = found["results"]
    assert hidden is True
    assert "overlap of masks" in table
    assert "0.50 to 0.70" in table
    for words in ("Reward by component", "IoU of masks, n = 399", "missed", "segmentation", "what followed what"):
        assert words in charts


@needs_browser
@pytest.mark.parametrize("width", [1280, 700])
def test_an_empty_run_says_so_and_nothing_is_cut_off(tmp_path: Path, width: int):
    script = """
    found.words = words("#summary");
    found.wide = document.documentElement.scrollWidth;
    press("e");
    await pause();
    press("j"); press("l"); press("Enter");
    found.total = words("#found output");
    """
    found = driven(written(tmp_path, []), script, width=width)
    assert "There are no episodes." in found["words"]
    assert found["total"] == "0 of 0 episodes"
    assert found["wide"] <= width
