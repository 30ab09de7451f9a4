"""Updates of the atoms of a dictionary, and the sums over the patches that they need.

With the codes a fixed, the error sum |x - a D|^2 / 2 has the slope -S over the atoms, S =
sum a^T r of the residuals r = x - a D, and the curvature G = sum a^T a. The rules differ in how
much of the curvature they use before the atoms are rescaled to unit length:

- ``"ksvd"``: D <- D + w S / (diagonal of G). With w = 1 this is the approximate K-SVD of
  Rubinstein, Zibulevsky & Elad, Technion CS-2008-08, algorithm 5 (d_j along a_j^T E_j, one step
  towards the singular vector of Aharon, Elad & Bruckstein, "K-SVD: an algorithm for designing
  overcomplete dictionaries for sparse representation", IEEE TSP 54(11), 2006), of all atoms at
  once (Irofti & Dumitrescu, "GPU parallel implementation of the approximate K-SVD algorithm using
  OpenCL", EUSIPCO 2014): it reaches the same error as updating them one by one, and needs only S
  and G. Here w is `OVERSHOOT` times the step size that is optimal for the fixed codes along this
  direction (over-relaxation); the codes follow, and the error falls faster (Salakhutdinov & Roweis,
  "Adaptive overrelaxed bound optimization methods", ICML 2003). Below 2 the error of fixed codes
  never rises.
- ``"mod"``: D <- D + G^-1 S, the least squares fit. Engan, Aase & Husoy, "Method of optimal
  directions for frame design", ICASSP 1999.
- ``"online"``: G and D G + S are accumulated over small batches, with coordinate descent on the
  atoms after each. Mairal, Bach, Ponce & Sapiro, JMLR 11, 2010.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import learning as kernels
from restore.sparse.dictionary import Dictionary
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.sparse.coding import Codes


METHODS = ("ksvd", "mod", "online")

#: Two atoms with a larger correlation are duplicates; the later one is replaced.
DUPLICATE = 0.99

#: Patches whose sums are computed together on one thread, and bands whose sums are added up in
#: order first, which forms the unit of work of one machine.
BAND, CHUNK_BANDS = 4096, 16

Part = TypeVar("Part")

#: Step size of K-SVD, relative to the optimal step with fixed codes.
OVERSHOOT = 1.5


class Sums(NamedTuple):
    """The sums over patches and their codes that the rules need.

    Attributes
    ----------
    gram : (n_atoms, n_atoms) float64 ndarray
    slope : (n_atoms, patch_dim) float64 ndarray
    uses : (n_atoms,) int64 ndarray
    energy : float
        Of the residuals.
    count : int
        Patches.
    worst : (at most n_atoms, patch_dim) float32 ndarray
        The patches with the largest residuals, the worst first.
    energies : (at most n_atoms,) float32 ndarray
        Of the residuals of `worst`.
    """

    gram: np.ndarray
    slope: np.ndarray
    uses: np.ndarray
    energy: float
    count: int  # type: ignore[assignment]  # hides the method of tuples
    worst: np.ndarray
    energies: np.ndarray


def summed_here(
    patches: Floats,
    dictionary: Dictionary,
    code: Callable[[Floats, Dictionary], Codes],
    step: int = BAND,
    pool: Pool | None = None,
    stage: str | None = None,
) -> Sums:
    """The sums of patches, a (n_patches, patch_dim) float32 ndarray.

    Bands of `step` patches are added up to chunks, in order, and chunks in pairs. The order of
    summation depends only on the number of patches, not on threads or machines.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32 ndarray
    dictionary : Dictionary
    code : callable
        ``code(patches, dictionary) -> Codes``.
    step, pool, stage
        As for `restore.imaging.bands.map_bands`.

    Returns
    -------
    Sums
    """

    def summarise(band: slice) -> Sums:
        codes = code(patches[band], dictionary)
        energies = np.empty(len(patches[band]), np.float32)
        gram = np.zeros((dictionary.n_atoms, dictionary.n_atoms), np.float32)
        slope = np.zeros(dictionary.atoms.shape, np.float32)
        kernels.summarise(patches[band], *codes, dictionary.atoms, gram, slope, energies)
        used = codes.indices[np.arange(codes.indices.shape[1]) < codes.counts[:, None]]
        worst = _worst(energies, dictionary.n_atoms)
        return Sums(
            gram.astype(np.float64),
            slope.astype(np.float64),
            np.bincount(used, minlength=dictionary.n_atoms),
            float(energies.sum(dtype=np.float64)),
            len(energies),
            patches[band][worst],
            energies[worst],
        )

    parts = bands.map_bands(summarise, bands.slices(len(patches), step), pool, stage)
    chunks = iter(lambda: list(itertools.islice(parts, CHUNK_BANDS)), [])
    return pairwise((functools.reduce(add, chunk) for chunk in chunks), add)


def add(one: Sums, other: Sums) -> Sums:
    """The sums of the patches of both; those of `one` come first."""
    energies = np.concatenate([one.energies, other.energies])
    worst = _worst(energies, len(one.gram))
    return Sums(
        one.gram + other.gram,
        one.slope + other.slope,
        one.uses + other.uses,
        one.energy + other.energy,
        one.count + other.count,
        np.concatenate([one.worst, other.worst])[worst],
        energies[worst],
    )


def _worst(energies: Floats, count: int) -> Integers:
    return np.argsort(-energies, kind="stable")[:count]


def pairwise(parts: Iterable[Part], add: Callable[[Part, Part], Part]) -> Part:
    """Add parts up in pairs, then pairs of pairs, in an order that depends only on their number.

    Parameters
    ----------
    parts : iterable
        At least one; few are held at a time.
    add : callable
        ``add(part, next part)``.
    """
    # (number of pairings in each, total), with falling numbers
    totals: list[tuple[int, Part]] = []
    for part in parts:
        level = 0
        while totals and totals[-1][0] == level:
            part = add(totals.pop()[1], part)
            level += 1
        totals.append((level, part))
    total = totals.pop()[1]
    while totals:
        total = add(totals.pop()[1], total)
    return total


def updated(
    dictionary: Dictionary,
    sums: Sums,
    method: str = "ksvd",
    memory: list[Floats] | None = None,
    nonnegative: bool = False,
) -> Dictionary:
    """The dictionary after one update of its atoms.

    Parameters
    ----------
    dictionary : Dictionary
    sums : Sums
        Of patches that were coded over `dictionary`.
    method : {"ksvd", "mod", "online"}
    memory : list, optional
        Sums of ``"online"`` over the patches before these, changed in place; empty at first.
    nonnegative : bool
        Atoms have no negative samples; for ``"ksvd"``, which then updates them one by one.

    Returns
    -------
    Dictionary
    """
    atoms = dictionary.atoms.astype(np.float64)
    with bands.one_blas_thread:
        if method == "online":
            memory = [] if memory is None else memory
            _remember(memory, sums.gram, sums.slope, atoms)
            kernels.descend(memory[0], memory[1], atoms, False)
        elif nonnegative:
            kernels.descend(sums.gram, sums.slope + sums.gram @ atoms, atoms, True)
        else:
            update = {"ksvd": _ksvd, "mod": _mod}[method]
            atoms += update(sums.gram, sums.slope)
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    atoms = np.where(lengths > 0, atoms / np.where(lengths > 0, lengths, 1), dictionary.atoms)
    return _with_atoms(dictionary, atoms)


def _ksvd(gram: Floats, slope: Floats) -> Floats:
    curvature = np.diag(gram)[:, None]
    step = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature > 0)
    # the error is quadratic in the step size
    bend = np.sum(step * (gram @ step))
    return step * (OVERSHOOT * np.sum(step * slope) / bend if bend > 0 else 0)


def _mod(gram: Floats, slope: Floats) -> Floats:
    # unused atoms stay as they are; atoms that are always used together share the step
    return np.linalg.lstsq(gram, slope, rcond=1e-7)[0]


def _remember(memory: list[Floats], gram: Floats, slope: Floats, atoms: Floats) -> None:
    """sum a^T a and sum a^T x over the batches; the initial value weighs as one batch."""
    if not memory:
        guess = max(np.trace(gram) / len(gram), 1e-12)
        memory += [guess * np.eye(len(gram)), guess * atoms]
    memory[0] += gram
    memory[1] += slope
    memory[1] += gram @ atoms


def _with_atoms(dictionary: Dictionary, atoms: Floats) -> Dictionary:
    """The dictionary with other atoms, their largest components made positive."""
    largest = np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], axis=1)
    return Dictionary(atoms * np.sign(largest), dictionary.patch_shape, dictionary.provenance)


def replaced(
    dictionary: Dictionary, uses: Integers, worst: Floats, nonnegative: bool = False
) -> tuple[Dictionary, int]:
    """Replace unused and duplicate atoms by the worst approximated patches.

    Parameters
    ----------
    dictionary : Dictionary
    uses : (n_atoms,) int64 ndarray
        Patches that use each atom.
    worst : (n, patch_dim) float32 ndarray
        As in `Sums`.
    nonnegative : bool
        Set negative samples of the patches to 0.

    Returns
    -------
    dictionary : Dictionary
    count : int
        Atoms that were replaced.
    """
    atoms = dictionary.atoms.copy()
    with bands.one_blas_thread:
        overlaps = np.abs(np.tril(atoms @ atoms.T, -1))
    bad = np.flatnonzero((uses == 0) | (overlaps.max(axis=1) > DUPLICATE))
    bad, worst = bad[: len(worst)], np.maximum(worst, 0) if nonnegative else worst
    for j, patch in zip(bad, worst):
        length = np.linalg.norm(patch)
        if length > 0:
            atoms[j] = patch / length
    return _with_atoms(dictionary, atoms), len(bad)
