"""Work that is shared, and faults on purpose."""

import pickle
import time
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import pytest

import medgym  # noqa: F401
from medgym.core.errors import InputError, ToolError
from medgym.core.mask import Mask
from medgym.tools.segmenter import Prompt, Segmentation, ask
from medgym.tools.segmenters import make_segmenter
from medgym.tools.segmenters.shared import Faulty, Remembering

from .conftest import BOX, picture, view


class Counting:
    """Fills the box, and counts what it was asked."""

    name, needs_truth = "counting", False

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.asked: list[Prompt] = []

    def segment(self, prompts: Sequence[Prompt]) -> list[Segmentation | ToolError]:
        self.batches.append(len(prompts))
        self.asked += prompts
        return [
            ToolError("no text") if p.text == "fail" else Segmentation(Mask.of_box(p.box or p.region, p.source.size))
            for p in prompts
        ]


def many(count: int) -> list[Prompt]:
    seen = view(picture())
    return [Prompt(seen, box=(10.0, 10.0, 40.0 + i / 100, 50.0)) for i in range(count)]


def test_equal_prompts_are_answered_once_in_a_batch_and_later() -> None:
    inner = Counting()
    shared = Remembering(inner)
    one, other = Prompt(view(picture()), box=BOX), Prompt(view(picture()), box=(1, 1, 9, 9))
    first = ask(shared, [one, other, one, one])
    again = ask(shared, [other, one])
    assert inner.batches == [2]
    masks = [answer.mask for answer in (*first, *again) if isinstance(answer, Segmentation)]
    assert masks == [masks[0], masks[1], masks[0], masks[0], masks[1], masks[0]]
    assert masks[0] != masks[1]


def test_another_image_region_or_label_is_another_question() -> None:
    inner = Counting()
    shared = Remembering(inner)
    seen = view(picture())
    clicks = {"points": ((20.0, 30.0), (60.0, 20.0))}
    asked = [
        Prompt(seen, box=BOX), Prompt(view(picture(1)), box=BOX), Prompt(seen, box=BOX, points=((20.0, 30.0),), labels=(1,)),
        Prompt(seen, labels=(1, 0), **clicks), Prompt(seen, labels=(1, 1), **clicks), Prompt(seen, text="liver"),
        Prompt(seen, text="kidney"),
    ]  # fmt: skip
    ask(shared, asked)
    assert len(inner.asked) == len(asked)


def test_a_named_segmenter_is_pickled_by_its_name() -> None:
    named = make_segmenter("classical")
    assert pickle.loads(pickle.dumps(named)) is named
    assert isinstance(pickle.loads(pickle.dumps(Remembering(Counting()))), Remembering)


def test_a_failure_is_not_remembered() -> None:
    inner = Counting()
    shared = Remembering(inner)
    for _ in range(2):
        (answer,) = ask(shared, [Prompt(view(picture()), text="fail")])
        assert str(answer) == "no text"
    assert inner.batches == [1, 1]


def test_masks_stay_within_their_bound() -> None:
    shared = Remembering(Counting(), cache_mb=1)
    shared.masks.most_bytes = 5000
    ask(shared, many(100))
    assert 0 < shared.masks.held_bytes <= 5000
    assert 5 < len(shared.masks) < 10


@pytest.mark.parametrize("fault", ["fail", "empty", "other"])
def test_a_fault_happens_at_its_rate_and_always_to_the_same_calls(fault: str) -> None:
    seen = view(picture())
    corners = [(float(x), float(y)) for x in range(0, 80, 4) for y in range(0, 60, 4)]
    prompts = [Prompt(seen, box=(x, y, x + wide, y + 20)) for x, y in corners for wide in (12, 30)]
    honest = [Mask.of_box(prompt.box or prompt.region, prompt.source.size) for prompt in prompts]

    def kind(answer: Segmentation | ToolError, mask: Mask) -> str:
        if isinstance(answer, ToolError):
            return "fail"
        return "empty" if not answer.mask.area else "honest" if answer.mask == mask else "other"

    once, again = (
        [kind(*each) for each in zip(ask(Faulty(Counting(), **{fault: 0.25}), prompts), honest, strict=True)]
        for _ in range(2)
    )
    assert once == again
    assert set(once) == {"honest", fault}
    assert once.count(fault) / len(once) == pytest.approx(0.25, abs=0.06)


def test_another_structure_is_a_real_answer_to_another_question() -> None:
    inner = Counting()
    faulty = Faulty(inner, other=1.0)
    seen = view(picture())
    ask(faulty, [Prompt(seen, box=BOX), Prompt(seen, text="liver"), Prompt(seen, points=((20.0, 30.0),), labels=(1,))])
    box, text, click = inner.asked
    assert box.box is not None
    assert box.box != BOX
    assert (box.box[2] - box.box[0], box.box[3] - box.box[1]) == pytest.approx((50, 40))
    assert 0 <= box.box[0] < box.box[2] <= 120
    assert text.text
    assert "liver" not in text.text
    assert click.box is not None
    assert not click.points


def test_a_slow_segmenter_is_slow_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    ask(Faulty(Counting(), slow=1.0, delay=3.0), many(5))
    assert slept == [3.0]


def test_a_fault_does_not_say_that_it_is_one() -> None:
    spoilt = make_segmenter("faulty:empty=1,of=classical")
    (answer,) = ask(spoilt, [Prompt(view(picture()), box=BOX)])
    assert isinstance(answer, Segmentation)
    assert (answer.note, spoilt.name) == ("Nothing was found.", make_segmenter("classical").name)


def test_an_episode_goes_on_after_a_fault() -> None:
    env = gym.make("MedTool-v0", tasks="phantoms:native=128", segmenter="faulty:fail=1,of=classical")
    env.reset(seed=0)
    call = '{"name": "sam2", "arguments": {"image": 1, "bbox_2d": [20, 20, 60, 60]}}'
    obs, _, terminated, _, info = env.step(f"<think>I ask.</think><tool_call>{call}</tool_call>")
    assert "the segmenter failed" in obs["text"]
    assert not terminated
    assert not info["tool_ok"]


def test_a_step_of_a_vector_asks_all_at_once_and_each_question_once(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from medgym.core.mask import Mask\nfrom medgym.tools.segmenter import Segmentation\nBATCHES = []\n"
        "class Own:\n    name, needs_truth = 'own', False\n"
        "    def segment(self, prompts):\n        BATCHES.append(len(prompts))\n"
        "        return [Segmentation(Mask.of_box(p.box, p.source.size)) for p in prompts]\n"
    )
    tasks = "phantoms:native=128"
    env = gym.make_vec("MedTool-v0", num_envs=8, tasks=tasks, segmenter=f"{tmp_path}/own.py:Own")
    env.unwrapped.scenario.toolbox.segmenter = Remembering(env.unwrapped.scenario.toolbox.segmenter)
    env.reset(seed=0, options={"index": 3})
    for right in (60, 61):
        calls = [
            f'{{"name": "sam2", "arguments": {{"image": 1, "bbox_2d": [20, 20, {right}, {50 + i % 2}]}}}}'
            for i in range(8)
        ]
        env.step([f"<think>I ask.</think><tool_call>{call}</tool_call>" for call in calls])
    import medgym_user_own

    assert medgym_user_own.BATCHES == [2, 2]


def test_a_tool_that_nothing_stands_behind_is_refused_early(tmp_path: Path) -> None:
    (tmp_path / "boxes.py").write_text(
        "class Boxes:\n    name, needs_truth, takes = 'boxes', False, frozenset({'box'})\n    def segment(self, prompts): return []\n"
    )
    spec = f"{tmp_path}/boxes.py:Boxes"
    with pytest.raises(InputError, match="'biomedparse' asks by words, which the segmenter does not take"):
        gym.make("MedTool-v0", segmenter=spec)
    gym.make("MedTool-v0", segmenter=spec, tools=["zoom_in", "sam2"])
    gym.make("MedTool-v0", segmenter=f"{spec}|classical")
