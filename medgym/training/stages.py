"""The three stages of Ophiuchus in order: a cold start, self-reflection, reinforcement learning.

Everything a stage needs lies in the run's folder, so one that was killed goes on from its last checkpoint and one that
is finished is not done again. Of several processes, started by accelerate, the first writes and measures.
"""

import gc
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from ..agents.agent import make_agent
from ..agents.transformers import Transformers, load
from ..core.dialects.dialect import FORMS
from ..core.errors import InputError
from ..data.screening import Flagged
from ..evaluation.rollout import rollouts
from ..evaluation.summary import mean, summarise
from ..rewards.grading import Graded
from .bridge import Bridge
from .demonstrations import Demonstration, faults
from .demonstrations import load as load_demonstrations
from .demonstrations import save as save_demonstrations
from .grpo import grpo_trainer
from .guard import Guard
from .heldout import HeldOut
from .plan import STAGES, Plan
from .reflection import corrections
from .sft import sft_trainer
from .small import Shape, small_policy


class Training:
    """A plan that is carried out in a folder.

    Args:
        say: called with a line on what is done.
        callbacks: further callbacks for every trainer, such as a progress bar.
        flagged: what becomes of held-out tasks whose pictures may name a patient, as `HeldOut` says.

    Raises:
        InputError: for a folder that holds something else, or flagged tasks that are refused.
    """

    def __init__(
        self,
        plan: Plan,
        out: Path,
        *,
        say: Callable[[str], None] = print,
        callbacks: Sequence[Any] = (),
        flagged: Flagged = Flagged.REFUSE,
    ) -> None:
        self.processes = processes()
        self.plan, self.out, self.callbacks = plan, out, tuple(callbacks)
        self.say = say if self.processes.is_main_process else _silent
        env = dict(plan.env)
        self.bridge = Bridge(env.pop("id", "MedTool-v0"), **env)
        self.scenario = self.bridge.scenario
        self.held_out = HeldOut(self.scenario, plan.held_out, plan.batch, flagged)
        with self._first_alone():
            self._claim()
            self.held_out.keep_record(out)

    def run(self, stages: Sequence[str] = STAGES) -> dict[str, dict[str, Any]]:
        """Carry out stages and return what the policy was worth before and after each, on held-out tasks.

        Raises:
            InputError: where the plan asks for more tasks than there are.
        """
        self._counted(stages)
        self.begin()
        for stage in stages:
            if not (self.out / stage / "policy").exists():
                self.say(f"{stage}: training")
                getattr(self, stage)()
            self._measured(stage)
        return self.results()

    def results(self) -> dict[str, dict[str, Any]]:
        """Return the held-out results of the stages that are finished, in order."""
        found = {}
        for stage in ("start", *STAGES):
            path = self.out / stage / "summary.json"
            if path.exists():
                found[stage] = json.loads(path.read_text("utf-8"))
        return found

    def begin(self) -> None:
        """Make or load the policy that learning starts from, and measure it."""
        with self._first_alone():
            if not (self.out / "start" / "policy").exists():
                self._save("start", *self._first())
        self._measured("start")

    def sft(self) -> None:
        """Learn from trajectories, keeping checkpoints for the reflection."""
        model, processor = self._load("start")
        with self._first_alone():
            shown = self.demonstrations()
        trainer = sft_trainer(
            model,
            processor,
            self.scenario,
            shown,
            self._sft_config("sft", self.plan.sft.trainer),
            callbacks=list(self.callbacks),
            peft_config=self._lora(),
        )
        self._train("sft", trainer, processor)

    def demonstrations(self) -> list[Demonstration]:
        """Return the checked trajectories of the cold start, made where there are none yet."""
        path = self.out / "sft" / "demonstrations.jsonl"
        settings = self.plan.sft
        if not path.exists():
            given = list(load_demonstrations(Path(settings.data))) if settings.data else None
            kept, left = self._checked(given)
            if not kept:
                raise InputError(f"none of {left} trajectories can be learned from: see medgym.training.faults")
            save_demonstrations(path, kept)
            self.say(f"sft: {len(kept)} trajectories to learn from, {left} left out")
        return list(load_demonstrations(path))

    def reflect(self) -> None:
        """Learn from the policy's own corrections, and rehearse what was shown."""
        model, processor = self._load("sft")
        with self._first_alone():
            lessons = self._lessons(processor)
        if not lessons:
            self.say("reflect: nothing to learn from, so the policy stays as it is")
            self._save("reflect", model, processor)
            return
        trainer = sft_trainer(
            model,
            processor,
            self.scenario,
            lessons,
            self._sft_config("reflect", self.plan.reflect.trainer),
            callbacks=list(self.callbacks),
            peft_config=self._lora(),
        )
        self._train("reflect", trainer, processor)

    def _lessons(self, processor: Any) -> list[Demonstration]:
        path = self.out / "reflect" / "demonstrations.jsonl"
        if not path.exists():
            made = corrections(self.scenario, self._tries(processor))
            rehearsed = self.demonstrations()[: self.plan.reflect.rehearsal] if made else []
            self.say(f"reflect: {len(made)} corrections, {len(rehearsed)} rehearsed")
            save_demonstrations(path, [*made, *rehearsed])
        return list(load_demonstrations(path))

    def grpo(self) -> None:
        """Reinforce, guarded; the policy is the best one measured on the validation split."""
        newest = next(stage for stage in ("reflect", "sft", "start") if (self.out / stage / "policy").exists())
        self.say(f"grpo: from the policy of the stage {newest!r}")
        model, processor = self._load(newest)

        def measure(policy: Any) -> dict[str, float]:
            summary = summarise(self.held_out.play(self._agent(policy, processor), "validation"))
            return {name: mean(summary, name) or 0.0 for name in ("reward", "calls")}

        trainer = grpo_trainer(
            model,
            processor,
            self.bridge,
            output_dir=str(self.out / "grpo" / "checkpoints"),
            tasks=self.plan.grpo.tasks,
            max_new_tokens=self.plan.policy.max_new_tokens,
            callbacks=(
                Guard(measure, say=lambda line: self.say(f"grpo: {line}"), **self.plan.grpo.guard),
                *self.callbacks,
            ),
            peft_config=self._lora(),
            seed=self.plan.seed,
            **{"report_to": [], "disable_tqdm": True, **self.plan.grpo.trainer},
        )
        self._train("grpo", trainer, processor)

    def _agent(self, model: Any, processor: Any, **sampling: Any) -> Transformers:
        """Return a policy as an agent, as it is measured unless told otherwise."""
        policy = self.plan.policy
        own = {"max_new_tokens": policy.max_new_tokens, "temperature": policy.temperature, "seed": self.plan.seed}
        return Transformers(model, processor, device=str(self.processes.device), **{**own, **sampling})

    @contextmanager
    def _first_alone(self) -> Iterator[None]:
        """Let the first process go ahead, so that the others find what it wrote."""
        with self.processes.main_process_first():
            yield

    def _claim(self) -> None:
        """Write the plan down; a folder holds one plan."""
        path = self.out / "plan.json"
        plan = self.plan.model_dump()
        if path.exists():
            before = json.loads(path.read_text("utf-8"))
            changed = sorted(key for key in plan if plan[key] != before.get(key))
            if changed:
                raise InputError(f"{self.out} holds a run of another plan: {', '.join(changed)} differ; choose another")
            return
        if self.out.exists() and any(self.out.iterdir()):
            raise InputError(f"{self.out} is not empty and holds no training; choose another folder")
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan, indent=1) + "\n", "utf-8")

    def _counted(self, stages: Sequence[str]) -> None:
        """See that there are as many tasks as the plan asks for."""
        asked = [("held_out", "test", self.plan.held_out)]
        asked += [(f"{stage}.tasks", "train", getattr(self.plan, stage).tasks) for stage in stages]
        if "grpo" in stages:
            asked.append(("held_out", "validation", self.plan.held_out))
        for key, split, count in asked:
            there = len(self.scenario.source(split))
            if count > there:
                raise InputError(f"{key} is {count}, but split {split!r} has {there} tasks: --set {key}={there}")

    def _first(self) -> tuple[Any, Any]:
        policy = self.plan.policy
        if policy.model:
            return load(policy.model, **policy.load)
        small = dict(policy.small)
        architecture = small.pop("architecture", "qwen3_vl")
        return small_policy(
            self._said(),
            [self.bridge.row("train", 0)["prompt"][0]["content"], *FORMS.values()],
            architecture=architecture,
            shape=Shape(**small),
            side=self.scenario.view_size,
            seed=self.plan.seed,
        )

    def _said(self) -> list[str]:
        """Return what is said in the first episodes of the cold start, for a tokenizer."""
        texts = []
        for each in self.demonstrations()[:500]:
            for message in each.messages(self.scenario)[1:]:
                texts += [part["text"] for part in message["content"] if part["type"] == "text"]
        return texts

    def _checked(self, given: list[Demonstration] | None) -> tuple[list[Demonstration], int]:
        """Play, or replay what is given, and keep what follows the rules; return how many do not."""
        if given is None:
            places = [("train", index) for index in range(self.plan.sft.tasks)]
            teacher = make_agent(self.plan.sft.teacher, self.plan.seed)
            played = [trajectory for trajectory, _ in rollouts(self.scenario, teacher, places)]
        else:
            played = []
            for each in given[: self.plan.sft.tasks]:
                episode = self.scenario.episode(self.scenario.task(each.split, each.index))
                for text in each.texts:
                    if not episode.over:
                        episode.apply(text)
                played.append(episode.trajectory())
        kept = [Demonstration.of(trajectory) for trajectory in played if not faults(trajectory)]
        return kept, len(played) - len(kept)

    def _tries(self, processor: Any) -> list[list[Any]]:
        """Let each checkpoint of the cold start play the same tasks; return the trajectories, oldest first."""
        folders = sorted((self.out / "sft" / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
        if len(folders) < 2:
            raise InputError("reflection compares checkpoints of the cold start: set sft.trainer.save_steps for some")
        settings = self.plan.reflect
        places = [("train", index) for index in range(settings.tasks)]
        tries = []
        for number, folder in enumerate(folders):
            model, _ = load(str(folder), processor)
            agent = self._agent(model, processor, temperature=settings.temperature, seed=self.plan.seed + number)
            played = [trajectory for trajectory, _ in rollouts(self.scenario, agent, places, batch=self.plan.batch)]
            right = fmean([float(Graded(trajectory).correct) for trajectory in played])
            self.say(f"reflect: {folder.name} is right in {right:.0%} of {len(played)} tasks")
            tries.append(played)
        return tries

    def _lora(self) -> Any:
        if not self.plan.policy.lora:
            return None
        from peft import LoraConfig

        return LoraConfig(task_type="CAUSAL_LM", **self.plan.policy.lora)

    def _sft_config(self, stage: str, settings: dict[str, Any]) -> Any:
        import torch
        from trl import SFTConfig

        gpu = torch.cuda.is_available()
        own = {"use_cpu": not gpu, "bf16": gpu, "report_to": [], "disable_tqdm": True, "logging_steps": 5}
        own |= {"output_dir": str(self.out / stage / "checkpoints"), "seed": self.plan.seed}
        return SFTConfig(**{**own, **settings})

    def _train(self, stage: str, trainer: Any, processor: Any) -> None:
        from transformers import PrinterCallback
        from transformers.trainer_utils import get_last_checkpoint

        if whole := _split_weights(trainer.accelerator):
            raise InputError(whole)
        trainer.remove_callback(PrinterCallback)
        checkpoints = Path(trainer.args.output_dir)
        last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
        if last:
            self.say(f"{stage}: goes on from {Path(last).name}")
        trainer.train(resume_from_checkpoint=last)
        model = trainer.model
        if hasattr(model, "merge_and_unload"):
            model = model.merge_and_unload()
        if self.processes.is_main_process:
            history = trainer.state.log_history
            (self.out / stage / "log.json").write_text(json.dumps(history, indent=1) + "\n", "utf-8")
        self._save(stage, model, processor)

    def _save(self, stage: str, model: Any, processor: Any) -> None:
        folder = self.out / stage / "policy"
        if self.processes.is_main_process:
            partial = folder.with_name("policy.part")
            shutil.rmtree(partial, ignore_errors=True)
            model.save_pretrained(partial)
            processor.save_pretrained(partial)
            partial.rename(folder)
        gc.collect()

    def _load(self, stage: str) -> tuple[Any, Any]:
        folder = self.out / stage / "policy"
        if not folder.exists():
            raise InputError(f"{folder} is missing: carry out the stage {stage!r} first")
        return load(str(folder), **self.plan.policy.load)

    def _measured(self, stage: str) -> None:
        """Play the held-out tasks with a stage's policy, once, and keep what it did."""
        path = self.out / stage / "summary.json"
        with self._first_alone():
            if not path.exists():
                summary = self.held_out.measure(self._agent(*self._load(stage)), self.out / stage)
                self.say(f"{stage}: held-out reward {mean(summary, 'reward'):.2f}")


def processes() -> Any:
    """Return accelerate's view of the processes of this training."""
    from accelerate import PartialState

    # While the first one plays and measures, the others wait for longer than they do by default.
    return PartialState(timeout=timedelta(days=1))


def _silent(line: str) -> None:
    """Say nothing: the first process speaks."""


def _split_weights(accelerator: Any) -> str:
    """Return what is wrong where no process holds the whole policy: it could not be measured, kept or taken back."""
    plugin = accelerator.state.deepspeed_plugin
    if accelerator.distributed_type == "FSDP" or (plugin is not None and plugin.zero_stage == 3):
        return "each process must hold all weights: use data parallelism or ZeRO stage 2 instead of FSDP or stage 3"
    return ""
