"""Lossless coding of pixels: first whether a pixel repeats another one, then its samples.

Screenshots, drawings and text consist of few colours in shapes that recur. So for each pixel
several candidates are tested in turn: the pixels that followed the last time the surrounding 12 and
6 pixels were the same, then the neighbours. The probability that a candidate is right is mixed from
models of the candidate with surroundings of several sizes (as in prediction by partial matching;
J. Cleary, I. Witten, IEEE Trans. Communications 32(4), 1984) and of the neighbours equal to it. If
no candidate is right, the samples are coded: by `restore.kernels.predicting`, or as an index into a
palette, bit by bit, with the same surroundings as contexts.
"""

from typing import NamedTuple

import numpy as np

from restore.kernels.bits import bucket
from restore.kernels.jit import kernel
from restore.kernels.mixing import Mixer, code_mixed
from restore.kernels.predicting import NODES, PAD, PER_PLANE, Planes, code_sample, skip_sample
from restore.kernels.predicting import SETS as PLANE_SETS
from restore.typing import Integers

#: Maximum number of planes, and their models, sets of weights and refinement tables.
PLANES = 4
MODELS = PLANES * PER_PLANE * NODES
SETS = PLANES * PLANE_SETS
KINDS = PLANES * NODES
#: Number of sizes of surroundings, and maximum number of candidates.
ORDERS, CANDIDATES = 5, 6
#: Further contexts of a candidate: which neighbours are equal to it, and how it was found.
_EQUAL, _FOUND = 1 << 12, CANDIDATES * 9 * 9 * 16
#: Index of the first model of surroundings; these are hashed.
HASHED = MODELS + _EQUAL + _FOUND
#: Total number of sets of weights, and of refinement tables.
ALL_SETS = SETS + CANDIDATES * 81 + CANDIDATES * 64 + 256 + 1
ALL_KINDS = KINDS + CANDIDATES * 16 + 256


class Pixels(NamedTuple):
    """The pixels of a picture and the history of their surroundings."""

    #: (PAD + height, width + 2 PAD) int64: all samples of a pixel in one number
    packed: np.ndarray
    #: the same shape, int64: 32-bit hash of that number
    marks: np.ndarray
    #: (2, 2^n) int32, initially 0: where the surroundings of 12 and 6 pixels last occurred, by hash
    places: np.ndarray
    #: (2, 2^n) uint8, initially 0: how often in succession the pixel that followed was right
    trust: np.ndarray
    #: (ORDERS,) int64: hashes of the current surroundings
    orders: np.ndarray
    #: (2, CANDIDATES) int64: candidates, and how each was found
    candidates: np.ndarray
    #: 1 if repeats are coded, else 0; number of colours of the palette, or 0
    settings: np.ndarray  # (2,) int64


@kernel
def scattered(number: int, value: int) -> int:
    """A 32-bit hash of two numbers."""
    mixed = ((number ^ value) * 0x2C1B3C6D + value) & 0xFFFFFFFF
    return mixed ^ mixed >> 15


@kernel
def pack(planes: Planes, pixels: Pixels, y: int, x: int) -> None:
    """Store the samples of a pixel as one number, and the hash of it."""
    packed = np.int64(0)
    for plane in range(planes.samples.shape[0]):
        packed |= np.int64(planes.samples[plane, y, x]) << (16 * plane)
    pixels.packed[y, x] = packed
    pixels.marks[y, x] = scattered(packed & 0xFFFFFFFF, packed >> 32 & 0xFFFFFFFF)


@kernel
def surround(pixels: Pixels, y: int, x: int) -> None:
    """Set the hashes of the surroundings of 2, 4, 6, 9 and 12 pixels."""
    marks, orders = pixels.marks, pixels.orders
    here, above, over = marks[y], marks[y - 1], marks[y - 2]
    number = scattered(scattered(1, here[x - 1]), above[x])
    orders[0] = number
    number = scattered(scattered(number, above[x - 1]), above[x + 1])
    orders[1] = number
    number = scattered(scattered(number, here[x - 2]), over[x])
    orders[2] = number
    number = scattered(scattered(scattered(number, above[x + 2]), over[x + 1]), over[x - 1])
    orders[3] = number
    number = scattered(scattered(scattered(number, above[x - 2]), here[x - 3]), marks[y - 3, x])
    orders[4] = number


@kernel
def find(pixels: Pixels, y: int, x: int) -> tuple[int, int]:
    """Set the candidates; return how many there are, and the trust in those from the history."""
    packed, places, trust = pixels.packed, pixels.places, pixels.trust
    candidates, ways = pixels.candidates
    width = packed.shape[1]
    count = 0
    trusted = 0
    for way in range(2):
        slot = pixels.orders[4 - 2 * way] & (places.shape[1] - 1)
        place = places[way, slot]
        level = 0
        if place:
            value = packed[place // width, place % width]
            level = 1 + min(bucket(np.int64(trust[way, slot]), 7), 7)
            if count == 0 or candidates[0] != value:
                candidates[count], ways[count] = value, way
                count += 1
        trusted = trusted * 9 + level
    for way in range(4):
        value = packed[y, x - 1] if way == 0 else packed[y - 1, x + (0, 1, -1)[way - 1]]
        new = True
        for i in range(count):
            new &= candidates[i] != value
        if new:
            candidates[count], ways[count] = value, 2 + way
            count += 1
    return count, trusted


@kernel
def equals(packed: Integers, y: int, x: int, value: int) -> int:
    """Which of twelve neighbours are equal to a value, one bit each."""
    here, above, over = packed[y], packed[y - 1], packed[y - 2]
    return (
        (here[x - 1] == value) + 2 * (above[x] == value) + 4 * (above[x - 1] == value)
        + 8 * (above[x + 1] == value) + 16 * (here[x - 2] == value) + 32 * (over[x] == value)
        + 64 * (over[x + 1] == value) + 128 * (above[x + 2] == value)
        + 256 * (over[x - 1] == value) + 512 * (above[x - 2] == value)
        + 1024 * (here[x - 3] == value) + 2048 * (packed[y - 3, x] == value)
    )  # fmt: skip


@kernel
def _remember(pixels: Pixels, y: int, x: int) -> None:
    """Store where the surroundings occurred, and whether the pixel that followed was right."""
    packed, places, trust = pixels.packed, pixels.places, pixels.trust
    width = packed.shape[1]
    for way in range(2):
        slot = pixels.orders[4 - 2 * way] & (places.shape[1] - 1)
        place = places[way, slot]
        if place and packed[place // width, place % width] == packed[y, x]:
            trust[way, slot] = min(np.int64(trust[way, slot]) + 1, 255)
        else:
            trust[way, slot] = 0
        places[way, slot] = y * width + x


@kernel
def _code_repeat(mixer: Mixer, pixels: Pixels, y: int, x: int) -> bool:
    """Code which candidate a pixel is equal to, and copy it; return whether there is one."""
    packed, bases = pixels.packed, mixer.bases
    candidates, ways = pixels.candidates
    mask = mixer.models.size - HASHED - 1
    wanted = packed[y, x]
    count, trusted = find(pixels, y, x)
    for rank in range(count):
        value, way = candidates[rank], ways[rank]
        equal = equals(packed, y, x, value)
        mark = scattered(value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF)
        for i in range(ORDERS):
            bases[i] = HASHED + (scattered(pixels.orders[i] ^ i, mark) & mask)
        bases[ORDERS] = MODELS + equal
        bases[ORDERS + 1] = MODELS + _EQUAL + (rank * 81 + trusted) * 16 + (equal & 15)
        hit = code_mixed(
            mixer,
            1 if wanted == value else 0,
            ORDERS + 2,
            0,
            SETS + way * 81 + trusted,
            SETS + CANDIDATES * 81 + rank * 64 + (equal & 63),
            KINDS + way * 16 + (equal & 15),
        )
        if hit:
            packed[y, x] = value
            return True
    return False


@kernel
def _code_index(mixer: Mixer, planes: Planes, pixels: Pixels, y: int, x: int) -> None:
    """Code the palette index of a pixel, bit by bit from the highest."""
    bases = mixer.bases
    mask = mixer.models.size - HASHED - 1
    colours = pixels.settings[1]
    index = np.int64(planes.samples[0, y, x])
    node = np.int64(1)
    first = ALL_SETS - 257
    for j in range(bucket(colours - 1, 8) - 1, -1, -1):
        for i in range(ORDERS):
            bases[i] = HASHED + (scattered(pixels.orders[i] ^ 8, node) & mask)
        bases[ORDERS] = HASHED + (scattered(3, node) & mask)
        bases[ORDERS + 1] = HASHED + (scattered(pixels.marks[y, x - 1] ^ 16, node) & mask)
        bases[ORDERS + 2] = HASHED + (scattered(pixels.marks[y - 1, x] ^ 32, node) & mask)
        kind = ALL_KINDS - 256 + node
        bit = code_mixed(mixer, index >> j & 1, ORDERS + 3, 0, first + node, ALL_SETS - 1, kind)
        node = node << 1 | bit
    index = min(node - (np.int64(1) << bucket(colours - 1, 8)), colours - 1)
    planes.samples[0, y, x] = index


@kernel
def code_rows(mixer: Mixer, planes: Planes, pixels: Pixels, top: int, bottom: int) -> bool:
    """Write rows of pixels to `mixer.data`, or read them from it.

    Parameters
    ----------
    mixer : Mixer
    planes : Planes
    pixels : Pixels
    top, bottom : int
        The first row and the one after the last, not counting the padding.

    Returns
    -------
    bool
        False if the data end too early.
    """
    samples, state = planes.samples, mixer.state
    repeats, colours = pixels.settings
    count, _, stride = samples.shape
    for y in range(PAD + top, PAD + bottom):
        if state[4] and state[3] > mixer.data.size + 8:
            return False
        for plane in range(count):
            for x in range(PAD):
                samples[plane, y, x] = samples[plane, y - 1, PAD]
        for x in range(PAD):
            pack(planes, pixels, y, x)
        for x in range(PAD, stride - PAD):
            found = False
            if repeats:
                surround(pixels, y, x)
                if not state[4]:
                    pack(planes, pixels, y, x)
                found = _code_repeat(mixer, pixels, y, x)
            for plane in range(count if found else 0):
                samples[plane, y, x] = pixels.packed[y, x] >> (16 * plane) & 0xFFFF
            if colours and not found:
                _code_index(mixer, planes, pixels, y, x)
            if not colours:
                for plane in range(count):
                    if found:
                        skip_sample(planes, plane, y, x)
                    else:
                        code_sample(mixer, planes, plane, y, x)
            if repeats:
                pack(planes, pixels, y, x)
                _remember(pixels, y, x)
        for plane in range(count):
            for x in range(stride - PAD, stride):
                samples[plane, y, x] = samples[plane, y, stride - PAD - 1]
        for x in range(stride - PAD, stride):
            pack(planes, pixels, y, x)
    return not state[4] or state[3] <= mixer.data.size + 8
