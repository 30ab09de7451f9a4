"""A sample picture, and what the tests of demosaicing measure."""

import numpy as np
from PIL import Image

from tests import SAMPLES

COFFEE = SAMPLES / "coffee-clean.png"


def picture(height=96, width=120):
    """A corner of the sample picture of a coffee cup, in colour."""
    return np.asarray(Image.open(COFFEE).convert("RGB"))[40 : 40 + height, 60 : 60 + width]


def decibels(estimate, truth, border=0):
    error = (estimate - truth / 255.0)[
        border or None : -border or None, border or None : -border or None
    ]
    return -10 * np.log10(np.mean(error**2))
