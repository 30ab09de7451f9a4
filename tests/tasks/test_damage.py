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


def outputs_of(detector, image):
    """The network of the module, layer by layer, in sums."""
    height, width, channels = image.shape
    values = np.empty((height // 2, width // 2, 4 * channels), np.float32)
    for y, x in np.ndindex(2, 2):
        start = (2 * y + x) * channels
        values[..., start : start + channels] = image[y::2, x::2]
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
    last = convolved(values, layers[-1][1], 1)
    outputs = np.empty((height, width, 1 + len(KINDS)))
    for y, x in np.ndindex(2, 2):
        start = (2 * y + x) * outputs.shape[2]
        outputs[y::2, x::2] = last[..., start : start + outputs.shape[2]]
    return outputs


def test_layers_equal_the_sums(monkeypatch):
    monkeypatch.setattr(damage, "_MARGIN", 16)
    image = np.random.default_rng(1).random((16, 32, 3)).astype(np.float32)
    detector = drawn()
    padded = np.pad(image - np.float32(0.5), [(16, 16), (16, 16), (0, 0)], "symmetric")
    chances = np.exp(outputs_of(detector, padded)[16:32, 16:48])
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


def seen_as(chances):
    """A detector that sees these probabilities, turned as the picture is.

    Its pictures hold the rows and columns of their pixels, over 255.
    """

    def detector(image, pool):
        rows, columns = np.rint(255 * image[..., :2]).astype(int).transpose(2, 0, 1)
        return chances[:, rows, columns]

    return detector


def places(height, width):
    """The picture that `seen_as` reads."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32) / 255
    return np.stack([rows, columns, 0 * rows], axis=2)


def test_parts_that_are_sure_reach_as_far_as_damage_is_likely():
    chances = np.zeros((len(KINDS), 19, 12), np.float32)
    chances[1, 15:17, 4:10] = 0.9
    chances[0, 2, 1:6] = (damage.SURE + damage.PERHAPS) / 2
    chances[0, 2, 3] = 0.95
    chances[2, 2, 5] = damage.SURE / 2
    chances[0, 2, 5] -= damage.SURE / 4
    chances[2, 7, 2:7] = (damage.SURE + damage.PERHAPS) / 2  # nowhere sure
    assert damage.LEAST_DAMAGED < damage.damaged_share(chances.sum(axis=0)) < damage.MOST_DAMAGED
    found = find(places(19, 12), seen_as(chances))
    assert list(found) == list(KINDS)
    assert np.argwhere(found["scratches"]).tolist() == [[2, x] for x in range(1, 6)]
    assert np.argwhere(found["dust"]).tolist() == [[2, 5]]
    assert np.array_equal(found["hairs"], chances[1] > 0)


def test_turned_pictures_are_asked_as_well():
    chances = np.zeros((len(KINDS), 20, 15), np.float32)
    chances[0, 4:10, 8] = 0.9
    asked = []

    def detector(image, pool):
        asked.append(image.copy())
        return seen_as(chances)(image, pool)

    found = find(places(20, 15), detector)
    assert np.argwhere(found["scratches"]).tolist() == [[row, 8] for row in range(4, 10)]
    turns = [np.rot90(places(20, 15), turn) for turn in range(4)]
    assert all(np.array_equal(*pair) for pair in zip(asked, turns, strict=True))


def test_only_what_is_certain_is_found_where_hardly_anything_is_damaged():
    chances = np.full((len(KINDS), 100, 100), 0.001, np.float32)
    chances[0, 10, 10:60] = 0.8
    assert damage.damaged_share(chances.sum(axis=0)) < damage.LEAST_DAMAGED
    assert not find(places(100, 100), seen_as(chances))["scratches"].any()
    chances[0, 10, 30:33] = 0.99
    assert find(places(100, 100), seen_as(chances))["scratches"].sum() == 50
    chances[0, 20:50, 10:60] = 0.9  # far more than prints have
    chances[0, 10, 30:33] = 0.8
    assert damage.damaged_share(chances.sum(axis=0)) > damage.MOST_DAMAGED
    assert not find(places(100, 100), seen_as(chances))["scratches"].any()


@pytest.mark.parametrize("damaged", [0.01, 0.05, 0.3])
def test_the_share_of_damaged_pixels_is_the_likeliest(damaged):
    weak, strong, usual = 0.01, 0.9, damage.LEARNED_SHARE
    values = np.where(np.arange(10_000) < 10_000 * damaged, strong, weak).astype(np.float32)
    shares = np.linspace(1e-6, 1, 100_001)[:-1]
    likelihood = sum(
        count * np.log(shares * p / usual + (1 - shares) * (1 - p) / (1 - usual))
        for p, count in ((strong, damaged), (weak, 1 - damaged))
    )
    likeliest = shares[likelihood.argmax()]
    assert damage.damaged_share(values[None]) == pytest.approx(likeliest, abs=1e-3)


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
