"""The command ``restore try``."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import PictureCommand, check_alone, check_picture, max_pixels
from restore.cli.values import PATH, File
from restore.imaging.bands import Pool, one_blas_thread

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.typing import Floats


#: Side of the region that is chosen where none is given.
SIDE = 256

#: Minimum margin around the region that is restored with it.
AROUND = 96

#: Parts begin at multiples of this, a multiple of JPEG blocks, of mosaic patterns and of the
#: strides of groups of patches, which are then aligned as in the whole picture.
STEP = 336

#: Commands whose result for a part differs much from that part of the whole result.
UNLIKE = ("compress", "decompress", "sense")

DEFAULTS = (
    "denoise --strength 0.7",
    "denoise",
    "denoise --strength 1.3",
    "denoise --strength 1.6",
    "denoise --quality fast",
)


class Region(click.ParamType):
    """A rectangle: "10,20,256,256" is (10, 20, 256, 256)."""

    name = "region"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int, int]:
        if not re.fullmatch(r"\d{1,9}(,\d{1,9}){3}", value):
            self.fail(f"{value!r} is not X,Y,W,H in pixels, as 100,200,256,256", param, ctx)
        left, top, width, height = map(int, value.split(","))
        if width == 0 or height == 0:
            self.fail(f"{value!r} is a region without a pixel", param, ctx)
        return left, top, width, height


@click.command("try")
@click.argument("photo", type=File())
@click.option(
    "--with",
    "settings",
    multiple=True,
    metavar='"COMMAND OPTIONS"',
    help="A command with its options. May be repeated. [default: denoise at several strengths]",
)
@click.option(
    "--region",
    type=Region(),
    metavar="X,Y,W,H",
    help="The region to show, in pixels from the top left corner. [default: 256 x 256 pixels "
    "where the picture has most detail]",
)
@click.option(
    "-o",
    "--output",
    metavar="SHEET.png",
    type=PATH,
    help="The picture to draw. [default: photo-trial.png beside the photo]",
)
@click.option("--overwrite", is_flag=True, help="Replace SHEET.png if it exists.")
@click.option("-t", "--threads", type=click.IntRange(min=1), metavar="N", help="Threads.")
@max_pixels()
def trial(
    photo: str,
    settings: tuple[str, ...],
    region: tuple[int, int, int, int] | None,
    output: str | None,
    overwrite: bool,
    threads: int | None,
    max_pixels: int,
) -> int:
    """Show a part of a photo under several settings.

    Only that part and its surroundings are restored, which takes seconds; noise and blur are
    estimated on the whole photo. The results are drawn at full resolution on one sheet.
    """
    output = output or os.path.splitext(photo)[0] + "-trial.png"
    check_picture(output, overwrite)
    settings = settings or DEFAULTS
    tries = [_parsed(words, photo) for words in settings]

    from restore.files.figure import contact_sheet, write_figure
    from restore.files.picture import unwarned
    from restore.files.reading import read_picture

    try:
        with unwarned():
            picture = read_picture(photo, max_pixels=max_pixels)
        region = region or _telling(picture.samples)
        part, within = _part(picture, region)
        shown = [part.samples[within]]
        with one_blas_thread:
            for words, process in zip(settings, tries):
                shown.append(_tried(words, process, picture, part, within, Pool(threads)))
        write_figure(output, contact_sheet(shown, ["as it is", *settings]))
    except (OSError, ValueError, MemoryError) as error:
        batch.complain(photo, error)
        return 1
    left, top, width, height = region
    click.echo(f"{output}: {width} x {height} pixels at {left},{top}", err=True)
    return 0


def _parsed(words: str, photo: str) -> tuple[Any, bool]:
    """What a command does to each picture: (process, whether it also takes the whole picture)."""
    from restore.cli import cli

    taken = []

    def take(
        process: Any, inputs: tuple[str, ...], *, companions: Any, extras: Any, whole: bool
    ) -> None:
        if companions:
            raise click.UsageError("a mask in a file is for whole pictures")
        if extras:
            raise click.UsageError("of a part only the result is shown: leave out other outputs")
        if list(inputs) != [photo]:
            raise click.UsageError("it names files itself: leave them out")
        taken.append((process, whole))

    try:
        name, *options = shlex.split(words) or [""]
        root = click.Context(cli)
        command = cli.get_command(root, name)
        if not isinstance(command, PictureCommand) or name in UNLIKE:
            raise click.UsageError(f"{name!r} is no command that restores a part alone")
        with command.make_context(name, [*options, "--", photo], parent=root, obj=take) as context:
            check_alone(context)
            command.invoke(context)
    except (click.UsageError, ValueError) as error:
        reason = error.format_message() if isinstance(error, click.UsageError) else error
        raise click.UsageError(f'--with "{words}": {reason}') from error
    if not taken:
        raise click.UsageError(f'--with "{words}" makes no picture')
    return taken[0]


def _telling(samples: Floats) -> tuple[int, int, int, int]:
    """(left, top, width, height): the region of a picture with most detail."""
    from restore.files.views import eight_bit, most_different, resized
    from restore.imaging.arrays import working

    levels = eight_bit(samples, working(samples).unit)
    height, width = levels.shape[:2]
    coarse = resized(resized(levels, -(-height // 4), -(-width // 4)), height, width)
    (rows, columns), _ = most_different(levels, coarse, SIDE)
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def _part(
    picture: Picture, region: tuple[int, int, int, int]
) -> tuple[Picture, tuple[slice, slice]]:
    """The region of a picture with its surroundings, and the region's place in them.

    Raises
    ------
    ValueError
        If the region does not lie within the picture.
    """
    import numpy as np

    from restore.files.metadata import upright

    left, top, width, height = region
    rows, columns = picture.samples.shape[:2]
    if left + width > columns or top + height > rows:
        raise ValueError(f"the region does not lie within its {columns} x {rows} pixels")
    # blocks and patterns are aligned with the first corner of the file
    corners = upright(np.arange(4).reshape(2, 2), picture.metadata.orientation)
    turned = np.argwhere(corners == 0)[0]
    down = _around(top, top + height, rows, turned[0])
    across = _around(left, left + width, columns, turned[1])
    alpha = None if picture.alpha is None else picture.alpha[down, across]
    part = picture.replace(samples=np.ascontiguousarray(picture.samples[down, across]), alpha=alpha)
    top, left = top - down.start, left - across.start
    return part, (slice(top, top + height), slice(left, left + width))


def _around(start: int, stop: int, length: int, turned: bool) -> slice:
    """Where the part that holds `start` to `stop` and its surroundings begins and ends."""
    if turned:
        other = _around(length - stop, length - start, length, False)
        return slice(length - other.stop, length - other.start)
    return slice(max(0, start - AROUND) // STEP * STEP, min(length, stop + AROUND))


def _tried(
    words: str,
    tried: tuple[Any, bool],
    picture: Picture,
    part: Picture,
    within: tuple[slice, slice],
    pool: Pool,
) -> Floats:
    """The region as a command restores it."""
    process, whole = tried
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = process(part, pool=pool, **({"whole": picture} if whole else {}))
        except ValueError as error:
            raise ValueError(f"{words}: {error}") from error
    for warning in caught:
        click.echo(batch.printable(f"restore: {words}: warning: {warning.message}"), err=True)
    samples = result.output.samples if isinstance(result, batch.Result) else result.samples
    scales = [new / old for new, old in zip(samples.shape, part.samples.shape[:2])]
    return samples[tuple(
        slice(round(one.start * scale), round(one.stop * scale))
        for one, scale in zip(within, scales)
    )]  # fmt: skip
