"""NIfTI volumes and their labels: a task for each structure, on the slice where it is largest, or of all of it.

- ``imagesTr/<case>.nii.gz`` (or ``<case>_0000.nii.gz``) and ``labelsTr/<case>.nii.gz``; ``imagesTs`` and ``labelsTs``
  are the test split where both are there. Also ``images`` and ``labels`` or ``masks``.
- ``<case>_image.nii.gz`` (or ``<case>.nii.gz``) and ``<case>_label.nii.gz``, ``_seg`` or ``_mask``
- BIDS: ``sub-1_dseg.nii.gz`` or ``sub-1_label-lesion_mask.nii.gz`` and the only image of that subject and session

Labels are named by ``dataset.json`` (of the Decathlon or of nnU-Net), by BIDS' ``label-``, or by the user. An image
and its labels may be stored along different axes, but must lie in the same place.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.mask import Mask
from ...tasks.readers import guarded
from ...tasks.volumes import channel_of, planes_of, reach_of
from .found import Finds, Found, Rejected, Wanted, Where, composed, files_in, labels_of, segmentation, split_of
from .found import structure as spelled

IMAGES = ("imagestr", "imagests", "images", "image", "imgs")
LABELS = ("labelstr", "labelsts", "labels", "label", "masks", "mask", "segmentations", "seg")
MARKED = re.compile(r"(.+)_(?:label|labels|seg|dseg|mask|segmentation|gt)", re.IGNORECASE)
PICTURED = re.compile(r"(.+)_(?:image|img|0000)", re.IGNORECASE)
ENTITY = re.compile(r"_(label|desc|space|res|hemi)-([A-Za-z0-9]+)")
OTHER_CHANNEL = re.compile(r".+_(?!0000)\d{4}")
UNASKED = ("background", "ignore")
"""Names that nnU-Net gives to what is no structure."""
MOST = 1 << 16
"""Labels are below it."""
SLACK = 1e-3
"""By which a stored scale may have moved a label."""


class Case(NamedTuple):
    """An image and its labels, paths relative to the folder, or why the labels have no image."""

    labels: str
    image: str
    fault: str = ""


class _Images(NamedTuple):
    """Images by the names that their labels may have, and by what their names begin with, up to an underscore."""

    named: Mapping[str, list[str]]
    begun: Mapping[str, list[str]]


class _About(NamedTuple):
    """What a ``dataset.json`` says."""

    names: Mapping[int, str]
    modalities: Mapping[str, Any]


def cases(files: list[str]) -> list[Case]:
    """Pair the volumes among `files`, paths relative to the folder."""
    volumes = [path for path in files if path.lower().endswith((".nii", ".nii.gz"))]
    labels = [path for path in volumes if _is_labels(path)]
    labelled = set(labels)
    images = _indexed(path for path in volumes if path not in labelled)
    return [_case(path, images) for path in labels]


def find(source: str, wanted: Wanted) -> Finds:
    """Find the structures of each pair of volumes."""
    pairs = cases(files_in(source))
    if not pairs:
        raise InputError(f"{source}: no labels of NIfTI volumes; expected such as imagesTr and labelsTr")
    tested = any(_role(path.labels) == "labelsts" for path in pairs)
    for case in pairs:
        if case.fault:
            yield Rejected(Where(case.labels), case.fault)
            continue
        try:
            yield from _of_case(source, case, wanted, tested)
        except InputError as fault:
            yield Rejected(Where(case.labels), str(fault))


def _of_case(source: str, case: Case, wanted: Wanted, tested: bool) -> Finds:
    image, labels = (os.path.abspath(os.path.join(source, path)) for path in (case.image, case.labels))
    _check_place(image, labels)
    planes = guarded(labels, "nifti", lambda: planes_of(labels))
    about = _about(os.path.dirname(labels), os.path.abspath(source))
    best = guarded(labels, "nifti", lambda: _largest(planes))
    if not best:
        raise InputError("there is no label in the volume; expected one or more")
    names: dict[int, str] = {}
    for label in best:
        name = wanted.only or wanted.names.get(label) or about.names.get(label) or _entity(case.labels, best)
        if name and name.lower() not in UNASKED:
            names[label] = name
        elif not name:
            yield Rejected(Where(case.labels, item=f"label {label}"), "it has no name; expected one in --names")
    stem, channel = _stem(case.image), guarded(image, "nifti", lambda: channel_of(image))
    subject, session = (re.search(rf"(?:^|[/_]){key}-([A-Za-z0-9]+)", case.image) for key in ("sub", "ses"))
    patient = f"sub-{subject[1]}" if subject else None
    common = {
        "image_path": image,
        "split": _split(case.image, tested),
        "modality": wanted.modality or str(about.modalities.get(str(channel), "")) or _modality(stem),
        "patient": patient,
        "study": f"{patient}/ses-{session[1]}" if patient and session else None,
    }
    for name in dict.fromkeys(names.values()):
        own = [label for label, each in names.items() if each == name]
        number = max((best[label] for label in own), key=lambda found: found[1])[0]
        key = f"{_case_id(case.image)}/{name}"
        if wanted.volumes:
            whole = {"mask_path": [labels], "label": own, "scored": "volume"}
            yield Found(Where(case.labels, item=name), key, segmentation(name, {}, slice=number, **whole, **common))
        else:
            where = Where(case.labels, item=f"{name}, slice {number}")
            yield Found(where, key, segmentation(name, _masks(planes[number], names), slice=number, **common))


def _largest(planes: Any) -> dict[int, tuple[int, int]]:
    """Return of each label the slice where it is largest, and how many pixels it has there."""
    best: dict[int, tuple[int, int]] = {}
    for number, plane in enumerate(planes):
        # As 64 bits: of bytes, NumPy's rint makes floats of 16.
        exact = np.asarray(plane, np.float64)
        whole = np.rint(exact)
        right = np.isfinite(whole).all() and whole.min() >= 0 and whole.max() < MOST
        if not right or np.abs(whole - exact).max() > SLACK:
            raise InputError(f"the labels are not whole numbers from 0 to {MOST - 1}; expected a map of labels")
        counts = np.bincount(whole.astype(np.int64).ravel())
        for label in np.flatnonzero(counts[1:]) + 1:
            if int(counts[label]) > best.get(int(label), (0, 0))[1]:
                best[int(label)] = (number, int(counts[label]))
    return dict(sorted(best.items()))


def _masks(plane: Any, names: Mapping[int, str]) -> dict[str, Mask]:
    """Return the masks of the structures that are in a slice."""
    found: dict[str, Mask] = {}
    whole = np.rint(np.asarray(plane, np.float64))
    for name in dict.fromkeys(names.values()):
        bits = np.isin(whole, [label for label, each in names.items() if each == name])
        if bits.any():
            found[name] = Mask.of(bits)
    return found


def _check_place(image: str, labels: str) -> None:
    """Refuse labels that do not lie on the voxels of their image."""
    (shape, corners), (own, own_corners) = (
        guarded(path, "nifti", lambda path=path: reach_of(path))  # type: ignore[misc]
        for path in (image, labels)
    )
    if shape != own:
        spelt = " and its image ".join("x".join(map(str, each)) for each in (own, shape))
        raise InputError(f"the labels are {spelt} voxels; expected the same size")
    voxel = np.linalg.norm(corners[1:] - corners[0], axis=1) / np.maximum(1, np.array(shape) - 1)
    if np.abs(corners - own_corners).max() > max(1e-3, voxel[voxel > 0].min(initial=1.0) / 2):
        raise InputError("the labels and their image do not lie in the same place; expected the same affine")


def _about(folder: str, source: str) -> _About:
    """Read the ``dataset.json`` of the folder of labels or of one above it, within the source."""
    for place in (folder, *(str(parent) for parent in Path(folder).parents)):
        path = os.path.join(place, "dataset.json")
        if os.path.isfile(path):
            try:
                found = json.loads(Path(path).read_text("utf-8-sig"))
                kinds = found.get("modality") or found.get("channel_names") or {}
                return _About(labels_of(found.get("labels", {}), path), dict(kinds))
            except (OSError, ValueError, AttributeError, TypeError) as error:
                raise InputError(
                    f"{path}: not readable ({type(error).__name__}); expected labels and modality"
                ) from None
        if place == source:
            break
    return _About({}, {})


def _is_labels(path: str) -> bool:
    return _role(path) in LABELS or (_role(path) == "" and MARKED.fullmatch(_stem(path)) is not None)


def _role(path: str) -> str:
    """Return the folder, in small letters, that says whether a volume is an image or labels."""
    folders = [part.lower() for part in PurePath(path).parts[:-1]]
    return next((part for part in reversed(folders) if part in (*IMAGES, *LABELS)), "")


def _indexed(images: Iterable[str]) -> _Images:
    named, begun = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for path in images:
        stem, other = _stem(path), _other(path)
        # What looks like a further channel may be a case of its own: amos_0001 with labels of that name.
        for name in {stem} if other else {stem, _plain(path)}:
            named[name].append(path)
        for start in () if other else accumulate(stem.split("_"), "{}_{}".format):
            begun[start].append(path)
    return _Images(named, begun)


def _case(labels: str, images: _Images) -> Case:
    """Find the image of labels: by the folders, by the name, or as the only one of its subject and session."""
    marked = MARKED.fullmatch(_stem(labels))
    names = [_stem(labels), *([marked[1]] if marked else [])]
    alike = list(dict.fromkeys(path for name in names for path in images.named.get(name, ())))
    alike = [path for path in alike if _home(path) == _home(labels)] or alike
    if not alike and marked:
        alike = images.begun.get(ENTITY.sub("", marked[1]), [])
    if len(alike) == 1:
        return Case(labels, alike[0])
    shown = ", ".join(alike[:4]) or "none"
    return Case(labels, "", f"expected one image that goes with the labels, found {shown}")


def _home(path: str) -> tuple[str, ...]:
    """Return the folders of a volume, images and labels being the same: Tr stays Tr."""
    folders = [part.lower() for part in PurePath(path).parts[:-1]]
    ends = {name: "ts" if name.endswith("ts") else "" for name in (*IMAGES, *LABELS)}
    return tuple(ends.get(part, part) for part in folders)


def _plain(path: str) -> str:
    pictured = PICTURED.fullmatch(_stem(path))
    return pictured[1] if pictured else _stem(path)


def _other(path: str) -> bool:
    """Whether it is a further channel of a case, as nnU-Net numbers them."""
    return _role(path) != "" and OTHER_CHANNEL.fullmatch(_stem(path)) is not None


def _stem(path: str) -> str:
    return composed(re.sub(r"\.nii(\.gz)?$", "", PurePath(path).name, flags=re.IGNORECASE))


def _case_id(path: str) -> str:
    folders = [part for part in PurePath(path).parts[:-1] if part.lower() not in IMAGES]
    return "/".join([*map(composed, folders), _plain(path)])


def _entity(labels: str, best: Mapping[int, Any]) -> str:
    """Return the name that BIDS gives a mask of one structure, ``label-lesion``."""
    found = dict(ENTITY.findall(_stem(labels)))
    return spelled(found.get("label", "")) if len(best) == 1 else ""


def _split(path: str, tested: bool) -> str:
    role = _role(path)
    if tested and role in ("imagestr", "imagests"):
        return "test" if role == "imagests" else "train"
    return split_of(*PurePath(path).parts[:-1])


def _modality(stem: str) -> str:
    """Return what BIDS' suffix says."""
    suffix = stem.rpartition("_")[2]
    if not stem.startswith("sub-"):
        return ""
    return {"ct": "CT", "pet": "PET"}.get(
        suffix.lower(), "MRI" if re.fullmatch(r"T[12]\w*|FLAIR|PDw|bold|dwi", suffix) else ""
    )
