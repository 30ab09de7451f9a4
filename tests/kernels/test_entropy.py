"""The entropy coder reads what it wrote, as its literal twin does."""

import zlib

import numpy as np
import pytest

from restore.kernels import bits, entropy
from restore.tasks.compression import Codec, coding
from restore.tasks.compression.seen import coarser_of, scales_of
from tests import reference
from tests.tasks.compressed import RNG, coded


def test_the_entropy_coder_equals_the_reference():
    codec, _, number, _, levels, sizes, modes, seen, _ = coded(72, 136, 3, 9.0)
    levels[0, 3] = -(1 << 20)  # as no quantiser would make it
    start = coding.start_of(codec, seen)
    coder = coding.writer(*start, 1 << 16)
    log_step = coding.step_of(number)[1]
    count = coding.write(coder, codec, levels, sizes, modes, log_step, seen)
    payload = coder.data[:count].tobytes()
    reader = reference.entropy.PictureReader(
        payload,
        *coding.start_of(codec, seen),
        scales_of(codec, seen, 3),
        sizes.shape,
        log_step,
        True,
    )
    found_sizes, found_modes, found_levels = reader.read()
    assert reader.coarser == dict(np.ndenumerate(seen.tiles))
    for plane in range(3):
        assert np.array_equal(found_levels[plane], levels[plane, : len(found_levels[plane])])
    assert np.array_equal(found_sizes, sizes) and np.array_equal(found_modes, modes)
    assert np.array_equal(reader.chances, coder.models >> 8)
    assert np.array_equal(reader.weights, coder.weights)


def test_the_entropy_coder_reads_what_it_wrote():
    codec = Codec.load("photos")
    cells, planes = 12, 2
    sizes = np.zeros((planes, cells, cells), np.uint8)
    sizes[:, :8, :8] = 3
    sizes[1, 8:12, :4] = 2
    modes = RNG.integers(0, 4, sizes.shape).astype(np.uint8)
    for plane in range(planes):
        modes[plane, :8, :8] = modes[plane, 0, 0]
        modes[plane, 8:12, :4] = modes[plane, 8, 0] if plane else modes[plane, 8:12, :4]
    levels = np.zeros((planes, 64 * cells * cells), np.int32)
    used = [256 + 64 * 80, 256 * 2 + 64 * 64]
    for plane in range(planes):
        some = RNG.laplace(0, 2, used[plane]) * (RNG.random(used[plane]) < 0.3)
        levels[plane, : used[plane]] = some.astype(np.int32)
    levels[0, 5], levels[1, 7] = 1 << 22, -(1 << 24)
    coder = coding.writer(*codec.start(), 1 << 16)
    count = coding.write(coder, codec, levels, sizes, modes, 30)
    reader = coding.reader(*codec.start(), coder.data[:count].tobytes())
    found = np.zeros_like(levels), np.zeros_like(sizes), np.zeros_like(modes)
    picture = coding.picture_of(*found, coarser_of(None, (cells, cells)))
    scales = scales_of(codec, None, planes)
    for top in range(0, cells, 8):
        assert entropy.code_row(reader, scales, picture, 30, top)
    for made, wanted in zip(found, (levels, sizes, modes)):
        assert np.array_equal(made, wanted)
    # what is learned is the same on both sides
    assert np.array_equal(coder.models, reader.models)
    assert np.array_equal(coder.weights, reader.weights)


def test_squash_and_stretch_are_inverse_and_as_they_ever_were():
    x = np.arange(-2047, 2048)
    assert np.abs(bits.SQUASH - 65536 / (1 + np.exp(-x / 256))).max() <= 24
    assert (np.diff(bits.SQUASH) >= 0).all()
    assert zlib.crc32(bits.SQUASH.astype("<i4").tobytes()) == 3187275556
    assert zlib.crc32(bits.STRETCH.astype("<i4").tobytes()) == 3586751083


def test_probabilities_are_mixed_as_in_the_reference():
    codec = Codec.load("photos")
    chances, weights = [0.9, 0.2, 0.6], [0.5, 0.3, 0.7]
    models, start = codec.start()
    for i, chance in enumerate(chances):
        models[i] = int(chance * (1 << 22)) << 8 | 250
    start[0, :3] = np.array(weights) * 65536
    coder = coding.writer(models, start, 64)
    coder.active[:3] = 0, 1, 2
    bits.code_bit(coder, 1, 3, 0)
    # coding a one leaves its share of the interval
    share = (coder.state[1] + 1) / 2**32 if coder.state[3] == 0 else None
    assert share == pytest.approx(reference.bits.mixed_chance(chances, weights), abs=0.004)
