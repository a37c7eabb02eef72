"""Measure what the quick plan teaches, over seeds, and write results.md and results.json beside this.

    python benchmarks/learning/measure.py --out runs/learning [--seeds 3] [--tasks 200] [--jobs 2]

Trains the quick plan from each seed; a cold start as long as its cold start and its reflection together; and, from its
policy after the cold start or the reflection, four variants of reinforcement: without the reflection, with the two
other bonuses of Ophiuchus's ablation, and with a segmenter that is wrong half the time. Every policy then plays the
same held-out tasks. Each training is a ``medgym train`` with one thread; what was interrupted goes on when the same
command is given again.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

import medgym
from medgym.core.action import Action, Call
from medgym.core.geometry import Box, box_iou
from medgym.core.task import truth_of
from medgym.tools.segmenters.simulated import MATCH
from medgym.training.plan import load_plan

HERE = Path(__file__).parent
WRONG = "simulated:error=0.1,miss=0.25,swap=0.25"
"""Half of its answers are wrong: a quarter finds nothing, a quarter is another structure."""
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "no-reflection": ("sft", {}),
    "no-bonus": ("reflect", {"env.reward": "ophiuchus-no-tool"}),
    "unconditional": ("reflect", {"env.reward": "ophiuchus-unconditional"}),
    "wrong-tool": ("reflect", {"env.segmenter": WRONG}),
}
"""Reinforcement that differs from the quick plan's: the stage whose policy it starts from, and what is set."""
MEASURES = {"reward": "reward", "iou": "mask IoU", "calls": "calls", "likeliest reward": "reward, likeliest tokens"}
"""What is shown, and its heading."""


Played = dict[tuple[str, str], list[dict[str, list[float]]]]
"""What was done by each policy with each segmenter: for each seed, and each measure, a number a task."""


class Arm(NamedTuple):
    """A row of the tables: which policy plays, and with which segmenter (the plan's where it is empty)."""

    name: str
    policy: str
    segmenter: str = ""


STAGES = (
    Arm("before training", "quick/start"),
    Arm("after SFT", "quick/sft"),
    Arm("after longer SFT", "long-sft/sft"),
    Arm("after reflection", "quick/reflect"),
    Arm("after GRPO", "quick/grpo"),
    Arm("after GRPO, without reflection", "no-reflection/grpo"),
)
BONUSES = (
    Arm("no bonus", "no-bonus/grpo"),
    Arm("unconditional", "unconditional/grpo"),
    Arm("conditional", "quick/grpo"),
)
TOOLS = (
    Arm("trained with the right tool, plays with it", "quick/grpo"),
    Arm("trained with the wrong tool, plays with the right one", "wrong-tool/grpo"),
    Arm("trained with the right tool, plays with the wrong one", "quick/grpo", WRONG),
    Arm("trained with the wrong tool, plays with it", "wrong-tool/grpo", WRONG),
)


def train(out: Path, command: Sequence[str], seed: int, settings: dict[str, object]) -> None:
    """Carry out a training, in a process of its own, as a user would, unless it is finished."""
    if (out / ("sft" if command[0] == "sft" else "grpo") / "summary.json").exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    changes = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    line = [sys.executable, "-m", "medgym", "train", *command, "--out", str(out), "--seed", str(seed), *changes]
    with out.with_suffix(".log").open("a") as log:
        subprocess.run(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, check=True)


def train_all(out: Path, seeds: int, jobs: int) -> None:
    """Carry out all trainings, `jobs` at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        quick = {pool.submit(train, out / f"{seed}/quick", ["quick"], seed, {}): seed for seed in range(seeds)}
        work = [pool.submit(train, out / f"{seed}/long-sft", ["sft", "quick"], seed, longer()) for seed in range(seeds)]
        for done in as_completed(quick):
            done.result()
            seed = quick[done]
            for name, (start, settings) in VARIANTS.items():
                given = {"policy.model": str(out / f"{seed}/quick/{start}/policy"), **settings}
                work.append(pool.submit(train, out / f"{seed}/{name}", ["grpo", "quick"], seed, given))
        for each in work:
            each.result()


def longer() -> dict[str, object]:
    """Return what makes a cold start see as many trajectories as the plan's cold start and reflection do."""
    plan = load_plan("quick")
    sft, reflect = plan.sft.trainer, plan.reflect.trainer
    size = "per_device_train_batch_size"
    return {"sft.trainer.max_steps": sft["max_steps"] + -(-reflect["max_steps"] * reflect[size] // sft[size])}


def play(policy: Path, segmenter: str, tasks: int) -> dict[str, list[float]]:
    """Let a policy play held-out tasks and return what it did in each; kept beside it."""
    kept = policy / f"played-{tasks}{'-wrong-tool' if segmenter else ''}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    from medgym.agents.transformers import Transformers
    from medgym.evaluation.rollout import rollouts
    from medgym.evaluation.traces import episode_line
    from medgym.training import Bridge

    plan = load_plan("quick")
    env = {**plan.env, **({"segmenter": segmenter} if segmenter else {})}
    scenario = Bridge(env.pop("id"), **env).scenario
    places = [("test", index) for index in range(tasks)]
    found = {}
    for name, temperature in (("", plan.policy.temperature), ("likeliest ", 0.0)):
        most = plan.policy.max_new_tokens
        agent = Transformers(str(policy / "policy"), max_new_tokens=most, temperature=temperature)
        lines = [episode_line(*played, scenario.recipe) for played in rollouts(scenario, agent, places)]
        found |= {name + key: [float(line[key]) for line in lines] for key in ("reward", "iou", "calls")}
    kept.write_text(json.dumps(found))
    return found


def without_looking(tasks: int, seen: int = 300) -> float:
    """Return what a fixed box for each question earns, the one that fits the most training tasks."""
    from medgym.training import Bridge

    env = dict(load_plan("quick").env)
    scenario = Bridge(env.pop("id"), **env).scenario
    asked: dict[str, list[Box]] = {}
    for index in range(seen):
        task = scenario.task("train", index)
        if (mask := truth_of(task).mask) is not None and mask.box is not None:
            asked.setdefault(task.question, []).append(mask.box)
    best = {
        question: max(boxes, key=lambda box: sum(box_iou(box, each) > MATCH for each in boxes))
        for question, boxes in asked.items()
    }
    total = 0.0
    for index in range(tasks):
        episode = scenario.episode(scenario.task("test", index))
        call = Call("sam2", {"image": 1, "bbox_2d": list(best[episode.task.question])})
        for action in (Action("I mark it.", (call,)), Action("It is marked.", answer={"mask": 2})):
            episode.apply(scenario.dialect.format(action, [view.size for view in episode.views]))
        total += scenario.finish(episode.trajectory()).total
    return total / tasks


def cells(of_seeds: Sequence[dict[str, list[float]]]) -> Iterator[str]:
    """Give the reward of each seed, and each measure's mean with its 95 % interval (t, over seeds)."""
    for found in of_seeds:
        yield f"{np.mean(found['reward']):.2f}"
    for name in MEASURES:
        means = [float(np.mean(found[name])) for found in of_seeds]
        yield f"{np.mean(means):.2f} ± {half(means):.2f}"


def half(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a mean."""
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the trainings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=200, help="held-out tasks that every policy plays")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    options = parser.parse_args()
    out = options.out.resolve()
    train_all(out, options.seeds, options.jobs)
    # Named otherwise, some rows are the same policy.
    arms = {(arm.policy, arm.segmenter): None for arm in (*STAGES, *BONUSES, *TOOLS)}
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        work = {
            arm: [pool.submit(play, out / f"{seed}/{arm[0]}", arm[1], options.tasks) for seed in range(options.seeds)]
            for arm in arms
        }
        played = {arm: [each.result() for each in of_seeds] for arm, of_seeds in work.items()}
    write(played, options.seeds, options.tasks)


def write(played: Played, seeds: int, tasks: int) -> None:
    """Write the page and the figures under it."""
    import torch
    import transformers
    import trl

    packages = ", ".join(f"{each.__name__} {each.__version__}" for each in (medgym, torch, transformers, trl))
    headings = ("", *(f"seed {seed}" for seed in range(seeds)), *MEASURES.values())
    page = [
        "# What the quick plan teaches, measured\n",
        f"Written by `python benchmarks/learning/measure.py --seeds {seeds} --tasks {tasks}` with {packages}."
        f" Every policy plays the same {tasks} held-out tasks, sampling as in training, and again taking the likeliest"
        " token each time. The columns of seeds have the mean reward (at most 6); the others mean and 95 % interval"
        " (Student's t over the seeds).\n",
    ]
    before, after = (np.array([np.mean(found["reward"]) for found in played[STAGES[i][1:]]]) for i in (1, 4))
    ratio = ", ".join(f"{value:.1f}" for value in after / before)
    reflection = [a - np.mean(b["reward"]) for a, b in zip(after, played[STAGES[5][1:]], strict=True)]
    blind = without_looking(tasks)
    parts: tuple[tuple[str, str, tuple[Arm, ...]], ...] = (
        (
            "The stages",
            "SFT is the cold start; the longer one sees as many trajectories as SFT and reflection together."
            f" Reward after GRPO over reward after SFT: {ratio}. With reflection less without:"
            f" {np.mean(reflection):+.2f} ± {half(reflection):.2f}. A fixed box for each question, the one that fits"
            f" the most training tasks, earns {blind:.2f} without looking.",
            STAGES,
        ),
        (
            "The bonus for tools",
            "GRPO from the policy after reflection, under three rewards. What is shown is the default reward,"
            " whatever the policy was trained under.",
            BONUSES,
        ),
        (
            "A tool that is wrong half the time",
            "GRPO from the policy after reflection, with the plan's segmenter and with one of whose answers a quarter"
            " finds nothing and a quarter is another structure; asked the same twice it errs the same way.",
            TOOLS,
        ),
    )
    for title, words, arms in parts:
        page += [f"## {title}\n", f"{words}\n", table(headings, [(arm.name, *cells(played[arm[1:]])) for arm in arms])]
    (HERE / "results.md").write_text("\n".join(page), "utf-8")
    figures: dict[str, Any] = {
        f"{policy}{' with the wrong tool' if segmenter else ''}": [
            {name: round(float(np.mean(found[name])), 4) for name in MEASURES} for found in of_seeds
        ]
        for (policy, segmenter), of_seeds in played.items()
    }
    (HERE / "results.json").write_text(json.dumps({"tasks": tasks, "seeds": figures}, indent=1) + "\n", "utf-8")
    print("\n".join(page))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
