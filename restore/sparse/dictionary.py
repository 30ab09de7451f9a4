"""Dictionaries: unit-norm atoms, their patch shape, and their provenance.

Throughout the package an atom is a *row* and a patch is a *row*: the literature's D (patch_dim x
n_atoms) and X are the transposes.
"""

from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass, field

import numpy as np

from restore.imaging import archive, bands, colour
from restore.typing import Array, File, Floats, Integers


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A set of atoms over patches of one shape.

    Attributes
    ----------
    atoms : (n_atoms, patch_dim) float32 ndarray
        Unit rows; the largest component of each is positive.
    patch_shape : (height, width, channels)
        `patch_dim` is their product; samples run in the order y, x, channel.
    provenance : dict
        What it was learned from, settings, seed, versions.

    Raises
    ------
    ValueError
        If atoms are not finite, not of unit norm, or do not fit `patch_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from restore import Dictionary
    >>> packaged = Dictionary.load("grey")
    >>> packaged.n_atoms, packaged.patch_shape
    (256, (8, 8, 1))
    >>> Dictionary(np.eye(5), (5, 1, 1)).coherence()
    0.0
    """

    atoms: np.ndarray
    patch_shape: tuple
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        # a copy, since it is frozen below and the caller's array must not be
        atoms = np.array(self.atoms, dtype=np.float32, order="C")
        patch_shape = tuple(int(side) for side in self.patch_shape)
        if atoms.ndim != 2 or 0 in atoms.shape:
            raise ValueError(f"expected atoms of shape (n_atoms, patch_dim), got {atoms.shape}")
        if len(patch_shape) != 3 or min(patch_shape) < 1 or patch_shape[2] not in (1, 3):
            raise ValueError(f"expected a patch shape (height, width, 1 or 3), got {patch_shape}")
        if math.prod(patch_shape) != atoms.shape[1]:
            raise ValueError(f"atoms of {atoms.shape[1]} samples do not fit {patch_shape} patches")
        if not np.isfinite(atoms).all():
            raise ValueError("atoms hold NaN or infinity")
        if np.abs(np.linalg.norm(atoms, axis=1) - 1).max() > 1e-3:
            raise ValueError("atoms are not of unit norm")
        atoms.flags.writeable = False
        object.__setattr__(self, "atoms", atoms)
        object.__setattr__(self, "patch_shape", patch_shape)

    @property
    def n_atoms(self) -> int:
        return self.atoms.shape[0]

    @property
    def patch_dim(self) -> int:
        return self.atoms.shape[1]

    @property
    def channels(self) -> int:
        return self.patch_shape[2]

    @functools.cached_property
    def atoms_t(self) -> Floats:
        """(patch_dim, n_atoms) float32: the atoms as columns, for projections."""
        return np.ascontiguousarray(self.atoms.T)

    @functools.cached_property
    def gram(self) -> Floats:
        """(n_atoms, n_atoms) float32: inner products of the atoms."""
        with bands.one_blas_thread:
            atoms = self.atoms.astype(np.float64)
            return (atoms @ atoms.T).astype(np.float32)

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of the atoms and their shape."""
        return bytes.fromhex(archive.digest(self._arrays()))

    def _arrays(self) -> dict[str, Array]:
        return {"atoms": self.atoms, "patch_shape": np.array(self.patch_shape, np.int32)}

    @property
    def uses(self) -> list[int] | None:
        """list of int: number of patches that used each atom in learning; None if not recorded."""
        uses = self.provenance.get("uses")
        if not isinstance(uses, list) or len(uses) != self.n_atoms:
            return None
        return uses if all(type(count) is int and 0 <= count < 1 << 62 for count in uses) else None

    @property
    def errors(self) -> list[float] | None:
        """list of float: RMSE in 8-bit levels by iteration of learning; None if not recorded."""
        errors = self.provenance.get("rmse_by_turn")
        if not isinstance(errors, list) or not all(type(error) is float for error in errors):
            return None
        return errors if all(0 <= error < 1e6 for error in errors) else None

    def coherence(self) -> float:
        """Largest ``|<d_i, d_j>|`` of two different atoms (Donoho & Elad 2003).

        Codes of fewer than ``(1 + 1 / coherence) / 2`` atoms are unique and found by OMP.
        """
        return float(np.abs(self.gram - np.eye(self.n_atoms)).max()) if self.n_atoms > 1 else 0.0

    def drawn(self) -> Floats:
        """(rows, columns, channels) float32: the `mosaic` of the atoms, the most used first."""
        order = np.argsort(-np.array(self.uses), kind="stable") if self.uses else None
        return mosaic(self.atoms, self.patch_shape, order)

    def _repr_png_(self) -> bytes:
        """The atoms as a picture, for notebooks."""
        import imagecodecs  # slow to import, and rarely needed

        return bytes(imagecodecs.png_encode(np.rint(255 * self.drawn()).astype(np.uint8)))

    def save(self, file: File) -> None:
        """Write the dictionary as ``.npz``.

        Parameters
        ----------
        file : path or binary file object
        """
        archive.write(file, "dictionary", self._arrays(), self.provenance)

    @classmethod
    def load(cls, file: File) -> Dictionary:
        """Read a dictionary, packaged (by name) or from a file.

        Parameters
        ----------
        file : str, path or binary file object
            ``"grey"`` and ``"colour"`` come with the package.

        Raises
        ------
        ValueError
            If it is not a dictionary, or atoms are not finite and of unit norm.
        TypeError
            If it is neither a name nor a file.
        OSError
            If there is no such file.
        """
        if isinstance(file, str) and file in PACKAGED:
            file = archive.packaged_path(file)
        elif isinstance(file, (str, os.PathLike)) and not os.path.exists(file):
            raise FileNotFoundError(
                f"there is no dictionary {file}: name a file, or one of {', '.join(PACKAGED)}"
            )
        elif not isinstance(file, (str, os.PathLike)) and not hasattr(file, "read"):
            raise TypeError(
                f"expected the name or the file of a dictionary, got {type(file).__name__}"
            )
        arrays, provenance, _ = archive.read(
            file, "dictionary", {"atoms": ("f", 2), "patch_shape": ("i", 1)}
        )
        n_atoms, patch_dim = arrays["atoms"].shape
        with archive.usable(file, "dictionary file"):
            if patch_dim > MOST_SAMPLES:
                raise ValueError(f"its patches have more than {MOST_SAMPLES} samples")
            archive.check_expansion("inner products of its atoms", 4 * n_atoms**2, file)
            return cls(arrays["atoms"], tuple(arrays["patch_shape"]), provenance)


#: Dictionaries that come with the package, learned from photos by `make dictionaries`.
PACKAGED = ("grey", "colour")

#: Maximum patch size of a dictionary read from a file: 64 x 64, with three channels.
MOST_SAMPLES = 3 << 12


def load_for(dictionary: Dictionary | File, channels: int) -> Dictionary:
    """A dictionary for pictures with this number of channels.

    Parameters
    ----------
    dictionary : Dictionary, str, path or binary file object
        As for `Dictionary.load`, or ``"learn"``: the packaged dictionary from which learning on a
        picture starts.
    channels : int

    Returns
    -------
    Dictionary

    Raises
    ------
    ValueError
        If its patches have another number of channels; and as `Dictionary.load`.
    """
    if dictionary == "learn":
        dictionary = "grey" if channels == 1 else "colour"
    if not isinstance(dictionary, Dictionary):
        dictionary = Dictionary.load(dictionary)
    if dictionary.channels != channels:
        has, needs = (("grey" if n == 1 else "colour") for n in (dictionary.channels, channels))
        raise ValueError(
            f"the dictionary is of {has} patches, and {needs} ones are coded here: take the one "
            f"named {needs}, or another of {needs} patches"
        )
    return dictionary


def mosaic(atoms: Array, patch_shape: tuple[int, ...], order: Integers | None = None) -> Floats:
    """Draw the atoms of a dictionary in rows, each stretched to the full range around grey.

    Parameters
    ----------
    atoms : (n_atoms, patch_dim) ndarray
    patch_shape : (height, width, channels)
    order : (n_atoms,) int ndarray, optional
        Order of the atoms, left to right and row by row.

    Returns
    -------
    (rows, columns, channels) float32 ndarray
    """
    if order is not None:
        atoms = atoms[order]
    height, width, channels = patch_shape
    across = int(np.ceil(np.sqrt(len(atoms) * height / width)))
    down = -(-len(atoms) // across)
    zoom = max(1, 32 // max(height, width))
    gap = max(1, zoom // 2)
    canvas = np.ones(
        (down * (height * zoom + gap) + gap, across * (width * zoom + gap) + gap, channels)
    )
    for number, atom in enumerate(atoms):
        tile = 0.5 + 0.5 * atom.reshape(patch_shape) / np.abs(atom).max()
        top = gap + number // across * (height * zoom + gap)
        left = gap + number % across * (width * zoom + gap)
        canvas[top : top + height * zoom, left : left + width * zoom] = tile.repeat(zoom, 0).repeat(
            zoom, 1
        )
    return canvas.astype(np.float32)


def overcomplete_dct(n_atoms: int, patch_shape: tuple[int, ...]) -> Dictionary:
    """Atoms of an overcomplete discrete cosine transform, the classic initial dictionary.

    Parameters
    ----------
    n_atoms : int
        A separable transform of the next square number of atoms is computed, and its lowest
        frequencies are kept; with three channels they are distributed over three orthonormal
        mixtures of the channels, half of them on the grey one.
    patch_shape : (height, width, channels)

    Returns
    -------
    Dictionary
        Of centred patches: all but the constant atoms have mean zero.

    References
    ----------
    Aharon, Elad & Bruckstein 2006, section VI-B.

    Examples
    --------
    >>> from restore.sparse import overcomplete_dct
    >>> overcomplete_dct(121, (8, 8, 1)).atoms.shape
    (121, 64)
    """
    height, width, channels = patch_shape
    if channels == 1:
        atoms = _separable_cosines(n_atoms, height, width)
        return Dictionary(atoms, patch_shape, {"method": "overcomplete DCT"})
    shares = (n_atoms - 2 * (n_atoms // 4), n_atoms // 4, n_atoms // 4)
    atoms = [
        np.kron(_separable_cosines(share, height, width), mixture)
        for share, mixture in zip(shares, colour.AXES[channels], strict=True)
    ]
    return Dictionary(np.concatenate(atoms), patch_shape, {"method": "overcomplete DCT"})


def _separable_cosines(n_atoms: int, height: int, width: int) -> Floats:
    """(n_atoms, height * width): products of cosines, the lowest frequencies first."""
    side = n_atoms if 1 in (height, width) else int(np.ceil(np.sqrt(n_atoms)))

    def cosines(length: int) -> tuple[Floats, Floats]:
        frequencies = np.arange(side if length > 1 else 1) / side
        waves = np.cos(np.pi * np.outer(frequencies, np.arange(length) + 0.5))
        waves[1:] -= waves[1:].mean(axis=1, keepdims=True)
        return frequencies, waves

    (down, rows), (across, columns) = cosines(height), cosines(width)
    atoms = np.einsum("ay,bx->abyx", rows, columns).reshape(-1, height * width)
    order = np.argsort(np.add.outer(down**2, across**2).ravel(), kind="stable")
    atoms = atoms[order[:n_atoms]]
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
