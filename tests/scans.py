"""A small scan that tests share: thick slices with two structures, as NIfTI with labels, and records about it."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medgym.envs.scenario import Scenario

SHAPE = (8, 60, 80)
SPACING = (3.0, 0.8, 0.8)
LIVER, SPLEEN, NOTHING = 2, 1, 7
TOOLS = [
    "zoom_in",
    "sam2",
    "biomedparse",
    "measure",
    "window",
    "enhance",
    "rotate",
    "flip",
    "compare",
    "slice",
    "project",
]


def labels() -> np.ndarray:
    """An ellipsoid on slices 2 to 6, and a brick on slices 2 and 3, ``(Z, Y, X)``."""
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    found = np.zeros(SHAPE, np.uint8)
    found[((z - 4) / 2.2) ** 2 + ((y - 30) / 12) ** 2 + ((x - 50) / 15) ** 2 < 1] = LIVER
    found[2:4, 5:15, 5:25] = SPLEEN
    return found


def values() -> np.ndarray:
    """Noise, brighter in the structures, ``(Z, Y, X) int16``."""
    made = np.random.default_rng(0).normal(0, 20, SHAPE).astype(np.int16)
    return made + np.array([0, 400, 200], np.int16)[labels()]


def written(folder: Path, *records: dict[str, Any]) -> str:
    """Write scan, labels and records into a folder and return the records' path."""
    affine = np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0])
    for name, voxels in (("ct.nii.gz", values()), ("labels.nii.gz", labels())):
        nibabel.save(nibabel.Nifti1Image(voxels.T, affine), folder / name)
    common = {"question_type": "segmentation", "question": "Segment the liver.", "image_path": "ct.nii.gz"}
    path = folder / "scan.json"
    path.write_text(json.dumps([{"question_id": i, **common, **record} for i, record in enumerate(records)]))
    return str(path)


ON_A_SLICE = {"mask_path": "labels.nii.gz", "label": LIVER, "slice": 5}
IN_VOXELS = {"mask_path": "labels.nii.gz", "label": LIVER, "scored": "volume"}
NOT_THERE = {"mask_path": "labels.nii.gz", "label": NOTHING, "scored": "volume"}


def scenario(folder: Path, *records: dict[str, Any], **settings: Any) -> Scenario:
    """Make episodes over records about the scan, with all tools and exact masks."""
    given = {"tools": TOOLS, "segmenter": "simulated:error=0", "max_turns": 9, "split": "test", **settings}
    return Scenario(tasks=written(folder, *records), **given)
