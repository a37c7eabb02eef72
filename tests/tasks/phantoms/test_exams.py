"""Every exam keeps what the questions count on."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from medgym.core.errors import InputError
from medgym.core.mask import Mask, longest_diameter
from medgym.tasks.phantoms import MODALITIES
from medgym.tasks.phantoms.desk import plural
from medgym.tasks.phantoms.exam import Exam
from medgym.tasks.phantoms.scene import LEVELS, Lesion, Scene, Structure

EXAMS = {exam.name: exam for exams in MODALITIES.values() for exam in exams}

every_exam = pytest.mark.parametrize("exam", EXAMS.values(), ids=EXAMS)


def drawn(exam: Exam, seed: int, *lesions: Lesion, native: int = 256, level: int = 1, absent=()) -> Scene:
    return exam.draw(np.random.default_rng(seed), native, lesions, absent, LEVELS[level])


def single_lesions(exam: Exam, native: int, level: int) -> Iterator[tuple[Scene, Structure]]:
    for seed, (host, finding) in enumerate(product(exam.hosts, exam.findings)):
        scene = drawn(exam, seed, Lesion(host, finding), native=native, level=level)
        yield scene, scene.lesions[0]


@every_exam
def test_what_an_exam_says_of_itself_fits_together(exam: Exam):
    assert set(exam.removable) <= set(exam.organs) <= set(exam.parts)
    assert set(exam.hosts) <= set(exam.parts)
    assert set(exam.flesh) <= set(exam.hosts)
    assert set(exam.sides) <= set(exam.hosts)
    assert set(exam.sides.values()) in (set(), {"left", "right"})
    assert set(exam.measured) | set(exam.etched) <= set(exam.findings)
    assert exam.etched
    assert bool(exam.measured) == bool(exam.unit)
    assert set(exam.reach) == {(0, 0), (1, 0), (0, 1), (1, 1)}
    assert all(hosts and set(hosts) <= set(exam.hosts) for hosts in exam.reach.values())
    assert len(exam.hosts) > 3
    assert len(exam.findings) > 2
    assert exam.most <= 2 * len(exam.hosts)
    for name, shape in exam.shapes.items():
        assert shape.radii[1] >= (4 if name in exam.measured else 2.2) * shape.radii[0]


@every_exam
def test_names_read_well(exam: Exam):
    for name in (*exam.hosts, *exam.findings):
        assert name == name.lower() or exam.modality in name
        assert exam.accepted[name], f"there is more than one right wording of {name!r}"
        assert name not in exam.accepted[name]
    spoken = [word for words in exam.accepted.values() for word in words]
    assert len(spoken) == len(set(spoken)), "one wording for two answers"


@pytest.mark.parametrize(
    ("noun", "several"),
    [("cyst", "cysts"), ("nevus", "nevi"), ("cavity", "cavities"), ("abscess", "abscesses"), ("stray", "strays")],
)
def test_plurals(noun: str, several: str):
    assert plural(noun) == several


@every_exam
@pytest.mark.parametrize("level", [0, 3])
def test_every_host_holds_every_finding_and_shows_it(exam: Exam, level: int):
    for scene, lesion in single_lesions(exam, 1024, level):
        inside, host = lesion.mask.bits(), scene.named(lesion.host)[0].mask.bits()
        assert not (inside & ~host).any(), "an organ holds its lesions"
        pixels = scene.pixels.reshape(*inside.shape, -1).astype(float)
        x1, y1, x2, y2 = map(int, lesion.mask.box)
        margin = 4 + (x2 - x1) // 3
        near = np.s_[max(0, y1 - margin) : y2 + margin, max(0, x1 - margin) : x2 + margin]
        around = pixels[near][~inside[near] & host[near]]
        usual = np.median(around, 0)
        shift = np.abs(pixels[inside].mean(0) - usual).max()
        # A bright core in a dark rim may have the mean of its surroundings.
        differs, varies = (np.median(np.abs(part - usual), 0) for part in (pixels[inside], around))
        pattern = (differs - varies).max()
        assert max(shift, pattern) > 9, f"{lesion.name} cannot be seen"


@every_exam
def test_the_etched_are_of_middling_brightness_and_large_enough(exam: Exam):
    for level, finding in product((0, 3), exam.etched):
        for seed, host in enumerate(exam.hosts):
            scene = drawn(exam, seed, Lesion(host, finding, size=0.4), native=512, level=level)
            inside = scene.lesions[0].mask.bits()
            assert inside.sum() > 45, "a pattern needs room"
            seen = scene.pixels[inside].reshape(inside.sum(), -1).mean(0)
            assert seen.min() > 40
            assert seen.max() < 215


@every_exam
def test_masks_fit_together(exam: Exam):
    one, other = exam.hosts[0], exam.hosts[-1]
    first, second = exam.findings[:2]
    scene = drawn(exam, 7, Lesion(one, first), Lesion(one, first), Lesion(other, second))
    masks = {name: mask.bits() for name, mask in scene.masks().items()}
    twins = [s.mask.bits() for s in scene.named(f"{one} {first}")]
    assert len(twins) == 2
    assert not (twins[0] & twins[1]).any()
    assert np.array_equal(masks[f"{one} {first}"], twins[0] | twins[1])
    assert np.array_equal(masks["lesion"], masks[f"{one} {first}"] | masks[f"{other} {second}"])
    hosts = [masks[host] for host in exam.hosts if host in masks]
    assert np.sum(hosts, 0).max() == 1, "hosts do not overlap"
    assert all(Mask.of(s.mask.bits()) == s.mask for s in scene.structures), "the code is COCO's own"


@every_exam
def test_the_absent_is_not_there(exam: Exam):
    for seed, name in enumerate(exam.removable):
        shown = {s.name for s in drawn(exam, seed, absent=[name]).structures}
        assert name not in shown
        assert name in exam.hosts or set(exam.hosts) <= shown, "where lesions lie stays"


@every_exam
def test_quadrants_have_room(exam: Exam):
    for (x, y), hosts in exam.reach.items():
        for seed, host in enumerate(hosts):
            finding = exam.findings[seed % len(exam.findings)]
            x1, y1, x2, y2 = drawn(exam, seed, Lesion(host, finding, (x, y))).lesions[0].mask.box
            assert ((x1 + x2) / 2 > 128, (y1 + y2) / 2 > 128) == (bool(x), bool(y))


@every_exam
def test_lesions_seldom_need_another_scene(exam: Exam, monkeypatch: pytest.MonkeyPatch):
    painted = []
    counted = exam.paint
    monkeypatch.setitem(exam.__dict__, "paint", lambda *given: painted.append(1) or counted(*given))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        hosts = [exam.hosts[i] for i in rng.permutation(2 * len(exam.hosts))[:4] // 2]
        drawn(
            exam,
            seed,
            *(Lesion(host, exam.findings[i % len(exam.findings)]) for i, host in enumerate(hosts)),
            native=160,
        )
    assert len(painted) <= 43


@every_exam
def test_sizes_are_seen(exam: Exam):
    """A lesion of a larger size is longer, also where its host is small."""
    longer = []
    for seed, finding in enumerate(exam.findings * 3):
        one, other = (exam.hosts[(seed + k) % len(exam.hosts)] for k in (0, 1))
        big, small = drawn(
            exam, seed, Lesion(one, finding, size=0.8), Lesion(other, finding, size=0.3), native=512
        ).lesions
        longer.append(big.diameter >= 1.3 * small.diameter)
    assert np.mean(longer) > 0.75


@every_exam
def test_chance_comes_from_the_seed_alone(exam: Exam):
    lesion = Lesion(exam.hosts[1], exam.findings[1])
    assert np.array_equal(drawn(exam, 3, lesion).pixels, drawn(exam, 3, lesion).pixels)
    assert not np.array_equal(drawn(exam, 3, lesion).pixels, drawn(exam, 4, lesion).pixels)


@every_exam
def test_what_cannot_be_drawn(exam: Exam):
    rng = np.random.default_rng(0)
    host, finding = exam.hosts[0], exam.findings[0]
    with pytest.raises(InputError, match=host):
        exam.draw(rng, 96, [Lesion(host[:-1], finding)])
    with pytest.raises(InputError, match=finding):
        exam.draw(rng, 96, [Lesion(host, f"{finding}s")])
    with pytest.raises(InputError, match="leave out"):
        exam.draw(rng, 96, absent=["nothing of the kind"])
    if exam.removable and exam.removable[0] in exam.hosts:
        with pytest.raises(InputError, match=exam.removable[0]):
            exam.draw(rng, 96, [Lesion(exam.removable[0], finding)], absent=[exam.removable[0]])


def test_sides_are_the_patients():
    left = {s.name: s.mask.box[0] for s in drawn(EXAMS["abdominal CT"], 7).structures}
    assert left["right kidney"] < left["vertebra"] < left["left kidney"]
    assert left["liver"] < left["spleen"]


def test_a_line_is_as_long_as_it_is():
    bits = np.zeros((20, 30), bool)
    bits[4, 2:12] = True
    assert longest_diameter(bits, 0.5) == pytest.approx(0.5 * np.hypot(10, 1), rel=1e-3)
    assert longest_diameter(bits & False, 0.5) == 0
