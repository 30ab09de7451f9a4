"""Learned sparse coding from coarse to fine."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.sparse import unrolled
from restore.sparse.scales import SCALES, restore_planes
from restore.sparse.unrolled import Coder, packaged
from tests import reference


def some_coder(channels, n_atoms=12, n_steps=2, side=8):
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.standard_normal(shape) / np.sqrt(shape[-1])

    return Coder(
        analysis=draw(2, 2 * channels, side * side, n_atoms) / 8,
        steps=draw(n_steps, n_atoms, n_atoms),
        gains=draw(n_steps, n_atoms),
        thresholds=draw(n_steps + 1, 2, n_atoms) / 8,
        synthesis=draw(n_atoms, side, side, channels) / 8,
        window=random.uniform(0.1, 1, (side, side)),
        provenance={"drawn": "at random"},
    )


@pytest.mark.parametrize("channels, shape", [(1, (37, 46)), (3, (40, 33))])
def test_the_equations(channels, shape):
    coder = some_coder(channels)
    noisy = np.random.default_rng(1).random((channels, *shape), np.float32)
    weights = [getattr(coder, name).astype(float) for name in unrolled.ARRAYS]
    expected = reference.unrolled.coarse_to_fine(noisy.astype(float), 0.1, SCALES, *weights)
    result = restore_planes(noisy, 0.1, coder)
    assert np.ptp(result) > 0.05
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (5, 70)])
def test_any_size(shape):
    noisy = np.random.default_rng(1).random((1, *shape), np.float32)
    result = restore_planes(noisy, 0.1, packaged("fast-grey"))
    assert result.shape == noisy.shape and np.isfinite(result).all()


def test_any_number_of_threads_gives_the_same_bits():
    noisy = np.random.default_rng(1).random((3, 130, 75), np.float32)
    coder = packaged("fast-colour")
    one, four = (restore_planes(noisy, 0.1, coder, Pool(threads)) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)
