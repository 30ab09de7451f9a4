"""Groups of similar patches: found, coded, put back."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.kernels import groups as kernels
from restore.kernels import similar
from restore.sparse import groups
from tests import reference

RNG = np.random.default_rng


def texture(shape=(40, 44), seed=0):
    """A plane whose patches repeat, with some noise."""
    y, x = np.indices(shape)
    plane = 0.5 + 0.2 * np.sin(y / 2) * np.cos(x / 3)
    return (plane + 0.05 * RNG(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("side, reach, size", [(3, 4, 5), (6, 7, 12), (8, 20, 40)])
def test_matches_are_the_nearest_patches(side, reach, size):
    plane = texture()
    rows, columns = np.array([0, 10, 40 - side]), np.array([0, 7, 44 - side])
    places = np.empty((9, size), np.int32)
    similar.match(plane, rows, columns, side, reach, places)
    corners = [(row, column) for row in rows for column in columns]
    for found, corner in zip(places, corners, strict=True):
        wanted = reference.similar.nearest_patches(plane, corner, side, reach, size)
        assert set(zip(*np.divmod(found, 44), strict=True)) == set(wanted)


def test_of_equally_near_patches_its_own_and_the_first_are_taken():
    places = np.empty((1, 5), np.int32)
    similar.match(np.zeros((9, 9), np.float32), np.array([2]), np.array([3]), 3, 2, places)
    np.testing.assert_array_equal(places[0], [2 * 9 + 3, 1, 2, 3, 4])


@pytest.mark.parametrize("use_pilot", [False, True])
def test_coding_follows_the_equations(use_pilot):
    plane, variances = texture(), np.full((40, 44), 0.05**2, np.float32)
    variances[:, 20:] *= 2
    pilot = texture(seed=1) if use_pilot else None
    grouping = groups.Grouping(side=4, size=20, reach=9, stride=3)
    places = groups.find(plane, grouping, pool=Pool(1))
    coded = groups.code(plane, variances, places, 4, pilot=pilot, threshold=2.0, pool=Pool(1))
    wanted = reference.groups.coded_groups(plane, pilot, variances, np.concatenate(places), 4, 2.0)
    np.testing.assert_allclose(coded, wanted, atol=2e-5)


def test_a_group_that_is_all_the_same_comes_back():
    plane = np.full((30, 30), 0.3, np.float32)
    places = groups.find(plane, groups.Grouping())
    for variance in (0.0, 0.01):
        coded = groups.code(plane, np.full_like(plane, variance), places, 6)
        np.testing.assert_allclose(coded, plane, atol=1e-5)


def test_no_noise_changes_nothing():
    plane = texture()
    places = groups.find(plane, groups.Grouping())
    for pilot in (None, plane):
        coded = groups.code(plane, np.zeros_like(plane), places, 6, pilot=pilot)
        np.testing.assert_allclose(coded, plane, atol=1e-3)


@pytest.mark.parametrize("shape", [(6, 6), (6, 50), (7, 9)])
def test_small_planes_make_small_groups(shape):
    plane = texture(shape)
    places = groups.find(plane, groups.Grouping())
    assert np.isfinite(groups.code(plane, np.full_like(plane, 0.01), places, 6)).all()


def test_any_number_of_threads_gives_the_same_bits():
    plane = texture((70, 60))
    level = np.full_like(plane, 0.05**2)
    results = []
    for threads in (1, 3):
        places = groups.find(plane, groups.Grouping(), pool=Pool(threads))
        results.append(groups.code(plane, level, places, 6, pool=Pool(threads)))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("direction", [1, -1])
def test_window_sums_follow_the_equation(direction):
    plane = RNG(0).random((9, 12)).astype(np.float32)
    sums = np.empty((5, 12), np.float32)
    kernels.window_sums(plane, 3, direction, 4, sums)
    wanted = reference.groups.window_sums(plane, 3, direction)[4:]
    np.testing.assert_allclose(sums, wanted, rtol=1e-6)


def test_window_means():
    plane = RNG(0).random((9, 12)).astype(np.float32)
    means = groups.window_means(plane, 3)
    for row, column in [(0, 0), (6, 9), (3, 4)]:
        window = plane[row : row + 3, column : column + 3]
        assert means[row, column] == pytest.approx(window.mean(), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, 1e30])
def test_samples_without_a_distance_are_never_matched_nor_written_beyond(share, value):
    plane = texture((24, 26))
    plane[RNG(2).random(plane.shape) < share] = value
    rows, columns = np.array([0, 5, 20]), np.array([0, 9, 22])
    room = np.full((9 + 9, 30), -7, np.int32)
    with np.errstate(all="ignore"):
        similar.match(plane, rows, columns, 4, 6, room[:9])
        corners = [(y, x) for y in rows for x in columns]
        wanted = [reference.similar.nearest_patches(plane, at, 4, 6, 30) for at in corners]
    assert (room[9:] == -7).all()
    for found, corners in zip(room[:9], wanted, strict=True):
        assert sorted(zip(*np.divmod(found, 26), strict=True)) == sorted(corners)
