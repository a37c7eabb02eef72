"""The cold start: supervised fine-tuning on trajectories, with TRL's SFTTrainer and a loss on actions alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..envs.scenario import Scenario
from .demonstrations import Demonstration
from .template import teach
from .tokens import Encoded, collate, encode


def sft_trainer(
    model: Any,
    processor: Any,
    scenario: Scenario,
    demonstrations: Sequence[Demonstration],
    args: Any,
    **more: Any,
) -> Any:
    """Return a trainer whose examples are replayed in the environment when they are needed.

    Args:
        args: an ``SFTConfig``; columns must be kept, so ``remove_unused_columns`` is set to False.
        more: for SFTTrainer, such as ``peft_config`` or ``callbacks``.
    """
    from datasets import Dataset
    from trl import SFTTrainer

    teach(processor)
    rows = Dataset.from_dict({"place": list(range(len(demonstrations)))})
    args.remove_unused_columns = False
    args.max_length = None
    args.dataset_kwargs = {"skip_prepare_dataset": True}
    return SFTTrainer(
        model,
        args=args,
        train_dataset=rows.with_transform(partial(_encoded, processor, scenario, demonstrations)),
        data_collator=partial(_collated, processor),
        processing_class=processor,
        **more,
    )


def _encoded(
    processor: Any, scenario: Scenario, demonstrations: Sequence[Demonstration], batch: dict[str, list[int]]
) -> dict[str, list[Encoded]]:
    chosen = [demonstrations[place] for place in batch["place"]]
    return {"encoded": [encode(processor, each.messages(scenario), skip=each.skip) for each in chosen]}


def _collated(processor: Any, rows: Sequence[dict[str, Encoded]]) -> Encoded:
    return collate([row["encoded"] for row in rows], processor.tokenizer.pad_token_id)
