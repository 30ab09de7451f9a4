"""A picture from its measurements y = A x + n, by alternating data and prior steps.

The data step makes the estimate fit the measurements; the prior step makes its patches sparse.
`solve` is for any A and any noise: half-quadratic splitting, whose prior step removes noise of a
level that falls from turn to turn. `coded_in_turns` codes every patch over one dictionary, with a
falling tolerance, and is for measurements without noise, which `fitted` meets exactly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.arrays import check_finite
from restore.imaging.bands import Pool
from restore.sparse import overlap, priors
from restore.sparse.priors import Prior
from restore.typing import Array, Floats

if TYPE_CHECKING:
    from restore.sparse.dictionary import Dictionary
    from restore.sparse.operators import Operator, Vectors


#: Noise level that the prior removes in the first turn, and the least one in the last.
FIRST, LAST = 49 / 255, 1 / 255

#: Turns by default.
TURNS = 8

#: Weight of the prior, relative to that of the measurements at equal noise levels.
WEIGHT = 0.23

#: Least noise of measurements, relative to a picture's range: that of rounding to 8 bits.
LEAST = 0.3 / 255

#: Iteration stops when the residual falls below this share of the noise, which is overfitting.
DISCREPANCY = 0.85

#: Maximum number of conjugate gradient iterations in a turn, and the share of the residual energy
#: at which they stop.
ITERATIONS, ENOUGH = 8, 1e-6

#: Steps of the power method that estimates the norm of A.
POWER_STEPS = 8


class Turn(NamedTuple):
    """The statistics of one turn of `solve`."""

    level: float
    """Standard deviation of the noise that the prior removed."""
    residual: float
    """Root mean square of y - A x, in the unit of the measurements."""


def solve(
    measured: Array,
    operator: Operator | Vectors,
    prior: str | Dictionary | Prior = "groups",
    sigma: float = 0.0,
    *,
    shape: tuple[int, ...] | None = None,
    start: Array | None = None,
    levels: tuple[float, ...] = (FIRST, LAST),
    turns: int = TURNS,
    each_turn: Callable[[Turn], object] | None = None,
    pool: Pool | None = None,
) -> Array:
    """Estimate a picture from linear measurements with noise.

    Parameters
    ----------
    measured : ndarray
        y, real or complex.
    operator
        A: an object with ``forward(image)`` and ``adjoint(measured)``, or with ``matvec`` and
        ``rmatvec`` on vectors, as `scipy.sparse.linalg.LinearOperator` has. The picture is
        (height, width) or (height, width, channels) with 1 or 3 channels, nominally in
        [0, 1]; it is complex if the adjoint is. One that has ``precondition(residual, weight)``,
        about (A' A + weight)^-1, is solved in fewer iterations.
    prior : {"groups", "learn", "grey", "colour"}, str, Dictionary or callable
        The model of pictures: ``"groups"`` of similar patches, corrected by a learned coder, as in
        `restore.denoise`; patches that are sparse over a dictionary, given as a packaged name, a
        file or a Dictionary, or learned on the picture during the reconstruction (``"learn"``); or
        any function ``prior(image, sigma)`` that removes noise of standard deviation sigma from a
        (height, width, channels) float32 ndarray.
    sigma : float
        Standard deviation of the noise of each measurement, of both parts of complex ones.
    shape : tuple of int, optional
        Of the picture; required if the operator works on vectors.
    start : ndarray, optional
        First estimate; a constant picture by default.
    levels : tuple of float
        Noise levels that the prior removes: that of the first turn, and the least one of the last,
        which is otherwise `sigma`; optionally between the two the level below which groups of
        patches are used, by default their geometric mean.
    turns : int
        Maximum number of turns. Iteration stops when the residual is less than the noise.
    each_turn : callable, optional
        Called with a `Turn` after each one.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    float32 or complex64 ndarray of the shape of the picture

    Raises
    ------
    ValueError
        If an argument is out of its range, the picture has no such shape, or measurements are NaN
        or infinite.
    TypeError
        If the operator has no such methods, or the prior is none of these.

    See Also
    --------
    deblur : Removes a known blur.

    Notes
    -----
    With levels s_k that fall geometrically, each turn takes ::

        x = argmin |y - A x|^2 / sigma^2 + w |x - z|^2 / s_k^2,    z = prior(x, s_k),

    the first by conjugate gradients.

    References
    ----------
    Geman & Yang, "Nonlinear image recovery with half-quadratic regularization", IEEE TIP 4(7),
    1995, :doi:`10.1109/83.392335`, for the splitting; Zhang, Li, Zuo, Zhang, Van Gool & Timofte,
    "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 44(10), 2021,
    :doi:`10.1109/TPAMI.2021.3088914`, for the levels; Ravishankar & Bresler, "MR image
    reconstruction from highly undersampled k-space data by dictionary learning", IEEE TMI 30(5),
    2011, :doi:`10.1109/TMI.2010.2090538`, for a dictionary that is learned during the
    reconstruction.

    Examples
    --------
    Half of the pixels, as a matrix of scipy would give them:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scipy.sparse.linalg import aslinearoperator
    >>> from skimage import data, metrics
    >>> from restore import solve
    >>> picture = data.camera()[100:148, 200:248] / 255
    >>> known = np.random.default_rng(0).random(picture.size) < 0.5
    >>> operator = aslinearoperator(sparse.eye_array(picture.size, format="csr")[known])
    >>> found = solve(picture[picture > -1][known], operator, shape=picture.shape)
    >>> bool(metrics.peak_signal_noise_ratio(picture, found, data_range=1) > 28)
    True
    """
    measured = _checked(measured)
    operator = _Pictures(operator, measured, shape)
    first, *between, last = levels
    if not 0 <= sigma < np.inf or not 0 < last <= first or turns < 1:
        raise ValueError(
            f"sigma {sigma:g} is 0 or more, levels {first:g} and {last:g} fall and are above 0, "
            f"and turns {turns} are 1 or more"
        )
    pool = pool or Pool()
    noise = sigma or LEAST * _norm(operator)
    last = min(max(sigma, last), first)
    middle = between[0] if between else float(np.sqrt(first * last))
    parts = [priors.prior(prior, middle, pool) for _ in range(2 if operator.complex else 1)]
    estimate = operator.constant(measured) if start is None else operator.picture(start)
    for done, level in enumerate(np.geomspace(first, last, turns)):
        weight = WEIGHT * (noise / level) ** 2
        image = data_step(estimate, operator, measured, weight)
        estimate = _denoised(image, parts, float(level))
        residual = np.abs(measured - operator.forward(estimate))
        turn = Turn(float(level), float(np.sqrt(np.mean(np.square(residual, dtype=np.float64)))))
        if each_turn:
            each_turn(turn)
        bands.tell(pool, "solving", done + 1, turns)
        if turn.residual < DISCREPANCY * sigma:
            bands.tell(pool, "solving", turns, turns)
            break
    if sigma == 0:
        estimate = data_step(estimate, operator, measured, WEIGHT * (noise / last) ** 2)
    check_finite(estimate)
    return operator.own(estimate)


def data_step(
    estimate: Array,
    operator: Operator,
    measured: Array,
    weight: float,
    iterations: int = ITERATIONS,
) -> Array:
    """The picture that fits both the measurements and an estimate of it.

        argmin |y - A x|^2 + weight |x - z|^2

    By conjugate gradients starting from z, so that unmeasured components stay as in z for any
    weight.

    Parameters
    ----------
    estimate : ndarray
        z.
    operator
        A, with ``forward`` and ``adjoint``, and perhaps ``precondition``.
    measured : ndarray
        y.
    weight : float
    iterations : int
        At most.

    Returns
    -------
    ndarray of the shape of `estimate`
    """
    weight = np.float32(weight)
    precondition = getattr(operator, "precondition", None) or (lambda residual, weight: residual)

    def normal(image: Array) -> Array:
        return operator.adjoint(operator.forward(image)) + weight * image

    image = estimate
    residual = operator.adjoint(measured - operator.forward(image))
    direction = conditioned = precondition(residual, weight)
    energy = first = _inner(residual, conditioned)
    for _ in range(iterations):
        if not energy > ENOUGH * first:
            break
        mapped = normal(direction)
        step = np.float32(energy / _inner(direction, mapped))
        image = image + step * direction
        residual = residual - step * mapped
        conditioned = precondition(residual, weight)
        before, energy = energy, _inner(residual, conditioned)
        direction = conditioned + np.float32(energy / before) * direction
    return image


class _Pictures:
    """Wraps any operator as one on (height, width, channels) float32 or complex64 pictures."""

    def __init__(self, operator: Any, measured: Array, shape: tuple[int, ...] | None) -> None:
        vectors = hasattr(operator, "matvec") and hasattr(operator, "rmatvec")
        if not vectors and not (hasattr(operator, "forward") and hasattr(operator, "adjoint")):
            raise TypeError(
                "expected an operator with forward and adjoint, or with matvec and rmatvec, got "
                f"{type(operator).__name__}"
            )
        if vectors:
            if shape is None:
                raise ValueError("this operator works on vectors: give the shape of the picture")
            if operator.shape != (measured.size, int(np.prod(shape))):
                raise ValueError(
                    f"an operator of shape {operator.shape} does not make {measured.size} "
                    f"measurements of a picture of shape {tuple(shape)}"
                )
            self._forward = lambda image: operator.matvec(image.ravel()).reshape(measured.shape)
            self._adjoint = lambda values: operator.rmatvec(values.ravel()).reshape(shape)
        else:
            self._forward, self._adjoint = operator.forward, operator.adjoint
        back = np.asarray(self._adjoint(measured))
        self.shape = tuple(shape or back.shape)
        if back.shape != self.shape or not (
            len(self.shape) == 2 or (len(self.shape) == 3 and self.shape[2] in (1, 3))
        ):
            raise ValueError(
                "expected a picture of shape (height, width) or (height, width, 1 or 3)"
                f"{f' = {tuple(shape)}' if shape else ''}, the adjoint makes one of {back.shape}"
            )
        self.complex = back.dtype.kind == "c"
        self.type = np.complex64 if self.complex else np.float32
        if hasattr(operator, "precondition"):
            self.precondition = lambda residual, weight: self.picture(
                operator.precondition(self.own(residual), weight)
            )
        made = np.shape(self.forward(self.picture(back)))
        if made != measured.shape:
            raise ValueError(f"the operator measures {made}, and there are {measured.shape}")

    def forward(self, image: Array) -> Array:
        with bands.one_blas_thread:
            values = np.asarray(self._forward(self.own(image)))
        return values.astype(np.complex64 if values.dtype.kind == "c" else np.float32, copy=False)

    def adjoint(self, values: Array) -> Array:
        with bands.one_blas_thread:
            return self.picture(self._adjoint(values))

    def own(self, image: Array) -> Array:
        """A picture with the axes that the operator expects."""
        return image.reshape(self.shape)

    def picture(self, image: Array) -> Array:
        """The same with three axes."""
        image = np.asarray(image, self.type)
        if image.shape != self.shape:
            raise ValueError(f"the picture has shape {image.shape}, not {self.shape}")
        return image[..., None] if image.ndim == 2 else image

    def constant(self, measured: Array) -> Array:
        """The constant picture that fits the measurements best."""
        white = self.picture(np.ones(self.shape, self.type))
        seen = self.forward(white)
        energy = _inner(seen, seen)
        level = np.sum(np.conj(seen) * measured) / energy if energy else 0
        return white * self.type(level if self.complex else np.real(level))


def _checked(measured: ArrayLike) -> Array:
    """Measurements as float32 or complex64."""
    measured = np.asarray(measured)
    if measured.dtype.kind not in "fc" or measured.size == 0:
        raise TypeError(
            f"expected measurements as real or complex floats, got {measured.dtype} of shape "
            f"{measured.shape}"
        )
    if not np.isfinite(measured).all():
        raise ValueError("measurements are NaN or infinite: leave these out of the operator")
    return measured.astype(np.complex64 if measured.dtype.kind == "c" else np.float32)


def _denoised(image: Array, parts: list[Prior], level: float) -> Array:
    """The prior step, applied to the real and imaginary parts separately."""
    if len(parts) == 1:
        return parts[0](image, level)
    real, imaginary = (
        prior(np.ascontiguousarray(plane), level)
        for prior, plane in zip(parts, (image.real, image.imag), strict=True)
    )
    return (real + 1j * imaginary).astype(np.complex64)


def _norm(operator: _Pictures) -> float:
    """A lower bound of the norm of an operator."""
    random = np.random.default_rng(0)
    image = operator.picture(random.standard_normal(operator.shape))
    for _ in range(POWER_STEPS):
        image = image / np.float32(np.sqrt(_inner(image, image)))
        image = operator.adjoint(operator.forward(image))
    return _inner(image, image) ** 0.25


def coded_in_turns(
    start: Floats,
    step: Callable[[Floats], Floats],
    dictionary: Dictionary,
    tolerances: Sequence[float] | Floats,
    stride: int = 1,
    *,
    pool: Pool | None = None,
) -> Floats:
    """Estimate a picture whose patches are sparse and which fits its measurements.

    With x the estimate, R_p x its patches and P the nearest picture that fits the measurements,

        minimise |a_p|_0 such that |R_p x - a_p D|^2 <= dim * tolerance^2, for every patch p,
        x = P (average of all a_p D),

    for one tolerance after the other.

    Parameters
    ----------
    start : (height, width, channels) float32 ndarray
        First estimate.
    step : callable
        ``step(image) -> image``: fits an estimate to the measurements. It may overwrite what it
        is given.
    dictionary : Dictionary
    tolerances : sequence of float
        Residual of a patch, root mean square, turn by turn.
    stride : int
        Samples between neighbouring patches; at most the side of a patch is taken.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, channels) float32 ndarray
        After the last prior step; without noise, apply `fitted` to it.

    References
    ----------
    Guleryuz, "Nonlinear approximation based image recovery using adaptive sparse reconstructions
    and iterated denoising", IEEE TIP 15(3), 2006.
    """
    estimate, stride = start, min(stride, *dictionary.patch_shape[:2])
    for done, tolerance in enumerate(tolerances):
        if done:
            estimate = step(estimate)
        code = functools.partial(
            overlap.sparse_estimate,
            dictionary=dictionary,
            sparsity=max(1, dictionary.patch_dim // 3),
            tolerance=dictionary.patch_dim * float(tolerance) ** 2,
        )
        part = bands.part(pool, done, len(tolerances))
        estimate = overlap.restore_image(estimate, dictionary.patch_shape, code, stride, pool=part)
    return estimate


def fitted(image: Array, operator: Operator, measured: Array, iterations: int = 4) -> Array:
    """The nearest picture that fits the measurements: x + A' (A A')^-1 (y - A x).

    By conjugate gradients, which need one iteration if A A' = I.

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


def _inner(one: Array, other: Array) -> float:
    """The real part of <one, other>, the same for any number of BLAS threads."""
    if one.dtype.kind == "c":
        return float(np.sum(np.conj(one) * other, dtype=np.complex128).real)
    return float(np.sum(one * other, dtype=np.float64))
