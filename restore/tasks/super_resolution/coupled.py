"""Coupled dictionaries: the sparse code of a blurred patch also makes its missing detail.

Zeyde, Elad & Protter, "On single image scale-up using sparse-representations", Curves and
Surfaces 2010: the method that anchored regressions grew out of, kept to compare with.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

import restore
from restore.imaging import archive
from restore.imaging.bands import map_bands
from restore.imaging.resize import resize
from restore.sparse.coding import code
from restore.sparse.dictionary import Dictionary
from restore.sparse.dictionary_learning import learn_dictionary
from restore.tasks.super_resolution.cascade import bands_of, half, mirrored, principal

#: Side of a patch in pixels of the small picture, and atoms in its code.
SIDE, SPARSITY = 3, 3

#: Largest value of the maps and of the detail in a file; packaged ones stay below 1.
LARGEST = 100.0

#: Patches learned from, share of their features' energy that is kept, and turns of K-SVD.
PATCHES, KEPT, TURNS = 100_000, 0.999, 15


@dataclass(frozen=True, eq=False)
class CoupledDictionary:
    """Two dictionaries that share their codes.

    Attributes
    ----------
    scale : int
    projection : (n_features, 4 * (3 * scale)**2) float32 ndarray
        Maps the derivatives of a patch of the enlargement to its features.
    low : Dictionary
        Atoms of features.
    high : (n_atoms, (3 * scale)**2) float32 ndarray
        The detail that goes with each atom.
    provenance : dict
    """

    scale: int
    projection: np.ndarray
    low: Dictionary
    high: np.ndarray
    provenance: dict = field(default_factory=dict)
    #: How pictures became small that this enlarges.
    degradation = "bicubic"

    def save(self, file):
        """Write the dictionaries as ``.npz``."""
        arrays = {
            "projection": self.projection.astype(np.float16),
            "low": self.low.atoms,
            "high": self.high.astype(np.float16),
        }
        archive.write(file, "coupled dictionary", arrays, self.provenance)

    @classmethod
    def load(cls, file):
        """Read from a file, or the packaged dictionaries of a scale; errors as `Cascade.load`."""
        if isinstance(file, int):
            return _packaged(file)
        arrays, provenance, _ = archive.read(
            file, "coupled dictionary", {"projection": ("e", 2), "low": ("f", 2), "high": ("e", 2)}
        )
        projection, high = (arrays[name].astype(np.float32) for name in ("projection", "high"))
        scale = round(high.shape[1] ** 0.5 / SIDE)
        with archive.usable(file, "coupled dictionary"):
            if (
                not 2 <= scale <= 8
                or high.shape[1] != (SIDE * scale) ** 2
                or projection.shape[1] != 4 * high.shape[1]
                or not len(projection) <= projection.shape[1]
                or arrays["low"].shape != (len(high), len(projection))
            ):
                raise ValueError("its parts do not fit each other")
            archive.check_range("projection", projection, -LARGEST, LARGEST)
            archive.check_range("details", high, -LARGEST, LARGEST)
            archive.check_expansion("inner products of its atoms", 4 * len(high) ** 2, file)
            low = Dictionary(arrays["low"], (1, len(projection), 1))
        return cls(scale, projection, low, high, provenance)


@functools.cache
def _packaged(scale):
    return CoupledDictionary.load(archive.packaged_path(f"sr{scale}-ksvd"))


def derivatives(plane):
    """(height, width, 4) float32: first and second derivatives across and down."""
    padded = mirrored(plane, 2)
    across, down = padded[2:-2], padded[:, 2:-2]
    return np.stack(
        [
            across[:, 3:-1] - across[:, 1:-3],
            down[3:-1] - down[1:-3],
            across[:, 4:] / 2 - across[:, 2:-2] + across[:, :-4] / 2,
            down[4:] / 2 - down[2:-2] + down[:-4] / 2,
        ],
        axis=2,
    )


def patches_of(planes, scale, band, columns):
    """The overlapping patches around some rows of small pixels, one flat row each.

    Parameters
    ----------
    planes : (height, width, n) float32 array
        With a margin of `scale` on all sides.
    scale, columns : int
    band : slice
        Rows of the small picture.

    Returns
    -------
    (n_patches, n * (3 * scale)**2) float32 array
    """
    side = SIDE * scale
    rows = planes[band.start * scale : (band.stop - 1) * scale + side]
    views = np.lib.stride_tricks.sliding_window_view(rows, (side, side), axis=(0, 1))
    views = views[::scale, ::scale][:, :columns]
    return views.reshape(-1, planes.shape[2] * side * side)


def refine_coupled(coupled, small, large, threads=None, progress=None):
    """Add to `large` the detail of the patches' sparse codes; as `cascade.refine`."""
    rows, columns = small.shape
    scale, side = coupled.scale, SIDE * coupled.scale
    features = derivatives(mirrored(large, scale))
    width = large.shape[1] + 2 * scale

    def detail_of(band):
        signals = patches_of(features, scale, band, columns) @ coupled.projection.T
        codes = code(signals, coupled.low, SPARSITY, rule="omp", threads=1)
        patches = np.zeros((len(signals), side * side), np.float32)
        for indices, coefficients in zip(codes.indices.T, codes.coefficients.T, strict=True):
            patches += coefficients[:, None] * coupled.high[indices]
        patches = patches.reshape(-1, columns, side, side)
        detail = np.zeros(((len(patches) - 1) * scale + side, width), np.float32)
        for i in range(side):
            for j in range(side):
                bottom, right = i + len(patches) * scale, j + columns * scale
                detail[i:bottom:scale, j:right:scale] += patches[:, :, i, j]
        return detail

    bands = bands_of(rows, columns)
    refined = np.zeros_like(large, shape=(large.shape[0] + 2 * scale, width))
    for band, detail in zip(bands, map_bands(detail_of, bands, threads, progress, "adding detail")):
        refined[band.start * scale : (band.stop - 1) * scale + side] += detail
    for axis, count in enumerate((rows, columns)):
        cover = np.convolve(np.ones(count), np.ones(SIDE)).repeat(scale).astype(np.float32)
        refined /= cover[:, None] if axis == 0 else cover
    return large + refined[scale:-scale, scale:-scale]


def learn_coupled(pairs, scale, *, n_atoms=512, seed=0, threads=None, progress=None):
    """Learn coupled dictionaries.

    Parameters
    ----------
    pairs : list of ((h, w), (scale * h, scale * w)) float32 arrays
        Luminance, small and large: see `learning.shrunk`.
    scale, n_atoms, seed : int
    threads, progress : optional

    Returns
    -------
    CoupledDictionary
    """
    rng = np.random.default_rng(seed)
    share = 4 * PATCHES / sum(small.size for small, _ in pairs)
    drawn = []
    for small, large in pairs:
        rows, columns = small.shape
        enlarged = resize(small[..., None], *large.shape, threads)[..., 0]
        missing = mirrored(large - enlarged, scale)[..., None]
        planes = np.concatenate([derivatives(mirrored(enlarged, scale)), missing], axis=2)
        patches = patches_of(planes, scale, slice(0, rows), columns)
        drawn.append(patches[rng.random(len(patches)) < share])
    drawn = np.concatenate(drawn)
    size = (SIDE * scale) ** 2
    contrast = np.linalg.norm(drawn[:, : 4 * size], axis=1).astype(np.float64) + 1e-6
    drawn = drawn[
        rng.choice(len(drawn), min(PATCHES, len(drawn)), replace=False, p=contrast / contrast.sum())
    ]
    features, details = drawn[:, : 4 * size], drawn[:, 4 * size :]
    energies, axes = principal(features)
    n_features = int(np.searchsorted(np.cumsum(energies), KEPT * energies.sum())) + 1
    projection = half(axes[:, :n_features].T)
    signals = features @ projection.T
    low = learn_dictionary(
        signals, (1, n_features, 1), n_atoms, SPARSITY, rule="omp", start="data", iterations=TURNS,
        seed=seed, threads=threads, progress=progress,
    )  # fmt: skip
    codes = code(signals, low, SPARSITY, rule="omp", threads=threads)
    dense = np.zeros((len(signals), n_atoms))
    np.add.at(dense, (np.arange(len(signals))[:, None], codes.indices), codes.coefficients)
    gram = dense.T @ dense
    gram += 1e-6 * np.trace(gram) / n_atoms * np.eye(n_atoms)
    high = half(np.linalg.solve(gram, dense.T @ details))
    provenance = {
        "method": "coupled dictionaries by K-SVD",
        "pictures": len(pairs),
        "patches": len(signals),
        "seed": seed,
        "restore": restore.__version__,
    }
    return CoupledDictionary(scale, projection, low, high, provenance)
