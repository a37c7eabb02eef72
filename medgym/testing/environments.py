"""Checks of a registered environment."""

import hashlib
import json
import math
import pickle
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env
from PIL import Image as Pillow

from ..agents import load_agent
from ..core.action import Action, Call
from ..core.task import truth_of
from ..envs.medtool import MedToolEnv
from ..envs.spaces import FreeText
from ..evaluation.rollout import begin, rollout

INFO_KEYS = {
    "task_id",
    "split",
    "index",
    "turn",
    "calls",
    "tool",
    "tool_ok",
    "error",
    "end_reason",
    "rewards",
}
RARE = "zyzzyvaform"
"""The answer of `rare_tasks`: where it shows up before it was said, truth has leaked."""


def check_environment(env_id: str, **settings: Any) -> None:
    """Check a registered environment: Gymnasium's own checks, info, determinism, honest agents, no truth."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(env_id, **settings)
        check_env(env.unwrapped, skip_render_check=True)
    _check_info(env)
    here, there = fingerprint(env_id, settings), _fingerprint_elsewhere(env_id, settings)
    assert here == there, f"{env_id}: the same seed gives another trajectory in another process"
    with tempfile.TemporaryDirectory() as folder:
        check_no_truth(env_id, Path(folder), **settings)
    if _takes_text(env):
        _check_agents_order(env)


def check_no_truth(env_id: str, folder: Path, **settings: Any) -> None:
    """Check that a rare answer and a rare mask, of tasks written into `folder`, show up nowhere too early."""
    kinds = [] if _takes_text(gym.make(env_id, **settings)) else ["segmentation"]
    env = gym.make(env_id, **{**settings, "tasks": str(rare_tasks(folder)), "split": "test", "kinds": kinds})
    inner = _inner(env)
    for index in range(len(inner.scenario.source("test"))):
        shown: list[Any] = list(env.reset(seed=0, options={"split": "test", "index": index}))
        truth = truth_of(inner.episode.task)
        assert RARE not in repr(inner.episode.task), "printing a task shows its truth"
        for probe in _probes(env):
            if inner.episode.over:
                break
            observation, _, _, _, info = env.step(probe)
            shown += [observation, info]
        state = inner.snapshot()
        shown += [inner.messages(), pickle.dumps(state), repr(state)]
        traces = [RARE.encode(), *([truth.mask.counts] if truth.mask else [])]
        for trace in traces:
            assert trace not in _bytes(shown), f"task {index}: the truth can be read from what the policy is shown"
        for view in inner.episode.views[: len(inner.episode.task.images)]:
            assert view.mask is None, "the first view carries a mask: answering by it would need no look"


def fingerprint(env_id: str, settings: dict[str, Any], episodes: int = 3) -> str:
    """Return a hash of all that random actions under a seed show and earn."""
    env = gym.make(env_id, **settings)
    hashed = hashlib.blake2b(digest_size=16)
    inner, texts = _inner(env), _takes_text(env)
    for seed in range(episodes):
        shown: tuple[Any, ...] = env.reset(seed=seed)
        env.action_space.seed(seed)
        actor = load_agent("random").make(seed)
        over = False
        if texts:
            begin(actor, inner.episode, inner.scenario)
        while not over:
            hashed.update(_bytes(shown))
            shown = env.step(actor.act(inner.messages()) if texts else env.action_space.sample())
            over = shown[2] or shown[3]
        hashed.update(_bytes(shown))
    return hashed.hexdigest()


def rare_tasks(folder: Path) -> Path:
    """Write records whose answers are a rare word and a rare mask, and return their path."""
    rng = np.random.default_rng(0)
    Pillow.fromarray(rng.integers(0, 255, (90, 120), np.uint8)).save(folder / "image.png")
    mask = np.zeros((90, 120), np.uint8)
    mask[20:50, 30:70] = 255 * (rng.random((30, 40)) > 0.3)
    Pillow.fromarray(mask).save(folder / "mask.png")
    common = {"image_path": ["image.png"], "split": "test"}
    records = [
        {"question_id": 1, "question_type": "open-ended", "question": "What is it?", "answer": RARE},
        {"question_id": 2, "question_type": "segmentation", "question": "Segment it.", "answer": "A",
         "target": RARE, "mask_path": ["mask.png"]},
    ]  # fmt: skip
    path = folder / "records.json"
    path.write_text(json.dumps([{**common, **record} for record in records]), "utf-8")
    return path


def _check_info(env: gym.Env[Any, Any]) -> None:
    observation, info = env.reset(seed=0)
    again, _ = env.reset(seed=0)
    assert _bytes(observation) == _bytes(again), "the same seed gives another first observation"
    for text in (env.action_space.sample(), env.action_space.sample()):
        assert set(info) >= INFO_KEYS, f"info lacks {INFO_KEYS - set(info)}"
        json.dumps(info, allow_nan=False)
        observation, reward, terminated, truncated, info = env.step(text)
        assert env.observation_space.contains(observation)
        assert math.isfinite(float(reward))
        if terminated or truncated:
            break


def _check_agents_order(env: gym.Env[Any, Any], most: int = 6) -> None:
    """The oracle before all others on average, and nowhere behind one that does not look."""
    inner = _inner(env)
    earned: dict[str, list[float]] = {}
    for name in ("oracle", "scripted", "silent", "random"):
        agent, earned[name] = load_agent(name).make(0), []
        for index in range(most):
            trajectory = rollout(env, agent, options={"index": index})
            assert inner.reward is not None
            earned[name].append(inner.reward.total)
            assert name != "silent" or not trajectory.calls, "the silent agent calls tools"
    means = {name: sum(totals) / most for name, totals in earned.items()}
    assert means["oracle"] >= max(means.values()) - 1e-9, f"the oracle is not the best: {means}"
    for index, (best, silent) in enumerate(zip(earned["oracle"], earned["silent"], strict=True)):
        assert silent <= best + 1e-9, f"task {index}: an answer without a look earns {silent}, the oracle {best}"


def _fingerprint_elsewhere(env_id: str, settings: dict[str, Any]) -> str:
    code = f"import medgym.testing as t; print(t.fingerprint({env_id!r}, {settings!r}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def _inner(env: gym.Env[Any, Any]) -> MedToolEnv:
    inner = env.unwrapped
    assert isinstance(inner, MedToolEnv), f"{inner} is no MedToolEnv"
    return inner


def _takes_text(env: gym.Env[Any, Any]) -> bool:
    return isinstance(env.action_space, FreeText)


def _probes(env: gym.Env[Any, Any]) -> list[Any]:
    """What a policy may try to see more than it should: good calls, bad calls, garbage."""
    if not _takes_text(env):
        env.action_space.seed(0)
        return [env.action_space.sample() for _ in range(6)]
    episode = _inner(env).episode
    calls = [
        Call("zoom_in", {"image": 1, "bbox_2d": [10, 10, 60, 60]}),
        Call("sam2", {"image": 1, "bbox_2d": [0, 0, 5, 5]}),
        Call("biomedparse", {"image": 1, "text": "everything"}),
        Call("zoom_in", {"image": 9}),
        Call("truth", {"image": 1}),
    ]
    sizes = [view.size for view in episode.views]
    return ["", *(episode.dialect.format(Action("I look.", (call,)), sizes) for call in calls)]


def _bytes(shown: Any) -> bytes:
    """Spell out all of an observation, info or message, pixels and words."""
    if isinstance(shown, bytes):
        return shown
    if isinstance(shown, np.ndarray):
        return shown.tobytes()
    if isinstance(shown, Pillow.Image):
        return shown.tobytes()
    if isinstance(shown, dict):
        return b"".join(_bytes(key) + _bytes(value) for key, value in shown.items())
    if isinstance(shown, (list, tuple)):
        return b"".join(map(_bytes, shown))
    return str(shown).encode("utf-8", "backslashreplace")
