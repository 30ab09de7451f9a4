"""DCT blocks of a plane, and the choice of those with the least picture content."""

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.typing import Floats, Integers

#: Rows and columns of a block.
SIDE = 8

#: Frequencies u + v below this measure the picture content of a block; the others measure the
#: noise. The two are independent for white noise, so that choosing blocks by the former does not
#: bias the latter.
_SPLIT = 9

#: Frequencies from here to `_SPLIT` are the middle ones.
_MIDDLE = 5

#: Share of the blocks, those with the least picture content, on which the noise is measured.
_SHARE = 0.005

_FEWEST, _MOST = 256, 250_000

#: Blocks transformed at a time.
_BATCH = 16_384


class Blocks:
    """The DCT blocks of a plane, or a subset if there are more than `_MOST`.

    Attributes
    ----------
    energies : (n_blocks,) float32 ndarray
        In the low frequencies; infinite for unusable blocks, in which noise is clipped or samples
        are missing.
    means : (n_blocks,) float32 ndarray
    """

    def __init__(self, plane: Floats, pool: Pool | None = None) -> None:
        height, width = plane.shape
        if height < SIDE or width < SIDE:
            repeats = [(0, max(0, SIDE - side)) for side in plane.shape]
            plane = np.pad(plane, repeats, mode="symmetric")
        stride = max(1, int(np.sqrt(plane.size / _MOST)))
        windows = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))
        self._windows = windows[::stride, ::stride]
        places = np.arange(SIDE)
        transform = np.sqrt(2 / SIDE) * np.cos(np.pi / SIDE * np.outer(places, places + 0.5))
        transform[0] /= np.sqrt(2)
        self._basis = np.kron(transform, transform).T.astype(np.float32)
        frequency = np.add.outer(places, places).ravel()
        self._low, self.high = (frequency > 0) & (frequency < _SPLIT), frequency >= _SPLIT
        self.middle = self._low & (frequency >= _MIDDLE)
        known = np.isfinite(plane)
        lowest = plane.min(where=known, initial=np.inf)
        highest = plane.max(where=known, initial=-np.inf)

        rows, columns = self._windows.shape[:2]
        self.energies = np.full(rows * columns, np.inf, np.float32)
        self.means = np.zeros(rows * columns, np.float32)

        def look(band: slice) -> None:
            blocks = self._windows[band].reshape(-1, SIDE * SIDE)
            clipped = (blocks <= lowest) | (blocks >= highest)
            usable = np.isfinite(blocks).all(axis=1) & (clipped.mean(axis=1) < 0.05)
            spectra = blocks[usable] @ self._basis
            places = band.start * columns + np.flatnonzero(usable)
            self.energies[places] = np.square(spectra[:, self._low]).sum(axis=1)
            self.means[places] = spectra[:, 0] / SIDE

        bands.for_each(look, bands.slices(rows, max(1, _BATCH // columns)), pool)

    def flattest(self, share: float = _SHARE) -> Integers:
        """Indices of that share of the usable blocks with the least energy, at least `_FEWEST`."""
        usable = int(np.count_nonzero(np.isfinite(self.energies)))
        count = min(usable, max(_FEWEST, int(share * usable)))
        return np.argpartition(self.energies, max(count - 1, 0))[:count]

    def sigma(self) -> float:
        """Standard deviation of white noise, from the flattest blocks; 0 if there are none."""
        chosen = self.flattest()
        return float(np.sqrt(self.variance(chosen))) if len(chosen) else 0.0

    def variance(self, chosen: Integers) -> float:
        """Median over the high frequencies of the mean square in the blocks `chosen`."""
        return float(np.median(self.squares(chosen)[:, self.high].mean(axis=0)))

    def squares(self, chosen: Integers) -> Floats:
        """Energy of the blocks `chosen` at each cosine frequency: (blocks, frequencies) float64."""
        rows, columns = np.divmod(chosen, self._windows.shape[1])
        blocks = self._windows[rows, columns].reshape(-1, SIDE * SIDE)
        with bands.one_blas_thread:
            spectra = blocks @ self._basis
        return spectra.astype(np.float64) ** 2
