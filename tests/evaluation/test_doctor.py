"""The doctor: what is installed, and which segmenters answer."""

import json

import pytest
from typer.testing import CliRunner

from medgym.cli import app


def findings(*arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    done = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    return done.exit_code, {each["what"]: each for each in json.loads(done.output.splitlines()[-1])}


def test_the_doctor_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgym.evaluation.doctor.PACKAGES", {"no-such-package": "train"})
    code, found = findings("--segmenter", "classical")
    assert code == 0
    assert found["no-such-package"] == {
        "what": "no-such-package", "ok": False, "about": "pip install 'medgym[train]'", "needed": False,
    }  # fmt: skip


def test_the_doctor_loads_a_segmenter_and_asks_it() -> None:
    code, found = findings("--segmenter", "classical")
    assert code == 0
    assert "second" in str(found["classical"]["about"])


def test_a_segmenter_that_is_named_and_fails_is_a_failure() -> None:
    spec = "faulty:fail=1,of=classical"
    code, found = findings("--segmenter", spec, "--segmenter", "nothing")
    assert code == 1
    assert "failed and gave no answer" in str(found[spec]["about"])
    assert "unknown segmenter" in str(found["nothing"]["about"])
