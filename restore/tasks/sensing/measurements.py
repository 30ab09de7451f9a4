"""Measurements in numpy files; every number is checked before it is used."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from restore.sparse.operators import Blocks, Fourier
from restore.typing import Array, Floats

#: Largest side of a picture, and of a block.
LARGEST, LARGEST_BLOCK = 1 << 15, 256


def arrays_of(data: bytes) -> dict[str, Array]:
    """{name: ndarray} of an ``.npz`` file, or {"": ndarray} of an ``.npy`` file.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    ValueError
        If it is neither, or holds other things than numbers.
    """
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        return {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"no .npy or .npz file of numbers: {error}") from error


def fourier(arrays: Mapping[str, Array], mask: Array | None) -> tuple[Array, Fourier, float, bool]:
    """Measurements and operator of a plane of frequencies.

    Parameters
    ----------
    arrays : dict
        Of `arrays_of`: one array, or one called ``"kspace"``: (height, width), complex.
    mask : (height, width) bool ndarray or None
        Where it was measured; by default where it is not 0. Frequency 0 is taken to be in the
        middle or at the corner, whichever is stronger.

    Returns
    -------
    measured : (n_measured,) complex64 ndarray
        Scaled so that the brightest sample of the zero-filled reconstruction is 1.
    operator : Fourier
    scale : float
        The value that became 1.
    centred : bool
        Whether frequency 0 was in the middle.
    """
    plane = _only(arrays, "kspace")
    if (
        plane.ndim != 2
        or plane.dtype.kind not in "cf"
        or not all(1 < n <= LARGEST for n in plane.shape)
    ):
        raise ValueError(
            f"expected a plane of frequencies, complex, (height, width), got {plane.dtype} of "
            f"shape {plane.shape}"
        )
    if not np.isfinite(plane).all() or not plane.any():
        raise ValueError("the frequencies are NaN or infinite, or all 0")
    mask = plane != 0 if mask is None else mask
    if mask.shape != plane.shape:
        raise ValueError(
            f"the mask is {mask.shape[1]} x {mask.shape[0]} and the plane of frequencies "
            f"{plane.shape[1]} x {plane.shape[0]}: make them the same size"
        )
    if not mask.any():
        raise ValueError("the mask is black: nothing was measured")
    middle = tuple(n // 2 for n in plane.shape)
    centred = bool(abs(plane[middle]) > abs(plane[0, 0]))
    if centred:
        plane, mask = np.fft.ifftshift(plane), np.fft.ifftshift(mask)
    operator = Fourier(np.ascontiguousarray(mask))
    measured = plane[mask].astype(np.complex64)
    scale = float(np.abs(operator.adjoint(measured)).max())
    if not 0 < scale < np.inf:
        raise ValueError("nothing was measured: all frequencies under the mask are 0")
    return measured / np.float32(scale), operator, scale, centred


def blocks(arrays: Mapping[str, Array], matrix: Array | None = None) -> tuple[Floats, Blocks]:
    """Measurements and operator of projected blocks.

    Parameters
    ----------
    arrays : dict
        Of `arrays_of`: ``"measurements"`` (n_blocks, n_projections), ``"shape"`` (height, width),
        and ``"matrix"`` (n_projections, side * side) where none is given.
    matrix : ndarray, optional

    Returns
    -------
    measured : (n_blocks, n_projections) float32 ndarray
    operator : Blocks
    """
    for name in ("measurements", "shape", *(() if matrix is not None else ("matrix",))):
        if name not in arrays:
            raise ValueError(f"the file has no array {name!r}; it has {', '.join(arrays)}")
    measured, shape = arrays["measurements"], arrays["shape"]
    matrix = arrays["matrix"] if matrix is None else matrix
    if (
        shape.shape != (2,)
        or shape.dtype.kind not in "iu"
        or not all(1 <= int(n) <= LARGEST for n in shape)
    ):
        raise ValueError(f"expected as shape two numbers from 1 to {LARGEST}, got {shape!r}")
    side = round(matrix.shape[-1] ** 0.5) if matrix.ndim == 2 else 0
    if not 1 <= side <= LARGEST_BLOCK or side * side != matrix.shape[1]:
        raise ValueError(f"a matrix of shape {matrix.shape} does not project square blocks")
    operator = Blocks(np.ascontiguousarray(matrix, np.float32), tuple(int(n) for n in shape))
    down, across = operator.counts
    expected = (down * across, len(matrix))
    if measured.shape != expected or measured.dtype.kind != "f":
        raise ValueError(
            f"measurements are {measured.dtype} of shape {measured.shape}, and the matrix makes "
            f"{expected} floats of a picture of {operator.shape[1]} x {operator.shape[0]}"
        )
    if not (np.isfinite(measured).all() and np.isfinite(operator.matrix).all()):
        raise ValueError("the measurements or the matrix are NaN or infinite")
    return measured.astype(np.float32), operator


def _only(arrays: Mapping[str, Array], name: str) -> Array:
    """The array of that name, or the only one."""
    if name in arrays:
        return arrays[name]
    if len(arrays) == 1:
        (array,) = arrays.values()
        return array
    raise ValueError(f"the file has several arrays and none called {name!r}")
