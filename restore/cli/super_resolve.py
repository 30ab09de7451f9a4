"""The command ``restore super-resolve``."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import (
    PictureCommand,
    batch_options,
    dictionary,
    levels_in_unit,
    model,
    quality,
    white_level,
)
from restore.cli.values import FloatRange, Levels
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.typing import Floats


#: Beyond it nothing of the detail is known.
LARGEST = 16


class Degradation(click.ParamType):
    """How a picture was made small."""

    name = "degradation"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from restore.tasks.super_resolution.correction import correction

        if value == "auto":
            return value
        try:
            correction(value, "bicubic", 2)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


@click.command(cls=PictureCommand)
@click.option(
    "--scale",
    type=FloatRange(1, LARGEST, min_open=True),
    metavar="X",
    help=f"How many times larger: 2, 1.5, up to {LARGEST}. [default: the model's scale, or 2]",
)
@click.option("--width", type=click.IntRange(min=1), metavar="N", help="Exact width of the result.")
@click.option(
    "--height", type=click.IntRange(min=1), metavar="N", help="Exact height of the result."
)
@click.option(
    "--max-side", type=click.IntRange(min=1), metavar="N", help="Exact longer side of the result."
)
@click.option(
    "--degradation",
    type=Degradation(),
    default="auto",
    show_default=True,
    metavar="auto|bicubic|area|gaussian:S|sharpened:A|nearest",
    help="How the pictures were made small: bicubic interpolation, area means, a Gaussian blur "
    "with a standard deviation of S pixels of the large picture, area means and then sharpening "
    "by A (0.5 is 50 %), or dropping pixels. auto estimates it; a --model states it.",
)
@click.option(
    "--sigma",
    type=Levels(0),
    default="0",
    show_default=True,
    metavar="LEVELS|auto",
    help="Remove noise of this standard deviation first, in 8-bit levels (0-255).",
)
@white_level
@model("A model learned by restore train --model super-resolution. [default: the packaged ones]")
@dictionary(
    "Instead of a model, code each patch on its own with these atoms, alternating with steps that "
    "make the result agree with the small picture: learned on that, grey, or a file."
)
@quality("How many stages of the model to run: one, three, or all.")
@batch_options(suffix="-enlarged")
def super_resolve(
    inputs: tuple[str, ...],
    options: Options,
    scale: float | None,
    width: int | None,
    height: int | None,
    max_side: int | None,
    **settings: Any,
) -> int:
    """Enlarge pictures a number of times, or to an exact size.

    Detail comes from regressions learned on photos; no texture is made up, and shrinking the result
    gives the picture back. JPEG artefacts are removed first. If only one of --width and --height is
    given, the other follows.
    """
    if settings["model"] and settings["dictionary"]:
        raise click.UsageError("give a --model or a --dictionary, not both")
    wished = [name for name in (width, height, max_side) if name is not None]
    if scale is not None and wished:
        raise click.UsageError("give a --scale or a size, not both")
    if max_side is not None and len(wished) > 1:
        raise click.UsageError("give --max-side, or --width and --height, not both")
    process = functools.partial(
        enlarge_picture,
        scale=scale,
        width=width,
        height=height,
        max_side=max_side,
        max_pixels=options.max_pixels,
        **settings,
    )
    return batch.run(process, inputs, options, whole=True)


#: How many stages of a model each quality runs; best runs all of the packaged ones.
_STAGES = {"fast": 1, "balanced": 3, "best": 6}


def enlarge_picture(
    picture: Picture,
    *,
    pool: Pool,
    max_pixels: int,
    sigma: Any,
    white: float | None,
    degradation: str,
    model: str | None,
    dictionary: str | None,
    quality: str,
    whole: Picture | None = None,
    **wished: Any,
) -> batch.Result:
    """`picture` enlarged, its alpha with it, and how it was found to have been made small.

    For a part of a picture, both noise and that are estimated on the `whole`.
    """
    import numpy as np

    from restore.imaging.resize import resize
    from restore.tasks.super_resolution import Cascade, super_resolve

    model = Cascade.load(model) if model else None
    scale, width, height, max_side = (
        wished[name] for name in ("scale", "width", "height", "max_side")
    )
    old_height, old_width = picture.samples.shape[:2]
    if max_side is not None:
        width, height = (max_side, None) if old_width >= old_height else (None, max_side)
    if width is None and height is None:
        scale = scale or (model.scale if model else 2)
        size = round(scale * old_height), round(scale * old_width)
    else:
        size = (
            height or max(1, round(old_height * width / old_width)),
            width or max(1, round(old_width * height / old_height)),
        )
    if size[0] * size[1] > max_pixels:
        raise ValueError(
            f"the result would have {size[1]} x {size[0]} pixels, more than --max-pixels "
            f"{max_pixels} allows"
        )
    picture, facts = _cleaned(picture, whole or picture, sigma, white, pool)
    whole = whole or picture
    if dictionary is None:
        shares = _STAGES[quality] * [("adding detail", 1.0)]
        if quality == "best" and model is None:
            shares += [("grouping", 4), ("correcting", 6)]
        shares *= 1 if picture.alpha is None else 2
        pool = batch.overall(pool, "enlarging", shares)
    asked: dict[str, Any] = {"scale": scale} if scale else {"size": size}
    enlarge: Callable[..., Floats] = functools.partial(
        super_resolve,
        model=model,
        pool=pool,
        quality=quality,
        dictionary=dictionary,
        **asked,
    )
    alpha = picture.alpha
    if alpha is not None:
        smooth = np.clip(resize(alpha[..., None], *size, pool)[..., 0], 0, 1)
        # Contours become as sharp as those of the colours; fully clear or opaque samples stay so.
        enlarged = enlarge(alpha, degradation=model.degradation if model else "bicubic")
        alpha = np.clip(np.where((smooth == 0) | (smooth == 1), smooth, enlarged), 0, 1)
    if degradation == "auto" and model is None:
        degradation, facts["degradation"] = _history(whole.samples, size[0] / old_height, pool)
    samples = enlarge(picture.samples, degradation=degradation)
    return batch.Result(picture.replace(samples=samples, alpha=alpha), facts)


def _history(samples: Floats, scale: float, pool: Pool) -> tuple[str | Floats, str]:
    """How a picture was made small: as `super_resolve` takes it, and in words."""
    from restore.imaging.arrays import working
    from restore.imaging.colour import luminance
    from restore.tasks.super_resolution.history import likely_correction

    plane = luminance(working(samples).filled(), pool)
    kernel, chances = likely_correction(plane, max(1, round(scale)))
    words = max(chances, key=lambda way: chances[way]) if chances else "too small to tell"
    return "bicubic" if kernel is None else kernel, words


def _cleaned(
    picture: Picture, whole: Picture, sigma: Any, white: float | None, pool: Pool
) -> tuple[Picture, dict[str, Any]]:
    """`picture` without noise, estimated on `whole`, and JPEG artefacts; and the facts found."""
    import numpy as np

    from restore.cli.dejpeg import dejpeg_picture
    from restore.files.metadata import turned_back, upright
    from restore.imaging.noise import Noise, estimate_noise
    from restore.tasks.denoising import denoise

    coding, facts = picture.metadata.coding, {}
    if sigma:
        orientation = picture.metadata.orientation if coding else 1
        samples = turned_back(picture.samples, orientation)
        if sigma == "auto":
            measured = turned_back(whole.samples, orientation)
            noise = estimate_noise(measured, coding, pool=pool)
        else:
            level = sigma / levels_in_unit(picture, sigma, white)
            noise = Noise("white", np.full(samples.shape[2], level))
        facts["noise"] = noise.kind
        if noise.kind not in ("none", "jpeg"):
            samples = denoise(samples, noise=noise, coding=coding, pool=pool)
            return picture.replace(samples=upright(samples, orientation)), facts
    if coding:
        result = dejpeg_picture(picture, pool=pool, quality_was=None, model=None)
        return result.output, {**facts, "jpeg_error": result.facts["error"]}
    return picture, facts
