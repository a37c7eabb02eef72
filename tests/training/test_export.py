"""Trajectories as other trainers read them."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from medgym.cli import app
from medgym.core.errors import InputError

RUN = ["run", "--agent", "teacher", "--tasks", "phantoms:native=64,modality=oct", "--view-size", "64"]
RUN += ["--kind", "segmentation", "--segmenter", "simulated", "--episodes", "4"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "teacher"
    assert CliRunner().invoke(app, [*RUN, "--out", str(out)]).exit_code == 0
    return out


def exported(recorded: Path, out: Path, form: str) -> dict:
    done = CliRunner().invoke(app, ["export", str(recorded), "--out", str(out), "--format", form, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_every_form_has_every_word_and_image(recorded: Path, tmp_path: Path):
    lines = [json.loads(line) for line in (recorded / "episodes.jsonl").read_text("utf-8").splitlines()]
    for form in ("trl", "sharegpt", "verl"):
        written = exported(recorded, tmp_path / form, form)
        assert written["trajectories"] == 4
        text = Path(written["file"])
        if form == "trl":
            rows = [json.loads(line) for line in text.read_text("utf-8").splitlines()]
            chats = [[(m["role"], m["content"]) for m in row["messages"]] for row in rows]
            marks = [sum(p["type"] == "image" for _, parts in chat for p in parts) for chat in chats]
            said = [[c[0]["text"] for role, c in chat if role == "assistant"] for chat in chats]
        elif form == "sharegpt":
            rows = json.loads(text.read_text("utf-8"))
            assert json.loads((tmp_path / form / "dataset_info.json").read_text())["medgym"]["file_name"] == "data.json"
            marks = [sum(turn["value"].count("<image>") for turn in row["conversations"]) for row in rows]
            said = [[t["value"] for t in row["conversations"] if t["from"] == "gpt"] for row in rows]
            assert all(row["system"].startswith("You examine") for row in rows)
        else:
            from datasets import Dataset

            rows = list(Dataset.from_parquet(str(text), cache_dir=str(tmp_path / "cache")))
            marks = [sum(m["content"].count("<image>") for m in row["messages"]) for row in rows]
            said = [[m["content"] for m in row["messages"] if m["role"] == "assistant"] for row in rows]
            rows = [{"images": [each["image"] for each in row["all_images"]]} for row in rows]
        assert said == [[turn["text"] for turn in line["turns"]] for line in lines]
        assert marks == [len(row["images"]) for row in rows]
        for row in rows:
            for file in row["images"]:
                assert Image.open(tmp_path / form / file).size[0] > 0


def test_bad_input_is_named(recorded: Path, tmp_path: Path):
    def wrong(*words: str) -> str:
        error = CliRunner().invoke(app, ["export", *words]).exception
        assert isinstance(error, InputError)
        return str(error)

    assert "sharegpt" in wrong(str(recorded), "--out", str(tmp_path / "a"), "--format", "sharegtp")
    assert "not empty" in wrong(str(recorded), "--out", str(recorded))
    assert "no demonstrations" in wrong(str(tmp_path / "none"), "--out", str(tmp_path / "b"))
