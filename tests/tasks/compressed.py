"""Pictures to compress, and what the tests of compression measure."""

import numpy as np
import pytest

from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.tasks.compression import Codec, coding, decompress, tuning
from restore.tasks.compression.planes import to_planes
from restore.tasks.compression.seen import Seen, tiles_of

RNG = np.random.default_rng(0)


def drawn(height, width, channels=1, seed=0):
    """A picture of a ramp, a disc and some texture, unsigned bytes."""
    y, x = np.mgrid[:height, :width] / 32
    texture = 20 * np.sin(9 * x + 4 * y) * (x > y)
    disc = 90.0 * (np.hypot(y - 1, x - 1.3) < 0.8)
    planes = [60 + 25 * x + disc + texture * (1 + 0.2 * c) + 9 * c * y for c in range(channels)]
    noise = np.random.default_rng(seed).normal(0, 1.5, (height, width, channels))
    picture = (np.stack(planes, -1) + noise).clip(0, 255).astype(np.uint8)
    return picture[..., 0] if channels == 1 else picture


def levels_of(found, depth=8):
    return np.rint(found.samples * (2**depth - 1)).astype(int)


def psnr_of(picture, found, depth=8):
    error = np.mean((levels_of(found, depth) - picture.astype(float)) ** 2)
    return 10 * np.log10((2**depth - 1) ** 2 / error) if error else np.inf


def coded(height, width, channels, step):
    """(codec, planes, number, decoded, levels, sizes, modes, seen, prices) of a picture."""
    codec = Codec.load("photos")
    picture = as_image(drawn(height, width, channels))
    picture[:64, :64] = np.linspace(0.3, 0.6, 64)[:, None, None]  # for large blocks
    planes = to_planes(picture, (30, -20, 9))
    number = coding.number_of(step)
    _, prices = tuning.for_the_eye(picture)
    tiles = RNG.integers(-3, 4, tiles_of(-(-height // 8), -(-width // 8))).astype(np.int8)
    seen = Seen(5, 7, -3, tiles)
    shown, levels, sizes, modes = coding.quantise(
        codec, planes, number, prices, pool=Pool(1), seen=seen
    )
    return codec, planes, number, shown, levels, sizes, modes, seen, prices


def check_every_error_is_told(whole):
    """That each truncation and each flipped bit of a file is refused in one line."""
    for length in range(len(whole)):
        with pytest.raises(ValueError):
            decompress(whole[:length])
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError) as error:
            decompress(bytes(flipped))
        assert "\n" not in str(error.value)
