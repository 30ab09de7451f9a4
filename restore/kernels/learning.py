"""Atom updates for dictionary learning."""

import numpy as np

from restore.kernels.jit import kernel


@kernel
def update_atoms(residuals, starts, users, coefficients, atoms):
    """One sweep of the approximate K-SVD over all atoms, in place.

    For atom d_j with its users I (the patches whose codes hold it), g their coefficients
    and E = R_I + g d_j the error without it, one alternation of a rank-one fit:

        d_j <- g^T E / |g^T E|,   g <- E d_j.

    Rubinstein, Zibulevsky & Elad, Technion CS-2008-08, algorithm 5; the exact update of
    Aharon, Elad & Bruckstein (IEEE TSP 54(11), 2006, figure 2) takes the SVD of E.

    Parameters
    ----------
    residuals : (n_patches, patch_dim) float32, patches less their approximation, updated
    starts : (n_atoms + 1,) int64, where each atom's users begin
    users : (n_used,) int32, patches, atom by atom
    coefficients : (n_used,) float32, updated
    atoms : (n_atoms, patch_dim) float32, updated; an atom without users stays
    """
    n_atoms, patch_dim = atoms.shape
    fresh = np.empty(patch_dim, np.float32)
    for j in range(n_atoms):
        start, stop = starts[j], starts[j + 1]
        if start == stop:
            continue
        atom = atoms[j]
        energy = np.float32(0)
        fresh[:] = np.float32(0)
        for u in range(start, stop):
            g = coefficients[u]
            energy += g * g
            residual = residuals[users[u]]
            for k in range(patch_dim):
                fresh[k] += g * residual[k]
        length = np.float32(0)
        for k in range(patch_dim):
            fresh[k] += energy * atom[k]
            length += fresh[k] * fresh[k]
        if not length > 0:
            continue
        inverse = np.float32(1) / np.sqrt(length)
        overlap = np.float32(0)
        for k in range(patch_dim):
            fresh[k] *= inverse
            overlap += fresh[k] * atom[k]
        for u in range(start, stop):
            residual = residuals[users[u]]
            g = coefficients[u]
            coefficients[u] = _dot(residual, fresh) + g * overlap
            for k in range(patch_dim):
                residual[k] += g * atom[k] - coefficients[u] * fresh[k]
        atom[:] = fresh


@kernel(reorder=True)
def _dot(a, b):
    total = np.float32(0)
    for k in range(a.shape[0]):
        total += a[k] * b[k]
    return total
