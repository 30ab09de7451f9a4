"""What was measured of a picture: y = A x + n, with A a linear map and its adjoint.

Each map has ``forward``, which measures a picture, and ``adjoint``, which puts measurements back
where they came from: <A x, y> = <x, A' y> for every picture x and all measurements y.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from restore.imaging.resize import cubic, taps


@dataclass(frozen=True)
class Identity:
    """All samples of a picture."""

    def forward(self, image):
        return image

    def adjoint(self, measured):
        return measured


@dataclass(frozen=True, eq=False)
class Mask:
    """The known samples of a picture; the unknown ones are measured as 0.

    Attributes
    ----------
    known : (height, width) or (height, width, channels) bool ndarray
    """

    known: np.ndarray

    def forward(self, image):
        """Measure a (height, width, channels) picture, as one of the same shape."""
        known = self.known if self.known.ndim == 3 else self.known[..., None]
        return np.where(known, image, np.float32(0))

    def adjoint(self, measured):
        """The same map: zeros where the picture is unknown."""
        return self.forward(measured)


@dataclass(frozen=True)
class Mosaic:
    """One colour of every pixel, behind a filter of red, green and blue.

    Attributes
    ----------
    pattern : str
        Colours of the top-left samples, row by row, as far as the pattern repeats: ``"RGGB"``.
    """

    pattern: str

    @property
    def sites(self):
        """(channel, (row, column)) of each of the top-left samples."""
        side = self.period
        return [("RGB".index(letter), divmod(k, side)) for k, letter in enumerate(self.pattern)]

    @property
    def period(self):
        """Rows, and columns, after which the pattern repeats."""
        return math.isqrt(len(self.pattern))

    @property
    def places(self):
        """For each of the top-left samples the rows and columns of all like it, as slices."""
        return [np.s_[row :: self.period, column :: self.period] for _, (row, column) in self.sites]

    def forward(self, image):
        """Measure a (height, width, 3) picture as a (height, width) mosaic."""
        mosaic = np.empty(image.shape[:2], image.dtype)
        for (channel, _), place in zip(self.sites, self.places):
            mosaic[place] = image[(*place, channel)]
        return mosaic

    def adjoint(self, mosaic):
        """A picture with the measured colours, and 0 where a colour was not measured."""
        image = np.zeros((*mosaic.shape, 3), mosaic.dtype)
        for (channel, _), place in zip(self.sites, self.places):
            image[(*place, channel)] = mosaic[place]
        return image

    def known(self, shape):
        """(height, width, 3) bool: which colours are measured where."""
        return self.adjoint(np.ones(shape, bool))


@dataclass(frozen=True, eq=False)
class Blur:
    """Weighted sums of the samples around; only those that lie wholly in the picture.

    Attributes
    ----------
    kernel : (kernel_height, kernel_width) float32 ndarray
        As convolution takes it: turned by 180 degrees over the picture.
    """

    kernel: np.ndarray

    def forward(self, image):
        """Measure a (height, width, channels) picture; a kernel of n samples costs n - 1 rows."""
        return self._convolved(image, self.kernel, "valid")

    def adjoint(self, measured):
        """Every measurement spread over the samples that it is a sum of."""
        return self._convolved(measured, self.kernel[::-1, ::-1], "full")

    def _convolved(self, image, kernel, mode):
        from scipy import signal  # slow to import

        planes = [signal.convolve(plane, kernel, mode) for plane in np.moveaxis(image, 2, 0)]
        return np.stack(planes, axis=2).astype(np.float32)


@dataclass(frozen=True)
class Decimation:
    """Blur, and every so many samples: how a picture of some size becomes a smaller one.

    Attributes
    ----------
    large, small : (height, width)
    kernel : callable
        Weights by distance in small samples.
    radius : float
        Distance from which on they are zero.
    """

    large: tuple
    small: tuple
    kernel: object = cubic
    radius: float = 2.0

    def forward(self, image):
        """Measure a (height, width, channels) picture; borders are mirrored."""
        return self._mapped(image, *self._matrices)

    def adjoint(self, measured):
        """Every measurement spread over the samples that it is a sum of."""
        return self._mapped(measured, *(matrix.T for matrix in self._matrices))

    @functools.cached_property
    def _matrices(self):
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
    def _mapped(image, down, across):
        planes = [(across @ (down @ plane).T).T for plane in np.moveaxis(image, 2, 0)]
        return np.stack(planes, axis=2)
