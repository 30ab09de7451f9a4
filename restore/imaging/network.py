"""A small network of two hidden layers, for estimates from measured features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restore.imaging import archive, bands
from restore.typing import File, Floats

ARRAYS = {
    "mean": ("f", 1),
    "scale": ("f", 1),
    "first": ("ef", 2),
    "second": ("ef", 2),
    "last": ("ef", 2),
}


@dataclass(frozen=True, eq=False)
class Network:
    """Weights: y = [r(r(x A) B), 1] C with x = [(features - mean) / scale, 1], r(v) = max(v, 0).

    Attributes
    ----------
    mean, scale : (n_features,) float32 ndarray
    first, second, last : (inputs + 1, outputs) float32 ndarray
        A, B and C; the last row is the bias.
    provenance : dict
    """

    mean: np.ndarray
    scale: np.ndarray
    first: np.ndarray
    second: np.ndarray
    last: np.ndarray
    provenance: dict

    def __post_init__(self) -> None:
        archive.freeze(self, ARRAYS)
        chain = [len(self.mean), *self.first.shape, *self.second.shape, *self.last.shape]
        fits = chain[1] == chain[0] + 1 and chain[3] == chain[2] + 1 and chain[5] == chain[4] + 1
        if not fits or self.scale.shape != self.mean.shape:
            raise ValueError(f"layers of {chain} inputs and outputs do not follow each other")

    def __call__(self, features: Floats) -> Floats:
        """Outputs (n, n_outputs) of features (n, n_features)."""
        values = (features - self.mean) / self.scale
        with bands.one_blas_thread:
            for layer in (self.first, self.second, self.last):
                values = values @ layer[:-1] + layer[-1]
                if layer is not self.last:
                    np.maximum(values, 0, out=values)
        return values

    def save(self, file: File, kind: str) -> None:
        """Write the weights as ``.npz`` of a kind, such as ``"noise map"``."""
        archive.write(file, kind, {name: getattr(self, name) for name in ARRAYS}, self.provenance)

    @classmethod
    def load(cls, file: File, kind: str, sizes: tuple[int | None, int]) -> Network:
        """Read weights from a file.

        Parameters
        ----------
        file : path or binary file object
        kind : str
        sizes : (int or None, int)
            Number of features that the network must take, any if None, and of outputs.

        Raises
        ------
        ValueError
            If it holds no usable weights.
        OSError
            If there is no such file.
        """
        arrays, provenance, _ = archive.read(file, kind, ARRAYS)
        with archive.usable(file, kind):
            for name, weights in arrays.items():
                archive.check_range(name, weights, -1e4, 1e4)
            archive.check_range("scale", arrays["scale"], 1e-6, 1e4)
            network = cls(**arrays, provenance=provenance)
            found = len(network.mean), network.last.shape[1]
            if any(size not in (None, own) for size, own in zip(sizes, found)):
                raise ValueError(f"it has {found[0]} features and {found[1]} outputs, not {sizes}")
            return network
