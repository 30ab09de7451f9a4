"""How a small picture became small: the filter that undoes it, and finding it out."""

import io

import numpy as np
import pytest
from scipy import ndimage

from restore.files.reading import read_picture
from restore.imaging.network import Network
from restore.imaging.resize import resize
from restore.tasks.super_resolution import super_resolve
from restore.tasks.super_resolution.correction import UNSHARP, apply_correction, correction
from restore.tasks.super_resolution.degradation import shrink
from restore.tasks.super_resolution.history import (
    KIND,
    OUTPUTS,
    find_correction,
    measured,
    words_of,
)
from tests import SAMPLES

PHOTO = read_picture(SAMPLES / "camera-clean.png").samples
PHOTO = PHOTO[: len(PHOTO) // 6 * 6, : PHOTO.shape[1] // 6 * 6]


def small(degradation, scale=2):
    name, _, amount = degradation.partition(":")
    if name == "nearest":
        return np.ascontiguousarray(PHOTO[scale // 2 :: scale, scale // 2 :: scale])
    if name == "sharpened":
        area = shrink(PHOTO, scale, "area")
        return area + float(amount) * (area - ndimage.gaussian_filter(area, (UNSHARP, UNSHARP, 0)))
    return shrink(PHOTO, scale, degradation)


def error(one, other):
    return float(np.mean((one - other)[4:-4, 4:-4] ** 2))


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(
    ("degradation", "part"),
    [("area", 0.7), ("gaussian:1.2", 0.6), ("sharpened:0.5", 0.3), ("sharpened:1", 0.2),
     ("nearest", 0.8)],
)  # fmt: skip
def test_a_filter_brings_a_picture_to_what_the_model_believes(degradation, part, scale):
    wished, given = small("bicubic", scale), small(degradation, scale)
    kernel = correction(degradation, "bicubic", scale)
    assert np.isclose(kernel.sum(), 1) and np.allclose(kernel, kernel.T)
    assert np.allclose(kernel, kernel[::-1])
    assert error(apply_correction(given, kernel), wished) < part * error(given, wished)


def test_nothing_is_done_where_both_are_the_same():
    assert correction("area", "area", 3) is None


@pytest.mark.parametrize("degradation", ["lanczos", "nearest:2", "sharpened", "sharpened:9"])
def test_no_such_degradation(degradation):
    with pytest.raises(ValueError, match="the degradation is"):
        correction(degradation, "bicubic", 2)


def test_sharpening_is_found_and_undone():
    given = np.rint(255 * np.clip(small("sharpened:1"), 0, 1)) / np.float32(255)
    assert words_of(find_correction(given)) == "sharper than bicubic"
    losses = [
        error(super_resolve(given, 2, quality="fast", degradation=degradation), PHOTO)
        for degradation in ("auto", "bicubic", "sharpened:1")
    ]
    assert losses[0] < 0.8 * losses[1] and losses[2] < 0.8 * losses[1]
    assert losses[0] < error(resize(given, *PHOTO.shape[:2]), PHOTO)


def test_flat_and_small_pictures_tell_nothing():
    assert measured(np.full((64, 64), 0.5, np.float32)) is None
    assert find_correction(np.random.default_rng(0).random((12, 20))) is None
    assert words_of(None) == "bicubic"


def test_a_network_of_another_size_is_refused():
    rng = np.random.default_rng(0)
    layers = [rng.random(shape).astype(np.float32) for shape in ((4, 3), (4, 3), (4, 2))]
    file = io.BytesIO()
    Network(np.zeros(3), np.ones(3), *layers, {}).save(file, KIND)
    file.seek(0)
    with pytest.raises(ValueError, match="3 features and 2 outputs"):
        Network.load(file, KIND, (None, OUTPUTS))
