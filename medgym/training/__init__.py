"""Training policies in the environments: TRL's trainers, three stages, and a guard against collapse.

It needs ``pip install 'medgym[train]'``; nothing else in medgym imports it.
"""

from importlib import import_module
from typing import Any

_LAZY = {
    "Bridge": "bridge",
    "Demonstration": "demonstrations",
    "Guard": "guard",
    "Training": "stages",
    "faults": "demonstrations",
    "grpo_trainer": "grpo",
    "load_plan": "plan",
    "sft_trainer": "sft",
    "small_policy": "small",
    "teach": "template",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
