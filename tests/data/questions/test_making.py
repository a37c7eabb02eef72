"""From masks to a file of questions: true, even, the same for the same seed, with what was refused beside it."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import medgym
from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import Kind, truth_of
from medgym.data.questions import make
from medgym.data.questions.making import REJECTED
from medgym.data.questions.model import Model
from tests.agents.test_openai import Reply, Stub, completion, refused
from tests.conftest import CASES
from tests.data.questions.conftest import SIZE, filled
from tests.data.questions.test_model import Serve
from tests.test_cli import medgym as command

NAMES = ("liver", "spleen", "kidney", "stomach", "aorta")
PLACES = [(20.0, 15.0), (130.0, 15.0), (20.0, 100.0), (130.0, 100.0)]


@pytest.fixture
def records(tmp_path: Path) -> str:
    """Eight images of two patients each split, with three of five organs at places by chance; one of them is tiny."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(8):
        Image.fromarray(rng.integers(0, 255, (SIZE[1], SIZE[0]), np.uint8)).save(tmp_path / f"{number}.png")
        masks = {}
        for i, place in zip(rng.permutation(5)[:3], rng.permutation(4), strict=False):
            x, y = PLACES[int(place)]
            side = 20 + 8 * int(rng.integers(4))
            masks[NAMES[int(i)]] = filled((x, y, x + side, y + side)).to_json()
        masks["cyst"] = filled((100, 80, 104, 84)).to_json()
        lines.append({
            "question_type": "segmentation", "question": "Segment the cyst.", "target": "cyst", "masks": masks,
            "image_path": f"{number}.png", "modality": "CT", "split": "test" if number % 4 == 0 else "train",
            "patient": f"P{number % 4}", "study": f"S{number}", "source": "hospital",
        })  # fmt: skip
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_what_is_made_is_served_with_all_that_its_source_says(records: str, tmp_path: Path) -> None:
    out = tmp_path / "made" / "questions.jsonl"
    counts = make(records, out, splits=("train", "test"), exhaustive=True)
    assert counts["images"] == 8
    written = lines(out)
    assert sum(counts["kept"].values()) == len(written)
    assert Counter(each["data_type"] for each in written) == counts["kept"]
    assert {each["split"] for each in written} == {"train", "test"}
    assert {each["source"] for each in written} == {"hospital"}
    assert all({"patient", "study", "image_path"} <= set(each) for each in written)
    kinds = set()
    for split in ("train", "test"):
        tasks = medgym.load_tasks(str(out), split)
        for index in range(len(tasks)):
            task = tasks[index]
            kinds.add(task.kind)
            truth = truth_of(task)
            assert all(mask.area for mask in truth.structures.values())
            assert (task.modality, task.meta["source"]) == ("CT", "hospital")
            assert bool(truth.boxes) == (truth.answer != "no")
    assert kinds == {Kind.CHOICE, Kind.YES_NO, Kind.NUMBER, Kind.SEGMENTATION, Kind.DETECTION}
    rejected = lines(tmp_path / "made" / REJECTED)
    assert {each["check"] for each in rejected} <= {"schema", "independence", "grounding", "options", "answer"}
    assert all(each["why"] and each["record"]["question"] for each in rejected)
    assert sum(sum(each.values()) for each in counts["rejected"].values()) == len(rejected)
    assert any("too small to see" in each["why"] for each in rejected)


@pytest.mark.slow
def test_no_letter_or_answer_is_more_frequent_than_chance(records: str, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    counts = make(records, out, exhaustive=True)
    by_form: dict[tuple[str, int], Counter[str]] = {}
    for each in lines(out):
        if each["question_type"] in ("multiple choice", "yes/no"):
            by_form.setdefault((each["data_type"], len(each.get("options", "  "))), Counter())[each["answer"]] += 1
    for (_, options), found in by_form.items():
        assert max(found.values()) <= -(-sum(found.values()) // options)
    assert counts["text_alone"]["right"] <= counts["text_alone"]["chance"] + 0.05 + 1 / counts["text_alone"]["n"] ** 0.5


def test_the_same_seed_gives_the_same_file(records: str, tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        make(records, tmp_path / name / "questions.jsonl", seed=seed, forms=("structure", "larger", "side"))
    one, two, three = (tmp_path / name / "questions.jsonl" for name in ("one", "two", "three"))
    assert one.read_bytes() == two.read_bytes() != three.read_bytes()
    assert (tmp_path / "one" / REJECTED).read_bytes() == (tmp_path / "two" / REJECTED).read_bytes()


def test_forms_and_how_many_an_image_can_be_chosen(records: str, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    counts = make(records, out, forms=("segment", "mark"), per_image=3)
    assert set(counts["kept"]) == {"segment", "mark"}
    images = Counter(each["image_path"] for each in lines(out))
    assert set(images.values()) == {3}
    assert counts["left_over"] == 6 * 3


def test_what_cannot_be_is_said(records: str, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    with pytest.raises(InputError, match=r"unknown form 'quadrants'\. Did you mean 'quadrant'"):
        make(records, out, forms=("quadrants",))
    with pytest.raises(InputError, match=r"expected the name of a \.jsonl file"):
        make(records, tmp_path / "questions.json")
    with pytest.raises(InputError, match=r"other than rejected\.jsonl and answers\.jsonl"):
        make(records, tmp_path / "answers.jsonl")
    (tmp_path / "link").symlink_to(tmp_path)
    for same in (records, tmp_path / "link" / "records.jsonl"):
        with pytest.raises(InputError, match="take the place of their source"):
            make(records, same)
    (tmp_path / "own.jsonl").write_text(json.dumps({"question": "Which?"}))
    with pytest.raises(InputError, match="exists and is not what medgym data questions wrote"):
        make(records, tmp_path / "own.jsonl")
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported" / "manifest.parquet").touch()
    with pytest.raises(InputError, match=r"holds an import, whose rejected\.jsonl would be lost"):
        make(records, tmp_path / "imported" / "questions.jsonl")
    with pytest.raises(InputError, match="only an endpoint can word questions"):
        make(records, out, write=True)
    with pytest.raises(InputError, match="per-image is a whole number from 1"):
        make(records, out, per_image=0)
    with pytest.raises(InputError, match=r"no question passes the checks; .*rejected\.jsonl says why"):
        make(records, out, forms=("diameter",))


def test_lengths_are_asked_for_where_the_size_of_a_pixel_is_known(tmp_path: Path) -> None:
    counts = make(
        "phantoms:size=4,native=128,modality=fundus", tmp_path / "q.jsonl", forms=("diameter", "count"), seed=1
    )
    assert counts["kept"]["diameter"] > 1
    for each in lines(tmp_path / "q.jsonl"):
        if each["data_type"] == "diameter":
            assert (each["unit"], each["tolerance"]) == ("mm", 0.1)
            assert "One pixel of the original image is" in each["question"]
            assert each["image_path"].startswith("images/")


# With an endpoint


def agreeing(body: dict[str, Any]) -> Reply:
    """Know nothing without the image, and agree with everything that is no number."""
    content = body["messages"][0]["content"]
    text = content if isinstance(content, str) else content[1]["text"]
    said = "cannot tell" if "withheld" in text else "yes"
    if "JSON" in text:
        asked = re.search(r"The right answer is: the region of (.+)\.", text)
        name = asked[1] if asked else ""
        return completion("Gladly!" if name == "kidney" else json.dumps({"question": f"Please outline the {name}."}))
    return completion(f"<answer>{said}</answer>")


def test_a_run_with_an_endpoint_goes_on_and_pays_once(serve: Serve, records: str, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    stub = Stub(by=lambda body: agreeing(body) if len(stub.asked) < 8 else refused(500, "gone"))
    url = serve(stub)

    def once(folder: Path) -> dict[str, Any]:
        model = Model("m", url, folder, retries=0, concurrency=1)
        return make(records, out, forms=("segment", "present"), model=model)

    first = once(tmp_path)
    assert first["not_checked"] > 0
    assert {each["check"] for each in lines(tmp_path / REJECTED) if "status 500" in each["why"]} == {"not checked"}
    asked = len(stub.asked)
    stub.by = agreeing
    second = once(tmp_path)
    assert second["not_checked"] == 0
    assert second["kept"]["segment"] > first["kept"].get("segment", 0)
    assert len(stub.asked) - asked == second["usage"]["requests"]
    kept = out.read_bytes()
    third = once(tmp_path)
    assert third["usage"]["requests"] == 0
    assert out.read_bytes() == kept


def test_what_a_model_writes_badly_is_counted_and_the_draft_stands(serve: Serve, records: str, tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    model = Model("m", serve(Stub(by=agreeing)), tmp_path, concurrency=1)
    counts = make(records, out, forms=("segment",), model=model, write=True)
    badly = [each for each in lines(tmp_path / REJECTED) if each["by"] == "model"]
    assert counts["rejected"]["segment"]["schema"] == len(badly) > 0
    assert any("no JSON object with a question: 'Gladly!'" in each["why"] for each in badly)
    assert counts["written_by_model"] > 0
    asked = {each["question"] for each in lines(out)}
    assert {"Please outline the liver.", "Please outline the spleen.", "Segment the kidney in this image."} <= asked


@pytest.mark.slow
def test_the_command_asks_an_endpoint(serve: Serve, records: str, tmp_path: Path) -> None:
    stub = Stub(by=agreeing)
    arguments = ("data", "questions", records, "--out", str(tmp_path / "questions.jsonl"), "--forms", "segment,side")
    ran = command(*arguments, "--endpoint", serve(stub), "--model", "m", "--write", "--json")
    assert ran.returncode == 0, ran.stderr
    counts = json.loads(ran.stdout)
    assert counts["usage"]["requests"] == len(stub.asked) > 0
    assert counts["written_by_model"] > 0
    # It answers yes to everything, which is no half of an image.
    assert (counts["kept"].get("side"), counts["rejected"]["side"]["answer"] > 0) == (None, True)


# On real images, and as a command


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_questions_of_the_real_cases_are_what_a_reader_sees(tmp_path: Path) -> None:
    out = tmp_path / "questions.jsonl"
    make(str(CASES / "records.json"), out)
    found = {(each["data_type"], next(iter(each["masks"]))): each for each in lines(out)}
    tumor = found["quadrant", "liver tumor"]
    assert tumor["options"][ord(tumor["answer"]) - ord("A")] == "lower left"
    assert tumor["boxes"] == [[89, 293, 126, 331]]
    cell = found["side", "inflammatory cell"]
    assert cell["options"][ord(cell["answer"]) - ord("A")] == "right half"
    larger = found["larger", "neoplastic cells"]
    assert larger["options"][ord(larger["answer"]) - ord("A")] == "neoplastic cells"
    assert Mask.from_json(found["segment", "liver tumor"]["masks"]["liver tumor"]).area == 1070
    ran = command("run", "--tasks", str(out), "--agent", "oracle", "--segmenter", "simulated:error=0", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["metrics"]["accuracy"]["mean"] == 1.0


@pytest.mark.slow
def test_the_command_counts_by_form_and_check(records: str, tmp_path: Path) -> None:
    out = tmp_path / "made" / "questions.jsonl"
    ran = command("data", "questions", records, "--out", str(out), "--forms", "side,segment", "--per-image", "2")
    assert ran.returncode == 0, ran.stderr
    assert "segment" in ran.stdout
    assert "grounding" in ran.stdout
    assert f"Kept in {out}, the rejected in {out.parent / REJECTED}" in ran.stdout
    assert {each["data_type"] for each in lines(out)} == {"side", "segment"}
    wrong = command("data", "questions", records, "--out", str(out), "--endpoint", "http://localhost:1")
    assert (wrong.returncode, "--endpoint URL --model NAME" in wrong.stderr) == (2, True)
