"""Full colour from a mosaic.

A camera measures one colour at every sample, through a filter of red, green or blue. The
two missing ones are first estimated along edges, not across them. Learned stages then
correct the estimate: at every sample a linear map of the mosaic and of the estimates around it,
chosen by the local relation of the colours. Groups of similar patches, each modelled as a Gaussian,
then predict the hidden colours of every patch from its measured ones, and learned sparse coding
corrects the result. The measured samples are returned unchanged, unless they are noisy: then they,
too, are estimated by the groups.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from restore.imaging import archive, bands
from restore.imaging.arrays import as_image, working
from restore.imaging.bands import Pool
from restore.kernels import regression as kernels
from restore.sparse import unrolled
from restore.sparse.dictionary import Dictionary, load_for
from restore.sparse.operators import Mosaic
from restore.tasks.demosaicing.correcting import corrected_by
from restore.tasks.demosaicing.dictionary import by_dictionary
from restore.tasks.demosaicing.grouping import completed
from restore.tasks.demosaicing.patterns import BAYER, by_groups, first_estimate, named
from restore.tasks.demosaicing.stages import (
    FIRST_MARGIN,
    FIXED,
    NARROW_MARGIN,
    WIDE_MARGIN,
    Model,
    Stage,
    corrected,
    first_estimates,
    inner,
    margin,
    narrow_inputs,
    wide_inputs,
)
from restore.typing import Array, Floats

__all__ = [
    "BAYER",
    "LEARNED_SIGMA",
    "Model",
    "demosaic",
    "estimates",
    "sampled",
]

#: Stride in samples between groups of similar patches; 0: no groups.
QUALITIES = {"fast": 0, "balanced": 4, "best": 2}

#: Uncertainty of the coder's result, as groups take it: see `restore.tasks.demosaicing.grouping`.
AGAIN = 5.0

#: The noise level at which the stages for noisy mosaics were learned.
LEARNED_SIGMA = 10 / 255

#: Variance of the rounding of samples, and a bit more, used if there is no noise.
ROUNDED = (0.7 / 255) ** 2

#: Rows of a band of work, and of a strip whose intermediate results are held in memory.
BAND, STRIP = 128, 1024


def demosaic(
    mosaic: ArrayLike, pattern: str = "RGGB", *, sigma: float = 0.0, quality: str = "balanced",
    model: Model | None = None, dictionary: str | Dictionary | None = None, seed: int = 0,
    pool: Pool | None = None,
) -> Floats:  # fmt: skip
    """Estimate the two colours that a filter hid at every sample.

    Parameters
    ----------
    mosaic : (height, width) or (height, width, 1) array_like
        One measured colour per sample, in scikit-image's conventions (unsigned integers
        span their whole range, floats may have any). It should be white-balanced and gamma-encoded,
        as were the pictures learned from.
    pattern : str
        Colours of the repeating pattern, row by row from the top-left sample: ``"RGGB"`` and the
        other three patterns of Bayer, ``"xtrans"``, ``"quad"``, or any up to 8 x 8.
    sigma : float
        Standard deviation of the noise in the mosaic, in its unit, of integers in that of
        [0, 1]: it is removed, also from the measured samples.
    quality : {"fast", "balanced", "best"}
        "fast" stops after the first learned stage and leaves out the groups of similar
        patches and the coder; "best" uses four times as many groups and takes three times as long.
    model : Model, optional
        Learned for mosaics without noise or, with a sigma, for noisy ones (`learn_demosaicing`
        with the noise of `LEARNED_SIGMA`); the packaged one by default.
    dictionary : {"learn", "colour"}, str or Dictionary, optional
        Instead of a model and of groups, code each patch on its own over this dictionary:
        ``"learn"`` fits the packaged one to the first estimate; otherwise a packaged name, a
        file, or a dictionary. The quality then sets the number of iterations and the overlap.
    seed : int
        Seed for drawing the patches to learn on.
    pool : Pool, optional
        Threads and progress. The result is the same for any number of threads.

    Returns
    -------
    (height, width, 3) float32 ndarray
        Red, green and blue. Without noise the measured samples are unchanged. The
        estimated ones lie between the least and the greatest measured sample, so that
        clipped highlights stay clipped in all colours.

    Raises
    ------
    ValueError
        If the mosaic has three channels or NaN, infinite or huge samples, the pattern or the
        quality is not one of those above, sigma is negative, the model was learned with noise and
        sigma is 0, or the other way round, or the dictionary is not of colour patches.

    References
    ----------
    Hamilton & Adams 1997, Pekkucuksen & Altunbasak 2010 and Kiku, Monno, Tanaka & Okutomi
    2014 for the first estimates; Timofte, De Smet & Van Gool 2014 for anchored regression;
    Yu, Sapiro & Mallat 2012 for patches as Gaussians of which some samples are known, and
    Mairal, Bach, Ponce, Sapiro & Zisserman 2009 for groups of patches of a mosaic;
    `restore.sparse.unrolled` for the coder.

    Examples
    --------
    >>> from skimage import data, metrics
    >>> from restore import demosaic
    >>> picture = data.astronaut()[:96, 160:256] / 255
    >>> mosaic = picture[..., 1].copy()  # green, and of every four samples
    >>> mosaic[::2, ::2] = picture[::2, ::2, 0]  # a red one
    >>> mosaic[1::2, 1::2] = picture[1::2, 1::2, 2]  # and a blue one
    >>> colour = demosaic(mosaic, "RGGB", quality="fast")
    >>> bool(metrics.peak_signal_noise_ratio(picture, colour, data_range=1) > 37)
    True
    """
    samples = as_image(mosaic)
    if samples.shape[2] != 1:
        raise ValueError(
            "expected a mosaic with one channel, got a picture with three: it is in full "
            "colour already"
        )
    pattern = named(pattern)
    if quality not in QUALITIES:
        raise ValueError(f"unknown quality {quality!r}: expected fast, balanced or best")
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must not be negative, got {sigma}")
    atoms = None if dictionary is None else load_for(dictionary, 3)
    if atoms is not None and model is not None:
        raise ValueError("give a model or a dictionary, not both")
    if model is not None and pattern not in BAYER:
        raise ValueError("models are for the patterns of Bayer: leave out the model")
    shipped = model is None  # the coders were learned on the errors of the packaged models
    if model is None:
        model = packaged("demosaic-noisy" if sigma else "demosaic")
    elif model.noisy and not sigma:
        raise ValueError("this model was learned for noisy mosaics: give the sigma of the noise")
    elif sigma and not model.noisy:
        raise ValueError(
            "this model was learned for mosaics without noise, and sigma is not 0: leave out the "
            "model, for the packaged one, or denoise the result instead"
        )
    work = working(samples)
    if not work.known.all():
        raise ValueError("the mosaic has NaN, infinite or huge samples: replace them first")
    samples = samples[..., 0]
    if pattern not in BAYER:
        colour = _of_any_pattern(
            work.image[..., 0],
            pattern,
            work.sigma(sigma),
            atoms,
            dictionary == "learn",
            quality,
            seed,
            pool,
        )
        return _in_range(work.back(colour), samples, pattern, sigma)
    top, left = BAYER[pattern]

    if sigma and atoms is None:
        # one model serves all noise levels by scaling: it was learned at one, on pictures of any
        # contrast
        scale, error = LEARNED_SIGMA / work.sigma(sigma), LEARNED_SIGMA**2
    else:
        # models were learned on samples in [0, 1]
        scale, error = 1 / max(1, work.image.max()), ROUNDED
    scale = np.float32(scale)
    scaled = work.image[..., 0] * scale
    thin = min(samples.shape) == 1
    if atoms is not None:
        start = _thin(scaled, top, left) if thin else _estimate(scaled, top, left, (), pool)
        noise = float(scale) * work.sigma(sigma)
        colour = by_dictionary(
            scaled, start, pattern, noise, atoms, dictionary == "learn", quality, seed, pool,
        )  # fmt: skip
    elif thin:
        colour = _thin(scaled, top, left)
    elif quality == "fast":
        colour = _estimate(scaled, top, left, model.stages[:1], pool)
    else:
        found = [*estimates(scaled, error, pattern, model, quality, pool)]
        colour = found[-1]
        if shipped:
            learned = found[0]
            coder = unrolled.packaged("demosaic-noisy-coder" if sigma else "demosaic-coder")
            colour = corrected_by(coder, found, top, left, pool)
            if not sigma:
                colour = _completed_again(scaled, error, pattern, learned, colour, quality, pool)
    return _in_range(work.back(colour / scale), samples, pattern, sigma)


def _in_range(colour: Floats, samples: Floats, pattern: str, sigma: float) -> Floats:
    """Clip colours to the range of the measured samples, and put these back if they are exact."""
    np.clip(colour, samples.min(), samples.max(), out=colour)
    if not sigma:
        _put_back(samples, Mosaic(pattern), colour)
    return colour


def _of_any_pattern(
    mosaic: Floats, pattern: str, sigma: float, atoms: Dictionary | None, learn: bool, quality: str,
    seed: int, pool: Pool | None,
) -> Floats:  # fmt: skip
    """The colours of a mosaic with a pattern other than Bayer's."""
    if not Mosaic(pattern).known(mosaic.shape).any(axis=(0, 1)).all():
        raise ValueError("the mosaic is smaller than its pattern, and lacks one of the colours")
    scale = np.float32(1 / max(1, mosaic.max()))
    noise = float(scale) * sigma
    if atoms is not None:
        start = first_estimate(mosaic * scale, pattern)
        colour = by_dictionary(
            mosaic * scale, start, pattern, noise, atoms, learn, quality, seed, pool
        )
    else:
        error = max(noise**2, ROUNDED)
        colour = by_groups(mosaic * scale, pattern, noise, error, QUALITIES[quality], pool=pool)
    return colour / scale


def estimates(
    mosaic: Floats, error: float, pattern: str, model: Model, quality: str = "balanced",
    pool: Pool | None = None,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """The colours of a mosaic after each of the steps.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray
        In [0, 1], at least two rows and columns.
    error : float
        Variance of its noise, or of its rounding; not 0.
    pattern : str
    model : Model
        Without noise, the estimates hold the measured samples unchanged.
    quality : {"balanced", "best"}
    pool
        As in `demosaic`.

    Returns
    -------
    learned, early, before, last : (height, width, 3) float32 ndarrays
        By all learned stages, by the first of them, and by the groups after the last but one and
        the last round.
    """
    sites = Mosaic(pattern).sites
    found = _estimate(mosaic, *BAYER[pattern], model.stages, pool)
    learned, early = found[..., :3], found[..., -3:]
    before, last = completed(
        mosaic, error, sites, learned, learned - early, QUALITIES[quality],
        pool=pool,
    )  # fmt: skip
    if not model.noisy:
        for colour in (before, last):
            _put_back(mosaic, Mosaic(pattern), colour)
    return learned, early, before, last


def _completed_again(
    mosaic: Floats, error: float, pattern: str, learned: Floats, colour: Floats, quality: str,
    pool: Pool | None,
) -> Floats:  # fmt: skip
    """One more round of groups, modelled as Gaussians of the coder's result."""
    operator = Mosaic(pattern)
    _, colour = completed(
        mosaic, error, operator.sites, colour, colour - learned, QUALITIES[quality], AGAIN, 1,
        pool=pool,
    )  # fmt: skip
    _put_back(mosaic, operator, colour)
    return colour


def _put_back(mosaic: Floats, operator: Mosaic, colour: Floats) -> None:
    """Write the measured samples into the picture."""
    for (channel, _), place in zip(operator.sites, operator.places):
        colour[(*place, channel)] = mosaic[place]


def sampled(picture: Array, pattern: str) -> Array:
    """The mosaic (height, width) that a camera with this pattern would measure."""
    return Mosaic(pattern).forward(picture)


@functools.cache
def packaged(name: str) -> Model:
    """A model that comes with the package."""
    return Model.load(archive.packaged_path(name))


def _estimate(
    samples: Floats, top: int, left: int, stages: Sequence[Stage], pool: Pool | None
) -> Floats:
    """Colour of a mosaic whose red filter is at (top, left), strip by strip.

    Three channels by all stages and, if there are several, three by the first alone.
    """
    height, width = samples.shape
    around = margin(len(stages))
    # Mirroring about the border samples keeps the phase of the colours: for any pattern a red
    # filter comes to lie at (0, 0), and the result has even sides.
    padded = np.pad(
        samples,
        (
            (around + top, around + (height + top) % 2),
            (around + left, around + (width + left) % 2),
        ),
        mode="reflect",
    )
    tall = padded.shape[0] - 2 * around
    channels = 3 if len(stages) < 2 else 6
    colour = np.empty((tall, padded.shape[1] - 2 * around, channels), np.float32)
    starts = range(0, tall, STRIP)
    for number, start in enumerate(starts):
        stop = min(start + STRIP, tall)
        part = bands.part(pool, number, len(starts))
        planes = _strip(padded[start : stop + 2 * around], stages, part)
        colour[start:stop] = planes.transpose(1, 2, 0)
    return np.ascontiguousarray(colour[top : top + height, left : left + width])


def _strip(mosaic: Floats, stages: Sequence[Stage], pool: Pool | None) -> Floats:
    """Colour planes of a strip less its margin, step by step.

    Those of the last step and, if there are several learned stages, those of the first.
    """
    steps = 1 + len(stages)

    def step(function: Callable[[slice], Floats], by: int, number: int) -> Floats:
        """The output of one step, assembled from its bands as they arrive."""
        rows = mosaic.shape[0] - 2 * by
        cut = bands.slices(rows, BAND)

        def run(rows: slice) -> Floats:
            return function(slice(rows.start, rows.stop + 2 * by))

        together: Floats | None = None
        for part, band in zip(bands.map_bands(run, cut, pool), cut):
            if together is None:
                together = np.empty((*part.shape[:-2], rows, part.shape[-1]), np.float32)
            together[..., band, :] = part
        assert together is not None  # a strip has rows
        bands.tell(pool, "demosaicing", number + 1, steps)
        return together

    def correct(
        stage: Stage, mosaic: Floats, first: Floats, estimate: Floats, fixed: Floats | None,
        rows: slice,
    ) -> Floats:  # fmt: skip
        """The estimate of one stage; after the first stage also the features to keep."""
        if fixed is None:
            inputs = wide_inputs(mosaic[rows], first[:, rows])
            found = corrected(stage, inputs, WIDE_MARGIN)
            return np.concatenate([found, inner(inputs[2][:FIXED], WIDE_MARGIN)])
        noisy = mosaic[rows] if stage.weights.shape[1] == 3 else None
        inputs = narrow_inputs(estimate[:, rows], first[:, rows], fixed[:, rows], noisy)
        return corrected(stage, inputs, NARROW_MARGIN)

    first = step(lambda rows: first_estimates(mosaic[rows]), FIRST_MARGIN, 0)
    mosaic = inner(mosaic, FIRST_MARGIN)
    fixed: Floats | None = None
    estimate = np.concatenate([mosaic[None], first[:2]])
    early = estimate
    for number, stage in enumerate(stages):
        by = NARROW_MARGIN if number else WIDE_MARGIN
        found = step(
            functools.partial(correct, stage, mosaic, first, estimate, fixed), by, number + 1
        )
        mosaic, first = inner(mosaic, by), inner(first, by)
        estimate, fixed = found[:3], found[3:] if fixed is None else inner(fixed, by)
        early = inner(early, by) if number else estimate
    kept = [estimate] if len(stages) < 2 else [estimate, early]
    colour = np.empty((len(kept), *estimate.shape), np.float32)
    for planes, into in zip(kept, colour):
        planes = np.ascontiguousarray(planes)
        kernels.full_colour(planes[0], planes[1:], into)
    return colour.reshape(-1, *estimate.shape[1:])


def _thin(samples: Floats, top: int, left: int) -> Floats:
    """Colour of a picture one sample wide or high: each colour is interpolated along it.

    A colour that is not measured at all becomes the mean of those that are.
    """
    line = samples.ravel()
    across = samples.shape[0] == 1
    positions = np.arange(line.size)
    parity = positions % 2
    channel = top + (parity + left) % 2 if across else (parity + top) % 2 + left
    measured = sorted(set(channel.tolist()))
    colour = np.empty((line.size, 3), np.float32)
    for c in measured:
        here = positions[channel == c]
        colour[:, c] = np.interp(positions, here, line[here])
    mean = colour[:, measured].mean(axis=1)
    for c in {0, 1, 2} - set(measured):
        colour[:, c] = mean
    return colour.reshape(*samples.shape, 3)
