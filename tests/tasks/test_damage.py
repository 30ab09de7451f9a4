"""The detector of damage: its layers against sums, squares against the whole, its files."""

import io

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.tasks.inpainting import damage
from restore.tasks.inpainting.damage import CHANNELS, KINDS, Detector, find, shapes


def drawn(seed=0):
    """A detector whose weights are random."""
    rng = np.random.default_rng(seed)
    return Detector.of(
        [
            rng.normal(
                0, np.sqrt(1.5 / (side * side * inputs)), (side * side * inputs + 1, outputs)
            )
            for side, inputs, outputs in shapes()
        ],
        {"drawn": True},
    )


def convolved(values, weights, side, step=1):
    """The sums of the literature: pixels around each pixel, 0 beyond the rim, times weights."""
    reach = side // 2 if step == 1 else 0
    padded = np.pad(values.astype(float), [(reach, reach), (reach, reach), (0, 0)])
    height, width, inputs = values.shape
    result = np.zeros((height // step, width // step, weights.shape[1]))
    kernel = weights[:-1].reshape(side, side, inputs, -1)
    for y in range(height // step):
        for x in range(width // step):
            window = padded[y * step : y * step + side, x * step : x * step + side]
            result[y, x] = np.tensordot(window, kernel, 3) + weights[-1]
    return result


def outputs_of(detector, values):
    """The network of the module, layer by layer, in sums."""
    start, layers = 0, []
    for side, inputs, outputs in shapes():
        size = (side * side * inputs + 1) * outputs
        layers.append((side, detector.weights[start : start + size].reshape(-1, outputs)))
        start += size
    sizes, kept = len(CHANNELS), []
    down, halve = layers[: 2 * sizes], layers[2 * sizes : 3 * sizes - 1]
    double, up = layers[3 * sizes - 1 : 4 * sizes - 2], layers[4 * sizes - 2 : -1]
    for level in range(sizes):
        for side, weights in down[2 * level : 2 * level + 2]:
            values = np.maximum(convolved(values, weights, side), 0)
        if level < sizes - 1:
            kept.append(values)
            values = convolved(values, halve[level][1], 2, step=2)
    for level in reversed(range(sizes - 1)):
        values = convolved(values, double[level][1], 1)
        values = values.repeat(2, axis=0).repeat(2, axis=1) + kept[level]
        for side, weights in up[2 * level : 2 * level + 2]:
            values = np.maximum(convolved(values, weights, side), 0)
    return convolved(values, layers[-1][1], 1)


def test_layers_equal_the_sums(monkeypatch):
    monkeypatch.setattr(damage, "_MARGIN", 8)
    image = np.random.default_rng(1).random((16, 24, 3)).astype(np.float32)
    detector = drawn()
    padded = np.pad(image - np.float32(0.5), [(8, 8), (8, 8), (0, 0)], "symmetric")
    chances = np.exp(outputs_of(detector, padded)[8:24, 8:32])
    chances /= chances.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(detector(image), np.moveaxis(chances, 2, 0)[1:], atol=1e-4)


def test_squares_and_threads_do_not_show(monkeypatch):
    image = np.random.default_rng(2).random((90, 150, 3)).astype(np.float32)
    detector = drawn()
    whole = detector(image)
    monkeypatch.setattr(damage, "_TILE", 64)
    one = detector(image, Pool(1))
    np.testing.assert_allclose(one, whole, atol=1e-3)
    assert np.array_equal(one, detector(image, Pool(3)))


def test_grey_is_colour_alike():
    image = np.random.default_rng(3).random((20, 30, 1)).astype(np.float32)
    assert np.array_equal(drawn()(image), drawn()(image.repeat(3, axis=2)))


def test_parts_that_are_sure_reach_as_far_as_damage_is_likely():
    chances = np.zeros((len(KINDS), 9, 9), np.float32)
    chances[0, 2, 1:6] = (damage.SURE + damage.PERHAPS) / 2
    chances[0, 2, 3] = 0.95
    chances[2, 2, 5] = damage.SURE / 2
    chances[0, 2, 5] -= damage.SURE / 4
    chances[2, 7, 2:7] = (damage.SURE + damage.PERHAPS) / 2  # nowhere sure
    found = find(np.zeros((9, 9, 1), np.float32), lambda image, pool: chances)
    assert list(found) == list(KINDS)
    assert np.argwhere(found["scratches"]).tolist() == [[2, x] for x in range(1, 6)]
    assert np.argwhere(found["dust"]).tolist() == [[2, 5]]
    assert not found["hairs"].any()


def test_weights_come_back_from_files():
    file = io.BytesIO()
    detector = drawn()
    detector.save(file)
    file.seek(0)
    again = Detector.load(file)
    assert np.array_equal(again.weights, detector.weights)
    assert again.provenance == {"drawn": True}


def test_weights_of_other_layers_are_refused():
    with pytest.raises(ValueError, match="expected .* weights"):
        Detector(np.zeros(7, np.float32), {})
    file = io.BytesIO()
    damage.archive.write(file, damage.KIND, {"weights": np.full(3, 2e3, np.float32)}, {})
    file.seek(0)
    with pytest.raises(ValueError, match="usable detector of damage"):
        Detector.load(file)
