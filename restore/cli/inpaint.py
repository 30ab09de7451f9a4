"""The command ``restore inpaint``."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import (
    PictureCommand,
    batch_options,
    dictionary,
    levels_in_unit,
    quality,
    sigma_as_well,
    white_level,
)
from restore.cli.uncertainty import check_default, extras, map_of, uncertainty

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.imaging.bands import Pool
    from restore.typing import Flags, Floats


#: Kinds of damage that can be detected.
DEFECTS = ("scratches", "hairs", "dust", "dead-pixels")

#: Masks that cover a larger share of a picture cause a warning.
MOST = 0.9


class Mask(click.ParamType):
    """Which pixels to fill: a file or folder, "alpha", "nan", or a colour."""

    name = "mask"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("alpha", "nan"):
            return value
        if re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            return value
        if value.startswith("#"):
            self.fail(f"{value!r} is not a colour such as '#ff00ff'", param, ctx)
        if not os.path.exists(value):
            self.fail(
                f"there is no file or folder {value!r}; a mask can also be alpha, nan, or a "
                "colour such as '#ff00ff'",
                param,
                ctx,
            )
        return value


class Kinds(click.ParamType):
    """Kinds of damage: "dust,scratches" becomes ("dust", "scratches")."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        kinds = value if isinstance(value, tuple) else tuple(dict.fromkeys(value.split(",")))
        for kind in kinds:
            if kind not in DEFECTS:
                self.fail(f"{kind!r} is none of {', '.join(DEFECTS)}", param, ctx)
        return kinds


@click.command(cls=PictureCommand)
@click.option(
    "--mask",
    type=Mask(),
    metavar="FILE|FOLDER|alpha|nan|#RRGGBB",
    help="Pixels to fill: those that are white in FILE or in the file of the same name in FOLDER, "
    "transparent, NaN, infinite or huge, or of this colour.",
)
@click.option(
    "--detect",
    type=Kinds(),
    metavar="KIND,...",
    default=(),
    help=f"Detect and fill these kinds of damage: {', '.join(DEFECTS)}.",
)
@click.option("--write-mask", is_flag=True, help="Write the mask that was filled: OUTPUT-mask.png.")
@click.option("--invert-mask", is_flag=True, help="Fill the pixels that the mask does not select.")
@click.option(
    "--grow",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="PIXELS",
    help="Also fill this far around the mask.",
)
@sigma_as_well
@white_level
@quality("fast takes about a third of balanced's time.", ("fast", "balanced"))
@dictionary(
    "Instead of groups of patches, code the known samples of each patch on its own with these "
    "atoms: learned on the picture, a packaged dictionary, or a file."
)
@uncertainty
@batch_options(suffix="-inpainted")
def inpaint(
    inputs: tuple[str, ...],
    options: Options,
    mask: str | None,
    detect: tuple[str, ...],
    **settings: Any,
) -> int:
    """Fill text, scratches, missing pixels and holes.

    The unknown samples of a patch are predicted from its known ones by means of similar patches;
    large holes are filled with the texture around them. Known pixels are preserved, unless --sigma
    is given.
    """
    if mask is None and not detect:
        raise click.UsageError("say what to fill: --mask, --detect or both")
    if mask is None and settings["invert_mask"]:
        raise click.UsageError("--invert-mask needs a --mask")
    check_default(
        settings["uncertainty"],
        quality=settings["quality"] == "fast",
        dictionary=settings["dictionary"],
    )
    a_file = mask is not None and mask not in ("alpha", "nan") and not mask.startswith("#")
    process = functools.partial(
        inpaint_picture, rule=None if a_file else mask, detect=detect, **settings
    )
    return batch.run(
        process,
        inputs,
        options,
        companions={"mask": mask} if a_file else None,
        extras=extras(settings["uncertainty"], *["-mask.png"] * settings["write_mask"]),
    )


def inpaint_picture(
    picture: Picture,
    *,
    rule: Any,
    detect: Any,
    invert_mask: bool,
    grow: float,
    sigma: float,
    white: float | None,
    pool: Pool,
    mask: Picture | None = None,
    **settings: Any,
) -> batch.Result:
    """Fill the masked pixels of `picture`."""
    import warnings

    import numpy as np

    from restore.files.picture import Picture, PictureWarning
    from restore.tasks.inpainting import find_all_defects, grow_mask, inpaint, inpaint_print

    write_mask, uncertainty = (settings.pop(name) for name in ("write_mask", "uncertainty"))
    fill, facts = np.zeros(picture.samples.shape[:2], bool), {}
    if mask is not None or rule is not None:
        fill = _found(rule, picture) if mask is None else _shape(mask, picture)
        fill = fill ^ invert_mask
        if mask is not None and fill.mean() > MOST:
            instead = "leave out" if invert_mask else "use"
            warnings.warn(
                PictureWarning(
                    f"the mask covers {100 * fill.mean():.0f} % of the picture: should that be the "
                    f"other way round, {instead} --invert-mask"
                ),
                stacklevel=2,
            )
    if mask is not None and _is_soft(mask):
        fill = grow_mask(fill, 1)
        facts["mask"] = "soft edges, grown by 1 pixel"
    samples = picture.samples
    if detect:
        if fill.shape == samples.shape[:2] and fill.any() and not fill.all():
            samples = inpaint(samples, fill, quality="fast", pool=pool)
        for kind, found in find_all_defects(samples, detect, pool=pool).items():
            facts[kind] = f"{100 * found.mean():.2g} %"
            fill = fill | found
    fill = grow_mask(fill, grow)
    facts["filled"] = f"{100 * fill.mean():.2g} %"
    if not fill.any():
        what = f"no {' and no '.join(detect)} found" if detect else "the mask is empty"
        warnings.warn(PictureWarning(f"{what}: nothing to fill"), stacklevel=2)
    sigma = sigma / levels_in_unit(picture, sigma, white)
    coding = picture.metadata.coding
    sampling = coding.sampling if detect and coding and sigma == 0 else (1, 1)
    samples = inpaint_print(picture.samples, fill, sampling, sigma=sigma, pool=pool, **settings)
    more = {"-mask.png": Picture(fill[..., None].astype(np.float32))} if write_mask else {}
    if uncertainty:
        error = _expected_error(picture.samples, fill, samples, sigma, pool)
        more |= map_of(uncertainty, picture, error)
    if rule == "alpha":
        picture = picture.replace(alpha=None)
    return batch.Result(picture.replace(samples=samples), facts, more)


def _expected_error(
    observed: Floats, fill: Flags, restored: Floats, sigma: float, pool: Pool
) -> Floats:
    """Estimate the error of the result from its difference to that of the fast quality."""
    from restore.imaging.bands import Pool
    from restore.imaging.uncertainty import estimate_error
    from restore.tasks.inpainting import inpaint

    pool = Pool(pool.threads)
    other = inpaint(observed, fill, sigma=sigma, quality="fast", pool=pool)
    return estimate_error("inpaint", restored, other, sigma=sigma, known=~fill, pool=pool)


def _found(rule: Any, picture: Picture) -> Flags:
    """(height, width) bool: the pixels that --mask alpha, nan or a colour selects."""
    import numpy as np

    from restore.imaging.arrays import working

    work = working(picture.samples)
    if rule == "nan":
        return ~work.known
    if rule == "alpha":
        if picture.alpha is None:
            raise ValueError("--mask alpha: this picture has no transparency")
        return picture.alpha < 0.5
    colour = np.array([int(rule[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.asarray((np.abs(work.image - colour) < 0.5 / 255).all(axis=2))


def _levels(mask: Picture) -> Floats:
    """(height, width) levels of a mask picture, or its alpha channel if only that has a shape."""
    import numpy as np

    levels = mask.samples.mean(axis=2)
    if mask.alpha is not None and np.ptp(mask.alpha) > 0 and np.ptp(levels) == 0:
        return mask.alpha
    return levels


def _shape(mask: Picture, picture: Picture) -> Flags:
    """(height, width) bool: where a mask picture is white, turned upright like the picture."""
    import warnings

    from restore.files.metadata import upright
    from restore.files.picture import PictureWarning

    levels = _levels(mask)
    if levels is mask.alpha:
        warnings.warn(
            PictureWarning("the shape of the mask is only in its transparency, which is used"),
            stacklevel=2,
        )
    turned = picture.metadata.orientation
    size = picture.samples.shape[:2]
    if levels.shape != size and turned > 1 and mask.metadata.orientation == 1:
        levels = upright(levels, turned)
    return levels >= 0.5


def _is_soft(mask: Picture) -> bool:
    """Whether the edges of a mask picture are smooth, so that it covers more than its white."""
    levels = _levels(mask)
    grey = ((levels > 0.2) & (levels < 0.8)).sum()
    white = levels >= 0.5
    edge = (white[1:] != white[:-1]).sum() + (white[:, 1:] != white[:, :-1]).sum()
    return grey > 0.25 * edge > 0
