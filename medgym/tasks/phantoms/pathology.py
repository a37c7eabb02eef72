"""Pathology: a section of a carcinoma, stained with hematoxylin and eosin, as a slide scanner sees it.

Everything on the slide is so much hematoxylin, eosin and brown, and colour is the light that these let through.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...core.image import Pixels
from ...core.task import Kind
from .desk import Asked, Desk, truth_about
from .exam import Exam
from .film import GRAIN, STRIP, Field, Grain, cloud, coarseness, fields
from .lesions import Patch, Shape
from .paint import Canvas, Curve, Labels, blob
from .pathology_cells import (
    SHADES,
    VARIANTS,
    Course,
    along,
    dying,
    lattice,
    lymphocyte,
    mottled,
    nucleus,
    press,
    red_cell,
    sizes_in_pixels,
    spindle,
    turns_of,
    within,
)
from .scene import Level

HOSTS = ("upper left nest", "upper right nest", "lower left nest", "lower right nest")
MIDDLES = ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5))

STAINS = np.array([[0.88, 1.06, 0.42], [0.1, 0.8, 0.42], [0.36, 0.8, 1.2]])
"""How much red, green and blue light hematoxylin, eosin and brown each take away."""
CYTOPLASM = {
    "cytoplasm": (0.2, 0.29, 0),
    "pale cytoplasm": (0.15, 0.25, 0),
    "granules": (0.26, 0.35, 0),
    "clear cytoplasm": (0.11, 0.16, 0),
}
NUCLEUS = {f"chromatin {k}": (amount, 0.25, 0) for k, amount in enumerate((0.5, 0.71, 0.84, 1.06, 1.4))}
"""A paler nucleus is printed in the first four, a darker one in the last four."""
DYING = {"halo": (0.02, 0.06, 0), "dense cytoplasm": (0.2, 0.85, 0), "crumb": (1.5, 0.3, 0)}
NEST = {**CYTOPLASM, **NUCLEUS, **DYING}
LYMPHOCYTE = {"ground": (1.0, 0.25, 0), "chromatin": (1.4, 0.3, 0)}
TISSUES: dict[str, tuple[float, float, float]] = {
    **{f"stroma {shade}": (0.03 + 0.012 * shade, 0.08 + 0.095 * shade, 0) for shade in range(SHADES)},
    "space": (0.01, 0.015, 0),
    "fat vacuole": (0.0, 0.012, 0),
    "fat membrane": (0.06, 0.34, 0),
    "vessel wall": (0.1, 0.55, 0),
    "plasma": (0.02, 0.11, 0),
    "red cell": (0.0, 0.78, 0.32),
    "red cell middle": (0.0, 0.55, 0.2),
    "spindle ground": (0.72, 0.3, 0),
    "spindle chromatin": (1.0, 0.34, 0),
    "endothelium ground": (0.8, 0.3, 0),
    "endothelium chromatin": (1.1, 0.34, 0),
    **{f"lymphocyte {part}": amounts for part, amounts in LYMPHOCYTE.items()},
    **{f"{host} {part}": amounts for host in HOSTS for part, amounts in NEST.items()},
}
"""How much hematoxylin, eosin and brown there is in each tissue."""
LABELS = {name: label for label, name in enumerate(TISSUES)}
PARTS: dict[str, tuple[str, ...]] = {
    **{host: tuple(f"{host} {part}" for part in NEST) for host in HOSTS},
    "tumor nuclei": tuple(f"{host} {part}" for host in HOSTS for part in NUCLEUS),
    "lymphocytes": tuple(f"lymphocyte {part}" for part in LYMPHOCYTE),
    "blood vessel": (
        *("plasma", "vessel wall", "red cell", "red cell middle"),
        *("endothelium ground", "endothelium chromatin"),
    ),
    "fat vacuoles": ("fat vacuole",),
}
HOST = np.array([0.4, 0.28, 0.0])
"""The stains of a nest as a whole."""
SITES = ((0.0, 0.0), (0.0, -0.88), (0.0, 0.88), (-0.88, 0.0), (0.88, 0.0))
"""Where there is stroma between the nests."""
MOTTLE = 1.7
"""The grain of a lesion in micrometres."""
LAYERS, LAYER = 16, 256
"""Steps of thickness; how fine one of them is reckoned, so that the label has room below."""
UNEVEN = 310
"""How far the thickness strays over a few pixels, and as far again over a large part of the image."""
BRIGHTEST = 63
"""The full range of a channel, a quarter of what its 8 bits hold."""
THICKNESS, NOISE = 0.3, 17.0
"""The most that the section is thicker or thinner than it should be, and the most noise, in grey levels."""
PLEOMORPHISM = {"uniform": 0.05, "pleomorphic": 0.28}
"""How much the radii of tumor nuclei vary."""


def _paint(rng: np.random.Generator, native: int, absent: Collection[str], level: Level) -> Canvas:
    width = float(rng.uniform(290, 350))
    unit = native / width
    canvas = Canvas(native, TISSUES, (native / 2, native / 2), (native / 2, native / 2), unit=unit)
    canvas.notes["nuclei"] = list(PLEOMORPHISM)[int(rng.integers(2))]
    middles = np.array(MIDDLES) + rng.uniform(-0.045, 0.045, (4, 2))
    radii = rng.uniform(0.35, 0.41, 4)
    kept = [k for k, host in enumerate(HOSTS) if host not in absent]
    crimp = (float(rng.uniform(35, 70)), float(rng.uniform(1.5, 4.0)))
    course = Course(rng, width, (middles[kept] + 1) * width / 2, radii[kept] * width / 2, crimp)
    canvas.labels[:] = course.woven(rng, native)
    sites = rng.permutation(SITES)
    if "fat vacuoles" not in absent:
        _paint_fat(rng, canvas, sites[1])
    outlines = {HOSTS[k]: _nest(rng, middles[k], radii[k]) for k in kept}
    for host, curve in outlines.items():
        _paint_nest(rng, canvas, host, curve)
    if "blood vessel" not in absent:
        _paint_vessel(rng, canvas, sites[0])
    _paint_stroma_cells(rng, canvas, course)
    if "lymphocytes" not in absent:
        _paint_lymphocytes(rng, canvas, sites[2])
    if outlines:
        _paint_cells(rng, canvas, [canvas.pixels(curve) for curve in outlines.values()], level)
    return canvas


def _nest(rng: np.random.Generator, middle: Curve, radius: float) -> Curve:
    """Return the lobed outline of a nest."""
    stretch = rng.uniform(0.84, 1.0)
    return blob(rng, middle, (radius, radius * stretch), 0.09, float(rng.uniform(0, np.pi)), 6)


def _paint_nest(rng: np.random.Generator, canvas: Canvas, host: str, curve: Curve) -> None:
    """Paint the cytoplasm of a nest, and the cleft along one side of it that it shrank from."""
    if rng.random() < 0.6:
        canvas.fill("space", curve + rng.normal(0, 0.008, 2))
    first = f"{host} {next(iter(CYTOPLASM))}"
    canvas.fill(first, curve)
    corners = np.clip(canvas.pixels(curve), 0, canvas.native)
    columns, rows = (slice(int(low), int(high) + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True))
    cloth = mottled(canvas.native)
    part = canvas.labels[rows, columns][: len(cloth), : len(cloth)]
    top, left = rng.integers(0, np.array(cloth.shape) - part.shape + 1)
    shades = cloth[top : top + part.shape[0], left : left + part.shape[1]]
    part += shades * (part == LABELS[first])


def _paint_cells(rng: np.random.Generator, canvas: Canvas, outlines: Sequence[Curve], level: Level) -> None:
    """Print the nuclei of the nests: a row along each rim, upright on it, and others within."""
    labels, unit = canvas.labels, canvas.unit
    least, most = LABELS[f"{HOSTS[0]} cytoplasm"], len(TISSUES) - 1
    gap = unit * float(rng.uniform(11.0, 13.5))
    rims, upright = zip(*(along(rng, outline, 0.85 * gap, 0.62 * gap) for outline in outlines), strict=True)
    rim = np.concatenate(rims)
    core = lattice(rng, np.zeros(2), np.full(2, canvas.native), gap, 0.2)
    core = core[within(labels, core, 1.2 * gap, least, most)]
    fits = within(labels, rim, 0.48 * gap, least, most)
    spots = np.concatenate([rim[fits], core])
    count = len(spots)
    angles = np.concatenate([np.concatenate(upright)[fits], rng.uniform(0, np.pi, len(core))])
    spread = rng.normal(0, PLEOMORPHISM[canvas.notes["nuclei"]], count)
    sizes = sizes_in_pixels(unit * rng.uniform(4.2, 4.9) * np.exp(np.clip(spread, -0.45, 0.38)), canvas.native // 512)
    turns, kinds = turns_of(angles), rng.integers(VARIANTS, size=count).tolist()
    stencils = [nucleus(canvas.native, *key) for key in zip(sizes, turns, kinds, strict=True)]
    column, row = spots.astype(int).T
    nests = least + (labels[row, column].astype(int) - least) // len(NEST) * len(NEST)
    firsts = nests + len(CYTOPLASM) + (rng.random(count) < 0.3)
    for k in np.flatnonzero(rng.random(count) < 0.03 * level.clutter).tolist():
        stencils[k] = dying(canvas.native, max(1, 3 * sizes[k] // 4), kinds[k])
        firsts[k] = nests[k] + len(CYTOPLASM) + len(NUCLEUS)
    press(labels, stencils, spots, firsts)


def _paint_fat(rng: np.random.Generator, canvas: Canvas, site: Curve) -> None:
    """Paint a group of fat cells, each an empty vacuole in a thin membrane."""
    gap = float(rng.uniform(44, 58)) * canvas.unit / canvas.axes[0]
    reach = float(rng.uniform(0.28, 0.42))
    for spot in lattice(rng, np.maximum(site - reach, -1 - gap / 2), np.minimum(site + reach, 1 + gap / 2), gap, 0.1):
        cell = blob(rng, spot, rng.uniform(0.45, 0.56, 2) * gap, 0.05)
        canvas.fill("fat membrane", cell)
        canvas.fill("fat vacuole", spot + (cell - spot) * (1 - 2.2 / 25))


def _paint_vessel(rng: np.random.Generator, canvas: Canvas, site: Curve) -> None:
    """Paint a small vessel: its wall, flat endothelial nuclei, plasma and red cells."""
    micrometre = canvas.unit / canvas.axes[0]
    middle = site * (1 - 20 * micrometre / 2) + rng.uniform(-0.02, 0.02, 2)
    long = float(rng.uniform(15, 22)) * micrometre
    turn = float(rng.uniform(0, np.pi))
    wall = blob(rng, middle, (long, long * rng.uniform(0.6, 0.9)), 0.05, turn)
    inner = middle + (wall - middle) * (1 - 2.6 * micrometre / long)
    canvas.fill("vessel wall", wall)
    canvas.fill("plasma", inner)
    labels, plasma = canvas.labels, LABELS["plasma"]
    edge = canvas.pixels(inner)
    spots = lattice(rng, edge.min(0), edge.max(0), 5.6 * canvas.unit, 0.25)
    spots = spots[within(labels, spots, 3.0 * canvas.unit, plasma, plasma) & (rng.random(len(spots)) < 0.75)]
    sizes = sizes_in_pixels(rng.uniform(2.8, 3.4, len(spots)) * canvas.unit, canvas.native // 1024)
    press(labels, [red_cell(canvas.native, size) for size in sizes], spots, [LABELS["red cell"]] * len(spots))
    rim, upright = along(rng, canvas.pixels(wall), float(rng.uniform(14, 20)) * canvas.unit, 1.3 * canvas.unit)
    size = max(1, round(4.5 * canvas.unit))
    kinds = rng.integers(VARIANTS, size=len(rim)).tolist()
    ways = zip(turns_of(upright + np.pi / 2), kinds, strict=True)
    stencils = [spindle(canvas.native, size, *way) for way in ways]
    press(labels, stencils, rim, [LABELS["endothelium ground"]] * len(rim))


def _paint_stroma_cells(rng: np.random.Generator, canvas: Canvas, course: Course) -> None:
    """Print fibroblasts along the fibres."""
    spots = rng.uniform(0, canvas.native, (int(rng.integers(110, 190)), 2))
    spots = spots[within(canvas.labels, spots, 4.0 * canvas.unit, 0, SHADES - 1)]
    count = len(spots)
    turns = turns_of(course.angle(spots / canvas.unit) + rng.normal(0, 0.1, count))
    sizes = sizes_in_pixels(rng.uniform(5, 9.5, count) * canvas.unit, canvas.native // 256)
    kinds = rng.integers(VARIANTS, size=count).tolist()
    stencils = [spindle(canvas.native, *key) for key in zip(sizes, turns, kinds, strict=True)]
    press(canvas.labels, stencils, spots, [LABELS["spindle ground"]] * count)


def _paint_lymphocytes(rng: np.random.Generator, canvas: Canvas, site: Curve) -> None:
    """Print lymphocytes, some of them scattered and some in a group."""
    count = int(rng.integers(30, 90))
    scattered = rng.uniform(0, canvas.native, (count, 2))
    reach = canvas.native * float(rng.uniform(0.06, 0.12))
    group = rng.normal(canvas.pixels(site), reach, (count, 2))
    spots = np.concatenate([scattered, group])
    spots = spots[within(canvas.labels, spots, 3.6 * canvas.unit, 0, SHADES - 1)]
    sizes = sizes_in_pixels(rng.uniform(2.7, 3.4, len(spots)) * canvas.unit, canvas.native // 1024)
    kinds = rng.integers(4 * VARIANTS, size=len(spots)).tolist()
    stencils = [lymphocyte(canvas.native, size, kind) for size, kind in zip(sizes, kinds, strict=True)]
    press(canvas.labels, stencils, spots, [LABELS["lymphocyte ground"]] * len(spots))


def _expose(rng: np.random.Generator, canvas: Canvas, patches: Sequence[Patch], level: Level) -> Pixels:
    """Stain the labels, lay the section under a lens and light it."""
    native = canvas.native
    stains = STAINS * rng.uniform((0.85, 0.75, 1.0), (1.15, 1.2, 1.0))[:, None] * rng.uniform(0.93, 1.07, (3, 3))
    lamp = rng.uniform((238, 236, 238), (248, 246, 250))
    raw = rng.integers(0, 1 << 64, (native + 2) * (native // 8 + 1), np.uint64).view(np.int8)
    raw = raw[: (native + 2) ** 2].reshape(native + 2, native + 2)
    uneven = _uneven(native)
    down, right = rng.integers(len(uneven) - native + 1, size=2)
    amounts = np.array(list(TISSUES.values()))
    thick = 1 + THICKNESS * np.linspace(-1, 1, LAYERS)[:, None, None]
    # The noise of the camera goes the way of the thickness: one look-up does for both.
    glow = level.noise * NOISE * np.linspace(1, -1, LAYERS)[:, None, None]
    colours = np.zeros((LAYERS, 256), np.uint32)
    colours[:, : len(TISSUES)] = _packed(rng, lamp * np.exp(-thick * amounts @ stains) + glow)
    lesions = []
    for patch in patches:
        height, width = patch.inside.shape
        side = max(height, width)
        mottle = cloud(rng, side, max(2, round(side / canvas.unit / MOTTLE)))[:height, :width][patch.inside]
        grain = _grain(raw[patch.rows.start : patch.rows.stop + 2, patch.columns.start : patch.columns.stop + 2])
        noise = grain[patch.inside] * (level.noise * NOISE / 2 / GRAIN)
        found = HOST + level.contrast**0.4 * (_amounts(rng, patch, mottle, canvas.unit) - HOST)
        crop = np.zeros(patch.inside.shape, np.uint32)
        crop[patch.inside] = _packed(rng, lamp * np.exp(-np.maximum(found, 0) @ stains) + noise[:, None])
        lesions.append((patch, crop))
    fold = _fold(rng, native, canvas.unit) if rng.random() < level.occlusion else None
    denser = (BRIGHTEST * np.linspace(0, 1, BRIGHTEST + 1) ** rng.uniform(1.5, 1.9)).astype(np.uint8)
    slow = (LAYERS * LAYER / 2 + UNEVEN * cloud(rng, native // 8 + 1, 6)).astype(np.int16).repeat(8, 1)[:, :native]
    pixels = np.empty((native, native, 3), np.uint8)
    above = None
    for top in range(0, native, STRIP):
        rows = slice(top, top + STRIP)
        labels = canvas.labels[rows]
        layer = _grain(raw[top : top + len(labels) + 2])
        layer += uneven[down + top :, right : right + native][: len(labels)]
        layer += slow[top // 8 :][: len(labels) // 8 + 1].repeat(8, 0)[: len(labels)]
        seen = colours.take(_places(layer, labels), mode="clip")
        for patch, crop in lesions:
            _lay(seen, top, patch, crop)
        if fold is not None:
            folded = fold[rows]
            seen[folded] = denser.take(seen[folded].view(np.uint8)).view(np.uint32)
        _focus(seen, seen[:1] if above is None else above, pixels[rows])
        above = seen[-1:]
    return pixels


@lru_cache(4)
def _uneven(native: int) -> Grain:
    """Return how the thickness strays over a few pixels, for somewhat more than an image."""
    texture = fields(np.random.default_rng(0), native * 9 // 8)[1]
    return (texture * np.float32(UNEVEN / coarseness(native * 9 // 8)[1])).astype(np.int16)


def _grain(raw: NDArray[np.int8]) -> Grain:
    """Sum bytes by the kernel ``1 2 1`` each way; two rows and columns fewer come out."""
    grain = raw.astype(np.int16)
    for _ in range(2):
        rows = grain[1:] + grain[:-1]
        grain = rows[:, 1:] + rows[:, :-1]
    return grain


def _places(layer: Grain, labels: Labels) -> Grain:
    """Return where to look colours up, given how thick the section is; `layer` is used up."""
    np.clip(layer, 0, LAYERS * LAYER - 1, out=layer)
    layer &= np.int16((LAYERS - 1) * LAYER)
    layer |= labels
    return layer


def _lay(seen: NDArray[np.uint32], top: int, patch: Patch, crop: NDArray[np.uint32]) -> None:
    """Copy what a strip that begins at a row `top` has of a lesion."""
    first = patch.rows.start
    low, high = max(top, first), min(top + len(seen), first + len(crop))
    if low < high:
        part = slice(low - first, high - first)
        np.copyto(seen[low - top : high - top, patch.columns], crop[part], where=patch.inside[part])


def _packed(rng: np.random.Generator, colours: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Pack colours ``(..., 3)`` into one number each, so that four add up to a pixel; they are rounded by chance."""
    lanes = np.zeros((*colours.shape[:-1], 4), np.uint8)
    lanes[..., :3] = np.clip(colours / 4, 0, BRIGHTEST) + rng.random(colours.shape)
    return lanes.view(np.uint32)[..., 0]


def _focus(packed: NDArray[np.uint32], above: NDArray[np.uint32], pixels: Pixels) -> None:
    """Sum two by two packed colours, all channels at once, and unpack them; the row `above` comes before."""
    rows = packed.copy()
    rows[1:] += packed[:-1]
    rows[:1] += above
    wide = np.empty_like(rows)
    np.add(rows[:, 1:], rows[:, :-1], out=wide[:, 1:])
    np.add(rows[:, 0], rows[:, 0], out=wide[:, 0])
    channels = wide.view(np.uint8).reshape(*wide.shape, 4)
    for k in range(3):
        pixels[..., k] = channels[..., k]


def _fold(rng: np.random.Generator, native: int, unit: float) -> NDArray[np.bool_]:
    """Return where the section is folded over along a line, so that the light passes through more of it."""
    angle = rng.uniform(0, np.pi)
    way, beside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    at = np.linspace(-0.8, 0.8, 24)
    bend = rng.uniform(-0.35, 0.35) + 0.02 * np.sin(rng.uniform(4, 9) * at + rng.uniform(0, 6.3))
    line = native * (0.5 + at[:, None] * way + bend[:, None] * beside)
    stencil = Image.new("L", (native, native))
    ImageDraw.Draw(stencil).line(line.ravel().tolist(), 1, max(1, round(rng.uniform(5, 9) * unit)))
    return np.asarray(stencil).view(bool)


def _amounts(rng: np.random.Generator, patch: Patch, mottle: Field, unit: float) -> NDArray[np.float64]:
    """Return the stains of a lesion, ``(n, 3)``, at the pixels inside it."""
    finding = patch.asked.finding
    still = np.zeros_like(mottle)
    if finding == "calcification":
        depth = patch.distance()[patch.inside] * (patch.radius / unit)
        rings = np.sin(depth * (2 * np.pi / rng.uniform(3.0, 4.5)) + rng.uniform(0, 6.3) + 0.7 * mottle)
        return np.stack([rng.uniform(1.0, 1.1) + 0.25 * rings + 0.1 * mottle, 0.04 + still, still], 1)
    if finding == "necrotic area":
        dust = mottle > 1.7
        return np.stack([0.14 + 0.06 * mottle + 0.8 * dust, rng.uniform(0.82, 0.95) + 0.1 * mottle, still], 1)
    if finding == "mucin pool":
        wisps = np.exp(-((mottle / 0.3) ** 2))
        return np.stack([rng.uniform(0.07, 0.1) + 0.12 * wisps, 0.02 + still, still], 1)
    clumps = np.clip(0.5 + 0.8 * mottle, 0, 1.6)
    return np.stack([0.05 + still, 0.12 + still, rng.uniform(0.5, 0.65) + 0.75 * clumps], 1)


def nuclei(desk: Desk) -> Asked:
    """Whether the tumor nuclei vary in size."""
    scene = desk.scene(desk.others(desk.few(), lambda _: True))
    answer = "yes" if scene.notes["nuclei"] == "pleomorphic" else "no"
    question = "Are the tumor nuclei pleomorphic, that is, do they vary markedly in size?"
    return Asked(scene, question, truth_about(scene, scene.named("tumor nuclei"), answer=answer))


CARCINOMA = Exam(
    modality="pathology",
    name="histology slide",
    paint=_paint,
    expose=_expose,
    parts=PARTS,
    hosts=HOSTS,
    shapes={
        "calcification": Shape((6.0, 25.0), 6, 0.07),
        "necrotic area": Shape((6.0, 24.0), 9, 0.14, stretch=0.7),
        "mucin pool": Shape((6.0, 24.0), 5, 0.12, stretch=0.75),
        "pigment deposit": Shape((5.0, 15.0), 7, 0.16),
    },
    organs=(*HOSTS, "tumor nuclei", "lymphocytes", "blood vessel", "fat vacuoles"),
    removable=(*HOSTS, "lymphocytes", "blood vessel", "fat vacuoles"),
    measured=("calcification", "necrotic area", "mucin pool"),
    etched=("calcification",),
    unit="µm",
    host="nest",
    lesion="secondary change",
    accepted={
        "upper left nest": ("the upper left nest", "top left nest", "upper left tumor nest", "left upper nest"),
        "upper right nest": ("the upper right nest", "top right nest", "upper right tumor nest", "right upper nest"),
        "lower left nest": ("the lower left nest", "bottom left nest", "lower left tumor nest", "left lower nest"),
        "lower right nest": ("the lower right nest", "bottom right nest", "lower right tumor nest", "right lower nest"),
        "calcification": ("a calcification", "microcalcification", "calcified body", "calcium deposit"),
        "necrotic area": ("a necrotic area", "necrosis", "tumor necrosis", "area of necrosis"),
        "mucin pool": ("a mucin pool", "mucin", "pool of mucin", "mucin lake", "extracellular mucin"),
        "pigment deposit": ("a pigment deposit", "pigment", "hemosiderin", "brown pigment", "hemosiderin deposit"),
    },
    reach={(0, 0): HOSTS[:1], (1, 0): HOSTS[1:2], (0, 1): HOSTS[2:3], (1, 1): HOSTS[3:]},
    forms={Kind.YES_NO: (nuclei,)},
)
