"""Dictionary learning: the sums that all rules need, and the online rule."""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Integers

#: Atoms updated between two matrix products.
BLOCK = 16


@kernel
def summarise(
    patches: Floats,
    indices: Integers,
    coefficients: Floats,
    counts: Integers,
    atoms: Floats,
    gram: Floats,
    slope: Floats,
    energies: Floats,
) -> None:
    """Sums over the patches x with codes a and residuals r = x - a D.

        gram += a^T a,   slope += a^T r,   energies_p = |r|^2

    The slope is the steepest descent of sum |x - a D|^2 / 2 over D, and the gram its
    curvature: what K-SVD and the method of optimal directions differ in
    is how much of the curvature they use (see `restore.sparse.atom_updates`).

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32
    indices : (n_patches, sparsity) int32
    coefficients : (n_patches, sparsity) float32
    counts : (n_patches,) int32
    atoms : (n_atoms, patch_dim) float32
    gram : (n_atoms, n_atoms) float32, added to
    slope : (n_atoms, patch_dim) float32, added to
    energies : (n_patches,) float32, written
    """
    n_patches, patch_dim = patches.shape
    residual = np.empty(patch_dim, np.float32)
    for p in range(n_patches):
        for k in range(patch_dim):
            residual[k] = patches[p, k]
        for t in range(counts[p]):
            atom = atoms[indices[p, t]]
            a = coefficients[p, t]
            for k in range(patch_dim):
                residual[k] -= a * atom[k]
        energy = np.float32(0)
        for k in range(patch_dim):
            energy += residual[k] * residual[k]
        energies[p] = energy
        for t in range(counts[p]):
            i = indices[p, t]
            a = coefficients[p, t]
            row = slope[i]
            for k in range(patch_dim):
                row[k] += a * residual[k]
            for u in range(counts[p]):
                gram[i, indices[p, u]] += a * coefficients[p, u]


@kernel
def descend(gram: Floats, cross: Floats, atoms: Floats, nonnegative: bool) -> None:
    """One sweep of block coordinate descent over the atoms, in place.

        d_j <- d_j + (b_j - a_j D) / a_jj,   d_j <- d_j / |d_j|

    with a = sum of a^T a and b = sum of a^T x over all patches so far. Mairal, Bach, Ponce &
    Sapiro, "Online learning for matrix factorization and sparse coding", JMLR 11, 2010,
    algorithm 2. An atom that no patch has used yet (a_jj = 0) stays. For non-negative atoms,
    negative samples are set to 0 before the atom is rescaled to unit length, which is optimal with
    the other atoms and the codes fixed: Aharon, Elad & Bruckstein, "K-SVD and its non-negative
    variant for dictionary design", SPIE 5914, 2005, section 4.

    Parameters
    ----------
    gram : (n_atoms, n_atoms) float64
    cross : (n_atoms, patch_dim) float64
    atoms : (n_atoms, patch_dim) float64, updated
    nonnegative : bool
    """
    n_atoms, patch_dim = atoms.shape
    change = np.empty(patch_dim)
    for start in range(0, n_atoms, BLOCK):
        stop = min(start + BLOCK, n_atoms)
        # b - a D of a block of atoms is a matrix product, then updated with every change
        slope = np.dot(gram[start:stop], atoms)
        for j in range(start, stop):
            for k in range(patch_dim):
                slope[j - start, k] = cross[j, k] - slope[j - start, k]
        for j in range(start, stop):
            if not gram[j, j] > 0:
                continue
            length = 0.0
            for k in range(patch_dim):
                change[k] = atoms[j, k] + slope[j - start, k] / gram[j, j]
                if nonnegative and change[k] < 0:
                    change[k] = 0.0
                length += change[k] * change[k]
            if not length > 0:
                continue
            for k in range(patch_dim):
                updated = change[k] / np.sqrt(length)
                change[k] = updated - atoms[j, k]
                atoms[j, k] = updated
            for i in range(j + 1, stop):
                for k in range(patch_dim):
                    slope[i - start, k] -= gram[i, j] * change[k]
