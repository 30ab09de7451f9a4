"""The classic method: every patch on its own, over one dictionary for the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from restore.sparse import coding, dictionary_learning, overlap
from restore.sparse.dictionary import Dictionary, load_for, overcomplete_dct

if TYPE_CHECKING:
    from restore.imaging.bands import Pool
    from restore.typing import Flags, Floats


#: Number of patches that a dictionary is learned on.
LEARNING_PATCHES = 30_000


@dataclass(frozen=True)
class Classic:
    """Settings of denoising with one dictionary.

    Attributes
    ----------
    n_atoms, patch_size : int or None
        Of a dictionary that is learned here, if other than the packaged one's 256 atoms of 8x8.
    sparsity : int or None
        Most atoms a patch may use; half its samples by default.
    iterations : int
        Iterations of learning.
    stride : int or None
        Samples between neighbouring patches, at most the patch size; 1 by default.
    seed : int
        Seed for drawing the patches to learn on.
    """

    n_atoms: int | None = None
    patch_size: int | None = None
    sparsity: int | None = None
    iterations: int = 8
    stride: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_atoms", "patch_size", "sparsity", "stride"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} is 1 or more, not {count}")


def classic(
    image: Floats,
    known: Flags,
    sigma: float,
    dictionary: str | Dictionary,
    settings: Classic,
    pool: Pool | None,
) -> Floats:
    """Denoise an image (height, width, channels); `known` samples are learned from."""
    if isinstance(dictionary, str) and dictionary == "learn":
        dictionary = _learn(image, known, sigma, settings, pool)
    elif settings.n_atoms or settings.patch_size:
        raise ValueError("n_atoms and patch_size are for a dictionary that is learned here")
    return overlap.by_dictionary(
        image, sigma, dictionary, settings.sparsity, settings.stride or 1, pool
    )


def _learn(
    image: Floats, known: Flags, sigma: float, settings: Classic, pool: Pool | None
) -> Dictionary:
    """The packaged dictionary, or cosines of another size, fitted to this picture's patches."""
    start = load_for("learn", image.shape[2])
    side = settings.patch_size
    shape = (side, side, start.channels) if side else start.patch_shape
    n_atoms = settings.n_atoms or start.n_atoms
    if shape != start.patch_shape:
        start = overcomplete_dct(n_atoms, shape)
    return dictionary_learning.learn_on(
        image, start, coding.noise_energy(start.patch_dim, sigma), n_atoms=n_atoms, known=known,
        sparsity=start.patch_dim // 2, count=LEARNING_PATCHES, iterations=settings.iterations,
        seed=settings.seed, pool=pool,
    )  # fmt: skip
