"""One stage of a cascade from pairs of planes: anchors by k-means, regressions by least squares.

References
----------
Timofte, De Smet & Van Gool, "A+: Adjusted anchored neighborhood regression for fast
super-resolution", ACCV 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from restore.imaging.bands import Pool, map_bands, slices
from restore.kernels.anchors import normalise_rows, turned_patches
from restore.tasks.super_resolution.cascade import (
    COPIES,
    FLOOR,
    Stage,
    compared_of,
    half,
    mirrored,
    nearest_of,
    poses,
    principal,
    scorers_of,
    windows_of,
)
from restore.typing import Flags, Floats, Integers

#: Windows that vary less than this (root mean square) are not learned from.
FLAT = 2 / 255

#: Number of windows used for the bases and for the anchors.
SEEN, CLUSTERED = 1_000_000, 200_000

#: Folds of the photos: the input of the next stage for a photo, and the strength of the ridge, come
#: from regressions learned on the other folds.
FOLDS = COPIES - 1

#: Ridges tried for each anchor, relative to the mean energy of an anchor's windows.
RIDGES = (1e-5, 1e-3, 1e-2, 1e-1, 1.0)

#: Regressions are rounded to multiples of this part of a stage's root mean square, which costs
#: less than 0.005 dB: features are white, so the same step suits every coefficient, and equal steps
#: give small integers that compress well. If the largest would not fit, steps are longer.
STEP, LARGEST = 0.29, 127

#: Added to a photo's mean square error before it divides the weight of its windows.
EVEN = 1e-5

#: Rows of normal equations collected before they are added up.
GATHERED = 1_500_000


@dataclass(frozen=True)
class Plan:
    """The design of one stage: see `Stage` for the terms.

    Attributes
    ----------
    high : bool
        Windows of the enlargement so far instead of those of the small plane.
    side, patch, n_anchors : int
    focus, pose : float
        Standard deviations, in samples of the window, of the weights under which windows
        are compared with anchors, and turned into their pose.
    n_sorting : int
    """

    high: bool
    side: int
    patch: int
    n_anchors: int
    focus: float
    pose: float
    n_sorting: int = 20


class Examples(NamedTuple):
    """What a stage is learned from.

    Attributes
    ----------
    scale : int
    pairs : list of (small, large)
        Planes of the photos.
    folds : list of int
        The group that each photo belongs to.
    enlarged : list of (height, width) float32 ndarrays
        The small planes, enlarged by the stages before.
    """

    scale: int
    pairs: list
    folds: list
    enlarged: list


def learn_stage(
    examples: Examples, plan: Plan, seed: int | Sequence[int], pool: Pool | None = None
) -> tuple[Stage, list[Stage]]:
    """Learn one stage.

    Parameters
    ----------
    examples : Examples
    plan : Plan
    seed : int or sequence of int
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    stage : Stage
    held_out : list of Stage
        For each fold the stage learned on the other folds alone.
    """
    rng = np.random.default_rng(seed)
    features, sorting, anchors = _bases(_seen(examples, plan, rng, pool), plan, rng, pool)
    normal = _normal_equations(examples, plan, features, sorting, anchors, pool)

    def made(matrices: Floats) -> Stage:
        regressions, steps = rounded(matrices)
        return Stage(
            step=examples.scale if plan.high else 1,
            side=plan.side,
            patch=plan.patch,
            moments=moments(plan.side, plan.pose),
            sorting=sorting,
            anchors=anchors,
            features=features,
            regressions=regressions,
            steps=steps,
        )

    solved = _regressions(normal, len(features), pool)
    return made(solved[-1]), [made(matrices) for matrices in solved[:-1]]


def _seen(examples: Examples, plan: Plan, rng: np.random.Generator, pool: Pool | None) -> Floats:
    """Windows of a few rows of the lattice of every photo."""
    scale, pairs, _, enlarged = examples
    share = SEEN / sum(small.size for small, _ in pairs)
    seeds = rng.integers(2**32, size=len(pairs))

    def seen(index: int) -> Floats:
        small = pairs[index][0]
        chosen = np.flatnonzero(np.random.default_rng(seeds[index]).random(len(small)) < share)
        found = [np.empty((0, plan.side**2), np.float32)]
        for row in chosen:
            band = slice(row, row + 1)
            windows, _, vary = _windows(small, enlarged[index], scale, plan, band)
            found.append(windows[vary])
        return np.concatenate(found)

    windows = np.concatenate(list(map_bands(seen, range(len(pairs)), pool, "looking")))
    if len(windows) < plan.n_anchors:
        raise ValueError(
            f"the photos have {len(windows)} windows with any detail, which is too few to learn "
            f"{plan.n_anchors} anchors from: give more or larger photos"
        )
    return windows


def _bases(
    windows: Floats, plan: Plan, rng: np.random.Generator, pool: Pool | None
) -> tuple[Floats, Floats, Floats]:
    """The features and the sorting of a stage, and its anchors."""
    energies, axes = principal(windows)
    # All but the mean; whitened, so that regressions are well conditioned and robust to rounding.
    n_features = plan.side**2 - 1
    features = half((axes[:, :n_features] / np.sqrt(energies[:n_features] + 1e-12)).T)
    sorting = half(_sorting(windows, plan))
    contrast = np.linalg.norm(windows @ sorting.T, axis=1).astype(np.float64)
    chosen = rng.choice(
        len(windows), min(CLUSTERED, len(windows)), replace=False, p=contrast / contrast.sum()
    )
    anchors = _clusters(compared_of(windows[chosen], sorting), plan.n_anchors, rng, pool)
    return features, sorting, half(anchors)


def _normal_equations(
    examples: Examples,
    plan: Plan,
    features: Floats,
    sorting: Floats,
    anchors: Floats,
    pool: Pool | None,
) -> Floats:
    """(n_anchors, FOLDS, n_features, n_features + patch**2): X'X and X'Y, fold by fold."""
    scale, pairs, folds, enlarged = examples
    scorers = scorers_of(anchors)
    n_features = len(features)

    def equations(index: int) -> tuple[Any, ...]:
        small, large = pairs[index]
        windows, patches = _examples(small, large, enlarged[index], scale, plan)
        rows = np.hstack([windows @ features.T, patches])
        # Photos count by their error, not its square, since the aim is the mean PSNR.
        rows *= np.float32((np.mean((pairs[index][1] - enlarged[index]) ** 2) + EVEN) ** -0.25)
        nearest, shares = nearest_of(compared_of(windows, sorting), scorers)
        # Each window is an example for both its anchors; the second ones come after all first ones.
        weights = np.sqrt(np.concatenate([shares, 1 - shares]))
        nearest = nearest.T.ravel()
        order = np.argsort(nearest, kind="stable")
        at = np.searchsorted(nearest[order], np.arange(plan.n_anchors + 1))
        return folds[index], rows, weights, order, at

    normal = np.zeros((plan.n_anchors, FOLDS, n_features, n_features + plan.patch**2))
    gathered: list[tuple[Any, ...]] = []
    held = 0

    def add(anchors: Integers) -> None:
        for anchor in anchors:
            for fold in range(FOLDS):
                parts = []
                for its_fold, rows, weights, order, at in gathered:
                    if its_fold == fold and at[anchor] < at[anchor + 1]:
                        taught = order[at[anchor] : at[anchor + 1]]
                        parts.append(rows[taught % len(rows)] * weights[taught, None])
                if parts:
                    rows = np.concatenate(parts)
                    normal[anchor, fold] += rows[:, :n_features].T @ rows

    def add_all() -> None:
        parts = np.array_split(np.arange(plan.n_anchors), 32)
        for _ in map_bands(add, parts, pool):
            pass

    for found in map_bands(equations, range(len(pairs)), pool, "learning"):
        gathered.append(found)
        held += len(found[1])
        if held > GATHERED:
            add_all()
            gathered, held = [], 0
    if gathered:
        add_all()
    return normal


def _windows(
    small: Floats, enlarged: Floats, scale: int, plan: Plan, band: slice
) -> tuple[Floats, Integers, Flags]:
    """Turned windows of some rows of the lattice, how they were turned, and which are not flat."""
    step = scale if plan.high else 1
    padded = mirrored(enlarged if plan.high else small, (plan.side - step) // 2)
    windows, turns = windows_of(
        padded, moments(plan.side, plan.pose), step, plan.side, small.shape[1], band
    )
    vary = np.einsum("nk,nk->n", windows, windows) > FLAT**2 * plan.side**2
    return windows, turns, vary


def _examples(
    small: Floats, large: Floats, enlarged: Floats, scale: int, plan: Plan
) -> tuple[Floats, Floats]:
    """Windows and the detail that they should predict, both turned, without flat windows."""
    rows, columns = small.shape
    windows, turns, vary = _windows(small, enlarged, scale, plan, slice(0, rows))
    missing = mirrored(large - enlarged, (plan.patch - scale) // 2)
    patches = np.empty((len(windows), plan.patch**2), np.float32)
    turned_patches(missing, poses(plan.patch), turns, scale, plan.patch, columns, patches)
    return windows[vary], patches[vary]


def rounded(matrices: Floats) -> tuple[Integers, Floats]:
    """Regressions as a file holds them.

    Parameters
    ----------
    matrices : (n_anchors, n_features, patch**2) float32 ndarray

    Returns
    -------
    regressions : (n_anchors, n_features, patch**2) int8 ndarray
    steps : (n_anchors, patch**2) float32 ndarray
        The quantisation steps.
    """
    least = max(STEP * float(np.sqrt(np.mean(matrices**2))), 1e-7)
    steps = half(np.maximum(least, np.abs(matrices).max(axis=1) / LARGEST))
    whole = np.rint(matrices / steps[:, None])
    return np.clip(whole, -LARGEST, LARGEST).astype(np.int8), steps


def moments(side: int, width: float) -> Floats:
    """(3, side**2) float32: across, down, and centre against surround, under Gaussians."""
    across, down = _offsets(side)
    wide = np.exp(-(across**2 + down**2) / (2 * width**2))
    narrow = np.exp(-(across**2 + down**2) / (2 * (0.6 * width) ** 2))
    centre = narrow / narrow.sum() - wide / wide.sum()
    return half(np.stack([across * wide, down * wide, centre]).reshape(3, -1))


def _offsets(side: int) -> tuple[Floats, Floats]:
    """Distances of the samples of a window from its centre, across and down."""
    across = np.arange(side) - (side - 1) / 2
    return across, across[:, None]


def _sorting(windows: Floats, plan: Plan) -> Floats:
    """Whitened principal components of the windows' directions, weighted by a Gaussian."""
    across, down = _offsets(plan.side)
    weights = np.exp(-(across**2 + down**2) / (2 * plan.focus**2)).ravel().astype(np.float32)
    weighted = windows * weights
    normalise_rows(weighted, np.float32(FLOOR))
    energies, axes = principal(weighted)
    return (axes[:, : plan.n_sorting] / np.sqrt(energies[: plan.n_sorting])).T * weights


def _clusters(
    compared: Floats, count: int, rng: np.random.Generator, pool: Pool | None, rounds: int = 8
) -> Floats:
    """(count, n_sorting) float32: the centres of k-means of the rows of `compared_of`."""
    rows = compared[:, :-1]
    centres = rows[rng.choice(len(rows), count, replace=False)]
    bands = slices(len(rows))
    for _ in range(rounds):
        scorers = scorers_of(centres)

        def compare(band: slice, scorers: Floats = scorers) -> Integers:
            return nearest_of(compared[band], scorers)[0][:, 0]

        nearest = np.concatenate(list(map_bands(compare, bands, pool)))
        order = np.argsort(nearest, kind="stable")
        members = np.bincount(nearest, minlength=count)
        full = members > 0
        starts = (np.cumsum(members) - members)[full]
        centres = centres.copy()
        centres[full] = np.add.reduceat(rows[order], starts, axis=0) / members[full, None]
        centres[~full] = rows[rng.choice(len(rows), count - full.sum(), replace=False)]
    return centres.astype(np.float32)


def _regressions(normal: Floats, n_features: int, pool: Pool | None) -> Floats:
    """(FOLDS + 1, n_anchors, n_features, patch**2) float32: ridge regressions.

    R = C + (X'X + r I)^-1 (X'Y - X'X C) with the common C of all windows: an anchor with few
    windows of its own predicts what all windows predict (A+, equation 4, recentred). The ridge r of
    each anchor is chosen by cross-validation over the folds. First come the regressions without
    each fold, last that of all.
    """
    total = normal.sum(axis=(0, 1))
    strength = np.trace(total[:, :n_features]) / n_features
    identity = np.eye(n_features)
    common = np.linalg.solve(
        total[:, :n_features] + 1e-6 * strength * identity, total[:, n_features:]
    )
    pulls = [ridge * strength / len(normal) for ridge in RIDGES]

    def solve(anchor: int) -> Floats:
        whole = normal[anchor].sum(axis=0)
        gaps = []
        for fold in (*normal[anchor], np.zeros_like(whole)):
            gram, products = np.split(whole - fold, [n_features], axis=1)
            gaps.append((gram, products - gram @ common))

        def solved(pull: float) -> list[Floats]:
            return [np.linalg.solve(gram + pull * identity, gap) for gram, gap in gaps]

        def error(matrices: list[Floats]) -> float:
            # error of each fold, up to a constant: tr M'GM - 2 tr M'B
            lost = 0.0
            for fold, matrix in zip(normal[anchor], matrices):
                gram, products = np.split(fold, [n_features], axis=1)
                lost += np.sum(matrix * (gram @ (matrix + 2 * common) - 2 * products))
            return lost

        best = min(map(solved, pulls), key=error)
        return np.array([common + matrix for matrix in best], np.float32)

    solved = map_bands(solve, range(len(normal)), pool)
    return np.stack(list(solved), axis=1)
