"""A failed try and a right one become one lesson, played for real."""

from collections.abc import Sequence

import pytest

from medgym.core.trajectory import Trajectory
from medgym.envs.scenario import Scenario
from medgym.rewards.grading import Graded
from medgym.training import Demonstration, faults
from medgym.training.reflection import corrections, merge


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    tasks = "phantoms:modality=fundus,form=segment_organ,difficulty=0,native=128"
    return Scenario(tasks=tasks, coords="norm1000", view_size=128, max_turns=4)


def call(box: Sequence[int]) -> str:
    inner = f'{{"name": "sam2", "arguments": {{"image": 1, "bbox_2d": {list(box)}}}}}'
    return f"<think>I mark the structure with sam2.</think>\n<tool_call>\n{inner}\n</tool_call>"


def done(mask: int | None) -> str:
    return f'<think>It is marked.</think>\n<answer>{{"mask": {"null" if mask is None else mask}}}</answer>'


def played(scenario: Scenario, texts: Sequence[str], index: int = 0) -> Trajectory:
    episode = scenario.episode(scenario.task("train", index))
    for text in texts:
        episode.apply(text)
    return episode.trajectory()


def truth_box(scenario: Scenario, index: int = 0) -> list[int]:
    mask = scenario.task("train", index).truth.mask
    return [round(v * 1000 / 128) for v in mask.box]


def test_the_merged_episode_shows_the_failed_try_and_ends_right(scenario: Scenario):
    wrong = played(scenario, [call([10, 10, 200, 200]), done(2)])
    right = played(scenario, [call(truth_box(scenario)), done(2)])
    assert not Graded(wrong).correct
    assert Graded(right).correct
    lesson = merge(scenario, wrong, right)
    assert lesson is not None
    assert lesson.skip == (0,)
    assert lesson.texts[0] == wrong.turns[0].text
    assert "try again" in lesson.texts[1]
    replayed = played(scenario, lesson.texts)
    assert Graded(replayed).correct
    assert not faults(replayed)
    shown = len(wrong.views) - 1
    assert f'{{"mask": {2 + shown}}}' in lesson.texts[-1]


def test_only_what_turned_from_wrong_to_right_with_other_calls_is_a_lesson(scenario: Scenario):
    good, bad = [call(truth_box(scenario)), done(2)], [call([10, 10, 200, 200]), done(2)]
    never = played(scenario, [done(None)])
    for tries, lessons in (
        ([bad, good], 1),
        ([good, bad], 0),
        ([good, good], 0),
        ([bad, bad], 0),
        ([bad, good, good], 1),
    ):
        assert len(corrections(scenario, [[played(scenario, each)] for each in tries])) == lessons
    assert corrections(scenario, [[never], [played(scenario, good)]]) == []


def test_demonstrations_follow_the_rules_of_a_cold_start(scenario: Scenario):
    good = [call(truth_box(scenario)), done(2)]
    assert faults(played(scenario, good)) == []
    silent = [good[0].replace("I mark the structure with sam2.", "Hm."), done(2)]
    for texts, word in (
        ([call([10, 10, 200, 200]), done(2)], "answer"),
        (["I think so.", *good], "format"),
        ([call([10, 10, 2, 2]), *good], "call"),
        (silent, "justification"),
        (good[:1], "format"),
    ):
        assert any(fault.startswith(word) for fault in faults(played(scenario, texts))), texts


def test_a_demonstration_is_kept_as_what_was_written(scenario: Scenario, tmp_path):
    from medgym.core.errors import InputError
    from medgym.training.demonstrations import load, save

    shown = Demonstration.of(played(scenario, [call(truth_box(scenario)), done(2)]))
    save(tmp_path / "shown.jsonl", [shown])
    assert list(load(tmp_path / "shown.jsonl")) == [shown]
    assert [message["role"] for message in shown.messages(scenario)] == [
        "system", "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    (tmp_path / "broken.jsonl").write_text('{"split": "train"}\n')
    with pytest.raises(InputError, match="line 1"):
        list(load(tmp_path / "broken.jsonl"))
    with pytest.raises(InputError, match="no demonstrations"):
        list(load(tmp_path / "nothing"))


def test_a_teacher_whose_tool_errs_shows_how_to_mend_it_and_only_that_is_taught():
    from medgym.agents.agent import make_agent
    from medgym.evaluation.rollout import rollouts

    tasks = "phantoms:modality=fundus,form=segment_organ,difficulty=0,native=128,absent=0"
    wrong = Scenario(tasks=tasks, segmenter="simulated:miss=0.3,swap=0.3", view_size=128, max_turns=4)
    places = [("train", index) for index in range(30)]
    found = [trajectory for trajectory, _ in rollouts(wrong, make_agent("teacher", 0), places)]
    lessons = [Demonstration.of(trajectory) for trajectory in found if not faults(trajectory)]
    mended = [lesson for lesson in lessons if lesson.skip]
    assert len(mended) > 5
    assert all(lesson.skip == tuple(range(len(lesson.texts) - 2)) for lesson in lessons)
    assert {"Nothing was found", "That is something else"} <= {
        text.removeprefix("<think>").split(",")[0] for lesson in mended for text in lesson.texts[1:]
    }
