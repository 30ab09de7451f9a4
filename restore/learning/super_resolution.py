"""Learning a cascade from photos, stage by stage.

Photos are shrunk; each stage (`restore.learning.anchored`) then learns to predict the error of the
enlargement so far. All fits are in closed form and stream through the photos, so memory is bounded
by the luminance planes of `LIMIT` small pixels and one set of normal equations per anchor.
"""

from __future__ import annotations

import hashlib
import heapq
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import restore
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool, map_bands, part
from restore.imaging.colour import luminance
from restore.imaging.resize import resize
from restore.learning.anchored import FOLDS, Examples, Plan, learn_stage
from restore.tasks.super_resolution.cascade import (
    COPIES,
    UNFINISHED,
    Cascade,
    Stage,
    back_project,
    read_stages,
    refine,
    write_stages,
)
from restore.tasks.super_resolution.degradation import kernel_of, shrink
from restore.typing import File, Floats

#: Photos are used at these relative sizes, after shrinking those beyond `LARGE` pixels a side:
#: pictures of cameras are soft at full size.
SIZES, LARGE = (1.0, 0.8, 0.6), 1024

#: Maximum number of small pixels: from larger collections this many are drawn, photo by photo.
LIMIT = 20_000_000

#: The stages of the packaged cascades.
PLANS = {
    2: (
        Plan(False, 7, 6, 1536, 1.0, 0.75),
        *2 * (Plan(True, 8, 6, 640, 2.0, 1.4),),
        Plan(True, 10, 6, 384, 2.5, 1.7),
        Plan(True, 8, 6, 512, 2.0, 1.4),
    ),
    3: (
        Plan(False, 7, 7, 1280, 1.0, 0.75),
        *2 * (Plan(True, 9, 7, 448, 2.5, 1.7),),
        Plan(True, 13, 5, 384, 3.0, 2.0),
        Plan(True, 9, 7, 448, 2.5, 1.7),
        Plan(True, 13, 5, 384, 3.0, 2.0),
    ),
    4: (
        Plan(False, 7, 8, 896, 1.0, 0.75),
        *2 * (Plan(True, 10, 8, 256, 3.0, 2.0),),
        *2 * (Plan(True, 14, 6, 256, 3.5, 2.3),),
    ),
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A cascade that is being learned, with the state to continue.

    Attributes
    ----------
    cascade : Cascade
        The stages so far.
    held_out : tuple of list of Stage
        For each stage, those learned on all folds but one.
    """

    cascade: Cascade
    held_out: tuple

    def save(self, file: File) -> None:
        """Write as ``.npz``, which `Cascade.load` accepts, too."""
        stages = [*self.cascade.stages, *(stage for fold in self.held_out for stage in fold)]
        write_stages(file, UNFINISHED, self.cascade.scale, stages, self.cascade.provenance)

    @classmethod
    def load(cls, file: File) -> Checkpoint:
        """Read from a file; errors as `Cascade.load`."""
        scale, stages, provenance = read_stages(file, UNFINISHED)
        count = len(stages) // COPIES
        held_out = tuple(stages[at : at + FOLDS] for at in range(count, len(stages), FOLDS))
        return cls(Cascade(scale, stages[:count], provenance), held_out)


def learn_super_resolution(images: Iterable[ArrayLike], scale: int, **settings: Any) -> Cascade:
    """Learn to enlarge by `scale` from photos.

    Parameters
    ----------
    images : iterable of (height, width) or (height, width, channels) array_like
        Sharp photos without noise, in scikit-image's conventions; they are shrunk and
        rounded to 8 bits. Give hundreds, or large ones: a few million pixels are too few for more
        than one stage.
    scale : int
        2, 3 or 4.
    **settings
        As for `learn_stages`.

    Returns
    -------
    Cascade

    Raises
    ------
    ValueError
        If there are too few or too small photos, or no such degradation.

    References
    ----------
    Timofte, De Smet & Van Gool, "A+", ACCV 2014; Timofte, Rothe & Van Gool, "Seven ways to
    improve example-based single image super resolution", CVPR 2016.

    Examples
    --------
    A model of one small stage; the packaged ones have several large ones.

    >>> from skimage import data
    >>> from restore import learn_super_resolution, super_resolve
    >>> from restore.learning.super_resolution import Plan
    >>> photos = [data.astronaut()[96 * n : 96 * (n + 1), 100:300] for n in range(5)]
    >>> plan = Plan(high=False, side=5, patch=4, n_anchors=16, focus=1.0, pose=0.7, n_sorting=12)
    >>> model = learn_super_resolution(photos, 2, plans=[plan])
    >>> super_resolve(data.coins()[:40, :50], model=model).shape
    (80, 100)
    """
    for checkpoint in learn_stages(images, scale, **settings):
        cascade = checkpoint.cascade
    return cascade


def learn_stages(
    images: Iterable[ArrayLike],
    scale: int,
    *,
    degradation: str = "bicubic",
    plans: Sequence[Plan] | None = None,
    start: Checkpoint | None = None,
    seed: int = 0,
    pool: Pool | None = None,
) -> Iterator[Checkpoint]:
    """The stages of learning, one at a time.

    Parameters
    ----------
    images, scale
        As for `learn_super_resolution`.
    degradation : str
        How pictures are made small: see `degradation.kernel_of`.
    plans : sequence of Plan, optional
        The stages; by default those of the packaged cascades.
    start : Checkpoint, optional
        To continue from, with the same result as an uninterrupted run.
    seed : int
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Yields
    ------
    Checkpoint
    """
    kernel_of(degradation, scale)
    plans = PLANS[scale] if plans is None else plans
    provenance = {
        "method": "cascade of anchored regressions",
        "degradation": degradation,
        "sizes": list(SIZES),
        "stages": [vars(plan) for plan in plans],
        "seed": seed,
        "restore": restore.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    stages: tuple[Stage, ...] = ()
    held_out: tuple[Sequence[Stage], ...] = ()
    fingerprint = None
    if start is not None:
        _check_same(start.cascade, scale, provenance)
        stages, held_out = start.cascade.stages, start.held_out
        fingerprint = start.cascade.provenance.get("fingerprint")
    pairs, folds, pictures = _pairs(images, scale, degradation, seed)
    if pictures < FOLDS:
        raise ValueError(f"there are {pictures} photos large enough to learn from: give more")
    provenance["pictures"] = pictures
    provenance["pixels"] = sum(large.size for _, large in pairs)
    provenance["fingerprint"] = _fingerprint(pairs)
    if stages and fingerprint != provenance["fingerprint"]:
        raise ValueError("the model to go on from was begun with other photos than these")
    enlarged = [
        resize(small[..., None], large.shape[0], large.shape[1], pool)[..., 0]
        for small, large in pairs
    ]
    for number, plan in enumerate(plans, 1):
        if number > len(stages):
            examples = Examples(scale, pairs, folds, enlarged)
            own = part(pool, 0, 1, f"stage {number}: ")
            stage, held = learn_stage(examples, plan, (seed, number), own)
            stages, held_out = (*stages, stage), (*held_out, held)
            yield Checkpoint(Cascade(scale, stages, provenance), held_out)
        if number < len(plans):

            def go_on(
                index: int,
                held: Sequence[Stage] = held_out[number - 1],
                enlarged: Sequence[Floats] = enlarged,
            ) -> Floats:
                small = pairs[index][0]
                return advance(held[folds[index]], small, enlarged[index], degradation, Pool(1))

            word = f"stage {number}: applying"
            enlarged = list(map_bands(go_on, range(len(pairs)), pool, word))


def _pairs(
    images: Iterable[ArrayLike], scale: int, degradation: str, seed: int
) -> tuple[list[tuple[Floats, Floats]], list[int], int]:
    """Pairs to learn from, the fold of each, and the number of photos.

    If there are more than `LIMIT` pixels, a random part is kept, each pair with the same
    probability.
    """
    rng = np.random.default_rng((seed, 0))
    kept: list[tuple[float, int, int, tuple[Floats, Floats]]] = []
    pixels, photos = 0, 0
    for image in images:
        found = [
            pair
            for copy in _copies(image)
            if (pair := shrunk(copy, scale, degradation)) is not None
        ]
        for number, pair in enumerate(found):
            # the pair with the largest random number is dropped first
            heapq.heappush(kept, (-rng.random(), photos, number, pair))
            pixels += pair[0].size
        photos += bool(found)
        while pixels > LIMIT and len(kept) > 1:
            pixels -= heapq.heappop(kept)[3][0].size
    kept.sort(key=lambda item: item[1:3])
    return [item[3] for item in kept], [item[1] % FOLDS for item in kept], photos


def _fingerprint(pairs: list[tuple[Floats, Floats]]) -> str:
    """A hexadecimal digest of the small planes."""
    total = hashlib.sha256()
    for small, _ in pairs:
        total.update(str(small.shape).encode())
        total.update(small.tobytes())
    return total.hexdigest()[:16]


def _check_same(begun: Cascade, scale: int, provenance: Mapping[str, Any]) -> None:
    """Refuse to continue with settings or photos that differ from those of the stages before."""
    words = "the model to go on from was begun"
    if begun.scale != scale:
        raise ValueError(f"{words} for scale {begun.scale}, not {scale}")
    for name in ("degradation", "seed"):
        if (was := begun.provenance.get(name)) != provenance[name]:
            raise ValueError(f"{words} with the {name} {was}, not {provenance[name]}")
    if begun.provenance.get("stages") != provenance["stages"]:
        raise ValueError(f"{words} by another version of this program")


def _copies(image: ArrayLike) -> Iterator[Floats]:
    """A photo at the `SIZES` it is learned from."""
    image = as_image(image)
    height, width = image.shape[:2]
    first = min(1.0, LARGE / max(height, width))
    for size in SIZES:
        new = [max(1, round(side * first * size)) for side in (height, width)]
        yield image if new == [height, width] else resize(image, *new)


def shrunk(image: Floats, scale: int, degradation: str = "bicubic") -> tuple[Floats, Floats] | None:
    """The luminance of a photo, small and large, or None if it is too small to use."""
    image = as_image(image)
    height, width = (side // scale for side in image.shape[:2])
    if min(height, width) < 8:
        return None
    image = image[: height * scale, : width * scale]
    small = np.rint(np.clip(shrink(image, scale, degradation), 0, 1) * 255) / np.float32(255)
    return luminance(small), luminance(image)


def advance(
    stage: Stage, small: Floats, large: Floats, degradation: str, pool: Pool | None = None
) -> Floats:
    """The input of the next stage."""
    large = refine(stage, small, large, pool)
    return back_project(small[..., None], large[..., None], degradation, pool)[..., 0]
