"""A model behind a chat endpoint: what the endpoint does wrong is never taken for what the model did."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from typing import Any

import gymnasium as gym
import pytest
from PIL import Image

import medgym
from medgym.agents import AgentError, make_agent
from medgym.agents import endpoint as endpoints
from medgym.agents.endpoint import normalised
from medgym.agents.openai import OpenAI
from medgym.agents.wire import ENCODED, data_url
from medgym.core.errors import InputError
from medgym.evaluation.run import RunConfig, play
from medgym.evaluation.summary import summarise
from tests.serving.conftest import free_port, running

Reply = tuple[int, dict[str, str], bytes]
CHAT = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}]
ANSWER = "<think>x</think><answer>B</answer>"


def completion(content: str | None = ANSWER, why: str = "stop", tokens: int = 7, **message: Any) -> Reply:
    body = {
        "choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": why}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": tokens},
    }
    return 200, {}, json.dumps(body).encode()


def refused(status: int, words: str, **headers: str) -> Reply:
    return (
        status,
        {key.replace("_", "-"): value for key, value in headers.items()},
        json.dumps({"error": {"message": words}}).encode(),
    )


DROP: Reply = (0, {}, b"")


class Stub:
    """An endpoint that answers as it is told: by a list of replies, of which the last stays, or by a function."""

    def __init__(self, *replies: Reply, by: Callable[[dict[str, Any]], Reply] | None = None) -> None:
        self.replies, self.by = list(replies), by
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.delay = 0.0
        self.now = self.most = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        asked = json.loads(body)
        self.asked.append(asked)
        self.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})
        self.paths.append(scope["path"])
        self.times.append(time.monotonic())
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.delay)
        self.now -= 1
        status, headers, content = self.by(asked) if self.by else self.replies[0]
        if len(self.replies) > 1:
            self.replies.pop(0)
        shown = [(key.encode(), value.encode()) for key, value in headers.items()]
        await send(
            {
                "type": "http.response.start",
                "status": status or 200,
                "headers": [*shown, (b"content-length", b"%d" % (len(content) + (not status)))],
            }
        )
        # One byte short, and then the connection is closed: what a server that dies leaves.
        await send({"type": "http.response.body", "body": content, "more_body": not status})


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Stub], str]]:
    monkeypatch.setattr(endpoints, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with ExitStack() as stack:
        yield lambda stub: stack.enter_context(running(stub))


def agent(url: str, **settings: Any) -> OpenAI:
    return OpenAI("m", url, **{"timeout": 5.0, "retries": 3, **settings})


def test_an_address_is_read_as_people_write_it() -> None:
    for written in (
        "http://host:8000",
        "http://host:8000/",
        "http://host:8000/v1",
        "http://host:8000/v1/chat/completions/",
    ):
        assert normalised(written) == "http://host:8000/v1"
    assert normalised("https://openrouter.ai/api/v1/") == "https://openrouter.ai/api/v1"
    for wrong in ("", "host:8000", "ftp://host", "http://", "http://host:99999"):
        with pytest.raises(InputError, match="no address"):
            normalised(wrong)


def test_a_card_plays_an_episode_with_its_images(serve: Callable[[Stub], str]) -> None:
    call = '<tool_call>{"name": "zoom_in", "arguments": {"image": 1, "bbox_2d": [100, 100, 900, 700]}}</tool_call>'
    stub = Stub(completion(f"<think>x</think>{call}"), completion())
    played = make_agent(f"openai:model=m,url={serve(stub)},temperature=0.5,price_in=3,price_out=15", seed=4)
    env = gym.make("MedTool-v0", kinds=["choice"], coords="norm1000")
    ENCODED._held.clear()
    trajectory = medgym.rollout(env, played, options={"split": "test", "index": 0})
    assert trajectory.end_reason == "answer"
    first, second = stub.asked
    assert (first["model"], first["temperature"], first["seed"], first["max_tokens"]) == ("m", 0.5, 4, 4096)
    assert stub.paths == ["/v1/chat/completions"] * 2
    assert stub.headers[0]["authorization"] == "Bearer sk-secret"
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    assert isinstance(first["messages"][0]["content"], str)
    assert second["messages"][1] == first["messages"][1]
    urls = [part["image_url"]["url"] for part in second["messages"][3]["content"] if part["type"] == "image_url"]
    image = Image.open(io.BytesIO(base64.b64decode(urls[0].removeprefix("data:image/png;base64,"))))
    assert image.tobytes() == env.unwrapped.messages()[3]["content"][0]["image"].tobytes()
    assert len(ENCODED) == 2
    usage = played.usage
    assert (usage["requests"], usage["retries"], usage["prompt_tokens"], usage["completion_tokens"]) == (2, 0, 2000, 14)
    assert usage["cost"] == pytest.approx((2000 * 3 + 14 * 15) / 1e6)
    assert usage["seconds"] > 0


def test_an_image_is_encoded_once_by_content_within_a_bound() -> None:
    before = ENCODED.hits
    images = [Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")]
    urls = [data_url(image) for image in images]
    assert urls[0] is urls[1] != urls[2]
    assert ENCODED.hits > before
    assert ENCODED.most_bytes < 1 << 30


def test_what_may_go_well_the_next_time_is_tried_again(serve: Callable[[Stub], str]) -> None:
    nonsense = [
        (200, {}, b"<html>gateway</html>"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b"[]"),
        (200, {}, b'{"choices": [{"message": "hi"}]}'),
    ]
    stub = Stub(
        DROP,
        refused(500, "oops"),
        refused(503, "loading"),
        refused(429, "slow down", retry_after="0"),
        *nonsense,
        completion(),
    )
    asked = agent(serve(stub), retries=8)
    assert asked.act(CHAT) == ANSWER
    assert (asked.usage["requests"], asked.usage["retries"]) == (9, 8)


@pytest.mark.parametrize("date", [False, True])
def test_a_server_is_left_alone_for_as_long_as_it_asks(serve: Callable[[Stub], str], date: bool) -> None:
    asked_for = formatdate(time.time() + 2, usegmt=True) if date else "0.4"
    stub = Stub(refused(429, "slow down", retry_after=asked_for), completion())
    assert agent(serve(stub)).act(CHAT) == ANSWER
    assert stub.times[1] - stub.times[0] > 0.35


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (DROP, "connection failed"),
        (refused(500, "CUDA out of memory"), "status 500: CUDA out of memory"),
        (refused(429, "slow down"), "status 429: slow down"),
        ((200, {}, b"\xff\xfe nonsense"), "no chat completion"),
        ((200, {}, b'{"choices": []}'), "no chat completion"),
        ((200, {}, b'{"choices": [{"message": {"content": 3}}]}'), "no message"),
    ],
)  # fmt: skip
def test_what_fails_in_the_end_is_an_error_with_its_reason(
    serve: Callable[[Stub], str], reply: Reply, why: str
) -> None:
    stub = Stub(reply)
    with pytest.raises(AgentError, match=why):
        agent(serve(stub), retries=2).act(CHAT)
    assert len(stub.asked) == 3


def test_a_slow_or_absent_endpoint_is_an_error(serve: Callable[[Stub], str]) -> None:
    stub = Stub(completion())
    stub.delay = 1.0
    with pytest.raises(AgentError, match=r"2 tries: it took longer than 0\.1 seconds"):
        agent(serve(stub), timeout=0.1, retries=1).act(CHAT)
    with pytest.raises(AgentError, match="connection failed"):
        agent(f"http://127.0.0.1:{free_port()}", retries=1).act(CHAT)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (refused(401, "Incorrect API key provided: sk-secret"), "refuses the key in OPENAI_API_KEY: Incorrect API key provided: …"),
        (refused(403, "not allowed"), "refuses the key"),
        (refused(404, "The model `m` does not exist."), "cannot serve model 'm': The model `m` does not exist"),
        ((429, {}, b'{"error": {"code": "insufficient_quota", "message": "pay"}}'), "insufficient_quota pay"),
    ],
)  # fmt: skip
def test_what_never_will_go_well_stops_the_run_at_once(serve: Callable[[Stub], str], reply: Reply, why: str) -> None:
    stub = Stub(reply)
    asked = agent(serve(stub))
    with pytest.raises(InputError, match=why):
        asked.act(CHAT)
    assert len(stub.asked) == 1
    with pytest.raises(InputError, match=why):
        asked.act_batch([CHAT] * 3)


def test_a_request_that_is_refused_fails_this_episode_alone(serve: Callable[[Stub], str]) -> None:
    stub = Stub((400, {}, b'{"object": "error", "message": "maximum context length is 8192 tokens"}'))
    with pytest.raises(AgentError, match="status 400: maximum context length is 8192"):
        agent(serve(stub)).act(CHAT)
    assert len(stub.asked) == 1


def test_a_batch_keeps_its_order_and_its_failures_in_their_places(serve: Callable[[Stub], str]) -> None:
    def by(body: dict[str, Any]) -> Reply:
        words = body["messages"][0]["content"]
        return refused(400, f"no {words}") if words == "2" else completion(words)

    stub = Stub(by=by)
    stub.delay = 0.05
    asked = agent(serve(stub), concurrency=3)
    chats = [[{"role": "user", "content": [{"type": "text", "text": str(i)}]}] for i in range(9)]
    found = asked.act_batch(chats)
    assert [str(each) for i, each in enumerate(found) if i != 2] == ["0", "1", "3", "4", "5", "6", "7", "8"]
    assert isinstance(found[2], AgentError)
    assert "no 2" in str(found[2])
    assert stub.most == 3
    assert asked.usage["requests"] == 9


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (completion(""), ""),
        (completion(None), ""),
        (completion("<think>I go on and on", "length"), "<think>I go on and on"),
        (completion("", "length", tokens=4096), ""),
        (completion(None, refusal="I cannot help."), "I cannot help."),
        (completion("<answer>B</answer>", reasoning_content="because"), "<think>because</think>\n<answer>B</answer>"),
        (completion("because</think>\n<answer>B</answer>"), "<think>because</think>\n<answer>B</answer>"),
        (completion("half \ud800 a pair"), "half ? a pair"),
    ],
)  # fmt: skip
def test_what_the_model_wrote_is_its_own(serve: Callable[[Stub], str], reply: Reply, text: str) -> None:
    assert agent(serve(Stub(reply))).act(CHAT) == text


def test_silence_that_the_model_did_not_choose_is_an_error(serve: Callable[[Stub], str]) -> None:
    for reply, why in (
        (completion("", "length", tokens=0), "no room"),
        (completion(None, "content_filter"), "content_filter"),
    ):
        with pytest.raises(AgentError, match=why):
            agent(serve(Stub(reply))).act(CHAT)


def called(*calls: tuple[str, str], content: str | None = None) -> Reply:
    made = [
        {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls
    ]
    return completion(content, "tool_calls", tool_calls=made)


def played(stub: Stub, url: str, **settings: Any) -> Any:
    env = gym.make("MedTool-v0", kinds=["choice"], segmenter="simulated:error=0", coords="norm1000", **settings)
    return medgym.rollout(env, agent(url, native=True), options={"split": "test", "index": 0})


def test_native_calls_are_the_dialects_and_go_back_as_they_came(serve: Callable[[Stub], str]) -> None:
    zoom = ("zoom_in", '{"image": 1, "bbox_2d": [100, 100, 900, 700]}')
    more = [
        ("zoom_in", '{"image": 2, "bbox_2d": [0, 0, 500, 500]}'),
        ("zoom_in", '{"image": 9, "bbox_2d": [0, 0, 500, 500]}'),
    ]
    stub = Stub(called(zoom, content="I look."), called(*more), completion("It is clear. <answer>B</answer>"))
    trajectory = played(stub, serve(stub))
    assert [turn.action.thought for turn in trajectory.turns] == ["I look.", "", "It is clear."]
    assert trajectory.turns[0].text.startswith("<think>I look.</think>\n<tool_call>")
    assert trajectory.turns[0].action.calls[0].arguments["bbox_2d"] == [51.2, 51.2, 460.8, 358.4]
    assert trajectory.turns[2].action.answer == "B"
    assert [tool["function"]["name"] for tool in stub.asked[0]["tools"]] == ["zoom_in", "sam2", "biomedparse"]
    assert "<tool_call>" not in stub.asked[0]["messages"][0]["content"]
    assert "0 to 1000" in stub.asked[0]["messages"][0]["content"]
    sent = stub.asked[2]["messages"]
    roles = [message["role"] for message in sent]
    assert roles == ["system", "user", "assistant", "tool", "user", "assistant", "tool", "tool", "user"]
    assert json.loads(sent[2]["tool_calls"][0]["function"]["arguments"]) == json.loads(zoom[1])
    assert sent[2]["content"] == "I look."
    assert sent[3]["tool_call_id"] == sent[2]["tool_calls"][0]["id"]
    assert "Zoomed in" in sent[3]["content"]
    assert "Turns left: 5" in sent[3]["content"]
    assert [part["type"] for part in sent[4]["content"]] == ["text", "image_url"]
    assert sent[4]["content"][0]["text"] == "Image 2:"
    assert "there is no image 9" in sent[7]["content"]
    assert "Zoomed in" in sent[6]["content"]


def test_a_native_call_that_cannot_be_read_is_unusable_and_no_crash(serve: Callable[[Stub], str]) -> None:
    call = ("zoom_in", '{"image": 1, "bbox_2d": [100, 100, 900, 700]}')
    odd = [
        called(("zoom_in", '{"image": 1, ')), called(("zoom_in", "[1]")), called(call, content="<answer>B</answer>"),
        completion(None, tool_calls=[{"function": "zoom_in"}]), completion("B"), completion("<answer>A</answer><answer>B</answer>"),
    ]  # fmt: skip
    for reply in odd:
        stub = Stub(reply)
        trajectory = played(stub, serve(stub))
        assert trajectory.end_reason == "unusable"
        assert [message["role"] for message in stub.asked[1]["messages"]] == ["system", "user", "assistant", "user"]


def test_native_calls_need_a_dialect_that_any_tool_can_be_written_in(serve: Callable[[Stub], str]) -> None:
    url = serve(Stub(completion()))
    with pytest.raises(InputError, match="'hermes', not with 'deepeyes'"):
        medgym.rollout(gym.make("MedTool-v0", dialect="deepeyes", tools=["zoom_in"]), agent(url, native=True), seed=0)
    with pytest.raises(InputError, match="begin"):
        agent(url, native=True).act(CHAT)


def test_wrong_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(InputError, match="set OPENAI_API_KEY"):
        OpenAI("m")
    with pytest.raises(InputError, match="concurrency is a number from 1"):
        OpenAI("m", "http://host", concurrency=0)
    with pytest.raises(InputError, match="needs a setting: model"):
        make_agent("openai")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://host:1/v1/")
    assert OpenAI("m").endpoint.url == "http://host:1/v1"


def test_a_run_ends_and_counts_failures_as_what_they_are(serve: Callable[[Stub], str]) -> None:
    """An endpoint that loses some chats for good, answers some with nothing, and the others well."""
    known: list[Any] = []

    def by(body: dict[str, Any]) -> Reply:
        task = body["messages"][1]
        if task not in known:
            known.append(task)
        if known.index(task) in (1, 3):
            return [DROP, refused(500, "lost"), (200, {}, b"nonsense")][len(stub.asked) % 3]
        return completion("" if known.index(task) == 2 else ANSWER)

    stub = Stub(by=by)
    url = serve(stub)
    config = RunConfig("MedTool-v0", f"openai:model=m,url={url},retries=2,price_in=1", 6, 0, {"kinds": ["choice"]})
    lines = play(config)
    assert [line["end_reason"] for line in lines if not line["failed"]].count("unusable") == 1
    assert sum("gave no answer in 3 tries" in (line["failed"] or "") for line in lines) == 2
    summary = summarise(lines)
    assert (summary["episodes"], summary["failed"]) == (6, 2)
    assert summary["metrics"]["cost"]["n"] == 4
