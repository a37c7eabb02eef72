"""A guard against collapse: GRPO without KL can fall, within a few steps, into no calls and no answers, for good.

It measures the policy on held-out tasks as training goes and keeps the best weights. On a fall it goes back to them and
goes on with smaller steps, or stops; at the end the policy is the best one measured, not the last one.
"""

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ..core.errors import InputError

Measured = dict[str, float]
WATCHED = ("reward", "medgym/calls", "medgym/answered")
"""What is watched in the rollouts of training, as it is logged."""


class Guard(TrainerCallback):
    """Watches a GRPOTrainer; give it as one of its ``callbacks``.

    Args:
        measure: takes the model and returns what it earns on held-out tasks: ``reward``, and whatever else is to be
            kept, such as ``calls``.
        every: how many steps lie between two measurements.
        fall: the share of the best reward, or of the best call rate, below which a policy has fallen.
        most: how many times it goes back before it stops.
        slower: what the learning rate is multiplied by after each.
        say: called with a line on each thing that it does.
    """

    def __init__(
        self,
        measure: Callable[[Any], Measured],
        *,
        every: int = 25,
        fall: float = 0.5,
        most: int = 2,
        slower: float = 0.5,
        say: Callable[[str], None] = print,
    ) -> None:
        if every < 1 or not 0 < fall < 1 or not 0 < slower < 1 or most < 0:
            raise InputError("every is from 1, fall and slower lie between 0 and 1, most is from 0")
        self.measure, self.every, self.fall, self.most, self.slower, self.say = measure, every, fall, most, slower, say
        self.history: list[dict[str, Any]] = []
        self.falls: list[int] = []
        self.best: dict[str, Any] = {}
        self._weights: dict[str, Any] = {}
        self._recent: deque[dict[str, float]] = deque(maxlen=5)
        self._highest: dict[str, float] = {}
        self._suspicious = False

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Measure where it starts, or take up what was measured before a restart."""
        path = Path(args.output_dir) / "guard.json"
        if state.global_step and path.exists():
            kept = json.loads(path.read_text("utf-8"))
            # What lies behind the checkpoint is done again.
            self.history = [each for each in kept["history"] if each["step"] <= state.global_step]
            self.falls = [step for step in kept["falls"] if step <= state.global_step]
            self.best = kept["best"]
            import torch

            self._weights = torch.load(path.with_suffix(".pt"), map_location="cpu", weights_only=True)
        else:
            self._look(args, state, model)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Notice in the rollouts of training that reward or calls are falling, between two measurements."""
        logs = logs or {}
        found = {key: float(logs[key]) for key in WATCHED if key in logs}
        if not found:
            return
        self._recent.append(found)
        if len(self._recent) < 5:
            return
        for key in found:
            mean = sum(each.get(key, 0.0) for each in self._recent) / 5
            self._highest[key] = max(mean, self._highest.get(key, mean))
            if self._highest[key] > 0.1 and mean < self.fall * self._highest[key]:
                self._suspicious = True

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **trainer: Any) -> None:
        """Measure when it is time, or when something looks wrong; go back on a fall."""
        if not self._suspicious and state.global_step % self.every and state.global_step < state.max_steps:
            return
        measured = self._look(args, state, model)
        fallen = [
            key
            for key in ("reward", "calls")
            if self.best.get(key, 0) > 0.1 and measured.get(key, 0) < self.fall * self.best[key]
        ]
        if fallen:
            self._go_back(fallen, measured, state, control, model, trainer)
        self._keep(args)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Leave the best policy that was measured in the model."""
        if self._weights:
            model.load_state_dict(self._weights, strict=False)
            self.say(f"the policy of step {self.best['step']} is kept: reward {self.best['reward']:.2f}")

    def _look(self, args: Any, state: Any, model: Any) -> Measured:
        measured = self.measure(model)
        self.history.append({"step": state.global_step, **measured})
        if not self.best or measured["reward"] > self.best["reward"]:
            self.best = self.history[-1]
            # What does not learn, such as what lies under an adapter, need not be kept.
            learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
            self._weights = {name: value.detach().cpu().clone() for name, value in learning.items()}
            self._keep_weights(args)
        self._keep(args)
        return measured

    def _go_back(
        self, fallen: list[str], measured: Measured, state: Any, control: Any, model: Any, trainer: dict[str, Any]
    ) -> None:
        self.falls.append(state.global_step)
        what = ", ".join(f"{key} {measured.get(key, 0):.2f} after {self.best[key]:.2f}" for key in fallen)
        model.load_state_dict(self._weights, strict=False)
        self._recent.clear()
        self._highest.clear()
        self._suspicious = False
        if len(self.falls) > self.most:
            control.should_training_stop = True
            self.say(f"step {state.global_step}: {what}; it fell {len(self.falls)} times, so training stops")
            return
        # What the optimizer remembers led here; the schedule goes on from smaller rates.
        trainer["optimizer"].state.clear()
        scheduler = trainer["lr_scheduler"]
        scheduler.base_lrs = [rate * self.slower for rate in scheduler.base_lrs]
        for group in trainer["optimizer"].param_groups:
            group["lr"] *= self.slower
        self.say(
            f"step {state.global_step}: {what}; back to step {self.best['step']}, with steps {self.slower:g} as large"
        )

    def _keep(self, args: Any) -> None:
        kept = {"history": self.history, "falls": self.falls, "best": self.best}
        _folder(args).joinpath("guard.json").write_text(json.dumps(kept, indent=1), "utf-8")

    def _keep_weights(self, args: Any) -> None:
        import torch

        partial = _folder(args) / "guard.part"
        torch.save(self._weights, partial)
        partial.replace(partial.with_suffix(".pt"))


def _folder(args: Any) -> Path:
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
