"""What holds of phantoms by the thousand: nothing is to be had without looking, and some things only by a zoom."""

from collections import Counter

import numpy as np
import pytest

from medgym.core.mask import Mask
from medgym.core.task import Kind, Task, truth_of
from medgym.tasks.phantoms import MODALITIES, Phantoms
from medgym.tasks.phantoms.desk import plural
from medgym.testing.leaks import guessed_from_text, told_apart

pytestmark = pytest.mark.slow
every_modality = pytest.mark.parametrize("modality", MODALITIES)


def check_truth(task: Task) -> None:
    truth = truth_of(task)
    if task.options:
        assert len(set(task.options)) == len(task.options)
        assert task.letters.count(truth.answer) == 1
    if task.kind is Kind.YES_NO:
        assert truth.answer in ("yes", "no")
    if task.kind is Kind.SEGMENTATION:
        target = task.meta["target"]
        assert all(word in task.question for word in target.split()[:-1])
        assert target in task.question or plural(target) in task.question
        assert truth.mask == truth.structures.get(target, Mask.empty(task.images[0].size))
        assert (truth.mask.area == 0) == task.meta["negative"]
    if task.kind is Kind.DETECTION:
        found = [name for name in task.meta["findings"] if name.endswith(task.meta["target"])]
        lesions = truth.structures.get("lesion")
        assert len(truth.boxes) == len(found if task.meta["form"] == "mark_finding" else task.meta["findings"])
        assert all(Mask.of_box(box, task.images[0].size).iou(lesions) > 0 for box in truth.boxes)
    if task.meta["form"] == "count":
        assert int(truth.answer) == len(task.meta["findings"])
    if task.meta["form"] == "diameter":
        assert float(truth.answer) == task.meta["diameters"][0] > 0


@every_modality
def test_a_thousand_tasks_give_nothing_away(modality: str):
    source = Phantoms("train", 3, modality=modality, native=96, size=1000)
    tasks = [source[index] for index in range(1000)]
    for task in tasks:
        check_truth(task)
    for many in (3, 4):
        letters = Counter(truth_of(task).answer for task in tasks if len(task.options) == many)
        expected = letters.total() / many
        chi_square = sum((letters[letter] - expected) ** 2 / expected for letter in "ABCD"[:many]) if expected else 0
        assert chi_square < 16.3, f"a letter is right too often: {letters}"
    guess = guessed_from_text(tasks)
    assert guess.n > 250
    assert guess.right < guess.chance + 3.1 * guess.error


@every_modality
@pytest.mark.parametrize("form", ["margin", "texture"])
def test_a_zoom_shows_what_the_first_view_does_not(form: str, modality: str):
    source = Phantoms("train", 4, form=form, modality=modality, size=64)
    tasks = [source[index] for index in range(64)]
    assert all(task.meta["zoom_needed"] for task in tasks)
    zoomed, view = (told_apart(tasks, zoomed=zoomed) for zoomed in (True, False))
    assert zoomed.right > 0.75
    assert view.right < view.chance + 3.1 * view.error


def test_the_classifiers_do_find_leaks():
    """They would not be worth much otherwise: small tells in the words, and a pattern that is not hidden."""
    from dataclasses import replace

    source = Phantoms("train", 4, (Kind.CHOICE,), modality="ct", native=64, size=300)
    tasks = [source[index] for index in range(300)]
    told = []
    for index, task in enumerate(tasks):
        right = truth_of(task).answer
        options = [
            f"the {o}" if letter == right and index % 2 else o for letter, o in zip("ABCD", task.options, strict=True)
        ]
        told.append(replace(task, options=tuple(options)))
    assert guessed_from_text(told).right > guessed_from_text(tasks).right + 0.2
    shown = Phantoms("train", 4, form="texture", modality="ct", native=512, size=60)
    assert told_apart([shown[index] for index in range(60)], zoomed=False).right > 0.9


@every_modality
def test_streams_share_nothing_across_splits(modality: str):
    digests = Counter(
        Phantoms(split, seed, modality=modality, native=64)[index].images[0].digest
        for split in ("train", "validation", "test")
        for seed in (0, 1, 2**31)
        for index in range(40)
    )
    assert max(digests.values()) == 1


def test_the_right_answers_are_as_often_yes_as_no():
    source = Phantoms("test", kinds=(Kind.YES_NO,), native=64)
    share = np.mean([truth_of(source[index]).answer == "yes" for index in range(400)])
    assert 0.42 < share < 0.58
