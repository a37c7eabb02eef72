"""A guard against collapse: GRPO without KL can fall, within a few steps, into no calls and no answers, for good.

It measures the policy on held-out tasks as training goes and keeps the best weights. On a fall it goes back to them and
goes on with smaller steps, or stops; at the end the policy is the best one measured, not the last one.
"""

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType, broadcast_object_list
from transformers import TrainerCallback

from ..core.errors import InputError

Measured = dict[str, float]
WATCHED = {"reward": -1, "medgym/calls": -1, "medgym/answered": -1, "medgym/unusable": 1, "entropy": 1}
"""What is watched in the rollouts of training, as it is logged, and whether a fall or a rise is bad."""


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
        self._recent: deque[dict[str, float]] = deque(maxlen=5)
        self._usual: dict[str, float] = {}
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
            usual = self._usual.setdefault(key, mean)
            if WATCHED[key] < 0:
                self._usual[key] = max(usual, mean)
                bad = usual > 0.1 and mean < self.fall * usual
            else:
                self._usual[key] = min(usual, mean)
                bad = mean > 0.1 and mean > usual / self.fall
            self._suspicious = self._suspicious or bad

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **trainer: Any) -> None:
        """Measure when it is time, or when something looks wrong; go back on a fall."""
        suspicious = _agreed(self._suspicious)
        if not suspicious and state.global_step % self.every and state.global_step < state.max_steps:
            return
        measured = self._look(args, state, model)
        fallen = [
            key
            for key in ("reward", "calls")
            if self.best.get(key, 0) > 0.1 and measured.get(key, 0) < self.fall * self.best[key]
        ]
        if fallen:
            self._go_back(fallen, measured, args, state, control, model, trainer)
        if fallen or suspicious:
            # What is usual is found anew from here, so that one suspicion is looked into once.
            self._recent.clear()
            self._usual.clear()
            self._suspicious = False
        self._keep(args)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Leave the best policy that was measured in the model."""
        if self.best:
            self._put_back(args, model)
            self.say(f"the policy of step {self.best['step']} is kept: reward {self.best['reward']:.2f}")

    def _look(self, args: Any, state: Any, model: Any) -> Measured:
        measured: Measured = _agreed(self.measure(model) if _first() else {})
        self.history.append({"step": state.global_step, **measured})
        if not self.best or measured["reward"] > self.best["reward"]:
            self.best = self.history[-1]
            self._keep_weights(args, model)
        self._keep(args)
        return measured

    def _go_back(
        self,
        fallen: list[str],
        measured: Measured,
        args: Any,
        state: Any,
        control: Any,
        model: Any,
        trainer: dict[str, Any],
    ) -> None:
        self.falls.append(state.global_step)
        what = ", ".join(f"{key} {measured.get(key, 0):.2f} after {self.best[key]:.2f}" for key in fallen)
        scheduler = trainer["lr_scheduler"]
        # DeepSpeed holds weights of its own beside the model's, which would undo a return.
        held = PartialState().distributed_type == DistributedType.DEEPSPEED
        if held or len(self.falls) > self.most:
            control.should_training_stop = True
            self.say(f"step {state.global_step}: {what}; it fell {len(self.falls)} times, so training stops")
            return
        self._put_back(args, model)
        # What the optimizer remembers led here; the schedule goes on from smaller rates.
        trainer["optimizer"].state.clear()
        scheduler.base_lrs = [rate * self.slower for rate in scheduler.base_lrs]
        for group in trainer["optimizer"].param_groups:
            group["lr"] *= self.slower
        self.say(
            f"step {state.global_step}: {what}; back to step {self.best['step']}, with steps {self.slower:g} as large"
        )

    def _keep(self, args: Any) -> None:
        if _first():
            kept = {"history": self.history, "falls": self.falls, "best": self.best}
            _folder(args).joinpath("guard.json").write_text(json.dumps(kept, indent=1), "utf-8")

    def _keep_weights(self, args: Any, model: Any) -> None:
        """Write down what learns; the rest, such as what lies under an adapter, stays as it is."""
        import torch

        if _first():
            learning = {name: value.detach().cpu() for name, value in model.named_parameters() if value.requires_grad}
            partial = _folder(args) / "guard.part"
            torch.save(learning, partial)
            partial.replace(partial.with_suffix(".pt"))
        PartialState().wait_for_everyone()

    def _put_back(self, args: Any, model: Any) -> None:
        import torch

        kept = torch.load(_folder(args) / "guard.pt", map_location="cpu", weights_only=True)
        model.load_state_dict(kept, strict=False)


def _first() -> bool:
    """Return whether this is the first of the processes, which measures and writes."""
    return bool(PartialState().is_main_process)


def _agreed(found: Any) -> Any:
    """Return what the first process found, in all of them, so that they go the same way."""
    return broadcast_object_list([found])[0] if PartialState().num_processes > 1 else found


def _folder(args: Any) -> Path:
    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
