"""Steps of the prior and of the data in turns: what fits, and what is gained."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.sparse.dictionary import overcomplete_dct
from restore.sparse.operators import Blur, Decimation, Identity, Mask, Mosaic
from restore.sparse.solve import fitted, solve


def scene(height=36, width=48, channels=1, seed=0):
    """Sums of a few low waves."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width][..., None] / 3
    waves = [
        np.cos(rng.uniform(0, 3, channels) * rows + rng.uniform(0, 3, channels) * columns)
        for _ in range(4)
    ]
    return (0.5 + 0.1 * np.sum(waves, axis=0)).astype(np.float32)


KNOWN = np.random.default_rng(1).random((36, 48)) < 0.6

OPERATORS = {
    "identity": (Identity(), 1),
    "mask": (Mask(KNOWN), 3),
    "mosaic": (Mosaic("RGGB"), 3),
    "blur": (Blur(np.outer([1, 3, 1], [1, 3, 1]).astype(np.float32) / 25), 1),
    "decimation": (Decimation((36, 48), (12, 16)), 3),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_fitted_picture_fits_and_is_the_nearest(name):
    operator, channels = OPERATORS[name]
    truth, start = scene(channels=channels), scene(channels=channels, seed=5)
    measured = operator.forward(truth)
    found = fitted(start, operator, measured, iterations=30)
    assert found.dtype == np.float32
    assert np.allclose(operator.forward(found), measured, atol=2e-4)
    # the change is orthogonal to all that the measurements do not see
    unseen = scene(channels=channels, seed=7)
    unseen = unseen - fitted(np.zeros_like(unseen), operator, operator.forward(unseen), 30)
    change = found - start
    bound = 2e-3 * np.linalg.norm(change) * np.linalg.norm(unseen) + 1e-6
    assert abs(np.vdot(change, unseen)) <= bound


def test_what_fits_already_stays():
    image = scene()
    assert np.array_equal(fitted(image, Identity(), image), image)


def test_turns_recover_what_is_sparse():
    truth = scene(36, 48)
    operator = Mask(KNOWN)
    measured = operator.forward(truth)
    start = np.where(KNOWN[..., None], truth, truth[KNOWN].mean())
    told, found = [], []
    for threads in (1, 4):
        found.append(
            solve(
                start,
                lambda image: fitted(image, operator, measured),
                overcomplete_dct(144, (8, 8, 1)),
                np.geomspace(0.1, 0.01, 12),
                1,
                pool=Pool(threads, lambda *step: told.append(step)),
            )  # fmt: skip
        )
    assert np.array_equal(*found)
    assert told[-1][1] == told[-1][2]
    before, after = (np.abs(image - truth)[~KNOWN].mean() for image in (start, found[0]))
    assert after < 0.25 * before


def test_the_stride_is_at_most_the_patch():
    image = scene(20, 20)
    found = solve(image, lambda image: image, overcomplete_dct(16, (2, 2, 1)), [1e-4], 3)
    assert np.allclose(found, image, atol=0.1)
