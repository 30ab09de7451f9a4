"""Sparse coding with coefficients that are not negative: matching pursuit by active sets.

    minimise |x - a D|^2   such that   a >= 0  and  |a|_0 <= sparsity

The atom of largest <d, r> > 0 joins the support, and least squares over the support is solved
again. If a coefficient would become negative, the code moves towards the solution only until the
first coefficient reaches 0, its atom leaves the support, and least squares is solved again. This is
the active-set method for non-negative least squares, stopped at the sparsity or tolerance.

References
----------
Lawson & Hanson, "Solving least squares problems", 1974, chapter 23; Bruckstein, Elad & Zibulevsky,
"On the uniqueness of nonnegative sparse solutions to underdetermined systems of equations", IEEE
TIT 54(11), 2008, section IV, for stopping early.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.pursuit import BLOCK, project
from restore.typing import Floats, Integers, Number

#: Atoms with less of their energy outside the support count as dependent on it, and correlations
#: below this share of the patch's norm as 0.
DEPENDENT, NONE = 1e-3, np.float32(1e-5)


@kernel
def pursue_nonnegative(
    patches: Floats,
    atoms_t: Floats,
    gram: Floats,
    tolerances: Floats,
    indices: Integers,
    coefficients: Floats,
    counts: Integers,
) -> bool:
    """Code every patch; see the module.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32
    atoms_t : (patch_dim, n_atoms) float32, unit columns
    gram : (n_atoms, n_atoms) float32
    tolerances : (n_patches,) float32, residual energy at which to stop
    indices : (n_patches, sparsity) int32, written
    coefficients : (n_patches, sparsity) float32, written
    counts : (n_patches,) int32, written

    Returns
    -------
    bool
        Whether the energies of all patches are finite, and so their samples.
    """
    n_patches, patch_dim = patches.shape
    sparsity = indices.shape[1]
    block = np.zeros((BLOCK, patch_dim), np.float32)
    projections = np.empty((BLOCK, gram.shape[0]), np.float32)
    solution = np.empty(sparsity)
    factor = np.empty((sparsity, sparsity))
    finite = True
    for start in range(0, n_patches, BLOCK):
        stop = min(start + BLOCK, n_patches)
        project(patches, start, stop, atoms_t, block, projections)
        for p in range(start, stop):
            energy = np.float32(0)
            for k in range(patch_dim):
                energy += patches[p, k] * patches[p, k]
            if not energy < np.float32(np.inf):
                finite = False
                continue
            counts[p] = _pursue(
                projections[p - start], gram, energy, tolerances[p],
                indices[p], coefficients[p], solution, factor,
            )  # fmt: skip
    return finite


@kernel
def _pursue(
    projection: Floats,
    gram: Floats,
    energy: Number,
    tolerance: Number,
    active: Integers,
    values: Floats,
    solution: Floats,
    factor: Floats,
) -> int:
    """Code one patch, and count its atoms."""
    sparsity, count, left = active.shape[0], 0, energy
    for _ in range(3 * sparsity):
        if count == sparsity or left <= tolerance:
            break
        chosen = _best(projection, gram, NONE * np.sqrt(energy), active, values, count)
        if chosen < 0:
            break
        active[count] = chosen
        values[count] = np.float32(0)
        count = _solved(projection, gram, active, values, count + 1, solution, factor)
        if count == 0 or active[count - 1] != chosen:  # it would only fit rounding errors
            break
        left = energy
        for t in range(count):
            left -= values[t] * projection[active[t]]
    for t in range(count, sparsity):
        active[t] = 0
        values[t] = np.float32(0)
    return count


@kernel
def _best(
    projection: Floats, gram: Floats, least: Number, active: Integers, values: Floats, count: int
) -> int:
    """The atom of largest correlation <d, r> = <d, x> - a G, the first of equals, or -1."""
    best = np.int32(-1)
    for j in range(projection.shape[0]):
        correlation, used = projection[j], False
        for t in range(count):
            correlation -= values[t] * gram[active[t], j]
            used |= active[t] == j
        if correlation > least and not used:
            least = correlation
            best = np.int32(j)
    return best


@kernel
def _solved(
    projection: Floats,
    gram: Floats,
    active: Integers,
    values: Floats,
    count: int,
    solution: Floats,
    factor: Floats,
) -> int:
    """Least squares over the support, without atoms that would be negative; their number.

    The newest atom, the last, is dropped if it is dependent.
    """
    while count > 0:
        if not _least_squares(projection, gram, active, count, solution, factor):
            return count - 1
        share, leaves = 1.0, -1
        for t in range(count):
            if solution[t] <= 0:
                reach = values[t] / (values[t] - solution[t]) if values[t] > 0 else 0.0
                if leaves < 0 or reach < share:
                    share, leaves = reach, t
        for t in range(count):
            values[t] += np.float32(share * (solution[t] - values[t]))
        if leaves < 0:
            return count
        for t in range(leaves, count - 1):
            active[t] = active[t + 1]
            values[t] = values[t + 1]
        count -= 1
    return count


@kernel
def _least_squares(
    projection: Floats, gram: Floats, active: Integers, count: int, solution: Floats, factor: Floats
) -> bool:
    """Solve G a = <d, x> over the support by Cholesky's factors; False if dependent."""
    for i in range(count):
        total = np.float64(projection[active[i]])
        for j in range(i):
            inner = np.float64(gram[active[i], active[j]])
            for k in range(j):
                inner -= factor[i, k] * factor[j, k]
            factor[i, j] = inner / factor[j, j]
            total -= factor[i, j] * solution[j]
        outside = np.float64(gram[active[i], active[i]])
        for k in range(i):
            outside -= factor[i, k] * factor[i, k]
        if outside < DEPENDENT:
            return False
        factor[i, i] = np.sqrt(outside)
        solution[i] = total / factor[i, i]
    for i in range(count - 1, -1, -1):
        for j in range(i + 1, count):
            solution[i] -= factor[j, i] * solution[j]
        solution[i] /= factor[i, i]
    return True
