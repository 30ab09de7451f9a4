"""Super-resolution: detail predicted by maps learned from pairs of small and large patches."""

import operator

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import bands
from restore.imaging.arrays import as_image, working
from restore.imaging.bands import Pool
from restore.imaging.colour import luminance
from restore.imaging.resize import resize
from restore.sparse.dictionary import Dictionary, load_for
from restore.tasks.super_resolution import history
from restore.tasks.super_resolution.cascade import SCALES, Cascade, back_project, refine
from restore.tasks.super_resolution.correction import apply_correction, correction
from restore.tasks.super_resolution.dictionary import by_dictionary
from restore.tasks.super_resolution.similar import correct_plane
from restore.typing import Floats

__all__ = ["Cascade", "super_resolve"]

#: How many stages of a cascade each quality runs; None: all.
QUALITIES = {"fast": 1, "balanced": 3, "best": None}


def super_resolve(
    image: ArrayLike,
    scale: float = 2,
    *,
    size: tuple[int, int] | None = None,
    degradation: str | Floats = "auto",
    model: Cascade | None = None,
    quality: str = "balanced",
    dictionary: str | Dictionary | None = None,
    seed: int = 0,
    pool: Pool | None = None,
) -> Floats:
    """Enlarge an image with the detail that similar patches of photos have.

    The luminance is enlarged by a cascade of anchored regressions, the colour by cubic
    interpolation; shrinking the result gives the image back. The packaged cascades are for images
    made small by bicubic interpolation: a filter first corrects an image that was made small in
    another way, or sharpened afterwards.

    Parameters
    ----------
    image : (height, width) or (height, width, 1 or 3) array_like
        scikit-image's conventions: integers span their range, floats may have any. NaN, infinite
        and huge samples are left out, and the pixels over them come back as they were.
    scale : float
        Above 1. For 2, 3 and 4 there are cascades; the others are enlarged by the next larger, in
        several steps beyond 4, and then shrunk. Ignored where `size` is given.
    size : (height, width), optional
        Exact size of the result, at least that of the image.
    degradation : str or (7, 7) ndarray
        How the image was made small, or the filter that corrects for it. ``"auto"``: estimated from
        the image (`restore.tasks.super_resolution.history`), or as a given `model` assumes;
        ``"bicubic"``; ``"area"``: the mean of the pixels that one covers; ``"gaussian:S"``: with a
        blur of standard deviation S large pixels; ``"sharpened:A"``: by area and then sharpened,
        where A = 0.5 is 50 %; ``"nearest"``: one pixel of several was kept.
    model : Cascade, optional
        Learned by `learn_super_resolution`; the packaged ones by default.
    quality : {"fast", "balanced", "best"}
        How many stages of a cascade are run: one, three or all. With a packaged cascade, ``"best"``
        then corrects the luminance by groups of similar patches and learned sparse coding.
        With a dictionary: the number of iterations and the overlap of the patches.
    dictionary : {"learn", "grey"}, str or Dictionary, optional
        Instead of a cascade, code each patch of the luminance on its own over this dictionary:
        ``"learn"`` fits the packaged one to the patches of `image`; otherwise a packaged name, a
        file, or a dictionary.
    seed : int
        Seed for drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    float32 ndarray
        Of `size`, or of `scale` times the height and width, with the channels of `image`.
        Not clipped.

    Raises
    ------
    ValueError
        If scale, size, degradation, quality, model or dictionary make no sense for this image.

    See Also
    --------
    restore.learn_super_resolution : Learns a model.

    References
    ----------
    Timofte, De Smet & Van Gool, "A+: Adjusted anchored neighborhood regression for fast
    super-resolution", ACCV 2014.
    Timofte, Rothe & Van Gool, "Seven ways to improve example-based single image super
    resolution", CVPR 2016.
    Guleryuz, "Nonlinear approximation based image recovery using adaptive sparse reconstructions
    and iterated denoising", IEEE TIP 15(3), 2006, for dictionaries.

    Examples
    --------
    >>> from skimage import data
    >>> from restore import super_resolve
    >>> picture = data.astronaut()[:48, 160:208]
    >>> super_resolve(picture, 2, quality="fast").shape
    (96, 96, 3)
    >>> super_resolve(picture, size=(90, 100), quality="fast").shape
    (90, 100, 3)
    """
    whole = as_image(image)
    if quality not in QUALITIES:
        raise ValueError(f"quality is one of {', '.join(QUALITIES)}, not {quality!r}")
    atoms = None if dictionary is None else load_for(dictionary, 1)
    if model is not None and not isinstance(model, Cascade):
        raise ValueError(f"expected a Cascade as model, got {type(model).__name__}")
    if atoms is not None and model is not None:
        raise ValueError("give a model or a dictionary, not both")
    work = working(whole)
    if not work.known.any():
        raise ValueError("the image holds nothing but NaN, infinite or huge samples")
    height, width = whole.shape[:2]
    if size is None:
        if not (np.ndim(scale) == 0 and 1 < scale < np.inf):
            raise ValueError(f"the scale is a number above 1, not {scale}")
        if model is not None and scale != model.scale:
            raise ValueError(f"the model was learned for scale {model.scale}, not {scale}")
        size = round(height * scale), round(width * scale)
    try:
        size = tuple(operator.index(side) for side in size)
    except TypeError:
        size = (size,)
    if len(size) != 2:
        raise ValueError(f"size is (height, width) in whole pixels, not {size[0]}")
    if size[0] < height or size[1] < width:
        raise ValueError(
            f"the image is {width} x {height} already, and super-resolution only enlarges: "
            "ask for a larger size"
        )
    enlarged = work.filled()
    assumed = "bicubic" if model is None else model.degradation
    times = max(1, round(size[0] / height))
    if isinstance(degradation, np.ndarray):
        kernel = degradation
    elif degradation == "auto":
        kernel = None
        if model is None:
            kernel, _ = history.likely_correction(luminance(enlarged, pool), times)
    else:
        kernel = correction(degradation, assumed, times)
    if kernel is not None:
        enlarged = apply_correction(enlarged, kernel, pool)
    if atoms is not None:
        learn = dictionary == "learn"
        enlarged = by_dictionary(enlarged, size, atoms, learn, quality, seed, pool)
    while enlarged.shape[0] < size[0] or enlarged.shape[1] < size[1]:
        factor = max(size[0] / enlarged.shape[0], size[1] / enlarged.shape[1])
        step = model or Cascade.load(next((s for s in SCALES if s >= factor), SCALES[-1]))
        enlarged = _enlarge(enlarged, step, quality, quality == "best" and model is None, pool)
    if enlarged.shape[:2] != size:
        enlarged = resize(enlarged, *size, pool)
    enlarged = work.back(enlarged)
    if not work.known.all():
        rows, columns = (np.arange(n) * old // n for n, old in zip(size, (height, width)))
        unknown = ~work.known[rows[:, None], columns]
        enlarged[unknown] = whole[rows[:, None], columns][unknown]
    return enlarged[..., 0] if np.ndim(image) == 2 else enlarged


def _enlarge(image: Floats, model: Cascade, quality: str, coded: bool, pool: Pool | None) -> Floats:
    """`image` enlarged by the scale of the model, its luminance at last by similar patches."""
    height, width = (model.scale * side for side in image.shape[:2])
    enlarged = resize(image, height, width, pool)
    small, start = luminance(image, pool), luminance(enlarged, pool)
    large = enlarge_plane(small, start, model, QUALITIES[quality], pool)
    if coded:
        large = back_project(small[..., None], large[..., None], model.degradation, pool)[..., 0]
        large = correct_plane(large, start, model.scale, pool)
    _add_change(enlarged, start, large, pool)
    del large, start
    return back_project(image, enlarged, model.degradation, pool)


def enlarge_plane(
    small: Floats, start: Floats, model: Cascade, count: int | None = None, pool: Pool | None = None
) -> Floats:
    """Add to an interpolated plane the detail that the stages of a cascade predict.

    Parameters
    ----------
    small : (h, w) float32 array
    start : (scale * h, scale * w) float32 array
        `small`, interpolated.
    model : Cascade
    count : int, optional
        How many of its stages; all by default.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (scale * h, scale * w) float32 array
    """
    large = start
    for number, stage in enumerate(model.stages[:count]):
        if number:
            large = back_project(small[..., None], large[..., None], model.degradation, pool)[
                ..., 0
            ]
        large = refine(stage, small, large, pool)
    return large


def _add_change(image: Floats, before: Floats, after: Floats, pool: Pool | None) -> None:
    """Add the change of a plane to every channel."""

    def add(band: slice) -> None:
        image[band] += (after[band] - before[band])[..., None]

    bands.for_each(add, bands.rows(image.shape), pool)
