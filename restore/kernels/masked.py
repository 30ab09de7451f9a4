"""Sparse coding and K-SVD of patches with unknown samples.

A patch x of which the samples M are known is approximated by

    minimise |M (x - c - a D)|^2   such that   |a|_0 <= sparsity,

where c is a constant for each channel. The mean of a channel cannot be subtracted beforehand if
samples are missing, so it is fitted together with the coefficients. With no channels there are no
constants, and c is zero. Unknown samples are never read.

References
----------
Mairal, Elad & Sapiro, "Sparse representation for color image restoration", IEEE TIP 17(1), 2008,
section IV (pursuit over the known samples) and equation 14 (weighted K-SVD).
Srebro & Jaakkola, "Weighted low-rank approximations", ICML 2003 (alternating least squares).
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
from restore.kernels.pursuit import (
    DEPENDENT,
    NEVER,
    ONE,
    ZERO,
    back_substitute,
    begin,
    better,
    widened,
)
from restore.typing import Flags, Floats, Integers, Number

#: An atom is used if the share of its energy in the known samples is at least this multiple of the
#: share of known samples: the coefficients of others would be poorly determined.
UNSEEN = np.float32(0.1)


@kernel
def _centre(
    patch: Floats, known: Flags, places: Integers, ends: Integers, values: Floats, means: Floats
) -> Number:
    """The known samples less the mean of their channel, channel by channel, and their energy.

    `places` are their positions in the patch; those of channel c end before `ends[c]`. The mean
    of a channel without known samples is that of the other channels. Without `means` the samples
    stay as they are.
    """
    channels = ends.shape[0]
    count = 0
    whole = ZERO
    for c in range(channels):
        for k in range(c, patch.shape[0], channels):
            if known[k]:
                places[count] = k
                values[count] = patch[k]
                whole += patch[k]
                count += 1
        ends[c] = count
    energy = ZERO
    first = 0
    for c in range(channels):
        total = ZERO
        mean = ZERO
        if c < means.shape[0]:
            for i in range(first, ends[c]):
                total += values[i]
            if ends[c] > first:
                mean = total / np.float32(ends[c] - first)
            else:
                mean = whole / np.float32(max(1, count))
            means[c] = mean
        for i in range(first, ends[c]):
            values[i] -= mean
            energy += values[i] * values[i]
        first = ends[c]
    return energy


@kernel
def _begin(
    columns: Floats,
    places: Integers,
    ends: Integers,
    values: Floats,
    centred: bool,
    scale: Floats,
    correlation: Floats,
    spare: Floats,
) -> int:
    """Correlations of all atoms with the known samples; the atom that fits them best.

    With m_j the known samples of atom j, less the mean of each channel if `centred`, `scale` is
    1 / |m_j|, or 0 if that is too little to use the atom, `correlation` is <m_j, x> / |m_j|,
    and `spare` is 1, all of the atom being outside the support.
    """
    count = ends[-1]
    for j in range(0, correlation.shape[0], LANES):
        energy, inner = splat(ZERO), splat(ZERO)
        first = 0
        for c in range(ends.shape[0]):
            total = splat(ZERO)
            for i in range(first, ends[c]):
                samples = load(columns[places[i]], j)
                total += samples
                energy += samples * samples
                inner += values[i] * samples
            if centred and ends[c] > first:
                energy -= total * total * splat(ONE / np.float32(ends[c] - first))
            first = ends[c]
        store(energy, spare, j)
        store(inner, correlation, j)
    least = UNSEEN * np.float32(count) / np.float32(columns.shape[0])
    for j in range(correlation.shape[0]):
        scale[j] = ONE / np.sqrt(spare[j]) if spare[j] > least else ZERO
        correlation[j] *= scale[j]
    return begin(correlation, spare)


@kernel
def _take(
    atom: Floats,
    scale: Number,
    count: int,
    places: Integers,
    ends: Integers,
    centred: bool,
    orthonormal: Floats,
    factor: Floats,
) -> None:
    """Add an atom to the support: the part of its known samples outside it, of unit length.

    Gram-Schmidt over the samples; the row of the triangular factor holds the inner products
    with the directions before and, on the diagonal, one over the length of what is left.
    """
    direction = orthonormal[count]
    first = 0
    for c in range(ends.shape[0]):
        total = ZERO
        for i in range(first, ends[c]):
            direction[i] = scale * atom[places[i]]
            total += direction[i]
        if centred and ends[c] > first:
            total /= np.float32(ends[c] - first)
            for i in range(first, ends[c]):
                direction[i] -= total
        first = ends[c]
    for k in range(count):
        factor[count, k] = _inner(direction, orthonormal[k], first)
        for i in range(first):
            direction[i] -= factor[count, k] * orthonormal[k, i]
    factor[count, count] = ONE / np.sqrt(_inner(direction, direction, first))
    for i in range(first):
        direction[i] *= factor[count, count]


@kernel(reorder=True)
def _inner(one: Floats, other: Floats, count: int) -> Number:
    total = ZERO
    for i in range(count):
        total += one[i] * other[i]
    return total


@kernel
def _continue(
    columns: Floats,
    places: Integers,
    count: int,
    direction: Floats,
    step: Number,
    scale: Floats,
    correlation: Floats,
    spare: Floats,
) -> int:
    """Project the newest direction q out of every atom and choose the next one.

    With <q, m_j> / |m_j| taken from the known samples, the correlation and the part outside the
    support follow as in `restore.kernels.pursuit`, and so does the choice (the rule of ORMP).
    """
    best, size = splat(ZERO), splat(ONE)
    blocks = splat(np.int32(correlation.shape[0]))
    for j in range(0, correlation.shape[0], LANES):
        component = splat(ZERO)
        for i in range(count):
            component += direction[i] * load(columns[places[i]], j)
        component *= load(scale, j)
        inner = load(correlation, j) - step * component
        store(inner, correlation, j)
        outside = load(spare, j) - component * component
        store(outside, spare, j)
        divisor = if_greater(outside, splat(DEPENDENT), outside, splat(NEVER))
        best, size, blocks = better(inner * inner, divisor, j, best, size, blocks)
    return index_of_highest(best / size, blocks)


@kernel
def pursue(
    patches: Floats,
    known: Flags,
    atoms: Floats,
    tolerance: Number,
    indices: Integers,
    coefficients: Floats,
    counts: Integers,
    means: Floats,
) -> None:
    """ORMP over the known samples of each patch, the constants being fitted as well.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32, read where known
    known : (n_patches, patch_dim) bool
    atoms : (n_atoms, patch_dim) float32
    tolerance : float32, residual energy per known sample at which to stop
    indices : (n_patches, sparsity) int32, written
    coefficients : (n_patches, sparsity) float32, written
    counts : (n_patches,) int32, written
    means : (n_patches, channels) float32, the constants, written; none where there are no channels
    """
    n_atoms, patch_dim = atoms.shape
    channels = means.shape[1]
    centred = channels > 0
    width = padded(n_atoms)
    columns = widened(np.ascontiguousarray(atoms.T), width)
    places, ends = np.empty(patch_dim, np.int64), np.empty(max(1, channels), np.int64)
    values = np.empty(patch_dim, np.float32)
    scale, correlation, spare = np.empty((3, width), np.float32)
    sparsity = indices.shape[1]
    orthonormal = np.empty((sparsity, patch_dim), np.float32)
    factor = np.zeros((sparsity, sparsity), np.float32)
    steps = np.empty(sparsity, np.float32)
    for p in range(patches.shape[0]):
        residual = _centre(patches[p], known[p], places, ends, values, means[p])
        number = ends[-1]
        enough = tolerance * np.float32(number)
        # fewer unknowns than known samples
        most = min(sparsity, number - channels - 1)
        count = 0
        if most > 0 and residual > enough:
            chosen = _begin(columns, places, ends, values, centred, scale, correlation, spare)
            while chosen < n_atoms:
                indices[p, count] = chosen
                _take(
                    atoms[chosen], scale[chosen], count, places, ends, centred, orthonormal, factor
                )
                direction = orthonormal[count]
                steps[count] = _inner(direction, values, number)
                residual -= steps[count] * steps[count]
                count += 1
                if count == most or residual <= enough:
                    break
                chosen = _continue(
                    columns, places, number, direction, steps[count - 1],
                    scale, correlation, spare,
                )  # fmt: skip
        counts[p] = count
        back_substitute(count, factor, steps, coefficients[p])
        for t in range(count):
            coefficients[p, t] *= scale[indices[p, t]]
            _take_out(coefficients[p, t], atoms[indices[p, t]], places, ends, means[p])


@kernel
def _take_out(
    coefficient: Number, atom: Floats, places: Integers, ends: Integers, means: Floats
) -> None:
    """Subtract an atom's mean contribution to each channel from the constants."""
    first = 0
    for c in range(means.shape[0]):
        total = ZERO
        for i in range(first, ends[c]):
            total += atom[places[i]]
        if ends[c] > first:
            means[c] -= coefficient * total / np.float32(ends[c] - first)
        first = ends[c]


@kernel
def update_atoms(
    residuals: Floats,
    known: Flags,
    indices: Integers,
    coefficients: Floats,
    counts: Integers,
    atoms: Floats,
    channels: int,
    rounds: int,
) -> None:
    """K-SVD over the known samples, one atom after the other, with the codes of its users.

    With E_p the known residual of patch p without atom d, and a_p its coefficient,

        minimise sum_p |M_p (E_p - a_p d)|^2,

    by alternating least squares: d_k = sum_p M_pk a_p E_pk / sum_p M_pk a_p^2 and then
    a_p = sum_k M_pk d_k E_pk / sum_k M_pk d_k^2. Neither raises the error. With constants, the mean
    of each channel is subtracted from a new atom, for which the constants of the patches
    compensate. Then it is rescaled to unit length, its largest component positive.

    Parameters
    ----------
    residuals : (n_patches, patch_dim) float32, x - c - a D where known, else 0, updated
    known : (n_patches, patch_dim) bool
    indices : (n_patches, sparsity) int32
    coefficients : (n_patches, sparsity) float32, updated
    counts : (n_patches,) int32
    atoms : (n_atoms, patch_dim) float32, updated
    channels : int, 0 without constants
    rounds : int, turns of alternating least squares for each atom
    """
    n_atoms, patch_dim = atoms.shape
    starts, users, slots = _users(indices, counts, n_atoms)
    above, below = np.empty(patch_dim, np.float32), np.empty(patch_dim, np.float32)
    updated = np.empty(patch_dim, np.float32)
    for j in range(n_atoms):
        first, last = starts[j], starts[j + 1]
        for k in range(patch_dim):
            updated[k] = atoms[j, k]
        for u in range(first, last):
            _add(coefficients[users[u], slots[u]], updated, known[users[u]], residuals[users[u]])
        for _ in range(rounds):
            for k in range(patch_dim):
                above[k], below[k] = ZERO, ZERO
            for u in range(first, last):
                p = users[u]
                a = coefficients[p, slots[u]]
                for k in range(patch_dim):
                    if known[p, k]:
                        above[k] += a * residuals[p, k]
                        below[k] += a * a
            for k in range(patch_dim):
                if below[k] > ZERO:
                    updated[k] = above[k] / below[k]
            for u in range(first, last):
                p = users[u]
                inner, energy = ZERO, ZERO
                for k in range(patch_dim):
                    if known[p, k]:
                        inner += updated[k] * residuals[p, k]
                        energy += updated[k] * updated[k]
                if energy > ZERO:
                    coefficients[p, slots[u]] = inner / energy
        for u in range(first, last):
            _add(-coefficients[users[u], slots[u]], updated, known[users[u]], residuals[users[u]])
        length = _centred_length(updated, channels)
        if length != ZERO:
            for k in range(patch_dim):
                atoms[j, k] = updated[k] / length
            for u in range(first, last):
                coefficients[users[u], slots[u]] *= length


@kernel
def _users(
    indices: Integers, counts: Integers, n_atoms: int
) -> tuple[Integers, Integers, Integers]:
    """The uses of each atom: patches and slots in the codes, of atom j from `starts[j]` on."""
    starts = np.zeros(n_atoms + 1, np.int64)
    for p in range(counts.shape[0]):
        for t in range(counts[p]):
            starts[indices[p, t] + 1] += 1
    for j in range(n_atoms):
        starts[j + 1] += starts[j]
    free = starts.copy()
    users, slots = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.int64)
    for p in range(counts.shape[0]):
        for t in range(counts[p]):
            at = free[indices[p, t]]
            users[at], slots[at] = p, t
            free[indices[p, t]] += 1
    return starts, users, slots


@kernel
def _add(coefficient: Number, atom: Floats, known: Flags, residual: Floats) -> None:
    for k in range(atom.shape[0]):
        if known[k]:
            residual[k] += coefficient * atom[k]


@kernel
def _centred_length(atom: Floats, channels: int) -> Number:
    """The length of an atom whose channels, if there are any, are centred, in place.

    It has the sign of the largest component, so that dividing by it makes that positive.
    """
    step = max(1, channels)
    energy, largest = ZERO, ZERO
    for c in range(step):
        mean = ZERO
        if channels > 0:
            for k in range(c, atom.shape[0], channels):
                mean += atom[k]
            mean /= np.float32(atom.shape[0] // channels)
        for k in range(c, atom.shape[0], step):
            atom[k] -= mean
            energy += atom[k] * atom[k]
            if abs(atom[k]) > abs(largest):
                largest = atom[k]
    return np.sqrt(energy) if largest > ZERO else -np.sqrt(energy)
