"""K-SVD: learning a dictionary from patches, sparse coding and atom updates in turns.

Aharon, Elad & Bruckstein, "K-SVD: an algorithm for designing overcomplete dictionaries
for sparse representation", IEEE TSP 54(11), 2006, with the approximate atom update and
the Gram-matrix coder of Rubinstein, Zibulevsky & Elad, Technion CS-2008-08.
"""

from typing import NamedTuple

import numpy as np

from restore import bands, coding
from restore.dictionary import Dictionary, overcomplete_dct
from restore.kernels import learning as kernels

#: Two atoms closer than this are one; the later is replaced.
DUPLICATE = 0.99


class Iteration(NamedTuple):
    """What one turn of learning gave.

    Attributes
    ----------
    dictionary : Dictionary
    rmse : float
        Root mean square error of the patches' approximation, in the patches' unit.
    sparsity : float
        Mean number of atoms a patch uses.
    replaced : int
        Unused or duplicate atoms that were replaced by badly approximated patches.
    """

    dictionary: Dictionary
    rmse: float
    sparsity: float
    replaced: int


def learn_dictionary(patches, patch_shape, n_atoms=256, sparsity=None, tolerance=0.0, *,
                     start="dct", iterations=20, seed=0, threads=None, progress=None):  # fmt: skip
    """Learn a dictionary in which the patches have sparse codes.

    Parameters
    ----------
    patches : (n_patches, patch_dim) array_like
        Usually centred: see `restore.patches.centre`.
    patch_shape : (height, width, channels)
    n_atoms : int
    sparsity : int, optional
        Most atoms a patch may use.
    tolerance : float
        Residual energy of a patch at which it needs no more atoms. One of `sparsity`
        and `tolerance` must be given.
    start : {"dct", "data"} or Dictionary
        First atoms: an overcomplete cosine transform, patches drawn at random, or another
        dictionary (cut, or filled up with patches, to `n_atoms`).
    iterations : int
    seed : int
    threads : int, optional
        The dictionary is the same for any number.
    progress : callable, optional
        ``progress(stage, done, total)``.

    Returns
    -------
    Dictionary

    Raises
    ------
    ValueError
        If there are fewer patches than atoms, they do not fit `patch_shape`, or neither
        `sparsity` nor `tolerance` is given.
    """
    patches = np.ascontiguousarray(patches, dtype=np.float32)
    first = first_dictionary(patches, patch_shape, n_atoms, start, seed)
    learned = first
    turns = iterate(patches, first, sparsity, tolerance, iterations, threads)
    for done, turn in enumerate(turns, start=1):
        learned = turn.dictionary
        if progress:
            progress("learning", done, iterations)
    return learned


def first_dictionary(patches, patch_shape, n_atoms, start="dct", seed=0):
    """The atoms that learning starts from; parameters as in `learn_dictionary`."""
    if patches.ndim != 2 or patches.shape[1] != np.prod(patch_shape):
        raise ValueError(f"patches of shape {patches.shape} are not {tuple(patch_shape)} patches")
    if isinstance(start, str) and start == "dct":
        return overcomplete_dct(n_atoms, patch_shape)
    if isinstance(start, Dictionary):
        if start.patch_shape != tuple(patch_shape):
            raise ValueError(
                f"the starting dictionary has patches {start.patch_shape}, not {tuple(patch_shape)}"
            )
        atoms = start.atoms[:n_atoms]
    elif start == "data":
        atoms = np.empty((0, patches.shape[1]), np.float32)
    else:
        raise ValueError(f"expected start 'dct', 'data' or a Dictionary, got {start!r}")
    missing = n_atoms - len(atoms)
    lengths = np.linalg.norm(patches, axis=1)
    usable = np.flatnonzero(lengths > 0)
    if len(usable) < missing:
        raise ValueError(f"{len(usable)} patches with content are too few for {n_atoms} atoms")
    drawn = np.random.default_rng(seed).choice(usable, missing, replace=False)
    atoms = np.concatenate([atoms, patches[drawn] / lengths[drawn, None]])
    return Dictionary(atoms, patch_shape)


def iterate(patches, dictionary, sparsity=None, tolerance=0.0, iterations=20, threads=None):
    """The turns of K-SVD, one at a time; parameters as in `learn_dictionary`.

    Yields
    ------
    Iteration
        Its dictionary continues the iteration where another run leaves off.
    """
    if sparsity is None and not tolerance > 0:
        raise ValueError("give a sparsity (most atoms a patch) or a tolerance (residual energy)")
    if len(patches) < dictionary.n_atoms:
        raise ValueError(f"{len(patches)} patches are too few for {dictionary.n_atoms} atoms")
    for _ in range(iterations):
        codes = coding.code(patches, dictionary, sparsity, tolerance, threads=threads)
        residuals = np.empty_like(patches)
        for _ in bands.map_bands(
            lambda band, codes=codes, residuals=residuals, dictionary=dictionary: np.subtract(
                patches[band],
                coding.reconstruct(coding.Codes(*(array[band] for array in codes)), dictionary),
                out=residuals[band],
            ),
            bands.slices(len(patches)),
            threads,
        ):
            pass
        atoms = dictionary.atoms.copy()
        starts, users, coefficients = _by_atom(codes, len(atoms))
        kernels.update_atoms(residuals, starts, users, coefficients, atoms)
        energies = np.einsum("pk,pk->p", residuals, residuals)
        replaced = _replace(atoms, np.diff(starts), patches, energies)
        signs = np.sign(np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], axis=1))
        dictionary = Dictionary(atoms * signs, dictionary.patch_shape, dictionary.provenance)
        yield Iteration(
            dictionary,
            float(np.sqrt(energies.mean(dtype=np.float64) / patches.shape[1])),
            float(codes.counts.mean()),
            replaced,
        )


def _by_atom(codes, n_atoms):
    """The codes turned over: for each atom the patches that use it and their coefficients."""
    used = np.arange(codes.indices.shape[1]) < codes.counts[:, None]
    atom = codes.indices[used]
    order = np.argsort(atom.astype(np.uint16), kind="stable")
    users = np.repeat(np.arange(len(codes.counts), dtype=np.int32), codes.counts)[order]
    starts = np.concatenate([[0], np.bincount(atom, minlength=n_atoms).cumsum()])
    return starts, users, codes.coefficients[used][order]


def _replace(atoms, uses, patches, energies):
    """Replace unused and duplicate atoms, in place, by the worst approximated patches."""
    with bands.one_blas_thread():
        overlaps = np.abs(np.tril(atoms @ atoms.T, -1))
    bad = np.flatnonzero((uses == 0) | (overlaps.max(axis=1) > DUPLICATE))
    worst = np.argsort(-energies, kind="stable")[: len(bad)]
    for j, patch in zip(bad, patches[worst], strict=True):
        length = np.linalg.norm(patch)
        if length > 0:
            atoms[j] = patch / length
    return len(bad)
