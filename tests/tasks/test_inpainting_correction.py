"""Correction of filled pixels by the learned coder: tiles, what changes, and what it gains."""

import numpy as np
import pytest
from skimage import data

from restore.imaging.bands import Pool
from restore.sparse import unrolled
from restore.tasks.inpainting import correcting, inpaint
from restore.tasks.inpainting.correcting import Estimates, corrected

CAMERA = data.camera()[100:260, 180:360].astype(np.float32) / 255


def estimates(shape, seed=0):
    """Four estimates of a grey picture that differ a little, and random unknown pixels."""
    random = np.random.default_rng(seed)
    plane = CAMERA[None, : shape[0], : shape[1]]
    noise = 0.03 * random.standard_normal((4, *plane.shape)).astype(np.float32)
    return Estimates(*(plane + noise)), random.random(shape) < 0.6


@pytest.mark.parametrize("shape", [(150, 130), (64, 72), (65, 8)])
def test_tiles_do_not_show_and_known_pixels_stay(shape, monkeypatch):
    found, unknown = estimates(shape)
    level, coder = correcting.level_of(unknown), unrolled.packaged("inpaint")
    change = unrolled.correct(*correcting.coder_inputs(found, unknown), level, coder) - found.last
    last = found.before - found.last
    expected = found.last.copy()
    padded = [np.pad(part[0] * unknown, 4, "symmetric") for part in (change, last)]
    for y, x in np.argwhere(unknown):
        sums = [(part[y : y + 9, x : x + 9].astype(float) ** 2).sum() for part in padded]
        expected[0, y, x] += min(1, 2 * np.sqrt(sums[1] / sums[0])) * change[0, y, x]
    monkeypatch.setattr(correcting, "TILE", 32)
    tiled = corrected(found, unknown, Pool(1))
    np.testing.assert_allclose(tiled, expected, atol=2e-6)
    assert np.array_equal(tiled[:, ~unknown], found.last[:, ~unknown])
    assert (tiled[:, unknown] != found.last[:, unknown]).mean() > 0.99
    assert np.array_equal(tiled, corrected(found, unknown, Pool(3)))


def test_tiles_without_unknown_pixels_are_left_alone(monkeypatch):
    found, _ = estimates((96, 96))
    unknown = np.zeros((96, 96), bool)
    unknown[40:50, 40:50] = True
    monkeypatch.setattr(correcting, "TILE", 32)
    seen = []
    correct = unrolled.correct
    monkeypatch.setattr(
        correcting.unrolled, "correct", lambda *given: seen.append(1) or correct(*given)
    )
    corrected(found, unknown, Pool(1))
    assert len(seen) == 1


def test_what_the_groups_are_sure_of_stays():
    found, unknown = estimates((64, 80))
    sure = found._replace(before=found.last.copy())
    assert np.array_equal(corrected(sure, unknown), found.last)


def test_in_colour_each_plane_is_corrected_as_a_grey_picture():
    found, unknown = estimates((64, 80))
    grey = corrected(found, unknown)
    scale = np.float32(np.sqrt(3))
    colours = [
        np.concatenate([scale * plane, scale * (plane - np.float32(0.5)), 0 * plane])
        for plane in found
    ]
    light, difference, nothing = corrected(Estimates(*colours), unknown) / scale
    np.testing.assert_allclose(light, grey[0], atol=2e-6)
    np.testing.assert_allclose(difference + 0.5, grey[0], atol=2e-6)
    assert np.abs(nothing).max() < 1 / 255


def test_pictures_smaller_than_a_patch_keep_their_estimate():
    found, unknown = estimates((7, 40))
    assert np.array_equal(corrected(found, unknown), found.last)


@pytest.mark.parametrize("missing", [0.5, 0.8])
def test_it_gains_on_the_groups_alone(missing, monkeypatch):
    mask = np.random.default_rng(1).random(CAMERA.shape) < missing
    errors = []
    for function in (corrected, lambda found, unknown, pool: found.last):
        monkeypatch.setattr("restore.tasks.inpainting.corrected", function)
        errors.append(np.mean((inpaint(CAMERA, mask) - CAMERA)[mask] ** 2))
    assert errors[0] < 0.99 * errors[1]


def test_few_unknown_pixels_are_left_to_the_groups(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "restore.tasks.inpainting.corrected", lambda found, *_: asked.append(1) or found.last
    )
    random = np.random.default_rng(2).random(CAMERA.shape)
    for share, settings in ((0.05, {}), (0.3, {"quality": "fast"}), (0.3, {"sigma": 0.02})):
        inpaint(CAMERA, random < share, **settings)
    assert not asked
    inpaint(CAMERA, random < 0.1)
    assert asked
