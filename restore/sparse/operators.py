"""Measurement operators: y = A x + n, with a linear map A and its adjoint.

Each map has ``forward``, which measures a picture, and ``adjoint``, which maps measurements back to
a picture: <A x, y> = <x, A' y> for every picture x and all measurements y.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from restore.imaging.resize import cubic, taps
from restore.typing import Array, Flags, Floats, Spectra


class Operator(Protocol):
    """A linear map of pictures, and its adjoint; optionally with ``precondition``."""

    def forward(self, image: Array, /) -> Array:
        """Measure a picture."""

    def adjoint(self, measured: Array, /) -> Array:
        """Put measurements back where they came from."""


class Vectors(Protocol):
    """A linear map of vectors, as those of `scipy.sparse.linalg`."""

    shape: tuple[int, int]

    def matvec(self, x: Array, /) -> Array:
        """Measure a picture whose samples are one vector."""

    def rmatvec(self, x: Array, /) -> Array:
        """Put measurements back where they came from."""


@dataclass(frozen=True)
class Identity:
    """All samples of a picture."""

    def forward(self, image: Array) -> Array:
        return image

    def adjoint(self, measured: Array) -> Array:
        return measured


@dataclass(frozen=True, eq=False)
class Mask:
    """The known samples of a picture; the unknown ones are measured as 0.

    Attributes
    ----------
    known : (height, width) or (height, width, channels) bool ndarray
    """

    known: np.ndarray

    def forward(self, image: Floats) -> Floats:
        """Measure a (height, width, channels) picture, as one of the same shape."""
        known = self.known if self.known.ndim == 3 else self.known[..., None]
        return np.where(known, image, np.float32(0))

    def adjoint(self, measured: Floats) -> Floats:
        """The same map: zeros at the unknown samples."""
        return self.forward(measured)


@dataclass(frozen=True)
class Mosaic:
    """One colour of every pixel, behind a filter of red, green and blue.

    Attributes
    ----------
    pattern : str
        Colours of the repeating pattern, row by row from the top-left sample: ``"RGGB"``.
    """

    pattern: str

    @property
    def sites(self) -> list[tuple[int, tuple[int, int]]]:
        """(channel, (row, column)) of each sample of the repeating pattern."""
        side = self.period
        return [("RGB".index(letter), divmod(k, side)) for k, letter in enumerate(self.pattern)]

    @property
    def period(self) -> int:
        """Number of rows and columns after which the pattern repeats."""
        return math.isqrt(len(self.pattern))

    @property
    def places(self) -> list[tuple[slice, slice]]:
        """For each sample of the pattern the rows and columns of its repetitions, as slices."""
        return [np.s_[row :: self.period, column :: self.period] for _, (row, column) in self.sites]

    def forward(self, image: Array) -> Array:
        """Measure a (height, width, 3) picture as a (height, width) mosaic."""
        mosaic = np.empty(image.shape[:2], image.dtype)
        for (channel, _), place in zip(self.sites, self.places):
            mosaic[place] = image[(*place, channel)]
        return mosaic

    def adjoint(self, mosaic: Array) -> Array:
        """A picture with the measured colours, and 0 where a colour was not measured."""
        image = np.zeros((*mosaic.shape, 3), mosaic.dtype)
        for (channel, _), place in zip(self.sites, self.places):
            image[(*place, channel)] = mosaic[place]
        return image

    def known(self, shape: tuple[int, ...]) -> Flags:
        """(height, width, 3) bool: which colours are measured where."""
        return self.adjoint(np.ones(shape, bool))


@dataclass(frozen=True, eq=False)
class Blur:
    """Convolution with a kernel; only its valid part, where the kernel lies wholly in the picture.

    Attributes
    ----------
    kernel : (kernel_height, kernel_width) float32 ndarray
        As convolution takes it: turned by 180 degrees over the picture.
    shape : (height, width)
        Of the picture; a kernel of n rows leaves n - 1 rows fewer to be measured.
    """

    kernel: np.ndarray
    shape: tuple

    def forward(self, image: Floats) -> Floats:
        """Measure a (height, width, channels) picture."""
        (height, width), (rows, columns) = self.shape, self.kernel.shape
        return self._filtered(image, self._transfer)[rows - 1 : height, columns - 1 : width]

    def adjoint(self, measured: Floats) -> Floats:
        """Every measurement spread over the samples that it is a sum of."""
        before = [(n - 1, 0) for n in self.kernel.shape]
        spread = self._filtered(np.pad(measured, [*before, (0, 0)]), np.conj(self._transfer))
        return spread[: self.shape[0], : self.shape[1]]

    def precondition(self, residual: Floats, weight: float) -> Floats:
        """(A' A + weight)^-1, assuming a periodic picture."""
        inverse = 1 / (np.square(np.abs(self._transfer)) + weight)
        return self._filtered(residual, inverse)[: self.shape[0], : self.shape[1]]

    @functools.cached_property
    def _size(self) -> tuple[int, ...]:
        from scipy import fft  # slow to import

        return tuple(fft.next_fast_len(n, real=True) for n in self.shape)

    @functools.cached_property
    def _transfer(self) -> Spectra:
        from scipy import fft

        return fft.rfft2(self.kernel, self._size)

    def _filtered(self, image: Floats, transfer: Spectra | Floats) -> Floats:
        from scipy import fft

        spectrum = fft.rfft2(image, self._size, axes=(0, 1))
        spectrum *= transfer[..., None]
        return fft.irfft2(spectrum, self._size, axes=(0, 1))


@dataclass(frozen=True)
class Decimation:
    """Blur and subsampling: how a picture is reduced to a smaller size.

    Attributes
    ----------
    large, small : (height, width)
    kernel : callable
        Weights by distance in small samples.
    radius : float
        Distance beyond which they are zero.
    """

    large: tuple
    small: tuple
    kernel: Callable[[Floats], Floats] = cubic
    radius: float = 2.0

    def forward(self, image: Floats) -> Floats:
        """Measure a (height, width, channels) picture; borders are mirrored."""
        return self._mapped(image, *self._matrices)

    def adjoint(self, measured: Floats) -> Floats:
        """Every measurement spread over the samples that it is a sum of."""
        return self._mapped(measured, *(matrix.T for matrix in self._matrices))

    @functools.cached_property
    def _matrices(self) -> list[Any]:
        """The weights along the columns and along the rows, (small, large) sparse matrices."""
        from scipy import sparse

        matrices = []
        for old, new in zip(self.large, self.small, strict=True):
            indices, weights = taps(old, new, self.kernel, self.radius)
            rows = np.repeat(np.arange(new), indices.shape[1])
            entries = (weights.ravel(), (rows, indices.ravel()))
            matrices.append(sparse.csr_array(entries, shape=(new, old)))
        return matrices

    @staticmethod
    def _mapped(image: Floats, down: Any, across: Any) -> Floats:
        planes = [(across @ (down @ plane).T).T for plane in np.moveaxis(image, 2, 0)]
        return np.stack(planes, axis=2)


@dataclass(frozen=True, eq=False)
class Fourier:
    """Some of the samples of the Fourier transform, as a magnetic resonance scanner takes them.

    Attributes
    ----------
    mask : (height, width) bool ndarray
        True where the unitary transform is measured; frequency 0 is at the corner.
    real : bool
        Whether the picture is known to be real-valued.
    """

    mask: np.ndarray
    real: bool = False

    @property
    def share(self) -> float:
        """Measurements per sample of the picture."""
        return float(self.mask.mean())

    def forward(self, image: Array) -> Spectra:
        """Measure a (height, width) picture as (n_measured,) complex values."""
        from scipy import fft  # slow to import

        return fft.fft2(image, norm="ortho")[self.mask]

    def adjoint(self, measured: Spectra) -> Array:
        """The picture with the other samples set to 0 (zero filling)."""
        from scipy import fft

        spectrum = np.zeros(self.mask.shape, measured.dtype)
        spectrum[self.mask] = measured
        image = fft.ifft2(spectrum, norm="ortho")
        return np.ascontiguousarray(image.real) if self.real else image


@dataclass(frozen=True, eq=False)
class Blocks:
    """Projections of blocks of a picture, as a single-pixel camera takes them.

    Attributes
    ----------
    matrix : (n_projections, side * side) float32 ndarray
        The same for each block.
    shape : (height, width)
        Of the picture. Blocks that reach beyond it see zeros there.
    """

    matrix: np.ndarray
    shape: tuple

    @property
    def side(self) -> int:
        """Number of rows, and of columns, of a block."""
        return math.isqrt(self.matrix.shape[1])

    @property
    def share(self) -> float:
        """Measurements per sample of a block."""
        return len(self.matrix) / self.matrix.shape[1]

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks down and across."""
        return tuple(-(-n // self.side) for n in self.shape)

    def forward(self, image: Floats) -> Floats:
        """Measure a (height, width) picture: (n_blocks, n_projections), row by row."""
        down, across = self.counts
        missing = [(0, n * self.side - size) for n, size in zip(self.counts, self.shape)]
        blocks = np.pad(image, missing).reshape(down, self.side, across, self.side)
        return blocks.transpose(0, 2, 1, 3).reshape(down * across, -1) @ self.matrix.T

    def adjoint(self, measured: Floats) -> Floats:
        """The adjoint projections, block by block."""
        down, across = self.counts
        blocks = (measured @ self.matrix).reshape(down, across, self.side, self.side)
        image = blocks.transpose(0, 2, 1, 3).reshape(down * self.side, across * self.side)
        return image[: self.shape[0], : self.shape[1]]


@dataclass(frozen=True, eq=False)
class Observed:
    """An operator with some measurements left out, which count as 0.

    Attributes
    ----------
    operator
        With ``forward`` and ``adjoint``, and optionally ``precondition``.
    known : bool ndarray
        True where a measurement counts; of the shape of the measurements.
    """

    operator: Operator
    known: np.ndarray

    def forward(self, image: Array) -> Array:
        """Measure a picture, as `operator` does."""
        return np.where(self.known, self.operator.forward(image), np.float32(0))

    def adjoint(self, measured: Array) -> Array:
        """The adjoint of `operator` on the measurements that count."""
        return self.operator.adjoint(np.where(self.known, measured, np.float32(0)))

    def precondition(self, residual: Array, weight: float) -> Array:
        """The preconditioner of `operator`, ignoring what is left out."""
        precondition = getattr(self.operator, "precondition", lambda residual, weight: residual)
        return precondition(residual, weight)
