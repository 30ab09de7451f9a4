"""Pictures as sparse codes over a dictionary: the payload of files of method "atoms".

The patches do not overlap. Each is coded as its mean, predicted from neighbouring means, and a few
atoms with integer levels (`restore.kernels.quantised`). A dictionary of grey patches codes the
decorrelated planes of a colour picture one by one; one of colour patches codes all channels at
once.
"""

from __future__ import annotations

import functools
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import bits
from restore.kernels import quantised as kernels
from restore.sparse import patches as patching
from restore.sparse.coding import Codes, reconstruct
from restore.tasks.compression import coding
from restore.typing import Floats, Integers, Number

if TYPE_CHECKING:
    from restore.sparse.dictionary import Dictionary


#: Price of a bit, in squared quantisation steps.
PRICE = 0.1

#: Step of the means, in coefficient steps divided by the side of a patch. At 1, rounding a mean
#: causes as much squared error as rounding a coefficient.
MEAN_STEP = 1.5

#: Number of patches coded in one call.
BAND = 512

#: Number of observations that the initial probability of a model counts as.
TRUST = 6

#: Initial statistics: mean magnitude of the residuals of means, by the difference of neighbouring
#: means; number of atoms of a patch whose neighbours have none; probabilities that a level is above
#: 1, 2, and so on.
FIRST_SPREADS = (1.0, 1.5, 2.0, 3.0, 8.0)
FEWEST = 0.3
FIRST_LEVELS = (0.9, 0.6, 0.55, *(13 * (0.6,)))

#: The codes of a layer: means, numbers of atoms, atom indices and levels of its patches.
Coded = tuple[Integers, Integers, Integers, Integers]


def _layers(planes: list[Floats], dictionary: Dictionary) -> list[Floats]:
    """Planes stacked to (height, width, channels), each with the channels of the dictionary."""
    channels = dictionary.channels
    return [
        np.stack(planes[first : first + channels], axis=2)
        for first in range(0, len(planes), channels)
    ]


def encode(
    dictionary: Dictionary, planes: list[Floats], number: int, pool: Pool | None = None
) -> tuple[bytes, list[Floats]]:
    """Encode planes.

    Parameters
    ----------
    dictionary : Dictionary
        With one channel, or as many as there are planes.
    planes : list of (height, width) float32
        Levels about 0.
    number : int
        Step number.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    payload : bytes
    decoded : list of (height, width) float32
        The planes as the decoder reconstructs them.
    """
    coded, shown = [], []
    for layer in _layers(planes, dictionary):
        codes, decoded = _quantised(dictionary, layer, number, pool)
        coded.append(codes)
        shown += list(np.moveaxis(decoded, 2, 0))
    room = 1024 + 2 * sum(plane.size for plane in planes)
    coder = coding.writer(*_start(dictionary.n_atoms), room)
    for means, counts, indices, levels in coded:
        for row in range(len(means)):
            kernels.code_row(
                coder, means, counts, indices[row], levels[row], dictionary.n_atoms, row
            )
    payload = coding.payload_of(coder, bits.finish(coder))
    return payload, [np.ascontiguousarray(plane) for plane in shown]


def decode(
    dictionary: Dictionary, payload: bytes, shape: tuple[int, int, int], number: int
) -> list[Floats]:
    """Decode the planes of a payload.

    Parameters
    ----------
    dictionary : Dictionary
    payload : bytes
    shape : (planes, height, width)
    number : int
        Step number.

    Returns
    -------
    list of (height, width) float32

    Raises
    ------
    ValueError
        If the payload ends before the picture is complete, or a grey picture has a dictionary of
        colour patches.
    """
    count, height, width = shape
    if count % dictionary.channels:
        raise ValueError("the picture is grey, but its dictionary has colour patches")
    coder = coding.reader(*_start(dictionary.n_atoms), payload)
    down, across, channels = dictionary.patch_shape
    rows, columns = -(-height // down), -(-width // across)
    planes = np.empty((count, rows * down, columns * across), np.float32)
    for first in range(0, count, channels):
        means, counts = _empty(rows, columns, channels)
        # a row of patches at a time: codes take more memory than the samples they represent
        for row in range(rows):
            indices, levels = np.zeros((2, columns, kernels.MOST), np.int32)
            if not kernels.code_row(coder, means, counts, indices, levels, dictionary.n_atoms, row):
                raise ValueError("the compressed data end before the picture is complete")
            codes = means[row : row + 1], counts[row : row + 1], indices, levels
            into = planes[first : first + channels, row * down : (row + 1) * down]
            into[...] = np.moveaxis(_decoded(dictionary, codes, number), 2, 0)
    return [np.ascontiguousarray(plane[:height, :width]) for plane in planes]


def _empty(rows: int, columns: int, channels: int) -> tuple[Integers, Integers]:
    """Means and counts of the patches of a layer, all 0."""
    return np.zeros((rows, columns, channels), np.int32), np.zeros((rows, columns), np.int32)


def _steps(dictionary: Dictionary, number: int) -> tuple[Number, Number]:
    """The quantisation steps of the coefficients and of the means."""
    step = coding.step_of(number)[0]
    down, across, _ = dictionary.patch_shape
    return step, np.float32(max(MEAN_STEP * step / np.sqrt(down * across), 2.0**-10))


def _quantised(
    dictionary: Dictionary, layer: Floats, number: int, pool: Pool | None
) -> tuple[Coded, Floats]:
    """Encode the patches of a layer; return the codes and the reconstructed layer."""
    height, width, channels = layer.shape
    down, across, _ = dictionary.patch_shape
    rows, columns = -(-height // down), -(-width // across)
    means, counts = _empty(rows, columns, channels)
    indices, levels = np.zeros((2, rows, columns, kernels.MOST), np.int32)
    codes: Coded = means, counts, indices, levels
    ends = [(0, rows * down - height), (0, columns * across - width), (0, 0)]
    patches = patching.extract(
        np.pad(layer, ends, "edge"), dictionary.patch_shape,
        down * np.arange(rows), across * np.arange(columns),
    )  # fmt: skip
    step, mean_step = _steps(dictionary, number)
    exact = patches.reshape(len(patches), -1, channels).mean(axis=1)
    means[...] = np.rint(exact / mean_step).reshape(means.shape)
    patching.uncentre(patches, -(means * mean_step).astype(np.float32).reshape(exact.shape))

    def pursue(band: slice) -> None:
        chosen = patches[band]
        projections = chosen @ dictionary.atoms_t
        kernels.pursue(
            chosen, projections, dictionary.gram, step, np.float32(PRICE * step**2),
            indices.reshape(-1, kernels.MOST)[band], levels.reshape(-1, kernels.MOST)[band],
            counts.reshape(-1)[band],
        )  # fmt: skip

    bands.for_each(pursue, bands.slices(len(patches), BAND), pool)
    return codes, _decoded(dictionary, codes, number)[:height, :width]


def _decoded(dictionary: Dictionary, codes: Coded, number: int) -> Floats:
    """Reconstruct a layer from its codes: (rows * side, columns * side, channels) float32."""
    means, counts, indices, levels = codes
    down, across, channels = dictionary.patch_shape
    rows, columns = counts.shape
    step, mean_step = _steps(dictionary, number)
    coefficients = step * levels.reshape(rows * columns, -1).astype(np.float32)
    sparse = Codes(indices.reshape(coefficients.shape), coefficients, counts.ravel())
    patches = reconstruct(sparse, dictionary)
    patching.uncentre(patches, (means * mean_step).astype(np.float32).reshape(-1, channels))
    patches = patches.reshape(rows, columns, down, across, channels).swapaxes(1, 2)
    return patches.reshape(rows * down, columns * across, channels)


def _start(n_atoms: int) -> tuple[Integers, Integers]:
    """Initial models and weights; all atoms are equally probable."""
    models = _models(n_atoms).copy()
    return models, np.full((kernels.SETS, 1), 1 << 16, np.int32)


@functools.cache
def _models(n_atoms: int) -> Integers:
    models = np.full(kernels.MODELS, 1 << 21, np.int64)
    for context in range(kernels.CHANNELS * kernels.APART):
        spread = FIRST_SPREADS[context % kernels.APART]
        models[kernels.MEAN + kernels.UNARY * context :][: kernels.UNARY] = int(
            spread / (spread + 1) * (1 << 22)
        )
    for near in range(kernels.NEAR):
        usual = near / 2 + FEWEST
        models[kernels.COUNT + kernels.MOST * near :][: kernels.MOST] = int(
            usual / (usual + 1) * (1 << 22)
        )
    for context in range(kernels.FULL):
        models[kernels.LEVEL + kernels.UNARY * context :][: kernels.UNARY] = [
            int(probability * (1 << 22)) for probability in FIRST_LEVELS
        ]
    first, sizes = kernels.SPLIT, {1: n_atoms}
    for place in range(1, kernels.NODES + kernels.DEPTHS):
        if place < kernels.NODES:
            size = sizes[place]
            sizes[2 * place], sizes[2 * place + 1] = (size + 1) // 2, size // 2
        else:
            size = max(n_atoms >> (place - kernels.NODES), 2)
        for inside in range(1, kernels.SET + 1):
            for least in range(kernels.SET):
                probability = _more(size, inside, least)
                at = first + (place * kernels.SET + inside - 1) * kernels.SET + least
                models[at] = int(probability * (1 << 22))
    models = models.clip(64, (1 << 22) - 64) << 8 | TRUST
    return models.astype(np.int32)


def _more(size: int, inside: int, least: int) -> float:
    """Probability of more than `least` of `inside` atoms in the first half, given at least `least`.

    All sets of `inside` out of `size` atoms are equally probable.
    """
    half = (size + 1) // 2
    ways = [comb(half, k) * comb(size - half, inside - k) for k in range(inside + 1)]
    total = sum(ways[least:])
    return sum(ways[least + 1 :]) / total if total else 0.5
