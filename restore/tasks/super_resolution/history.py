"""How a picture became small, read off the picture.

Blur makes the steepest edges wider than shrinking does, sharpening puts halos beside them, and
dropping pixels makes them abrupt. What the steepest edges look like, the spectrum, and how well a
pixel is predicted by those around it are measured; a small network, taught on photographs made
small in many ways, says from that by which filter the picture comes nearest to one that became
small by bicubic interpolation.

Michaeli & Irani, "Nonparametric blind super-resolution", ICCV 2013, for why the way matters more
than the method of enlarging.
"""

import functools

import numpy as np
from scipy import ndimage

from restore.imaging import archive
from restore.imaging.arrays import as_image, working
from restore.imaging.colour import luminance
from restore.imaging.network import Network
from restore.tasks.super_resolution.correction import OFFSETS, REACH, filter_of

#: Shares of the edges, the steepest ones, that are looked at; the least step of an edge; pixels
#: to each side of one; and the shares of edges that each measured value is a quantile of.
SHARES, STEEP, ASIDE, QUANTILES = (0.02, 0.1, 0.4), 4 / 255, 4, (0.1, 0.25, 0.5, 0.75, 0.9)

#: Edges below which nothing is known.
FEWEST = 20

#: Samples of a row whose spectrum is taken, and the distance between such pieces.
PIECE, BETWEEN = 32, 16

#: Of larger pictures the middle is looked at.
LARGEST = 1536

#: Energy that counts as none.
NONE = 1e-8

#: Probability from which on a picture is believed to be no bicubic one.
BELIEVED = 0.95

#: What the network says: coefficients of `OFFSETS` in this unit, and whether to believe them.
UNIT, OUTPUTS = 0.1, len(OFFSETS) + 1

KIND = "history of small pictures"


@functools.cache
def packaged():
    """The network that comes with the package."""
    return Network.load(archive.packaged_path("history"), KIND, (None, OUTPUTS))


def find_correction(image, network=None):
    """The filter that makes of a small picture one that became small by bicubic interpolation.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        As for `super_resolve`; as it was decoded, where it was a JPEG file.
    network : Network, optional
        The packaged one by default.

    Returns
    -------
    (7, 7) float64 ndarray or None
        None where it seems to be such a picture, or shows too little.
    """
    work = working(as_image(image))
    if not work.known.any():
        return None
    features = measured(luminance(work.filled()))
    if features is None:
        return None
    said = (network or packaged())(features[None])[0].astype(np.float64)
    if said[-1] < np.log(BELIEVED / (1 - BELIEVED)):
        return None
    return filter_of(UNIT * said[:-1])


def words_of(kernel):
    """What `find_correction` found, in words: by what it does to waves of four pixels."""
    if kernel is None:
        return "bicubic"
    wave = np.cos(np.pi / 2 * np.arange(-REACH, REACH + 1))
    return f"{'softer' if (kernel @ wave).sum() > 1 else 'sharper'} than bicubic"


def measured(plane):
    """What tells how a plane became small: a vector of features, or None where there are no edges.

    Parameters
    ----------
    plane : (height, width) float32 ndarray
        In [0, 1].
    """
    middle = tuple(slice(max(0, n - LARGEST) // 2, max(0, n - LARGEST) // 2 + LARGEST)
                   for n in plane.shape)  # fmt: skip
    plane = plane[middle].astype(np.float64)
    if min(plane.shape) < PIECE:
        return None
    profiles = _profiles(plane)
    if len(profiles[0]) < FEWEST:
        return None
    found = [_edges(*profiles, share) for share in SHARES]
    found += [_spectrum(plane), *_prediction(plane)]
    squares = np.diff(plane, axis=1) ** 2
    energy = squares.mean()
    found.append(
        [np.log(((squares**2).mean() + NONE**2) / (energy + NONE) ** 2), np.log(energy + NONE)]
    )
    return np.concatenate(found).astype(np.float32)


def _profiles(plane):
    """Steps of edges across rows and columns, and the steps beside each as parts of its own."""
    steps, profiles = [], []
    for lines in (plane, plane.T):
        change = np.diff(lines, axis=1)
        size = np.abs(change)
        inner = size[:, ASIDE:-ASIDE]
        peak = inner >= np.maximum(size[:, ASIDE - 1 : -ASIDE - 1], STEEP)
        peak &= inner > size[:, ASIDE + 1 : size.shape[1] - ASIDE + 1]
        row, column = np.nonzero(peak)
        windows = change[row[:, None], column[:, None] + np.arange(2 * ASIDE + 1)]
        steps.append(inner[peak])
        profiles.append(windows / windows[:, [ASIDE]])
    return np.concatenate(steps), np.concatenate(profiles)


def _edges(steps, profiles, share):
    """Quantiles of what is beside the steepest edges, by distance: halos are negative."""
    steepest = profiles[steps >= np.quantile(steps, 1 - share)]
    one, other = steepest[:, ASIDE + 1 :], steepest[:, ASIDE - 1 :: -1]
    found = np.quantile((one + other) / 2, QUANTILES, axis=0)
    return np.append(found.ravel(), np.median(np.minimum(one, other), axis=0))


def _spectrum(plane):
    """Logarithms of the energy at rising frequencies, relative to the lowest ones."""
    total = 0.0
    for lines in (plane, plane.T):
        starts = np.arange(0, lines.shape[1] - PIECE + 1, BETWEEN)
        pieces = lines[:, starts[:, None] + np.arange(PIECE)].reshape(-1, PIECE)
        pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * np.hanning(PIECE + 2)[1:-1]
        total = total + (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).mean(axis=0)
    logarithms = np.log(total[1:] + NONE)
    return logarithms[1:] - logarithms[:2].mean()


def _prediction(plane):
    """How pixels differ from the means of those around, together, and the best prediction."""
    rings = [kernel for kernel in OFFSETS if not kernel[0].any()]
    differences = np.array([ndimage.correlate(plane, kernel / -kernel[3, 3]) for kernel in rings])
    differences = differences.reshape(len(rings), -1)
    evened = differences / (np.sqrt((differences**2).mean(axis=0)) + 1 / 255)
    for rows in (differences, evened):
        gram = rows @ rows.T
        gram /= np.trace(gram)
        weights = np.linalg.solve(gram + 1e-4 * np.eye(len(gram)), np.ones(len(gram)))
        yield (weights / weights.sum())[:-1]
        yield gram[np.triu_indices(len(gram))]
