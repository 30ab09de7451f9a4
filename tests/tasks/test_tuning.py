"""What bits are spent for."""

import numpy as np
import pytest

from restore.imaging.arrays import as_image
from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import compress, decompress, tuning
from restore.tasks.compression.search import PRICE
from restore.tasks.compression.seen import coarser_of
from tests.tasks.compressed import drawn


def half_textured():
    """Faint structure on the left, strong texture on the right."""
    y, x = np.mgrid[:128, :128]
    faint = 120 + 4 * np.sin(x / 3) * np.cos(y / 4)
    strong = 120 + np.random.default_rng(0).normal(0, 35, (128, 128))
    return np.where(x < 64, faint, strong).clip(0, 255).astype(np.uint8)


def test_for_the_psnr_every_bit_is_worth_the_same():
    planes = [np.float32(drawn(40, 48)) for _ in range(3)]
    prices = tuning.prices(planes)
    assert prices.shape == (3, 5, 6) and (prices == PRICE).all()


def test_errors_are_seen_less_where_much_goes_on_and_more_in_the_dark():
    picture = as_image(half_textured())
    weights = tuning.visibility(picture)
    assert weights.shape == (16, 16)
    assert weights[:, :5].min() > 1.5 * weights[:, 11:].max()
    assert (tuning.visibility(picture[:125, :123] / 2)[:, :5] > weights[:, :5]).all()
    colour = tuning.visibility(np.repeat(picture, 3, axis=2))
    np.testing.assert_allclose(colour, weights, rtol=1e-5)


def test_steps_and_prices_follow_what_is_seen():
    picture = as_image(half_textured())
    seen, prices = tuning.for_the_eye(picture)
    assert prices.shape == (1, 16, 16) and seen.tiles.shape == (4, 4)
    assert seen.tiles[:, 0].max() < seen.tiles[:, 3].min()
    # a bit costs as much error everywhere, as the eye weighs it
    steps = 4.0 ** (coarser_of(seen, (16, 16)) / 8)
    worth = prices[0] * steps * tuning.visibility(picture) ** 0.5
    np.testing.assert_allclose(worth, worth[0, 0], rtol=1e-5)


def test_texture_of_the_luma_hides_errors_of_colours_less():
    picture = as_image(np.repeat(half_textured()[..., None], 3, axis=2))
    _, (luma, *colours) = tuning.for_the_eye(picture)
    for prices in colours:
        dearer = prices / luma
        assert dearer[:, 11:].max() < dearer[:, :5].min()


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
