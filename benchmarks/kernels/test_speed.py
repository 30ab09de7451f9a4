"""The kernels one by one, for their authors: ``make benchmark-kernels``, or with options

    pytest benchmarks/kernels --benchmark-autosave --benchmark-compare

Times are of one thread, on bands as large as those that the threads get.
"""

import numpy as np
import pytest

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.imaging.colour import to_planes
from restore.imaging.resize import taps
from restore.kernels import anchors, learning, patches, resize
from restore.sparse import coding, groups, overlap
from restore.sparse.dictionary import Dictionary
from restore.tasks import inpainting
from restore.tasks.inpainting.interpolation import interpolate

rng = np.random.default_rng(0)
PICTURE = rng.random((256, 256, 1), np.float32)


@pytest.fixture(scope="module")
def grey():
    return Dictionary.load("grey")


def centred(count, dim=64):
    return rng.standard_normal((count, dim)).astype(np.float32)


def test_extract(benchmark):
    rows = columns = np.arange(128)
    out = np.empty((128, 128, 8, 8, 1), np.float32)
    benchmark(patches.extract, PICTURE, rows, columns, out)


def test_centre(benchmark):
    given = centred(bands.BAND).reshape(-1, 64, 1)
    benchmark(patches.centre, given, np.empty((bands.BAND, 1), np.float32))


@pytest.mark.parametrize("sparsity", [2, 5, 10, 16])
def test_pursue(benchmark, grey, sparsity):
    benchmark(coding.code, centred(bands.BAND), grey, sparsity, pool=Pool(1))


def test_pursue_to_a_noise_level(benchmark, grey):
    benchmark(coding.code, centred(bands.BAND), grey, 32, 40.0, pool=Pool(1))


def test_shrink_l1(benchmark, grey):
    benchmark(coding.code_l1, centred(1024), grey, 0.5, pool=Pool(1))


def test_reconstruct(benchmark, grey):
    codes = coding.code(centred(bands.BAND), grey, 5, pool=Pool(1))
    benchmark(coding.reconstruct, codes, grey)


def test_aggregate(benchmark):
    benchmark(overlap.restore_image, PICTURE, (8, 8, 1), lambda given: given, pool=Pool(1))


def test_match_groups(benchmark):
    grouping = groups.Grouping(side=8, size=50, stride=5)
    benchmark(groups.find, PICTURE[..., 0], grouping, pool=Pool(1))


@pytest.mark.parametrize("pilot", [None, PICTURE[..., 0]], ids=["shrink", "wiener"])
def test_code_groups(benchmark, pilot):
    plane, grouping = PICTURE[..., 0], groups.Grouping(side=8, size=50, stride=5)
    places = groups.find(plane, grouping, pool=Pool(1))
    variances = np.full_like(plane, 0.01)
    benchmark(groups.code, plane, variances, places, 8, pilot=pilot, pool=Pool(1))


def test_summarise(benchmark, grey):
    given = centred(bands.BAND)
    codes = coding.code(given, grey, 5, pool=Pool(1))
    sums = np.zeros((256, 256), np.float32), np.zeros((256, 64), np.float32)
    energies = np.empty(bands.BAND, np.float32)
    benchmark(learning.summarise, given, *codes, grey.atoms, *sums, energies)


def test_interpolate(benchmark):
    known = rng.random(PICTURE.shape[:2]) > 0.5
    benchmark(interpolate, to_planes(PICTURE), known, 1)


def test_fill(benchmark):
    mask = rng.random(PICTURE.shape[:2]) > 0.5
    benchmark.pedantic(
        inpainting.inpaint, (PICTURE[..., 0], mask), {"quality": "fast", "threads": 1}, rounds=3
    )


def test_blend_rows(benchmark):
    source, (indices, weights) = PICTURE[..., 0], taps(256, 512)
    blended = np.empty((512, 256), np.float32)
    benchmark(resize.blend_rows, source, indices, weights, blended)


def test_best_columns(benchmark):
    scores = rng.random((bands.BAND, 1024), np.float32)
    benchmark(anchors.best_columns, scores, np.empty(bands.BAND, np.int32))


def test_apply_regressions(benchmark):
    features, regressions = centred(bands.BAND), rng.random((1024, 64, 16), np.float32)
    nearest = rng.integers(0, 1024, bands.BAND).astype(np.int32)
    outputs = np.empty((bands.BAND, 16), np.float32)
    benchmark(anchors.apply_regressions, features, nearest, regressions, outputs)
