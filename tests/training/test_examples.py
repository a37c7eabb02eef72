"""The plans for real models run, from end to end, with tiny models of the same classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medgym.serving.app import Settings, make_app
from medgym.training import Bridge, Training, load_plan, small_policy
from medgym.training.small import Shape
from tests.serving.conftest import running

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_STEP = {"max_steps": 1, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "report_to": []}
SMALL: dict[str, Any] = {
    "held_out": 2,
    "env.view_size": 64,
    "env.tasks": "phantoms:native=64",
    "env.max_turns": 2,
    "policy.max_new_tokens": 8,
    "sft.tasks": 8,
    "reflect.tasks": 2,
    "grpo.tasks": 4,
    "grpo.guard": {"every": 1},
}


@pytest.fixture(scope="module")
def tool_server() -> Iterator[str]:
    with running(make_app(Settings("classical"))) as url:
        yield url


@pytest.mark.parametrize("lora", [True, False])
@pytest.mark.parametrize(("plan", "architecture"), [("qwen3-vl-8b", "qwen3_vl"), ("qwen2.5-vl-7b", "qwen2_5_vl")])
def test_the_plan_runs(plan: str, architecture: str, lora: bool, tmp_path: Path, tool_server: str):
    bridge = Bridge("MedTool-v0", tasks="phantoms:native=64", view_size=64)
    texts = [message["content"] for index in range(5) for message in bridge.row("train", index)["prompt"]]
    shape = Shape(hidden=32, layers=1, heads=2, seen=32, depth=2, tokens=128)
    model, processor = small_policy(texts, [texts[0]], architecture=architecture, shape=shape, side=64)
    model.save_pretrained(tmp_path / "tiny")
    processor.save_pretrained(tmp_path / "tiny")
    changes = {**SMALL, "policy.model": str(tmp_path / "tiny"), "env.segmenter": f"remote:url={tool_server}"}
    if not lora:
        changes["policy.lora"] = {}
    written = load_plan(EXAMPLES / f"{plan}.toml")
    for stage in ("sft", "reflect", "grpo"):
        own = {
            **getattr(written, stage).trainer,
            **ONE_STEP,
            **({"max_steps": 2, "save_steps": 1} if stage == "sft" else {}),
        }
        if stage == "grpo":
            own |= {"num_generations": 2, "max_completion_length": 16}
        changes[f"{stage}.trainer"] = own
    plan_small = load_plan(EXAMPLES / f"{plan}.toml", changes)
    results = Training(plan_small, tmp_path / "out", say=lambda line: None).run()
    assert set(results) == {"start", "sft", "reflect", "grpo"}
    assert bool(plan_small.policy.lora) == lora
