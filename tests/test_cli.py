"""The commands: exit status 0 only when what was asked was done, and one line that helps when not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CASES


def medgym(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "medgym", *arguments], capture_output=True, text=True, check=False)


def test_run_prints_one_object_with_the_promised_keys() -> None:
    ran = medgym("run", "--tasks", "phantoms", "--agent", "scripted", "--episodes", "3", "--seed", "0", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["episodes"] == 3
    assert set(found) >= {"metrics", "rewards", "by_kind", "by_modality", "errors", "transitions", "end_reasons"}


@pytest.mark.skipif(not CASES.is_dir(), reason="the real cases are not beside the repository")
def test_run_plays_the_real_cases_and_says_where_the_run_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    ran = medgym("run", "--tasks", str(CASES / "records.json"), "--agent", "oracle", "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    assert "records/9" in ran.stdout
    assert "report.html" in ran.stdout
    summary = json.loads((out / "summary.json").read_text())
    metrics = summary["metrics"]
    assert (summary["episodes"], metrics["accuracy"]["mean"], metrics["iou"]["n"]) == (9, 1.0, 3)
    assert metrics["iou"]["mean"] > 0.7


def test_a_benchmark_sets_what_is_played(tmp_path: Path) -> None:
    ran = medgym(
        "run", "--suite", "phantoms-core", "--episodes", "2", "--agent", "silent", "--out", str(tmp_path / "r")
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "r" / "config.json").read_text())["run"]["settings"]["split"] == "test"
    for option in (["--split", "train"], ["--env", "MedToolVQA-v0"], ["--seed", "7"]):
        clash = medgym("run", "--suite", "phantoms-core", *option)
        assert (clash.returncode, f"sets {option[0][2:]}" in clash.stderr) == (2, True)
    assert medgym("run", "--suite", "phantoms-core", "--episodes", "0").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--agent", "oracel"], "Did you mean 'oracle'"),
        (["run", "--tasks", "nowhere.json"], "nowhere.json"),
        (["run", "--reward", "nope"], "unknown" if False else "no card 'nope'"),
        (["show", "ophiuchs"], "Did you mean 'ophiuchus'"),
        (["show", "ophiuchus", "--out", "x.png"], "no task source"),
        (["show", "phantoms", "--index", "-1"], "tasks 0 to"),
        (["run", "--episodes", "1", "--out", __file__], "cannot be made a folder"),
        (["fly"], "No such command"),
    ],
)
def test_what_cannot_be_done_is_one_helpful_line_and_status_2(arguments: list[str], said: str) -> None:
    ran = medgym(*arguments)
    assert ran.returncode == 2
    assert said in ran.stderr.replace("\n", " ")
    assert "Traceback" not in ran.stderr


def test_list_and_show_name_everything(tmp_path: Path) -> None:
    listed = json.loads(medgym("list", "--json").stdout)
    assert {"envs", "tasks", "tools", "segmenters", "rewards", "agents", "dialects", "benchmarks"} == set(listed)
    assert all(about for entries in listed.values() for about in entries.values())
    assert "MedTool-v0" in medgym("list").stdout
    for name in ("MedTool-v0", "ophiuchus", "zoom_in", "oracle", "phantoms-core", "classical", "hermes"):
        assert json.loads(medgym("show", name, "--json").stdout)
    shown = json.loads(medgym("show", "phantoms", "--index", "3", "--out", str(tmp_path / "t.png"), "--json").stdout)
    assert shown["question"]
    assert "answer" not in json.dumps(shown)
    assert (tmp_path / "t.png").stat().st_size > 10_000


def test_every_command_has_help_with_an_example() -> None:
    assert medgym("--version").stdout.strip()
    for command in ("run", "list", "show"):
        helped = medgym(command, "--help")
        assert helped.returncode == 0
        assert f"medgym {command}" in helped.stdout.split("Example:")[1]


def test_a_gallery_is_written(tmp_path: Path):
    out = tmp_path / "gallery.html"
    ran = medgym("show", "phantoms:modality=ct,difficulty=0,native=64", "--gallery", str(out), "--json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {"gallery": str(out), "samples": 4}
    assert out.stat().st_size > 10_000
    refused = medgym("show", "zoom_in", "--gallery", str(out))
    assert refused.returncode == 2
    assert "no task source" in refused.stderr
