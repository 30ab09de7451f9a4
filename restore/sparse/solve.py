"""A picture from its measurements y = A x by a dictionary: steps of the prior and of the data.

The prior's step codes every patch of the estimate with few atoms and averages what overlaps; the
data's step makes the estimate fit the measurements again. The tolerance of the codes falls from
turn to turn: at first few atoms, those that are sure, at last all detail.
"""

import functools

import numpy as np

from restore.imaging import bands
from restore.sparse import overlap


def solve(start, data_step, dictionary, tolerances, stride=1, *, pool=None):
    """Estimate a picture whose patches are sparse and which fits its measurements.

    With x the estimate, R_p x its patches and P the nearest picture that fits the measurements,

        minimise |a_p|_0 such that |R_p x - a_p D|^2 <= dim * tolerance^2, for every patch p,
        x = P (average of all a_p D),

    for one tolerance after the other.

    Parameters
    ----------
    start : (height, width, channels) float32 ndarray
        First estimate.
    data_step : callable
        ``data_step(image) -> image``: fits an estimate to the measurements. It may overwrite
        what it is given.
    dictionary : Dictionary
    tolerances : sequence of float
        Root mean square of what is left of a patch, turn by turn.
    stride : int
        Samples between neighbouring patches; at most the side of a patch is taken.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        After the prior's last step: where there is no noise, `fitted` is the rest.

    References
    ----------
    Guleryuz, "Nonlinear approximation based image recovery using adaptive sparse reconstructions
    and iterated denoising", IEEE TIP 15(3), 2006.
    """
    estimate, stride = start, min(stride, *dictionary.patch_shape[:2])
    for done, tolerance in enumerate(tolerances):
        if done:
            estimate = data_step(estimate)
        code = functools.partial(
            overlap.sparse_estimate,
            dictionary=dictionary,
            sparsity=max(1, dictionary.patch_dim // 3),
            tolerance=dictionary.patch_dim * float(tolerance) ** 2,
        )
        part = bands.part(pool, done, len(tolerances))
        estimate = overlap.restore_image(estimate, dictionary.patch_shape, code, stride, pool=part)
    return estimate


def fitted(image, operator, measured, iterations=4):
    """The nearest picture that fits the measurements: x + A' (A A')^-1 (y - A x).

    By conjugate gradients, which end in one iteration where A A' = I.

    Parameters
    ----------
    image : ndarray
        x.
    operator
        A, with ``forward`` and ``adjoint``: see `restore.sparse.operators`.
    measured : ndarray
        y.
    iterations : int
        At most.

    Returns
    -------
    ndarray of the shape of `image`
    """
    residual = measured - operator.forward(image)
    direction, solution = residual, np.zeros_like(residual)
    energy = first = _inner(residual, residual)
    for _ in range(iterations):
        if not energy > 1e-12 * first:
            break
        mapped = operator.forward(operator.adjoint(direction))
        step = energy / _inner(direction, mapped)
        solution = solution + step * direction
        residual = residual - step * mapped
        before, energy = energy, _inner(residual, residual)
        direction = residual + energy / before * direction
    return image + operator.adjoint(solution)


def _inner(one, other):
    """The same for any number of BLAS threads."""
    return float(np.sum(one * other, dtype=np.float64))
