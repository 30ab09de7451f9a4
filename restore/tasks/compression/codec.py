"""The learned data of the picture codec, as a record and as a file."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from restore.imaging import archive
from restore.kernels import bits, blocks, entropy
from restore.typing import Array, File, Floats, Integers

#: Sides of blocks, and the number of coded samples of a block.
SIDES = (8, 16, 32, 64)
COUNTS = (64, 256, 256, 256)
#: Codecs that come with the package. Files contain their index: never reorder them.
PACKAGED = ("photos",)
#: The stored integer for a predictor coefficient of 1.0.
ONE = 4096
#: Roughness at which the step of an atom starts to grow, in 1/65536.
_KNEE = 19661
#: Maximum rate of a level in bits, and maximum bias of a level in steps.
MOST_BITS, MOST_BIAS = 64.0, 0.5


@dataclass(frozen=True, eq=False)
class Codec:
    """Bases, predictors, and the initial state of the entropy coder.

    Attributes
    ----------
    transforms : tuple of (classes, count, count) int8
        For blocks of 8, 16, 32 and 64: bases that are orthonormal up to a factor, one atom per row.
    predictors : tuple of (classes, count, border) int16
        Matrices that predict the samples of a block from its border, in 1/4096.
    scales : tuple of (classes, count) int8
        Spread of each coefficient: 8 log2 of it in levels of 255.
    models : (MODELS, 2) uint16
        Initial probability of a one in 1/65536, and the number of observations it counts as.
    weights : (SETS, INPUTS) int32
        Initial weights of the mixing, in 1/65536.
    rates : (SCALES, 3, 17) float32
        Bits of a level by expected magnitude and the two levels before; for the encoder only.
    bias : (SCALES, 3) float32
        Shift of levels 1, 2 and above towards zero, in steps.
    provenance : dict
        What it was learned from, settings, seed, versions.

    Raises
    ------
    ValueError
        If the arrays do not fit each other or the coder.
    """

    transforms: tuple
    predictors: tuple
    scales: tuple
    models: np.ndarray
    weights: np.ndarray
    rates: np.ndarray
    bias: np.ndarray
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check()

    def _check(self) -> None:
        for name, kind in (("transforms", np.int8), ("predictors", np.int16), ("scales", np.int8)):
            parts = getattr(self, name)
            if len(parts) != len(SIDES):
                raise ValueError(f"a codec has {len(SIDES)} sizes of blocks, not {len(parts)}")
            for side, count, part in zip(SIDES, COUNTS, parts):
                ends = {
                    "transforms": (count, count),
                    "predictors": (count, min(4 * side + 1, blocks.BORDER)),
                    "scales": (count,),
                }[name]
                classes = len(self.transforms[SIDES.index(side)])
                if part.dtype != kind or part.shape != (classes, *ends):
                    raise ValueError(f"the codec's {name} for blocks of {side} are damaged")
                if not 1 <= classes <= entropy.CLASSES:
                    raise ValueError(f"a codec has 1 to {entropy.CLASSES} classes, not {classes}")
                if name == "transforms" and not part.any(axis=2).all():
                    raise ValueError(f"an atom for blocks of {side} is zero")
        for name, kind, shape in (
            ("models", np.uint16, (entropy.MODELS, 2)),
            ("weights", np.int32, (entropy.SETS, bits.INPUTS)),
            ("rates", np.float32, (blocks.SCALES, 3, 17)),
            ("bias", np.float32, (blocks.SCALES, 3)),
        ):
            part = getattr(self, name)
            if part.dtype != kind or part.shape != shape or not np.isfinite(part).all():
                raise ValueError(f"the codec's {name} are damaged")
        # the magnitude of the lowest int32 is too large for int32
        if self.models[:, 1].max() > 255 or np.abs(self.weights.astype(np.int64)).max() > 1 << 24:
            raise ValueError("the codec's initial statistics are damaged")
        for name, most in (("rates", MOST_BITS), ("bias", MOST_BIAS)):
            part = getattr(self, name)
            if part.min() < 0 or part.max() > most:
                raise ValueError(f"the codec's {name} are not between 0 and {most:g}")

    def _arrays(self) -> Iterator[tuple[str, Array]]:
        for name in ("transforms", "predictors", "scales"):
            for side, part in zip(SIDES, getattr(self, name)):
                yield f"{name}_{side}", part
        for name in ("models", "weights", "rates", "bias"):
            yield name, getattr(self, name)

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of all arrays."""
        return bytes.fromhex(archive.digest(dict(self._arrays())))

    @functools.cached_property
    def bases(self) -> blocks.Bases:
        """The `restore.kernels.blocks.Bases` of this codec."""
        transforms = tuple(_orthonormal(part) for part in self.transforms)
        predictors = tuple((part / np.float32(ONE)).astype(np.float32) for part in self.predictors)
        return blocks.Bases(
            transforms,
            predictors,
            tuple(part.astype(np.int16) for part in self.scales),
            tuple(np.ones(part.shape, np.float32) for part in self.scales),
            tuple(cosines_of(side) for side in SIDES),
            tuple(_analyses(*pair) for pair in zip(transforms, predictors)),
        )

    @functools.cached_property
    def mode_bits(self) -> tuple[Floats, ...]:
        """Bits of each mode in the initial statistics, for each size of blocks: (planes, modes)."""
        every = []
        for size, part in enumerate(self.transforms):
            modes = np.arange(2 * len(part))
            depth = int(modes[-1]).bit_length()
            bits = np.zeros((3, len(modes)), np.float32)
            for plane in range(3):
                node = np.ones_like(modes)
                for digit in modes[None] >> np.arange(depth)[::-1, None] & 1:
                    model = entropy.MODE + (size * entropy.MODES + node) * 3 + plane
                    one = (self.models[model, 0] + 0.5) / (1 << 16)
                    bits[plane] -= np.log2(np.where(digit, one, 1 - one)).astype(np.float32)
                    node = 2 * node + digit
            every.append(bits)
        return tuple(every)

    def weighted(self, slope: int, share: int) -> blocks.Bases:
        """Bases with a larger quantisation step for atoms of fine detail.

        Parameters
        ----------
        slope : int
            The step of an atom is increased by ``slope / 32 log2(1 + e / 0.3)`` octaves, rounded
            to eighths, where e is its mean squared gradient divided by its mean square.
        share : int
            The step of every atom is also increased by this many eighths of octaves.

        Returns
        -------
        restore.kernels.blocks.Bases
        """
        return _weighted(self, slope, share)

    def start(self) -> tuple[Integers, Integers]:
        """Copies of `models` and `weights` in the form that the entropy coder updates."""
        probabilities = self.models[:, 0].astype(np.int64) << 6 | 32
        return (probabilities << 8 | self.models[:, 1]).astype(np.int32), self.weights.copy()

    def save(self, file: File) -> None:
        """Write an ``.npz`` to a path or a binary file object."""
        archive.write(file, "codec", dict(self._arrays()), self.provenance)

    @classmethod
    def load(cls, file: File) -> Codec:
        """Read what `save` wrote.

        Parameters
        ----------
        file : str, path or binary file object
            The name of a packaged codec, or a file.

        Raises
        ------
        ValueError
            If it is not a valid codec.
        OSError
            If it cannot be read.
        """
        if isinstance(file, str) and file in PACKAGED:
            return _packaged(file)
        expected = dict.fromkeys((f"transforms_{side}" for side in SIDES), ("b", 3))
        expected |= dict.fromkeys((f"predictors_{side}" for side in SIDES), ("h", 3))
        expected |= dict.fromkeys((f"scales_{side}" for side in SIDES), ("b", 2))
        expected |= {"models": ("H", 2), "weights": ("i", 2), "rates": ("f", 3), "bias": ("f", 2)}
        arrays, provenance, _ = archive.read(file, "codec", expected)
        parts: dict[str, Any] = {**arrays}
        for name in ("transforms", "predictors", "scales"):
            parts[name] = tuple(parts.pop(f"{name}_{side}") for side in SIDES)
        with archive.usable(file, "codec file"):
            return cls(**parts, provenance=provenance)


@functools.cache
def _packaged(name: str) -> Codec:
    return Codec.load(archive.packaged_path(f"codec-{name}"))


def _orthonormal(rows: Integers) -> Floats:
    """The orthonormal bases nearest to the stored ones, by Newton's iteration for the polar
    factor (N. Higham, Functions of Matrices, 2008, Sec. 8.3)."""
    bases = rows.astype(np.float64)
    bases /= np.linalg.norm(bases, axis=2, keepdims=True)

    def errors() -> Floats:
        return np.abs(bases @ bases.transpose(0, 2, 1) - np.eye(bases.shape[1]))

    if errors().sum(axis=2).max() < 1:  # else the iteration may diverge
        for _ in range(6):
            bases = 1.5 * bases - 0.5 * bases @ bases.transpose(0, 2, 1) @ bases
    if errors().max() > 1e-6:
        raise ValueError("the codec's transforms are damaged: their atoms are not orthogonal")
    return np.ascontiguousarray(bases, dtype=np.float32)


def _analyses(transforms: Floats, predictors: Floats) -> Floats:
    """For each class the matrix that maps a block and its border to coefficients."""
    joined = np.concatenate([transforms, -transforms @ predictors], axis=2)
    return np.ascontiguousarray(joined.transpose(0, 2, 1))


@functools.lru_cache(maxsize=16)
def _weighted(codec: Codec, slope: int, share: int) -> blocks.Bases:
    # in integers, since the contexts of the coder depend on these
    bounds = _bounds(slope)
    more = tuple(
        (share + np.searchsorted(bounds, _roughness(part, side), "right")).astype(np.int16)
        for part, side in zip(codec.transforms, SIDES)
    )
    weights = tuple((2.0 ** (part / 8)).astype(np.float32) for part in more)
    return codec.bases._replace(
        scales=tuple(scale - part for scale, part in zip(codec.bases.scales, more)),
        weights=weights,
        analyses=tuple(
            np.ascontiguousarray(analysis / weight[:, None])
            for analysis, weight in zip(codec.bases.analyses, weights)
        ),
    )


def _bounds(slope: int) -> Integers:
    """Roughness from which the step of an atom is increased by 1, 2, ... eighths of octaves."""
    if not slope:
        return np.empty(0, np.int64)
    with localcontext() as context:
        context.prec = 15
        wide = [2 ** (Decimal(4 * more - 2) / slope) - 1 for more in range(1, 2 * slope)]
        return np.array([int(_KNEE * min(bound, Decimal(1 << 16))) for bound in wide], np.int64)


def _roughness(rows: Floats, side: int) -> Integers:
    """Mean squared gradient divided by the mean square of each atom, in 1/65536."""
    coded = min(side, 16)
    atoms = rows.astype(np.int64).reshape(*rows.shape[:2], coded, coded)
    power = np.square(atoms)
    if side > 16:  # for cosines it is pi^2 (k^2 + l^2) / side^2
        squares = np.arange(16) ** 2
        found = (power * (squares[:, None] + squares)).sum(axis=(2, 3)) * (646814 // side**2)
    else:
        found = np.square(np.diff(atoms, axis=2)).sum(axis=(2, 3))
        found = (found + np.square(np.diff(atoms, axis=3)).sum(axis=(2, 3))) << 16
    return found // power.sum(axis=(2, 3))


def weights_of_frequencies(slope: int, share: int) -> Floats:
    """Factors of `Codec.weighted` on the step, (8, 8), for the frequencies of the 8 x 8 DCT."""
    square = 4 * np.sin(np.pi * np.arange(8) / 16) ** 2
    rough = (square[:, None] + square) * 65536
    octaves = share / 8 + slope / 32 * np.log2(1 + rough / _KNEE)
    return (2.0**octaves).astype(np.float32)


def cosines_of(side: int) -> Floats:
    """The (at most) 16 lowest frequencies of the orthonormal DCT of `side` samples, as rows."""
    frequency = np.arange(min(16, side))[:, None]
    rows = np.cos(np.pi * frequency * (2 * np.arange(side) + 1) / (2 * side))
    rows *= np.where(frequency == 0, np.sqrt(1 / side), np.sqrt(2 / side))
    return np.ascontiguousarray(rows, dtype=np.float32)
