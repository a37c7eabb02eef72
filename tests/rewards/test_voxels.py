"""Scoring on volumes: a mark on another slice is never one on the slice asked about, and a volume is scored in voxels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medgym.agents import load_agent
from medgym.catalog import names
from medgym.core.dialects import DIALECTS
from medgym.core.episode import Episode
from medgym.core.task import truth_of
from medgym.core.volume import Plane, Slab
from medgym.envs.scenario import Scenario
from medgym.evaluation.rollout import rollouts
from medgym.rewards.grading import Graded
from medgym.testing import check_recipe, check_tasks
from tests.conftest import answer, call
from tests.scans import IN_VOXELS, LIVER, NOT_THERE, ON_A_SLICE, TOOLS, labels, scenario

AXIAL = {k: (labels()[k] == LIVER).sum() for k in range(8)}
TOTAL = sum(AXIAL.values())


def played(of: Scenario, *texts: str, index: int = 0) -> Episode:
    episode = of.episode(of.task("test", index))
    for text in texts:
        episode.apply(text)
    return episode


def quality(episode: Episode) -> float:
    assert episode.end_reason == "answer"
    return Graded(episode.trajectory()).quality


def on(position: int, axis: str = "axial", then: int = 2) -> list[str]:
    """Go to a slice and find the liver there: two more images, the second with the mask."""
    return [call("slice", image=1, axis=axis, position=position), call("biomedparse", image=then, text="liver")]


HERE = call("biomedparse", image=1, text="liver")


def test_a_mask_on_the_slice_asked_about_is_scored_and_one_on_any_other_is_not(tmp_path: Path) -> None:
    of = scenario(tmp_path, ON_A_SLICE)
    assert quality(played(of, HERE, answer('{"mask": 2}'))) == 1
    for position, axis in ((4, "axial"), (6, "axial"), (30, "coronal"), (50, "sagittal")):
        episode = played(of, *on(position, axis), answer('{"mask": 3}'))
        assert quality(episode) == 0
        assert "of the image in question" in Graded(episode.trajectory()).verdict.reason
    back = [*on(30, "coronal"), HERE]
    assert quality(played(of, *back, answer('{"mask": 4}'))) == 1
    box = [int(v) for v in truth_of(of.task("test", 0)).mask.box]  # type: ignore[union-attr, arg-type]
    assert quality(played(of, answer(f'{{"image": 1, "bbox_2d": {box}}}'))) == 1
    elsewhere = call("slice", image=1, axis="axial", position=4)
    assert quality(played(of, elsewhere, answer(f'{{"image": 2, "bbox_2d": {box}}}'))) == 0


def test_the_latest_mask_stands_in_only_where_it_is_of_the_slice_asked_about(tmp_path: Path) -> None:
    of = scenario(tmp_path, ON_A_SLICE, reward="vista-gym")
    for texts, worth in (([HERE], 1.0), ([HERE, *on(4, then=3)], 0.0)):
        assert Graded(played(of, *texts, answer("It is marked.")).trajectory(), stand_in=True).quality == worth


def test_boxes_on_another_slice_or_a_projection_are_none_of_the_slice_asked_about(tmp_path: Path) -> None:
    record = {"question_type": "detection", "question": "Mark it.", "boxes": [20, 10, 60, 40], "slice": 5}
    of = scenario(tmp_path, record)
    said = '{"image": %d, "bbox_2d": [[20, 10, 60, 40]]}'
    assert quality(played(of, answer(said % 1))) == 1
    for walk in (call("slice", image=1, axis="axial", position=4), call("project", image=1, axis="axial")):
        assert quality(played(of, walk, answer(said % 2))) == 0
    evidence = Graded(played(of, call("slice", image=1, axis="axial", position=4)).trajectory())
    assert evidence.evidence_in(evidence.trajectory.views[0]) == 1
    assert evidence.evidence_in(evidence.trajectory.views[1]) == 0


def test_a_volume_is_scored_in_voxels_and_slices_without_a_mask_are_empty(tmp_path: Path) -> None:
    of = scenario(tmp_path, IN_VOXELS)
    assert quality(played(of, HERE, answer('{"mask": 2}'))) == pytest.approx(AXIAL[4] / TOTAL)
    assert quality(played(of, HERE, answer('{"mask": [2]}'))) == pytest.approx(AXIAL[4] / TOTAL)
    two = [HERE, *on(3, then=3)]
    assert quality(played(of, *two, answer('{"mask": [2, 4]}'))) == pytest.approx((AXIAL[4] + AXIAL[3]) / TOTAL)
    assert quality(played(of, *two, answer('{"mask": [4, 2]}'))) == pytest.approx((AXIAL[4] + AXIAL[3]) / TOTAL)
    coronal = (labels() == LIVER)[:, 30].sum()
    assert quality(played(of, *on(30, "coronal"), answer('{"mask": [3]}'))) == pytest.approx(coronal / TOTAL)
    assert quality(played(of, answer('{"mask": null}'))) == 0


def test_a_wrong_mask_beside_a_right_one_costs_what_it_adds(tmp_path: Path) -> None:
    of = scenario(tmp_path, {**IN_VOXELS, "mask_path": ["labels.nii.gz"]})
    spurious = answer('{"image": 1, "bbox_2d": [0, 0, 80, 60]}')
    filled = Scenario(tasks=str(tmp_path / "scan.json"), tools=TOOLS, segmenter="classical", split="test")
    worth = quality(played(filled, spurious))
    assert 0 <= worth < AXIAL[4] / TOTAL + 0.05
    assert quality(played(of, answer('{"text": "liver"}'))) == pytest.approx(AXIAL[4] / TOTAL)


def test_nothing_anywhere_is_right_where_nothing_is_there(tmp_path: Path) -> None:
    of = scenario(tmp_path, NOT_THERE)
    assert quality(played(of, answer('{"mask": null}'))) == 1
    assert quality(played(of, answer('{"image": 1, "bbox_2d": [9, 9, 30, 30]}'))) == 1, "nothing was found there"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"mask": [2, 5]}', "on slices of different axes"),
        ('{"mask": [2, 9]}', "there is no image 9"),
        ('{"mask": [2, 1]}', "image 1 carries no mask"),
    ],
)
def test_masks_that_make_no_volume_are_a_fault(tmp_path: Path, said: str, why: str) -> None:
    episode = played(
        scenario(tmp_path, IN_VOXELS), HERE, *on(3, then=3), call("slice", image=1, axis="coronal", position=30)
    )
    for text in (call("biomedparse", image=5, text="liver"), answer(said.replace("5", "6"))):
        episode.apply(text)
    assert why in episode.turns[-1].fault
    assert quality(episode) == 0


@pytest.mark.parametrize(
    "said",
    [
        '{"mask": []}',
        '{"mask": [2, 2]}',
        '{"mask": [1.5]}',
        '{"mask": [0]}',
        '{"mask": ["2"]}',
        '{"mask": [[2]]}',
        '{"mask": [true]}',
    ],
)
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_list_of_images_is_of_different_numbers(said: str, dialect: str) -> None:
    from medgym.core.action import Action
    from medgym.core.dialects import make_dialect

    spoken = make_dialect(dialect, [])
    good = spoken.format(Action("I know." if spoken.thinks else "", answer={"mask": [3, 2]}), [(9, 9)])
    assert spoken.parse(good, [(9, 9)]).answer == {"mask": [3, 2]}
    bad = spoken.parse(good.replace('{"mask": [3, 2]}', said), [(9, 9)])
    assert "a list of different ones" in bad.errors[0]


def test_only_who_is_asked_for_a_volume_is_told_of_lists_and_may_write_them(tmp_path: Path) -> None:
    of = scenario(tmp_path, ON_A_SLICE, IN_VOXELS)
    assert "[k, l, …]" not in played(of).newest_text
    assert "[k, l, …]" in played(of, index=1).newest_text
    episode = played(of, HERE, answer('{"mask": [2]}'))
    assert episode.turns[-1].fault == "there is no image [2] to take a mask from"


@pytest.mark.parametrize("agent", ["oracle", "teacher"])
@pytest.mark.parametrize("dialect", ["hermes", "ophiuchus"])
def test_who_knows_the_truth_earns_full_marks_on_a_slice_and_on_a_volume(
    tmp_path: Path, agent: str, dialect: str
) -> None:
    of = scenario(tmp_path, ON_A_SLICE, IN_VOXELS, dialect=dialect)
    for trajectory, reward in rollouts(of, load_agent(agent).make(0), [("test", 0), ("test", 1)]):
        assert reward.total == 6, trajectory.task.id
        assert Graded(trajectory).quality == 1


def test_with_few_turns_the_largest_slices_are_marked(tmp_path: Path) -> None:
    of = scenario(tmp_path, IN_VOXELS, max_turns=3, tools=["sam2", "slice"])
    ((trajectory, _),) = rollouts(of, load_agent("oracle").make(0), [("test", 0)])
    assert Graded(trajectory).quality == 1  # several calls an action
    without = scenario(tmp_path, IN_VOXELS, tools=["sam2"])
    ((trajectory, _),) = rollouts(without, load_agent("oracle").make(0), [("test", 0)])
    assert Graded(trajectory).quality == pytest.approx(AXIAL[4] / TOTAL)


@pytest.mark.parametrize("recipe", names("rewards"))
def test_leafing_through_a_volume_earns_nothing(tmp_path: Path, recipe: str) -> None:
    of = scenario(tmp_path, ON_A_SLICE, IN_VOXELS, NOT_THERE)
    check_recipe(recipe, of.source("test"), tools=["zoom_in", "sam2", "biomedparse", "slice", "project"])


def test_tasks_on_volumes_are_well_posed(tmp_path: Path) -> None:
    check_tasks(scenario(tmp_path, ON_A_SLICE, IN_VOXELS, NOT_THERE).source("test"))


def test_slices_are_told_apart_as_regions_by_their_masks_alone(tmp_path: Path) -> None:
    from medgym.rewards.components import marks

    of = scenario(tmp_path, IN_VOXELS)
    leafed = [call("slice", image=1, axis="axial", position=k) for k in (0, 1, 2)]
    one = Graded(played(of, *leafed, answer('{"mask": null}')).trajectory())
    assert marks(one, [one]).value == pytest.approx(0.2)
    box = {"bbox_2d": [35, 18, 65, 42]}
    marked = [HERE, *on(5, then=3)]
    two = Graded(played(of, *marked, call("zoom_in", image=1, **box), answer('{"mask": [2, 4]}')).trajectory())
    assert marks(two, [two], most=9).value > marks(one, [one], most=9).value


def test_the_truth_of_another_plane_is_the_solids(tmp_path: Path) -> None:
    truth = truth_of(scenario(tmp_path, ON_A_SLICE).task("test", 0))
    from medgym.core.view import Sheet

    assert truth.plane == Plane("axial", 5)
    assert truth.solid is None
    found: dict[str, Any] = dict(truth.on(Sheet(0, Plane("sagittal", 50))))
    assert np.array_equal(found["liver"].bits(), (labels() == LIVER)[::-1, :, 50])
    assert truth.on(Sheet(0, Slab("axial", 0, 7))) == {}
    assert truth.on(Sheet(1, Plane("axial", 5))) == {}
    assert truth.on(Sheet(0, Plane("axial", 5))) == truth.structures
