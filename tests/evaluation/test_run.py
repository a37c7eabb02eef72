"""Runs: what is kept must be complete, must go on after a kill, and must repeat."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.evaluation.pictures import image_name
from medgym.evaluation.run import RunConfig, play
from medgym.evaluation.summary import summarise


def config(agent: str = "scripted", episodes: int | None = 4, **settings: Any) -> RunConfig:
    return RunConfig("MedTool-v0", agent, episodes, 0, {"split": "test", **settings})


def test_a_run_is_a_folder_with_everything(tmp_path: Path) -> None:
    lines = play(config(), tmp_path / "run")
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "episodes.jsonl",
        "images",
        "truth.jsonl",
        "summary.json",
        "report.html",
    }
    kept = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert kept == json.loads(json.dumps(lines))
    assert json.loads((run / "summary.json").read_text()) == json.loads(json.dumps(summarise(lines)))
    about = json.loads((run / "config.json").read_text())
    assert about["versions"]["gymnasium"]
    assert about["reward"]["name"] == "ophiuchus"
    images = {path.stem for path in (run / "images").iterdir()}
    assert images == {view["image"] for line in kept for view in line["views"]}
    for line in kept:
        for view in line["views"]:
            with Image.open(run / "images" / f"{view['image']}.png") as picture:
                assert list(picture.size) == view["size"]
                shape = (picture.height, picture.width, 3)
                assert image_name(np.asarray(picture.convert("RGB")).reshape(shape)) == view["image"]
            if view["mask"]:
                assert Mask.from_json(view["mask"]).area > 0


def test_a_cut_off_run_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    whole = play(config(), tmp_path / "whole")
    play(config(episodes=2), tmp_path / "cut")
    path = tmp_path / "cut" / "episodes.jsonl"
    path.write_text(path.read_text() + '{"version": 1, "task_id": "phan')
    seen: list[int] = []
    again = play(config(), tmp_path / "cut", lambda done, total: seen.append(len(done)))
    assert again == whole
    assert len(path.read_text().splitlines()) == 4
    assert (tmp_path / "cut" / "summary.json").read_text() == (tmp_path / "whole" / "summary.json").read_text()


def test_a_recipe_edited_in_between_is_another_run(tmp_path: Path) -> None:
    card = tmp_path / "mine.toml"
    card.write_text("[[component]]\nname = 'format'\n")
    play(config("silent", episodes=1, reward=str(card)), tmp_path / "run")
    card.write_text("[[component]]\nname = 'answer'\n")
    with pytest.raises(InputError, match="its 'reward' is"):
        play(config("silent", episodes=2, reward=str(card)), tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        play(config("silent", episodes=2, reward=str(card)), tmp_path / "run")


def test_asking_for_fewer_than_there_are_loses_none(tmp_path: Path) -> None:
    play(config("silent", episodes=3), tmp_path / "run")
    assert len(play(config("silent", episodes=1), tmp_path / "run")) == 3
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["episodes"] == 3


def test_another_run_or_a_strangers_folder_is_not_written_into(tmp_path: Path) -> None:
    play(config(episodes=1), tmp_path / "run")
    with pytest.raises(InputError, match="holds another run"):
        play(config("silent", episodes=1), tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        play(config(episodes=1), tmp_path / "mine")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"episodes": 10**9}, "episodes is from 1"),
        ({"episodes": 0}, "episodes is from 1"),
        ({"agent": "oracl"}, "Did you mean 'oracle'"),
        ({"agent": "random:sed=1"}, "cannot be made"),
        ({"agent": "json:JSONDecoder"}, "no act"),
        ({"rewards": "x"}, "cannot be made"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        play(config(**settings))
    with pytest.raises(InputError, match="Did you mean 'MedTool-v0'"):
        play(RunConfig("MedTul-v0", "silent", 1, 0, {}))


def test_the_same_run_twice_is_the_same() -> None:
    assert play(config("random")) == play(config("random"))


def test_a_summary_says_over_how_many_each_mean_is() -> None:
    lines = play(config("oracle", 6, segmenter="simulated:error=0"))
    summary = summarise(lines)
    metrics = summary["metrics"]
    kinds = [metrics[name]["n"] for name in ("accuracy", "iou", "f1") if name in metrics]
    assert sum(kinds) == summary["episodes"] == 6
    assert metrics["reward"]["mean"] == pytest.approx(sum(each["mean"] for each in summary["rewards"].values()))
    assert metrics["reward"]["low"] <= metrics["reward"]["mean"] <= metrics["reward"]["high"]
    assert summarise([])["metrics"] == {}
    assert "accuracy" not in summarise([line for line in lines if line["kind"] == "detection"])["metrics"]
    assert set(metrics) <= set(summary["definitions"])


def test_a_line_does_not_hold_the_right_answer() -> None:
    lines = play(config("silent", 12, kinds=["open"]))
    wrong = [line for line in lines if not line["correct"]]
    assert wrong
    for line in wrong:
        truth = {"liver", "spleen", "cyst", "tumor", "calcification", "kidney"}
        said = json.dumps({key: value for key, value in line.items() if key not in ("question", "task_id")})
        assert not [word for word in truth if word in said], said
