"""Full colour from a Bayer mosaic.

A camera measures one colour at every sample, through a filter of red, green or blue. The
two missing ones are estimated along edges, not across them, and the measured ones are
returned as they came.
"""

import numpy as np

from restore.bands import map_bands
from restore.images import as_image

#: Row and column of the red filter in the top-left 2 x 2 samples, by the pattern's name.
RED = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}

#: Rows and columns mirrored around the picture; even, so that they keep the phase.
MARGIN = 32

#: Rows computed at a time.
ROWS = 128


def demosaic(mosaic, pattern="RGGB", *, threads=None, progress=None):
    """Estimate the two colours that a Bayer filter hid at every sample.

    Parameters
    ----------
    mosaic : (height, width) or (height, width, 1) array_like
        One measured colour per sample, in scikit-image's conventions (unsigned integers
        span their whole range, floats are nominally in [0, 1]), gamma-encoded or linear.
    pattern : {"RGGB", "BGGR", "GRBG", "GBRG"}
        Colours of the top-left 2 x 2 samples, row by row.
    threads : int, optional
        Threads to use; all usable processors by default. The result is the same for any.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    (height, width, 3) float32 ndarray
        Red, green and blue. The measured samples are in it unchanged; the estimated ones
        lie between the least and the greatest measured sample, so that clipped highlights
        stay clipped in all colours.

    Raises
    ------
    ValueError
        If the mosaic has three channels or samples that are not finite, or the pattern is
        not one of the four.
    """
    samples = as_image(mosaic)
    if samples.shape[2] != 1:
        raise ValueError(
            "expected a mosaic with one channel, got a picture with three: it is in full "
            "colour already"
        )
    if pattern not in RED:
        raise ValueError(
            f"unknown Bayer pattern {pattern!r}: expected RGGB, BGGR, GRBG or GBRG, the colours "
            "of the top-left 2x2 samples row by row (OpenCV's names are shifted: its "
            "BayerBG is RGGB, BayerRG is BGGR, BayerGB is GRBG and BayerGR is GBRG)"
        )
    samples = samples[..., 0]
    if not np.isfinite(samples).all():
        raise ValueError("the mosaic has samples that are not finite: replace them first")
    top, left = RED[pattern]
    if min(samples.shape) == 1:
        colour = _thin(samples, top, left)
    else:
        # Mirrored about the border samples, colours keep their phase: a red filter comes
        # to lie at (0, 0) whatever the pattern.
        padded = np.pad(
            samples,
            ((MARGIN + top, MARGIN + 1), (MARGIN + left, MARGIN + 1)),
            mode="reflect",
        )
        colour = _estimate(padded, threads, progress)
        colour = colour[top : top + samples.shape[0], left : left + samples.shape[1]]
    np.clip(colour, samples.min(), samples.max(), out=colour)
    for row in (0, 1):
        for column in (0, 1):
            channel = (row + top) % 2 + (column + left) % 2
            colour[row::2, column::2, channel] = samples[row::2, column::2]
    return np.ascontiguousarray(colour)


def _estimate(padded, threads, progress):
    """Colour of all but the margin of a mirrored mosaic with red at (0, 0)."""
    from restore.kernels import mosaic as kernels

    height, width = padded.shape[0] - 2 * MARGIN, padded.shape[1] - 2 * MARGIN

    def estimate(rows):
        strip = padded[rows.start : rows.stop + 2 * MARGIN]
        turned = np.ascontiguousarray(strip.T)
        along = np.zeros_like(strip)
        down = np.zeros_like(turned)
        kernels.tentative_rows(strip, along)
        kernels.tentative_rows(turned, down)
        difference = np.zeros_like(strip)
        kernels.green_difference(strip, along, np.ascontiguousarray(down.T), difference)
        colour = np.zeros((3, *strip.shape), np.float32)
        kernels.chroma_bilinear(strip, difference, colour)
        kernels.chroma_residual(strip, colour[1], colour)
        return colour[:, MARGIN:-MARGIN, MARGIN:-MARGIN]

    bands = [slice(start, min(start + ROWS, height)) for start in range(0, height, ROWS)]
    colour = np.empty((height, width, 3), np.float32)
    for rows, planes in zip(bands, map_bands(estimate, bands, threads, progress, "demosaicing")):
        colour[rows] = planes.transpose(1, 2, 0)
    return colour


def _thin(samples, top, left):
    """Colour of a picture one sample wide or high: each colour interpolated along it.

    A colour that is not measured at all takes the mean of those that are.
    """
    line = samples.ravel()
    across = samples.shape[0] == 1
    positions = np.arange(line.size)
    parity = positions % 2
    channel = top + (parity + left) % 2 if across else (parity + top) % 2 + left
    measured = sorted(set(channel.tolist()))
    colour = np.empty((line.size, 3), np.float32)
    for c in measured:
        here = positions[channel == c]
        colour[:, c] = np.interp(positions, here, line[here])
    mean = colour[:, measured].mean(axis=1)
    for c in {0, 1, 2} - set(measured):
        colour[:, c] = mean
    return colour.reshape(*samples.shape, 3)
