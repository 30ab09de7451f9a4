"""The command ``restore demosaic``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from restore import batch
from restore.cli.options import (
    PictureCommand,
    batch_options,
    dictionary,
    levels_in_unit,
    model,
    quality,
)
from restore.cli.uncertainty import check_default, extras, map_of, uncertainty
from restore.cli.values import FloatRange, Levels
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.typing import Floats


ADVICE = (
    "expected RGGB, BGGR, GRBG or GBRG, the colours of the top-left 2x2 samples row by row "
    "(OpenCV's names are shifted: its BayerBG is RGGB, BayerRG is BGGR, BayerGB is GRBG, "
    "BayerGR is GBRG)"
)


class Pattern(click.ParamType):
    """The colours of a mosaic, or a name for them."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from restore.tasks.demosaicing.patterns import named

        try:
            return named(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Numbers(click.ParamType):
    """Some numbers with commas between them."""

    name = "numbers"

    def __init__(self, kind: type[Any], count: int, positive: bool) -> None:
        self.kind, self.count, self.positive = kind, count, positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        numbers: tuple[Any, ...] = ()
        try:
            numbers = tuple(self.kind(word) for word in value.split(","))
        except ValueError:
            pass
        sound = all(0 < x < 1e6 if self.positive else x >= 0 for x in numbers)
        if len(numbers) != self.count or not sound:
            least = "above 0" if self.positive else "from 0"
            self.fail(
                f"{value!r} is not {self.count} numbers {least}, as in {param and param.metavar}"
            )
        return numbers


@click.command(cls=PictureCommand)
@click.option(
    "--pattern",
    type=Pattern(),
    metavar="RGGB|BGGR|GRBG|GBRG|xtrans|quad|COLOURS",
    help="Colours of the repeating pattern, row by row from the top left sample. [required, "
    "unless the file states it]",
)
@click.option(
    "--offset",
    type=Numbers(int, 2, positive=False),
    default="0,0",
    metavar="X,Y",
    show_default=True,
    help="Offset of the picture's top left sample in the mosaic that --pattern describes.",
)
@click.option(
    "--black",
    type=FloatRange(min=0),
    metavar="LEVEL",
    help="The level of the file that becomes black.",
)
@click.option(
    "--white",
    type=FloatRange(min=0, min_open=True),
    metavar="LEVEL",
    help="The level of the file that becomes white. [default: leave the levels alone]",
)
@click.option(
    "--wb",
    "gains",
    type=Numbers(float, 3, positive=True),
    metavar="R,G,B",
    help="White balance: multiply the colours by these factors, scaled so that the smallest is 1, "
    "and clip.",
)
@click.option(
    "--sigma",
    type=Levels(0),
    default="0",
    show_default=True,
    metavar="LEVELS|auto",
    help="Also remove noise of this standard deviation, in 8-bit levels (0-255).",
)
@quality("fast uses no similar patches; best uses more of them.")
@model("A model learned by restore train --model demosaicing. [default: the packaged one]")
@dictionary(
    "Instead of a model and groups of patches, code each patch on its own with these atoms, "
    "alternating with steps that restore the measured samples: learned on the picture, colour, or "
    "a file."
)
@click.option(
    "--simulate",
    is_flag=True,
    help="INPUT is a picture in full colour: take a mosaic from it first, to measure what is lost.",
)
@uncertainty
@batch_options(suffix="-demosaiced")
def demosaic(
    inputs: tuple[str, ...],
    options: Options,
    pattern: str | None,
    offset: tuple[int, int],
    black: float | None,
    white: float | None,
    gains: Any,
    simulate: bool,
    **settings: Any,
) -> int:
    """Full colour from a mosaic.

    INPUT holds one measured colour per sample, in one channel. The missing two are
    estimated along edges, then corrected by regressions learned from photos. Measured samples come
    back unchanged, unless noise is to be removed. Mosaics should be white-balanced and
    gamma-encoded. Camera raw files are developed with their own levels, white balance and colours,
    where rawpy is installed.
    """
    if settings["model"] and settings["dictionary"]:
        raise click.UsageError("give a --model or a --dictionary, not both")
    check_default(
        settings["uncertainty"],
        quality=settings["quality"] == "fast",
        dictionary=settings["dictionary"],
    )
    stored = Stored(pattern, offset, black, white, gains, simulate)
    process = functools.partial(demosaic_picture, stored=stored, **settings)
    return batch.run(
        process, inputs, options, raw=True, coloured=True, extras=extras(settings["uncertainty"]),
        whole=True,
    )  # fmt: skip


#: Approximate share of the time of each stage, by quality; the last two are left out under noise.
_STAGES = ("demosaicing", "grouping", "completing", "correcting", "grouping", "completing")
_SHARES = {"fast": (1,), "balanced": (12, 5, 52, 9, 5, 17), "best": (4, 6, 62, 3, 6, 20)}


def _hint_at_white(picture: Picture) -> None:
    """Warn if a mosaic uses only the low levels of a 16-bit file, so that the result is dark."""
    import warnings

    from restore.files.picture import LEVELS, PictureWarning

    if picture.depth != "16":
        return
    top = round(float(picture.samples.max()) * LEVELS["16"])
    bits = next((bits for bits in (8, 10, 12, 14) if top < 2**bits), None)
    if bits:
        warnings.warn(
            f"the highest level is {top} of 65535, so the result is dark: if the camera has "
            f"{bits} bits, use --white {2**bits - 1}",
            PictureWarning,
            stacklevel=2,
        )


class Stored(NamedTuple):
    """How a mosaic is stored in its file, as far as the command line says."""

    pattern: str | None = None
    """Colours of the top-left samples."""
    offset: tuple = (0, 0)
    """Offset of the picture's top left sample in the mosaic that the pattern describes."""
    black: float | None = None
    """Levels of the file."""
    white: float | None = None
    gains: tuple | None = None
    simulate: bool = False
    """Whether the file is in full colour, and a mosaic is to be taken from it."""


def demosaic_picture(
    picture: Picture,
    *,
    pool: Pool,
    stored: Stored,
    sigma: Any,
    quality: str,
    model: str | None,
    dictionary: str | None,
    uncertainty: str | None = None,
    whole: Picture | None = None,
) -> batch.Result:
    """`picture` in full colour; its noise is estimated on `whole`, if given."""
    from restore.tasks.demosaicing import Model, demosaic
    from restore.tasks.demosaicing.development import stabilised
    from restore.tasks.demosaicing.noise import estimated
    from restore.tasks.demosaicing.patterns import moved

    model = Model.load(model) if model else None
    settings: dict[str, Any] = {"quality": quality, "model": model, "dictionary": dictionary}
    if dictionary is None:
        shares = list(zip(_STAGES, _SHARES[quality]))[: 4 if sigma else 6]
        pool = batch.overall(pool, "demosaicing", shares)
    if picture.metadata.camera:
        if stored.simulate:
            raise ValueError("--simulate takes the mosaic from a picture in colour; this is raw")
        if uncertainty:
            raise ValueError("--uncertainty is for mosaics that are pictures, not for camera raw")
        picture = _with_levels(picture, stored)
        return _developed(picture, sigma, settings, pool)
    metadata = picture.metadata
    pattern = stored.pattern or metadata.pattern
    if pattern is None:
        raise ValueError(f"the pattern is not known: give it with --pattern; {ADVICE}")
    pattern = moved(pattern, *stored.offset)
    samples = _levelled(picture, pattern, stored)
    facts: dict[str, Any] = {"pattern": pattern}
    if sigma == "auto":
        measured = samples if whole is None else _levelled(whole, pattern, stored)
        plane = measured.reshape(measured.shape[:2])
        gain, level = estimated(plane, pattern, pool=pool)
        levels = levels_in_unit(picture.replace(samples=samples))
        facts |= {"sigma": round(levels * level, 2), "poisson_gain": round(levels * gain, 4)}
    else:
        gain, level = 0.0, sigma / levels_in_unit(picture.replace(samples=samples), sigma)

    def run(mosaic: Floats, sigma: float, **settings: Any) -> Floats:
        return demosaic(mosaic, pattern, sigma=sigma, **settings)

    colour = stabilised(samples, gain, level, functools.partial(run, pool=pool, **settings))
    maps = {}
    if uncertainty:
        quick = {**settings, "quality": "fast", "pool": Pool(pool.threads)}
        other = stabilised(samples, gain, level, functools.partial(run, **quick))
        error = _expected_error(samples, colour, other, (gain, level), pattern)
        maps = map_of(uncertainty, picture, error)
    grey_profile = metadata.icc is not None and metadata.icc[16:20] == b"GRAY"
    metadata = metadata.replace(pattern=None, icc=None if grey_profile else metadata.icc)
    return batch.Result(picture.replace(samples=colour, metadata=metadata), facts, maps)


def _expected_error(
    mosaic: Floats, colour: Floats, other: Floats, noise: tuple[float, float], pattern: str
) -> Floats:
    """The expected error of the result, from its difference to that of the fast quality."""
    import numpy as np

    from restore.imaging.uncertainty import estimate_error
    from restore.sparse.operators import Mosaic

    gain, level = noise
    sigma = np.sqrt(gain * np.clip(colour, 0, 1) + level**2)
    known = Mosaic(pattern).known(mosaic.shape[:2])
    return estimate_error("demosaic", colour, other, sigma=sigma, known=known)


def _levelled(picture: Picture, pattern: str, stored: Stored) -> Floats:
    """The samples of a mosaic, scaled from black to white, with white balance if requested."""
    from restore.files.picture import LEVELS
    from restore.tasks.demosaicing.development import levelled

    samples = _mosaic(picture, pattern, stored.simulate)
    black, white, gains = stored.black, stored.white, stored.gains
    if white is None and not stored.simulate:
        _hint_at_white(picture)
    if black is None and white is None and gains is None:
        return samples
    top = LEVELS.get(picture.depth, 1)
    white = 1.0 if white is None else white / top
    return levelled(samples, pattern, (black or 0) / top, white, gains or (1, 1, 1))


def _mosaic(picture: Picture, pattern: str, simulate: bool) -> Floats:
    """The samples of a mosaic, or of one taken from a picture in colour."""
    from restore.tasks.demosaicing import sampled

    samples = picture.samples
    if simulate:
        if samples.shape[2] != 3:
            raise ValueError("--simulate takes the mosaic from a picture in colour; this is grey")
        return sampled(samples, pattern)
    if samples.shape[2] == 3:
        raise ValueError(
            "this is a picture in full colour, not a mosaic of one channel: --simulate takes a "
            "mosaic from it, to try the command out"
        )
    if picture.metadata.orientation != 1:
        raise ValueError(
            "the file says that the mosaic is to be turned, and its pattern would turn with it: "
            "remove the orientation tag and turn the result"
        )
    return samples


def _with_levels(picture: Picture, stored: Stored) -> Picture:
    """A camera raw file with the given levels and pattern in place of its own."""
    from restore.files.picture import LEVELS
    from restore.tasks.demosaicing.patterns import moved

    metadata, top = picture.metadata, LEVELS["16"]
    camera = metadata.camera
    if metadata.pattern is None or camera is None:
        raise ValueError("this raw file is demosaiced already: use another command to develop it")
    pattern = moved(stored.pattern or metadata.pattern, *stored.offset)
    black = stored.black
    if black is not None or len(camera.black) != len(pattern):
        level = min(camera.black) if black is None else black / top
        camera = camera.replace(black=len(pattern) * (level,))
    if stored.white is not None:
        camera = camera.replace(white=stored.white / top)
    camera = camera.replace(gains=stored.gains or camera.gains)
    return picture.replace(metadata=metadata.replace(pattern=pattern, camera=camera))


def _developed(picture: Picture, sigma: Any, settings: dict[str, Any], pool: Pool) -> batch.Result:
    """The picture of a camera raw file, and the estimate of its noise."""
    from restore.files.raw import developed

    pattern = picture.metadata.pattern
    light = sigma if sigma == "auto" else sigma / 255
    picture, (gain, dark) = developed(picture, sigma=light, pool=pool, **settings)
    facts: dict[str, Any] = {"pattern": pattern}
    if sigma == "auto":
        facts |= {"sigma": round(255 * dark, 3), "poisson_gain": round(255 * gain, 4)}
    return batch.Result(picture, facts)
