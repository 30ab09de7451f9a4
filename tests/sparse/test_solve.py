"""Steps of the prior and of the data in turns: what fits, and what is gained."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from restore.imaging.bands import Pool
from restore.sparse.dictionary import overcomplete_dct
from restore.sparse.operators import Blur, Decimation, Fourier, Identity, Mask, Mosaic
from restore.sparse.solve import coded_in_turns, data_step, fitted, solve


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
    "blur": (Blur(np.outer([1, 3, 1], [1, 3, 1]).astype(np.float32) / 25, (36, 48)), 1),
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
            coded_in_turns(
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
    found = coded_in_turns(image, lambda image: image, overcomplete_dct(16, (2, 2, 1)), [1e-4], 3)
    assert np.allclose(found, image, atol=0.1)


def smooth(image, sigma):
    """A prior of the simplest kind."""
    from scipy import ndimage

    return ndimage.gaussian_filter(image, 15 * sigma, axes=(0, 1))


@pytest.mark.parametrize("name", OPERATORS)
def test_the_data_step_solves_its_normal_equations(name):
    operator, channels = OPERATORS[name]
    truth, estimate = scene(channels=channels), scene(channels=channels, seed=5)
    measured = operator.forward(truth)
    found = data_step(estimate, operator, measured, 0.1, 60)

    def slope(image):
        return operator.adjoint(operator.forward(image) - measured) + 0.1 * (image - estimate)

    assert np.linalg.norm(slope(found)) < 5e-3 * np.linalg.norm(slope(estimate))


@pytest.mark.parametrize("weight", [1e-6, 1e-2])
def test_the_data_step_leaves_what_is_not_measured(weight):
    truth, estimate = scene(), scene(seed=5)
    mask = Mask(KNOWN)
    found = data_step(estimate, mask, mask.forward(truth), weight)
    assert np.allclose(found[~KNOWN], estimate[~KNOWN], atol=1e-6)
    assert np.allclose(found[KNOWN], truth[KNOWN], atol=1.1 * weight)


def test_a_vector_operator_is_the_same_as_its_picture_operator():
    truth, mask = scene()[..., 0], Mask(KNOWN)
    vectors = LinearOperator(
        (truth.size, truth.size),
        matvec=lambda x: np.where(KNOWN.ravel(), x, 0),
        rmatvec=lambda x: np.where(KNOWN.ravel(), x, 0),
        dtype=np.float32,
    )
    measured = mask.forward(truth[..., None])
    one = solve(measured, mask, smooth, 0.01)
    other = solve(measured.ravel(), vectors, smooth, 0.01, shape=truth.shape)
    assert other.shape == truth.shape and np.allclose(one[..., 0], other, atol=1e-6)


def test_turns_are_told_and_end_where_the_residual_is_noise():
    truth = scene()
    noise = 0.05 * np.random.default_rng(3).standard_normal(truth.shape).astype(np.float32)
    told = []

    def weak(image, sigma):
        return smooth(image, sigma / 3)

    found = solve(truth + noise, Identity(), weak, 0.05, turns=30, each_turn=told.append)
    levels, residuals = zip(*told)
    assert all(one > next for one, next in zip(levels, levels[1:]))
    assert residuals[-1] == pytest.approx(np.sqrt(np.mean((truth + noise - found) ** 2)), rel=1e-4)
    assert len(told) < 30 and residuals[-1] < 0.85 * 0.05 <= min(residuals[:-1])


def test_without_noise_the_measurements_are_met():
    truth, operator = scene(), Mask(KNOWN)
    found = solve(operator.forward(truth), operator, smooth, levels=(0.1, 0.01))
    assert np.abs(found - truth)[KNOWN].max() < 2 / 255


def test_the_unit_of_the_measurements_does_not_matter():
    truth, blur = scene(), OPERATORS["blur"][0]

    class Scaled:
        def __init__(self, gain):
            self.forward = lambda image: np.float32(gain) * blur.forward(image)
            self.adjoint = lambda values: np.float32(gain) * blur.adjoint(values)

    found = [
        solve(Scaled(gain).forward(truth), Scaled(gain), smooth, levels=(0.1, 0.01))
        for gain in (1, 1000)
    ]
    assert np.allclose(*found, atol=5e-3)
    assert np.abs(found[0] - truth).mean() < 0.03


def test_complex_pictures_have_both_parts_restored():
    truth = (scene()[..., 0] + 0.5j * scene(seed=2)[..., 0]).astype(np.complex64)
    rows, columns = (np.abs(np.fft.fftfreq(n)) for n in truth.shape)
    mask = (rows[:, None] < 0.3) & (columns < 0.35)
    found = solve(Fourier(mask).forward(truth), Fourier(mask), smooth, 0.005)
    assert found.dtype == np.complex64 and found.shape == truth.shape
    assert np.abs(found - truth).mean() < 0.03


@pytest.mark.parametrize("prior", ["groups", "learn", "grey"])
def test_priors_fill_what_is_not_measured(prior):
    truth, operator = scene(), Mask(KNOWN)
    found = [
        solve(operator.forward(truth), operator, prior, turns=4, pool=Pool(threads))
        for threads in (1, 3)
    ]
    assert np.array_equal(*found)
    error, before = np.abs(found[0] - truth), np.abs(truth.mean() - truth)
    assert error[~KNOWN].mean() < 0.7 * before[~KNOWN].mean()
    assert error[KNOWN].mean() < 0.01


@pytest.mark.parametrize(
    "arguments, settings, words",
    [
        ((np.ones((4, 4), int), Identity()), {}, "floats"),
        ((np.full((4, 4), np.nan), Identity()), {}, "NaN"),
        ((np.ones((4, 4)), object()), {}, "forward and adjoint"),
        ((np.ones((4, 4)), Identity()), {"sigma": -1}, "sigma -1"),
        ((np.ones((4, 4)), Identity()), {"turns": 0}, "turns 0"),
        ((np.ones((4, 4)), Identity()), {"prior": 3}, "prior"),
        ((np.ones((4, 4, 2)), Identity()), {}, "1 or 3"),
        ((np.ones(16), LinearOperator((16, 16), np.copy, np.copy)), {}, "give the shape"),
        ((np.ones(16), LinearOperator((16, 16), np.copy, np.copy)), {"shape": (4, 5)}, "16 meas"),
    ],
)
def test_what_cannot_be_solved_is_said(arguments, settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        solve(*arguments, **settings)


@pytest.mark.parametrize("levels, single", [((1, 0.1), 2), ((1, 0.15, 0.1), 3), ((1, 0.9, 0.1), 1)])
def test_groups_are_looked_at_below_a_level(monkeypatch, levels, single):
    looked = []
    for name in ("by_scales", "by_groups"):
        monkeypatch.setattr(
            f"restore.sparse.priors.white.{name}",
            lambda image, *_, name=name, **__: looked.append(name) or image,
        )
    solve(np.ones((8, 8), np.float32), Identity(), levels=levels, turns=4)
    assert looked == single * ["by_scales"] + (4 - single) * ["by_groups"]
