"""Lanes against the numpy expressions that they stand for."""

import numpy as np
import pytest
from numba import njit

from restore.kernels.lanes import LANES, if_greater, index_of_highest, load, padded, splat, store


@njit
def _compute(one, other, number, results):
    for j in range(0, one.shape[0], LANES):
        a, b = load(one, j), load(other, j)
        store(a + b, results[0], j)
        store(number - a, results[1], j)
        store(a * number, results[2], j)
        store(a / b, results[3], j)
        store(if_greater(a, b, a, splat(number)), results[4], j)
        total = splat(number)
        total += a
        total -= b
        total *= number
        store(total, results[5], j)


def test_arithmetic_goes_lane_by_lane():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0.5, 2, (2, 3 * LANES)).astype(np.float32)
    one[::7] = np.nan
    number = np.float32(1.25)
    results = np.zeros((6, len(one)), np.float32)
    _compute(one, other, number, results)
    expected = [
        one + other, number - one, one * number, one / other,
        np.where(one > other, one, number), (number + one - other) * number,
    ]  # fmt: skip
    assert np.allclose(results, expected, rtol=1e-6, equal_nan=True)


@njit
def _highest(values):
    best, blocks = load(values, 0), splat(np.int32(0))
    for j in range(LANES, values.shape[0], LANES):
        candidates = load(values, j)
        blocks = if_greater(candidates, best, splat(np.int32(j)), blocks)
        best = if_greater(candidates, best, candidates, best)
    return index_of_highest(best, blocks)


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_the_first_of_the_highest_is_found(levels):
    rng = np.random.default_rng(levels)
    for _ in range(50):
        values = rng.integers(-levels, levels, 4 * LANES).astype(np.float32)
        assert _highest(values) == values.argmax()


def test_rows_are_padded_to_whole_lanes():
    widths = np.arange(1, 4 * LANES)
    rows = np.array([padded(width) for width in widths])
    assert (rows % LANES == 0).all() and ((rows - widths >= 0) & (rows - widths < LANES)).all()
