"""Sparse coding and learning over the known samples."""

import numpy as np


def pursued_known(patch, known, atoms, channels, sparsity, tolerance=0.0):
    """ORMP over the known samples: of all atoms the one whose least squares fit, together with a
    constant for each channel, leaves least. Mairal, Elad & Sapiro 2008, section IV. Without
    constants where there are 0 channels.
    """
    seen = atoms.astype(np.float64)[:, known]
    patch, place = patch[known].astype(np.float64), np.flatnonzero(known)
    constants = np.zeros((channels, len(patch)))
    for c in range(channels):
        constants[c] = place % channels == c
    share = np.array([np.sum(_left_over(row, constants) ** 2) for row in seen])
    usable = share > 0.1 * known.mean()
    support, coefficients, means = [], np.zeros(0), constants @ patch / constants.sum(axis=1)
    residual = patch - means @ constants
    most = min(sparsity, known.sum() - channels - 1)
    while len(support) < most and residual @ residual > tolerance * known.sum():
        left = np.full(len(atoms), np.inf)
        for j in np.flatnonzero(usable):
            outside = _left_over(seen[j], np.concatenate([constants, seen[support]]))
            if outside @ outside > 0.01 * share[j]:
                left[j] = np.sum(
                    _left_over(patch, np.concatenate([constants, seen[[*support, j]]])) ** 2
                )
        if not np.isfinite(left).any():
            break
        support.append(int(np.argmin(left)))
        rows = np.concatenate([constants, seen[support]])
        fit = np.linalg.lstsq(rows.T, patch, rcond=None)[0]
        means, coefficients, residual = fit[:channels], fit[channels:], patch - fit @ rows
    return support, coefficients, means


def _left_over(signal, rows):
    return signal - rows.T @ np.linalg.lstsq(rows.T, signal, rcond=None)[0]


def updated_known_atoms(residuals, known, codes, atoms, channels, rounds):
    """Masked K-SVD: Mairal, Elad & Sapiro 2008, eq. 14, an atom at a time, by alternating least
    squares; `codes` is a full (n_patches, n_atoms) matrix. Gives atoms and codes.
    """
    residuals, known = residuals.astype(np.float64), known.astype(np.float64)
    codes, atoms = codes.astype(np.float64).copy(), atoms.astype(np.float64).copy()
    for j in range(len(atoms)):
        users = np.flatnonzero(codes[:, j])
        if len(users) == 0:
            continue
        seen, a, d = known[users], codes[users, j], atoms[j].copy()
        error = seen * (residuals[users] + np.outer(a, d))
        for _ in range(rounds):
            for k in range(len(d)):
                if seen[:, k].any():
                    d[k] = np.sum(a * error[:, k]) / np.sum(a**2 * seen[:, k])
            for p in range(len(a)):
                if seen[p].any():
                    a[p] = np.sum(d * error[p]) / np.sum(d**2 * seen[p])
        residuals[users] = error - seen * np.outer(a, d)
        for c in range(channels):
            d[c::channels] -= d[c::channels].mean()
        length = np.linalg.norm(d) * np.sign(d[np.abs(d).argmax()])
        atoms[j], codes[users, j] = d / length, a * length
    return atoms, codes
