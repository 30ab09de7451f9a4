"""The kernels of the picture codec equal their literal twins."""

import numpy as np
import pytest

from restore.kernels import blocks, walk
from restore.tasks.compression import Codec, coding
from restore.tasks.compression.seen import bases_of
from tests import reference
from tests.tasks.compressed import RNG, coded


def blocks_of(sizes):
    """Rows and columns, in cells, of the first cell of every block, as they are walked."""
    rows, columns = sizes.shape
    for top in range(0, rows, 8):
        for left in range(0, columns, 8):
            for z in range(64):
                y, x = top + blocks.Z_ROW[z], left + blocks.Z_COLUMN[z]
                side = 1 << sizes[min(y, rows - 1), min(x, columns - 1)]
                if y < rows and x < columns and y % side == 0 and x % side == 0:
                    yield y, x


def test_quantising_and_rebuilding_equal_the_reference():
    codec, planes, number, shown, levels, sizes, modes, seen, prices = coded(72, 136, 3, 9.0)
    step_of_file, log_step_of_file = coding.step_of(number)
    assert max(sizes.ravel()) >= 2
    bases = bases_of(codec, seen, 3)
    different = 0
    for plane in range(2):
        first = 2 * coding._start_of(planes[plane])
        pixels, decoded = planes[plane] - np.float32(first), shown[plane] - np.float32(first)
        start = 0
        for cell_y, cell_x in blocks_of(sizes[plane]):
            number, mode = sizes[plane, cell_y, cell_x], modes[plane, cell_y, cell_x]
            size, kind, turned = 8 << number, mode >> 1, mode & 1
            y, x = 8 * cell_y, 8 * cell_x
            here = slice(y, y + size), slice(x, x + size)
            around, mean = reference.blocks.block_border(decoded, y, x, size)
            transform = codec.bases.transforms[number][kind]
            scales = bases[plane].scales[number][kind]
            more = 2 * int(seen.tiles[cell_y // 4, cell_x // 4])
            log_step = log_step_of_file + more
            steps = step_of_file * 2 ** (more / 8) * bases[plane].weights[number][kind]
            coefficients, guess = reference.blocks.coefficients_of(
                pixels[here] - mean, around, transform, codec.bases.predictors[number][kind], turned
            )
            price = prices[plane, cell_y : cell_y + size // 8, cell_x : cell_x + size // 8].mean()
            own = levels[plane, start : start + len(scales)]
            wanted = reference.blocks.quantised(
                coefficients, scales, codec.rates, codec.bias, log_step, steps, price
            )
            different += not np.array_equal(own, wanted)
            again = reference.blocks.rebuilt(
                own, guess, transform, scales, codec.bias, log_step, steps, turned, size
            )
            assert np.allclose(again + mean, decoded[here], atol=0.01)
            start += len(scales)
    assert different <= 2  # where two choices cost the same but for rounding


@pytest.mark.parametrize("number", range(4))
def test_costs_of_modes_equal_the_reference(number):
    codec = Codec.load("photos")
    bases, count = codec.bases, 64 if number == 0 else 256
    analyses, predictors = bases.analyses[number], bases.predictors[number]
    step, log_step, prices = np.float32(11), 28, np.float32([0.075, 0.02, 0.3])
    side = int(np.sqrt(count))
    samples = RNG.normal(0, 30, (3, side, side)).astype(np.float32)
    borders = RNG.normal(0, 30, (3, predictors.shape[2])).astype(np.float32)
    views = np.empty((2, 3, count + borders.shape[1]), np.float32)
    views[0] = np.concatenate([samples.reshape(3, -1), borders], axis=1)
    views[1] = np.concatenate([samples.transpose(0, 2, 1).reshape(3, -1), borders[:, ::-1]], axis=1)
    costs = np.ones((2 * len(analyses), 3), np.float32)
    skipped = RNG.random(costs.shape) < 0.4
    skipped[0], skipped[1] = True, False
    costs[skipped] = np.inf
    rates = codec.rates[:, 1].copy()
    blocks.mode_costs(views, analyses, bases.scales[number], rates, costs, log_step, step, prices)
    for mode in range(len(costs)):
        kind = mode >> 1
        for n in np.flatnonzero(~skipped[mode]):
            coefficients, _ = reference.blocks.coefficients_of(
                samples[n], borders[n], bases.transforms[number][kind], predictors[kind], mode & 1
            )
            wanted = reference.blocks.cheapest_cost(
                coefficients, codec.scales[number][kind], rates, log_step, step, prices[n]
            )
            assert costs[mode, n] == pytest.approx(1 + wanted, rel=1e-3)
    assert np.isinf(costs[skipped]).all()


def test_levels_are_counted_by_what_is_expected_of_them():
    codec, _, number, _, levels, sizes, modes, _, _ = coded(72, 72, 1, 9.0)
    log_step = coding.step_of(number)[1]
    counts = np.zeros((blocks.SCALES, 3, 17))
    walk.count_levels(levels[0], sizes[0], modes[0], codec.bases.scales, counts, log_step)
    wanted, start = np.zeros_like(counts), 0
    for y, x in blocks_of(sizes[0]):
        scales = codec.scales[sizes[0, y, x]][modes[0, y, x] >> 1]
        own = np.abs(levels[0, start : start + len(scales)])
        for i in range(own.nonzero()[0].max(initial=-1) + 1):
            near = min(own[max(i - 2, 0) : i].sum(), 2)
            wanted[reference.blocks.spread_bucket(scales[i], log_step), near, min(own[i], 15)] += 1
        start += len(scales)
    assert np.array_equal(counts, wanted)


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_borders_equal_the_reference(size):
    plane = RNG.normal(0, 40, (136, 200)).astype(np.float32)
    for y in range(0, 136 - size + 1, size):
        for x in range(0, 200 - size + 1, size):
            found = np.empty(min(4 * size + 1, 65), np.float32)
            mean = blocks.border(plane, found, y, x, size)
            wanted, wanted_mean = reference.blocks.block_border(plane, y, x, size)
            assert np.allclose(mean, wanted_mean, atol=1e-4)
            assert np.allclose(found, wanted, atol=1e-4)


def test_transposing_a_block_reverses_its_border():
    plane = RNG.normal(0, 40, (64, 64)).astype(np.float32)
    one, other = np.empty((2, 33), np.float32)
    blocks.border(plane, one, 24, 24, 8)
    blocks.border(np.ascontiguousarray(plane.T), other, 24, 24, 8)
    assert np.allclose(one[8:25], other[8:25][::-1], atol=1e-5)


@pytest.mark.parametrize("size", [32, 64])
def test_low_frequencies_equal_the_reference_and_come_back(size):
    cosines = Codec.load("photos").bases.cosines[2 if size == 32 else 3]
    low = RNG.normal(0, 1, 256).astype(np.float32)
    half, out = np.empty(16 * size, np.float32), np.empty(size * size, np.float32)
    again = np.empty(256, np.float32)
    blocks.raise_(low, cosines, half, out, size)
    blocks.lower(out, cosines, half, again, size)
    assert np.allclose(again, low, atol=1e-4)
    wanted = reference.blocks.low_frequencies(out.reshape(size, size))
    assert np.allclose(again.reshape(16, 16), wanted, atol=1e-4)
