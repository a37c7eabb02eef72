"""Many episodes at once are the episodes one by one."""

from collections.abc import Sequence
from typing import Any

from medgym.agents.agent import make_agent
from medgym.envs.scenario import Scenario
from medgym.evaluation.rollout import rollouts

CALL = '<think>I look.</think>\n<tool_call>\n{"name": "zoom_in", "arguments": {"image": 1, "bbox_2d": [0, 0, 30, 30]}}\n</tool_call>'
ANSWER = "<think>I guess.</think>\n<answer>A</answer>"


class Both:
    """Looks at every second task, and answers."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def act(self, messages: list[dict[str, Any]]) -> str:
        looks = len(str(messages[1]["content"][-1]["text"])) % 2 and len(messages) == 2
        return CALL if looks else ANSWER

    def act_batch(self, chats: Sequence[list[dict[str, Any]]]) -> list[str]:
        self.batches.append(len(chats))
        return [self.act(chat) for chat in chats]


class OneByOne:
    def act(self, messages: list[dict[str, Any]]) -> str:
        return Both().act(messages)


def test_batches_change_nothing_but_the_number_of_calls():
    scenario = Scenario(tasks="phantoms:native=64", view_size=64)
    places = [("test", index) for index in range(10)]
    both = Both()
    together = [
        (t.task.id, [turn.text for turn in t.turns], r.values) for t, r in rollouts(scenario, both, places, batch=4)
    ]
    alone = [(t.task.id, [turn.text for turn in t.turns], r.values) for t, r in rollouts(scenario, OneByOne(), places)]
    assert together == alone
    assert both.batches[0] == 4
    assert sum(both.batches) == sum(len(texts) for _, texts, _ in alone)


def test_the_teacher_shows_what_can_be_learned_from():
    from medgym.training.demonstrations import faults

    scenario = Scenario(tasks="phantoms:native=128", view_size=128, coords="norm1000", segmenter="simulated:error=0.05")
    played = [t for t, _ in rollouts(scenario, make_agent("teacher"), [("train", index) for index in range(60)])]
    clean = [t for t in played if not faults(t)]
    assert len(clean) > 50
    assert {t.task.kind for t in clean} == {t.task.kind for t in played}
    assert any(t.calls for t in clean)
