"""A cascade of anchored regressions: how a luminance plane gains detail, stage by stage.

Each stage takes windows of the small plane, or of the enlargement so far, normalises the
orientation of each, finds its two nearest anchors, and adds the patch of missing detail that their
regressions predict. Overlapping patches are averaged. After each stage the enlargement is corrected
until shrinking it gives the small plane back.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from restore.imaging import archive, bands
from restore.imaging.bands import Pool
from restore.imaging.resize import resize
from restore.kernels.anchors import (
    add_turned_patches,
    apply_regressions,
    normalise_rows,
    turned_windows,
    two_best_columns,
)
from restore.tasks.super_resolution.degradation import kernel_of, shrink
from restore.typing import Array, File, Floats, Integers

#: Scales that come with the package.
SCALES = (2, 3, 4)

#: Added to a window's norm before dividing by it: below 8-bit levels the direction is only noise.
FLOOR = 1e-5

#: How quickly the weight moves to the nearest anchor alone: `two_best_columns`.
SHARPNESS = 20.0

#: Kinds of file: a model, and one that is still being learned.
KIND, UNFINISHED = "super-resolution model", "checkpoint of a super-resolution model"

#: Stages in a file of the second kind for each stage learned: itself, and one per fold.
COPIES = 5

#: Limits for files: stages, each with its folds while it is being learned, anchors of a stage,
#: sides of windows and patches, and values of the maps; several times those of the packaged models.
MOST_STAGES, MOST_ANCHORS, LONGEST, LARGEST = 16 * COPIES, 1 << 14, 32, 1e4

#: Windows per band, and rows of a band compared with the anchors at a time.
WINDOWS = 8192
CHUNK = 256


@dataclass(frozen=True, eq=False)
class Stage:
    """Regressions from windows of one lattice to patches of missing detail.

    Attributes
    ----------
    step : int
        1: windows of the small plane; scale: windows of the enlargement so far.
    side : int
        Side of the windows; `step` plus an even number.
    patch : int
        Side of the patches; the scale plus an even number.
    moments : (3, side**2) float32 ndarray
        Moments that determine the orientation of a window, see `turned_windows`.
    sorting : (n_sorting, side**2) float32 ndarray
        Maps a window to what is compared with the anchors.
    anchors : (n_anchors, n_sorting) float32 ndarray
    features : (n_features, side**2) float32 ndarray
        Maps a window to what the regressions start from.
    regressions : (n_anchors, n_features, patch**2) int8 ndarray
    steps : (n_anchors, patch**2) float32 ndarray
        The quantisation step of `regressions`.
    """

    step: int
    side: int
    patch: int
    moments: np.ndarray
    sorting: np.ndarray
    anchors: np.ndarray
    features: np.ndarray
    regressions: np.ndarray
    steps: np.ndarray

    @functools.cached_property
    def scorers(self) -> Floats:
        """(n_sorting + 1, n_anchors) float32: see `scorers_of`."""
        return scorers_of(self.anchors)

    @functools.cached_property
    def matrices(self) -> Floats:
        """(n_anchors, n_features, patch**2) float32: the regressions as numbers."""
        return self.regressions * self.steps[:, None]


@dataclass(frozen=True, eq=False)
class Cascade:
    """Stages learned for one scale.

    Attributes
    ----------
    scale : int
    stages : tuple of Stage
    provenance : dict
        What it was learned from, settings, seed, versions.
    """

    scale: int
    stages: tuple
    provenance: dict = field(default_factory=dict)

    @property
    def degradation(self) -> str:
        """How the pictures that this enlarges were made small: see `degradation.kernel_of`."""
        return self.provenance.get("degradation", "bicubic")

    def save(self, file: File) -> None:
        """Write the cascade as ``.npz``.

        Parameters
        ----------
        file : path or binary file object
        """
        write_stages(file, KIND, self.scale, self.stages, self.provenance)

    @classmethod
    def load(cls, file: int | File) -> Cascade:
        """Read a cascade from a file, or the packaged one of a scale.

        Parameters
        ----------
        file : int, path or binary file object
            2, 3 and 4 come with the package.

        Raises
        ------
        ValueError
            If it is not a super-resolution model, or its parts do not fit each other.
        OSError
            If there is no such file.
        """
        if isinstance(file, int):
            return _packaged(file)
        kind = KIND
        with contextlib.suppress(ValueError):
            kind = UNFINISHED if archive.read_header(file)[0] == UNFINISHED else KIND
        scale, stages, provenance = read_stages(file, kind)
        if kind == UNFINISHED:
            stages = stages[: len(stages) // COPIES]
        cascade = cls(scale, stages, provenance)
        with archive.usable(file, KIND):
            kernel_of(cascade.degradation, scale)
        return cascade


_MAPS = ("moments", "sorting", "anchors", "features", "steps")
_LAYOUT = {"sizes": ("i", 2), "maps": ("e", 1), "regressions": ("b", 1)}


def write_stages(
    file: File, kind: str, scale: int, stages: Sequence[Stage], provenance: Mapping[str, Any]
) -> None:
    """Write stages of one scale as an ``.npz`` of that kind."""
    sizes = [
        (scale, stage.step, stage.side, stage.patch, *stage.anchors.shape, len(stage.features))
        for stage in stages
    ]
    maps = [getattr(stage, name).ravel() for stage in stages for name in _MAPS]
    arrays: dict[str, Array] = {
        "sizes": np.array(sizes, np.int32),
        "maps": np.concatenate(maps).astype(np.float16),
        "regressions": np.concatenate([stage.regressions.ravel() for stage in stages]),
    }
    archive.write(file, kind, arrays, provenance)


def read_stages(file: File, kind: str) -> tuple[int, tuple[Stage, ...], dict[str, Any]]:
    """Scale, stages and provenance of what `write_stages` wrote; errors as `Cascade.load`."""
    arrays, provenance, _ = archive.read(file, kind, _LAYOUT)
    with archive.usable(file, KIND):
        scale, stages = _unpacked(arrays)
        if kind == UNFINISHED and len(stages) % COPIES:
            raise ValueError("a stage lacks some of its folds")
    return scale, stages, provenance


@functools.cache
def _packaged(scale: int) -> Cascade:
    return Cascade.load(archive.packaged_path(f"sr{scale}"))


def _unpacked(arrays: Mapping[str, Array]) -> tuple[int, tuple[Stage, ...]]:
    """Scale and stages from the three arrays of a file."""
    sizes = arrays["sizes"].tolist()
    if not 0 < len(sizes) <= MOST_STAGES or len(sizes[0]) != 7:
        raise ValueError(f"a model has 1 to {MOST_STAGES} stages of seven sizes")
    maps = arrays["maps"].astype(np.float32)
    archive.check_range("maps", maps, -LARGEST, LARGEST)
    stages, taken, regressed = [], 0, 0
    for scale, step, side, patch, n_anchors, n_sorting, n_features in sizes:
        if (
            not 2 <= scale <= 8
            or scale != sizes[0][0]
            or step not in (1, scale)
            or not (step <= side <= LONGEST and (side - step) % 2 == 0)
            or not (scale <= patch <= LONGEST and (patch - scale) % 2 == 0)
            or not 1 <= n_anchors <= MOST_ANCHORS
            or not 1 <= n_sorting <= side * side
            or not 1 <= n_features <= side * side
        ):
            raise ValueError("the sizes of its stages make no sense")
        shapes = {
            "moments": (3, side * side),
            "sorting": (n_sorting, side * side),
            "anchors": (n_anchors, n_sorting),
            "features": (n_features, side * side),
            "steps": (n_anchors, patch * patch),
        }
        parts = {}
        for name in _MAPS:
            size = shapes[name][0] * shapes[name][1]
            part = maps[taken : taken + size]
            if len(part) != size:
                raise ValueError("it is shorter than its stages")
            parts[name] = part.reshape(shapes[name])
            taken += size
        size = n_anchors * n_features * patch * patch
        part = arrays["regressions"][regressed : regressed + size]
        if len(part) != size:
            raise ValueError("it is shorter than its stages")
        regressed += size
        regressions = part.reshape(n_anchors, n_features, patch * patch)
        stages.append(Stage(step, side, patch, regressions=regressions, **parts))
    if taken != len(maps) or regressed != len(arrays["regressions"]):
        raise ValueError("it is longer than its stages")
    return sizes[0][0], tuple(stages)


@functools.cache
def poses(side: int) -> Integers:
    """(8, side**2) int32: the rotations and reflections of a square, for the kernels."""
    order = np.arange(side * side, dtype=np.int32).reshape(side, side)
    turned = []
    for pose in range(8):
        samples = order
        if pose & 1:
            samples = samples[:, ::-1]
        if pose & 2:
            samples = samples[::-1]
        if pose & 4:
            samples = samples.T
        turned.append(samples.ravel())
    return np.array(turned)


def windows_of(
    padded: Floats, moments: Floats, step: int, side: int, columns: int, band: slice
) -> tuple[Floats, Integers]:
    """The turned windows of some rows of a lattice.

    Parameters
    ----------
    padded : (height, width) float32 array
        The plane with a mirrored margin of ``(side - step) // 2``.
    moments, step, side, columns
        As for `turned_windows`.
    band : slice
        Rows of the lattice.

    Returns
    -------
    windows : (n_windows, side**2) float32 array
    turns : (n_windows,) int8 array
    """
    count = (band.stop - band.start) * columns
    windows = np.empty((count, side * side), np.float32)
    turns = np.empty(count, np.int8)
    turned_windows(
        padded[band.start * step :], poses(side), moments, step, side, columns, windows, turns
    )
    return windows, turns


def scorers_of(anchors: Floats) -> Floats:
    """(n_dims + 1, n_anchors) float32: rows with a last 1 times this are scores.

    |f|**2 / 2 - |f - a|**2 / 2 = f.a - |a|**2 / 2, raised by 2 so that no score of vectors
    within the unit ball is negative.
    """
    offsets = 2 - 0.5 * (anchors**2).sum(axis=1)
    return np.ascontiguousarray(np.vstack([anchors.T, offsets]), dtype=np.float32)


def compared_of(windows: Floats, sorting: Floats) -> Floats:
    """(n_windows, n_sorting + 1) float32: the directions of windows, with a last 1."""
    compared = np.ones((len(windows), len(sorting) + 1), np.float32)
    directions = windows @ sorting.T
    normalise_rows(directions, np.float32(FLOOR))
    compared[:, :-1] = directions
    return compared


def nearest_of(compared: Floats, scorers: Floats) -> tuple[Integers, Floats]:
    """The two anchors nearest to each row of `compared_of`.

    Returns
    -------
    nearest : (n_rows, 2) int32 array
    shares : (n_rows,) float32 array
        Weight of the nearer of the two.
    """
    nearest = np.empty((len(compared), 2), np.int32)
    shares = np.empty(len(compared), np.float32)
    memory = np.empty((CHUNK, scorers.shape[1]), np.float32)
    for start in range(0, len(compared), CHUNK):
        chunk = slice(start, start + CHUNK)
        scores = memory[: len(compared) - start]
        np.matmul(compared[chunk], scorers, out=scores)
        two_best_columns(scores, np.float32(SHARPNESS), nearest[chunk], shares[chunk])
    return nearest, shares


def half(array: Floats) -> Floats:
    """Rounded to the precision of a file: float16."""
    return np.ascontiguousarray(array, dtype=np.float16).astype(np.float32)


def principal(rows: Floats) -> tuple[Floats, Floats]:
    """Energies and axes (columns) of the rows, the strongest first; no mean is subtracted."""
    energies, axes = np.linalg.eigh((rows.T @ rows / len(rows)).astype(np.float64))
    return np.maximum(energies[::-1], 0), axes[:, ::-1]


def bands_of(rows: int, columns: int) -> list[slice]:
    """Slices of about `WINDOWS` windows: rows of a lattice."""
    size = max(1, WINDOWS // columns)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def mirrored(plane: Floats, margin: int) -> Floats:
    """`plane` with a mirrored margin."""
    return np.pad(plane, margin, mode="symmetric") if margin else plane


def refine(stage: Stage, small: Floats, large: Floats, pool: Pool | None = None) -> Floats:
    """Add to `large` the detail that one stage predicts.

    Parameters
    ----------
    stage : Stage
    small : (h, w) float32 array
    large : (scale * h, scale * w) float32 array
        The enlargement so far.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (scale * h, scale * w) float32 array
    """
    rows, columns = small.shape
    scale = large.shape[0] // rows
    overhang = (stage.patch - scale) // 2
    padded = mirrored(small if stage.step == 1 else large, (stage.side - stage.step) // 2)
    width = columns * scale + 2 * overhang

    def detail_of(band: slice) -> Floats:
        windows, turns = windows_of(padded, stage.moments, stage.step, stage.side, columns, band)
        nearest, shares = nearest_of(compared_of(windows, stage.sorting), stage.scorers)
        patches = np.empty((len(windows), stage.patch**2), np.float32)
        features = windows @ stage.features.T
        apply_regressions(features, nearest, shares, stage.matrices, patches)
        detail = np.zeros(((band.stop - band.start) * scale + 2 * overhang, width), np.float32)
        add_turned_patches(patches, poses(stage.patch), turns, scale, stage.patch, columns, detail)
        return detail

    stage.matrices  # noqa: B018 - unpacked once, before the threads
    cut = bands_of(rows, columns)
    total = np.zeros((rows * scale + 2 * overhang, width), np.float32)
    details = bands.map_bands(detail_of, cut, pool, "adding detail")
    for detail, band in zip(details, cut):  # run to the end, since the details report progress
        total[band.start * scale : band.stop * scale + 2 * overhang] += detail
    inside = slice(overhang, overhang + rows * scale), slice(overhang, width - overhang)
    total = total[inside]
    down = _cover(rows, scale, stage.patch)[inside[0], None]
    across = _cover(columns, scale, stage.patch)[inside[1]]
    refined = np.empty_like(large)

    def add_mean(band: slice) -> None:
        refined[band] = total[band] / down[band]
        refined[band] /= across
        refined[band] += large[band]

    bands.for_each(add_mean, bands.rows(large.shape), pool)
    return refined


def _cover(count: int, scale: int, patch: int) -> Floats:
    """(count * scale + patch - scale,) float32: how many patches cover each sample."""
    covers = np.zeros(count * scale + patch - scale, np.float32)
    for i in range(count):
        covers[i * scale : i * scale + patch] += 1
    return covers


def back_project(
    small: Floats, large: Floats, degradation: str, pool: Pool | None = None
) -> Floats:
    """Correct `large` so that shrinking it gives `small` (Irani & Peleg 1991, equation 3).

    Parameters
    ----------
    small : (h, w, c) float32 array
    large : (scale * h, scale * w, c) float32 array
    degradation : str
        How shrinking is done: see `degradation.kernel_of`.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (scale * h, scale * w, c) float32 array
    """
    error = shrink(large, large.shape[0] // small.shape[0], degradation, pool)
    np.subtract(small, error, out=error)
    corrected = resize(error, large.shape[0], large.shape[1], pool)

    def add(band: slice) -> None:
        corrected[band] += large[band]

    bands.for_each(add, bands.rows(large.shape), pool)
    return corrected
