"""Detection of damage on old prints, pixel by pixel, by a small convolutional network.

Only the context, near and far, distinguishes a scratch from a mast. The network therefore computes
features at four scales, each half as large as the one before, and adds them up from the coarsest
scale to the finest (Ronneberger, Fischer & Brox, "U-Net: convolutional networks for biomedical
image segmentation", MICCAI 2015). The finest has a cell for each block of 2 x 2 pixels, whose
samples are its inputs and whose four decisions are its outputs: four times less work than a cell
for each pixel. It was trained on damage that was drawn over photographs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from restore.imaging import archive, bands
from restore.imaging.bands import Pool
from restore.typing import File, Flags, Floats

#: Kinds of damage that are distinguished.
KINDS = ("scratches", "hairs", "dust")

#: Channels at each scale.
CHANNELS = (32, 64, 96, 128)

#: A damaged region has a probability above the first somewhere, and above the second everywhere.
SURE, PERHAPS = 0.5, 0.25

#: In a picture with fewer damaged pixels than the first share, or more than the second, a region
#: must have a probability above the third somewhere: it is hardly damaged, or full of lines.
LEAST_DAMAGED, MOST_DAMAGED, CERTAIN = 0.01, 0.08, 0.99

#: Assumed share of damaged pixels in learning, and steps of the estimate of that of a picture.
LEARNED_SHARE, STEPS = 0.05, 20

#: Quarter turns of the picture over which probabilities are averaged.
TURNS = 4

#: Minimum share of a kind in the probability of damage for a pixel to be of this kind.
SHARE = 0.25

#: Side of the tiles that the network is applied to, and the margin around each.
_TILE, _MARGIN = 1024, 112

#: Number of pixels convolved in one matrix product.
_ROWS = 2048

KIND = "detector of damage"

ARRAYS = {"weights": ("e", 1)}


@functools.cache
def packaged() -> Detector:
    """The detector that comes with the package."""
    return Detector.load(archive.packaged_path("print-damage"))


def shapes() -> list[tuple[int, int, int]]:
    """(side, inputs, outputs) of every layer: encoder, downscaling, upscaling, decoder, output."""
    first, pairs = (4 * 3, *CHANNELS[1:]), list(zip(CHANNELS, CHANNELS[1:]))
    found = []
    for inputs, outputs in zip(first, CHANNELS):
        found += [(3, inputs, outputs), (3, outputs, outputs)]
    found += [(2, one, two) for one, two in pairs]
    found += [(1, two, one) for one, two in pairs]
    for one, _ in pairs:
        found += [(3, one, one)] * 2
    return [*found, (1, CHANNELS[0], 4 * (1 + len(KINDS)))]


def find(
    image: Floats, detector: Detector | None = None, pool: Pool | None = None
) -> dict[str, Flags]:
    """Detect the damage in a picture.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
        In [0, 1].
    detector : Detector, optional
        The packaged one by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    dict of str to (height, width) bool ndarray
        For each of `KINDS`. A pixel can be of several kinds.
    """
    detector = detector or packaged()
    probabilities = np.zeros((len(KINDS), *image.shape[:2]), np.float32)
    for turn in range(TURNS):
        turned = detector(np.ascontiguousarray(np.rot90(image, turn)), pool)
        probabilities += np.rot90(turned, -turn, axes=(1, 2)) / np.float32(TURNS)
    total = probabilities.sum(axis=0)
    usual = LEAST_DAMAGED <= damaged_share(total) <= MOST_DAMAGED
    sure = total > (SURE if usual else CERTAIN)
    found = ndimage.binary_propagation(sure, np.ones((3, 3)), total > PERHAPS)
    return {
        kind: found & (probability > SHARE * total)
        for kind, probability in zip(KINDS, probabilities, strict=True)
    }


def damaged_share(probabilities: Floats) -> float:
    """Estimate the share of damaged pixels in a picture.

    The probabilities hold for a share of `LEARNED_SHARE`. A maximum-likelihood estimate of the
    share that produced them, by expectation maximisation, is nearly 0 for an undamaged picture,
    although many of its probabilities are not.

    Parameters
    ----------
    probabilities : (height, width) float32 ndarray
        Of any damage.

    References
    ----------
    Saerens, Latinne & Decaestecker, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 14(1), 2002, equation 2.5.
    """
    share = LEARNED_SHARE
    for _ in range(STEPS):
        damaged = probabilities * np.float32(share / LEARNED_SHARE)
        intact = (1 - probabilities) * np.float32((1 - share) / (1 - LEARNED_SHARE))
        share = float((damaged / (damaged + intact)).mean())
    return share


@dataclass(frozen=True, eq=False)
class Detector:
    """The weights of the network.

    Attributes
    ----------
    weights : (n_weights,) float32 ndarray
        Layer by layer in the order of `shapes`, each (side * side * inputs + 1, outputs) with the
        bias in the last row.
    provenance : dict
    """

    weights: Floats
    provenance: dict

    def __post_init__(self) -> None:
        archive.freeze(self, ARRAYS)
        total = sum((side * side * inputs + 1) * outputs for side, inputs, outputs in shapes())
        if self.weights.shape != (total,):
            raise ValueError(f"expected {total} weights, got {self.weights.shape}")

    @classmethod
    def of(cls, matrices: Iterable[Floats], provenance: dict[str, Any]) -> Detector:
        """A detector with these matrices of the layers."""
        weights = np.concatenate([matrix.ravel() for matrix in matrices])
        return cls(weights.astype(np.float16), provenance)

    def layers(self) -> list[Floats]:
        """The matrices of the layers, float32."""
        found, start = [], 0
        for side, inputs, outputs in shapes():
            rows = side * side * inputs + 1
            matrix = self.weights[start : start + rows * outputs].reshape(rows, outputs)
            found.append(matrix)
            start += rows * outputs
        return found

    def save(self, file: File) -> None:
        """Write the weights as ``.npz``."""
        archive.write(file, KIND, {"weights": self.weights.astype(np.float16)}, self.provenance)

    @classmethod
    def load(cls, file: File) -> Detector:
        """Read weights from a file.

        Raises
        ------
        ValueError
            If it does not contain valid weights.
        OSError
            If it cannot be read.
        """
        arrays, provenance, _ = archive.read(file, KIND, ARRAYS)
        with archive.usable(file, KIND):
            archive.check_range("weights", arrays["weights"], -1e3, 1e3)
            return cls(arrays["weights"], provenance)

    def __call__(self, image: Floats, pool: Pool | None = None) -> Floats:
        """Estimate the probability of each kind of damage at each pixel.

        Parameters
        ----------
        image : (height, width, channels) float32 ndarray
            In [0, 1].
        pool : Pool, optional
            Threads and progress. The result is the same for any number of threads.

        Returns
        -------
        (n_kinds, height, width) float32 ndarray
        """
        height, width, channels = image.shape
        coarsest = 1 << len(CHANNELS)
        pads = [(_MARGIN, _MARGIN + -n % coarsest) for n in (height, width)]
        padded = np.pad(image - np.float32(0.5), [*pads, (0, 0)], "symmetric")
        padded = np.repeat(padded, 3 // channels, axis=2)
        probabilities = np.empty((len(KINDS), height, width), np.float32)
        layers = self.layers()
        tiles = [(top, left) for top in range(0, height, _TILE) for left in range(0, width, _TILE)]

        def apply(band: slice) -> None:
            for top, left in tiles[band]:
                side = _TILE + 2 * _MARGIN
                outputs = _outputs(layers, padded[top : top + side, left : left + side])
                within = probabilities[:, top : top + _TILE, left : left + _TILE]
                rows, columns = (slice(_MARGIN, _MARGIN + n) for n in within.shape[1:])
                outputs = outputs[rows, columns]
                outputs = np.exp(outputs - outputs.max(axis=2, keepdims=True))
                outputs /= outputs.sum(axis=2, keepdims=True)
                within[:] = np.moveaxis(outputs, 2, 0)[1:]

        bands.for_each(apply, bands.slices(len(tiles), 1), pool)
        return probabilities


def _outputs(layers: list[Floats], values: Floats) -> Floats:
    """Apply the network to a tile (height, width, 3): (height, width, 1 + n_kinds) outputs."""
    sizes = len(CHANNELS)
    left = iter(layers)
    down, halve, double, up = (
        [[next(left) for _ in range(each)] for _ in range(count)]
        for each, count in ((2, sizes), (1, sizes - 1), (1, sizes - 1), (2, sizes - 1))
    )
    values, kept = _quads(values), []
    for level in range(sizes):
        for layer in down[level]:
            values = _convolved(values, layer)
        if level + 1 < sizes:
            kept.append(values)
            values = _product(_quads(values), halve[level][0])
    for level in reversed(range(sizes - 1)):
        wide = _product(values, double[level][0])
        values = np.repeat(np.repeat(wide, 2, axis=0), 2, axis=1) + kept[level]
        for layer in up[level]:
            values = _convolved(values, layer)
    return _pixels(_product(values, next(left)))


def _product(values: Floats, layer: Floats) -> Floats:
    return values @ layer[:-1] + layer[-1]


def _quads(values: Floats) -> Floats:
    """The four pixels of each block of 2 x 2, concatenated as channels."""
    height, width, channels = values.shape
    quads = values.reshape(height // 2, 2, width // 2, 2, channels).swapaxes(1, 2)
    return quads.reshape(height // 2, width // 2, 4 * channels)


def _pixels(quads: Floats) -> Floats:
    """The inverse of `_quads`."""
    height, width, channels = quads.shape
    blocks = quads.reshape(height, width, 2, 2, channels // 4).swapaxes(1, 2)
    return blocks.reshape(2 * height, 2 * width, channels // 4)


def _convolved(values: Floats, layer: Floats) -> Floats:
    """A convolution of 3 x 3 pixels with zero padding, then rectification."""
    height, width, channels = values.shape
    padded = np.pad(values, [(1, 1), (1, 1), (0, 0)])
    result = np.empty((height, width, layer.shape[1]), np.float32)
    rows = max(1, _ROWS // width)
    around = np.empty((rows, width, 9, channels), np.float32)
    for top in range(0, height, rows):
        band = result[top : top + rows]
        for place in range(9):
            y, x = divmod(place, 3)
            around[: len(band), :, place] = padded[top + y : top + y + len(band), x : x + width]
        flat = around[: len(band)].reshape(-1, 9 * channels)
        np.maximum(_product(flat, layer), 0, out=band.reshape(len(flat), -1))
    return result
