"""The source: addresses, splits, settings, and what a task carries."""

import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import medgym
from medgym.core.errors import InputError
from medgym.core.image import ORIGINALS
from medgym.core.task import SPLITS, Kind, Task, truth_of
from medgym.tasks.phantoms import MODALITIES, Phantoms

ROOT = Path(__file__).resolve().parents[3]


def small(*kinds: Kind, split: str = "train", seed: int = 0, native: int = 96, **settings) -> Phantoms:
    return Phantoms(split, seed, kinds or tuple(Kind), native=native, **settings)


def content(task: Task) -> str:
    truth = truth_of(task)
    masks = {name: mask.to_json() for name, mask in truth.structures.items()}
    told = (task.id, task.kind, task.question, task.options, task.meta, truth.answer, truth.boxes, masks)
    return f"{task.images[0].digest} {json.dumps(told)}"


def test_the_same_task_in_another_process():
    code = (
        "from medgym.tasks.phantoms import Phantoms\n"
        "from tests.tasks.phantoms.test_phantoms import content\n"
        "print([content(Phantoms('test', 3, native=96)[i]) for i in (9, 0, 1, 5, 12, 3)])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    here = small(split="test", seed=3)
    assert done.stdout.strip() == str([content(here[i]) for i in (9, 0, 1, 5, 12, 3)])


@pytest.mark.parametrize("modality", MODALITIES)
def test_splits_seeds_and_indices_share_no_image(modality: str):
    made = [
        small(split=split, seed=seed, modality=modality)[i] for split in SPLITS for seed in range(3) for i in range(8)
    ]
    assert len({task.images[0].digest for task in made}) == len(made)
    truths = [json.dumps([mask.to_json() for mask in truth_of(task).structures.values()]) for task in made]
    assert len(set(truths)) == len(made), "nor the same anatomy under other noise"
    assert len({task.id for task in made}) == len(made)


def test_neighbouring_seeds_are_not_shifted_copies():
    assert small(seed=1)[1].images[0].digest != small(seed=2)[0].images[0].digest


def test_size_does_not_change_a_task():
    assert content(Phantoms("train", size=5, native=96)[4]) == content(Phantoms("train", size=50, native=96)[4])


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("native", [64, 97, 320])
def test_every_kind_is_made_of_every_modality_at_every_size(kind: Kind, native: int, modality: str):
    task = small(kind, native=native, modality=modality)[3]
    truth = truth_of(task)
    assert task.kind is kind
    assert task.question
    assert task.modality in {exam.modality for exam in MODALITIES[modality]}
    assert task.images[0].size == (native, native)
    assert task.images[0].pixels.dtype == np.uint8
    assert bool(task.options) == (kind is Kind.CHOICE)
    assert bool(truth.answer) != kind.localised
    assert (truth.mask is not None) == (kind is Kind.SEGMENTATION)
    assert all(mask.size == (native, native) and mask.area for mask in truth.structures.values())
    assert all(0 <= x1 < x2 <= native and 0 <= y1 < y2 <= native for x1, y1, x2, y2 in truth.boxes)
    assert json.loads(json.dumps(task.meta)) == task.meta
    assert bool(truth.boxes) or task.meta["negative"]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("difficulty", range(4))
def test_each_combination_that_makes_sense_loads(modality: str, difficulty: int):
    for kind in Kind:
        asked = {"modality": modality, "kind": kind, "difficulty": difficulty, "size": 100, "native": 128}
        source = medgym.load_tasks("phantoms", split="train", **asked)
        assert len(source) == 100
        task = source[99]
        assert (task.kind, task.meta["difficulty"]) == (kind, difficulty)
        assert f"kind={kind},modality={modality},difficulty={difficulty},native=128/" in task.id


def test_an_id_says_how_to_load_its_task():
    task = small(Kind.CHOICE, modality="mri+ct", form="quadrant", native=128)[2]
    assert task.id == "phantoms:kind=choice,modality=ct+mri,form=quadrant,native=128/train/0/2"
    again = medgym.load_tasks("phantoms:modality=ct+mri,form=quadrant,native=128", kind="choice")[2]
    assert content(again) == content(task)
    assert Phantoms("test")[1].id == "phantoms/test/0/1"


@pytest.mark.parametrize("form", ["segment_lesion", "segment_organ", "mark_all", "mark_finding"])
def test_what_is_asked_for_is_there_as_often_as_is_wanted(form: str):
    def absent(share: float) -> list[bool]:
        source = Phantoms("train", modality="ultrasound", form=form, native=128, absent=share)
        return [bool(source[index].meta["negative"]) for index in range(12)]

    assert not any(absent(0.0))
    assert all(absent(1.0)) or form == "segment_organ"
    assert any(absent(1.0))
    assert Phantoms("train", modality="oct", absent=0.0)[1].id == "phantoms:modality=oct,absent=0/train/0/1"


def test_what_a_task_says_of_itself():
    source = small(native=256)
    for index in range(12):
        task = source[index]
        assert task.meta["difficulty"] == index % 4, "difficulties take turns"
        assert len(task.meta["findings"]) == len(task.meta["diameters"])
        assert not task.meta["zoom_needed"], "a view of 512 pixels shows all of an image of 256"
        assert set(task.meta["structures"]) <= set(truth_of(task).structures)
        assert task.public().meta == {}
    needed = {
        form: Phantoms("train", form=form, modality="ct")[0].meta["zoom_needed"]
        for form in ("margin", "texture", "host")
    }
    assert needed == {"margin": True, "texture": True, "host": False}


def test_an_image_is_loaded_again_without_its_truth():
    task = small(Kind.SEGMENTATION)[3]
    first = task.images[0].pixels.copy()
    stored = pickle.dumps(task.images)
    for secret in (*truth_of(task).structures, task.meta["target"], "lesion", "Mask", "truth"):
        assert secret.encode() not in stored
    assert len(stored) < 1500
    ORIGINALS._held.clear()
    ORIGINALS.held_bytes = 0
    again = pickle.loads(stored)[0]
    assert np.array_equal(again.pixels, first)
    assert not task.images[0].pixels.flags.writeable


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"split": "dev"}, "split"),
        ({"native": 63}, "64 to 4096"),
        ({"native": 5000}, "64 to 4096"),
        ({"native": 128.0}, "128.0"),
        ({"size": 0}, "size"),
        ({"size": True}, "size"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"kinds": ()}, "none"),
        ({"kinds": ("essay",)}, "essay"),
        ({"modality": "mrt"}, "Did you mean 'mri'"),
        ({"modality": 3}, "modality"),
        ({"modality": ["ct", 3]}, "3"),
        ({"form": "margins"}, "Did you mean 'margin'"),
        ({"difficulty": 4}, "0 to 3"),
        ({"difficulty": -1}, "0 to 3"),
        ({"difficulty": "hard"}, "rising"),
        ({"difficulty": True}, "True"),
        ({"absent": 1.5}, "from 0 to 1"),
        ({"absent": "none"}, "'none'"),
    ],
)
def test_settings_that_cannot_be(settings: dict, told: str):
    with pytest.raises(InputError, match=told):
        Phantoms(**{"split": "train", **settings})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"modality": "endoscopy", "form": "diameter"}, "no question .* form diameter makes sense about endoscopy"),
        ({"modality": "dermoscopy", "form": "side"}, "side makes sense about dermoscopy"),
        ({"modality": "ct", "form": "margin", "native": 128}, "at 128 pixels"),
        (
            {"modality": "ct", "form": "margin", "kinds": ("number",)},
            "kind number and form margin.* number: count, dia",
        ),
    ],
)
def test_combinations_that_make_no_sense_say_so(settings: dict, told: str):
    with pytest.raises(InputError, match=told):
        Phantoms(**{"split": "train", **settings})


def test_indices_end():
    source = Phantoms("train", size=2, native=64)
    assert len(source) == 2
    assert len(list(source)) == 2
    for index in (-1, 2):
        with pytest.raises(IndexError):
            source[index]


def test_every_modality_is_drawn_as_often():
    drawn = Counter(small(seed=5, native=64)[i].modality for i in range(180))
    assert set(drawn) == {exam.modality for exams in MODALITIES.values() for exam in exams}
    assert min(drawn.values()) > 6


def test_difficulty_rises_with_success():
    made = {"tasks": "phantoms:difficulty=rising,modality=ct,native=64", "kinds": ["yes_no"], "view_size": 64}
    env = gym.make("MedTool-v0", **made).unwrapped
    source = env.scenario.source("train")
    env.reset(seed=0)

    def play(right: bool, episodes: int) -> list[int]:
        levels = []
        for _ in range(episodes):
            env.reset()
            answer = truth_of(env.episode.task).answer
            answer = answer if right else {"yes": "no", "no": "yes"}[answer]
            env.step(f"<think>So.</think><answer>{answer}</answer>")
            levels.append(env.episode.task.meta["difficulty"])
        return levels

    assert set(play(True, 64)) == {0}
    assert source.schedule.level == 1
    assert set(play(True, 120)) <= {0, 1, 2}
    assert source.schedule.level == 2
    play(False, 120)
    assert source.schedule.level < 2
    assert env.episode.task.id == source[env.episode.task.index].id, "the tasks stay those of their addresses"


def test_other_sources_are_drawn_evenly(tmp_path: Path):
    env = gym.make("MedTool-v0", tasks="phantoms:size=3,native=64,modality=ct", view_size=64)
    seen = {env.reset(seed=seed)[1]["index"] for seed in range(30)}
    assert seen == {0, 1, 2}
