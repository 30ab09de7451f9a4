"""Sparse coding: Batch-OMP over a Gram matrix, and reconstruction.

Atoms and patches are rows here; the literature's D and X are the transposes.
A patch x is approximated as the sum of its chosen atoms times their coefficients,

    minimise |x - a D|^2   such that   |a|_0 <= sparsity,

stopping as soon as the residual energy is at most the patch's tolerance. Two rules
choose the next atom: plain OMP takes the largest |<d, r>|; ORMP (order-recursive
matching pursuit) divides it by the norm of the part of d outside the support, which
is the atom that lowers the residual most.

Each step makes one pass over all atoms: while the newest direction is projected out of them, the
next one is chosen in the same registers, and without a division, since a / b > c / d if a d > c b.

References
----------
Rubinstein, Zibulevsky & Elad, "Efficient implementation of the K-SVD algorithm using
batch orthogonal matching pursuit", Technion CS-2008-08, algorithm 2 (Gram matrix).
Gharavi-Alkhansari & Huang, "A fast orthogonal matching pursuit algorithm", ICASSP 1998,
and Cotter et al., "Forward sequential algorithms for best basis selection", 1999 (ORMP).
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.lanes import (
    LANES,
    if_greater,
    index_of_highest,
    load,
    padded,
    splat,
    store,
)
from restore.typing import Floats, Integers, Number

#: Patches projected on all atoms in one matrix product. The size is fixed and the last
#: block padded, so that all products are of one shape.
BLOCK = 512

#: Atoms with less of their energy outside the support count as dependent on it. Each such atom
#: would amplify the rounding errors of float32 by the root of the inverse.
DEPENDENT = np.float32(0.01)

ZERO, ONE, NEVER = np.float32(0), np.float32(1), np.float32(np.inf)


@kernel
def begin(correlation: Floats, spare: Floats) -> int:
    """Index of the atom of largest <d, x>^2, with an empty support.

    The lowest index among equals; beyond the atoms if no correlation differs from 0.
    """
    best = splat(ZERO)
    blocks = splat(np.int32(correlation.shape[0]))
    for j in range(0, correlation.shape[0], LANES):
        store(splat(ONE), spare, j)
        inner = load(correlation, j)
        gain = inner * inner
        blocks = if_greater(gain, best, splat(np.int32(j)), blocks)
        best = if_greater(gain, best, gain, best)
    return index_of_highest(best, blocks)


@kernel
def _take(
    chosen: int,
    count: int,
    correlation: Floats,
    spare: Floats,
    directions: Floats,
    factor: Floats,
    steps: Floats,
) -> Number:
    """Add an atom to the support: its row of the triangular factor and its step <q, x>.

    The diagonal holds one over the length of its part outside the support.
    """
    inverse = ONE / np.sqrt(spare[chosen])
    for k in range(count):
        factor[count, k] = directions[k, chosen]
    factor[count, count] = inverse
    steps[count] = correlation[chosen] * inverse
    return steps[count] * steps[count]


@kernel
def _continue(
    row: Floats,
    count: int,
    correlation: Floats,
    spare: Floats,
    directions: Floats,
    factor: Floats,
    steps: Floats,
    normalise: bool,
) -> int:
    """Project the newest direction q = (I - P) d_i / |(I - P) d_i| out of every atom; choose again.

    Gram-Schmidt on the Gram matrix, `row` being row i of it and q_k the earlier directions:
    <q, d_j> = (<d_i, d_j> - sum_k <q_k, d_i> <q_k, d_j>) / |(I - P) d_i|; then
    correlation_j -= <q, x> <q, d_j> and spare_j -= <q, d_j>^2. The next atom is that of
    largest correlation_j^2 / spare_j (ORMP) or correlation_j^2 (OMP), unless dependent;
    the lowest index among equals, beyond the atoms if there is none.
    """
    direction, taken = directions[count], factor[count]
    inverse, step = taken[count], steps[count]
    best, size = splat(ZERO), splat(ONE)
    blocks = splat(np.int32(row.shape[0]))
    for j in range(0, row.shape[0], LANES):
        component = load(row, j)
        for k in range(count):
            component -= taken[k] * load(directions[k], j)
        component *= inverse
        store(component, direction, j)
        inner = load(correlation, j) - step * component
        store(inner, correlation, j)
        outside = load(spare, j) - component * component
        store(outside, spare, j)
        divisor = outside if normalise else splat(ONE)
        divisor = if_greater(outside, splat(DEPENDENT), divisor, splat(NEVER))
        best, size, blocks = better(inner * inner, divisor, j, best, size, blocks)
    return index_of_highest(best / size, blocks)


@kernel
def better(
    gain: Floats, divisor: Floats, j: int, best: Floats, size: Floats, blocks: Integers
) -> tuple[Floats, Floats, Integers]:
    """The larger of gain / divisor and best / size by lane, and its index; no division."""
    left, right = gain * size, best * divisor
    blocks = if_greater(left, right, splat(np.int32(j)), blocks)
    size = if_greater(left, right, divisor, size)
    return if_greater(left, right, gain, best), size, blocks


@kernel
def back_substitute(count: int, factor: Floats, steps: Floats, coefficients: Floats) -> None:
    """Back-substitution: coefficients of the atoms from the steps along the directions."""
    for t in range(count - 1, -1, -1):
        coefficients[t] = steps[t] * factor[t, t]
        for k in range(t):
            steps[k] -= coefficients[t] * factor[t, k]


@kernel
def pursue(
    patches: Floats,
    atoms_t: Floats,
    gram: Floats,
    tolerances: Floats,
    normalise: bool,
    indices: Integers,
    coefficients: Floats,
    counts: Integers,
) -> bool:
    """Batch-OMP, with the ORMP rule if `normalise`, over unit-norm atoms (see the module).

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32
    atoms_t : (patch_dim, n_atoms) float32, unit columns
    gram : (n_atoms, n_atoms) float32
    tolerances : (n_patches,) float32, residual energy at which to stop
    normalise : bool
    indices : (n_patches, sparsity) int32, written
    coefficients : (n_patches, sparsity) float32, written
    counts : (n_patches,) int32, written

    Returns
    -------
    bool
        Whether the energies of all patches are finite, and so their samples.
    """
    n_patches, patch_dim = patches.shape
    n_atoms = gram.shape[0]
    sparsity = indices.shape[1]
    # zero atoms fill the last lanes: their correlation is 0 and they are never chosen
    width = padded(n_atoms)
    rows, columns = widened(gram, width), widened(atoms_t, width)
    block = np.zeros((BLOCK, patch_dim), np.float32)
    projections = np.empty((BLOCK, width), np.float32)
    spare = np.empty(width, np.float32)
    directions = np.empty((sparsity, width), np.float32)
    factor = np.zeros((sparsity, sparsity), np.float32)
    steps = np.empty(sparsity, np.float32)
    finite = True
    for start in range(0, n_patches, BLOCK):
        stop = min(start + BLOCK, n_patches)
        project(patches, start, stop, columns, block, projections)
        for p in range(start, stop):
            residual = _energy(patches[p])
            finite &= residual < NEVER
            correlation = projections[p - start]
            chosen = begin(correlation, spare)
            count = 0
            while chosen < n_atoms and residual > tolerances[p]:
                indices[p, count] = chosen
                residual -= _take(chosen, count, correlation, spare, directions, factor, steps)
                count += 1
                if count == sparsity or residual <= tolerances[p]:
                    break
                chosen = _continue(
                    rows[chosen], count - 1, correlation, spare,
                    directions, factor, steps, normalise,
                )  # fmt: skip
            back_substitute(count, factor, steps, coefficients[p])
            counts[p] = count
    return finite


@kernel
def project(
    patches: Floats, start: int, stop: int, columns: Floats, block: Floats, projections: Floats
) -> None:
    """Inner products of the patches of a block and the columns; the last block is padded."""
    if stop - start == BLOCK:
        np.dot(patches[start:stop], columns, projections)
    else:
        for p in range(start, stop):
            for k in range(patches.shape[1]):
                block[p - start, k] = patches[p, k]
        np.dot(block, columns, projections)


@kernel
def widened(matrix: Floats, width: int) -> Floats:
    """`matrix` with columns of zeros up to `width`."""
    wide = np.zeros((matrix.shape[0], width), np.float32)
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            wide[i, j] = matrix[i, j]
    return wide


@kernel(reorder=True)
def _energy(patch: Floats) -> Number:
    total = np.float32(0)
    for k in range(patch.shape[0]):
        total += patch[k] * patch[k]
    return total


@kernel
def reconstruct(
    indices: Integers, coefficients: Floats, counts: Integers, atoms: Floats, patches: Floats
) -> None:
    """x = sum_i a_i d_i for every patch: the codes times the dictionary, written to `patches`."""
    patch_dim = atoms.shape[1]
    for p in range(counts.shape[0]):
        patch = patches[p]
        for k in range(patch_dim):
            patch[k] = np.float32(0)
        for t in range(counts[p]):
            atom = atoms[indices[p, t]]
            coefficient = coefficients[p, t]
            for k in range(patch_dim):
                patch[k] += coefficient * atom[k]
