"""Volumes: what a view shows at a place is what the volume has there, however it was stored and walked through."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medgym.core.image import PLANES
from medgym.core.mask import Mask
from medgym.core.view import View
from medgym.core.volume import AXES, VOLUMES, Plane, Slab, Solid, Stack, Volume, cut_from, stacked, united
from medgym.tasks.greys import fitting
from medgym.tasks.readers import open_image
from medgym.tools.perception import zoom_in
from medgym.tools.radiology import flip, rotate
from medgym.tools.walking import slice_
from tests.tasks.test_readers import affine_of, nifti

SHAPE = (12, 40, 50)


def slope(z: Any, y: Any, x: Any) -> Any:
    """A value at every place, in voxels: linear, so that it is known between them too, and within a byte."""
    return 4 * z + 2 * y + 2 * x


def sloping(spacing: tuple[float, float, float] = (1, 1, 1), key: str = "sloping") -> Volume:
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]] + 0.5
    voxels = slope(z, y, x).astype(np.float32)
    first = Plane("axial", 6)
    return Volume(
        (key, spacing), SHAPE, spacing, lambda: voxels, first, lambda: cut_from(voxels, first), fitting, unit="HU"
    )


@pytest.mark.parametrize("axis", AXES)
def test_planes_put_together_are_the_volume(axis: Any) -> None:
    voxels = np.random.default_rng(0).integers(0, 99, SHAPE)
    planes = np.stack([cut_from(voxels, Plane(axis, k)) for k in range(SHAPE[AXES.index(axis)])])
    assert np.array_equal(stacked(planes, axis), voxels)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations(["LR", "PA", "SI"]), st.tuples(*[st.booleans()] * 3),
    st.tuples(*[st.sampled_from([0.3, 0.7, 1.0, 5.0])] * 3), st.sampled_from([np.int16, np.float32, np.uint8]),
)  # fmt: skip
def test_a_voxel_is_where_its_volume_says_in_any_orientation(
    tmp_path: Path, order: list[str], mirrored: tuple[bool, ...], zooms: tuple[float, ...], dtype: Any
) -> None:
    axes = "".join(pair[flipped] for pair, flipped in zip(order, mirrored, strict=True))
    lps = np.random.default_rng(0).permutation(5 * 4 * 3).reshape(5, 4, 3).astype(dtype)
    stored = lps.transpose([["LR", "PA", "SI"].index(pair) for pair in order])
    stored = stored[tuple(slice(None, None, -1 if flipped else 1) for flipped in mirrored)]
    place = open_image(nifti(tmp_path / "any.nii", stored, affine_of(axes, zooms))).place
    assert place is not None
    volume = place.volume
    along = dict(zip(order, zooms, strict=True))
    assert volume.shape == (3, 4, 5)
    assert volume.spacing == pytest.approx((along["SI"], along["PA"], along["LR"]))
    for axis in AXES:
        for position in range(volume.count(axis)):
            source = volume.cut(Plane(axis, position))
            values = source.values
            assert values is not None
            assert values.shape[::-1] == source.size == source.pixels.shape[::-1]
            for row, column in np.ndindex(values.shape):
                z, y, x = map(int, volume.voxel(Plane(axis, position), column + 0.5, row + 0.5))
                assert values[row, column] == lps[x, y, z]
    spaced = volume.cut(Plane("coronal", 0)).spacing
    assert spaced == pytest.approx((along["LR"], along["SI"]))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("slice"), st.sampled_from(AXES), st.floats(0, 1)),
        st.tuples(st.just("zoom"), st.tuples(*[st.floats(0, 1)] * 4)),
        st.tuples(st.just("rotate"), st.sampled_from([90, -90, 180, 30, -77.5])),
        st.tuples(st.just("flip"), st.sampled_from(["horizontal", "vertical"])),
    ),
    max_size=5,
)


@settings(max_examples=120, deadline=None)
@given(STEPS, st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.8, 0.8), (0.5, 1.5, 1.0)]), st.sampled_from([64, 200]))
def test_any_walk_shows_at_each_pixel_what_the_volume_has_there(
    steps: list[Any], spacing: tuple[float, float, float], view_size: int
) -> None:
    view = View.whole(sloping(spacing).source, view_size, in_mm=True)
    for name, *settings_ in steps:
        view = taken(view, name, *settings_)
    place = view.source.place
    assert place is not None
    assert isinstance(place.cut, Plane)
    assert max(view.size) <= view_size
    (across, down), inverse = view.source.size, view.to_original.inverse()
    for u, v in np.random.default_rng(1).uniform(0, 1, (20, 2)) * view.size:
        column, row = int(u), int(v)
        x, y = view.to_original.point(column + 0.5, row + 0.5)
        assert inverse.point(x, y) == pytest.approx((column + 0.5, row + 0.5), abs=1e-6)
        # Within two voxels of an edge, or of what a turned view cut off, greys are made up.
        if 2.5 < x < across - 2.5 and 2.5 < y < down - 2.5:
            assert view.pixels[row, column, 0] == pytest.approx(slope(*place.volume.voxel(place.cut, x, y)), abs=4)


def taken(view: View, name: str, *given: Any) -> View:
    """Take one step; where it is refused as nothing new, stay."""
    from medgym.core.errors import ToolError

    place = view.source.place
    assert place is not None
    try:
        if name == "slice":
            axis, share = given
            position = min(int(share * place.volume.count(axis)), place.volume.count(axis) - 1)
            return slice_.function(view, axis, position).view  # type: ignore[no-any-return]
        if name == "zoom":
            (a, b, c, d), (width, height) = given[0], view.size
            x1, x2, y1, y2 = *sorted((a * width, c * width)), *sorted((b * height, d * height))
            return zoom_in.function(view, [x1, y1, max(x2, x1 + 8), max(y2, y1 + 8)]).view  # type: ignore[no-any-return]
        return {"rotate": rotate, "flip": flip}[name].function(view, *given).view  # type: ignore[no-any-return]
    except ToolError:
        return view


def test_thick_slices_are_shown_in_true_proportions_and_so_are_zooms_into_them() -> None:
    view = View.whole(sloping((3.0, 0.75, 0.75)).cut(Plane("coronal", 20)), 512, in_mm=True)
    assert view.size == (50, 48)  # 37.5 x 36 mm, of 50 x 12 voxels
    assert view.region == (0, 0, 50, 12)
    zoomed = zoom_in.function(view, [0, 0, 25, 24]).view
    assert zoomed.region == (0, 0, 25, 6)
    assert zoomed.size[0] / zoomed.size[1] == pytest.approx(18.75 / 18, rel=0.02)
    turned = rotate.function(zoomed, 90.0).view
    assert zoom_in.function(turned, [0, 0, turned.size[0] / 2, turned.size[1] / 2]).view.size[1] > 100


def test_all_planes_share_the_greys_of_the_first() -> None:
    voxels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5) * 100 - 500
    first = Plane("axial", 2)
    volume = Volume("greys", (4, 6, 5), (1, 1, 1), lambda: voxels, first, lambda: voxels[2], fitting)
    low, high = np.percentile(voxels[2], (0.5, 99.5))
    for cut in (Plane("axial", 0), Plane("axial", 2), Plane("coronal", 3), Plane("sagittal", 1)):
        wanted = np.rint(np.clip((volume.values(cut) - low) * 255 / (high - low), 0, 255))
        assert np.array_equal(volume.cut(cut).pixels, wanted), cut


@pytest.mark.parametrize("slope_of", [1.0, -2.0])
def test_a_projection_has_the_largest_values(slope_of: float) -> None:
    voxels = np.random.default_rng(0).integers(-99, 99, SHAPE).astype(np.int16)
    first = Plane("axial", 0)
    settings_ = {"slope": slope_of, "intercept": 7.0}
    volume = Volume(
        ("projected", slope_of), SHAPE, (1, 1, 1), lambda: voxels, first, lambda: voxels[0], fitting, **settings_
    )
    real = voxels * slope_of + 7
    assert np.array_equal(volume.values(Slab("axial", 2, 5)), real[2:6].max(0))
    assert np.array_equal(volume.values(Slab("coronal", 0, 39)), real.max(1)[::-1])
    assert np.array_equal(volume.values(Slab("sagittal", 10, 11)), real[:, :, 10:12].max(2)[::-1])
    assert volume.cut(Slab("sagittal", 10, 11)).size == (40, 12)


def test_the_first_look_reads_one_plane_and_the_next_all_of_them_once() -> None:
    read: list[str] = []
    voxels = np.zeros(SHAPE, np.int16)

    def note(what: str, found: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: read.append(what) or found  # type: ignore[func-returns-value]

    first = Plane("axial", 3)
    volume = Volume("lazy", SHAPE, (1, 1, 1), note("all", voxels), first, note("one", voxels[3]), fitting)
    source = volume.source
    assert (source.size, read) == ((50, 40), [])
    assert source.values is not None
    _ = source.pixels
    assert read == ["one"]
    for axis in AXES:
        _ = volume.cut(Plane(axis, 1)).pixels
    assert read == ["one", "all"]
    assert VOLUMES.find("lazy").dtype == np.int16  # type: ignore[union-attr]


def test_caches_of_volumes_are_bounded_below_a_gigabyte() -> None:
    from medgym.core.image import RENDERED

    assert VOLUMES.most_bytes <= 768 << 20
    assert PLANES.most_bytes + RENDERED.most_bytes <= 512 << 20


def test_a_plane_of_a_file_can_be_pickled(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    place = open_image(nifti(tmp_path / "scan.nii", voxels, affine_of("LPS", (1, 1, 1)))).place
    assert place is not None
    source = place.volume.cut(Plane("sagittal", 2))
    again = pickle.loads(pickle.dumps(source))
    assert again.key == source.key
    assert again.place.cut == Plane("sagittal", 2)
    assert np.array_equal(again.pixels, source.pixels)


# Structures in voxels


def ball(shape: tuple[int, int, int] = SHAPE, value: int = 3) -> Solid:
    z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    inside = ((z - 5) / 3) ** 2 + ((y - 18) / 8) ** 2 + ((x - 30) / 10) ** 2 < 1
    labels = np.where(inside, value, x < 4).astype(np.uint8)
    return Solid(("ball", shape, value), shape, lambda: labels, (value,))


@pytest.mark.parametrize("axis", AXES)
def test_a_structure_is_put_together_of_its_planes(axis: Any) -> None:
    solid = ball()
    marked = [(Plane(axis, k), solid.on(Plane(axis, k))) for k in range(SHAPE[AXES.index(axis)])]
    whole = Stack.of(marked)
    assert whole.area == solid.area == solid.voxels().sum()
    assert (whole.iou(solid), whole.dice(solid)) == (1, 1)
    assert np.array_equal(solid.areas[axis], [mask.area for _, mask in marked])
    half = Stack.of([(plane, mask) for plane, mask in marked if plane.position % 2])
    assert half.iou(solid) == pytest.approx(half.area / solid.area)
    assert Stack().iou(solid) == 0


def test_masks_on_one_plane_are_united_and_what_is_beside_counts() -> None:
    solid = ball()
    bits = solid.on(Plane("axial", 5)).bits()
    left, right = bits.copy(), bits.copy()
    left[:, 30:] = False
    right[:, :30] = False
    parts = [(Plane("axial", 5), Mask.of(left)), (Plane("axial", 5), Mask.of(right))]
    assert Stack.of(parts) == Stack.of([(Plane("axial", 5), Mask.of(bits))])
    beside = Stack.of([*parts, (Plane("axial", 11), Mask.of(bits))])
    assert beside.iou(solid) == pytest.approx(bits.sum() / (solid.area + bits.sum()))
    with pytest.raises(ValueError):
        Stack.of([parts[0], (Plane("coronal", 1), Mask.empty((50, 12)))])


def test_nothing_agrees_with_nothing_alone() -> None:
    nothing = Solid("nothing", SHAPE, lambda: np.zeros(SHAPE, np.uint8))
    assert Stack().iou(nothing) == 1
    assert Stack.of([(Plane("axial", 1), ball().on(Plane("axial", 5)))]).iou(nothing) == 0
    assert Stack.of([(Plane("axial", 1), Mask.empty((50, 40)))]).iou(nothing) == 1


def test_a_structure_is_kept_as_runs_and_read_back() -> None:
    solid = ball()
    code = solid.to_json()
    assert set(code["slices"]) == {str(k) for k in np.flatnonzero(solid.areas["axial"])}
    again = Solid.from_json(code)
    assert np.array_equal(again.voxels(), solid.voxels())
    assert again.on(Plane("coronal", 18)) == solid.on(Plane("coronal", 18))


def test_structures_are_united_and_their_labels_listed() -> None:
    solid, whole = ball(), Solid(ball().key, SHAPE, ball().load)
    assert whole.labels() == [1, 3]
    other = Solid(solid.key, SHAPE, solid.load, (1,))
    both = united([solid, other])
    assert both.area == solid.area + other.area == whole.area
    assert united([solid]) is solid
