"""A hundred thousand random and mutated actions: none raises, none hangs, each is scored."""

import json
import math
import random

import pytest

from medgym.catalog import names
from medgym.core.dialects import DIALECTS, make_dialect
from medgym.core.episode import Episode
from medgym.core.task import Kind
from medgym.envs.render import as_image, as_text
from medgym.rewards import load_recipe
from medgym.tools.toolbox import Tools
from tests.conftest import Filling, answer, call, task

SEEDS = [
    call("zoom_in", image=1, bbox_2d=[4, 4, 40, 30]),
    call("sam2", image=1, bbox_2d=[4, 4, 40, 30], points=[[5, 5], [9, 9]], labels=[1, 0]),
    call("biomedparse", image=1, text="liver tumor"),
    answer("B"), answer("yes"), answer("12 mm"), answer('{"mask": null}'), answer('{"text": "tumor"}'),
    answer('{"image": 1, "bbox_2d": [[4, 4, 40, 30], [1, 2, 3, 4]]}'),
    '<think> I look. </think> Action: SAM2\n```json\n[{"index": 1, "bbox_2d": [1, 2, 30, 40]}]\n```',
    "<think>x</think> Action: Answer\n<answer> C </answer>",
    '<think>x</think><tool_call>{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [4, 4, 40, 30]}}</tool_call>',
    '<think>x</think><grounding>{"bbox_2d": [0.1, 0.1, 0.5, 0.9], "source": "original_image"}</grounding>',
    '<tool_call>{"name": "add_point", "arguments": {"point_2d": [50, 50], "point_type": "negative"}}</tool_call>',
    '<tool_call>{"name": "stop_action", "arguments": {}}</tool_call>',
]  # fmt: skip
PIECES = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<answer>", "</answer>", "{", "}", "[", "]", '"', ",", ":", "null",
          "NaN", "Infinity", "-1", "1e999", "9" * 40, "true", "image", "bbox_2d", "points", "mask", "\x00", "\ud800", "≥µ", "𝔸",
          "\\", "\n", "```json", "Action:", "Answer", "[[[[", "-0.0", "0.5", "1000", "é" * 30, "<|im_end|>", '"labels": [[1]]']  # fmt: skip


def mutated(rng: random.Random) -> str:
    text = rng.choice(SEEDS)
    for _ in range(rng.randint(0, 6)):
        at, to = sorted(rng.randint(0, len(text)) for _ in range(2))
        between = rng.choice([rng.choice(PIECES), "", text[at:to] * 2, chr(rng.randint(1, 0xD7FF))])
        text = text[:at] + between + text[to:]
    return text


@pytest.mark.slow
def test_no_action_raises_and_each_is_scored() -> None:
    rng = random.Random(0)
    tools = Tools(["zoom_in", "sam2", "biomedparse"], Filling())  # type: ignore[arg-type]
    dialects = [
        make_dialect(name, [spec for spec in tools.specs if spec.name in (dialect.spoken or tools.tools)], coords)
        for name, dialect in DIALECTS.items()
        for coords in ("pixel", "norm1000", "unit")
    ]  # type: ignore[arg-type]
    tasks = [task(kind) for kind in Kind]
    recipes = [load_recipe(name) for name in names("rewards")]
    usable = 0
    for number in range(100_000):
        episode = Episode(rng.choice(tasks), rng.choice(dialects), tools, view_size=512, max_turns=1, max_unusable=3)
        turn = episode.apply(mutated(rng))
        usable += turn.action.usable
        assert episode.over
        reward = recipes[number % len(recipes)].score(episode.trajectory())
        assert math.isfinite(reward.total)
        json.dumps([reward.values, turn.error])
        if number % 500 == 0:
            as_text(episode.trajectory(), reward)
            as_image(episode.trajectory(), reward)
    assert 5_000 < usable < 95_000


def test_a_hundred_kilobytes_cost_no_more_than_reading_them() -> None:
    for name in DIALECTS:
        dialect = make_dialect(name, [])
        for text in ("<think>" * 15_000, "<think>x</think>" + "<tool_call>" * 9_000, "<think>x</think>" + "Action:" * 15_000,
                     "<think>x</think>" + " " * 100_000 + "y", '<think>x</think><answer>{"a":' * 5_000, "B" * 100_000):  # fmt: skip
            assert not dialect.parse(text, [(10, 10)]).usable
