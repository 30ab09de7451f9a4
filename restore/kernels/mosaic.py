"""First estimates of the colours of a Bayer mosaic, from directions and residuals.

Every kernel here works on a strip: some rows of the picture with a margin all around,
mirrored at the picture's border, whose sample (0, 0) lies under a red filter of the
pattern RGGB. With that, sample (i, j) is green where i + j is odd, and the kernels need
no other knowledge of the pattern: "own" is the colour measured at a sample, "other" the
one measured at its neighbours along the row.
"""

import numpy as np

from restore.kernels.jit import kernel
from restore.typing import Floats

#: Added to denominators that are energies of one sample.
TINY = np.float32(1e-10)


@kernel
def tentative_rows(mosaic: Floats, other: Floats) -> None:
    """The colour of the neighbours along the row, at every sample, with a correction.

    ``(m[j-1] + m[j+1]) / 2 + (2 m[j] - m[j-2] - m[j+2]) / 4``: the mean of the two
    neighbours, corrected by the own colour's second difference (Hamilton & Adams 1997).
    """
    height, width = mosaic.shape
    for i in range(height):
        m = mosaic[i]
        out = other[i]
        for j in range(2, width - 2):
            out[j] = np.float32(0.5) * (m[j - 1] + m[j + 1]) + np.float32(0.25) * (
                np.float32(2) * m[j] - m[j - 2] - m[j + 2]
            )


@kernel(reorder=True)
def residual_rows(mosaic: Floats, other: Floats) -> None:
    """The colour of the neighbours along the row by residual interpolation.

    The other colour is first an affine function of the own one, fitted along the row in
    windows of 11 samples so that second differences agree; what that leaves at the
    samples where the other colour was measured is interpolated linearly and added
    (Kiku, Monno, Tanaka & Okutomi, "Minimized-Laplacian residual interpolation for
    color image demosaicking", 2014).
    """
    height, width = mosaic.shape
    half = np.float32(0.5)
    scratch = np.zeros((10, width), np.float32)
    guide, product, square, slope_here, slope_next = scratch[:5]
    shift_here, shift_next, residual, mean_guide, mean_own = scratch[5:]
    for i in range(height):
        m = mosaic[i]
        out = other[i]
        for j in range(1, width - 1):
            guide[j] = half * (m[j - 1] + m[j + 1])
        for j in range(3, width - 3):
            own = m[j] + m[j] - m[j - 2] - m[j + 2]
            along = guide[j] + guide[j] - guide[j - 2] - guide[j + 2]
            product[j] = own * along
            square[j] = along * along + TINY
        # A window centred at j fits two colours: the one measured at j ("here") on the
        # samples j, j +- 2, j +- 4 and the other ("next") on j +- 1, j +- 3, j +- 5.
        for j in range(8, width - 8):
            top = product[j - 4] + product[j - 2] + product[j] + product[j + 2] + product[j + 4]
            low = square[j - 4] + square[j - 2] + square[j] + square[j + 2] + square[j + 4]
            slope = top / low
            slope_here[j] = slope
            mean = m[j - 4] + m[j - 2] + m[j] + m[j + 2] + m[j + 4]
            base = guide[j - 4] + guide[j - 2] + guide[j] + guide[j + 2] + guide[j + 4]
            shift_here[j] = (mean - slope * base) * np.float32(0.2)
            top = (
                (product[j - 5] + product[j - 3])
                + (product[j - 1] + product[j + 1])
                + (product[j + 3] + product[j + 5])
            )
            low = (
                (square[j - 5] + square[j - 3])
                + (square[j - 1] + square[j + 1])
                + (square[j + 3] + square[j + 5])
            )
            slope = top / low
            slope_next[j] = slope
            mean = (m[j - 5] + m[j - 3]) + (m[j - 1] + m[j + 1]) + (m[j + 3] + m[j + 5])
            base = (
                (guide[j - 5] + guide[j - 3])
                + (guide[j - 1] + guide[j + 1])
                + (guide[j + 3] + guide[j + 5])
            )
            shift_next[j] = (mean - slope * base) * np.float32(1 / 6)
        for j in range(13, width - 13):
            slope = slope_here[j]
            shift = shift_here[j]
            for t in range(2, 5, 2):
                slope += slope_here[j - t] + slope_here[j + t]
                shift += shift_here[j - t] + shift_here[j + t]
            for t in range(1, 6, 2):
                slope += slope_next[j - t] + slope_next[j + t]
                shift += shift_next[j - t] + shift_next[j + t]
            residual[j] = m[j] - (slope * guide[j] + shift) * np.float32(1 / 11)
        for j in range(14, width - 14):
            slope = slope_next[j]
            shift = shift_next[j]
            for t in range(2, 5, 2):
                slope += slope_next[j - t] + slope_next[j + t]
                shift += shift_next[j - t] + shift_next[j + t]
            for t in range(1, 6, 2):
                slope += slope_here[j - t] + slope_here[j + t]
                shift += shift_here[j - t] + shift_here[j + t]
            out[j] = (slope * m[j] + shift) * np.float32(1 / 11) + half * (
                residual[j - 1] + residual[j + 1]
            )


@kernel(reorder=True)
def green_difference(mosaic: Floats, along: Floats, down: Floats, difference: Floats) -> None:
    """Green minus the other colour at every sample, from four directions.

    ``difference = sum_d w_d D_d / sum_d w_d`` over north, south, west and east, where D_d
    is the mean of five directional differences on that side and w_d the inverse square of
    their variation over 5 x 5 samples on that side (gradient-based threshold free
    interpolation: Pekkucuksen & Altunbasak 2010).
    """
    height, width = mosaic.shape
    across = np.zeros((2, height, width), np.float32)  # differences along rows, columns
    rough = np.zeros((2, height, width), np.float32)  # their variation
    for i in range(height):
        sign = np.float32(1 - 2 * (i & 1))
        for j in range(width):
            s = sign * np.float32(1 - 2 * (j & 1))
            across[0, i, j] = s * (along[i, j] - mosaic[i, j])
            across[1, i, j] = s * (down[i, j] - mosaic[i, j])
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            rough[0, i, j] = abs(across[0, i, j - 1] - across[0, i, j + 1])
            rough[1, i, j] = abs(across[1, i - 1, j] - across[1, i + 1, j])
    # five rows, or five columns, summed
    tall = np.zeros((height, width), np.float32)
    wide = np.zeros((height, width), np.float32)
    for i in range(2, height - 2):
        for j in range(2, width - 2):
            tall[i, j] = (
                (rough[0, i - 2, j] + rough[0, i - 1, j])
                + (rough[0, i + 1, j] + rough[0, i + 2, j])
                + rough[0, i, j]
            )
            wide[i, j] = (
                (rough[1, i, j - 2] + rough[1, i, j - 1])
                + (rough[1, i, j + 1] + rough[1, i, j + 2])
                + rough[1, i, j]
            )
    for i in range(4, height - 4):
        for j in range(4, width - 4):
            west = tall[i, j] + tall[i, j - 1] + tall[i, j - 2] + tall[i, j - 3] + tall[i, j - 4]
            east = tall[i, j] + tall[i, j + 1] + tall[i, j + 2] + tall[i, j + 3] + tall[i, j + 4]
            north = wide[i, j] + wide[i - 1, j] + wide[i - 2, j] + wide[i - 3, j] + wide[i - 4, j]
            south = wide[i, j] + wide[i + 1, j] + wide[i + 2, j] + wide[i + 3, j] + wide[i + 4, j]
            west = np.float32(1) / (west * west + TINY)
            east = np.float32(1) / (east * east + TINY)
            north = np.float32(1) / (north * north + TINY)
            south = np.float32(1) / (south * south + TINY)
            a = across[0, i]
            b = across[1]
            total = (
                west
                * (
                    np.float32(0.56) * a[j]
                    + np.float32(0.35) * a[j - 1]
                    + np.float32(0.08) * a[j - 2]
                    + np.float32(0.01) * a[j - 3]
                )
                + east
                * (
                    np.float32(0.56) * a[j]
                    + np.float32(0.35) * a[j + 1]
                    + np.float32(0.08) * a[j + 2]
                    + np.float32(0.01) * a[j + 3]
                )
                + north
                * (
                    np.float32(0.56) * b[i, j]
                    + np.float32(0.35) * b[i - 1, j]
                    + np.float32(0.08) * b[i - 2, j]
                    + np.float32(0.01) * b[i - 3, j]
                )
                + south
                * (
                    np.float32(0.56) * b[i, j]
                    + np.float32(0.35) * b[i + 1, j]
                    + np.float32(0.08) * b[i + 2, j]
                    + np.float32(0.01) * b[i + 3, j]
                )
            )
            difference[i, j] = total / (west + east + north + south)


@kernel
def chroma_bilinear(mosaic: Floats, difference: Floats, colour: Floats) -> None:
    """Full colour from green differences, interpolated bilinearly.

    Green at red and blue samples is the sample plus its difference; red and blue
    elsewhere are green minus the mean difference of the nearest red or blue samples.
    """
    height, width = mosaic.shape
    half = np.float32(0.5)
    quarter = np.float32(0.25)
    for i in range(4, height - 4):
        for j in range(4, width - 4):
            m = mosaic[i, j]
            if (i + j) & 1:
                row = half * (difference[i, j - 1] + difference[i, j + 1])
                column = half * (difference[i - 1, j] + difference[i + 1, j])
                colour[1, i, j] = m
                if i & 1:
                    colour[0, i, j] = m - column
                    colour[2, i, j] = m - row
                else:
                    colour[0, i, j] = m - row
                    colour[2, i, j] = m - column
            else:
                green = m + difference[i, j]
                corners = quarter * (
                    (difference[i - 1, j - 1] + difference[i - 1, j + 1])
                    + (difference[i + 1, j - 1] + difference[i + 1, j + 1])
                )
                colour[1, i, j] = green
                if i & 1:
                    colour[0, i, j] = green - corners
                    colour[2, i, j] = m
                else:
                    colour[0, i, j] = m
                    colour[2, i, j] = green - corners


@kernel(reorder=True)
def _from_quarter(
    mean_slope: Floats,
    mean_shift: Floats,
    residual: Floats,
    green: Floats,
    phase: int,
    colour: Floats,
) -> None:
    """A colour at all samples from the quarter grid: means of the nearest one, two or four."""
    height, width = green.shape
    for i in range(12, height - 12):
        above = (i - phase) >> 1
        below = (i - phase + 1) >> 1
        for j in range(12, width - 12):
            left = (j - phase) >> 1
            right = (j - phase + 1) >> 1
            a = (mean_slope[above, left] + mean_slope[above, right]) + (
                mean_slope[below, left] + mean_slope[below, right]
            )
            b = (mean_shift[above, left] + mean_shift[above, right]) + (
                mean_shift[below, left] + mean_shift[below, right]
            )
            rest = (residual[above, left] + residual[above, right]) + (
                residual[below, left] + residual[below, right]
            )
            colour[i, j] = np.float32(0.25) * (a * green[i, j] + b + rest)


@kernel(reorder=True)
def chroma_residual(mosaic: Floats, green: Floats, colour: Floats) -> None:
    """Red and blue by residual interpolation, guided by the green plane.

    On the quarter grid where a colour is measured it is an affine function of green,
    fitted in windows of 5 x 5 samples so that second differences agree; the coefficients
    are averaged over 5 x 5 windows and interpolated bilinearly, and so is what they leave
    at the measured samples, which is added (Kiku et al. 2014, as in `residual_rows`).
    """
    height, width = mosaic.shape
    rows, columns = height // 2, width // 2
    four = np.float32(4)
    own = np.zeros((rows, columns), np.float32)
    guide = np.zeros((rows, columns), np.float32)
    sums = np.zeros((4, rows, columns), np.float32)  # along columns of five
    slope = np.zeros((rows, columns), np.float32)
    shift = np.zeros((rows, columns), np.float32)
    mean_slope = np.zeros((rows, columns), np.float32)
    mean_shift = np.zeros((rows, columns), np.float32)
    terms = np.zeros((4, rows, columns), np.float32)
    for phase in range(2):  # red, blue
        for i in range(rows):
            for j in range(columns):
                own[i, j] = mosaic[2 * i + phase, 2 * j + phase]
                guide[i, j] = green[2 * i + phase, 2 * j + phase]
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                a = four * own[i, j] - (
                    (own[i - 1, j] + own[i + 1, j]) + (own[i, j - 1] + own[i, j + 1])
                )
                b = four * guide[i, j] - (
                    (guide[i - 1, j] + guide[i + 1, j]) + (guide[i, j - 1] + guide[i, j + 1])
                )
                terms[0, i, j] = a * b
                terms[1, i, j] = b * b
                terms[2, i, j] = own[i, j]
                terms[3, i, j] = guide[i, j]
        for k in range(4):
            for i in range(2, rows - 2):
                for j in range(columns):
                    sums[k, i, j] = (
                        terms[k, i, j]
                        + (terms[k, i - 1, j] + terms[k, i + 1, j])
                        + (terms[k, i - 2, j] + terms[k, i + 2, j])
                    )
        for i in range(3, rows - 3):
            for j in range(3, columns - 3):
                s = sums[:, i]
                top = s[0, j] + (s[0, j - 1] + s[0, j + 1]) + (s[0, j - 2] + s[0, j + 2])
                low = s[1, j] + (s[1, j - 1] + s[1, j + 1]) + (s[1, j - 2] + s[1, j + 2])
                mean = s[2, j] + (s[2, j - 1] + s[2, j + 1]) + (s[2, j - 2] + s[2, j + 2])
                base = s[3, j] + (s[3, j - 1] + s[3, j + 1]) + (s[3, j - 2] + s[3, j + 2])
                ratio = top / (low + TINY)
                slope[i, j] = ratio
                shift[i, j] = np.float32(0.04) * (mean - ratio * base)
        for i in range(5, rows - 5):
            for j in range(columns):
                sums[0, i, j] = (
                    slope[i, j]
                    + (slope[i - 1, j] + slope[i + 1, j])
                    + (slope[i - 2, j] + slope[i + 2, j])
                )
                sums[1, i, j] = (
                    shift[i, j]
                    + (shift[i - 1, j] + shift[i + 1, j])
                    + (shift[i - 2, j] + shift[i + 2, j])
                )
        for i in range(5, rows - 5):
            for j in range(5, columns - 5):
                s = sums[0, i]
                a = s[j] + (s[j - 1] + s[j + 1]) + (s[j - 2] + s[j + 2])
                s = sums[1, i]
                b = s[j] + (s[j - 1] + s[j + 1]) + (s[j - 2] + s[j + 2])
                a *= np.float32(0.04)
                b *= np.float32(0.04)
                mean_slope[i, j] = a
                mean_shift[i, j] = b
                own[i, j] -= a * guide[i, j] + b  # now the residual
        _from_quarter(mean_slope, mean_shift, own, green, phase, colour[2 * phase])
