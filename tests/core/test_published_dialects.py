"""Dialects of published agents: what their models write is read as they mean it, and what they read is what they know."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgym.core.action import Action, Call
from medgym.core.dialects import Dialect, make_dialect
from medgym.core.episode import Episode
from medgym.core.errors import InputError
from medgym.core.task import Kind
from medgym.tools.toolbox import TOOLS, Tools
from tests.conftest import Filling, task

SIZES = [(512, 384), (300, 80)]
DEEPEYES = make_dialect("deepeyes", [TOOLS["zoom_in"].spec])
MINI_O3 = make_dialect("mini-o3", [TOOLS["zoom_in"].spec], "unit")
MEDSAM = make_dialect("medsam-agent", [TOOLS["sam2"].spec], "norm1000")


def said(name: str, thought: str = "<think>x</think>", **arguments: object) -> str:
    return f"{thought}<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def look(**grounding: object) -> str:
    return f"<think>x</think> <grounding>{json.dumps(grounding)}</grounding>"


def zoom(image: int, *box: float) -> tuple[Call, ...]:
    return (Call("zoom_in", {"image": image, "bbox_2d": list(box)}),)


def test_deepeyes_marks_the_original_image_and_may_name_what_it_marks() -> None:
    once = said("image_zoom_in_tool", bbox_2d=[10, 20, 100, 200], label="the polyp")
    assert DEEPEYES.parse(once, SIZES).calls == zoom(1, 10, 20, 100, 200)
    assert len(DEEPEYES.parse(once + said("image_zoom_in_tool", "", bbox_2d=[1, 2, 3, 4]), SIZES).calls) == 2
    other = said("image_zoom_in_tool", bbox_2d=[10, 20, 100, 50], image=2)
    assert DEEPEYES.parse(other, SIZES).calls == zoom(2, 10, 20, 100, 50)
    assert DEEPEYES.parse("<think> a </think>  <answer> The cup is red. </answer> ", SIZES).answer == "The cup is red."


def test_mini_o3_marks_shares_of_the_source_that_it_names() -> None:
    first = look(bbox_2d=[0.5, 0, 1.0, 0.5], source="original_image")
    assert MINI_O3.parse(first, SIZES).calls == zoom(1, 256, 0, 512, 192)
    assert MINI_O3.parse(look(bbox_2d=[0.5, 0, 1, 0.5], source="observation_1"), SIZES).calls == zoom(
        2, 150, 0, 300, 40
    )
    assert MINI_O3.format(Action("x", zoom(3, 1, 1, 2, 2)), SIZES).endswith('"source": "observation_2"}</grounding>')


def test_medsam_agent_goes_on_from_what_it_marked() -> None:
    box = MEDSAM.parse(said("add_bbox", "", bbox_2d=[0, 0, 500, 1000]), SIZES).calls
    assert box == (Call("sam2", {"image": 1, "bbox_2d": [0, 0, 256, 384]}),)
    first = MEDSAM.parse(said("add_point", "", point_2d=[500, 500], point_type="positive"), SIZES, box).calls
    assert first[0].arguments == {"image": 1, "bbox_2d": [0, 0, 256, 384], "points": [[256, 192]], "labels": [1]}
    text = said("add_point", "", point_2d=[250, 0], point_type="negative")
    second = MEDSAM.parse(text, SIZES, [*box, *first])
    assert second.calls[0].arguments["points"] == [[256, 192], [128, 0]]
    assert second.calls[0].arguments["labels"] == [1, 0]
    assert MEDSAM.format(second, SIZES, [*box, *first]) == text
    anew = MEDSAM.parse(said("add_bbox", "", bbox_2d=[0, 0, 100, 100]), SIZES, [*box, *first]).calls
    assert set(anew[0].arguments) == {"image", "bbox_2d"}


points = st.tuples(st.lists(st.integers(0, 999), min_size=2, max_size=2), st.sampled_from(["positive", "negative"]))


@settings(max_examples=100, deadline=None)
@given(begun=st.booleans(), added=st.lists(points, min_size=1, max_size=5))
def test_medsam_agent_writes_back_every_step(begun: bool, added: list[tuple[list[int], str]]) -> None:
    before: list[Call] = []
    texts = [said("add_bbox", "", bbox_2d=[1, 2, 300, 400])] if begun else []
    texts += [said("add_point", "", point_2d=place, point_type=kind) for place, kind in added]
    for text in texts:
        action = MEDSAM.parse(text, SIZES, before)
        assert MEDSAM.format(action, SIZES, before) == text
        before += action.calls
    assert len(before[-1].arguments["points"]) == len(added)


def test_a_stop_answers_with_the_newest_mask_and_a_failed_point_is_forgotten() -> None:
    made = task(Kind.SEGMENTATION)
    tools = Tools(["sam2"], Filling())  # type: ignore[arg-type]
    dialect = make_dialect("medsam-agent", tools.specs, "norm1000")
    episode = Episode(made, dialect, tools, view_size=512, max_turns=9, max_unusable=3)
    episode.apply(said("add_bbox", "", bbox_2d=[100, 100, 500, 500]))
    episode.apply(said("add_point", "", point_2d=[2000, 300], point_type="positive"))
    episode.apply(said("add_point", "", point_2d=[300, 300], point_type="positive"))
    assert len(episode.turns[2].action.calls[0].arguments["points"]) == 1
    turn = episode.apply(said("stop_action", ""))
    assert turn.action.answer == {"mask": 3}
    assert turn.mask is not None


@pytest.mark.parametrize(
    ("dialect", "text", "why"),
    [
        (DEEPEYES, said("zoom_in", image=1, bbox_2d=[1, 2, 3, 4]), "there is image_zoom_in_tool"),
        (DEEPEYES, said("image_zoom_in_tool", bbox=[1, 2, 3, 4]), "takes"),
        (DEEPEYES, said("image_zoom_in_tool", bbox_2d=[1, 2, 3]), "takes"),
        (DEEPEYES, said("image_zoom_in_tool", "", bbox_2d=[1, 2, 3, 4]), "begins with <think>"),
        (DEEPEYES, "<think>x</think>B", "outside the tags"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, 1]), "a grounding is"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, True], source="original_image"), "a grounding is"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, 1], source="observation_0"), "the source is"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, 1], source=1), "the source is"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, 1], source="original_image")[:-1], "not closed"),
        (MINI_O3, "<think>x</think><grounding>__import__('os')</grounding>", "not JSON"),
        (MINI_O3, look(bbox_2d=[0, 0, 1, 1], source="original_image") + "<answer>A</answer>", "not both"),
        (MINI_O3, "<think>x</think>" + look(bbox_2d=[0, 0, 1, 1], source="original_image")[16:] * 2, "more than one call"),
        (MEDSAM, said("add_point", "", point_2d=[1, 2], point_type="maybe"), "takes"),
        (MEDSAM, said("add_point", "", point_2d=[1, 2], point_type=["positive"]), "takes"),
        (MEDSAM, said("stop_action", "", sure=True), "takes nothing"),
        (MEDSAM, said("sam2", "", image=1), "there is no tool 'sam2'"),
        (MEDSAM, said("stop_action", "") * 2, "more than one call"),
        (MEDSAM, "The mask is good.", "outside the tags"),
        (MEDSAM, '<tool_call>{"name": add_point}</tool_call>', "not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_action_says_why(dialect: Dialect, text: str, why: str) -> None:
    action = dialect.parse(text, SIZES)
    assert why in action.errors[0]
    assert (action.calls, action.answer) == ((), None)


def test_what_a_dialect_cannot_write_is_refused() -> None:
    tools = [TOOLS[name].spec for name in ("zoom_in", "sam2", "measure")]
    with pytest.raises(InputError, match=r"'deepeyes' has no way to call 'sam2', 'measure': .*tools=\['zoom_in'\]"):
        make_dialect("deepeyes", tools)
    with pytest.raises(InputError, match=r"\['zoom_in'\]"):
        make_dialect("mini-o3", tools, "unit")
    with pytest.raises(InputError, match=r"\['sam2'\]"):
        make_dialect("medsam-agent", tools, "norm1000")
    several = Call("sam2", {"image": 1, "points": [[1, 2], [3, 4]], "labels": [1, 1]})
    for dialect, call in ((MEDSAM, several), (MINI_O3, several), (DEEPEYES, Call("zoom_in", {"image": 1}))):
        with pytest.raises(ValueError):
            dialect.format(Action("x", (call,)), SIZES)


@pytest.mark.parametrize("dialect", [DEEPEYES, MINI_O3, MEDSAM])
def test_errors_name_what_the_policy_can_write(dialect: Dialect) -> None:
    """A policy that is shown our names writes them, and then nothing works."""
    tools = Tools([spec.name for spec in dialect.tools], Filling())  # type: ignore[arg-type]
    episode = Episode(task(Kind.CHOICE), dialect, tools, view_size=512, max_turns=9, max_unusable=3)
    wrong = {
        "deepeyes": said("image_zoom_in_tool", bbox_2d=[9, 9, 1, 1]),
        "mini-o3": look(bbox_2d=[0.9, 0.9, 0.1, 0.1], source="original_image"),
        "medsam-agent": said("add_bbox", "", bbox_2d=[9, 9, 1, 1]),
    }
    episode.apply(wrong[dialect.name])
    shown = "\n".join(part["text"] for part in episode.messages()[-1]["content"] if part["type"] == "text")
    assert "x1 must be less than x2" in shown
    assert "sam2" not in shown
    assert "zoom_in(" not in shown


def test_a_task_with_several_images_says_how_to_name_them() -> None:
    made = replace(task(Kind.CHOICE), images=task(Kind.CHOICE).images * 2)
    tools = Tools(["zoom_in"], Filling())  # type: ignore[arg-type]
    told = {}
    for name in ("deepeyes", "mini-o3"):
        dialect = make_dialect(name, tools.specs)
        episode = Episode(made, dialect, tools, view_size=64, max_turns=2, max_unusable=3)
        told[name] = episode.messages()[1]["content"][-1]["text"]
    assert '"image": k' in told["deepeyes"]
    assert "Observation 1 (image 2" in told["mini-o3"]
