"""Sparse codes with quantised coefficients: rate-distortion pursuit, and entropy coding.

A patch x, minus a mean that is coded separately, is approximated by a few atoms of a dictionary
with integer levels, x = step * sum_k l_k d_k. Atoms are chosen by orthogonal matching pursuit.
After each choice all coefficients are fitted again and rounded, and of all supports on the way the
one with the lowest cost

    J = |x - step * sum_k l_k d_k|^2 + price * bits

is kept. The means, the numbers of atoms, the atoms and the levels of all patches are then coded by
adaptive binary models (`restore.kernels.bits`). The atoms of a patch are a set. It is coded by
recursive halving: how many atoms of the set lie in the first half of the dictionary, then the same
in each half.

References
----------
Bryt & Elad, "Compression of facial images using the K-SVD algorithm", J. Visual Communication
and Image Representation 19(4), 2008.
Rabbani & Jones, "Digital image compression techniques", 1991, chapter 4 (sets by halving).
"""

import numpy as np

from restore.kernels.bits import Coder, bucket, code_bit, code_even, code_large
from restore.kernels.jit import kernel
from restore.kernels.linear import factorise_row, solve
from restore.typing import Floats, Integers, Number

#: Maximum number of atoms of a patch in a file.
MOST = 32

#: Minimum squared norm of the part of an atom that is orthogonal to the support.
LEAST = np.float32(1e-4)

#: Unary decisions of a number, and models for the number of bits of larger ones.
UNARY, BITS = 16, 32
#: Contexts of a mean: difference of its neighbours, and whether its channel is the first.
APART, CHANNELS = 5, 2
#: Contexts of a number of atoms: the neighbours' numbers; and of a level: its patch's number.
NEAR, FULL = 16, 4
#: Nodes of the halving that have their own models; deeper nodes share those of their depth.
NODES, DEPTHS = 64, 16
#: Numbers of atoms that are distinguished in a node.
SET = 8

# Index of the first model of each decision, in one table: contexts times decisions.
MEAN = 0
COUNT = MEAN + CHANNELS * APART * UNARY
SPLIT = COUNT + NEAR * MOST
LEVEL = SPLIT + (NODES + DEPTHS) * SET * SET
LARGE_MEAN = LEVEL + FULL * UNARY
LARGE_LEVEL = LARGE_MEAN + BITS
#: Total number of adaptive models, and of sets of mixing weights: each decision has one context.
MODELS, SETS = LARGE_LEVEL + BITS, 1


@kernel
def pursue(
    patches: Floats,
    projections: Floats,
    gram: Floats,
    step: Number,
    price: Number,
    indices: Integers,
    levels: Integers,
    counts: Integers,
) -> None:
    """Code patches over a dictionary with integer levels.

    Parameters
    ----------
    patches : (n_patches, patch_dim) float32
    projections : (n_patches, n_atoms) float32
        Inner products of the patches with the atoms.
    gram : (n_atoms, n_atoms) float32
    step : float32
        Quantisation step of the coefficients.
    price : float32
        Price of a bit, as a squared error.
    indices, levels : (n_patches, MOST) int32, written
        Atoms in ascending order, and their levels; 0 beyond the count.
    counts : (n_patches,) int32, written
    """
    n_atoms = gram.shape[0]
    most = min(MOST, n_atoms, patches.shape[1])
    support = np.empty(most, np.int64)
    rounded = np.empty(most, np.int64)
    factor = np.empty((most, most), np.float32)
    fitted = np.empty(most, np.float32)
    residual = np.empty(n_atoms, np.float32)
    index_bits = np.log2(np.float32(n_atoms))
    for p in range(patches.shape[0]):
        energy = np.float32(0)
        for k in range(patches.shape[1]):
            energy += patches[p, k] * patches[p, k]
        residual[:] = projections[p]
        best, worse = energy, 0
        counts[p] = 0
        indices[p] = 0
        levels[p] = 0
        for n in range(most):
            chosen = -1
            largest = np.float32(0)
            for i in range(n_atoms):
                if abs(residual[i]) > largest:
                    chosen, largest = i, abs(residual[i])
            # levels are integers of 16 bits
            if chosen < 0 or _holds(support, n, chosen) or largest > np.float32(32000) * step:
                break
            support[n] = chosen
            for i in range(n + 1):
                factor[n, i] = gram[chosen, support[i]]
            if factorise_row(factor, n) < LEAST:
                break
            for i in range(n + 1):
                fitted[i] = projections[p, support[i]]
            solve(factor, n + 1, fitted)
            error, bits = energy, np.float32(0)
            residual[:] = projections[p]
            for i in range(n + 1):
                level = np.int64(np.rint(min(max(fitted[i] / step, -32000.0), 32000.0)))
                if level == 0:
                    level = 1 if fitted[i] > 0 else -1
                rounded[i] = level
                value = step * np.float32(level)
                # |x - y|^2 grows by v^2 - 2 v <x - y, d>
                error += value * value - np.float32(2) * value * residual[support[i]]
                row = gram[support[i]]
                for j in range(n_atoms):
                    residual[j] -= value * row[j]
                bits += index_bits - np.log2(np.float32(i + 1)) + _level_bits(level)
            cost = error + price * bits
            if cost < best:
                best, worse = cost, 0
                counts[p] = n + 1
                for i in range(n + 1):
                    indices[p, i] = support[i]
                    levels[p, i] = rounded[i]
            else:
                worse += 1
                if worse == 2:
                    break
        _sort(indices[p], levels[p], counts[p])


@kernel
def _level_bits(level: int) -> Number:
    """Approximate bits of a level, including its sign and a share of the number of atoms."""
    return np.float32(3) + np.float32(1.5) * np.log2(np.float32(abs(level)))


@kernel
def _holds(support: Integers, count: int, atom: int) -> bool:
    for i in range(count):
        if support[i] == atom:
            return True
    return False


@kernel
def _sort(indices: Integers, levels: Integers, count: int) -> None:
    """Sort atoms in ascending order, by insertion."""
    for i in range(1, count):
        atom, level = indices[i], levels[i]
        j = i
        while j > 0 and indices[j - 1] > atom:
            indices[j], levels[j] = indices[j - 1], levels[j - 1]
            j -= 1
        indices[j], levels[j] = atom, level


@kernel
def code_row(
    coder: Coder,
    means: Integers,
    counts: Integers,
    indices: Integers,
    levels: Integers,
    n_atoms: int,
    i: int,
) -> bool:
    """Write the codes of row `i` of the patches, or read them.

    Parameters
    ----------
    coder : restore.kernels.bits.Coder
    means : (rows, columns, channels) int32
    counts : (rows, columns) int32
    indices, levels : (columns, MOST) int32
        Of this row only.
    n_atoms, i : int

    Returns
    -------
    bool
        False if the data end before the last patch.
    """
    columns, channels = means.shape[1:]
    stack = np.empty((2 * DEPTHS, 5), np.int64)
    for j in range(columns):
        for c in range(channels):
            expected, around = _expected(means, i, j, c)
            active = min(bucket(around, 8), APART - 1) + APART * min(c, 1)
            rest = _code_signed(coder, means[i, j, c] - expected, active)
            means[i, j, c] = expected + rest
        near = 0
        if i:
            near += counts[i - 1, j]
        if j:
            near += counts[i, j - 1]
        near = near if i and j else 2 * near
        counts[i, j] = _code_count(coder, counts[i, j], min(near, NEAR - 1), n_atoms)
        _code_set(coder, indices[j], counts[i, j], n_atoms, stack)
        for k in range(counts[i, j]):
            levels[j, k] = _code_level(coder, levels[j, k], min(counts[i, j], FULL) - 1)
        if coder.state[4] and coder.state[3] > coder.data.size + 8:
            return False
    return True


@kernel
def _expected(means: Integers, i: int, j: int, c: int) -> tuple[int, int]:
    """Prediction of a mean from those above and to the left, and the difference of these.

    The median of above, left and left + above - corner (Weinberger, Seroussi & Sapiro 2000).
    """
    if i == 0 and j == 0:
        return 0, 255
    if i == 0:
        return means[0, j - 1, c], 8
    if j == 0:
        return means[i - 1, 0, c], 8
    above, left, corner = means[i - 1, j, c], means[i, j - 1, c], means[i - 1, j - 1, c]
    low, high = min(above, left), max(above, left)
    return min(max(above + left - corner, low), high), high - low


@kernel
def _code_signed(coder: Coder, number: int, context: int) -> int:
    """Code an integer that is likely to be small, under one of ten contexts."""
    size = abs(number)
    found = 0
    while found < UNARY - 1:
        coder.active[0] = MEAN + context * UNARY + found
        if not code_bit(coder, 1 if size > found else 0, 1, 0):
            break
        found += 1
    if found == UNARY - 1:
        found = UNARY - 2 + code_large(coder, size - UNARY + 2, LARGE_MEAN, 0)
    if found and code_even(coder, 1 if number < 0 else 0):
        return -found
    return found


@kernel
def _code_count(coder: Coder, count: int, context: int, n_atoms: int) -> int:
    found = 0
    while found < min(MOST, n_atoms):
        coder.active[0] = COUNT + context * MOST + found
        if not code_bit(coder, 1 if count > found else 0, 1, 0):
            break
        found += 1
    return found


@kernel
def _code_set(coder: Coder, indices: Integers, count: int, n_atoms: int, stack: Integers) -> None:
    """Code which `count` of the atoms are used, by recursive halving of the dictionary."""
    reading = coder.state[4]
    written = 0
    top = 1
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3], stack[0, 4] = 0, n_atoms, count, 1, 0
    while top:
        top -= 1
        first, end, inside = stack[top, 0], stack[top, 1], stack[top, 2]
        node, depth = stack[top, 3], stack[top, 4]
        if inside == 0:
            continue
        if inside == end - first:
            for atom in range(first, end):
                if reading:
                    indices[written] = atom
                written += 1
            continue
        middle = first + (end - first + 1) // 2
        wanted = 0
        if not reading:
            while wanted < inside and indices[written + wanted] < middle:
                wanted += 1
        low, high = max(0, inside - (end - middle)), min(inside, middle - first)
        place = node if node < NODES else NODES + min(depth, DEPTHS - 1)
        place = SPLIT + (place * SET + min(inside, SET) - 1) * SET
        while low < high:
            coder.active[0] = place + min(low, SET - 1)
            if not code_bit(coder, 1 if wanted > low else 0, 1, 0):
                break
            low += 1
        stack[top, 0], stack[top, 1], stack[top, 2] = middle, end, inside - low
        stack[top, 3], stack[top, 4] = 2 * node + 1, depth + 1
        top += 1
        stack[top, 0], stack[top, 1], stack[top, 2] = first, middle, low
        stack[top, 3], stack[top, 4] = 2 * node, depth + 1
        top += 1


@kernel
def _code_level(coder: Coder, level: int, context: int) -> int:
    size = abs(level)
    value = 1
    while value < UNARY:
        coder.active[0] = LEVEL + context * UNARY + value - 1
        if not code_bit(coder, 1 if size > value else 0, 1, 0):
            break
        value += 1
    if value == UNARY:
        value = UNARY - 1 + code_large(coder, size - UNARY + 1, LARGE_LEVEL, 0)
    return -value if code_even(coder, 1 if level < 0 else 0) else value
