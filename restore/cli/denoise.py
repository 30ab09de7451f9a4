"""The command ``restore denoise``."""

import functools
import warnings

import click

from restore import batch
from restore.batch.records import NOTHING
from restore.cli.options import (
    FloatRange,
    Levels,
    PictureCommand,
    batch_options,
    dictionary,
    levels_in_unit,
    quality,
    white_level,
)
from restore.imaging.bands import Pool


@click.command(cls=PictureCommand)
@click.option(
    "--sigma",
    type=Levels(0),
    metavar="LEVELS|auto",
    default="auto",
    show_default=True,
    help="Standard deviation of the noise in 8-bit levels (0-255), whatever the depth.",
)
@white_level
@click.option(
    "--poisson-gain",
    type=Levels(1e-6),
    metavar="LEVELS|auto",
    help="What one photon adds, in the unit of --sigma: for noise that is stronger where it is "
    "bright. --sigma is then that of the dark, 0 by default. auto finds both.",
)
@click.option(
    "--strength",
    type=FloatRange(0, 10),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Take the noise for X times as strong.",
)
@click.option(
    "--blend",
    type=FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="X",
    help="Share of the noisy picture that is mixed into the result.",
)
@quality("fast takes about a 20th of balanced's time.", ("fast", "balanced"))
@dictionary(
    "Instead of groups of patches, code each patch on its own with these atoms: learned on the "
    "picture, a packaged dictionary, or a file. What follows is for this way alone."
)
@click.option(
    "--atoms",
    "n_atoms",
    type=click.IntRange(min=2),
    metavar="N",
    help="Atoms to learn. [default: as many as in the packaged dictionary]",
)
@click.option(
    "--patch-size",
    type=click.IntRange(2, 32),
    metavar="N",
    help="Side of the patches to learn on. [default: the packaged dictionary's]",
)
@click.option(
    "--sparsity",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most atoms per patch. [default: as many as the noise level asks for]",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Turns of learning.",
)
@click.option(
    "--stride",
    type=click.IntRange(1, 32),
    metavar="N",
    help="Samples between neighbouring patches; larger is faster and worse. [default: 1]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of the draw of patches to learn on.",
)
@click.option("--estimate-only", is_flag=True, help="Print the noise level, and write nothing.")
@batch_options(suffix="-denoised")
def denoise(inputs, options, estimate_only, **settings):
    """Remove noise.

    Patches that look alike are gathered, and coded with a few atoms that are learned on
    them. Pictures keep their depth, alpha and metadata. Of camera raw files the noise is taken
    out where it is white, while the mosaic becomes colours.
    """
    if estimate_only:
        return _print_noise(inputs, options, settings["white"])
    _check(**settings)
    return batch.run(functools.partial(denoise_picture, **settings), inputs, options, raw=True)


def _check(*, sigma, poisson_gain, quality, dictionary, white, **settings):
    """Refuse settings that do not go together, before anything is read."""
    given = {name for name, value in settings.items() if value is not None}
    if poisson_gain == "auto" and sigma != "auto":
        raise click.UsageError("--poisson-gain auto finds the sigma, too: leave out --sigma")
    if dictionary != "learn" and given & {"n_atoms", "patch_size"}:
        raise click.UsageError("--atoms and --patch-size go with --dictionary learn")
    if dictionary is None and quality != "fast" and given & {"sparsity", "stride"}:
        raise click.UsageError("--sparsity and --stride go with --dictionary or --quality fast")


def denoise_picture(picture, *, pool, sigma, white, poisson_gain, blend, **settings):
    """`picture` without its noise, and how much it was."""
    import numpy as np

    from restore.files.picture import PictureWarning
    from restore.imaging.noise import PhotonNoise, estimate_photon_noise
    from restore.tasks.denoising import denoise, estimate_level

    if picture.metadata.camera:
        others = {"poisson_gain": poisson_gain, "white": white, "blend": blend, **settings}
        return _denoised_raw(picture, sigma, others, pool)
    facts = {}
    levels = levels_in_unit(picture, None if sigma == "auto" else sigma, white)
    given = None if sigma == "auto" else sigma / levels
    if given and sigma < 1 < levels:
        hint = f"--sigma {sigma:g} is in 8-bit levels: {255 * sigma:g} may be meant"
        warnings.warn(hint, PictureWarning, stacklevel=2)
    if poisson_gain == "auto":
        photons = estimate_photon_noise(picture.samples, pool=pool)
    else:
        photons = PhotonNoise(poisson_gain / levels, given or 0.0) if poisson_gain else None
    if photons:
        sigma = photons.sigma
        facts["poisson_gain"] = round(levels * photons.gain, 4)
        settings["poisson_gain"] = photons
    elif given is None:
        sigma, facts["coarse"] = estimate_level(picture.samples, settings["strength"], pool=pool)
    else:
        sigma = given
    facts["sigma"] = round(float(levels * np.sqrt(np.mean(np.square(sigma)))), 2)
    if levels == 1:
        facts["unit"] = "of the samples"
    if not settings["dictionary"] and settings["quality"] != "fast":
        pool = batch.overall(pool, "denoising", _shares(picture))
    samples = denoise(picture.samples, sigma, pool=pool, **settings)
    if blend:
        finite = np.isfinite(picture.samples)
        samples[finite] += np.float32(blend) * (picture.samples[finite] - samples[finite])
    return batch.Result(picture.replace(samples=samples), facts)


def _denoised_raw(picture, sigma, others, pool):
    """A camera raw file developed without its noise."""
    from restore.files.raw import developed

    defaults = {param.name: param.default for param in denoise.params}
    given = [name for name, value in others.items() if value and value != defaults[name]]
    if given:
        raise ValueError(
            "the noise of a camera raw file is taken out of its mosaic, and of all options of this "
            "command only --sigma goes with that: restore demosaic makes a picture for the others"
        )
    light = sigma if sigma == "auto" else sigma / 255
    picture, (gain, dark) = developed(picture, sigma=light, pool=pool)
    return batch.Result(
        picture, {"sigma": round(255 * dark, 3), "poisson_gain": round(255 * gain, 4)}
    )


def _shares(picture):
    """The stages of denoising by groups, and about how much of the time each takes."""
    from restore.tasks.denoising import PASSES

    channels = picture.samples.shape[2]
    codings = channels * (PASSES + 2) - 1  # but for the first
    first = [("restoring", 1), ("grouping", 4), ("coding", 8), ("grouping", 4)]
    return [*first, *codings * [("coding", 8)], ("correcting", 7 * channels)]


def _print_noise(inputs, options, white):
    """A line per picture, and per page of a stack: its noise level, channel by channel."""
    import json

    from restore.files.picture import unwarned
    from restore.files.reading import read_pages
    from restore.files.safe import open_regular

    failed = 0
    files, ignored = batch.find(inputs, recursive=options.recursive)
    if not files:
        click.echo(batch.nothing_found(inputs, ignored, options.recursive), err=True)
        return NOTHING
    for file, _ in files:
        try:
            with open_regular(file) as stream, unwarned():
                pages = read_pages(stream, page=options.page, max_pixels=options.max_pixels)
                found = [_noise(picture, white, Pool(options.threads)) for picture in pages]
        except (OSError, ValueError, MemoryError) as error:
            batch.complain(file, error)
            failed += 1
            continue
        for number, page in enumerate(found, 1):
            which = {"page": number} if len(found) > 1 else {}
            if options.json:
                click.echo(json.dumps({"input": file, **which, **page}))
            else:
                click.echo(f"{file}{f' page {number}' if which else ''}  {_noise_words(**page)}")
    return int(failed > 0)


def _noise(picture, white, pool):
    """What is known of the noise of one picture, in the levels of --sigma."""
    from restore.imaging.noise import estimate_noise, estimate_photon_noise

    levels = levels_in_unit(picture, white=white)
    sigmas, coarse = estimate_noise(picture.samples, pool=pool)
    found = {"sigma": [round(levels * float(sigma), 2) for sigma in sigmas], "coarse": coarse}
    photons = estimate_photon_noise(picture.samples, pool=pool)
    if photons:
        found["photons"] = {
            name: round(levels * value, 4) for name, value in photons._asdict().items()
        }
    if levels == 1:
        found["unit"] = "of the samples"
    return found


def _noise_words(sigma, coarse, photons=None, unit=None):
    words = " ".join(f"{level:.2f}" for level in sigma)
    if unit:
        words += f"  in the unit {unit}"
    if coarse:
        words += "  coarse"
    if photons:
        words += "  photons: " + ", ".join(f"{name} {value:g}" for name, value in photons.items())
    return words
