"""What bits are spent for."""

import numpy as np
import pytest

from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import compress, decompress, tuning
from tests.tasks.compressed import RNG, drawn


def half_textured():
    """Faint structure on the left, strong texture on the right."""
    y, x = np.mgrid[:128, :128]
    faint = 120 + 4 * np.sin(x / 3) * np.cos(y / 4)
    strong = 120 + RNG.normal(0, 35, (128, 128))
    return np.where(x < 64, faint, strong).clip(0, 255).astype(np.uint8)


def test_for_the_psnr_every_bit_is_worth_the_same():
    planes = [np.float32(drawn(40, 48)) for _ in range(3)]
    assert (tuning.prices(planes, "psnr") == tuning.PRICE).all()


def test_for_the_eye_bits_are_dear_where_much_goes_on():
    plane = np.float32(half_textured()) - 128
    prices = tuning.prices([plane, plane, plane], "eye")
    assert prices.shape == (3, 16, 16)
    assert prices[0, :, 8:].min() > 2 * prices[0, :, :8].max()
    mean = np.exp(np.log(prices[0]).mean())
    assert mean == pytest.approx(2 * tuning.PRICE, rel=0.01)
    np.testing.assert_allclose(prices[1:], 0.6 * prices[:1].repeat(2, 0), rtol=1e-6)


def test_for_the_eye_smooth_parts_come_first():
    picture = half_textured()
    errors = {}
    for tune in tuning.TUNES:
        found = 255 * decompress(compress(picture, size=3000, tune=tune).data).samples
        error = (found - picture) ** 2
        errors[tune] = error[:, :56].mean(), error.mean()
    assert errors["eye"][0] < 0.9 * errors["psnr"][0]
    assert errors["eye"][1] > errors["psnr"][1]


def test_what_is_tuned_for():
    picture = drawn(64, 64)
    assert compress(picture).data == compress(picture, tune="eye").data
    assert compress(picture, psnr=35).data == compress(picture, psnr=35, tune="psnr").data
    with pytest.raises(ValueError, match="tune 'ear' is none of eye, psnr"):
        compress(picture, tune="ear")
    grey = Dictionary.load("grey")
    assert compress(picture, codec=grey).data == compress(picture, codec=grey, tune="psnr").data
    with pytest.raises(ValueError, match="over a dictionary"):
        compress(picture, codec=grey, tune="eye")
