"""Small symmetric positive definite matrices, for kernels that solve one per group or pixel."""

import numpy as np

from restore.kernels.jit import kernel
from restore.kernels.lanes import LANES, load, padded, store
from restore.typing import Floats, Integers, Number

#: Pivots that are eliminated at once.
PIVOTS = 4


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


@kernel
def condition(rows: Floats, samples: Integers, vector: Floats) -> None:
    """Minus the expected values given samples K: -A_:K A_KK^-1 b_K, by elimination.

    The elimination of b along with the rows of A leaves b_U - A_UK A_KK^-1 b_K for all other U, and
    no equations are left to solve.

    Parameters
    ----------
    rows : (dim, padded(dim)) float32
        A, symmetric, in the rows K, 0 beyond its columns; written.
    samples : (n,) int64
        K; A_KK is positive definite.
    vector : (padded(dim),) float32
        b in K and 0 elsewhere; the result is written over it, and is of no use in K.
    """
    width, count = vector.shape[0], samples.shape[0]
    shares = np.empty((PIVOTS, width), np.float32)
    for first in range(0, count, PIVOTS):
        behind = min(first + PIVOTS, count)
        for k in range(first, behind):
            pivot = samples[k]
            row = rows[pivot]
            for before in range(first, k):
                other = rows[samples[before]]
                factor = shares[before - first, pivot]
                for j in range(0, width, LANES):
                    store(load(row, j) - factor * load(other, j), row, j)
            inverse = np.float32(1) / row[pivot]
            factor = vector[pivot] * inverse
            for j in range(0, width, LANES):
                line = load(row, j)
                store(line * inverse, shares[k - first], j)
                store(load(vector, j) - factor * line, vector, j)
        if behind == count:  # nothing is left, and perhaps fewer than four were
            break
        at = samples[first:behind]
        for j in range(0, width, LANES):
            own = (
                load(rows[at[0]], j), load(rows[at[1]], j),
                load(rows[at[2]], j), load(rows[at[3]], j),
            )  # fmt: skip
            for i in samples[behind:]:
                total = load(rows[i], j) - shares[0, i] * own[0] - shares[1, i] * own[1]
                total = total - shares[2, i] * own[2] - shares[3, i] * own[3]
                store(total, rows[i], j)


@kernel
def invert(matrix: Floats) -> None:
    """Invert a symmetric positive definite matrix in place.

    The sweep operator on every pivot k in turn (Goodnight, "A tutorial on the SWEEP operator", The
    American Statistician 33(3), 1979):

        a_ij -= a_ik a_kj / a_kk,   a_ik /= a_kk,   a_kk = -1 / a_kk,

    which ends at minus the inverse. No pivoting: the pivots of such a matrix are positive. The rows
    of `PIVOTS` are swept first, and all others then by these at once. Full rows are computed
    despite the symmetry, since they fill whole registers.
    """
    dim = matrix.shape[0]
    width = padded(dim)
    rows = np.zeros((dim, width), np.float32)
    lines = np.zeros((PIVOTS, width), np.float32)
    shares = np.zeros((PIVOTS, width), np.float32)
    for i in range(dim):
        for j in range(dim):
            rows[i, j] = matrix[i, j]
    for first in range(0, dim, PIVOTS):
        behind = min(first + PIVOTS, dim)
        _sweep(rows, first, behind, lines, shares)
        for j in range(0, width, LANES):
            own = load(lines[0], j), load(lines[1], j), load(lines[2], j), load(lines[3], j)
            for i in range(dim):
                if first <= i < behind:
                    continue
                total = load(rows[i], j) - shares[0, i] * own[0] - shares[1, i] * own[1]
                total = total - shares[2, i] * own[2] - shares[3, i] * own[3]
                store(total, rows[i], j)
        for i in range(dim):
            for k in range(first, behind):
                rows[i, k] = rows[k, i]
    for i in range(dim):
        for j in range(dim):
            matrix[i, j] = -rows[i, j]


@kernel
def _sweep(rows: Floats, first: int, behind: int, lines: Floats, shares: Floats) -> None:
    """Sweep some rows by their own pivots; `lines` are a_k: before it, and `shares` a_k: / a_kk.

    Both are 0 where there are fewer than `PIVOTS`.
    """
    width = rows.shape[1]
    for k in range(behind - first, PIVOTS):
        for j in range(width):
            lines[k, j] = shares[k, j] = np.float32(0)
    for pivot in range(first, behind):
        line, share = lines[pivot - first], shares[pivot - first]
        row = rows[pivot]
        inverse = np.float32(1) / row[pivot]
        for j in range(0, width, LANES):
            values = load(row, j)
            store(values, line, j)
            store(values * inverse, share, j)
            store(values * inverse, row, j)
        row[pivot] = -inverse
        for m in range(first, behind):
            if m == pivot:
                continue
            other = rows[m]
            factor = share[m]
            for j in range(0, width, LANES):
                store(load(other, j) - factor * load(line, j), other, j)
            other[pivot] = factor
