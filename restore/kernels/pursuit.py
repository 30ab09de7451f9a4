"""Sparse coding: Batch-OMP over a Gram matrix, its masked form, and reconstruction.

Atoms are rows here and patches are rows; the literature's D and X are our transposes.
A patch x is approximated as the sum of its chosen atoms times their coefficients,

    minimise |x - a D|^2   such that   |a|_0 <= sparsity,

stopping as soon as the residual energy is at most the patch's tolerance. Two rules
choose the next atom: plain OMP takes the largest |<d, r>|; ORMP (order-recursive
matching pursuit) divides it by the norm of the part of d outside the support, which
is the atom that lowers the residual most.

References
----------
Rubinstein, Zibulevsky & Elad, "Efficient implementation of the K-SVD algorithm using
batch orthogonal matching pursuit", Technion CS-2008-08, algorithm 2 (Gram matrix).
Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE TIP 17(1),
2008, section III (samples missing or of unequal weight).
Gharavi-Alkhansari & Huang, "A fast orthogonal matching pursuit algorithm", ICASSP 1998,
and Cotter et al., "Forward sequential algorithms for best basis selection", 1999 (ORMP).
"""

import numpy as np

from restore.kernels.jit import kernel

#: Patches projected on all atoms in one matrix product. The size is fixed and the last
#: block padded, so that the code of a patch does not depend on its neighbours.
BLOCK = 256

#: Atoms with less of their energy outside the support are taken for dependent on it.
DEPENDENT = np.float32(1e-5)


@kernel
def _strongest(scores):
    """Index of the largest positive score, the lowest one among equals, or -1.

    Non-negative floats are ordered as their bits are, and an integer maximum vectorises.
    """
    bits = scores.view(np.int32)
    best = bits[0]
    for j in range(bits.shape[0]):
        best = max(best, bits[j])
    if best <= 0:
        return -1
    none = np.int32(bits.shape[0])
    first = none
    for j in range(bits.shape[0]):
        first = min(first, np.int32(j) if bits[j] == best else none)
    return first


@kernel
def _score(correlation, spare, scores, normalise):
    """scores_j = correlation_j^2 / spare_j (ORMP) or correlation_j^2 (OMP); 0 if dependent."""
    for j in range(scores.shape[0]):
        gain = correlation[j] * correlation[j]
        if normalise:
            gain = gain / spare[j]
        scores[j] = gain if spare[j] > DEPENDENT else np.float32(0)


@kernel
def _take(chosen, count, correlation, spare, directions, factor, steps):
    """Add an atom to the support: its row of the triangular factor and its step <q, x>."""
    length = np.sqrt(spare[chosen])
    for k in range(count):
        factor[count, k] = directions[k, chosen]
    factor[count, count] = length
    steps[count] = correlation[chosen] / length
    return steps[count] * steps[count]


@kernel
def _deflate(row, count, correlation, spare, scores, directions, factor, steps, normalise):
    """Take the newest direction q = (I - P) d_i / |(I - P) d_i| out of every atom.

    Gram-Schmidt on the Gram matrix, `row` being row i of it and q_k the earlier directions:
    <q, d_j> = (<d_i, d_j> - sum_k <q_k, d_i> <q_k, d_j>) / |(I - P) d_i|; then
    correlation_j -= <q, x> <q, d_j> and spare_j -= <q, d_j>^2.
    """
    n_atoms = row.shape[0]
    direction = directions[count]
    taken = factor[count]
    for j in range(n_atoms):
        direction[j] = row[j]
    k = 0
    while k + 4 <= count:
        f0, f1, f2, f3 = taken[k], taken[k + 1], taken[k + 2], taken[k + 3]
        q0, q1, q2, q3 = directions[k], directions[k + 1], directions[k + 2], directions[k + 3]
        for j in range(n_atoms):
            direction[j] -= f0 * q0[j] + f1 * q1[j] + f2 * q2[j] + f3 * q3[j]
        k += 4
    while k < count:
        f0 = taken[k]
        q0 = directions[k]
        for j in range(n_atoms):
            direction[j] -= f0 * q0[j]
        k += 1
    inverse = np.float32(1) / taken[count]
    step = steps[count]
    for j in range(n_atoms):
        component = direction[j] * inverse
        direction[j] = component
        correlation[j] -= step * component
        spare[j] -= component * component
        gain = correlation[j] * correlation[j]
        if normalise:
            gain = gain / spare[j]
        scores[j] = gain if spare[j] > DEPENDENT else np.float32(0)


@kernel
def _solve(count, factor, steps, coefficients):
    """Back-substitution: coefficients of the atoms from the steps along the directions."""
    for t in range(count - 1, -1, -1):
        total = steps[t]
        for k in range(t + 1, count):
            total -= factor[k, t] * coefficients[k]
        coefficients[t] = total / factor[t, t]


@kernel
def pursue(patches, atoms_t, gram, tolerances, normalise, indices, coefficients, counts):
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
    """
    n_patches, patch_dim = patches.shape
    n_atoms = gram.shape[0]
    sparsity = indices.shape[1]
    padded = np.zeros((BLOCK, patch_dim), np.float32)
    projections = np.empty((BLOCK, n_atoms), np.float32)
    spare = np.empty(n_atoms, np.float32)
    scores = np.empty(n_atoms, np.float32)
    directions = np.empty((sparsity, n_atoms), np.float32)
    factor = np.zeros((sparsity, sparsity), np.float32)
    steps = np.empty(sparsity, np.float32)
    for start in range(0, n_patches, BLOCK):
        stop = min(start + BLOCK, n_patches)
        if stop - start == BLOCK:
            np.dot(patches[start:stop], atoms_t, projections)
        else:
            padded[: stop - start] = patches[start:stop]
            np.dot(padded, atoms_t, projections)
        for p in range(start, stop):
            residual = _energy(patches[p])
            correlation = projections[p - start]
            spare[:] = np.float32(1)
            _score(correlation, spare, scores, normalise)
            count = 0
            while count < sparsity and residual > tolerances[p]:
                chosen = _strongest(scores)
                if chosen < 0:
                    break
                indices[p, count] = chosen
                residual -= _take(chosen, count, correlation, spare, directions, factor, steps)
                count += 1
                if count < sparsity and residual > tolerances[p]:
                    _deflate(
                        gram[chosen], count - 1, correlation, spare, scores,
                        directions, factor, steps, normalise,
                    )  # fmt: skip
            _solve(count, factor, steps, coefficients[p])
            counts[p] = count


@kernel(reorder=True)
def _energy(patch):
    total = np.float32(0)
    for k in range(patch.shape[0]):
        total += patch[k] * patch[k]
    return total


@kernel
def pursue_masked(patches, weights, atoms_t, tolerances, indices, coefficients, counts):
    """ORMP over the known samples alone: minimise sum_k w_k (x_k - sum_i a_i d_ik)^2.

    The atoms shortened to the known samples have other lengths and other inner products
    in every patch, so the rows of the patch's own Gram matrix are computed as atoms enter.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32, anything where the weight is 0
    weights : (n_patches, patch_dim) float32, not negative; 0 is unknown
    atoms_t : (patch_dim, n_atoms) float32
    tolerances : (n_patches,) float32, weighted residual energy at which to stop
    indices : (n_patches, sparsity) int32, written
    coefficients : (n_patches, sparsity) float32, written
    counts : (n_patches,) int32, written
    """
    n_patches, patch_dim = patches.shape
    n_atoms = atoms_t.shape[1]
    sparsity = indices.shape[1]
    correlation = np.empty(n_atoms, np.float32)
    spare = np.empty(n_atoms, np.float32)
    scores = np.empty(n_atoms, np.float32)
    row = np.empty(n_atoms, np.float32)
    directions = np.empty((sparsity, n_atoms), np.float32)
    factor = np.zeros((sparsity, sparsity), np.float32)
    steps = np.empty(sparsity, np.float32)
    for p in range(n_patches):
        residual = np.float32(0)
        correlation[:] = np.float32(0)
        spare[:] = np.float32(0)
        for k in range(patch_dim):
            weight = weights[p, k]
            if weight > 0:
                sample = patches[p, k]
                residual += weight * sample * sample
                _add_row(atoms_t[k], weight * sample, correlation)
                _add_squares(atoms_t[k], weight, spare)
        _score(correlation, spare, scores, True)
        count = 0
        while count < sparsity and residual > tolerances[p]:
            chosen = _strongest(scores)
            if chosen < 0:
                break
            indices[p, count] = chosen
            residual -= _take(chosen, count, correlation, spare, directions, factor, steps)
            count += 1
            if count < sparsity and residual > tolerances[p]:
                row[:] = np.float32(0)
                for k in range(patch_dim):
                    if weights[p, k] > 0:
                        _add_row(atoms_t[k], weights[p, k] * atoms_t[k, chosen], row)
                _deflate(
                    row, count - 1, correlation, spare, scores, directions, factor, steps, True
                )
        _solve(count, factor, steps, coefficients[p])
        counts[p] = count


@kernel
def _add_row(row, factor, total):
    for j in range(total.shape[0]):
        total[j] += factor * row[j]


@kernel
def _add_squares(row, factor, total):
    for j in range(total.shape[0]):
        total[j] += factor * row[j] * row[j]


@kernel
def reconstruct(indices, coefficients, counts, atoms, patches):
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
