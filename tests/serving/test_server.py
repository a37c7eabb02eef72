"""The tool server: what it answers, what it refuses, and what its clients see when it is gone."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import medgym.testing as contract
from medgym.core.errors import InputError, ToolError
from medgym.core.geometry import Affine
from medgym.core.image import SourceImage
from medgym.core.view import View
from medgym.serving.app import Settings, make_app
from medgym.tools.segmenter import Prompt, Segmentation, ask
from medgym.tools.segmenters import make_segmenter
from medgym.tools.segmenters.remote import Remote
from medgym.tools.segmenters.server import encoded

from .conftest import free_port, running

Serve = Callable[..., str]
ROWS, COLUMNS = np.mgrid[:120, :160]
DISC = (ROWS - 60) ** 2 + (COLUMNS - 70) ** 2 < 30**2
SOURCE = SourceImage.of(np.where(DISC, 200, 40).astype(np.uint8))
BOX = (38.0, 28.0, 102.0, 92.0)


def png(pixels: Any) -> str:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def asked(**prompt: Any) -> dict[str, Any]:
    return {"images": {"a": png(SOURCE.pixels)}, "prompts": [{"image": "a", "box": BOX, **prompt}]}


def prompts(seed: int = 0) -> list[Prompt]:
    source = SourceImage.of(np.roll(SOURCE.pixels, seed, 0))
    seen = View.whole(source, 512, index=1)
    half = View(source, Affine.onto((0, 0, 80, 120), (80, 120)), (80, 120), index=2)
    return [
        Prompt(seen, box=BOX),
        Prompt(seen, points=((70.0, 60.0),), labels=(1,)),
        Prompt(seen, text="bright round lesion"),
        Prompt(half, box=(38.0, 28.0, 80.0, 92.0)),
    ]


def same(one: Any, two: Any) -> bool:
    return all(
        isinstance(a, Segmentation) and isinstance(b, Segmentation) and a.mask == b.mask and a.note == b.note
        for a, b in zip(one, two, strict=True)
    )


def test_a_remote_segmenter_answers_as_the_one_it_serves(serve: Serve) -> None:
    remote = make_segmenter(f"remote:url={serve()}")
    assert same(ask(remote, prompts()), ask(make_segmenter("classical"), prompts()))
    contract.check_segmenter(remote, most=1)


def test_an_image_is_sent_once_and_again_to_a_server_that_forgot_it(serve: Serve) -> None:
    remote = Remote([serve()])
    (server,) = remote.servers
    sizes: list[int] = []
    server.client.event_hooks["request"].append(lambda request: sizes.append(len(json.loads(request.read())["images"])))
    for _ in range(3):
        assert isinstance(remote.segment(prompts()[:1])[0], Segmentation)
    assert sizes == [1, 0, 0]
    server.sent.update({"never-seen", prompts(5)[0].source.digest})
    assert isinstance(remote.segment(prompts(5)[:1])[0], Segmentation)
    assert sizes == [1, 0, 0, 0, 1]


def test_a_picture_of_any_coding_is_taken_under_any_name_and_gets_its_hash(serve: Serve) -> None:
    url = serve()
    reply = httpx.post(f"{url}/v1/segment", json=asked()).json()
    assert reply["hashes"] == {"a": SOURCE.digest}
    assert reply["answers"][0]["mask"]["size"] == [120, 160]
    again = {"prompts": [{"image": SOURCE.digest, "box": BOX}]}
    assert httpx.post(f"{url}/v1/segment", json=again).json()["answers"] == reply["answers"]


def test_without_the_token_nothing_works(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve(token="secret")
    for method, path in [("GET", "/health"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/docs"),
                         ("POST", "/v1/segment"), ("GET", "/nothing")]:  # fmt: skip
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
            reply = httpx.request(method, url + path, headers=headers)
            assert reply.status_code == 401
            assert "token" in reply.json()["detail"]
    assert httpx.get(f"{url}/health", headers={"Authorization": "Bearer secret"}).status_code == 200
    monkeypatch.delenv("MEDGYM_TOKEN", raising=False)
    with pytest.raises(InputError, match="MEDGYM_TOKEN"):
        Remote([url])
    monkeypatch.setenv("MEDGYM_TOKEN", "secret")
    assert isinstance(Remote([url]).segment(prompts()[:1])[0], Segmentation)


def flat_png(side: int) -> str:
    """A PNG of one colour, small however many pixels it has."""
    written = io.BytesIO()
    Image.new("1", (side, side)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"images": {"a": flat_png(20_000)}}, "too"),
        ({"images": {"a": flat_png(9_000)}}, "too many; expected at most 64000000"),
        ({"images": {"a": png(SOURCE.pixels)[:60]}}, "image"),
        ({"images": {"a": base64.b64encode(b"/data/image.png").decode()}}, "not an image"),
        ({"images": {"a": "/data/image.png"}}, "image"),
        ({"images": {"a": ""}}, "image"),
        ({"prompts": []}, "prompts"),
        ({"prompts": [{"image": "a"}]}, "a box, points or a text"),
        ({"prompts": [{"image": "a", "box": [9, 9, 1, 1]}]}, "x1 must be less than x2"),
        ({"prompts": [{"image": "a", "points": [[1, 1]], "labels": []}]}, "1 points and 0 labels"),
        ({"prompts": [{"image": "a", "box": BOX, "region": [500, 500, 600, 600]}]}, "outside the image"),
        ({"prompts": [{"image": "a", "box": BOX, "mode": 3}]}, "Extra inputs"),
    ],
)
def test_what_is_no_request_is_refused_in_words(serve: Serve, change: dict[str, Any], why: str) -> None:
    reply = httpx.post(f"{serve()}/v1/segment", json={**asked(), **change}, timeout=30)
    assert reply.status_code == 422
    assert why in reply.json()["detail"]


def test_an_image_that_was_never_sent_is_asked_for(serve: Serve) -> None:
    body = {"prompts": [{"image": "/data/image.png", "box": BOX}]}
    reply = httpx.post(f"{serve()}/v1/segment", json=body)
    assert reply.status_code == 404
    assert "'/data/image.png'" in reply.json()["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"prompts": [{"image": "a", "box": [NaN, 1, 2, 3]}]}', b"\xff\xfe", b"[]"]
)
def test_a_body_that_is_no_json_is_refused(serve: Serve, body: bytes) -> None:
    reply = httpx.post(f"{serve()}/v1/segment", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422


def test_a_body_over_the_limit_is_refused_told_or_not(serve: Serve) -> None:
    url = serve(most_body_mb=1)
    large = {"images": {"a": "A" * 2_000_000}, "prompts": [{"image": "a", "box": BOX}]}
    assert httpx.post(f"{url}/v1/segment", json=large).status_code == 413

    def in_parts() -> Any:
        for _ in range(40):
            yield b"x" * 50_000

    reply = httpx.post(f"{url}/v1/segment", content=in_parts())
    assert reply.status_code == 413
    assert "larger than 1048576 bytes" in reply.json()["detail"]
    noise = np.random.default_rng(0).integers(0, 255, (900, 900)).astype(np.uint8)
    seen = View.whole(SourceImage.of(noise), 512, index=1)
    (refused,) = Remote([url]).segment([Prompt(seen, box=(100, 100, 200, 200))])
    assert isinstance(refused, ToolError)
    assert "larger than" in str(refused)


OWN = """
import threading
import time
import numpy as np
from medgym.core.errors import ToolError
from medgym.tools.segmenter import Segmentation

SIZES, GATE = [], threading.Event()

class Slow:
    name, needs_truth = "slow", False
    def __init__(self, seconds=0.2): self.seconds = seconds
    def segment(self, prompts):
        SIZES.append(len(prompts))
        time.sleep(self.seconds)
        return [Segmentation(np.ones(p.source.size[::-1], bool)) for p in prompts]

class Held(Slow):
    def segment(self, prompts):
        SIZES.append(len(prompts))
        GATE.wait(60)
        return [Segmentation(np.ones(p.source.size[::-1], bool)) for p in prompts]

class Picky(Slow):
    def segment(self, prompts):
        time.sleep(0.2)
        found = [Segmentation(np.ones(p.source.size[::-1], bool)) for p in prompts]
        return found if not any(p.text == "broken" for p in prompts) else [None for p in prompts]

class Failing(Slow):
    def segment(self, prompts):
        return [ToolError("the model ran out of memory") for p in prompts]
"""


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], str]:
    (tmp_path / "own.py").write_text(OWN)
    return lambda name: f"{tmp_path}/own.py:{name}"


def test_what_waits_is_answered_as_one_batch_and_too_much_is_turned_away(
    serve: Serve, own: Callable[[str], str]
) -> None:
    url = serve(own("Held"), most_waiting=6)
    import medgym_user_own

    statuses: list[int] = []

    def post() -> None:
        statuses.append(httpx.post(f"{url}/v1/segment", json=asked(), timeout=30).status_code)

    threads = [threading.Thread(target=post) for _ in range(12)]
    threads[0].start()
    while not medgym_user_own.SIZES:
        time.sleep(0.01)
    for thread in threads[1:]:
        thread.start()
    while len(statuses) < 5:
        time.sleep(0.01)
    while "medgym_waiting_prompts 6.0" not in httpx.get(f"{url}/metrics").text:
        time.sleep(0.01)
    medgym_user_own.GATE.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 7 + [503] * 5
    assert medgym_user_own.SIZES == [1, 6]
    count = httpx.get(f"{url}/metrics").text
    assert 'medgym_requests_total{path="/v1/segment",status="503"} 5.0' in count
    assert "medgym_batch_prompts_sum 7.0" in count


def test_a_request_that_takes_too_long_ends(serve: Serve, own: Callable[[str], str]) -> None:
    url = serve(own("Slow:seconds=3"), seconds=0.5)
    begun = time.monotonic()
    reply = httpx.post(f"{url}/v1/segment", json=asked(), timeout=30)
    assert (reply.status_code, reply.json()["detail"]) == (504, "it took longer than 0.5 s")
    assert time.monotonic() - begun < 2.5


def test_a_prompt_that_breaks_a_segmenter_spoils_no_other(serve: Serve, own: Callable[[str], str]) -> None:
    url = serve(own("Picky"))
    replies: dict[str, Any] = {}

    def post(text: str) -> None:
        replies[text] = httpx.post(f"{url}/v1/segment", json=asked(text=text, box=None), timeout=30)

    threads = [threading.Thread(target=post, args=(text,)) for text in ("first", "broken", "fine")]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert {text: reply.status_code for text, reply in replies.items()} == {"first": 200, "broken": 500, "fine": 200}
    assert "segmenter Picky" in replies["broken"].json()["detail"]


def test_a_failure_of_the_segmenter_travels_in_words(serve: Serve, own: Callable[[str], str]) -> None:
    (found,) = Remote([serve(own("Failing"))]).segment(prompts()[:1])
    assert str(found) == "the model ran out of memory"


def test_the_truth_never_travels() -> None:
    with pytest.raises(InputError, match="never travels"):
        make_app(Settings("simulated"))


def test_a_server_stands_behind_the_tools_it_is_told() -> None:
    with running(make_app(Settings("classical", tools=("biomedparse",)))) as url:
        remote = Remote([url])
        assert remote.takes == {"text"}
        reply = httpx.post(f"{url}/v1/segment", json=asked())
        assert (reply.status_code, reply.json()["detail"]) == (422, "this server is asked by text only")
    with pytest.raises(InputError, match="does not stand behind the tool 'zoom_in'"):
        make_app(Settings("classical", tools=("zoom_in",)))


def test_images_are_shared_out_and_a_lost_server_s_go_to_the_next(serve: Serve) -> None:
    with running(make_app(Settings("classical"))) as mortal:
        remote = Remote([mortal, serve()], retries=0)
        many = [prompt for seed in range(12) for prompt in prompts(seed)[:1]]
        before = remote.segment(many)
        shares = [len(server.sent) for server in remote.servers]
        assert sum(shares) == 12
        assert min(shares) > 0
    after = remote.segment(many)
    assert same(before, after)
    assert len(remote.servers[1].sent) == 12


def test_nobody_there_is_an_error_that_the_policy_reads() -> None:
    with running(make_app(Settings("classical"))) as url:
        remote = Remote([url], retries=1)
    (found,) = remote.segment(prompts()[:1])
    assert isinstance(found, ToolError)
    assert str(found) == "the segmentation server did not answer"


@pytest.mark.parametrize("nonsense", [b"", b"{}", b'{"answers": []}', b'{"answers": [{"mask": {"size": [2, 2], "counts": "04"}}]}',
                                      b'{"answers": [{"mask": {"size": [120, 160], "counts": "1"}}]}'])  # fmt: skip
def test_an_answer_that_is_none_is_an_error_and_no_crash(nonsense: bytes) -> None:
    from fastapi import FastAPI, Response

    app = FastAPI()
    health = httpx.Response(200)
    with running(make_app(Settings("classical"))) as honest:
        health = httpx.get(f"{honest}/health")

    @app.get("/health")
    def _() -> Any:
        return health.json()

    @app.post("/v1/segment")
    def _() -> Response:
        return Response(nonsense, media_type="application/json")

    with running(app) as url:
        (found,) = Remote([url]).segment(prompts()[:1])
    assert str(found) == "the segmentation server answered with what is no mask"


def test_the_published_servers_protocol(tmp_path: Path) -> None:
    """What SII-zyj/Ophiuchus serves: images by path, an npz of masks and scores, a mask's path."""
    from fastapi import FastAPI, Response

    app, paths = FastAPI(), set()

    @app.get("/health")
    def _() -> Any:
        return {"status": "healthy"}

    @app.post("/segment")
    def _(asked: dict[str, Any]) -> Response:
        assert set(asked) == {"image_path", "bbox", "clicklist", "labels", "multimask_output"}
        paths.add(asked["image_path"])
        pixels = np.array(Image.open(asked["image_path"]).convert("RGB"))
        masks = np.zeros((3, *pixels.shape[:2]), np.float32)
        masks[1] = pixels[..., 0] > 100
        assert (asked["clicklist"] is None) == (asked["labels"] is None)
        assert asked["multimask_output"] == (asked["bbox"] is None)
        written = io.BytesIO()
        np.savez_compressed(written, masks=masks, scores=np.array([0.1, 0.9, 0.2]), low_res_masks=masks)
        return Response(written.getvalue(), media_type="application/octet-stream")

    @app.post("/biomedparse")
    def _(asked: dict[str, str]) -> Any:
        if asked["captions"] == "nothing":
            return Response("down", 500)
        pixels = np.array(Image.open(asked["image_path"]).convert("L"))
        Image.fromarray(((pixels > 100) * 255).astype(np.uint8)).save(tmp_path / "mask.png")
        return {"mask_path": str(tmp_path / "mask.png"), "image_path": asked["image_path"]}

    with running(app) as url:
        remote = make_segmenter(f"remote:sam2={url},biomedparse={url},folder={tmp_path}")
        box, click, words, half = ask(remote, prompts())
        assert all(isinstance(each, Segmentation) and (each.bits == DISC).all() for each in (box, click, words))
        assert isinstance(half, Segmentation)
        assert (half.bits == DISC & (np.arange(160) < 80)).all()
        (failed,) = ask(remote, [Prompt(View.whole(SOURCE, 512, index=1), text="nothing")])
        assert "failed with status 500" in str(failed)
    assert paths == {str(tmp_path / f"{SOURCE.digest}.png")}
    with pytest.raises(InputError, match="is no folder"):
        make_segmenter(f"remote:sam2={url},folder={tmp_path}/none")


def test_a_png_of_an_image_is_lossless() -> None:
    colour = SourceImage.of(np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8))
    for source in (SOURCE, colour):
        assert (np.asarray(Image.open(io.BytesIO(encoded(source)))) == source.pixels).all()


@pytest.mark.slow
def test_no_request_that_fits_the_schema_breaks_the_server() -> None:
    """Schemathesis makes requests from the OpenAPI, right and wrong ones; none may be answered with a 5xx."""
    import schemathesis
    from hypothesis import HealthCheck, Phase
    from hypothesis import settings as hypothesis_settings

    app = make_app(Settings("classical", most_body_mb=1))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    answered: dict[str, int] = {}
    for operation in schema.get_all_operations():
        found = operation.ok()

        @hypothesis_settings(
            max_examples=60, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @schemathesis_given(found)
        def attack(case: Any) -> None:
            response = case.call()
            answered[str(response.status_code)] = answered.get(str(response.status_code), 0) + 1
            case.validate_response(response, checks=[schemathesis.checks.not_a_server_error])

        attack()
    assert sum(answered.values()) > 60


def schemathesis_given(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())


@pytest.mark.slow
def test_a_server_killed_and_restarted_within_a_run_loses_no_episode(tmp_path: Path) -> None:
    port = free_port()

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "medgym", "serve", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/health")
                return process
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    (tmp_path / "agent.py").write_text(
        "import time, pathlib\n"
        "class Asks:\n"
        "    def act(self, messages):\n"
        "        turn = sum(m['role'] == 'assistant' for m in messages)\n"
        "        if turn == 1: return '<think>Done.</think><answer>{\"mask\": null}</answer>'\n"
        f"        place = pathlib.Path({str(tmp_path)!r}) / 'played'\n"
        "        done = int(place.read_text()) if place.exists() else 0\n"
        "        place.write_text(str(done + 1))\n"
        f"        gate = pathlib.Path({str(tmp_path)!r}) / f'go{{done}}'\n"
        "        while not gate.exists(): time.sleep(0.02)\n"
        '        call = \'{"name": "sam2", "arguments": {"image": 1, "bbox_2d": [50, 50, 200, 200]}}\'\n'
        "        return f'<think>I ask.</think><tool_call>{call}</tool_call>'\n"
    )
    server = start()
    run = subprocess.Popen(
        [sys.executable, "-m", "medgym", "run", "--agent", f"{tmp_path}/agent.py:Asks", "--tasks",
         "phantoms:native=256", "--kind", "segmentation", "--episodes", "6", "--segmenter",
         f"remote:url=http://127.0.0.1:{port},retries=1", "--out", str(tmp_path / "run"), "--json"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    played = tmp_path / "played"

    def let(episode: int) -> None:
        while not played.exists() or int(played.read_text() or 0) <= episode:
            time.sleep(0.02)
            assert run.poll() is None
        (tmp_path / f"go{episode}").touch()

    let(0)
    let(1)
    while not played.exists() or int(played.read_text() or 0) <= 2:  # the third waits: its server dies before its call
        time.sleep(0.02)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    let(2)
    let(3)
    while int(played.read_text() or 0) <= 4:
        time.sleep(0.02)
    server = start()
    let(4)
    let(5)
    assert run.wait(120) == 0
    os.kill(server.pid, signal.SIGTERM)
    server.wait()
    lines = [json.loads(line) for line in (tmp_path / "run" / "episodes.jsonl").read_text().splitlines()]
    failed = ["did not answer" in json.dumps(line["turns"][0]) for line in lines]
    assert failed == [False, False, True, True, False, False]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_replicas_on_ray_answer_as_one_server(tmp_path: Path) -> None:
    from medgym.serving.run import deploy

    port = free_port()
    end = deploy(Settings("classical"), "127.0.0.1", port, replicas=2)
    try:
        remote = Remote([f"http://127.0.0.1:{port}"])
        for seed in range(3):
            assert same(remote.segment(prompts(seed)), ask(make_segmenter("classical"), prompts(seed)))
    finally:
        end()


def test_a_server_that_others_reach_needs_a_token() -> None:
    from medgym.serving.run import serve_here

    with pytest.raises(InputError, match="set a token"):
        serve_here(Settings("classical"), "0.0.0.0", free_port())
