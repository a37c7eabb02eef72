"""Checks of what environments are made of: tasks, tools, segmenters, agents."""

import json
import math
from collections.abc import Iterator

import gymnasium as gym
import numpy as np

from ..agents import Agent, load_agent
from ..core.errors import ToolError
from ..core.geometry import Affine, snap
from ..core.task import Kind, Task, TaskSource, truth_of
from ..core.view import View
from ..evaluation.rollout import rollout
from ..tasks import load_tasks
from ..tools.segmenter import Prompt, Segmentation, Segmenter, ask
from ..tools.segmenters import make_segmenter
from ..tools.toolbox import find_tool


def check_tasks(source: TaskSource | str, most: int = 20) -> None:
    """Check that tasks are well posed, that equal indexes are equal tasks, and that the truth fits."""
    source = load_tasks(source) if isinstance(source, str) else source
    assert len(source) > 0, "a source without tasks"
    seen = set()
    for index in range(min(most, len(source))):
        task = source[index]
        seen.add(task.id)
        assert (task.index, task.id) == (index, source[index].id), f"{task.id}: another task at its index"
        assert task.public().truth is None
        assert task.images, f"{task.id} has no image"
        assert all(image.pixels.dtype == np.uint8 for image in task.images), f"{task.id}: pixels are not uint8"
        _check_truth(task)
    assert len(seen) == min(most, len(source)), "two tasks have one id"
    for outside in (-1, len(source)):
        try:
            source[outside]
        except IndexError:
            continue
        raise AssertionError(f"index {outside} is outside and gives a task")


def check_tool(name: str) -> None:
    """Check that a tool explains itself and refuses what is no argument of it."""
    tool = find_tool(name)
    spec = tool.spec
    assert spec.description, f"{spec.name} has no description"
    json.dumps(spec.to_json(), allow_nan=False)
    for parameter, schema in spec.parameters["properties"].items():
        assert schema.get("type"), f"{spec.name}: the policy cannot know what {parameter} is; give it a type"
        assert schema.get("description"), f"{spec.name}: {parameter} is not described under Args:"
    for wrong in (
        {"no_such_argument": 1},
        dict.fromkeys(spec.parameters["properties"], math.nan),
        {"image": "?"},
    ):
        try:
            tool.check(wrong)
        except ToolError as error:
            told = str(error)
        else:
            raise AssertionError(f"{spec.name} takes {wrong}")
        assert spec.name in told, f"{spec.name}: an error does not show what was expected"


def check_segmenter(segmenter: Segmenter | str, most: int = 4) -> None:
    """Check that masks are ``(H, W) bool`` of the original, inside the view, and the same alone or in a batch."""
    segmenter = make_segmenter(segmenter) if isinstance(segmenter, str) else segmenter
    prompts = list(_prompts(load_tasks("phantoms", "test", kind="segmentation"), most))
    batch = ask(segmenter, prompts)
    assert any(isinstance(found, Segmentation) for found in batch), "every prompt failed"
    for prompt, found in zip(prompts, batch, strict=True):
        alone = ask(segmenter, [prompt])[0]
        assert isinstance(found, ToolError) == isinstance(alone, ToolError)
        if isinstance(found, ToolError) or isinstance(alone, ToolError):
            continue
        assert (found.bits == alone.bits).all(), "a prompt has another answer alone than in a batch"
        x1, y1, x2, y2 = snap(prompt.region, prompt.source.size)
        assert found.bits.sum() == found.bits[y1:y2, x1:x2].sum(), (
            "a mask reaches beyond what the policy was looking at"
        )
    assert segmenter.segment([]) == [], "no prompts, no answers"


def check_agent(agent: Agent | str) -> None:
    """Check that an agent plays every kind of task to an end and writes text."""
    made = load_agent(agent).make(0) if isinstance(agent, str) else agent
    for kind in Kind:
        env = gym.make("MedTool-v0", kinds=[str(kind)], segmenter="simulated")
        trajectory = rollout(env, made, options={"split": "test", "index": 0})
        assert trajectory.end_reason, f"the agent did not end a {kind} task"


def _check_truth(task: Task) -> None:
    truth = truth_of(task)
    size = task.images[truth.image].size
    if task.kind is Kind.CHOICE:
        assert truth.answer in task.letters, f"{task.id}: the answer is none of the options"
        assert len(set(task.options)) == len(task.options), f"{task.id}: two options are the same"
    elif task.kind is Kind.YES_NO:
        assert truth.answer in ("yes", "no"), f"{task.id}: the answer is neither yes nor no"
    elif task.kind is Kind.NUMBER:
        assert math.isfinite(float(truth.answer)), f"{task.id}: the answer is no number"
    elif task.kind is Kind.OPEN:
        assert truth.answer.strip(), f"{task.id}: the answer is empty"
    elif task.kind is Kind.SEGMENTATION:
        assert truth.mask is not None, f"{task.id}: no mask"
        assert truth.mask.size == size, f"{task.id}: the mask has another size than the image"
    for x1, y1, x2, y2 in truth.boxes:
        assert 0 <= x1 < x2 <= size[0], f"{task.id}: a box is outside the image"
        assert 0 <= y1 < y2 <= size[1], f"{task.id}: a box is outside the image"


def _prompts(source: TaskSource, most: int) -> Iterator[Prompt]:
    for index in range(most):
        task = source[index]
        truth = truth_of(task)
        view = View.whole(task.images[0], 512, index=1)
        mask = next((mask for mask in truth.structures.values() if mask.area), None)
        box = (mask.box if mask else None) or (10.0, 10.0, 60.0, 60.0)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        yield Prompt(view, box=box, truth=truth)
        yield Prompt(view, points=(middle,), labels=(1,), truth=truth)
        yield Prompt(view, box=box, points=(middle,), labels=(1,), truth=truth)
        yield Prompt(view, text=next(iter(truth.structures), "lesion"), truth=truth)
        half = (0, 0, max(1, int(middle[0])), view.source.size[1])
        left = View(view.source, Affine.onto(half, (half[2], half[3])), (half[2], half[3]), index=2)
        yield Prompt(left, box=(box[0], box[1], middle[0], box[3]), truth=truth)
        yield Prompt(left, text=next(iter(truth.structures), "lesion"), truth=truth)
