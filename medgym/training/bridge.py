"""Any environment as TRL's GRPOTrainer wants it: a class of tools, a dataset of prompts, and reward functions.

TRL calls a method for each tool call, and nothing for a turn without one. So that an episode here is the same as in
the environment, whatever the policy writes, `read_by` makes the tokenizer hand the text of a whole turn to the method:
the episode reads it as always, and its reply, a refusal included, is what the policy sees next.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import gymnasium as gym

from ..core.action import Action, Call
from ..core.episode import Episode
from ..core.errors import InputError
from ..core.tooling import ToolSpec
from ..core.trajectory import Trajectory
from ..envs.medtool import MedToolEnv
from ..envs.scenario import Scenario
from ..envs.spaces import FreeText
from ..rewards.grading import Graded
from ..rewards.recipe import Reward

WRITTEN = "written"
"""The hidden argument by which a method is handed the text of the turn."""
STOP = "end "
"""TRL has no flag for an end: it drops a result that is longer than a completion may be, and with it the rollout."""

TYPES = {"integer": int, "number": float, "string": str, "boolean": bool, "array": list, "object": dict}

Row = dict[str, Any]
Chat = list[dict[str, Any]]
RewardFunction = Callable[..., list[float]]


class Rollout:
    """One rollout: an episode that is advanced by the methods that `Bridge` adds, one for each tool."""

    scenario: ClassVar[Scenario]
    _longest: ClassVar[int] = 1 << 15

    def __init__(self) -> None:
        self._episode: Episode | None = None
        self._reward: Reward | None = None

    def reset(self, *, split: str, index: int, **_: Any) -> None:
        """Begin the task that a row of the dataset names."""
        self._episode = self.scenario.episode(self.scenario.task(split, int(index)))
        self._reward = None

    def _running(self) -> Episode:
        if self._episode is None:
            raise InputError("call reset(split=…, index=…) first: the rows of Bridge.dataset() have both")
        return self._episode

    def _take(self, text: str) -> Any:
        """Take a turn and return its reply as blocks of content; at an end, what makes TRL stop."""
        episode = self._running()
        if not episode.over:
            episode.apply(text)
        return STOP * (self._longest + 1) if episode.over else episode.messages()[-1]["content"]

    def _finish(self, texts: Sequence[str]) -> Trajectory:
        """Take the turns that no method was called for; where what was written is not what was taken, take all anew."""
        episode = self._running()
        taken = [turn.text for turn in episode.turns]
        if taken != list(texts[: len(taken)]):
            episode = self._episode = self.scenario.episode(episode.task)
        for text in texts[len(episode.turns) :]:
            if episode.over:
                break
            episode.apply(text)
        return episode.trajectory()


class Bridge:
    """What TRL needs of an environment.

    ::

        bridge = Bridge("MedTool-v0", kinds=["segmentation"])
        processor = bridge.read_by(processor)
        GRPOTrainer(model, bridge.reward_functions, train_dataset=bridge.dataset("train", 1000),
                    environment_factory=bridge.environment_factory, processing_class=processor, …)

    Attributes:
        scenario: the environment's tasks, tools, dialect, recipe and limits.
        environment_factory: a class with `reset`, and a method for each tool and nothing else that is public.
        reward_functions: one for each component of the recipe, so that each is logged; their sum is the reward.
        newest: the rollouts that were scored last, each with its reward.
    """

    def __init__(self, env: str | Scenario = "MedTool-v0", **settings: Any) -> None:
        """Take the id of an environment with the arguments of ``gym.make``.

        Raises:
            InputError: for an environment whose actions are no text, and for whatever `Scenario` refuses.
        """
        self.scenario = env if isinstance(env, Scenario) else _scenario(env, settings)
        methods = {spec.name: _method(spec) for spec in self.scenario.toolbox.specs}
        self.environment_factory: type[Rollout] = type(
            "MedGymRollout", (Rollout,), {"__doc__": Rollout.__doc__, "scenario": self.scenario, **methods}
        )
        self.reward_functions: list[RewardFunction] = [self._function(name) for name in self.scenario.recipe.names]
        self.newest: list[tuple[Trajectory, Reward]] = []

    def dataset(self, split: str, count: int | None = None, *, start: int = 0) -> Any:
        """Return a ``datasets.Dataset`` of `count` tasks from `start` on; a row is made when it is read.

        A row has ``prompt`` (messages), ``image`` (or ``images``), ``split`` and ``index``.
        """
        from datasets import Dataset

        available = len(self.scenario.source(split))
        end = available if count is None else start + count
        if not 0 <= start < end <= available:
            raise InputError(f"split {split!r} has {available} tasks; {start} to {end} are not all among them")
        places = Dataset.from_dict({"split": [split] * (end - start), "index": list(range(start, end))})
        return places.with_transform(self._rows)

    def read_by(self, processor: Any, longest: int = 1 << 15) -> Any:
        """Teach a model's processor to show tools and to read turns, in place, and return it.

        Args:
            longest: how many tokens a completion may have, at most: what is longer ends a rollout.
        """
        from .template import teach

        self.environment_factory._longest = longest
        teach(processor)
        tokenizer = getattr(processor, "tokenizer", processor)
        tokenizer.parse_response = partial(self._read, tokenizer)
        tokenizer.response_template = {}
        return processor

    def row(self, split: str, index: int) -> Row:
        """Return the row of one task."""
        episode = self.scenario.episode(self.scenario.task(split, index))
        prompt = [{"role": message["role"], "content": _words(message)} for message in episode.messages()]
        images = [part["image"] for message in episode.messages() for part in message["content"] if "image" in part]
        shown = {"image": images[0]} if len(images) == 1 else {"images": images}
        return {"prompt": prompt, **shown, "split": split, "index": index}

    def _rows(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows = [self.row(split, int(index)) for split, index in zip(batch["split"], batch["index"], strict=True)]
        if any("images" in row for row in rows):
            rows = [{**row, "images": row.get("images") or [row.pop("image")]} for row in rows]
        return {key: [row[key] for row in rows] for key in rows[0]}

    def _read(self, tokenizer: Any, ids: Any, prefix: Any = None, tools: Any = None) -> dict[str, Any]:
        """Read a turn's tokens as TRL's message: its text, and a call unless it is an answer."""
        text = _text(tokenizer.decode(ids, skip_special_tokens=False), tokenizer)
        # Blocks, as the replies are: what TRL logs cannot mix them with plain words.
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        specs = self.scenario.dialect.tools
        action = self.scenario.dialect.parse(text, [])
        if not specs or (action.usable and action.answer is not None):
            return message
        named = next(
            (call.name for call in action.calls if any(spec.name == call.name for spec in specs)), specs[0].name
        )
        function = {"name": named, "arguments": {WRITTEN: text}}
        return {**message, "tool_calls": [{"type": "function", "function": function}]}

    def _function(self, name: str) -> RewardFunction:
        def component(
            environments: Sequence[Rollout],
            completions: Sequence[Chat],
            log_metric: Callable[[str, float], None] | None = None,
            **_: Any,
        ) -> list[float]:
            new = any(environment._reward is None for environment in environments)
            rewards = scored(environments, completions)
            if new:
                trajectories = [environment._running().trajectory() for environment in environments]
                self.newest = list(zip(trajectories, rewards, strict=True))
                if log_metric:
                    found = [measures(trajectory) for trajectory in trajectories]
                    for key in found[0]:
                        log_metric(key, sum(each[key] for each in found) / len(found))
            return [reward.values[name] for reward in rewards]

        component.__name__ = name
        return component


def scored(environments: Sequence[Rollout], completions: Sequence[Chat]) -> list[Reward]:
    """Score rollouts, those of one task that stand beside each other as a group; each once."""
    if any(environment._reward is None for environment in environments):
        trajectories = [
            environment._finish(_turns(environment.scenario, completion))
            for environment, completion in zip(environments, completions, strict=True)
        ]
        ends = [i for i in range(1, len(trajectories)) if trajectories[i].task.id != trajectories[i - 1].task.id]
        for start, end in zip([0, *ends], [*ends, len(trajectories)], strict=True):
            rewards = environments[start].scenario.recipe.score_group(trajectories[start:end])
            for environment, reward in zip(environments[start:end], rewards, strict=True):
                environment._reward = reward
    return [environment._reward for environment in environments if environment._reward is not None]


def measures(trajectory: Trajectory) -> dict[str, float]:
    """Return what is logged beside the reward."""
    graded = Graded(trajectory)
    return {
        "medgym/calls": float(len(trajectory.calls)),
        "medgym/unusable": sum(not turn.action.usable for turn in trajectory.turns) / max(len(trajectory.turns), 1),
        "medgym/answered": float(trajectory.end_reason == "answer"),
        "medgym/correct": float(graded.correct),
        "medgym/quality": graded.quality,
    }


def _scenario(env: str, settings: dict[str, Any]) -> Scenario:
    inner = gym.make(env, **settings).unwrapped
    if not isinstance(inner, MedToolEnv) or not isinstance(inner.action_space, FreeText):
        raise InputError(f"{env!r} takes no text: a language model can be trained on MedTool-v0 and its like")
    return inner.scenario


def _method(spec: ToolSpec) -> Callable[..., Any]:
    """Return a method with the signature and the docstring of a tool, as TRL reads them."""
    properties, required = spec.parameters["properties"], spec.parameters.get("required", [])

    def method(self: Rollout, *given: Any, **arguments: Any) -> Any:
        written = arguments.pop(WRITTEN, None)
        if written is None:
            call = Call(spec.name, {**dict(zip(properties, given, strict=False)), **arguments})
            written = self.scenario.dialect.format(Action("I look.", (call,)), [])
        return self._take(written)

    kept, own = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    parameters = [inspect.Parameter("self", kept)]
    # Arguments with a default stand last, whatever their order in the schema.
    for name in sorted(properties, key=lambda name: name not in required):
        default = own if name in required else properties[name].get("default")
        parameters.append(inspect.Parameter(name, kept, default=default, annotation=_type(properties[name])))
    method.__name__ = method.__qualname__ = spec.name
    about = [f"    {name}: {schema.get('description', name)}" for name, schema in properties.items()]
    method.__doc__ = "\n".join([spec.description, "", "Args:", *about])
    method.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters[1:]}
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method


def _type(schema: dict[str, Any]) -> Any:
    made = TYPES.get(schema.get("type", ""), Any)
    return list[_type(schema["items"])] if made is list and "items" in schema else made  # type: ignore[misc]


def _turns(scenario: Scenario, completion: Chat) -> list[str]:
    """Return what a policy wrote, turn by turn; calls that a parser took out of it are written back."""
    texts = []
    for message in completion:
        if message["role"] != "assistant":
            continue
        text = message["content"] if isinstance(message["content"], str) else _words(message)
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        if calls and not any(WRITTEN in call["arguments"] for call in calls):
            thought = message.get("reasoning_content") or text.removeprefix("<think>").removesuffix("</think>")
            made = tuple(Call(call["name"], call["arguments"]) for call in calls)
            text = scenario.dialect.format(Action(thought.strip(), made), [])
        elif message.get("reasoning_content"):
            text = f"<think>{message['reasoning_content']}</think>\n{text}"
        texts.append(text)
    return texts


def _words(message: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in message["content"] if part["type"] == "text")


def _text(text: str, tokenizer: Any) -> str:
    """Drop what ends a turn; anything else that is special stays, and makes the action unusable."""
    ending = tokenizer.eos_token or ""
    return text.split(ending)[0] if ending else text
