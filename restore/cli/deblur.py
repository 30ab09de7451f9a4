"""The command ``restore deblur``."""

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
    noise_level,
    strength,
    white_level,
)
from restore.cli.uncertainty import check_default, extras, map_of, uncertainty
from restore.cli.values import PATH, FloatRange
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.sparse.solve import Turn
    from restore.typing import Array, Floats


class Motion(click.ParamType):
    """A length and an angle."""

    name = "motion"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if not isinstance(value, str):
            return value
        try:
            length, angle = (float(word) for word in value.split(","))
        except ValueError:
            length, angle = 0.0, 0.0
        if not (1 <= length <= 255 and abs(angle) <= 360):
            self.fail(
                f"{value!r} is not LENGTH,ANGLE: 1 to 255 pixels, and degrees anticlockwise from "
                "the right, as in 15,30"
            )
        return length, angle


@click.command(cls=PictureCommand)
@click.option(
    "--kernel",
    type=PATH,
    metavar="FILE|FOLDER|auto",
    help="The blur kernel (point spread function): a picture, or a folder with a kernel of the "
    "same name for each input. auto estimates the width of a lens blur, and whether it is a "
    "Gaussian or a disc.",
)
@click.option(
    "--gaussian",
    type=FloatRange(0, 30, min_open=True),
    metavar="S",
    help="The blur is a Gaussian of this standard deviation, in pixels.",
)
@click.option(
    "--motion",
    type=Motion(),
    metavar="LENGTH,ANGLE",
    help="The blur is a straight line: length in pixels, angle in degrees anticlockwise from the "
    "right.",
)
@click.option(
    "--defocus",
    type=FloatRange(0, 120, min_open=True),
    metavar="R",
    help="The blur is a disc of this radius, in pixels.",
)
@noise_level
@white_level
@strength("Assume X times as much noise: above 1 the result is smoother, below 1 sharper.")
@dictionary(
    "Instead of groups of patches, code each patch on its own with these atoms: learned on the "
    "picture while it is deblurred, a packaged dictionary, or a file."
)
@uncertainty
@batch_options(suffix="-deblurred")
def deblur(
    inputs: tuple[str, ...],
    options: Options,
    kernel: str | None,
    gaussian: float | None,
    motion: tuple[float, float] | None,
    defocus: float | None,
    **settings: Any,
) -> int:
    """Remove a known blur.

    The blur is that of a lens, of motion, or of any given kernel, and is the same everywhere.
    Nothing is assumed about the scene beyond the frame, so the borders show no ringing. White
    pixels, which are clipped, are left out of the data term.
    """
    given = [blur for blur in (kernel, gaussian, motion, defocus) if blur is not None]
    if len(given) != 1:
        raise click.UsageError(
            "say what the blur is, by one of --kernel, --gaussian, --motion and --defocus"
        )
    check_default(settings["uncertainty"], dictionary=settings["dictionary"])
    blur: tuple[Any, ...] = ("auto",)
    for name, value in (("gaussian", gaussian), ("motion", motion), ("defocus", defocus)):
        if value is not None:
            blur = (name, *(value if isinstance(value, tuple) else (value,)))
    from_file = kernel is not None and kernel != "auto"
    process = functools.partial(deblur_picture, blur=None if from_file else blur, **settings)
    companions = {"kernel": kernel} if from_file else None
    return batch.run(
        process,
        inputs,
        options,
        companions=companions,
        extras=extras(settings["uncertainty"]),
        whole=True,
    )


def deblur_picture(
    picture: Picture,
    *,
    pool: Pool,
    blur: Any,
    sigma: float | None,
    white: float | None,
    strength: float,
    dictionary: str | None,
    uncertainty: str | None = None,
    kernel: Picture | None = None,
    whole: Picture | None = None,
) -> batch.Result:
    """`picture` without its blur, and facts; noise and blur are estimated on `whole`, if given."""
    import numpy as np

    from restore.tasks.deconvolution import blurs, deblur, white_noise

    told = None if sigma == "auto" else sigma
    whole = whole or picture
    levels = levels_in_unit(whole, told, white)
    noise = told / levels if told is not None else float(
        np.sqrt(np.mean(np.square(white_noise(whole.samples, pool))))
    )  # fmt: skip
    facts: dict[str, Any] = {}
    if kernel is not None:
        shape = kernel.samples
    else:
        if blur == ("auto",):
            blur = _found(whole, noise)
            facts["blur"] = f"{blur[0]} {blur[1]:.2f}"
        shape = getattr(blurs, blur[0])(*blur[1:])
    turns: list[Turn] = []
    samples = deblur(
        picture.samples, shape, noise, strength=strength, dictionary=dictionary,
        each_turn=turns.append, pool=pool,
    )  # fmt: skip
    facts |= {"sigma": round(levels * noise, 2)}
    if turns:
        facts["residuals"] = [round(levels * turn.residual, 2) for turn in turns]
    if levels == 1:
        facts["unit"] = "of the samples"
    maps = {}
    if uncertainty:
        error = _expected_error(picture.samples, shape, noise, strength, samples, pool)
        maps = map_of(uncertainty, picture, error)
    return batch.Result(picture.replace(samples=samples), facts, maps)


def _expected_error(
    blurred: Floats,
    kernel: Array,
    sigma: float,
    strength: float,
    sharp: Floats,
    pool: Pool,
) -> Floats:
    """The expected error of the result, from its difference to that of a packaged dictionary."""
    from restore.imaging.uncertainty import estimate_error
    from restore.tasks.deconvolution import deblur

    pool, name = Pool(pool.threads), "grey" if blurred.shape[2] == 1 else "colour"
    other = deblur(blurred, kernel, sigma, strength=strength, dictionary=name, pool=pool)
    return estimate_error("deblur", sharp, other, sigma=sigma, observed=blurred, pool=pool)


def _found(picture: Picture, noise: float) -> Any:
    """The blur, estimated from the picture."""
    from restore.imaging.arrays import working
    from restore.tasks.deconvolution.estimation import estimate

    work = working(picture.samples)
    return estimate(work.filled(), noise / work.unit)
