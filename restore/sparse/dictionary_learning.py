"""Learning a dictionary from patches, alternating sparse coding and atom updates.

`restore.sparse.atom_updates` has the equations of the updates. With one atom per patch
(``sparsity=1``) any of them learns a gain-shape vector quantiser.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.sparse import atom_updates, coding
from restore.sparse import patches as patching
from restore.sparse.atom_updates import Sums
from restore.sparse.coding import Codes
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from restore.typing import Flags, Floats

#: Patches between two updates of online learning, and patches per thread.
BATCH, BATCH_BAND = 2048, 512


class Rules(NamedTuple):
    """The rules by which a dictionary is learned.

    Attributes
    ----------
    method : {"ksvd", "mod", "online"}
        How atoms are updated.
    coder : {"ormp", "omp", "fista"}
        How patches are coded; the last with the l1 penalty that corresponds to the tolerance, see
        `l1_penalty`.
    nonnegative : bool
        Atoms and coefficients are not negative: patches, which are then not centred, are sums of
        atoms as their parts. For the method ``"ksvd"``.

    References
    ----------
    Hoyer, "Non-negative sparse coding", IEEE NNSP 2002, :doi:`10.1109/NNSP.2002.1030067`;
    Aharon, Elad & Bruckstein, "K-SVD and its non-negative variant for dictionary design", SPIE
    5914, 2005, :doi:`10.1117/12.613878`.

    Examples
    --------
    >>> from restore import Rules
    >>> Rules(method="mod")
    Rules(method='mod', coder='ormp', nonnegative=False)
    """

    method: Literal["ksvd", "mod", "online"] = "ksvd"
    coder: Literal["ormp", "omp", "fista"] = "ormp"
    nonnegative: bool = False


BY_KSVD = Rules()


class Iteration(NamedTuple):
    """The result of one iteration of learning.

    Attributes
    ----------
    dictionary : Dictionary
    rmse : float
        Root mean square error of the patches' approximation, in the patches' unit.
    sparsity : float
        Mean number of atoms per patch.
    replaced : int
        Unused or duplicate atoms that were replaced by badly approximated patches.
    uses : (n_atoms,) int64 ndarray
        Patches that used each atom.
    """

    dictionary: Dictionary
    rmse: float
    sparsity: float
    replaced: int
    uses: np.ndarray


def learn_dictionary(
    patches: ArrayLike,
    patch_shape: tuple[int, ...],
    n_atoms: int = 256,
    sparsity: int | None = None,
    tolerance: float = 0.0,
    *,
    rules: Rules = BY_KSVD,
    start: str | Dictionary = "dct",
    iterations: int = 20,
    seed: int = 0,
    pool: Pool | None = None,
) -> Dictionary:
    """Learn a dictionary over which the patches have sparse codes.

    Parameters
    ----------
    patches : (n_patches, patch_dim) array_like
        Usually centred: see `restore.sparse.patches.centre`.
    patch_shape : (height, width, channels)
    n_atoms : int
    sparsity : int, optional
        Most atoms a patch may use.
    tolerance : float
        Residual energy of a patch at which it needs no more atoms. One of `sparsity`
        and `tolerance` must be given.
    rules : Rules
        How atoms are updated and patches coded.
    start : {"dct", "data"} or Dictionary
        Initial atoms: an overcomplete cosine transform, patches drawn at random, or another
        dictionary (cut, or filled up with patches, to `n_atoms`).
    iterations : int
    seed : int
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    Dictionary

    Raises
    ------
    ValueError
        If there are fewer patches than atoms, they do not fit `patch_shape`, or neither
        `sparsity` nor `tolerance` is given.

    See Also
    --------
    restore.sparse.KSVD : The same as an estimator of scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from skimage import data
    >>> from restore.sparse import code, learn_dictionary, patches, reconstruct
    >>> picture = (data.camera() / 255).astype(np.float32)[..., None]
    >>> drawn = patches.sample(picture, (6, 6, 1), 4000)
    >>> means = patches.centre(drawn, channels=1)
    >>> dictionary = learn_dictionary(drawn, (6, 6, 1), 64, sparsity=4)
    >>> told = reconstruct(code(drawn, dictionary, sparsity=4), dictionary)
    >>> bool(np.std(drawn - told) < 0.4 * np.std(drawn))
    True
    """
    patches = np.ascontiguousarray(patches, dtype=np.float32)
    first = first_dictionary(patches, patch_shape, n_atoms, start, seed)
    turns = iterate(patches, first, sparsity, tolerance, iterations, pool, rules=rules)
    learned = first
    for done, turn in enumerate(turns, start=1):
        learned = turn.dictionary
        if rules.method == "online":  # the other methods report progress within an iteration
            bands.tell(pool, "learning", done, iterations)
    return learned


def learn_on(
    image: Floats,
    start: Dictionary,
    tolerance: float,
    *,
    n_atoms: int | None = None,
    known: Flags | None = None,
    sparsity: int | None = None,
    count: int = 30_000,
    iterations: int = 8,
    seed: int = 0,
    pool: Pool | None = None,
) -> Dictionary:
    """Fit a dictionary to the patches of one picture by K-SVD.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    start : Dictionary
        If the picture has fewer patches than atoms, it is returned unchanged.
    tolerance : float
        Residual energy of a patch at which it needs no more atoms. Patches with less energy have
        empty codes and do not contribute.
    n_atoms : int, optional
        As many as `start` has by default.
    known : (height, width) bool ndarray, optional
        Patches that touch an unknown pixel are not learned on.
    sparsity : int, optional
        Most atoms a patch may use; a quarter of its samples by default.
    count : int
        Maximum number of patches to draw.
    iterations, seed, pool
        As in `learn_dictionary`.

    Returns
    -------
    Dictionary
    """
    shape, n_atoms = start.patch_shape, n_atoms or start.n_atoms
    patches = patching.sample(image, shape, count, seed, known)
    patching.centre(patches, start.channels)
    patches = patches[np.einsum("pk,pk->p", patches, patches) > tolerance]
    if len(patches) < n_atoms:
        return first_dictionary(patches, shape, n_atoms, start, seed)
    return learn_dictionary(
        patches, shape, n_atoms, sparsity or start.patch_dim // 4, tolerance, start=start,
        iterations=iterations, seed=seed, pool=pool,
    )  # fmt: skip


def first_dictionary(
    patches: Floats,
    patch_shape: tuple[int, ...],
    n_atoms: int,
    start: str | Dictionary = "dct",
    seed: int = 0,
) -> Dictionary:
    """The initial atoms; parameters as in `learn_dictionary`."""
    if len(patch_shape) != 3 or min(patch_shape) < 1 or patch_shape[2] not in (1, 3):
        raise ValueError(f"expected a patch shape (height, width, 1 or 3), got {patch_shape}")
    if patches.ndim != 2 or patches.shape[1] != np.prod(patch_shape):
        raise ValueError(f"patches of shape {patches.shape} are not {tuple(patch_shape)} patches")
    if n_atoms < 1:
        raise ValueError(f"n_atoms is 1 or more, not {n_atoms}")
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


def iterate(
    patches: Floats,
    dictionary: Dictionary,
    sparsity: int | None = None,
    tolerance: float = 0.0,
    iterations: int = 20,
    pool: Pool | None = None,
    *,
    rules: Rules = BY_KSVD,
) -> Iterator[Iteration]:
    """The iterations of learning, one at a time; parameters as in `learn_dictionary`.

    Yields
    ------
    Iteration
        Another run can continue from its dictionary.
    """
    if len(patches) < dictionary.n_atoms:
        raise ValueError(f"{len(patches)} patches are too few for {dictionary.n_atoms} atoms")
    for number in range(iterations):
        turn = learn_turn(
            batches(patches, rules.method), dictionary, sparsity, tolerance,
            bands.part(pool, number, iterations), rules=rules,
        )  # fmt: skip
        dictionary = turn.dictionary
        yield turn


def batches(patches: Floats, method: str) -> Iterable[Floats]:
    """Split `patches` into batches, one for each update of the atoms by `method`."""
    size = BATCH if method == "online" else len(patches)
    return (patches[batch] for batch in bands.slices(len(patches), size))


def learn_turn(
    patch_batches: Iterable[Floats],
    dictionary: Dictionary,
    sparsity: int | None = None,
    tolerance: float = 0.0,
    pool: Pool | None = None,
    *,
    rules: Rules = BY_KSVD,
    summed: Callable[..., Sums] | None = None,
) -> Iteration:
    """One iteration over all patches.

    Parameters
    ----------
    patch_batches : iterable of (n, patch_dim) float32 ndarrays
        The atoms are updated after each; only one is held.
    dictionary, sparsity, tolerance, pool, rules
        As in `learn_dictionary`.
    summed : callable, optional
        In place of `restore.sparse.atom_updates.summed_here`, for patches that are held elsewhere.

    Returns
    -------
    Iteration
    """
    if sparsity is None and not tolerance > 0:
        raise ValueError("give a sparsity (most atoms a patch) or a tolerance (residual energy)")
    if rules.method not in atom_updates.METHODS:
        raise ValueError(f"expected method {', '.join(atom_updates.METHODS)}, got {rules.method!r}")
    if rules.nonnegative:
        if rules.method != "ksvd":
            raise ValueError(f"non-negative atoms are updated by ksvd, not {rules.method}")
        dictionary = without_negative(dictionary)
    code = functools.partial(_code, sparsity=sparsity, tolerance=tolerance, rules=rules)
    step, stage = (
        (BATCH_BAND, None) if rules.method == "online" else (atom_updates.BAND, "learning")
    )
    uses = np.zeros(dictionary.n_atoms, np.int64)
    memory: list[Floats] = []
    energy, count = 0.0, 0
    for patches in patch_batches:
        sums = (summed or atom_updates.summed_here)(patches, dictionary, code, step, pool, stage)
        uses += sums.uses
        energy += sums.energy
        count += sums.count
        dictionary = atom_updates.updated(dictionary, sums, rules.method, memory, rules.nonnegative)
    if count == 0:
        raise ValueError("there are no patches to learn from")
    dictionary, replaced = atom_updates.replaced(dictionary, uses, sums.worst, rules.nonnegative)
    return Iteration(
        dictionary,
        float(np.sqrt(energy / count / dictionary.patch_dim)),
        float(uses.sum() / count),
        replaced,
        uses,
    )


def without_negative(dictionary: Dictionary) -> Dictionary:
    """Set the negative samples of the atoms to 0 and rescale the atoms to unit length.

    Raises
    ------
    ValueError
        If an atom has no positive samples.
    """
    atoms = np.maximum(dictionary.atoms, 0)
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("an atom has no sample above 0: start from others")
    return Dictionary(atoms / lengths, dictionary.patch_shape, dictionary.provenance)


def _code(
    patches: Floats, dictionary: Dictionary, sparsity: int | None, tolerance: float, rules: Rules
) -> Codes:
    nonnegative, pool = rules.nonnegative, Pool(1)
    if rules.coder == "fista":
        penalty = l1_penalty(tolerance, dictionary)
        return coding.code_l1(patches, dictionary, penalty, nonnegative=nonnegative, pool=pool)
    return coding.code(
        patches, dictionary, sparsity, tolerance, rule=rules.coder, nonnegative=nonnegative,
        pool=pool,
    )  # fmt: skip


def l1_penalty(tolerance: float, dictionary: Dictionary) -> float:
    """The l1 penalty for noise of the energy `tolerance`: sigma sqrt(2 log n_atoms).

    Chen, Donoho & Saunders, "Atomic decomposition by basis pursuit", 2001, section 5.2.
    """
    if not tolerance > 0:
        raise ValueError("coding by an l1 penalty needs a tolerance (residual energy)")
    return float(np.sqrt(tolerance / dictionary.patch_dim * 2 * np.log(dictionary.n_atoms)))
