"""Coding by an l1 penalty."""

import numpy as np


def shrunk(patch, atoms, penalty, iterations=20000):
    """ISTA for one patch: Beck & Teboulle 2009, eq. 1.4, as it stands."""
    step = 1 / np.linalg.norm(atoms @ atoms.T, 2)
    code = np.zeros(len(atoms))
    for _ in range(iterations):
        descent = code + step * atoms @ (patch - code @ atoms)
        code = np.sign(descent) * np.maximum(np.abs(descent) - step * penalty, 0)
    return code
