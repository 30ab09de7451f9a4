"""Learning a dictionary from patches: sparse coding and atom updates in turns.

With the codes a fixed, the error sum |x - a D|^2 / 2 has the slope -S over the atoms, S =
sum a^T r of the residuals r = x - a D, and the curvature G = sum a^T a. The rules differ in how
much of the curvature they heed before the atoms are brought back to unit length:

- ``"ksvd"``: D <- D + w S / (diagonal of G). With w = 1 this is the approximate K-SVD of
  Rubinstein, Zibulevsky & Elad, Technion CS-2008-08, algorithm 5 (d_j along a_j^T E_j, one step
  towards the singular vector of Aharon, Elad & Bruckstein, "K-SVD: an algorithm for designing
  overcomplete dictionaries for sparse representation", IEEE TSP 54(11), 2006), of all atoms at
  once (Irofti & Dumitrescu, "GPU parallel implementation of the approximate K-SVD algorithm using
  OpenCL", EUSIPCO 2014): it ends as low as in turns, and needs nothing of the patches but S and
  G. Here w is `OVERSHOOT` times what serves the fixed codes best along this direction; the codes
  follow, and the error falls faster (Salakhutdinov & Roweis, "Adaptive overrelaxed bound
  optimization methods", ICML 2003). Below 2 the error of fixed codes never rises.
- ``"mod"``: D <- D + G^-1 S, the least squares fit. Engan, Aase & Husoy, "Method of optimal
  directions for frame design", ICASSP 1999.
- ``"online"``: G and D G + S summed up over small batches, the atoms descended upon after each.
  Mairal, Bach, Ponce & Sapiro, JMLR 11, 2010.

One atom a patch (``sparsity=1``) makes any of them a gain-shape vector quantiser.
"""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.kernels import learning as kernels
from restore.sparse import coding
from restore.sparse import patches as patching
from restore.sparse.dictionary import Dictionary, overcomplete_dct

#: Two atoms closer than this are one; the later is replaced.
DUPLICATE = 0.99

#: Patches whose sums are taken together on one thread, and bands whose sums are added up in order
#: before those of others: what one machine may do alone.
BAND, CHUNK_BANDS = 4096, 16

#: Patches between two updates of the rules that do not wait for the end of a turn, and on a thread.
BATCH, BATCH_BAND = 2048, 512

#: How far K-SVD goes, in parts of the way to the least error with fixed codes.
OVERSHOOT = 1.5

METHODS = ("ksvd", "mod", "online")


class Rules(NamedTuple):
    """How a dictionary is learned; see the module.

    Attributes
    ----------
    method : {"ksvd", "mod", "online"}
        How atoms are updated.
    coder : {"ormp", "omp", "fista"}
        How patches are coded; the last with the l1 penalty that the tolerance stands for, see
        `l1_penalty`.
    """

    method: str = "ksvd"
    coder: str = "ormp"


BY_KSVD = Rules()


class Sums(NamedTuple):
    """What the rules need to know of patches and their codes.

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
        Those of the largest residuals, the worst first.
    energies : (at most n_atoms,) float32 ndarray
        Of the residuals of `worst`.
    """

    gram: np.ndarray
    slope: np.ndarray
    uses: np.ndarray
    energy: float
    count: int
    worst: np.ndarray
    energies: np.ndarray


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
    uses : (n_atoms,) int64 ndarray
        Patches that used each atom.
    """

    dictionary: Dictionary
    rmse: float
    sparsity: float
    replaced: int
    uses: np.ndarray


def learn_dictionary(
    patches,
    patch_shape,
    n_atoms=256,
    sparsity=None,
    tolerance=0.0,
    *,
    rules=BY_KSVD,
    start="dct",
    iterations=20,
    seed=0,
    pool=None,
):
    """Learn a dictionary in which the patches have sparse codes.

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
        First atoms: an overcomplete cosine transform, patches drawn at random, or another
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
    restore.sparse.estimators.KSVD : The same as an estimator of scikit-learn.

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
        if rules.method == "online":  # others tell how far they are within a turn
            bands.tell(pool, "learning", done, iterations)
    return learned


def learn_on(
    image, start, tolerance, *, n_atoms=None, known=None, sparsity=None, count=30_000,
    iterations=8, seed=0, pool=None,
):  # fmt: skip
    """Fit a dictionary to the patches of one picture by K-SVD.

    Parameters
    ----------
    image : (height, width, channels) float32 ndarray
    start : Dictionary
        Where the picture has fewer patches than atoms, nothing is learned beyond it.
    tolerance : float
        Residual energy of a patch at which it needs no more atoms. Patches of less teach nothing:
        their codes are empty.
    n_atoms : int, optional
        As many as `start` has by default.
    known : (height, width) bool ndarray, optional
        Patches that touch an unknown pixel are not learned on.
    sparsity : int, optional
        Most atoms a patch may use; a quarter of its samples by default.
    count : int
        At most so many patches are drawn.
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


def first_dictionary(patches, patch_shape, n_atoms, start="dct", seed=0):
    """The atoms that learning starts from; parameters as in `learn_dictionary`."""
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


def iterate(patches, dictionary, sparsity=None, tolerance=0.0, iterations=20, pool=None, *,
            rules=BY_KSVD):  # fmt: skip
    """The turns of learning, one at a time; parameters as in `learn_dictionary`.

    Yields
    ------
    Iteration
        Its dictionary continues the iteration where another run leaves off.
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


def batches(patches, method):
    """Cut `patches` into what `method` learns from between two updates of the atoms."""
    size = BATCH if method == "online" else len(patches)
    return (patches[batch] for batch in bands.slices(len(patches), size))


def learn_turn(patch_batches, dictionary, sparsity=None, tolerance=0.0, pool=None, *,
               rules=BY_KSVD, summed=None):  # fmt: skip
    """One turn over all patches.

    Parameters
    ----------
    patch_batches : iterable of (n, patch_dim) float32 ndarrays
        The atoms are updated after each; only one is held.
    dictionary, sparsity, tolerance, pool, rules
        As in `learn_dictionary`.
    summed : callable, optional
        In place of `summed_here`, for patches that are held elsewhere.

    Returns
    -------
    Iteration
    """
    if sparsity is None and not tolerance > 0:
        raise ValueError("give a sparsity (most atoms a patch) or a tolerance (residual energy)")
    if rules.method not in METHODS:
        raise ValueError(f"expected method {', '.join(METHODS)}, got {rules.method!r}")
    code = functools.partial(_code, sparsity=sparsity, tolerance=tolerance, coder=rules.coder)
    step, stage = (BATCH_BAND, None) if rules.method == "online" else (BAND, "learning")
    uses = np.zeros(dictionary.n_atoms, np.int64)
    energy, count, memory = 0.0, 0, []
    for patches in patch_batches:
        sums = (summed or summed_here)(patches, dictionary, code, step, pool, stage)
        uses += sums.uses
        energy += sums.energy
        count += sums.count
        dictionary = updated(dictionary, sums, rules.method, memory)
    if count == 0:
        raise ValueError("there are no patches to learn from")
    atoms = dictionary.atoms.copy()
    replaced = _replace(atoms, uses, sums.worst)
    return Iteration(
        _with_atoms(dictionary, atoms),
        float(np.sqrt(energy / count / dictionary.patch_dim)),
        float(uses.sum() / count),
        replaced,
        uses,
    )


def updated(dictionary, sums, method="ksvd", memory=None):
    """The dictionary after one update of its atoms.

    Parameters
    ----------
    dictionary : Dictionary
    sums : Sums
        Of patches that were coded over `dictionary`.
    method : {"ksvd", "mod", "online"}
    memory : list, optional
        What ``"online"`` knows of the patches before these, changed in place; empty at first.

    Returns
    -------
    Dictionary
    """
    atoms = dictionary.atoms.astype(np.float64)
    with bands.one_blas_thread:
        if method == "online":
            _remember(memory, sums.gram, sums.slope, atoms)
            kernels.descend(*memory, atoms)
        else:
            update = {"ksvd": _ksvd, "mod": _mod}[method]
            atoms += update(sums.gram, sums.slope)
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    atoms = np.where(lengths > 0, atoms / np.where(lengths > 0, lengths, 1), dictionary.atoms)
    return _with_atoms(dictionary, atoms)


def summed_here(patches, dictionary, code, step=BAND, pool=None, stage=None):
    """The sums of patches, a (n_patches, patch_dim) float32 ndarray.

    Bands of `step` patches are added up to chunks, in order, and chunks in pairs. What is added to
    what depends on the number of patches alone, and neither on threads nor on machines.

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

    def summarise(band):
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


def add(one, other):
    """The sums of the patches of both; those of `one` come first."""
    energies = np.concatenate([one.energies, other.energies])
    worst = _worst(energies, len(one.gram))
    totals = (mine + theirs for mine, theirs in zip(one[:5], other[:5]))
    return Sums(*totals, np.concatenate([one.worst, other.worst])[worst], energies[worst])


def _worst(energies, count):
    return np.argsort(-energies, kind="stable")[:count]


def pairwise(parts, add):
    """Add parts up in pairs, then pairs of pairs: an order that only their number decides.

    Parameters
    ----------
    parts : iterable
        At least one; few are held at a time.
    add : callable
        ``add(part, next part)``.
    """
    totals = []  # (how many pairings each is made of, total), of falling numbers
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


def _code(patches, dictionary, sparsity, tolerance, coder):
    if coder == "fista":
        penalty = l1_penalty(tolerance, dictionary)
        return coding.code_l1(patches, dictionary, penalty, pool=Pool(1))
    return coding.code(patches, dictionary, sparsity, tolerance, rule=coder, pool=Pool(1))


def l1_penalty(tolerance, dictionary):
    """The l1 penalty for noise of the energy `tolerance`: sigma sqrt(2 log n_atoms).

    Chen, Donoho & Saunders, "Atomic decomposition by basis pursuit", 2001, section 5.2.
    """
    if not tolerance > 0:
        raise ValueError("coding by an l1 penalty needs a tolerance (residual energy)")
    return float(np.sqrt(tolerance / dictionary.patch_dim * 2 * np.log(dictionary.n_atoms)))


def _ksvd(gram, slope):
    curvature = np.diag(gram)[:, None]
    step = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature > 0)
    # along the step the error is a parabola
    bend = np.sum(step * (gram @ step))
    return step * (OVERSHOOT * np.sum(step * slope) / bend if bend > 0 else 0)


def _mod(gram, slope):
    # atoms that no patch uses stay; those that are always used together share the step
    return np.linalg.lstsq(gram, slope, rcond=1e-7)[0]


def _remember(memory, gram, slope, atoms):
    """sum a^T a and sum a^T x over the batches, after a first guess that weighs as one batch."""
    if not memory:
        guess = max(np.trace(gram) / len(gram), 1e-12)
        memory += [guess * np.eye(len(gram)), guess * atoms]
    memory[0] += gram
    memory[1] += slope
    memory[1] += gram @ atoms


def _with_atoms(dictionary, atoms):
    """The dictionary with other atoms, their largest components made positive."""
    largest = np.take_along_axis(atoms, np.abs(atoms).argmax(axis=1)[:, None], axis=1)
    return Dictionary(atoms * np.sign(largest), dictionary.patch_shape, dictionary.provenance)


def _replace(atoms, uses, worst):
    """Replace unused and duplicate atoms, in place, by the worst approximated patches."""
    with bands.one_blas_thread:
        overlaps = np.abs(np.tril(atoms @ atoms.T, -1))
    bad = np.flatnonzero((uses == 0) | (overlaps.max(axis=1) > DUPLICATE))
    if len(bad) == 0:
        return 0
    bad = bad[: len(worst)]
    for j, patch in zip(bad, worst):
        length = np.linalg.norm(patch)
        if length > 0:
            atoms[j] = patch / length
    return len(bad)
