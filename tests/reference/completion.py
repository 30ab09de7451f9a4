"""Completion of colour patches."""

import numpy as np


def completed_groups(shown, estimate, variances, mosaic, error, colours, places, side, prior):
    """Colour patches as the mean of a Gaussian, given an estimate and measured samples."""
    shown, estimate, variances = (np.asarray(a, float) for a in (shown, estimate, variances))
    total, weight = np.zeros_like(shown), np.zeros(mosaic.shape)
    channel, row, column = (axis.ravel() for axis in np.indices((3, side, side)))
    for group in places:
        corners = [divmod(int(place), mosaic.shape[1]) for place in group]

        def patches(planes, corners=corners):
            return np.array([planes[:, y : y + side, x : x + side].ravel() for y, x in corners])

        spread = patches(variances).reshape(len(corners), 3, -1).mean(axis=(0, 2))
        spread = np.repeat(spread, side * side)
        mean = patches(shown).mean(axis=0)
        centred = patches(shown) - mean
        covariance = centred.T @ centred / len(corners) + prior * np.diag(spread)
        left = np.trace(np.linalg.inv(np.linalg.inv(covariance) + np.diag(1 / spread)))
        for y, x in corners:
            at = np.flatnonzero(
                channel == colours[(y + row) % len(colours), (x + column) % len(colours)]
            )
            # one row for each thing that is known: the estimates, then the measured samples
            what = np.concatenate([np.eye(len(mean)), np.eye(len(mean))[at]])
            noise = np.diag(np.concatenate([spread, np.full(len(at), float(error))]))
            told = np.concatenate(
                [
                    estimate[:, y : y + side, x : x + side].ravel(),
                    mosaic[y + row[at], x + column[at]].astype(float),
                ]
            )
            gain = covariance @ what.T @ np.linalg.inv(what @ covariance @ what.T + noise)
            expected = mean + gain @ (told - what @ mean)
            total[:, y : y + side, x : x + side] += expected.reshape(3, side, side) / left
            weight[y : y + side, x : x + side] += 1 / left
    return total / weight
