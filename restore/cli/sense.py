"""The command ``restore sense``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.cli.options import PictureCommand, batch_options, dictionary
from restore.cli.uncertainty import check_default, extras, map_of, uncertainty
from restore.cli.values import PATH, File, Levels
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.batch.records import Options
    from restore.files.picture import Picture
    from restore.sparse.solve import Turn
    from restore.typing import Array, Floats


class Simulation(click.ParamType):
    """A kind of measurement and its share."""

    name = "simulation"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        kind, _, share = value.partition(":")
        try:
            share = float(share)
        except ValueError:
            share = 0.0
        if kind not in ("radial", "random-fourier", "blocks") or not 0 < share <= 1:
            self.fail(
                f"{value!r} is not radial:SHARE, random-fourier:SHARE or blocks:SHARE, with a "
                "share above 0 and at most 1, as in radial:0.2"
            )
        return kind, share


@click.command(cls=PictureCommand)
@click.option(
    "--mask",
    type=PATH,
    metavar="FILE|FOLDER",
    help="A picture that is white at the measured frequencies. [default: where they are not 0]",
)
@click.option(
    "--operator",
    type=File(),
    metavar="FILE.npy",
    help="INPUT holds projections of blocks; this file holds the measurement matrix, unless INPUT "
    "does.",
)
@click.option(
    "--simulate",
    type=Simulation(),
    metavar="radial:SHARE|random-fourier:SHARE|blocks:SHARE",
    help="INPUT is a picture: simulate that share of measurements and use only them.",
)
@click.option(
    "--sigma",
    type=Levels(0),
    default="0",
    show_default=True,
    metavar="LEVELS",
    help="Standard deviation of the noise of each measurement, in 255ths of white.",
)
@click.option("--write-phase", is_flag=True, help="Write the phase as OUTPUT-phase.png.")
@dictionary(
    "Instead of groups of patches, code each patch on its own with these atoms: learned on the "
    "picture while it is reconstructed, a packaged dictionary, or a file."
)
@uncertainty
@batch_options(suffix="-sensed")
def sense(
    inputs: tuple[str, ...],
    options: Options,
    mask: str | None,
    operator: str | None,
    simulate: Any,
    sigma: float,
    write_phase: bool,
    **settings: Any,
) -> int:
    """Reconstruct pictures from few measurements (compressed sensing).

    INPUT is an array of Fourier samples (.npy or .npz, complex, of one coil), or an .npz file with
    projections of blocks; with --simulate it is a picture in grey or colour. The result is the
    magnitude.
    """
    if sigma == "auto":
        raise click.UsageError("the noise of measurements is not estimated: give --sigma in levels")
    if simulate and (mask or operator or write_phase):
        raise click.UsageError("--simulate goes without --mask, --operator and --write-phase")
    if mask and operator:
        raise click.UsageError("--mask is for frequencies, --operator for projections: give one")
    if operator and write_phase:
        raise click.UsageError("--write-phase is for frequencies: projections are real")
    check_default(settings["uncertainty"], dictionary=settings["dictionary"])
    place = settings["uncertainty"]
    if simulate:
        process = functools.partial(sense_picture, simulate=simulate, sigma=sigma, **settings)
        return batch.run(process, inputs, options, extras=extras(place))
    process = functools.partial(
        sense_bytes, matrix=operator, sigma=sigma, write_phase=write_phase, **settings
    )
    return batch.run(
        process,
        inputs,
        options,
        reads=(".npy", ".npz"),
        companions={"mask": mask} if mask else None,
        extras=extras(place, *["-phase.png"] * write_phase),
    )


def sense_picture(
    picture: Picture,
    *,
    pool: Pool,
    simulate: Any,
    sigma: float,
    dictionary: str | None,
    uncertainty: str | None = None,
) -> batch.Result:
    """`picture` reconstructed from a simulated share of its measurements."""
    import numpy as np

    from restore.imaging import bands
    from restore.imaging.arrays import check_finite
    from restore.tasks.sensing import simulated

    kind, share = simulate
    samples = picture.samples
    check_finite(samples)
    operator = simulated(kind, share, samples.shape[:2])
    planes: list[Array] = []
    others: list[Array | None] = []
    turns: list[Turn] = []
    for number, plane in enumerate(np.moveaxis(samples, 2, 0)):
        measured = operator.forward(np.ascontiguousarray(plane))
        noise = np.random.default_rng(number).standard_normal((2, *measured.shape))
        if measured.dtype.kind == "c":
            noise = noise[0] + 1j * noise[1]
        else:
            noise = noise[0]
        measured = (measured + sigma / 255 * noise).astype(measured.dtype)
        part = bands.part(pool, number, samples.shape[2])
        plane, other = _sensed(
            measured, operator, sigma / 255, dictionary, turns.append, uncertainty, part
        )
        planes.append(plane)
        others.append(other)
    image, maps = np.stack(planes, axis=2), {}
    if uncertainty:
        beside = np.stack([other for other in others if other is not None], axis=2)
        error = _expected_error(image, beside, sigma, operator)
        maps = map_of(uncertainty, picture, error)
    facts = {
        "measured": f"{100 * operator.share:.1f} %",
        "residual": round(255 * turns[-1].residual, 2),
    }
    return batch.Result(picture.replace(samples=image), facts, maps)


def _sensed(
    measured: Array,
    operator: Any,
    sigma: float,
    dictionary: str | None,
    each_turn: Callable[[Turn], object] | None,
    uncertainty: str | None,
    pool: Pool,
) -> tuple[Array, Array | None]:
    """A picture from its measurements, and for the error map a second one, by a dictionary."""
    from restore.tasks.sensing import sense

    image = sense(measured, operator, sigma, dictionary=dictionary, each_turn=each_turn, pool=pool)
    if not uncertainty:
        return image, None
    return image, sense(measured, operator, sigma, dictionary="grey", pool=Pool(pool.threads))


def _expected_error(image: Array, other: Array, sigma: float, operator: Any) -> Floats:
    """The expected error of a result, from its difference to that of a packaged dictionary."""
    from restore.imaging.uncertainty import estimate_error
    from restore.sparse.operators import Fourier
    from restore.tasks.sensing import determined

    task = "sense" if isinstance(operator, Fourier) else "sense-blocks"
    return estimate_error(task, image, other, sigma=sigma / 255, known=determined(operator))


def sense_bytes(
    data: bytes,
    *,
    pool: Pool,
    matrix: Any,
    sigma: float,
    write_phase: bool,
    dictionary: str | None,
    uncertainty: str | None = None,
    mask: Any = None,
) -> batch.Result:
    """The picture reconstructed from a file of measurements."""
    import numpy as np

    from restore.files.picture import Picture
    from restore.tasks.sensing import measurements

    arrays = measurements.arrays_of(data)
    turns: list[Turn] = []

    def run(measured: Array, operator: Any) -> tuple[Array, Array | None]:
        return _sensed(measured, operator, sigma / 255, dictionary, turns.append, uncertainty, pool)

    def judged(image: Array, other: Array | None, operator: Any) -> dict[str, Picture]:
        if not uncertainty or other is None:
            return {}
        error = _expected_error(image, other, sigma, operator)[..., None]
        return map_of(uncertainty, Picture(image[..., None]), error)

    if matrix or "measurements" in arrays:
        if mask is not None or write_phase:
            raise ValueError("these are projections of blocks: leave out --mask and --write-phase")
        given = None
        if matrix:
            with open(matrix, "rb") as file:
                given = next(iter(measurements.arrays_of(file.read()).values()))
        measured, operator = measurements.blocks(arrays, given)
        image, other = run(measured, operator)
        residual = {"residual": round(255 * turns[-1].residual, 2)}
        maps = judged(image, other, operator)
        return batch.Result(Picture(image[..., None]), residual, maps)
    known = None if mask is None else mask.samples.mean(axis=2) >= 0.5
    measured, operator, scale, centred = measurements.fourier(arrays, known)
    image, other = run(measured, operator)
    if centred:
        image = np.fft.fftshift(image)
        other = None if other is None else np.fft.fftshift(other)
    facts = {
        "measured": f"{100 * operator.share:.1f} %",
        "white": scale,
        "residual": round(255 * turns[-1].residual, 2),
    }
    more = {}
    if uncertainty:
        sizes = None if other is None else np.abs(other)
        more = judged(np.abs(image), sizes, operator)
    if write_phase:
        phase = np.angle(image) / (2 * np.pi) + 0.5
        more["-phase.png"] = Picture(phase[..., None].astype(np.float32), None, "16")
    return batch.Result(Picture(np.abs(image)[..., None], None, "16"), facts, more)
