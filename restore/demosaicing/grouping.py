"""What groups of similar patches know about a noisy mosaic.

The learned stages see a few samples around; similar patches from further away know more.
The picture is restored by them once from the mosaic's plain colours, whose noise is strong
and coarse in luma, then again with the measured samples put back into the estimate.
"""

import numpy as np

from restore import groups
from restore.colour import from_planes, to_planes

#: Noise of luma and chroma of plain colours that serves best, over that of the mosaic, in
#: variance. The stages take the colours' details from one another, and so their noise.
PLAIN = (3.0, 0.8, 0.8)

#: The same where the measured samples are put back, and how often they are.
PUT_BACK = (1.0, 1.0, 1.0)
ROUNDS = 2


def refined(mosaic, sites, sigma, plain, joint, *, threads=None, progress=None):
    """A noisy mosaic's colours by Wiener filtering of groups of similar patches.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
    sites : list of (channel, (row, column))
        Of the top-left 2 x 2 samples.
    sigma : float
        Standard deviation of the mosaic's noise.
    plain : (height, width, 3) float32 ndarray
        Its colours, noise and all.
    joint : (height, width, 3) float32 ndarray
        Its colours without the noise, by learned stages: shows which patches are alike.
    threads, progress
        As in `demosaic`.

    Returns
    -------
    (height, width, 3) float32 ndarray
        `joint` where the picture is smaller than a patch.
    """
    grouping = groups.Grouping()
    if min(mosaic.shape) < grouping.side:
        return joint
    guide = to_planes(joint)
    places = groups.find(guide[0], grouping, threads=threads, progress=progress)

    def filtered(colour, pilot, factors):
        found = [
            groups.code(
                plane,
                np.full(plane.shape, factor * sigma**2, np.float32),
                places,
                grouping.side,
                pilot=shown,
                threads=threads,
                progress=progress,
            )
            for plane, shown, factor in zip(to_planes(colour), pilot, factors)
        ]
        return np.stack(found)

    pilot = filtered(plain, guide, PLAIN)
    colour = from_planes(pilot)
    for _ in range(ROUNDS):
        for channel, (row, column) in sites:
            colour[row::2, column::2, channel] = mosaic[row::2, column::2]
        colour = from_planes(filtered(colour, pilot, PUT_BACK))
    return colour
