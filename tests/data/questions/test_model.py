"""An endpoint's say: what it does not agree with is refused, and what it fails to say is never taken for a yes."""

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medgym.core.errors import InputError
from medgym.data.questions.checks import refused
from medgym.data.questions.draft import MODEL, Draft
from medgym.data.questions.model import ANSWERS, UNCHECKED, Model
from tests.agents.test_openai import DROP, Reply, Stub, completion
from tests.data.questions.conftest import draft, scene

Serve = Callable[[Stub], str]
Replies = Callable[[str, list[str]], str]
FORMS = ("structure", "side", "present", "larger", "count", "diameter", "segment", "mark")
ALL = [draft(scene(), form) for form in FORMS]


def expert(drafts: list[Draft], **habits: str) -> Callable[[dict[str, Any]], Reply]:
    """Answer as one who sees what is there, and knows nothing without the image; but for habits."""
    known = {each.question: each for each in drafts}

    def by(body: dict[str, Any]) -> Reply:
        content = body["messages"][0]["content"]
        text = content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")
        if "JSON" in text:
            return completion(habits["write"])
        if text.startswith("Is what the yellow outline marks"):
            return completion(f"<answer>{habits.get('named', 'yes')}</answer>")
        right = next(each.right for question, each in known.items() if question in text)
        letters = {option: letter for letter, option in re.findall(r"^([A-Z])\. (.+)$", text, re.MULTILINE)}
        said = letters.get(right, right)
        if "withheld" in text:
            said = {"knows": said}.get(habits.get("blind", ""), habits.get("blind", "cannot tell"))
        else:
            said = habits.get("seeing", said)
        return completion(f"<think>So it is.</think><answer>{said}</answer>")

    return by


def made(url: str, folder: Path, **settings: Any) -> Model:
    return Model("m", url, folder, **{"timeout": 5.0, "retries": 2, "concurrency": 4, **settings})


def test_what_an_expert_agrees_with_is_kept_and_asked_for_once(serve: Serve, tmp_path: Path) -> None:
    stub = Stub(by=expert(ALL))
    url = serve(stub)
    model = made(url, tmp_path)
    assert model.refused(ALL) == []
    # Without the image six; of the label of the outline two, which all but one of the forms share; with it six.
    assert len(stub.asked) == 6 + 2 + 6
    images = [part for asked in stub.asked for part in asked["messages"][0]["content"] if isinstance(part, dict)]
    assert sum(part["type"] == "image_url" for part in images) == 8
    again = made(url, tmp_path)
    assert again.refused(ALL) == []
    assert len(stub.asked) == 14
    assert (again.usage["requests"], model.usage["requests"]) == (0, 14)
    # A line that was cut off is asked for again, and nothing else.
    path = tmp_path / ANSWERS
    path.write_text(path.read_text()[:-9])
    assert made(url, tmp_path).refused(ALL) == []
    assert len(stub.asked) == 15
    assert made(url, tmp_path).refused(ALL) == []
    assert len(stub.asked) == 15


def test_the_outline_is_drawn_and_what_it_marks_not_covered(serve: Serve, tmp_path: Path) -> None:
    stub = Stub(by=expert(ALL))
    made(serve(stub), tmp_path).refused([draft(scene(), "segment")])
    [asked] = stub.asked
    url = asked["messages"][0]["content"][0]["image_url"]["url"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
    yellow = (pixels == (255, 230, 0)).all(-1)
    assert yellow[18:20, 30:70].all()
    assert not yellow[20:60, 20:80].any()
    assert (pixels[20:60, 20:80, 0] == scene().image.pixels[20:60, 20:80]).all()


@pytest.mark.parametrize(
    ("habits", "check", "why", "refusing"),
    [
        ({"blind": "knows"}, "independence", "3 times without the image", set(FORMS) - {"segment", "mark"}),
        ({"named": "no"}, "grounding", "does not see", set(FORMS)),
        ({"seeing": "yes"}, "answer", "answers 'yes' with the image", {"structure", "side", "larger", "count", "diameter"}),
        ({"seeing": "none of these"}, "answer", "answers 'none", set(FORMS) - {"segment", "mark"}),
    ],
)  # fmt: skip
def test_what_it_does_not_agree_with_is_refused(
    serve: Serve, tmp_path: Path, habits: dict[str, str], check: str, why: str, refusing: set[str]
) -> None:  # fmt: skip
    model = made(serve(Stub(by=expert(ALL, **habits))), tmp_path)
    found = model.refused(ALL)
    assert {each.form for each, *_ in found} == refusing
    assert {name for _, name, _ in found} == {check}
    assert all(why in said for *_, said in found)


def test_one_right_guess_without_the_image_is_chance(serve: Serve, tmp_path: Path) -> None:
    """A model that always says B is right now and then, since options change places."""
    asked = [draft(scene(), "structure"), draft(scene(), "side")]
    stub = Stub(by=expert(asked, blind="B"))
    assert made(serve(stub), tmp_path).refused(asked) == []


def test_a_length_agrees_roughly(serve: Serve, tmp_path: Path) -> None:
    asked = draft(scene(), "diameter")
    assert asked.right == "36.1"
    near, far = (Stub(by=expert([asked], seeing=said)) for said in ("30", "72"))
    assert made(serve(near), tmp_path / "near").refused([asked]) == []
    assert made(serve(far), tmp_path / "far").refused([asked])[0][1] == "answer"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (DROP, "connection failed"),
        ((429, {"retry-after": "0"}, b"{}"), "status 429"),
        ((500, {}, b"oops"), "status 500: oops"),
        ((200, {}, b"<html>"), "no chat completion"),
        ((400, {}, b'{"error": "too long"}'), "too long"),
        (completion("It is the liver, I think."), "another form than asked: 'It is the liver"),
        (completion(""), "another form than asked"),
    ],
)
def test_what_is_not_answered_is_not_checked_and_never_accepted(
    serve: Serve, tmp_path: Path, reply: Reply, why: str
) -> None:  # fmt: skip
    stub = Stub(reply)
    url = serve(stub)
    found = made(url, tmp_path).refused(ALL)
    assert {check for _, check, _ in found} == {UNCHECKED}
    assert len(found) == len(ALL)
    assert all(why in said for *_, said in found)
    # It is no answer to hold on to: once the endpoint is well again it is asked again.
    stub.by = expert(ALL)
    assert made(url, tmp_path).refused(ALL) == []


def test_a_failure_in_between_is_tried_again(serve: Serve, tmp_path: Path) -> None:
    answers = expert(ALL)
    stub = Stub(by=lambda body: DROP if len(stub.asked) % 3 == 1 else answers(body))
    assert made(serve(stub), tmp_path, retries=5, concurrency=1).refused(ALL) == []
    assert len(stub.asked) > 14


def test_a_wrong_key_stops_it_at_once(serve: Serve, tmp_path: Path) -> None:
    stub = Stub((401, {}, b'{"error": "no such key"}'))
    with pytest.raises(InputError, match="refuses the key"):
        made(serve(stub), tmp_path, concurrency=1).refused(ALL)
    assert len(stub.asked) == 1


SIDE = draft(scene(), "side")
STRUCTURE, PRESENT = draft(scene(), "structure"), draft(scene(), "present")
POINT = f"{STRUCTURE.point[0]} %" if STRUCTURE.point else ""
ANEW = "As displayed, the region of liver lies in which half of the image?"
AT = re.sub("Which structure lies", "What structure is it that lies", STRUCTURE.question)


@pytest.mark.parametrize(
    ("asked", "said", "why"),
    [
        (SIDE, json.dumps({"question": ANEW}), ""),
        (SIDE, f"<think>Let me see.</think>```json\n{json.dumps({'question': ANEW, 'distractors': []})}\n```", ""),
        (STRUCTURE, json.dumps({"question": AT, "distractors": ["kidney"]}), ""),
        (SIDE, "Here you are!", "no JSON object"),
        (SIDE, "[1]", "no JSON object"),
        (SIDE, '{"answer": "left"}', "no JSON object"),
        (SIDE, '{"question": 3}', "a question that is no text"),
        (SIDE, json.dumps({"question": ANEW, "distractors": "none"}), "no texts"),
        (SIDE, json.dumps({"question": ANEW.replace("liver", "it")}), "it lost liver"),
        (SIDE, json.dumps({"question": "In which half does the region of liver lie?"}), "it lost displayed"),
        (SIDE, json.dumps({"question": ANEW + " It spans 3 cm."}), "other numbers"),
        (SIDE, json.dumps({"question": ANEW + " please" * 100}), "letters; expected at most 400"),
        (SIDE, json.dumps({"question": ""}), "0 letters"),
        (SIDE, json.dumps({"question": ANEW + " And of kidney?"}), "says kidney besides"),
        (PRESENT, json.dumps({"question": "Is this image without any liver?"}), "says without besides"),
        (STRUCTURE, json.dumps({"question": AT.replace(POINT, "50 %")}), "other numbers"),
    ],
)  # fmt: skip
def test_what_it_writes_keeps_to_the_draft(
    serve: Serve, tmp_path: Path, asked: Draft, said: str, why: str
) -> None:  # fmt: skip
    model = made(serve(Stub(by=expert([asked], write=said))), tmp_path)
    found = model.written([asked])[id(asked)]
    if why:
        assert isinstance(found, tuple)
        assert found[0] == "schema"
        assert re.search(why, found[1])
    else:
        assert isinstance(found, Draft)
        assert (found.by, found.right, found.question in (ANEW, AT)) == (MODEL, asked.right, True)


@pytest.mark.parametrize(
    ("distractors", "check"),
    [(["kidney"], ""), (["Loch Ness"], "options"), (["liver"], "options"), (["kidney", "kidney"], "options"), ([" "], "schema")],
)  # fmt: skip
def test_what_it_proposes_passes_the_same_checks(
    serve: Serve, tmp_path: Path, source: Any, distractors: list[str], check: str
) -> None:  # fmt: skip
    said = json.dumps({"question": AT, "distractors": distractors})
    found = made(serve(Stub(by=expert([], write=said))), tmp_path).written([STRUCTURE])[id(STRUCTURE)]
    assert isinstance(found, Draft)
    assert refused(found, source())[0] == check


def test_a_hint_in_its_words_is_refused(source: Any) -> None:
    assert refused(replace(SIDE, question=ANEW + " Look left.", by=MODEL), source())[0] == "independence"
