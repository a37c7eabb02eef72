"""The leaderboard: who is better, by how much, and whether that can be told."""

from pathlib import Path
from typing import Any

from medgym.evaluation.leaderboard import write_leaderboard

from .browser import driven, needs_browser

NASTY = "</script><b>&\"'` größer"


def entry(name: str, reward: float | None, calls: float, suite: str = "core", **changes: Any) -> dict[str, Any]:
    metrics = {
        "reward": {"mean": reward, "low": (reward or 0) - 0.1, "high": (reward or 0) + 0.1, "n": 50},
        "calls": {"mean": calls, "low": calls, "high": calls, "n": 50},
    }
    empty = {"about": "", "failed": 0, "versions": {"medgym": "0.1.0"}, "report": ""}
    return {"name": name, "suite": suite, "n": 50, "metrics": metrics, **empty, **changes}


def test_no_text_leaves_its_place(tmp_path: Path):
    write_leaderboard(tmp_path / "leaderboard.html", [entry(NASTY, float("nan"), 1, about=NASTY)])
    page = (tmp_path / "leaderboard.html").read_text("utf-8")
    assert "</script><b>" not in page
    assert page.count("</script>") == 2
    assert '"mean":null' in page.replace(" ", "")


@needs_browser
def test_agents_are_ranked_by_the_metric_that_is_pressed(tmp_path: Path):
    entries = [
        entry("slow", 1.0, 3, ties={"calls": ["fast"]}),
        entry("slower", 0.9, 2.5),
        entry("fast", 2.0, 1, report="fast/report.html"),
        entry(NASTY, None, 2, failed=4),
        entry("lone", 1.0, 0, suite="other"),
    ]
    pair = {"one": "fast", "two": "slow", "metric": "reward", "difference": 1.0, "low": 0.8, "high": 1.2}
    near = {"two": "slower", "difference": 0.1, "low": -0.3, "high": 0.5, "p": 0.41, "n": 48, "suite": "core"}
    pairs = [{**pair, "p": 0.0001, "n": 48}, {**pair, **near}, {**pair, "metric": "calls", "p": None, "n": 7}]
    write_leaderboard(tmp_path / "leaderboard.html", entries, pairs)
    script = """
    const order = () => all("[data-suite=core] .name").map((name) => name.textContent);
    const calls = () => all("[data-suite=core] th button")[1];
    found.suites = all("h2").map((each) => each.textContent);
    found.reward = order();
    found.paired = words(".ties");
    found.ranks = all("[data-suite=core] .rank").map((each) => each.textContent);
    calls().click();
    found.calls = order();
    found.ties = words(".ties");
    found.sorted = words("[data-suite=core] th[aria-sort=descending]");
    calls().click();
    found.rising = order();
    found.link = document.querySelector("a.name").getAttribute("href");
    found.bars = all("[data-suite=core] .interval .range").length;
    found.pairs = words("#pairs table");
    pick("pairs-by", "calls");
    found.calling = all("#pairs tbody tr").length;
    found.failed = words("[data-suite=core] .odd");
    """
    found = driven(tmp_path / "leaderboard.html", script)
    assert found["suites"][:2] == ["core", "other"]
    assert found["reward"] == ["fast", "slow", "slower", NASTY], "who lacks a metric comes last"
    assert found["ranks"] == ["≈ 1", "2", "≈ 3", "–"]
    assert found["paired"] == "Not told apart from slower", "by the pairs, where no ties are given"
    assert found["calling"] == 1
    assert found["calls"] == ["slow", "slower", NASTY, "fast"]
    assert found["rising"] == ["fast", NASTY, "slower", "slow"]
    assert found["ties"] == "Not told apart from fast"
    assert found["sorted"] == "calls"
    assert found["link"] == "fast/report.html"
    assert found["bars"] == 7
    for words in ("+1.00", "0.80 to 1.20", "< 0.001", "0.410", "not told apart"):
        assert words in found["pairs"]
    assert "4 failed" in found["failed"]


@needs_browser
def test_no_runs_is_said(tmp_path: Path):
    write_leaderboard(tmp_path / "leaderboard.html", [])
    found = driven(tmp_path / "leaderboard.html", 'found.hidden = document.getElementById("none").hidden;')
    assert found == {"hidden": False}
