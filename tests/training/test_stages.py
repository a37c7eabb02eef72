"""The three stages on a policy of a test's size: they resume, they repeat, and the guard brings a fallen policy back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from medgym.agents.transformers import Transformers, load
from medgym.cli import app
from medgym.core.errors import InputError
from medgym.data.screening import Flagged
from medgym.training import Guard, Training, grpo_trainer, load_plan
from tests.data.test_screening import records, scan

from .conftest import NANO

pytestmark = pytest.mark.slow


def training(out: Path, **changes: Any) -> Training:
    return Training(load_plan("quick", {**NANO, **changes}), out, say=lambda line: None)


def copied(nano: Path, out: Path) -> Path:
    shutil.copytree(nano, out)
    return out


def test_a_cold_start_teaches_the_form_of_an_action(nano: Path):
    results = training(nano).results()
    assert results["start"]["rewards"]["format"]["mean"] == 0.0
    assert results["sft"]["rewards"]["format"]["mean"] > 0.8
    assert results["sft"]["metrics"]["reward"]["mean"] > results["start"]["metrics"]["reward"]["mean"]


def test_a_killed_stage_goes_on_and_ends_as_one_that_was_not(nano: Path, tmp_path: Path):
    whole = training(copied(nano, tmp_path / "whole"))
    whole.run(("grpo",))

    class KilledError(Exception):
        pass

    from transformers import TrainerCallback

    class Killer(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 3:
                raise KilledError

    cut = copied(nano, tmp_path / "cut")
    first = Training(load_plan("quick", NANO), cut, say=lambda line: None, callbacks=[Killer()])
    with pytest.raises(KilledError):
        first.run(("grpo",))
    assert not (cut / "grpo" / "policy").exists()
    said: list[str] = []
    again = Training(load_plan("quick", NANO), cut, say=said.append)
    results = again.run(("grpo",))
    assert "grpo: goes on from checkpoint-2" in said
    assert results["grpo"] == whole.results()["grpo"]
    logs = [json.loads((out / "grpo" / "log.json").read_text("utf-8")) for out in (tmp_path / "whole", cut)]
    rewards = [[line["reward"] for line in log if "reward" in line] for log in logs]
    assert rewards[0] == rewards[1]


def test_a_fallen_policy_is_brought_back(nano: Path, tmp_path: Path):
    """A learning rate a thousand times too large makes it fall; what is left in the end is what was best."""
    run = training(copied(nano, tmp_path / "nano"))
    model, processor = load(str(tmp_path / "nano" / "sft" / "policy"))

    def measure(policy: Any) -> dict[str, float]:
        lines = run.held_out.play(Transformers(policy, processor, max_new_tokens=64), "validation")
        return {"reward": sum(line["reward"] for line in lines) / len(lines), "calls": float(len(lines))}

    said: list[str] = []
    guard = Guard(measure, every=2, most=1, say=said.append)
    trainer = grpo_trainer(
        model, processor, run.bridge, output_dir=str(tmp_path / "out"), tasks=20, callbacks=(guard,), report_to=[],
        max_steps=20, learning_rate=0.5, per_device_train_batch_size=8, num_generations=8, max_completion_length=288,
        temperature=0.7, max_grad_norm=1e9, warmup_steps=0, gradient_checkpointing=False,
    )  # fmt: skip
    before = measure(model)["reward"]
    assert before > 0.5
    trainer.train()
    assert len(guard.falls) == 2
    assert trainer.state.global_step < 20
    assert "training stops" in said[-2]
    assert min(each["reward"] for each in guard.history) < 0.5 * before
    assert measure(model)["reward"] == guard.best["reward"] >= before


def test_a_guard_is_told_what_it_is_given_wrong():
    with pytest.raises(InputError, match="between 0 and 1"):
        Guard(lambda model: {"reward": 1.0}, fall=2.0)


def test_reflection_needs_checkpoints_and_learns_from_corrections(nano: Path, tmp_path: Path):
    out = copied(nano, tmp_path / "nano")
    lessons = (out / "sft" / "demonstrations.jsonl").read_text("utf-8").splitlines(keepends=True)
    (out / "reflect").mkdir()
    (out / "reflect" / "demonstrations.jsonl").write_text("".join(lessons[:8]), "utf-8")
    results = training(out).run(("reflect",))
    assert set(results) == {"start", "sft", "reflect"}
    log = json.loads((out / "reflect" / "log.json").read_text("utf-8"))
    assert log[-1]["step"] == NANO["reflect.trainer.max_steps"]
    lone = copied(nano, tmp_path / "lone")
    shutil.rmtree(next((lone / "sft" / "checkpoints").glob("checkpoint-*")))
    with pytest.raises(InputError, match="save_steps"):
        training(lone).run(("reflect",))


def test_the_command_says_what_is_wrong_and_writes_a_report(nano: Path, tmp_path: Path):
    def train(*words: str) -> Any:
        return CliRunner().invoke(app, ["train", *words])

    out = str(copied(nano, tmp_path / "nano"))
    changes = [word for key, value in NANO.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    done = train("sft", str(Path(load_plan.__code__.co_filename).with_name("quick.toml")), "--out", out, *changes)
    assert done.exit_code == 0, done.output
    page = (Path(out) / "report.html").read_text("utf-8")
    assert "after SFT" in page
    assert "data:image/svg+xml" in page
    assert "differ" in str(train("quick", "--out", out, "--seed", "9").exception)
    assert "sft, reflect" in str(train("everything").exception)
    assert "name the plan" in str(train("sft").exception)
    assert "no plan" in str(train("sft", "nowhere.toml").exception)
    wrong = train("quick", "--out", str(tmp_path / "x"), "--set", "grpo.task=3").exception
    assert "grpo.task" in str(wrong)


def test_a_policy_that_had_no_lesson_stays_as_it_is(nano: Path, tmp_path: Path):
    out = copied(nano, tmp_path / "nano")
    (out / "reflect").mkdir()
    (out / "reflect" / "demonstrations.jsonl").write_text("")
    results = training(out).run(("reflect",))
    assert results["reflect"] == results["sft"]


def test_reinforcement_can_start_from_a_policy_of_ones_own(nano: Path, tmp_path: Path):
    given = {"policy.model": str(nano / "sft" / "policy"), "grpo.trainer.max_steps": 1}
    results = training(tmp_path / "own", **given).run(("grpo",))
    assert set(results) == {"start", "grpo"}
    assert results["start"]["rewards"] == training(nano).results()["sft"]["rewards"]


def test_two_processes_carry_out_a_plan_together(tmp_path: Path):
    plan = tmp_path / "plan.toml"
    plan.write_text(Path(load_plan.__code__.co_filename).with_name("quick.toml").read_text("utf-8"), "utf-8")
    short = {**NANO, "sft.trainer.max_steps": 4, "sft.trainer.save_steps": 2, "reflect.tasks": 4, "grpo.tasks": 8}
    changes = [word for key, value in short.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    launch = "accelerate.commands.launch --cpu --num_processes 2 --main_process_port 0 --module medgym train all"
    done = subprocess.run(
        [sys.executable, "-m", *launch.split(), str(plan), "--out", str(tmp_path / "out"), *changes],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("report.html") == 1
    found = {stage: json.loads((tmp_path / "out" / stage / "summary.json").read_text()) for stage in ("start", "grpo")}
    assert found["grpo"]["episodes"] == NANO["held_out"]
    log = json.loads((tmp_path / "out" / "grpo" / "log.json").read_text("utf-8"))
    assert [line["step"] for line in log if "reward" in line] == [1, 2, 3, 4]


def test_one_seed_gives_the_same_numbers(tmp_path: Path):
    few = {"sft.tasks": 30, "sft.trainer.max_steps": 6, "sft.trainer.save_steps": 3, "reflect.tasks": 4, "held_out": 4}
    found = []
    for name in ("one", "two"):
        results = training(tmp_path / name, **few).run()
        logs = [json.loads((tmp_path / name / stage / "log.json").read_text("utf-8")) for stage in ("sft", "grpo")]
        found.append((results, [[line.get("loss"), line.get("reward")] for log in logs for line in log]))
    assert found[0] == found[1]


def test_no_picture_that_may_name_a_patient_is_kept_unless_its_user_says_so(tmp_path: Path):
    for name, text in (("a.png", ""), ("b.png", "Doe, Jane"), ("c.png", "")):
        pixels = scan(text).copy()
        pixels[-1, ord(name[0]) :] = 90  # or two of them would be one picture
        Image.fromarray(pixels).save(tmp_path / name)
    for number in range(30):
        Image.fromarray(np.full((64, 64), number, np.uint8)).save(tmp_path / f"{number}.png")
    names = ["a.png", "b.png", "c.png", *(f"{number}.png" for number in range(30))]
    many = str(records(tmp_path, *names))
    plan = load_plan("quick", {**NANO, "env.tasks": many})
    with pytest.raises(InputError, match=r"(?s)may name a patient.*b\.png: text in the pixels"):
        Training(plan, tmp_path / "refused", say=lambda line: None)
    assert not (tmp_path / "refused").exists()
    with pytest.raises(InputError, match=r"sft\.tasks is 100, but split 'train' has 33 tasks"):
        Training(plan, tmp_path / "few", say=lambda line: None, flagged=Flagged.KEEP).run(("sft",))
    kept = {}
    for flagged in (Flagged.SKIP, Flagged.KEEP):
        out = tmp_path / flagged
        changes = {"env.tasks": many, "held_out": 3, "sft.tasks": 30}
        Training(load_plan("quick", {**NANO, **changes}), out, say=lambda line: None, flagged=flagged).begin()
        lines = [json.loads(line) for line in (out / "start" / "episodes.jsonl").read_text().splitlines()]
        assert len(lines) == 3
        pictures = {path.stem for path in (out / "start" / "images").iterdir()}
        kept[flagged] = [{view["image"] for view in line["views"]} <= pictures for line in lines]
        assert "text in the pixels" in (out / "screening.json").read_text()
    assert kept == {Flagged.SKIP: [True, False, True], Flagged.KEEP: [True, True, True]}
