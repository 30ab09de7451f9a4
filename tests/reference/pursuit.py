"""Sparse coding."""

import numpy as np


def pursued(patch, atoms, sparsity, tolerance=0.0, rule="ormp"):
    """One patch at a time, every choice a least squares problem of its own.

    OMP (Pati et al. 1993) takes the atom that correlates most with the residual; ORMP the
    one whose least squares fit leaves least.
    """
    patch, atoms = patch.astype(np.float64), atoms.astype(np.float64)
    support, coefficients, residual = [], np.zeros(0), patch
    while len(support) < sparsity and residual @ residual > tolerance:
        if rule == "omp":
            gains = np.abs(atoms @ residual)
        else:
            gains = -np.array([_left(patch, atoms, [*support, j]) for j in range(len(atoms))])
        gains[support] = -np.inf
        support.append(int(np.argmax(gains)))
        coefficients = np.linalg.lstsq(atoms[support].T, patch, rcond=None)[0]
        residual = patch - coefficients @ atoms[support]
    return support, coefficients


def _left(patch, atoms, support):
    chosen = atoms[support].T
    residual = patch - chosen @ np.linalg.lstsq(chosen, patch, rcond=None)[0]
    return residual @ residual


def reconstructed(indices, coefficients, counts, atoms):
    """x = sum_i a_i d_i."""
    patches = np.zeros((len(counts), atoms.shape[1]))
    for p, count in enumerate(counts):
        for t in range(count):
            patches[p] += coefficients[p, t] * atoms[indices[p, t]]
    return patches
