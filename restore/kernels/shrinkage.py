"""Sparse coding by iterative shrinkage with momentum: FISTA."""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats, Number

#: Patches multiplied by the Gram matrix together; fixed, the last block is padded.
BLOCK = 256

#: A patch has converged if no coefficient changes by more than this share of the largest.
PRECISION = np.float32(1e-5)


@kernel
def shrink(
    patches: Floats,
    atoms_t: Floats,
    gram: Floats,
    penalty: Number,
    step: Number,
    iterations: int,
    nonnegative: bool,
    codes: Floats,
) -> None:
    """Minimise |x - a D|^2 / 2 + penalty |a|_1 for every patch x.

        a <- soft(y - step (y G - x D^T), step penalty),   soft(u, l) = sign(u) max(|u| - l, 0)

    y extrapolates a in the direction of the last change, y = a + momentum (a - the a before), with
    t <- (1 + sqrt(1 + 4 t^2)) / 2 and momentum = (t before - 1) / t. If the gradient of a patch
    opposes the change, its momentum is restarted. Non-negative codes are soft(u, l) = max(u - l,
    0).

    Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear inverse
    problems", SIAM J. Imaging Sciences 2(1), 2009, section 4; the restart is O'Donoghue &
    Candes, "Adaptive restart for accelerated gradient schemes", 2015, section 3.2. Hoyer,
    "Non-negative sparse coding", IEEE NNSP 2002, for codes without a sign.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32
    atoms_t : (patch_dim, n_atoms) float32
    gram : (n_atoms, n_atoms) float32
    penalty : float32
    step : float32, at most 1 / largest eigenvalue of the gram
    iterations : int, at most
    nonnegative : bool
    codes : (n_patches, n_atoms) float32, written
    """
    n_patches, patch_dim = patches.shape
    n_atoms = gram.shape[0]
    threshold = step * penalty
    padded = np.zeros((BLOCK, patch_dim), np.float32)
    projections = np.empty((BLOCK, n_atoms), np.float32)
    points = np.empty((BLOCK, n_atoms), np.float32)
    products = np.empty((BLOCK, n_atoms), np.float32)
    ages = np.empty(BLOCK, np.float32)
    busy = np.empty(BLOCK, np.bool_)
    for start in range(0, n_patches, BLOCK):
        count = min(BLOCK, n_patches - start)
        for p in range(count):
            for k in range(patch_dim):
                padded[p, k] = patches[start + p, k]
        np.dot(padded, atoms_t, projections)
        points[:] = np.float32(0)
        codes[start : start + count] = np.float32(0)
        ages[:] = np.float32(1)
        busy[:] = True
        left = count
        for _ in range(iterations):
            if left == 0:
                break
            np.dot(points, gram, products)
            for p in range(count):
                if not busy[p]:
                    continue
                age = (np.float32(1) + np.sqrt(np.float32(1) + 4 * ages[p] * ages[p])) / 2
                momentum = (ages[p] - np.float32(1)) / age
                ages[p] = age
                code, point = codes[start + p], points[p]
                change, largest, against = _step(
                    projections[p], products[p], step, threshold, momentum, nonnegative, code, point
                )
                if against > 0:
                    ages[p] = np.float32(1)
                    for j in range(n_atoms):
                        point[j] = code[j]
                if change <= PRECISION * largest:
                    busy[p] = False
                    left -= 1


@kernel
def _step(
    projection: Floats,
    product: Floats,
    step: Number,
    threshold: Number,
    momentum: Number,
    nonnegative: bool,
    code: Floats,
    point: Floats,
) -> tuple[Number, Number, Number]:
    """One step for one patch; its largest change and coefficient, and (y - a) (a - a before)."""
    most = np.float32(0)
    largest = np.float32(0)
    against = np.float32(0)
    for j in range(code.shape[0]):
        u = point[j] - step * (product[j] - projection[j])
        size = abs(u) - threshold
        size = size if size > 0 else np.float32(0)
        fresh = size if u > 0 else np.float32(0) if nonnegative else -size
        change = fresh - code[j]
        against += (point[j] - fresh) * change
        code[j] = fresh
        point[j] = fresh + momentum * change
        moved = abs(change)
        most = moved if moved > most else most
        kept = abs(fresh)
        largest = kept if kept > largest else largest
    return most, largest, against
