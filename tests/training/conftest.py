"""A policy so small that it can be trained in a test: 64 pixels, two layers."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
NANO: dict[str, Any] = {
    "held_out": 12,
    "batch": 12,
    "env.tasks": "phantoms:modality=fundus,form=segment_organ,difficulty=0,native=64",
    "env.segmenter": "classical",
    "env.view_size": 64,
    "env.max_turns": 3,
    "env.max_unusable": 3,
    "policy.max_new_tokens": 64,
    "policy.temperature": 0.0,
    "policy.small": {"hidden": 64, "layers": 2, "heads": 2, "seen": 48, "depth": 2, "tokens": 256},
    "sft.tasks": 100,
    "sft.trainer.max_steps": 150,
    "sft.trainer.save_steps": 75,
    "sft.trainer.per_device_train_batch_size": 12,
    "reflect.tasks": 12,
    "reflect.trainer.max_steps": 2,
    "reflect.trainer.per_device_train_batch_size": 4,
    "reflect.temperature": 1.0,
    "grpo.tasks": 40,
    "grpo.guard": {"every": 2},
    "grpo.trainer.max_steps": 4,
    "grpo.trainer.learning_rate": 1e-4,
    "grpo.trainer.max_completion_length": 192,
    "grpo.trainer.save_steps": 2,
    "grpo.trainer.per_device_train_batch_size": 8,
    "grpo.trainer.num_generations": 4,
}


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Workers of pytest share the cores, and sums in another order would train another policy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def libraries_that_warn():
    """What the libraries say of themselves is not for us to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has done its cold start: it writes actions that can be used, with boxes that are poor."""
    from medgym.training import Training, load_plan

    out = tmp_path_factory.mktemp("training") / "nano"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Training(load_plan("quick", NANO), out, say=lambda line: None).run(("sft",))
    return out
