"""The command ``restore dejpeg``."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import PictureCommand, batch_options, model
from restore.files.formats import format_of_name
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture


@click.command(cls=PictureCommand)
@click.option(
    "--quality-was",
    type=click.IntRange(1, 100),
    metavar="N",
    help="For pictures that are no longer JPEG files: the quality at which they were once saved. "
    "[default: estimated from the picture]",
)
@model("A coder learned by restore train --model dejpeg. [default: the packaged ones]")
@batch_options(suffix="-dejpeg")
def dejpeg(inputs: tuple[str, ...], options: Options, **settings: Any) -> int:
    """Remove the blocking, ringing and colour stains of JPEG.

    The quantisation tables are read from the file, and the result stays consistent with the
    quantised coefficients. With --depth 16 smooth areas keep the values between 8-bit levels. The
    result is a PNG unless another name or --format is given.
    """
    beside = options.output is None or format_of_name(options.output) is None
    if options.format is None and beside:
        options = dataclasses.replace(options, format="png")  # which adds no artefacts
    process = functools.partial(dejpeg_picture, **settings)
    return batch.run(process, inputs, options, whole=True)


def dejpeg_picture(
    picture: Picture,
    *,
    pool: Pool,
    quality_was: int | None,
    model: str | None,
    whole: Picture | None = None,
) -> batch.Result:
    """`picture` without JPEG artefacts, and facts; the quality is that of `whole`, if given."""
    from restore.files.metadata import turned_back, upright
    from restore.sparse.unrolled import Coder
    from restore.tasks.denoising.artefacts import dejpeg, known
    from restore.tasks.denoising.mapped import stages

    coding = picture.metadata.coding if quality_was is None else None
    orientation = picture.metadata.orientation if coding else 1
    if whole is not None:
        coding = known(turned_back(whole.samples, orientation), coding, quality_was)
    height, width, channels = picture.samples.shape
    shares = stages((channels, height, width), smooth=True)
    pool = batch.overall(pool, "removing artefacts", shares)
    samples, found = dejpeg(
        turned_back(picture.samples, orientation),
        coding,
        quality_was=quality_was,
        model=Coder.load(model) if model else None,
        pool=pool,
    )
    facts = {"error": round(255 * found.sigma, 2)}
    if found.quality is not None:
        facts["quality"] = found.quality
    return batch.Result(picture.replace(samples=upright(samples, orientation)), facts)
