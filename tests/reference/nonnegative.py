"""Coding and learning with nothing below 0."""

import numpy as np
from scipy.optimize import nnls


def pursued(patch, atoms, sparsity, tolerance=0.0):
    """Non-negative matching pursuit: every choice a problem of non-negative least squares.

    Bruckstein, Elad & Zibulevsky 2008, section IV: the atom of largest <d, r> > 0 joins the
    support; what the fit gives 0 leaves it.
    """
    patch, atoms = patch.astype(np.float64), atoms.astype(np.float64)
    support, coefficients, residual = [], np.zeros(0), patch
    while len(support) < sparsity and residual @ residual > tolerance:
        gains = atoms @ residual
        gains[support] = 0
        if gains.max() <= 1e-5 * np.linalg.norm(patch):
            break
        chosen = [*support, int(np.argmax(gains))]
        values, _ = nnls(atoms[chosen].T, patch)
        support = [atom for atom, value in zip(chosen, values) if value > 0]
        coefficients = values[values > 0]
        residual = patch - coefficients @ atoms[support]
    return support, coefficients


def shrunk(patch, atoms, penalty, iterations=20000):
    """ISTA whose every step is brought back to what is not negative: Hoyer 2002."""
    step = 1 / np.linalg.norm(atoms @ atoms.T, 2)
    code = np.zeros(len(atoms))
    for _ in range(iterations):
        code = np.maximum(code + step * (atoms @ (patch - code @ atoms) - penalty), 0)
    return code


def updated_atoms(patches, codes, atoms):
    """One atom after the other: the best for the error without it, cut at 0, of unit length.

    Aharon, Elad & Bruckstein 2005, section 4, with one step in place of the singular vector.
    """
    atoms = atoms.astype(np.float64)
    for j in range(len(atoms)):
        if not codes[:, j].any():
            continue
        error = patches - codes @ atoms + np.outer(codes[:, j], atoms[j])
        atom = np.maximum(codes[:, j] @ error, 0)
        if atom.any():
            atoms[j] = atom / np.linalg.norm(atom)
    return atoms
