"""Small symmetric positive definite matrices, for kernels that solve one per group or pixel."""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Number


@kernel(reorder=True)
def factorise(matrix: Floats, size: int) -> None:
    """Cholesky's factor L of the lower triangle, in place, with 1 / L_ii on the diagonal."""
    for i in range(size):
        factorise_row(matrix, i)


@kernel(reorder=True)
def factorise_row(matrix: Floats, i: int) -> Number:
    """Row i of the factor, in place, after the rows before it; L_ii^2, positive if well-posed."""
    for j in range(i):
        total = matrix[i, j]
        for k in range(j):
            total -= matrix[i, k] * matrix[j, k]
        matrix[i, j] = total * matrix[j, j]
    total = matrix[i, i]
    for k in range(i):
        total -= matrix[i, k] * matrix[i, k]
    matrix[i, i] = np.float32(1) / np.sqrt(total)
    return total


@kernel(reorder=True)
def solve(factor: Floats, size: int, vector: Floats) -> None:
    """Solve L L' x = b in place, L as `factorise` leaves it."""
    for i in range(size):
        total = vector[i]
        for k in range(i):
            total -= factor[i, k] * vector[k]
        vector[i] = total * factor[i, i]
    for i in range(size - 1, -1, -1):
        vector[i] *= factor[i, i]
        for k in range(i):
            vector[k] -= factor[i, k] * vector[i]


@kernel(reorder=True)
def invert(matrix: Floats) -> None:
    """Invert a symmetric positive definite matrix in place.

    The sweep operator on every pivot k in turn (Goodnight, "A tutorial on the SWEEP
    operator", The American Statistician 33(3), 1979):

        a_ij -= a_ik a_kj / a_kk,   a_ik /= a_kk,   a_kk = -1 / a_kk,

    which ends at minus the inverse. No pivoting: the pivots of such a matrix are positive. Full
    rows are computed despite the symmetry, since their loops vectorise.
    """
    dim = matrix.shape[0]
    line = np.empty(dim, np.float32)
    for k in range(dim):
        inverse = np.float32(1) / matrix[k, k]
        line[:] = matrix[k]
        line[k] = np.float32(0)
        for i in range(dim):
            factor = line[i] * inverse
            row = matrix[i]
            for j in range(dim):
                row[j] -= factor * line[j]
            row[k] = factor
        for j in range(dim):
            matrix[k, j] = line[j] * inverse
        matrix[k, k] = -inverse
    for i in range(dim):
        for j in range(dim):
            matrix[i, j] = -matrix[i, j]
