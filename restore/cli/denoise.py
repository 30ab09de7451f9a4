"""``restore denoise``"""

import functools

import click

from restore import batch
from restore.cli.options import batch_options


class Sigma(click.ParamType):
    """A noise level in 8-bit levels, or "auto"."""

    name = "sigma"

    def convert(self, value, param, ctx):
        if value is None or str(value).lower() == "auto":
            return None
        try:
            level = float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of 8-bit levels nor auto", param, ctx)
        if not 0 <= level <= 255:
            self.fail(f"{value} is not between 0 and 255, the range of 8-bit levels", param, ctx)
        return level


@click.command()
@click.option(
    "--sigma",
    type=Sigma(),
    metavar="LEVELS|auto",
    default="auto",
    show_default=True,
    help="Standard deviation of the noise in 8-bit levels (0-255), whatever the depth.",
)
@click.option(
    "--dictionary",
    default="learn",
    show_default=True,
    metavar="learn|NAME|FILE",
    help="Atoms to code with: learned on the picture, a packaged dictionary, or a file.",
)
@click.option("--atoms", "n_atoms", type=click.IntRange(min=2), help="[default: 256]")
@click.option("--patch-size", type=click.IntRange(2, 32), help="Pixels. [default: 8]")
@click.option(
    "--sparsity",
    type=click.IntRange(min=1),
    help="Most atoms per patch. [default: as many as the noise level asks for]",
)
@click.option("--iterations", type=click.IntRange(min=0), help="Turns of learning. [default: 8]")
@click.option("--stride", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@batch_options(suffix="-denoised")
def denoise(inputs, options, **settings):
    """Remove noise.

    Every small patch is coded with a few atoms of a dictionary, learned on the noisy
    picture itself (Elad & Aharon 2006). Pictures keep their depth, alpha and metadata.
    """
    settings = {name: value for name, value in settings.items() if value is not None}
    if "sigma" in settings:
        settings["sigma"] /= 255
    process = functools.partial(denoise_picture, **settings)
    return batch.run(process, inputs, options)


def denoise_picture(picture, *, threads, progress, **settings):
    """`picture` without its noise."""
    from restore.denoising import denoise

    samples = denoise(picture.samples, threads=threads, progress=progress, **settings)
    return picture.replace(samples=samples)
