"""Strips of large pictures: they do not show, and there is one for all but large pictures."""

import numpy as np
import pytest
from skimage import data

from restore.imaging import bands
from restore.sparse import white


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("restore", [white.by_groups, white.by_few_passes])
def test_strips_do_not_show(restore, channels, monkeypatch):
    clean = np.tile(data.astronaut()[:, 100:220, :channels], (2, 1, 1))[:600] / np.float32(255)
    random = np.random.default_rng(0)
    noisy = clean + 0.1 * random.standard_normal(clean.shape).astype(np.float32)
    sigmas = np.full(channels, 0.1)
    whole = restore(noisy, sigmas)
    monkeypatch.setattr(bands, "WHOLE", noisy.size - 1)
    monkeypatch.setattr(bands, "STRIP", 2 * white.ALIGNED * noisy[0].size)
    assert [rows.stop - rows.start for rows in white.strips(noisy.shape)] == [224, 224, 152]
    assert np.abs(restore(noisy, sigmas) - whole).max() < 0.1 / 255


def test_strips_take_their_part_of_a_guide(monkeypatch):
    clean = np.tile(data.camera()[:, 100:220, None], (2, 1, 1))[:600] / np.float32(255)
    noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    sigmas = np.full(1, 0.1)
    whole = white.by_groups(noisy, sigmas, guide=clean)
    assert np.abs(whole - white.by_groups(noisy, sigmas)).max() > 1 / 255
    monkeypatch.setattr(bands, "WHOLE", noisy.size - 1)
    monkeypatch.setattr(bands, "STRIP", 2 * white.ALIGNED * noisy[0].size)
    assert np.abs(whole - white.by_groups(noisy, sigmas, guide=clean)).max() < 0.1 / 255


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((4000, 6000, 3), 1),
        ((10_000, 10_000, 1), 9),
        ((500, 900_000, 1), 5),
        ((1, 9 * 10**7, 1), 1),
    ],
)
def test_strips_cover_every_row_once(shape, count):
    cut = white.strips(shape)
    assert len(cut) == count
    assert np.array_equal(np.concatenate([np.r_[rows] for rows in cut]), np.arange(shape[0]))
    assert all(rows.start % white.ALIGNED == 0 for rows in cut)
