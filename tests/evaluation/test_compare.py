"""Evaluations: the runs they are made of, what is said of them, and that nothing finished is lost."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medgym.core.errors import InputError
from medgym.evaluation.compare import cells, entries, pairs, ranks, rescored, runs_in, suite, variations
from medgym.evaluation.run import RunConfig, Workers, play, read_lines
from medgym.evaluation.summary import METRICS, calling, summarise, transitions

TASKS = "phantoms:native=128"
BASE = RunConfig("MedTool-v0", "", 6, 0, {"split": "test", "tasks": TASKS}, "small")


def medgym(*command: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medgym", *command], capture_output=True, text=True, check=False, **settings
    )


def test_every_agent_plays_every_variation() -> None:
    varied = variations(["segmenter=classical,simulated", "tools=zoom_in|zoom_in+sam2|none"])
    assert len(varied) == 6
    assert {"segmenter": "simulated", "tools": ["zoom_in", "sam2"]} in varied
    assert {"segmenter": "classical", "tools": []} in varied
    found = cells(BASE, ["scripted", "random:seed=3"], varied, withhold=False)
    assert len(found) == 12
    assert len({cell.name for cell in found}) == 12
    assert all(cell.config.settings["tasks"] == TASKS for cell in found)
    assert variations(['segmenter=["simulated:error=0.1,miss=0.2", "a|b"]']) == [
        {"segmenter": "simulated:error=0.1,miss=0.2"}, {"segmenter": "a|b"},
    ]  # fmt: skip
    with pytest.raises(InputError, match="Did you mean 'segmenter'"):
        variations(["segmentor=classical"])
    with pytest.raises(InputError, match="two runs would be"):
        cells(BASE, ["silent", "silent"], [{}], withhold=False)


def test_a_suite_on_disk_says_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDGYM_DATA", raising=False)
    with pytest.raises(InputError, match="set MEDGYM_DATA to the folder that holds it"):
        suite("cases")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "records.json").write_text("[]")
    monkeypatch.setenv("MEDGYM_DATA", str(tmp_path))
    assert suite("cases").settings["tasks"] == str(tmp_path / "cases" / "records.json")
    assert suite("phantoms-hard").settings["tasks"] == "phantoms:difficulty=3"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    out = tmp_path_factory.mktemp("eval")
    planned = cells(BASE, ["scripted", "silent", "oracle"], [{}], withhold=True)
    for cell in planned:
        play(cell.config, out / cell.name)
    return [out / cell.name for cell in planned]


def test_runs_are_told_beside_each_other(runs: list[Path]) -> None:
    found = {entry["name"]: entry for entry in entries(runs)}
    assert {entry["suite"] for entry in found.values()} == {"small"}
    assert found["silent"]["metrics"]["calls"]["mean"] == 0
    assert found["silent"]["metrics"]["under_calling"]["mean"] == 1
    assert found["oracle"]["metrics"]["over_calling"]["mean"] == 1
    assert "over_calling" not in found["oracle_tools=none"]["metrics"]
    for entry in found.values():
        assert all(value["n"] for value in entry["metrics"].values())
    apart = {(pair["one"], pair["two"], pair["metric"]): pair for pair in pairs(runs)}
    pair = apart["scripted", "oracle", "reward"]
    assert pair["n"] == 6
    assert pair["difference"] < 0
    assert runs_in([runs[0].parent]) == sorted(runs)
    with pytest.raises(InputError, match="neither is a run nor holds one"):
        runs_in([runs[0] / "images"])


def test_no_figure_depends_on_the_order_in_which_episodes_ended(runs: list[Path], tmp_path: Path) -> None:
    for run in runs:
        shutil.copytree(run, tmp_path / run.name)
        path = tmp_path / run.name / "episodes.jsonl"
        path.write_text("".join(reversed(path.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    moved = [tmp_path / run.name for run in runs]
    first, second = ([{**each, "run": ""} for each in entries(some)] for some in (runs, moved))
    assert first == second
    assert pairs(runs) == pairs(moved)


def test_runs_over_other_tasks_are_not_compared(runs: list[Path], tmp_path: Path) -> None:
    play(RunConfig("MedTool-v0", "silent", 3, 1, {"split": "test", "tasks": TASKS}), tmp_path / "other")
    assert pairs([runs[0], tmp_path / "other"]) == []


def test_the_same_trajectories_under_every_reward(runs: list[Path]) -> None:
    table = rescored(runs, ["ophiuchus", "deepeyes", "medsam-agent"])
    for run in runs:
        assert table[run.name]["ophiuchus"]["mean"] == pytest.approx(
            summarise(read_lines(run))["metrics"]["reward"]["mean"]
        )
    placed = ranks(table)
    assert placed["oracle"] == {"ophiuchus": 1, "deepeyes": 1, "medsam-agent": 1}
    assert ranks({"a": {"x": {"mean": 1.0}}, "b": {"x": {"mean": 1.0}}, "c": {"x": {"mean": 0.0}}}) == {
        "a": {"x": 1}, "b": {"x": 1}, "c": {"x": 3},
    }  # fmt: skip


def line(index: int, correct: bool, calls: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "correct": correct, "calls": calls, "failed": "", "patient": "", **more}


def test_over_and_under_calling_are_what_their_definitions_say() -> None:
    bare = [line(0, True, 0), line(1, True, 0), line(2, False, 0), line(3, False, 0), line(4, True, 0, failed="down")]
    armed = [line(0, True, 2), line(1, False, 0), line(2, True, 1), line(3, False, 0), line(4, True, 9)]
    found = calling(armed, bare)
    assert (found["over_calling"]["mean"], found["over_calling"]["n"]) == (0.5, 2)
    assert (found["under_calling"]["mean"], found["under_calling"]["n"]) == (0.5, 2)


def test_transitions_tell_what_followed_what() -> None:
    def episode(*names: str, end: str = "answer") -> dict[str, Any]:
        return {"turns": [{"calls": [{"name": name}]} for name in names], "end_reason": end}

    found = transitions([episode("zoom_in", "sam2"), episode("zoom_in", end="max_turns"), episode()])
    assert found == {
        "start": {"zoom_in": 2, "answer": 1}, "zoom_in": {"sam2": 1, "max_turns": 1}, "sam2": {"answer": 1},
    }  # fmt: skip


def test_tool_invocation_accuracy_takes_form_and_call_together() -> None:
    fine, wrong = {"result": {"text": "", "view": 2}}, {"result": {"error": "no", "fault": "argument"}}
    turns = [
        {"answer": None, "errors": [], "calls": [fine]}, {"answer": None, "errors": [], "calls": [fine, wrong]},
        {"answer": None, "errors": ["form"], "calls": []}, {"answer": "B", "errors": [], "calls": []},
    ]  # fmt: skip
    assert METRICS["well_called"].of({"turns": turns}) == pytest.approx(1 / 3)
    assert METRICS["well_called"].of({"turns": turns[3:]}) is None


def test_workers_play_the_same_episodes(runs: list[Path], tmp_path: Path) -> None:
    config = cells(BASE, ["scripted"], [{}], withhold=False)[0].config
    play(config, tmp_path / "run", workers=Workers(2))
    for name in ("summary.json", "truth.jsonl"):
        assert (tmp_path / "run" / name).read_text() == (runs[0] / name).read_text()
    assert sorted(p.name for p in (tmp_path / "run" / "images").iterdir()) == sorted(
        p.name for p in (runs[0] / "images").iterdir()
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_plays_the_same_episodes(runs: list[Path], tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    config = cells(BASE, ["scripted"], [{}], withhold=False)[0].config
    try:
        play(config, tmp_path / "run", workers=Workers(2, ray=True))
    finally:
        ray.shutdown()
    assert (tmp_path / "run" / "summary.json").read_text() == (runs[0] / "summary.json").read_text()
    assert len(list((tmp_path / "run" / "images").iterdir())) == len(list((runs[0] / "images").iterdir()))


FLAKY = '''
from medgym.agents.agent import AgentError

class Flaky:
    """Cannot act on every third task until its endpoint is mended."""
    usage = {"requests": 0}
    def begin(self, brief): self.index = brief.task.index
    def act(self, messages):
        import os
        Flaky.usage["requests"] += 1
        if self.index % 3 == 1 and not os.environ.get("MENDED"): raise AgentError("the endpoint is gone")
        return '<think>I guess.</think><answer>A</answer>'
'''


def test_a_failure_of_the_agent_is_counted_and_not_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flaky.py").write_text(FLAKY)
    config = RunConfig("MedTool-v0", f"{tmp_path}/flaky.py:Flaky", 6, 0, BASE.settings)
    lines = play(config, tmp_path / "run")
    assert [bool(each["failed"]) for each in lines] == [False, True, False, False, True, False]
    summary = summarise(lines)
    assert (summary["episodes"], summary["failed"], summary["metrics"]["reward"]["n"]) == (6, 2, 4)
    assert summary["errors"]["failed"] == 2
    assert lines[0]["usage"] == {"requests": 1}
    monkeypatch.setenv("MENDED", "yes")
    again = play(config, tmp_path / "run")
    assert not any(each["failed"] for each in again)
    assert len(read_lines(tmp_path / "run")) == 6


def test_eval_ranks_ones_own_agent_and_does_not_write_over_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class Mine:\n    def act(self, messages): return '<think>I guess.</think><answer>A</answer>'\n"
    )
    command = ["eval", "--suite", "phantoms-core", "--agent", "silent", "--agent", f"{tmp_path}/mine.py:Mine",
               "--episodes", "4", "--out", str(tmp_path / "out")]  # fmt: skip
    ran = medgym(*command)
    assert ran.returncode == 0, ran.stderr
    assert "mine.py_Mine" in ran.stdout.replace("\n", "")
    assert (tmp_path / "out" / "leaderboard.html").exists()
    again = medgym(*command)
    assert again.returncode == 2
    assert "--resume goes on" in again.stderr
    resumed = medgym(*command, "--resume", "--json")
    assert resumed.returncode == 0
    assert len(json.loads(resumed.stdout)["runs"]) == 2


@pytest.mark.slow
def test_an_eval_killed_at_ten_moments_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        return [sys.executable, "-m", "medgym", "eval", "--suite", "phantoms-core", "--agent", "random", "--episodes", "40",
                "--workers", "2", "--out", str(tmp_path / out)]  # fmt: skip

    assert subprocess.run(command("whole"), capture_output=True, check=False).returncode == 0
    chance, done = random.Random(0), 0
    for moment in range(10):
        process = subprocess.Popen(
            [*command("cut"), *(["--resume"] if moment else [])], stdout=subprocess.DEVNULL, start_new_session=True
        )
        path = tmp_path / "cut" / "random" / "episodes.jsonl"
        more = chance.randint(0, 4)
        while process.poll() is None and (len(path.read_bytes().splitlines()) if path.exists() else 0) < done + more:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.2)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = len(path.read_bytes().splitlines()) if path.exists() else 0
    last = subprocess.run([*command("cut"), "--resume"], capture_output=True, check=False, text=True)
    assert last.returncode == 0, last.stderr
    for name in ("summary.json", "truth.jsonl"):
        assert (tmp_path / "cut" / "random" / name).read_text() == (tmp_path / "whole" / "random" / name).read_text()


def test_every_metric_and_error_is_defined_where_people_read() -> None:
    page = (Path(__file__).parents[2] / "benchmarks" / "metrics.md").read_text()
    for name, definition in summarise([])["definitions"].items():
        assert f"| `{name}` | {definition} |" in page
