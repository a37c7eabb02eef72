"""A person plays: what is chosen on the page is the action, and nobody else can choose."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import medgym.evaluation.human as human_module
from medgym.cli import app
from medgym.core.errors import InputError
from medgym.evaluation.human import Human
from medgym.evaluation.page import page
from medgym.evaluation.run import Player, RunConfig, play
from tests.evaluation.browser import WATCH, dumped, needs_browser

Play = Callable[..., tuple[Human, Callable[[], list[dict[str, Any]]]]]


@pytest.fixture
def playing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Start a run that a person plays; the second of the pair waits for its end."""
    opened = []
    monkeypatch.setattr(human_module, "FAREWELL", 0.0)

    def start(episodes: int, **settings: Any) -> tuple[Human, Callable[[], list[dict[str, Any]]]]:
        config = RunConfig("MedTool-v0", "human", episodes, 0, {"tasks": "phantoms:native=128", **settings})
        player = Player(config)
        human = player.agent
        assert isinstance(human, Human)
        human.open()
        opened.append(human)
        lines: list[dict[str, Any]] = []

        def tell(done: Any, total: int) -> None:
            human.finished(done[-1:], player.truth, len(done), total)

        def run() -> None:
            lines.extend(play(config, progress=tell, player=player))
            human.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def ended() -> list[dict[str, Any]]:
            thread.join(30)
            assert not thread.is_alive()
            return lines

        return human, ended

    yield start
    for human in opened:
        human.close()


def got(human: Human, path: str) -> bytes:
    with urllib.request.urlopen(human.address + path, timeout=30) as answer:
        return bytes(answer.read())


def waited(human: Human, for_turn: int, task: str = "") -> dict[str, Any]:
    """Ask for news until the person is to act."""
    news = {"version": -1}
    while not (news.get("waiting") and news["turn"] == for_turn and task in news["task"]["id"]):
        news = json.loads(got(human, f"news?{news['version']}"))
    return news


def acted(human: Human, **action: Any) -> str:
    """Choose an action; return why it was refused, or nothing."""
    request = urllib.request.Request(f"{human.address}act", json.dumps(action).encode())
    try:
        with urllib.request.urlopen(request, timeout=30):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode() if error.code == 400 else str(error)


def test_a_person_looks_calls_a_tool_and_answers(playing: Play):
    human, ended = playing(2, kinds=["choice"])
    news = waited(human, 0)
    assert news["total"] == 2
    assert set(news["task"]["options"]) <= set("ABCD")
    assert news["sizes"] == [[128, 128]]
    assert got(human, "image/1").startswith(b"\x89PNG")
    assert "truth" not in json.dumps(news)
    zoom = [{"name": "zoom_in", "arguments": {"image": 1, "bbox_2d": [10, 20, 60, 70]}}]
    assert acted(human, version=news["version"], thought="I look.", calls=zoom) == ""
    news = waited(human, 1)
    assert len(news["sizes"]) == 2
    assert "I look." in news["chat"][1]["parts"][0]["text"]
    assert acted(human, version=news["version"], answer="B") == ""
    news = waited(human, 0, "/1")
    assert news["done"] == 1
    assert {"reward", "rewards", "right"} <= set(news["result"])
    assert news["result"]["right"] in "ABCD"
    acted(human, version=news["version"], answer="A")
    assert [line["turns"][-1]["answer"] for line in ended()] == ["B", "A"]


def test_what_is_no_action_is_refused_and_may_be_tried_again(playing: Play):
    human, ended = playing(2)
    news = waited(human, 0)
    version = news["version"]
    assert "only a usable action" in acted(human, version=version)
    assert "</think>" in acted(human, version=version, answer="A", thought="so</think>")
    assert "over" in acted(human, version=version - 1, answer="A")
    assert acted(human, version=version, calls=[{"name": "zoom_in"}])
    assert acted(human, version=version, answer="A") == ""
    assert "over" in acted(human, version=version, answer="B")
    assert acted(human, version=waited(human, 0, "/1")["version"], answer="C") == ""
    assert [line["turns"][0]["answer"] for line in ended()] == ["A", "C"]


def test_only_who_knows_the_address_sees_anything(playing: Play):
    human, _ = playing(1)
    waited(human, 0)
    other = human.address.rsplit("/", 2)[0]
    for path in ("/", "/news?-1", "/image/1", "/guess/news?-1"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(other + path)
    for path in ("image/0", "image/2", "image/x", "other"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            got(human, path)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{other}/act", b"{}")
    with pytest.raises(InputError, match="choose another"):
        Human().open(int(human.address.split(":")[2].split("/")[0]))


CLICKED = """<script>
const all = (what) => [...document.querySelectorAll(what)];
const press = (words) => all("button").find((each) => each.textContent === words).click();
const until = (what) => new Promise((done) => {
  const look = () => document.querySelector(what) && (watch.disconnect(), done());
  const watch = new MutationObserver(look);
  watch.observe(document.body, { subtree: true, childList: true, attributes: true });
  look();
});
const drag = (x1, y1, x2, y2) => {
  const ground = document.querySelector("#stage svg");
  ground.setPointerCapture = () => {};
  const { left, top, width } = ground.getBoundingClientRect();
  const at = (x, y) => ({ clientX: left + (x * width) / 128, clientY: top + (y * width) / 128, pointerId: 1 });
  ground.dispatchEvent(new PointerEvent("pointerdown", at(x1, y1)));
  if (x1 !== x2) ground.dispatchEvent(new PointerEvent("pointermove", at(x2, y2)));
  ground.dispatchEvent(new PointerEvent("pointerup", at(x2, y2)));
};
(async () => {
  await until("#answer:not([hidden]) button");
  await until("#stage img");
  await document.querySelector("#stage img").decode();
  drag(20, 30, 70, 90);
  drag(44, 50, 44, 50);
  document.getElementById("why").value = "It is there.";
  all("#tools details").find((each) => each.textContent.startsWith("sam2")).querySelector("button").click();
  await until("#views button:nth-child(2)");
  all("#views button")[0].click();
  drag(10, 10, 40, 50);
  press("Keep this box");
  drag(60, 60, 90, 100);
  press("Answer with the boxes");
})();
</script>"""


@needs_browser
def test_the_page_turns_boxes_and_clicks_into_calls_and_answers(
    playing: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def watched(*given: Any) -> tuple[str, str]:
        begin, end = page(*given)
        return begin.replace("<head>", "<head>" + WATCH, 1), end.replace("</body>", CLICKED + "</body>")

    monkeypatch.setattr(human_module, "page", watched)
    monkeypatch.setattr(human_module, "FAREWELL", 10.0)
    human, ended = playing(1, kinds=["detection"])
    shown = dumped(human.address, tmp_path)
    monkeypatch.setattr(human_module, "FAREWELL", 0.0)
    assert "That was the last task" in shown
    assert "The last task: " in shown
    [line] = ended()
    call, answer = line["turns"]
    assert call["thought"] == "It is there."
    assert call["calls"][0]["name"] == "sam2"
    assert call["calls"][0]["arguments"] == {"image": 1, "bbox_2d": [20, 30, 70, 90], "points": [[44, 50]]}
    assert answer["answer"] == {"image": 1, "bbox_2d": [[10, 10, 40, 50], [60, 60, 90, 100]]}


def test_the_command_keeps_the_run_and_says_what_it_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    monkeypatch.setattr(Human, "act", lambda self, messages: "<think>I guess.</think><answer>yes</answer>")
    monkeypatch.setattr(human_module, "FAREWELL", 0.0)
    out = tmp_path / "me"
    asked = ["play", "--tasks", "phantoms:native=128", "--kind", "yes_no", "--episodes", "3", "--out", str(out)]
    ended = CliRunner().invoke(app, [*asked, "--json"])
    assert ended.exit_code == 0, ended.output
    assert shown[0].startswith("http://127.0.0.1:")
    assert json.loads(ended.stdout.splitlines()[-1])["episodes"] == 3
    assert json.loads((out / "config.json").read_text())["run"]["agent"] == "human"
    assert (out / "report.html").exists()
    with Image.open(next((out / "images").iterdir())) as kept:
        assert kept.size == (128, 128)
    again = CliRunner().invoke(app, [*asked, "--no-browser", "--port", "0"])
    assert again.exit_code == 0, again.output
    assert len(shown) == 1
