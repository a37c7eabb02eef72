"""What the classical segmenter does to bitmaps is what ndimage and Pillow do to them, sooner."""

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from medgym.core.mask import Bits
from medgym.tools.segmenters.bitmaps import enlarged, opened, without_holes
from medgym.tools.segmenters.described import Regions


def blobs(seed: int, shape: tuple[int, int] = (40, 57), share: float = 0.45) -> Bits:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.2)
    return np.asarray(values > np.quantile(values, 1 - share))


@pytest.mark.parametrize("seed", range(8))
def test_holes_are_filled_and_thin_parts_taken_off(seed: int):
    bits = blobs(seed)
    assert (without_holes(bits) == ndimage.binary_fill_holes(bits)).all()
    for times in (1, 2):
        assert (opened(bits, times) == ndimage.binary_opening(bits, iterations=times)).all()


@pytest.mark.parametrize("at", [(0, 0), (12, 20), (30, 47)])
def test_a_bitmap_is_enlarged_as_if_all_of_it_were(at: tuple[int, int]):
    found = np.zeros((40, 57), bool)
    found[at[0] : at[0] + 10, at[1] : at[1] + 10] = blobs(3, (10, 10), 0.7)
    soft = Pillow.fromarray(ndimage.gaussian_filter(found.astype(np.float32), 0.7))
    wanted = np.asarray(soft.resize((171, 133), Pillow.Resampling.BILINEAR)) > 0.5
    assert wanted.any()
    assert (enlarged(found, (171, 133)) == wanted).all()
    assert not enlarged(np.zeros((4, 5), bool), (50, 40)).any()


def test_regions_of_two_bitmaps_are_those_of_each():
    one = blobs(1)
    two = ndimage.binary_erosion(~one)
    regions = Regions.of(one, two)
    values = np.random.default_rng(0).random(one.shape)
    sums = np.concatenate(([0.0], np.cumsum(values)))
    found = regions.summed(sums[regions.ends] - sums[regions.starts])
    expected = []
    for number, bits in enumerate((one, two), 1):
        labels, count = ndimage.label(bits)
        sizes = ndimage.sum_labels(bits, labels, range(1, count + 1))
        totals = ndimage.sum_labels(values, labels, range(1, count + 1))
        expected += [(number, size, round(total, 6)) for size, total in zip(sizes, totals, strict=True)]
    rows = zip(regions.bitmap, regions.areas, found, strict=True)
    assert sorted((int(n), int(a), round(float(t), 6)) for n, a, t in list(rows)[1:]) == sorted(expected)
