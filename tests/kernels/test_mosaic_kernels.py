"""Kernels for mosaics against their literal twins."""

import numpy as np
import pytest

from restore.kernels import mosaic as kernels
from restore.kernels import regression
from restore.kernels.completion import Mosaic, complete
from restore.sparse.groups import window_means
from tests import reference

SHAPE = (44, 46)
TINY, SMALL = 1e-10, 1e-5


@pytest.fixture(scope="module")
def scene():
    """A mosaic, two estimates of what is missing, the differences along rows and columns."""
    random = np.random.default_rng(3)
    smooth = np.cumsum(np.cumsum(random.standard_normal((3, *SHAPE)), axis=1), axis=2)
    colour = np.float32(0.5 + 0.2 * smooth / np.abs(smooth).max())
    colour += np.float32(0.05) * random.standard_normal(SHAPE, np.float32)
    mosaic = np.empty(SHAPE, np.float32)
    for row in (0, 1):
        for column in (0, 1):
            mosaic[row::2, column::2] = colour[row + column, row::2, column::2]
    return (
        mosaic,
        colour,
        colour + np.float32(0.02) * random.standard_normal(colour.shape, np.float32),
    )


def close(found, expected, margin, tolerance=2e-5):
    inside = (..., slice(margin, -margin), slice(margin, -margin))
    assert np.isfinite(expected[inside]).all()
    np.testing.assert_allclose(found[inside], expected[inside], rtol=2e-3, atol=tolerance)


def test_tentative_rows(scene):
    mosaic = scene[0]
    found = np.zeros(SHAPE, np.float32)
    kernels.tentative_rows(mosaic, found)
    close(found, np.array([reference.mosaic.tentative(row) for row in np.float64(mosaic)]), 2)


def test_residual_rows(scene):
    mosaic = scene[0]
    found = np.zeros(SHAPE, np.float32)
    kernels.residual_rows(mosaic, found)
    expected = np.array([reference.mosaic.residual_interpolated(row) for row in np.float64(mosaic)])
    close(found, expected, 14, 1e-4)


def test_green_difference_and_bilinear_chroma(scene):
    mosaic, colour, other = scene
    found = np.zeros(SHAPE, np.float32)
    kernels.green_difference(mosaic, colour[0], other[2], found)
    close(found, reference.mosaic.green_differences(np.float64(mosaic), colour[0], other[2]), 7)
    planes = np.zeros((3, *SHAPE), np.float32)
    kernels.chroma_bilinear(mosaic, found, planes)
    close(planes, reference.mosaic.colours_from_differences(np.float64(mosaic), found), 8)


def test_chroma_residual(scene):
    mosaic, colour, _ = scene
    found = np.zeros((3, *SHAPE), np.float32)
    kernels.chroma_residual(mosaic, colour[1], found)
    expected = reference.mosaic.guided_chroma(np.float64(mosaic), np.float64(colour[1]))
    close(found[::2], expected[::2], 14, 1e-4)


def test_missing_colours_and_back(scene):
    mosaic, colour, _ = scene
    missing = np.zeros((2, *SHAPE), np.float32)
    regression.missing_colours(colour, missing)
    assert np.array_equal(missing, reference.regression.missing_of(colour).astype(np.float32))
    again = np.zeros_like(colour)
    regression.full_colour(mosaic, missing, again)
    assert np.array_equal(again, colour)


@pytest.fixture(scope="module")
def estimates(scene):
    mosaic, *colours = scene
    missing = np.zeros((2, 2, *SHAPE), np.float32)
    for planes, colour in zip(missing, colours):
        regression.missing_colours(colour, planes)
    return mosaic, *missing


def test_direction_features(scene):
    mosaic, colour, other = scene
    found = np.zeros((3, *SHAPE), np.float32)
    regression.direction_features(mosaic, colour[0], other[2], found)
    sign = np.where(np.add.outer(*map(np.arange, SHAPE)) % 2, -1, 1)
    rows, columns = sign * (colour[0] - mosaic), sign * (other[2] - mosaic)
    i, j = 20, 23
    across = sum(abs(rows[y, x + 1] - rows[y, x - 1]) for y in range(18, 23) for x in range(21, 26))
    upright = sum(
        abs(columns[y + 1, x] - columns[y - 1, x]) for y in range(18, 23) for x in range(21, 26)
    )
    expected = [
        abs(colour[0, i, j] - other[2, i, j]),
        (across + SMALL) / (upright + SMALL),
        min(across, upright),
    ]
    np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-4)


@pytest.mark.parametrize(("i", "j"), [(20, 22), (21, 22), (21, 23), (22, 21)])
def test_local_and_region_features(estimates, i, j):
    mosaic, missing, other = estimates
    local = np.zeros((13, *SHAPE), np.float32)
    regression.local_features(mosaic, missing, other, local)
    green = np.where(np.add.outer(*map(np.arange, SHAPE)) % 2, mosaic, missing[0])
    near = [(y, x) for y in range(i - 2, i + 3) for x in range(j - 2, j + 3)]
    across = [green[y, x + 1] - green[y, x - 1] for y, x in near]
    upright = [green[y + 1, x] - green[y - 1, x] for y, x in near]
    a, b, c = np.dot(across, across), np.dot(upright, upright), np.dot(across, upright)
    apart = np.abs(missing - other)
    distance = reference.regression.cell_sum(np.sum(apart**2, axis=0), i, j, 2)
    explained = reference.regression.second_differences_explained(mosaic, missing, i, j, 2)
    expected = [
        (a + SMALL) / (b + SMALL),
        c / (a + b + SMALL),
        a + b,
        *apart[:, i - 1 : i + 2, j - 1 : j + 2].sum(axis=(1, 2)),
        distance,
        distance / (a + b + SMALL),
        *(both * abs(both) / (own * guide + TINY) for own, guide, both in explained),
        *((own + SMALL) / (guide + SMALL) for own, guide, _ in explained),
        *((own + guide - 2 * both) / (guide + SMALL) for own, guide, both in explained),
    ]
    np.testing.assert_allclose(local[:, i, j], expected, rtol=2e-3, atol=1e-6)

    region = np.zeros((9, *SHAPE), np.float32)
    regression.region_features(mosaic, missing, other, region)
    explained = reference.regression.second_differences_explained(mosaic, missing, i, j, 8)
    steps = np.zeros(SHAPE)
    for y in range(2, SHAPE[0] - 2):
        for x in range(2, SHAPE[1] - 2):
            # green is measured beside red, above blue
            steps[y, x] = (mosaic[y, x + 1] - mosaic[y, x - 1]) ** 2 + (
                mosaic[y + 1, x] - mosaic[y - 1, x]
            ) ** 2
            if (y + x) % 2:
                steps[y, x] = 0
    levels = np.zeros((3, *SHAPE))
    levels[0, ::2, ::2] = (mosaic - missing[0])[::2, ::2]
    levels[1, ::2, ::2] = missing[0, ::2, ::2]
    levels[2, 1::2, 1::2] = (mosaic - missing[0])[1::2, 1::2]
    row = 2 * (i % 2)
    expected = [
        reference.regression.cell_sum(np.sum(apart**2, axis=0), i, j, 8),
        reference.regression.cell_sum(steps, i, j, 8),
        *(both * abs(both) / (own * guide + TINY) for own, guide, both in explained),
        *((own + guide - 2 * both) / (guide + SMALL) for own, guide, both in explained),
        *(reference.regression.cell_sum(levels[k], i, j, 2) for k in (row, 2 - row, 1)),
    ]
    np.testing.assert_allclose(region[:, i, j], expected, rtol=2e-3, atol=1e-5)


def test_regression_by_the_leaf_of_the_tree(estimates):
    mosaic, missing, other = estimates
    random = np.random.default_rng(0)
    radii = np.array([3, 2, 1, 4, 1])
    planes = np.concatenate([mosaic[None], missing, other])
    means = np.zeros((3, *SHAPE), np.float32)
    colour = np.zeros_like(means)
    regression.local_means(mosaic, missing, colour, means)
    binomial = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    features = random.random((2, *SHAPE), np.float32)
    nodes = np.float32([(0, 0.5, 2), (1, 0.25, 4), (-1, 0, 0), (-1, 0, 1), (-1, 0, 2), (-1, 0, 3)])
    for outputs in (2, 3):
        weights = random.standard_normal((4, outputs, 49 + 25 + 9 + 81 + 9 + 3), np.float32)
        found = planes[:3, 4:-4, 4:-4].copy()
        regression.regress(planes, means, features, nodes, weights, radii, 4, found)
        for i, j in ((10, 10), (10, 11), (11, 10), (11, 11), (30, 27)):
            leaf = (2 if features[1, i, j] < 0.25 else 3) if (i + j) % 2 else None
            leaf = (0 if features[0, i, j] < 0.5 else 1) if leaf is None else leaf
            row = 2 * (i % 2)
            inputs = [
                *(
                    plane[i - r : i + r + 1, j - r : j + r + 1].ravel()
                    for plane, r in zip(planes, radii)
                ),
                [
                    (binomial * colour[k, i - 2 : i + 3, j - 2 : j + 3]).sum()
                    for k in (row, 1, 2 - row)
                ],
            ]
            expected = planes[:3, i, j].astype(float)
            expected[3 - outputs :] += weights[leaf] @ np.concatenate(inputs)
            np.testing.assert_allclose(found[:, i - 4, j - 4], expected, rtol=1e-4, atol=1e-4)


def test_samples_are_gathered_and_chosen():
    random = np.random.default_rng(1)
    planes, means = random.random((2, 9, 11), np.float32), random.random((3, 9, 11), np.float32)
    features = random.random((2, 9, 11), np.float32)
    leaf = (-1, 0)
    nodes = np.float32(
        [(0, 0.5, 2), (1, 0.25, 4), (*leaf, 3), (1, 0.5, 6), (*leaf, 1), (*leaf, 2), (*leaf, 0),
         (*leaf, 4)]
    )  # fmt: skip
    rows, columns, radii = np.array([4, 3, 5, 4]), np.array([4, 7, 3, 6]), np.array([3, 1])
    inputs = np.full((4, 49 + 9 + 3), np.nan, np.float32)
    regression.gather_many(planes, means, radii, rows, columns, inputs)
    trees = regression.flattened(nodes)
    for s, (i, j) in enumerate(zip(rows, columns)):
        windows = [
            plane[i - r : i + r + 1, j - r : j + r + 1].ravel() for plane, r in zip(planes, radii)
        ]
        assert np.array_equal(inputs[s], np.concatenate([*windows, means[:, i, j]]))
        node = (i + j) % 2
        while nodes[node, 0] >= 0:
            feature, threshold, child = nodes[node]
            node = int(child) + (features[int(feature), i, j] >= threshold)
        chosen, of_row = np.zeros(1, np.int64), np.zeros(11, np.uint32)
        one = np.ascontiguousarray(features[:, i, j][None])
        regression.choose_many(one, nodes, (i + j) & 1, chosen)
        regression.choose(features, trees, i, of_row)
        assert chosen[0] == of_row[j] == nodes[node, 2]


def test_one_compiled_signature_per_kernel():
    from restore.tasks.demosaicing import demosaic

    demosaic(np.zeros((20, 20), np.uint8))
    for name, kernel in (vars(kernels) | vars(regression)).items():
        if hasattr(kernel, "signatures") and name[0] != "_" and name not in ("gather", "choose"):
            assert len(kernel.signatures) <= 1, name


@pytest.mark.parametrize(
    "colours", [[[0, 1], [1, 2]], [[1, 2], [0, 1]], [[0, 1, 2], [1, 1, 0], [2, 0, 1]]]
)
@pytest.mark.parametrize("error", [1e-5, 4e-4])
def test_completed_groups(scene, colours, error):
    mosaic, estimate, shown = scene
    random = np.random.default_rng(4)
    variances = random.uniform(1e-4, 1e-3, (3, *SHAPE)).astype(np.float32)
    # every patch, each among others that it has nothing in common with
    corners = random.permutation(
        np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)[:-3, :-3].ravel().astype(np.int32)
    )
    places = corners[: len(corners) // 12 * 12].reshape(-1, 12)[:150]
    colours = np.array(colours)
    means = np.stack([window_means(plane, 4) for plane in variances])
    total, weight = np.zeros((3, *SHAPE), np.float32), np.zeros(SHAPE, np.float32)
    measured = Mosaic(mosaic, np.float32(error), colours, estimate, means, np.float32(0.03))
    complete(shown, measured, places, 0, total, weight)
    expected = reference.completion.completed_groups(
        shown, estimate, variances, mosaic, error, colours, places, 4, 0.03
    )
    covered = weight > 0
    assert covered.mean() > 0.9
    np.testing.assert_allclose(total[:, covered] / weight[covered], expected[:, covered], atol=2e-4)
