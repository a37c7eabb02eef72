"""Dialects: what a policy wrote must mean that and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgym.core.action import MOST_CALLS, Action, Call
from medgym.core.coords import COORDS
from medgym.core.dialects import DIALECTS, make_dialect
from medgym.core.dialects.dialect import TAGS
from medgym.core.errors import InputError
from medgym.tools.toolbox import TOOLS

SPECS = [tool.spec for tool in TOOLS.values()]
SIZES = [(512, 384), (301, 77)]
words = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.lists(st.sampled_from([*TAGS, "```", "json", " ", "a", "Action:", "\n"]), max_size=5).map("".join),
)
thoughts = words.map(str.strip).filter(lambda text: "</think>" not in text)
plain = words.map(str.strip).filter(lambda text: text and text[0] not in "{[" and not any(tag in text for tag in TAGS))
numbers = st.integers(0, 30000).map(lambda v: v / 100)
boxes = st.lists(numbers, min_size=4, max_size=4)
images = st.integers(1, 2)
calls = st.one_of(
    st.builds(lambda i, b: Call("zoom_in", {"image": i, "bbox_2d": b}), images, boxes),
    st.builds(lambda i, p: Call("sam2", {"image": i, "points": p, "labels": [1]}), images,
              st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=1, max_size=3)),
    st.builds(lambda i, t: Call("biomedparse", {"image": i, "text": t}), images, words),
    st.builds(lambda t: Call("measure-2", {"what": t, "deep": [{"a": None}]}), words),
)  # fmt: skip
answers = st.one_of(
    plain,
    st.builds(lambda k: {"mask": k}, st.one_of(st.none(), images)),
    st.builds(lambda i, b: {"image": i, "bbox_2d": b}, images, st.one_of(boxes, st.lists(boxes, max_size=3))),
    st.lists(st.builds(lambda b, t: {"bbox_2d": b, "label": t}, boxes, words), max_size=3),
)
zooms = st.builds(lambda i, b: Call("zoom_in", {"image": i, "bbox_2d": b}), images, boxes)
labels = st.integers(0, 1)
marks = st.one_of(
    st.builds(lambda i, b: Call("sam2", {"image": i, "bbox_2d": b}), images, boxes),
    st.builds(lambda i, x, y, k: Call("sam2", {"image": i, "points": [[x, y]], "labels": [k]}), images, numbers, numbers, labels),
)  # fmt: skip
CALLS = {"deepeyes": zooms, "mini-o3": zooms, "medsam-agent": marks}
"""What the dialects that cannot write every call can write."""


def specs(name: str) -> list[Any]:
    """Return the tools that a dialect can write."""
    return [spec for spec in SPECS if spec.name in (DIALECTS[name].spoken or TOOLS)]


@pytest.mark.parametrize("coords", COORDS)
@pytest.mark.parametrize("name", sorted(DIALECTS))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_formatted_is_parsed_back(name: str, coords: Any, data: st.DataObject) -> None:
    dialect = make_dialect(name, specs(name), coords)
    several = st.lists(CALLS.get(name, calls), min_size=1, max_size=dialect.most_calls).map(tuple)
    made = st.one_of(
        st.builds(Action, thoughts, several), st.builds(lambda t, a: Action(t, answer=a), thoughts, answers)
    )
    action = data.draw(made)
    assert dialect.parse(dialect.format(action, SIZES), SIZES) == action


def hermes(text: str) -> Action:
    return make_dialect("hermes", SPECS).parse(text, SIZES)


CALL = '<tool_call>{"name": "zoom_in", "arguments": {"image": 1}}</tool_call>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  \n<|im_end|>", "empty"),
        ("The answer is B.", "begins with <think>"),
        ("Let me look at a region", "begins with <think>"),
        ("<answer>B</answer>", "begins with <think>"),
        ("<think>B", "not closed"),
        ("<think><answer>A</answer></think>", "neither a call nor an answer"),
        ("<think>x</think> A <answer>B</answer>", "outside the tags"),
        ("<think>x</think><answer>A</answer><answer>B</answer>", "more than one answer"),
        (f"<think>x</think>{CALL}<answer>A</answer>", "not both"),
        ("<think>x</think><answer></answer>", "answer is empty"),
        ("<think>x</think><answer>A", "not closed"),
        ("<think>x</think><answer>A<answer>B</answer>", "holds <answer>"),
        ('<think>x</think><answer>{"mask": }</answer>', "not JSON"),
        ('<think>x</think><answer>{"mask": NaN}</answer>', "not a number in JSON"),
        ("<think>x</think><tool_call>{]</tool_call>", "not JSON"),
        ("<think>x</think><tool_call>[]</tool_call>", "a call is an object"),
        ('<think>x</think><tool_call>{"name": "a", "arguments": []}</tool_call>', "object of"),
        ('<think>x</think><tool_call>{"name": "a", "x": 1}</tool_call>', "nothing else"),
        ("<think>x</think><tool_call>" + "[" * 100_000 + "</tool_call>", "nested too deeply"),
        ("<think>x</think>" + CALL * (MOST_CALLS + 1), "more than"),
        ('<think>x</think><answer>{"bbox_2d": ' + "[" * 500 + "]" * 500 + "}</answer>", "nested too deeply"),
        ('<think>x</think><answer>{"bbox_2d": [0, 0, 1e999, 5]}</answer>', "1e999 is not a number"),
        ("<think>x</think>" + "<answer>A</answer>" * 50_000, "more than one answer"),
        ("x" * (1 << 20) + "y", "longer than"),
        ("＜think＞x＜/think＞＜answer＞A＜/answer＞", "begins with <think>"),
        ("<think>x</think><\u0430nswer>A</\u0430nswer>", "outside the tags"),
    ],
)  # fmt: skip
def test_what_is_no_action_says_why(text: str, why: str) -> None:
    action = hermes(text)
    assert not action.usable
    assert why in action.errors[0]
    assert (action.calls, action.answer) == ((), None)


def test_a_thought_may_speak_of_tags_and_still_be_a_thought() -> None:
    action = hermes("<think>I could say <answer>A</answer>.</think>\n<answer> B </answer><|im_end|>")
    assert (action.thought, action.answer) == ("I could say <answer>A</answer>.", "B")


def test_a_closing_tag_inside_an_argument_does_not_end_the_call() -> None:
    dialect = make_dialect("hermes", SPECS)
    action = Action("x", (Call("biomedparse", {"image": 1, "text": "</tool_call> ``` </answer>"}),))
    for name in ("hermes", "ophiuchus"):
        dialect = make_dialect(name, SPECS)
        assert dialect.parse(dialect.format(action, SIZES), SIZES) == action


def test_coordinates_are_converted_once_and_by_the_named_image() -> None:
    dialect = make_dialect("hermes", SPECS, "norm1000")
    text = '<think>x</think><tool_call>{"name": "zoom_in", "arguments": {"image": 2, "bbox_2d": [0, 0, 500, 1000]}}</tool_call>'
    assert dialect.parse(text, SIZES).calls[0].arguments["bbox_2d"] == [0, 0, 150.5, 77]
    assert "0 to 1000" in dialect.system(6)


def test_an_unformattable_action_is_refused() -> None:
    dialect = make_dialect("hermes", SPECS)
    for action in (
        Action("x"),
        Action("</think>", answer="B"),
        Action("x", answer="{"),
        Action("x", answer="<answer>"),
    ):
        with pytest.raises(ValueError):
            dialect.format(action, SIZES)


OPHIUCHUS = {
    "prompt": '<think> I look. </think> Action: SAM2\n```json\n[\n {"index": 1, "bbox_2d": [1, 2, 30, 40]}\n]\n```',
    "supervised": '<think> I look.\n</think> Action: <tool_call>SAM2\n```json\n[{"index": 1, "bbox_2d": [1, 2, 30, 40]}]\n```</tool_call>',
}


@pytest.mark.parametrize("form", OPHIUCHUS)
def test_both_published_forms_of_ophiuchus_are_read(form: str) -> None:
    action = make_dialect("ophiuchus", SPECS).parse(OPHIUCHUS[form], SIZES)
    assert action == Action("I look.", (Call("sam2", {"image": 1, "bbox_2d": [1, 2, 30, 40]}),))


def test_ophiuchus_reads_answers_captions_and_several_calls() -> None:
    dialect = make_dialect("ophiuchus", SPECS)
    assert dialect.parse("<think>x</think> Action: Answer\n<answer> C </answer>", SIZES).answer == "C"
    text = '<think>x</think> Action: BiomedParse\n```json\n[{"index": 1, "captions": "a"}, {"index": 1, "captions": "b"}]\n```'
    assert [call.arguments["text"] for call in dialect.parse(text, SIZES).calls] == ["a", "b"]


@pytest.mark.parametrize("text", [
    "<think>x</think> Action: Answer A", "<think>x</think> A", "<think>x</think> Action: SAM2",
    "<think>x</think> Action: SAM2\n```json\n[]\n```", "<think>x</think> Action: SAM2\n```json\n[1]\n```",
    '<think>x</think> Action: <tool_call>SAM2\n```json\n[{"index": 1}]\n``` more</tool_call>',
])  # fmt: skip
def test_ophiuchus_refuses_what_is_neither(text: str) -> None:
    assert not make_dialect("ophiuchus", SPECS).parse(text, SIZES).usable


def test_the_prompt_names_every_tool_with_its_schema() -> None:
    for name in DIALECTS:
        prompt = make_dialect(name, specs(name)).system(4)
        assert "4 turns" in prompt
        assert "pixels" in prompt
    listed = make_dialect("hermes", SPECS).system(4).split("<tools>")[1].split("</tools>")[0].strip().splitlines()
    assert [json.loads(line)["function"]["name"] for line in listed] == list(TOOLS)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'hermes'"):
        make_dialect("hermess", SPECS)
    with pytest.raises(InputError, match="norm1000"):
        make_dialect("hermes", SPECS, "norm100")  # type: ignore[arg-type]
