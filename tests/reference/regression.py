"""What the regressions of demosaicing see."""

import numpy as np


def missing_of(colour):
    """Of (3, h, w) what a mosaic does not measure: see the words in the kernel."""
    found = np.empty((2, *colour.shape[1:]))
    for i in range(colour.shape[1]):
        for j in range(colour.shape[2]):
            row, other = (0, 2) if i % 2 == 0 else (2, 0)
            found[:, i, j] = colour[[row if (i + j) % 2 else 1, other], i, j]
    return found


def second_differences_explained(m, missing, i, j, reach):
    """Energies of the row's and the other colour's second differences, green's, products.

    Over the cells within `reach` cells of that of sample (i, j), where the colour is measured.
    """
    found = []
    for phase in (i % 2, 1 - i % 2):
        own = green = both = 0
        for u in range(i // 2 - reach, i // 2 + reach + 1):
            for v in range(j // 2 - reach, j // 2 + reach + 1):
                y, x = 2 * u + phase, 2 * v + phase
                places = [(y - 2, x), (y + 2, x), (y, x - 2), (y, x + 2)]
                a = 4 * m[y, x] - sum(m[place] for place in places)
                b = 4 * missing[0, y, x] - sum(missing[0][place] for place in places)
                own, green, both = own + a * a, green + b * b, both + a * b
        found.append((own, green, both))
    return found


def cell_sum(values, i, j, reach):
    """Sum over the cells within `reach` cells of that of sample (i, j)."""
    u, v = 2 * (i // 2), 2 * (j // 2)
    return values[u - 2 * reach : u + 2 * reach + 2, v - 2 * reach : v + 2 * reach + 2].sum()
