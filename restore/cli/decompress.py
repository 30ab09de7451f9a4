"""``restore decompress``"""

import dataclasses
import functools
import os

import click

from restore import batch
from restore.cli.options import PictureCommand, batch_options


@click.command(cls=PictureCommand)
@click.option(
    "--dictionary",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The file the pictures were compressed with, where it is neither packaged nor embedded.",
)
@batch_options(suffix="")
def decompress(inputs, options, dictionary):
    """Decompress .ksvd files.

    The pictures become PNG files, unless --format or -o says otherwise.
    """
    if options.format is None:
        options = dataclasses.replace(options, format="png" if _names_no_format(options) else None)
    process = functools.partial(
        decompress_bytes,
        dictionary=dictionary,
        max_pixels=options.max_pixels,
        strip=options.strip,
    )
    return batch.run(process, inputs, options, reads=(".ksvd",))


def _names_no_format(options):
    """Whether the output's name leaves the format open."""
    from restore.files.formats import format_of_name

    output = options.output
    return output in (None, "-") or os.path.isdir(output) or format_of_name(output) is None


def decompress_bytes(data, *, threads, progress, dictionary, max_pixels, strip):
    """The picture in the bytes of a file."""
    from restore.files.metadata import resolution_of
    from restore.files.picture import Metadata, Picture
    from restore.tasks.compression import Codec
    from restore.tasks.compression import decompress as decompress_data

    codec = Codec.load(dictionary) if dictionary else None
    found = decompress_data(data, codec=codec, max_pixels=max_pixels, threads=threads)
    metadata = Metadata(
        icc=None if strip == "all" else found.icc,
        exif=None if strip else found.exif,
        xmp=None if strip else found.xmp,
        resolution=None if strip else resolution_of(found.exif),
    )
    samples = found.samples if found.samples.ndim == 3 else found.samples[..., None]
    return Picture(samples, found.alpha, found.depth, metadata)
