"""Holes: kernels against their twins, texture that goes on, what must not change."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.kernels import holes as kernels
from restore.tasks.inpainting import holes, inpaint
from restore.tasks.inpainting.blending import blended
from restore.tasks.inpainting.holes import fill_holes
from tests import reference

LOCALITY = np.array([0.5, 30], np.float32)
HALF = 2


def scene(channels=2, seed=0):
    """A random picture with a hole, and matches at random for the patches that touch it."""
    rng = np.random.default_rng(seed)
    image = rng.random((24, 28, channels)).astype(np.float32)
    hole = np.zeros(image.shape[:2], bool)
    hole[8:14, 9:17] = True
    source, targets = np.zeros_like(hole), []
    for y in range(HALF, 24 - HALF):
        for x in range(HALF, 28 - HALF):
            touches = hole[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1].any()
            source[y, x] = not touches
            if touches:
                targets.append((y, x))
    places = np.ascontiguousarray(np.argwhere(source))
    matches = np.int32(places[rng.integers(0, len(places), hole.shape)])
    targets = np.array(targets)
    costs = np.full(hole.shape, -1, np.float32)
    costs[tuple(targets.T)] = 1
    return image, hole, source, targets, matches, costs


def test_costs_equal_the_sums():
    image, _, _, targets, matches, costs = scene()
    kernels.measure(image, targets, matches, costs, LOCALITY, HALF)
    for y, x in targets:
        expected = reference.holes.price(image, (y, x), matches[y, x], HALF, LOCALITY)
        assert costs[y, x] == pytest.approx(expected, rel=1e-4)


def test_matches_only_improve():
    image, _, source, targets, matches, costs = scene()
    kernels.measure(image, targets, matches, costs, LOCALITY, HALF)
    for seed in range(6):
        before = costs.copy()
        kernels.improve(image, source, targets, matches, costs, LOCALITY, HALF, seed)
        assert (costs <= before).all()
    best = [
        min(
            reference.holes.price(image, place, match, HALF, LOCALITY)
            for match in np.argwhere(source)
        )
        for place in targets
    ]
    at = tuple(targets.T)
    assert source[tuple(matches[at].T)].all()
    assert np.mean(costs[at] <= np.array(best) * 1.001) > 0.3
    for (y, x), cost in zip(targets, costs[at], strict=True):
        expected = reference.holes.price(image, (y, x), matches[y, x], HALF, LOCALITY)
        assert cost == pytest.approx(expected, rel=1e-4)


def test_votes_equal_the_equation():
    image, hole, _, targets, matches, costs = scene()
    kernels.measure(image, targets, matches, costs, LOCALITY, HALF)
    pixels = np.ascontiguousarray(np.argwhere(hole))
    values = np.empty((len(pixels), image.shape[2]), np.float32)
    kernels.vote(image, pixels, matches, costs, values, HALF)
    expected = reference.holes.votes(image, pixels, matches, costs, HALF)
    assert np.allclose(values, expected, atol=1e-5)


def test_pixels_come_from_the_cheapest_patch():
    image, hole, _, targets, matches, costs = scene()
    kernels.measure(image, targets, matches, costs, LOCALITY, HALF)
    pixels = np.ascontiguousarray(np.argwhere(hole))
    origins = np.zeros((*hole.shape, 2), np.int64)
    kernels.trace(pixels, matches, costs, origins, HALF)
    assert np.array_equal(origins[hole], reference.holes.origins(pixels, matches, costs, HALF))


def test_the_rim_takes_what_fits_best():
    image, hole, source, _, matches, _ = scene()
    rim = np.ascontiguousarray(np.argwhere(hole)[:8])
    kernels.peel(image, source, ~hole, rim, matches, LOCALITY, HALF, 9)
    expected = reference.holes.peeled(image, source, ~hole, rim, LOCALITY, HALF, 9)
    assert np.array_equal(matches[tuple(rim.T)], expected)


def stripes(height=160, width=200, channels=1):
    """A slanted texture with the period of 8 pixels across."""
    y, x = np.mgrid[:height, :width]
    plane = 0.5 + 0.4 * np.sin(2 * np.pi * (x + y / 2) / 8)
    return np.repeat(plane[..., None], channels, axis=2).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rows", [slice(40, 120), slice(100, 160)])
def test_texture_goes_on_through_large_holes(channels, rows):
    image = stripes(channels=channels)
    mask = np.zeros(image.shape[:2], bool)
    mask[rows, 60:130] = True
    damaged = image.copy()
    damaged[mask] = np.nan
    filled = inpaint(damaged, mask)
    assert np.array_equal(filled[~mask], image[~mask])
    assert np.mean((filled - image)[mask] ** 2) < 0.1 * image[mask].var()


def test_plain_sky_has_no_seams():
    y, x = np.mgrid[:240, :320] / 320
    sky = np.stack([0.4 + 0.3 * y + 0.1 * x, 0.5 + 0.25 * y, 0.8 - 0.1 * y * x], axis=2)
    sky += np.random.default_rng(0).normal(0, 0.003, sky.shape)
    mask = np.hypot(y - 0.35, x - 0.5) < 0.18 + 0.05 * np.sin(5 * np.arctan2(y - 0.35, x - 0.5))
    filled = inpaint(sky, mask)
    inner = mask[:, 1:] & mask[:, :-1]
    jumps, usual = (np.abs(np.diff(picture, axis=1)).max(axis=2) for picture in (filled, sky))
    assert np.quantile(jumps[inner], 0.999) < 1.5 * np.quantile(usual, 0.999)
    assert np.abs(filled - sky)[mask].max() < 0.05


def test_blending_keeps_edges_and_single_copies():
    image = np.random.default_rng(5).random((30, 40, 3)).astype(np.float32)
    image[:, 20:] = 1 - 0.01 * image[:, 20:]
    image[:, :20] *= 0.01
    hole = np.zeros((30, 40), bool)
    hole[10:20, 14:26] = True
    own = np.indices(hole.shape).transpose(1, 2, 0)
    moved = np.where(hole[..., None], own - (10, 0), own)  # the edge goes on
    assert np.abs(blended(image, hole, moved) - image[moved[..., 0], moved[..., 1]]).max() < 0.01
    edge = blended(image, hole, moved)
    assert (edge[:, 20:] - edge[:, :20]).min() > 0.9


def test_seeds_and_threads():
    image = np.random.default_rng(1).random((70, 80, 1)).astype(np.float32)
    hole = np.zeros((70, 80), bool)
    hole[20:50, 30:55] = True
    one = fill_holes(image, hole, pool=Pool(1))
    assert np.array_equal(one, fill_holes(image, hole, pool=Pool(3)))
    assert not np.array_equal(one, fill_holes(image, hole, seed=1))
    assert one[hole].std() > 0.8 * image[hole].std()


def test_pictures_without_a_whole_patch_come_back():
    image = np.random.default_rng(2).random((9, 9, 1)).astype(np.float32)
    hole = np.zeros((9, 9), bool)
    hole[2:8, 2:8] = True
    assert fill_holes(image, hole) is image


@pytest.mark.parametrize("shape", [(12, 300), (40, 41), (300, 20)])
def test_holes_that_leave_little(shape):
    image = np.random.default_rng(3).random(shape).astype(np.float32)
    mask = np.ones(shape, bool)
    mask[:, :10] = False
    filled = inpaint(image, mask)
    assert np.array_equal(filled[~mask], image[~mask])
    assert np.isfinite(filled).all()


def test_levels_end_where_the_hole_is_as_wide_as_a_patch():
    hole = np.zeros((400, 500), bool)
    hole[100:200, 100:220] = True
    levels = holes._pyramid(np.zeros((400, 500, 3), np.float32), hole, 50)
    assert [within.shape for _, within in levels] == [(400, 500), (200, 250), (100, 125)]
