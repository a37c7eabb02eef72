"""Reinforcement on an environment: what is logged, and what is never sampled."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medgym.agents.transformers import load, placeholders
from medgym.training import Bridge, Guard, Training, grpo_trainer, load_plan
from medgym.training.journal import Journal

from .conftest import NANO

pytestmark = pytest.mark.slow


def started(nano: Path, **settings: Any) -> Any:
    training = Training(load_plan("quick", NANO), nano, say=lambda line: None)
    model, processor = load(str(nano / "sft" / "policy"))
    own = {"max_steps": 1, "per_device_train_batch_size": 4, "num_generations": 4, "max_completion_length": 160}
    return grpo_trainer(model, processor, training.bridge, tasks=8, **{**own, "report_to": [], **settings})


def test_components_and_trajectories_are_logged(nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tensorboard"))
    trainer = started(nano, output_dir=str(tmp_path / "out"), report_to=["wandb", "tensorboard"])
    trainer.train()
    logged = trainer.state.log_history[0]
    names = Bridge("MedTool-v0").scenario.recipe.names
    parts = [logged[f"rewards/{name}/mean"] for name in names]
    assert sum(parts) == pytest.approx(logged["reward"], abs=1e-5)
    assert {"medgym/calls", "medgym/unusable", "medgym/answered", "medgym/correct", "medgym/quality"} <= set(logged)
    tables = list(tmp_path.glob("wandb/offline-run-*/files/media/table/**/*.json"))
    assert tables, "the table of trajectories is kept offline"
    table = json.loads(tables[0].read_text("utf-8"))
    assert {"question", "said", "image", "reasons", *names} <= set(table["columns"])
    assert len(table["data"]) == 4
    journal = next(each for each in trainer.callback_handler.callbacks if isinstance(each, Journal))
    columns, rows = journal.table(lambda picture: picture)
    for row, (trajectory, _) in zip(rows, journal.bridge.newest, strict=True):
        assert row[columns.index("image")].size == (sum(view.size[0] for view in trajectory.views), 64)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_trackio_keeps_a_table_of_trajectories(tmp_path: Path):
    """In a process of its own: trackio reads where it writes when it is imported."""
    code = """
from types import SimpleNamespace
import trackio
from trackio.sqlite_storage import SQLiteStorage
from medgym.agents.agent import make_agent
from medgym.evaluation.rollout import rollouts
from medgym.training import Bridge
from medgym.training.journal import Journal
bridge = Bridge("MedTool-v0", tasks="phantoms:native=128,modality=oct,form=segment_organ", view_size=128)
bridge.newest = list(rollouts(bridge.scenario, make_agent("scripted", 0), [("train", 0)]))
trackio.init(project="medgym", name="run")
state = SimpleNamespace(is_world_process_zero=True, global_step=1)
Journal(bridge).on_step_end(SimpleNamespace(report_to=["trackio"]), state, None)
trackio.finish()
row = SQLiteStorage.get_logs("medgym", "run")[0]["medgym/trajectories"]["_value"][0]
assert row["image"]["_type"] == "trackio.image", row
assert "reward" in row and "segment" in row["question"].lower(), row
"""
    env = {**os.environ, "TRACKIO_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert list(tmp_path.glob("media/**/*.png"))


def test_placeholders_are_never_sampled(nano: Path, tmp_path: Path):
    trainer = started(nano, output_dir=str(tmp_path))
    banned = placeholders(trainer.processing_class)
    assert trainer.processing_class.image_token_id in banned
    assert trainer.processing_class.tokenizer.pad_token_id in banned
    assert trainer.processing_class.tokenizer.eos_token_id not in banned
    assert trainer.generation_config.suppress_tokens == banned
    with torch.no_grad():
        trainer.model.lm_head.weight[banned] += 10 * trainer.model.lm_head.weight.abs().max()
    row = trainer.train_dataset[0]
    out = trainer._generate_and_score_completions([row] * 4)
    written = out["completion_ids"][(out["tool_mask"] * out["completion_mask"]).bool()]
    assert not set(written.tolist()) & set(banned)


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("reward", 3.0, 1.0),
        ("medgym/calls", 1.0, 0.2),
        ("medgym/answered", 0.9, 0.3),
        ("medgym/unusable", 0.05, 0.4),
        ("entropy", 0.5, 1.5),
    ],
)
def test_what_goes_wrong_in_the_rollouts_is_looked_into_once(tmp_path: Path, key: str, before: float, after: float):
    looks: list[int] = []

    def measure(model: Any) -> dict[str, float]:
        looks.append(1)
        return {"reward": 3.0, "calls": 1.0}

    guard = Guard(measure, every=1000)
    args, state = SimpleNamespace(output_dir=str(tmp_path)), SimpleNamespace(global_step=0, max_steps=5000)
    model = torch.nn.Linear(1, 1)
    guard.on_train_begin(args, state, None, model=model)
    for step in range(1, 31):
        state.global_step = step
        guard.on_log(args, state, None, logs={key: before if step < 15 else after})
        guard.on_step_end(args, state, None, model=model)
    assert len(looks) == 2, "one look at the start, one at the change"
