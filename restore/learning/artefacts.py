"""Fit the packaged coder of `dejpeg` to pictures of one kind.

The steps that code a patch stay as learned on photographs; the synthesis atoms, which give the
correction of an estimate, are fitted again. With the codes fixed this is a linear least squares
problem, solved by conjugate gradients through the average over the patches.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from restore.imaging import bands, jpeg
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.kernels import unrolled as kernels
from restore.learning.compression import BEYOND
from restore.learning.reservoir import Pictures
from restore.sparse import patches, unrolled
from restore.sparse.unrolled import Coder
from restore.tasks.denoising import mapped
from restore.typing import Floats, Integers

#: Number of crops, their side, and one in this many is held out.
CROPS, SIDE, APART = 160, 128, 4

#: JPEG qualities for learning, and whether chroma is subsampled.
QUALITIES, HALVED = (5, 95), 0.7

#: Maximum number of conjugate gradient steps: the held-out crops decide which is the best.
STEPS = 40


def learn_dejpeg(
    images: Pictures,
    *,
    prior: Coder | None = None,
    seed: int = 0,
    pool: Pool | None = None,
    provenance: dict[str, Any] | None = None,
) -> Coder:
    """Learn the correction of `dejpeg` from pictures like `images`.

    Parameters
    ----------
    images : sequence of (height, width) or (height, width, 1 or 3) arrays
        Without artefacts, all grey or all in colour, in [0, 1] or integers, no side below 32.
    prior : Coder, optional
        What is fitted; the packaged one by default.
    seed : int
        Seed for the crops and for how they are saved.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.
    provenance : dict, optional
        Where the pictures come from.

    Returns
    -------
    Coder
        Never worse than `prior` on the held-out crops; ``provenance["gain"]`` is the gain in dB.

    Raises
    ------
    ValueError
        If there are no pictures, or grey and coloured ones.

    References
    ----------
    Mairal, Bach & Ponce, "Task-driven dictionary learning", IEEE TPAMI 34(4), 2012, for fitting
    what follows the codes to the task.

    Examples
    --------
    >>> from skimage import data
    >>> from restore.learning.artefacts import learn_dejpeg
    >>> coder = learn_dejpeg([data.page()[:96, :96], data.page()[96:, :96]])
    >>> coder.provenance["gain"] >= 0
    True
    """
    random = np.random.default_rng(seed)
    crops = _crops(images, random)
    if not crops:
        raise ValueError("there are no pictures to learn from")
    channels = crops[0].shape[2]
    prior = prior or unrolled.packaged("dejpeg-grey" if channels == 1 else "dejpeg-colour")
    qualities = random.integers(QUALITIES[0], QUALITIES[1] + 1, len(crops))
    halved = random.random(len(crops)) < HALVED

    def prepared(number: int) -> _Case:
        return _Case.of(crops[number], int(qualities[number]), halved[number], prior)

    cases = list(bands.map_bands(prepared, range(len(crops)), pool, "restoring"))
    learned_from = [case for number, case in enumerate(cases) if number % APART]
    atoms, before, after = _fitted(learned_from, cases[::APART], prior, pool)
    about = {"crops": len(crops), "gain": round(10 * float(np.log10(before / after)), 3)}
    return dataclasses.replace(prior, synthesis=atoms, provenance={**(provenance or {}), **about})


def check_picture(picture: Floats) -> None:
    """Raise a ValueError, one sentence, where nothing can be learned from `picture`."""
    if min(picture.shape[:2]) < SIDE // 4:
        raise ValueError(f"a picture has fewer than {SIDE // 4} rows or columns")
    # pictures that were reduced overshoot at edges
    if not np.isfinite(picture).all() or picture.min() < -BEYOND or picture.max() > 1 + BEYOND:
        raise ValueError("it has samples that are not between 0 and 1")


def _crops(images: Pictures, random: np.random.Generator) -> list[Floats]:
    """Up to `CROPS` crops, as evenly from the pictures as possible."""
    count = len(images)
    chosen = np.sort(random.permutation(count)[:CROPS])
    each = -(-CROPS // max(1, len(chosen)))
    crops = []
    for number in chosen:
        image = images[int(number)]
        if image is None:
            continue
        image = as_image(image)
        check_picture(image)
        image = np.clip(image, 0, 1)
        for _ in range(each):
            top, left = (random.integers(0, max(1, n - SIDE + 1)) for n in image.shape[:2])
            crops.append(image[top : top + SIDE, left : left + SIDE].copy())
    if len({crop.shape[2] for crop in crops}) > 1:
        raise ValueError("some pictures are grey and some in colour: learn from one kind")
    return crops


@dataclasses.dataclass(frozen=True)
class _Case:
    """A crop: the missing correction, and the codes that are to predict it."""

    lacked: Floats
    """(height, width, channels): the true crop less the estimate."""
    codes: Floats
    """(n_patches, n_atoms)"""
    window: Floats
    rows: Integers
    columns: Integers
    weight: Floats
    """(height, width): what a sum of overlapping patches is to be divided by."""
    importance: float
    """So that every quality counts the same."""

    @classmethod
    def of(cls, crop: Floats, quality: int, halved: bool, coder: Coder) -> _Case:
        """The case of a crop that was saved at a quality."""
        halved = halved and crop.shape[2] == 3
        coding = jpeg.Coding(jpeg.tables(quality, crop.shape[2]), (2, 2) if halved else (1, 1))
        planes = jpeg.to_planes(coding.decoded(crop))
        variances = np.maximum(coding.error(planes), mapped.LEAST)
        estimate, kinds, sigma = mapped.coder_inputs(
            planes, variances, project=lambda estimate: coding.project(estimate, planes)
        )
        rows, columns = (patches.positions(n, coder.side, unrolled.STRIDE) for n in crop.shape[:2])
        code, scale = unrolled.coding_at(kinds, sigma, coder, columns, learned=mapped.LEARNED)
        codes = np.concatenate([codes.copy() for _, codes in code(rows)])
        lacked = np.ascontiguousarray((jpeg.to_planes(crop) - estimate).transpose(1, 2, 0))
        usual = float(np.mean(lacked**2)) + (1 / 255) ** 2
        case = cls(
            lacked, codes, coder.window, rows, columns, np.ones(crop.shape[:2], np.float32),
            1 / (usual * lacked.size),
        )  # fmt: skip
        _, weight = case._summed(np.zeros_like(coder.synthesis))
        return dataclasses.replace(case, weight=scale * weight)

    def _summed(self, atoms: Floats) -> tuple[Floats, Floats]:
        """The overlapping sums of the decoded patches, and of the window."""
        total, weight = np.zeros_like(self.lacked), np.zeros_like(self.weight)
        corrections = self.codes @ atoms.reshape(len(atoms), -1)
        corrections = corrections.reshape(len(self.rows), len(self.columns), *atoms.shape[1:])
        kernels.add_windowed(corrections, self.window, self.rows, self.columns, total, weight)
        return total, weight

    def forward(self, atoms: Floats) -> Floats:
        """The correction by the codes over (n_atoms, side, side, channels) atoms."""
        total, _ = self._summed(atoms)
        return total / self.weight[..., None]

    def adjoint(self, image: Floats, shape: tuple[int, ...]) -> Floats:
        """The adjoint of `forward`, for atoms of `shape`."""
        divided = np.ascontiguousarray(image / self.weight[..., None])
        found = patches.extract(divided, shape[1:], self.rows, self.columns)
        return (self.codes.T @ found).reshape(shape)


def _fitted(
    cases: list[_Case], apart: list[_Case], prior: Coder, pool: Pool | None
) -> tuple[Floats, float, float]:
    """The atoms, and the error on the held-out crops before and after.

    Conjugate gradients on the normal equations, starting from the prior and stopped at the step
    with the least error on the held-out crops: early steps change the best determined directions
    most.
    """

    def error(atoms: Floats) -> float:
        def of(case: _Case) -> float:
            return case.importance * float(np.sum((case.lacked - case.forward(atoms)) ** 2))

        return sum(bands.map_bands(of, apart, pool, "measuring"))

    def summed(image_of: Callable[[_Case], Floats]) -> Floats:
        """The sum over the crops of the adjoint of an image of each."""

        def part(case: _Case) -> Floats:
            return np.float32(case.importance) * case.adjoint(image_of(case), prior.synthesis.shape)

        total = np.zeros_like(prior.synthesis)
        for found in bands.map_bands(part, cases, pool, "fitting"):
            total += found
        return total

    best = current = prior.synthesis
    before = least = error(current)
    residual = direction = summed(lambda case: case.lacked - case.forward(prior.synthesis))
    square = float(np.vdot(residual, residual))
    for _ in range(STEPS if square else 0):
        image = summed(functools.partial(_Case.forward, atoms=direction))
        step = np.float32(square / float(np.vdot(direction, image)))
        current, residual = current + step * direction, residual - step * image
        now = error(current)
        if now < least:
            least, best = now, current
        last, square = square, float(np.vdot(residual, residual))
        direction = residual + np.float32(square / last) * direction
    return best, before, least
