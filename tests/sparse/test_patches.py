"""Cutting patches out and putting them together: the identity, for any size and stride."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.sparse import patches as patching
from tests import reference


def scene(height, width, channels, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_positions_cover_an_axis_without_gaps(length, size, stride):
    if size > length or stride > size:
        return
    starts = patching.positions(length, size, stride)
    assert starts[0] == 0 and starts[-1] == length - size
    assert (np.diff(starts) >= 1).all() and (np.diff(starts) <= stride).all()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3])),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 9),
)
def test_extract_then_aggregate_is_the_identity(shape, sides, stride):
    image, patch_shape = scene(*shape), (*sides, shape[2])
    padded = patching.pad(image, patch_shape)
    stride = min(stride, *sides)
    rows, columns = (
        patching.positions(n, size, stride) for n, size in zip(padded.shape, sides, strict=False)
    )
    patches = patching.extract(padded, patch_shape, rows, columns)
    total, weight = np.zeros_like(padded), np.zeros(padded.shape[:2], np.float32)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(patches)).astype(np.float32)
    patching.aggregate(patches, weights, patch_shape, rows, columns, total, weight)
    assert (weight > 0).all()
    restored = (total / weight[..., None])[: shape[0], : shape[1]]
    assert np.allclose(restored, image, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_extract_and_aggregate_equal_the_literal_ones(channels):
    image, patch_shape = scene(11, 14, channels), (4, 3, channels)
    rows, columns = np.array([0, 2, 7]), np.array([0, 1, 5, 11])
    patches = patching.extract(image, patch_shape, rows, columns)
    assert np.array_equal(patches, reference.patches.extracted(image, patch_shape, rows, columns))
    weights = np.random.default_rng(1).random(len(patches)).astype(np.float32)
    total, weight = np.zeros_like(image), np.zeros(image.shape[:2], np.float32)
    patching.aggregate(patches, weights, patch_shape, rows, columns, total, weight)
    literal = reference.patches.aggregated(
        patches, weights, patch_shape, rows, columns, image.shape
    )
    assert np.allclose(total, literal[0], atol=1e-6) and np.allclose(weight, literal[1], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_centre_equals_the_literal_one_and_can_be_undone(channels):
    patches = np.random.default_rng(0).random((50, 12 * channels)).astype(np.float32)
    literal, literal_means = reference.patches.centred(patches, channels)
    centred = patches.copy()
    means = patching.centre(centred, channels)
    assert np.allclose(centred, literal, atol=1e-6) and np.allclose(means, literal_means, atol=1e-6)
    patching.uncentre(centred, means)
    assert np.allclose(centred, patches, atol=1e-6)


def test_sample_draws_each_place_once_and_all_where_there_are_few():
    image = np.arange(30 * 20, dtype=np.float32).reshape(30, 20, 1)
    every = patching.sample(image, (8, 8, 1), 10_000)
    assert len(every) == 23 * 13 == len(np.unique(every[:, 0]))
    some = patching.sample(image, (8, 8, 1), 100, seed=3)
    assert len(some) == 100 == len(np.unique(some[:, 0]))
    assert np.isin(some[:, 0], every[:, 0]).all()
    assert np.array_equal(some, patching.sample(image, (8, 8, 1), 100, seed=3))


def test_sample_leaves_out_what_touches_the_unknown():
    image = scene(20, 20, 3)
    known = np.ones((20, 20), bool)
    known[5, 7] = known[0, 19] = False
    image[~known] = np.nan
    drawn = patching.sample(image, (4, 4, 3), 10_000, known=known)
    assert len(drawn) == 17 * 17 - 16 - 1 and np.isfinite(drawn).all()


def test_an_image_smaller_than_a_patch_is_mirrored():
    image = scene(3, 5, 1)
    padded = patching.pad(image, (4, 8, 1))
    assert padded.shape == (4, 8, 1)
    assert np.array_equal(padded[:3, :5], image)
    assert np.array_equal(padded[3], padded[2]) and np.array_equal(padded[:, 5:], padded[:, 4:1:-1])
    assert patching.pad(scene(1, 1, 3), (8, 8, 3)).shape == (8, 8, 3)
