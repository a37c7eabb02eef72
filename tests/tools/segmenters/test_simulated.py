"""The simulated segmenter: errors of the size asked for, the same each time, and never more than a tool's."""

import numpy as np
import pytest

from medgym.core.errors import InputError
from medgym.core.mask import Mask
from medgym.core.task import Truth
from medgym.core.view import View
from medgym.tools.segmenter import Prompt
from medgym.tools.segmenters.simulated import Simulated
from tests.conftest import picture

SIZE = (200, 160)
ROWS, COLUMNS = np.mgrid[:160, :200]
TUMOR = Mask.of((ROWS - 60) ** 2 + (COLUMNS - 70) ** 2 < 24**2)
LIVER = Mask.of((ROWS - 80) ** 2 + (COLUMNS - 110) ** 2 < 70**2)
TRUTH = Truth(mask=TUMOR, structures={"liver tumor": TUMOR, "liver": LIVER, "kidney cyst": Mask.empty(SIZE)})
VIEW = View.whole(picture(*SIZE), 512, index=1)


def found(segmenter: Simulated, **prompt: object) -> Mask:
    result = segmenter.segment([Prompt(VIEW, truth=TRUTH, **prompt)])[0]  # type: ignore[arg-type]
    return Mask.of(result.bits)  # type: ignore[union-attr]


def test_at_no_error_it_returns_the_truth_by_box_point_or_name() -> None:
    exact = Simulated(error=0)
    assert found(exact, box=TUMOR.box) == TUMOR
    assert found(exact, points=((70.0, 60.0),), labels=(1,)) == TUMOR
    assert found(exact, text="the liver tumor") == TUMOR
    assert found(exact, text="Liver") == LIVER
    assert found(exact, text="all dark liver tumours in this CT image") == TUMOR


def test_what_is_not_asked_for_is_not_given() -> None:
    exact = Simulated(error=0)
    for prompt in (
        {"box": (0.0, 0.0, 200.0, 160.0)},
        {"box": (60.0, 50.0, 70.0, 60.0)},
        {"text": "everything"},
        {"text": "kidney cyst"},
        {"text": "the"},
        {"text": "liver spleen kidney tumor cyst"},
        {"text": "liver metastases"},
        {"text": "liver calcification"},
        {"points": ((1.0, 1.0),), "labels": (0,)},
        {"points": ((199.0, 1.0),), "labels": (1,)},
    ):
        mask = found(exact, **prompt)
        assert mask.iou(TUMOR) < 0.2, prompt


@pytest.mark.parametrize(("error", "low", "high"), [(0.05, 0.85, 0.99), (0.2, 0.5, 0.93), (0.5, 0.1, 0.8)])
def test_a_larger_error_is_a_worse_mask(error: float, low: float, high: float) -> None:
    ious = [found(Simulated(error=error, seed=seed), box=TUMOR.box).iou(TUMOR) for seed in range(20)]
    assert low < np.mean(ious) < high


def test_the_same_call_fails_the_same_way_and_other_seeds_otherwise() -> None:
    one, two = (found(Simulated(error=0.3, seed=seed), box=TUMOR.box) for seed in (1, 2))
    assert one == found(Simulated(error=0.3, seed=1), box=TUMOR.box)
    assert one != two


def test_it_misses_and_swaps_as_often_as_it_is_told() -> None:
    boxes = [(40.0 + x, 32.0 + y, 94.0, 84.0) for x in range(8) for y in range(8)]
    missed = sum(found(Simulated(error=0, miss=0.4), box=box).area == 0 for box in boxes)
    swapped = sum(found(Simulated(error=0, swap=0.4), box=box) == LIVER for box in boxes)
    assert 14 < missed < 38
    assert 14 < swapped < 38


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="miss is a number from 0 to 1"):
        Simulated(miss=2)
