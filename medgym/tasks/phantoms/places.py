"""Questions answered by a place: segmentation and detection, some of them of what is not there."""

from ...core.mask import Mask
from ...core.task import Truth
from .desk import Asked, Desk, boxes_of, plural, truth_about
from .scene import Scene


def segment_organ(desk: Desk) -> Asked:
    """Ask for an organ, which is missing from some images."""
    organ = desk.one(desk.exam.organs)
    absent = organ in desk.exam.removable and desk.chance(desk.absent)
    scene = desk.scene(desk.others(desk.few(), lambda at: at.host != organ), [organ] * absent)
    return _segmented(scene, organ, f"Segment the {organ}.")


def segment_lesion(desk: Desk) -> Asked:
    """Ask for the lesions of one kind in one host: none, one or two."""
    target = desk.lesion()
    several = desk.chance(0.3)
    held = [] if desk.chance(desk.absent) else [target] * (1 + several)
    scene = desk.scene([*held, *desk.others(desk.few(), lambda at: at != target, held)])
    words = f"Segment all {target.host} {plural(target.finding)}." if several else f"Segment the {target.name}."
    return _segmented(scene, target.name, words)


def _segmented(scene: Scene, name: str, question: str) -> Asked:
    named = scene.named(name)
    structures = scene.masks()
    mask = structures.get(name, Mask.empty(scene.size))
    truth = Truth(mask=mask, boxes=boxes_of(named), structures=structures)
    return Asked(scene, question, truth, meta={"target": name, "negative": not named})


def mark_all(desk: Desk) -> Asked:
    """Ask for every lesion: none to three."""
    count = 0 if desk.chance(desk.absent) else int(desk.rng.integers(1, 4))
    scene = desk.scene(desk.others(count, lambda _: True))
    meta = {"target": desk.exam.lesion, "negative": not count}
    return Asked(scene, f"Mark every {desk.exam.lesion} with a box.", truth_about(scene, scene.lesions), meta=meta)


def mark_finding(desk: Desk) -> Asked:
    """Ask for every lesion of one kind: none to two, among others."""
    finding = desk.one(desk.exam.findings)
    count = 0 if desk.chance(desk.absent) else int(desk.rng.integers(1, 3))
    held = desk.others(count, lambda at: at.finding == finding)
    rest = desk.others(desk.few(), lambda at: at.finding != finding, held)
    scene = desk.scene([*held, *rest])
    asked = [s for s in scene.lesions if s.finding == finding]
    meta = {"target": finding, "negative": not count}
    return Asked(scene, f"Mark every {finding} with a box.", truth_about(scene, asked), meta=meta)
