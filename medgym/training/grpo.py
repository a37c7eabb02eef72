"""Agentic reinforcement learning: TRL's GRPOTrainer on an environment, without KL, with the settings of Ophiuchus."""

from typing import Any

from ..agents.transformers import placeholders
from .bridge import Bridge

PAPER: dict[str, Any] = {
    "num_generations": 8,
    "learning_rate": 1e-6,
    "beta": 0.0,
    "temperature": 1.0,
    "max_completion_length": 4096,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 5,
    "max_grad_norm": 0.2,
    "logging_steps": 1,
}
"""Eight rollouts a question, no KL, 1e-6 (arXiv 2512.14157); schedule and clipping are ours: without them it fell."""


def grpo_trainer(
    model: Any,
    processor: Any,
    bridge: Bridge,
    *,
    output_dir: str,
    split: str = "train",
    tasks: int | None = None,
    max_new_tokens: int | None = None,
    callbacks: tuple[Any, ...] = (),
    peft_config: Any = None,
    **settings: Any,
) -> Any:
    """Return a GRPOTrainer whose episodes are those of the environment.

    Args:
        tasks: how many tasks of the split; all by default.
        max_new_tokens: the longest turn; by default one turn may be as long as a whole completion.
        settings: of ``GRPOConfig``; they go before `PAPER`.
    """
    from trl import GRPOConfig, GRPOTrainer

    from .journal import TABLES, Journal

    own = {
        **PAPER,
        # The first action comes before the first call.
        "max_tool_calling_iterations": bridge.scenario.max_turns - 1,
        "output_dir": output_dir,
        "use_cpu": not _has_gpu(),
        "bf16": _has_gpu(),
    }
    sampled: dict[str, Any] = {"max_new_tokens": max_new_tokens} if max_new_tokens else {}
    sampled |= {"suppress_tokens": placeholders(processor), **settings.pop("generation_kwargs", {})}
    args = GRPOConfig(**{**own, **settings, "generation_kwargs": sampled})
    bridge.read_by(processor, args.max_completion_length)
    journal = [Journal(bridge)] if set(TABLES) & set(args.report_to) else []
    return GRPOTrainer(
        model,
        bridge.reward_functions,
        args=args,
        train_dataset=bridge.dataset(split, tasks),
        processing_class=processor,
        environment_factory=bridge.environment_factory,
        callbacks=[*callbacks, *journal],
        peft_config=peft_config,
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
