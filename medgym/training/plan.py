"""A training plan: a TOML file that says which policy learns what, in which environment, stage by stage."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import InputError, nearest

STAGES = ("sft", "reflect", "grpo")
QUICK = Path(__file__).with_name("quick.toml")


class Section(BaseModel):
    """A part of a plan; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid")


class Policy(Section):
    """Who learns.

    Attributes:
        model: a model's name or folder; empty for a small one with random weights.
        small: of a small one: `Shape`'s fields and ``architecture``.
        lora: of ``peft.LoraConfig``; empty trains all weights.
        load: for loading the model, such as ``dtype`` or ``attn_implementation``.
        max_new_tokens: the longest action, in tokens.
        temperature: of its actions when it is measured; 0 takes the likeliest token each time.
    """

    model: str = ""
    small: dict[str, Any] = Field(default_factory=dict)
    lora: dict[str, Any] = Field(default_factory=dict)
    load: dict[str, Any] = Field(default_factory=dict)
    max_new_tokens: int = 1024
    temperature: float = Field(default=0.0, ge=0)


class Sft(Section):
    """The cold start.

    Attributes:
        teacher: the agent whose trajectories are learned from.
        data: demonstrations or the folder of a run; the teacher plays where it is empty.
        tasks: how many tasks of the training split, from the first.
        trainer: settings of ``SFTConfig``.
    """

    teacher: str = "teacher"
    data: str = ""
    tasks: int = 1000
    trainer: dict[str, Any] = Field(default_factory=dict)


class Reflect(Section):
    """Self-reflection.

    Attributes:
        tasks: how many tasks each checkpoint of the cold start plays.
        rehearsal: how many demonstrations of the cold start are mixed in, so that it is not forgotten.
        temperature: of the samples.
        trainer: settings of ``SFTConfig``.
    """

    tasks: int = 200
    rehearsal: int = 100
    temperature: float = 1.0
    trainer: dict[str, Any] = Field(default_factory=dict)


class Grpo(Section):
    """Reinforcement learning.

    Attributes:
        tasks: how many tasks of the training split; those of the cold start come first.
        guard: settings of `Guard`; its measurements are on the validation split.
        trainer: settings of ``GRPOConfig``.
    """

    tasks: int = 1000
    guard: dict[str, Any] = Field(default_factory=dict)
    trainer: dict[str, Any] = Field(default_factory=dict)


class Plan(Section):
    """A whole plan.

    Attributes:
        env: ``id``, and arguments of ``gym.make``.
        held_out: how many tasks of the test split each stage is measured on, and the guard of the validation split.
        seed: of weights, order and samples.
    """

    about: str = ""
    env: dict[str, Any] = Field(default_factory=dict)
    policy: Policy = Policy()
    sft: Sft = Sft()
    reflect: Reflect = Reflect()
    grpo: Grpo = Grpo()
    held_out: int = Field(96, ge=1)
    batch: int = Field(64, ge=1)
    seed: int = 0


def load_plan(path: str | Path, changes: dict[str, Any] | None = None) -> Plan:
    """Read a plan, or the built-in one named ``quick``.

    Args:
        changes: values by dotted key that go before the file's, such as ``{"grpo.trainer.max_steps": 10}``.

    Raises:
        InputError: says which key is wrong and what was expected.
    """
    file = QUICK if str(path) == "quick" else Path(path)
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no plan {str(path)!r}: give a .toml file, or 'quick'") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: {error}") from error
    for key, value in (changes or {}).items():
        *sections, last = key.split(".")
        place = written
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    try:
        return Plan.model_validate(written)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        near = nearest(str(fault["loc"][-1]), Plan.model_fields) if fault["type"] == "extra_forbidden" else ""
        raise InputError(f"{file}: {where}: {fault['msg']}{near}") from None
