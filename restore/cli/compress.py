"""The command ``restore compress``."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import PictureCommand, batch_options
from restore.cli.values import Bytes, FloatRange, NameOrFile

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.imaging.bands import Pool


class Atoms(NameOrFile):
    """A packaged dictionary or a file, but not "learn"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "learn":
            self.fail(
                "a dictionary learned on the picture would have to be stored with it, and takes "
                "more bytes than it saves; learn one on pictures of its kind with train",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


@click.command(cls=PictureCommand)
@click.option(
    "--quality",
    type=FloatRange(1, 100),
    metavar="1-100",
    help="As with JPEG: 50 for small files, 90 for few visible differences. [default: 75]",
)
@click.option("--psnr", type=FloatRange(min=1), metavar="DB", help="At least this PSNR.")
@click.option(
    "--bpp",
    type=FloatRange(min=0, min_open=True),
    metavar="BITS",
    help="At most this many bits per pixel, for the whole file.",
)
@click.option("--size", type=Bytes(), metavar="BYTES", help="At most this size: 20000, 200k, 1.5M.")
@click.option("--lossless", is_flag=True, help="Preserve every sample exactly.")
@click.option(
    "--model",
    type=NameOrFile("photos"),
    metavar="photos|FILE",
    help="Codec for the blocks: the packaged one, or a file from train --model codec, which "
    "decompress needs, too. [default: photos]",
)
@click.option(
    "--dictionary",
    type=Atoms("grey", "colour"),
    metavar="grey|colour|FILE",
    help="Instead, code each patch with a few of these atoms: a packaged dictionary, or a file "
    "from train, which decompress needs, too. For small pictures of one kind.",
)
@click.option(
    "--tune",
    type=click.Choice(["eye", "psnr"]),
    help="Optimise visual quality or the PSNR. [default: eye; psnr with --psnr or --dictionary]",
)
@click.option(
    "--corrected",
    is_flag=True,
    help="Have decompress correct the picture by a learned coder: nearer to the original for the "
    "same bytes, but it takes seconds a megapixel instead of tenths.",
)
@click.option("--embed", is_flag=True, help="Store the codec or dictionary FILE in every output.")
@batch_options(suffix="")
def compress(
    inputs: tuple[str, ...],
    options: Options,
    embed: bool,
    corrected: bool,
    model: str | None,
    dictionary: str | None,
    tune: str,
    **targets: Any,
) -> int:
    """Compress pictures to .ksvd files.

    Blocks of 8 to 64 pixels are coded in learned orthonormal bases, chosen block by block, and
    their coefficients by a learned entropy coder. Depth, alpha, colour profile, EXIF, XMP and
    resolution are kept; float pictures become 16 bits. At most one of --quality, --psnr, --bpp,
    --size and --lossless sets the target. Pictures that take fewer bytes if coded losslessly, such
    as drawings, screenshots and text, are coded losslessly.
    """
    targets = {name: value for name, value in targets.items() if value}
    if len(targets) > 1:
        raise click.UsageError(f"choose one of {', '.join('--' + name for name in targets)}")
    if model and dictionary:
        raise click.UsageError("choose one of --model and --dictionary")
    if "lossless" in targets and (model or dictionary or tune or embed or corrected):
        raise click.UsageError(
            "--lossless needs no codec: leave out --model, --dictionary, --tune, --corrected and "
            "--embed"
        )
    if targets.pop("lossless", False):
        targets["quality"] = "lossless"
    if tune == "eye" and dictionary:
        raise click.UsageError("--tune eye is for blocks: leave out --dictionary")
    if corrected and dictionary:
        raise click.UsageError("--corrected is for blocks: leave out --dictionary")
    process = functools.partial(
        compress_picture,
        model=model,
        dictionary=dictionary,
        embed=embed,
        corrected=corrected,
        tune=tune,
        **targets,
    )
    return batch.run(process, inputs, options, writes=".ksvd")


def compress_picture(
    picture: Picture,
    *,
    pool: Pool,
    model: str | None,
    dictionary: str | None,
    embed: bool,
    corrected: bool,
    tune: str | None,
    **target: Any,
) -> batch.Result:
    """Compress `picture` to the bytes of a file."""
    from restore.files.metadata import with_resolution
    from restore.sparse.dictionary import Dictionary
    from restore.tasks.compression import Codec, Extras
    from restore.tasks.compression import compress as compress_samples

    metadata = picture.metadata
    height, width = picture.samples.shape[:2]
    exif = with_resolution(metadata.exif, metadata.resolution)
    depth = "8" if picture.depth == "8" else "16"
    codec = "photos"
    if dictionary:
        codec = Dictionary.load(dictionary)
    elif model:
        codec = Codec.load(model)
    result = compress_samples(
        picture.samples,
        tune=tune,
        codec=codec,
        embed=embed,
        extras=Extras(picture.alpha, metadata.icc, exif, metadata.xmp, depth, corrected),
        pool=pool,
        **target,
    )
    facts = {
        "bpp": 8 * len(result.data) / (height * width),
        "psnr": result.psnr,
        "lossless": math.isinf(result.psnr),
    }
    return batch.Result(result.data, facts)
