"""How far a restored picture may be from the truth."""

import numpy as np
import pytest

from restore import denoise, estimate_error
from restore.files.reading import read_picture
from restore.imaging.bands import Pool
from restore.imaging.uncertainty import FEATURES, REACH, features
from tests import SAMPLES


@pytest.fixture(scope="module")
def restored():
    """A picture under noise of 0.1: the arguments of `estimate_error`, and the truth."""
    clean = read_picture(SAMPLES / "chelsea-clean.png").samples[60:156, 80:176]
    noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    best, fast = (denoise(noisy, 0.1, quality) for quality in ("balanced", "fast"))
    return {"restored": best, "other": fast, "sigma": 0.1, "observed": noisy}, clean


def test_as_many_errors_are_below_it_as_it_says(restored):
    given, clean = restored
    error = estimate_error("denoise", **given)
    actual = np.abs(given["restored"] - clean)
    assert 0.58 < (actual < error).mean() < 0.78
    assert 0.88 < (actual < 2 * error).mean() < 0.99
    # it tells where: where it is large errors are
    large = error > np.median(error)
    assert actual[large].mean() > 1.15 * actual[~large].mean()


def test_it_is_the_same_for_any_number_of_threads_and_goes_with_the_unit(restored):
    given, _ = restored
    tall = {
        name: value if name == "sigma" else np.tile(value, (9, 1, 1))
        for name, value in given.items()
    }
    one, four = (estimate_error("denoise", **tall, pool=Pool(n)) for n in (1, 4))
    assert (one == four).all()
    wide = {name: 1000 * value for name, value in given.items()}
    wide["observed"][0, 0] = 4000  # a range that is not [0, 1] beyond doubt
    large = estimate_error("denoise", **wide)
    assert large.dtype == np.float32 and np.median(large) > 50 * np.median(one)


@pytest.mark.parametrize("task", ["inpaint", "demosaic"])
def test_what_was_measured_without_noise_is_right(restored, task):
    image = restored[0]["restored"]
    known = np.random.default_rng(0).random(image.shape) < 0.5
    error = estimate_error(task, image, restored[0]["other"], known=known)
    assert (error[known] == 0).all() and (error[~known] > 0).all()
    noisy = estimate_error(task, image, restored[0]["other"], known=known, sigma=0.05)
    assert (noisy > 0).all()


def test_samples_that_are_no_numbers_spread_nowhere(restored):
    given, _ = restored
    damaged = {n: v if n == "sigma" else v.copy() for n, v in given.items()}
    for name in ("restored", "other", "observed"):
        damaged[name][40:43, 50] = np.nan
    error = estimate_error("denoise", **damaged)
    assert np.isfinite(error).all() and (error[40:43, 50] == 0).all()
    far = np.ones(error.shape, bool)
    far[28:56, 38:64] = False
    assert np.allclose(error[far], estimate_error("denoise", **given)[far], rtol=1e-4)


def test_features_depend_on_what_is_near(restored):
    given, _ = restored
    image, other = given["restored"], given["other"]
    level = np.full_like(image, 0.1)
    whole = features(image, other, level, np.ones_like(image), given["observed"])
    assert whole.shape == (*image.shape, FEATURES)
    moved = other.copy()
    moved[50, 50] += 0.5
    changed = features(image, moved, level, np.ones_like(image), given["observed"]) - whole
    rows, columns = np.nonzero(np.abs(changed).max(axis=(2, 3)) > 1e-3)
    assert np.abs(np.stack([rows, columns]) - 50).max() == REACH


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"task": "compress"}, "expected one of"),
        ({"other": np.zeros((3, 3, 1))}, "other has shape"),
        ({"sigma": -1.0}, "negative"),
        ({"sigma": np.nan}, "negative or NaN"),
    ],
)
def test_wrong_arguments(restored, changes, words):
    with pytest.raises(ValueError, match=words):
        estimate_error(**{"task": "denoise", **restored[0], **changes})
