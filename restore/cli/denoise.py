"""The command ``restore denoise``."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.batch.records import NOTHING, Options
from restore.cli.options import (
    PictureCommand,
    batch_options,
    check_picture,
    dictionary,
    levels_in_unit,
    noise_level,
    quality,
    strength,
    white_level,
)
from restore.cli.uncertainty import check_default, extras, map_of, uncertainty
from restore.cli.values import PATH, FloatRange, Levels
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.imaging.jpeg import Coding
    from restore.imaging.noise import Noise
    from restore.typing import Floats


@click.command(cls=PictureCommand)
@noise_level
@white_level
@click.option(
    "--noise",
    type=click.Choice(["auto", "white", "camera", "photon"]),
    default="auto",
    show_default=True,
    help="The kind of noise: white, the coarser noise of cameras, film and scanners, or photon "
    "(shot) noise. auto tells them apart.",
)
@click.option(
    "--poisson-gain",
    type=Levels(1e-6),
    metavar="LEVELS|auto",
    help="The level that one photon adds, in the unit of --sigma, which is then the read noise, 0 "
    "by default. auto is --noise photon.",
)
@strength("Assume X times as much noise as was given or estimated.")
@click.option(
    "--chroma-strength",
    type=FloatRange(0, 10),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Assume X times as much in the colours, on top of --strength.",
)
@click.option(
    "--keep-grain",
    type=FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="X",
    help="Share of the luminance noise that is put back.",
)
@click.option(
    "--blend",
    type=FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="X",
    help="Share of the noisy picture that is blended into the result.",
)
@quality(
    "fast takes a 15th of balanced's time, medium half.",
    ("fast", "medium", "balanced"),
)
@dictionary(
    "Instead of groups, code each patch on its own with these atoms: learned on the "
    "picture, a packaged dictionary, or a file. The next options are for this method only."
)
@click.option(
    "--atoms",
    "n_atoms",
    type=click.IntRange(min=2),
    metavar="N",
    help="Atoms to learn. [default: as many as the packaged dictionary has]",
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
    help="Most atoms per patch. [default: as many as the noise level needs]",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Iterations of learning.",
)
@click.option(
    "--stride",
    type=click.IntRange(1, 32),
    metavar="N",
    help="Samples between neighbouring patches. [default: 1]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed for drawing the patches to learn on.",
)
@uncertainty
@click.option("--estimate-only", is_flag=True, help="Print the noise level; restore nothing.")
@click.option(
    "--picture",
    metavar="OUT.png",
    type=PATH,
    help="With --estimate-only: plot the noise level against brightness.",
)
@batch_options(suffix="-denoised")
def denoise(
    inputs: tuple[str, ...],
    options: Options,
    estimate_only: bool,
    picture: str | None,
    **settings: Any,
) -> int:
    """Remove noise.

    The kind of noise is found first: none, white, photon noise, or the coarse noise of cameras.
    Then similar patches are grouped, and coded with a few atoms learned on the group. In camera raw
    files the noise is removed from the mosaic, where it is white, while the colours are estimated.
    """
    if estimate_only and options.report:
        raise click.UsageError("--report shows results: leave it out with --estimate-only")
    if picture and not estimate_only:
        raise click.UsageError("--picture draws the noise: it goes with --estimate-only")
    if estimate_only:
        return _print_noise(inputs, options, settings["white"], picture)
    _check(**settings)
    return batch.run(
        functools.partial(denoise_picture, **settings),
        inputs,
        options,
        raw=True,
        whole=True,
        extras=extras(settings["uncertainty"]),
    )


def _check(
    *,
    sigma: Any,
    noise: str,
    poisson_gain: Any,
    quality: str,
    dictionary: str | None,
    white: float | None,
    **settings: Any,
) -> None:
    """Refuse settings that contradict each other, before anything is read."""
    given = {name for name, value in settings.items() if value is not None}
    classic = dictionary is not None
    if poisson_gain == "auto" and sigma != "auto":
        raise click.UsageError("--poisson-gain auto finds the sigma, too: leave out --sigma")
    if noise not in ("auto", "white") and sigma != "auto":
        raise click.UsageError(f"--sigma is of white noise: leave out --noise {noise}")
    if noise not in ("auto", "photon") and poisson_gain is not None:
        raise click.UsageError(f"--poisson-gain is of photons: leave out --noise {noise}")
    if dictionary != "learn" and given & {"n_atoms", "patch_size"}:
        raise click.UsageError("--atoms and --patch-size go with --dictionary learn")
    if not classic and given & {"sparsity", "stride"}:
        raise click.UsageError("--sparsity and --stride go with --dictionary")
    check_default(
        settings["uncertainty"],
        quality=quality != "balanced",
        dictionary=classic,
        blend=settings["blend"],
        keep_grain=settings["keep_grain"],
    )
    if (classic or quality == "fast") and settings["chroma_strength"] != 1:
        raise click.UsageError("--chroma-strength goes without --dictionary and --quality fast")


def denoise_picture(
    picture: Picture,
    *,
    pool: Pool,
    quality: str,
    dictionary: str | None,
    strength: float,
    chroma_strength: float,
    uncertainty: str | None = None,
    whole: Picture | None = None,
    **settings: Any,
) -> batch.Result:
    """`picture` without its noise, and its level, estimated on `whole`, if given."""
    from restore.files.metadata import turned_back, upright
    from restore.tasks.denoising import denoise, put_back
    from restore.tasks.denoising.dictionary import Classic

    if picture.metadata.camera:
        others = {"quality": quality, "dictionary": dictionary, "strength": strength, **settings}
        others |= {"chroma_strength": chroma_strength, "uncertainty": uncertainty}
        return _denoised_raw(picture, others, pool)
    blend, grain = settings.pop("blend"), settings.pop("keep_grain")
    # the blocks of JPEG are aligned with the corner of the file
    coding = picture.metadata.coding
    orientation = picture.metadata.orientation if coding else 1
    picture = picture.replace(samples=turned_back(picture.samples, orientation))
    names = ("sigma", "white", "noise", "poisson_gain")
    noise, facts = _known_noise(
        whole or picture, pool, **{name: settings.pop(name) for name in names}
    )
    classic = dictionary is not None
    if not classic and quality != "fast":
        pool = batch.overall(pool, "denoising", _shares(picture, noise, quality))
    samples = denoise(
        picture.samples, quality=quality, noise=noise, coding=coding, strength=strength,
        chroma_strength=chroma_strength, dictionary=dictionary,
        settings=Classic(**settings) if classic else None, pool=pool,
    )  # fmt: skip
    maps = {}
    if uncertainty:
        error = _expected_error(picture.samples, samples, noise, coding, strength, pool)
        maps = map_of(uncertainty, picture, upright(error, orientation))
    samples = upright(put_back(picture.samples, samples, blend, grain), orientation)
    return batch.Result(picture.replace(samples=samples), facts, maps)


def _expected_error(
    noisy: Floats,
    restored: Floats,
    noise: Noise,
    coding: Coding | None,
    strength: float,
    pool: Pool,
) -> Floats:
    """The expected error of the result, from its difference to that of the fast quality."""
    import numpy as np

    from restore.imaging.uncertainty import estimate_error
    from restore.tasks.denoising import denoise

    pool = Pool(pool.threads)
    other = denoise(noisy, quality="fast", noise=noise, coding=coding, strength=strength, pool=pool)
    sigma = noise.sigma
    if noise.photons:
        gain, dark, pedestal = noise.photons
        sigma = np.sqrt(gain * np.maximum(restored - pedestal, 0) + dark**2)
    return estimate_error("denoise", restored, other, sigma=sigma, observed=noisy, pool=pool)


def _denoised_raw(picture: Picture, others: Any, pool: Pool) -> batch.Result:
    """A camera raw file developed without its noise."""
    from restore.files.raw import developed

    sigma = others.pop("sigma")
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


def _known_noise(
    picture: Picture, pool: Pool, *, sigma: Any, white: float | None, noise: str, poisson_gain: Any
) -> tuple[Any, dict[str, Any]]:
    """The noise that was given or estimated, and the facts to report of it."""
    import numpy as np

    from restore.files.picture import PictureWarning
    from restore.imaging.noise import Noise, PhotonNoise, estimate_noise

    told = None if sigma == "auto" else sigma
    levels = levels_in_unit(picture, told, white)
    if told and told < 1 < levels:
        hint = f"--sigma {told:g} is in 8-bit levels: {255 * told:g} may be meant"
        warnings.warn(hint, PictureWarning, stacklevel=2)
    channels = picture.samples.shape[2]
    if poisson_gain not in (None, "auto"):
        photons = PhotonNoise(poisson_gain / levels, (told or 0) / levels)
        found = Noise("photon", np.zeros(channels) + photons.sigma, photons)
    elif told is not None:
        found = Noise("white", np.zeros(channels) + told / levels)
    else:
        kind = "photon" if poisson_gain == "auto" else noise
        found = estimate_noise(picture.samples, picture.metadata.coding, kind, pool=pool)
    return found, _said(found, levels)


def _said(found: Noise, levels: float) -> dict[str, Any]:
    """Facts about noise, in the levels of --sigma."""
    import numpy as np

    facts: dict[str, Any] = {"noise": found.kind}
    facts["sigma"] = round(float(levels * np.sqrt(np.mean(np.square(found.sigma)))), 2)
    if found.photons:
        facts["poisson_gain"] = round(levels * found.photons.gain, 4)
    if levels == 1:
        facts["unit"] = "of the samples"
    return facts


def _shares(picture: Picture, noise: Noise, quality: str) -> list[tuple[str, float]]:
    """The stages of denoising by groups, and their approximate shares of the time."""
    from restore.sparse.white import PASSES, SHORT_PASSES, strips
    from restore.tasks.denoising.mapped import stages

    height, width, channels = picture.samples.shape
    if noise.kind == "jpeg" or noise.levels is not None:
        planes = 3 if noise.kind == "camera" else channels
        return stages((planes, height, width), smooth=noise.kind == "jpeg")
    short = quality == "medium" and noise.kind != "camera"
    codings = (len(SHORT_PASSES) + 1 if short else PASSES + 2) + channels - 1
    found = [("correcting", 2.0 * channels), ("grouping", 2.0), *codings * [("coding", 3.0)]]
    if not short:
        found.append(("correcting", 7.0 * channels))
    whole = len(strips(picture.samples.shape)) * found
    if noise.kind != "camera":
        return whole
    quarter = len(strips(picture.samples[::2, ::2].shape)) * found
    return whole + 4 * [(name, share / 4) for name, share in quarter]


def _print_noise(
    inputs: tuple[str, ...], options: Options, white: float | None, drawing: str | None
) -> int:
    """Print a line per picture, and per page of a stack: its noise level in each channel.

    If `drawing` is given, there must be one picture, and its noise is plotted to that file.
    """
    import json

    from restore.files.picture import unwarned
    from restore.files.reading import only_page, read_pages
    from restore.files.safe import open_regular

    failed = 0
    files, ignored = batch.find(inputs, recursive=options.recursive)
    if not files:
        click.echo(batch.nothing_found(inputs, ignored, options.recursive), err=True)
        return NOTHING
    if drawing:
        check_picture(drawing, options.overwrite)
        if len(files) > 1:
            raise click.UsageError(f"--picture draws the noise of one picture, not of {len(files)}")
    for file, _ in files:
        try:
            with open_regular(file) as stream, unwarned():
                pages = read_pages(stream, page=options.page, max_pixels=options.max_pixels)
                pages = [only_page(pages)] if drawing else pages
                pool = Pool(options.threads)
                found = [_noise(picture, white, pool, drawing) for picture in pages]
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


def _noise(
    picture: Picture, white_level: float | None, pool: Pool, drawing: str | None
) -> dict[str, Any]:
    """The estimated noise of one picture, in the levels of --sigma."""
    from restore.files.figure import draw_noise
    from restore.imaging import jpeg
    from restore.imaging.noise import estimate_noise

    levels = levels_in_unit(picture, white=white_level)
    noise = estimate_noise(picture.samples, picture.metadata.coding, pool=pool)
    if drawing:
        draw_noise(picture.samples, noise, levels, drawing, pool)
    sigmas = [round(levels * float(sigma), 2) for sigma in noise.sigma]
    found: dict[str, Any] = {"noise": noise.kind, "sigma": sigmas}
    if noise.photons:
        found["photons"] = {
            name: round(levels * value, 4) for name, value in noise.photons._asdict().items()
        }
    if noise.levels is not None and noise.brightness is not None:
        white = float(jpeg.WEIGHTS[0]) if len(noise.sigma) == 3 else 1.0
        light = noise.brightness / white
        found["by_brightness"] = [
            [round(255 * float(place)), round(levels * float(level), 2)]
            for place, level in zip(light, noise.levels[:, 0] / white)
        ]
    if levels == 1:
        found["unit"] = "of the samples"
    return found


_WORDS = {
    "none": "no noise",
    "white": "white noise",
    "photon": "photon noise",
    "camera": "camera noise, stronger or weaker by brightness",
    "jpeg": "artefacts of JPEG",
}


def _noise_words(
    noise: str, sigma: Any, photons: Any = None, by_brightness: Any = None, unit: str | None = None
) -> str:
    words = f"{_WORDS[noise]}  " + " ".join(f"{level:.2f}" for level in sigma)
    if unit:
        words += f"  in the unit {unit}"
    if photons:
        words += "  " + ", ".join(f"{name} {value:g}" for name, value in photons.items())
    return words
