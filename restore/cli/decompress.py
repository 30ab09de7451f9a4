"""The command ``restore decompress``."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import PictureCommand, batch_options
from restore.cli.values import File

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.imaging.bands import Pool


@click.command(cls=PictureCommand)
@click.option(
    "--dictionary",
    type=File(),
    metavar="FILE",
    help="The dictionary used for compression, if it is neither packaged nor embedded.",
)
@click.option(
    "--model",
    type=File(),
    metavar="FILE",
    help="The codec used for compression, if it is neither packaged nor embedded.",
)
@batch_options(suffix="")
def decompress(
    inputs: tuple[str, ...], options: Options, dictionary: str | None, model: str | None
) -> int:
    """Decompress .ksvd files.

    The pictures become PNG files, unless --format or -o asks for another format.
    """
    if options.format is None:
        options = dataclasses.replace(options, format="png" if _names_no_format(options) else None)
    if dictionary and model:
        raise click.UsageError("choose one of --model and --dictionary")
    process = functools.partial(
        decompress_bytes,
        dictionary=dictionary,
        model=model,
        max_pixels=options.max_pixels,
        strip=options.strip,
    )
    return batch.run(process, inputs, options, reads=(".ksvd",))


def _names_no_format(options: Options) -> bool:
    """Whether the name of the output does not determine a format."""
    from restore.files.formats import format_of_name

    output = options.output
    return output in (None, "-") or os.path.isdir(output) or format_of_name(output) is None


def decompress_bytes(
    data: bytes,
    *,
    pool: Pool,
    dictionary: str | None,
    model: str | None,
    max_pixels: int,
    strip: str | None,
) -> Picture:
    """Decompress the bytes of a file to an upright picture."""
    import numpy as np

    from restore.files.decoded import picture_of
    from restore.files.metadata import resolution_of, stripped
    from restore.sparse.dictionary import Dictionary
    from restore.tasks.compression import Codec
    from restore.tasks.compression import decompress as decompress_data

    codec: Codec | Dictionary | None = Codec.load(model) if model else None
    if dictionary:
        codec = Dictionary.load(dictionary)
    found = decompress_data(data, codec=codec, max_pixels=max_pixels, pool=pool)
    samples = np.atleast_3d(found.samples)
    if found.alpha is not None:
        samples = np.dstack([samples, found.alpha])
    fields: dict[str, Any] = {"icc": found.icc, "exif": found.exif, "xmp": found.xmp}
    fields["resolution"] = resolution_of(found.exif)
    picture = picture_of(samples, fields, depth=found.depth, alpha=found.alpha is not None)
    if strip:
        picture = picture.replace(metadata=stripped(picture.metadata, strip == "all"))
    return picture
