"""The options that all picture commands share, as one decorator and one record."""

from __future__ import annotations

import functools
import os
import shlex
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from restore.batch import Options
from restore.cli.values import PATH, Bytes, File, FloatRange, Levels, NameOrFile, Shard
from restore.files.formats import EXTENSIONS, MAX_PIXELS, format_of_name

#: A command, or what becomes one.
F = TypeVar("F", bound="Callable[..., Any] | click.Command")

if TYPE_CHECKING:
    from restore.files.picture import Picture


_INPUTS = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=PATH)


def max_pixels(words: str = "Refuse larger pictures before decoding them.") -> Callable[[F], F]:
    """The option of every command that reads pictures; `words` say what happens to larger ones."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(min=1),
        default=MAX_PIXELS,
        envvar="RESTORE_MAX_PIXELS",
        show_default=True,
        metavar="N",
        help=words,
    )


def quality(words: str, names: Sequence[str] = ("fast", "balanced", "best")) -> Callable[[F], F]:
    """The option for how much time a result may take; `words` say what it means here."""
    return click.option(
        "--quality",
        type=click.Choice(names),
        default="balanced",
        show_default=True,
        help=words,
    )


#: For commands whose --sigma is in 8-bit levels, and which do not rescale the levels.
white_level = click.option(
    "--white",
    type=FloatRange(min=0, min_open=True),
    metavar="LEVEL",
    help="The level of the file that is white: --sigma is in 255ths of it.",
)


def levels_in_unit(picture: Picture, sigma: Any = None, white: float | None = None) -> float:
    """How many levels of --sigma correspond to 1 in the unit of a picture's samples.

    Warns if a `sigma` is not in 8-bit levels.
    """
    from restore.files.picture import LEVELS
    from restore.imaging.arrays import PictureWarning, working

    if white is not None:
        return 255 * LEVELS.get(picture.depth, 1) / white
    unit = working(picture.samples).unit
    if unit == 1:
        return 255
    if sigma:
        warnings.warn(
            f"the samples reach {unit:g}: --sigma {sigma:g} is taken in their unit, and in 255ths "
            "of LEVEL with --white LEVEL",
            PictureWarning,
            stacklevel=3,
        )
    return 1


#: For commands that remove noise from any picture.
noise_level = click.option(
    "--sigma",
    type=Levels(0),
    metavar="LEVELS|auto",
    default="auto",
    show_default=True,
    help="Standard deviation of white noise in 8-bit levels (0-255), whatever the depth.",
)


def strength(words: str) -> Callable[[F], F]:
    """--strength: the factor by which the given or estimated noise level is multiplied."""
    return click.option(
        "--strength",
        type=FloatRange(0, 10),
        default=1.0,
        show_default=True,
        metavar="X",
        help=words,
    )


def dictionary(words: str) -> Callable[[F], F]:
    """The option for one dictionary for the whole picture; `words` say what it does here."""
    names = NameOrFile("learn", "grey", "colour")
    return click.option("--dictionary", type=names, metavar="learn|NAME|FILE", help=words)


def model(words: str) -> Callable[[F], F]:
    """The option for a file that a command learned from photos; `words` say how."""
    return click.option("--model", metavar="FILE", type=File(), help=words)


#: For commands that can also remove noise.
sigma_as_well = click.option(
    "--sigma",
    type=FloatRange(0, 255),
    default=0,
    show_default=True,
    metavar="LEVELS",
    help="Also remove noise of this standard deviation, in 8-bit levels (0-255).",
)


def drawing(words: str) -> Callable[[F], F]:
    """The options of a command that draws OUT.png."""

    def decorate(function: F) -> F:
        for option in (
            click.option("--overwrite", is_flag=True, help="Replace OUT.png if it exists."),
            click.option("--picture", metavar="OUT.png", type=PATH, help=words),
        ):
            function = option(function)
        return function

    return decorate


def check_picture(path: str, overwrite: bool) -> None:
    """Refuse, as wrong usage, a name that is not that of a picture, or exists."""
    if format_of_name(path) is None:
        raise click.UsageError(f"unknown extension of {path}: use .png")
    if os.path.lexists(path) and not overwrite:
        raise click.UsageError(f"{path} exists: use --overwrite")


#: The options of every command that can run on a cluster.
scheduler = click.option(
    "--scheduler",
    envvar="DASK_SCHEDULER_ADDRESS",
    metavar="ADDRESS",
    help="Run on the Dask cluster of this scheduler: tcp://host:8786.",
)
scheduler_file = click.option(
    "--scheduler-file",
    type=File(),
    metavar="FILE",
    help="The same, with the address read from the file that the scheduler wrote.",
)


#: Key in a context: all options are to be shown.
_SHOW_ALL = "restore.show_all"


def _show_all(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        context.meta[_SHOW_ALL] = True
        click.echo(context.get_help())
        context.exit()


_flag = functools.partial(click.option, is_flag=True)

_PICTURES = [
    _flag("-r", "--recursive", help="Search folders recursively, and keep their tree."),
    _flag("--overwrite", help="Replace outputs that exist. [default: that file fails]"),
    _flag("--skip-existing", help="Skip inputs whose output exists: continue an interrupted run."),
    click.option(
        "--page", type=click.IntRange(min=1), metavar="N", help="Only this page of a TIFF."
    ),
    _flag("--strip", help="Leave out EXIF, XMP and text; keep the colour profile."),
    _flag("--strip-all", help="Leave out the colour profile, too."),
    _flag("--strict", help="Fail where the format would cost depth, instead of warning."),
    click.option(
        "--colour-space",
        type=click.Choice(["srgb", "prophoto", "camera"]),
        help="Colour space that camera raw files are developed to. [default: srgb]",
    ),
    _flag("--linear", help="Develop camera raw files to linear light, without a tone curve."),
    max_pixels(),
    click.option(
        "--reference",
        metavar="PATH",
        type=click.Path(exists=True, readable=False),
        help="Report PSNR and SSIM against this file, or the file of the same name in this folder.",
    ),
    click.option(
        "--report",
        metavar="OUT.html",
        type=PATH,
        help="Write an HTML page that shows each picture before and after, failures first.",
    ),
]
_WORK = [
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        envvar="RESTORE_JOBS",
        metavar="N",
        help="Number of files processed at a time, each in its own process. [default: 1]",
    ),
    click.option(
        "-t",
        "--threads",
        type=click.IntRange(min=1),
        envvar="RESTORE_THREADS",
        metavar="N",
        help="Threads per file. [default: all processors, shared by the jobs; on a cluster "
        "those of the worker]",
    ),
    scheduler,
    scheduler_file,
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        metavar="N",
        help="How often a file is retried after its worker died.",
    ),
    click.option(
        "--memory-per-file",
        type=Bytes(),
        metavar="BYTES",
        help="Memory that a worker must have to be given a file: 4G. [default: from the number of "
        "pixels]",
    ),
    click.option(
        "--shard",
        type=Shard(),
        metavar="I/N",
        help="Process only the I-th of N equal parts of the files; the parts are the same in "
        "every run.",
    ),
    _flag("--fail-fast", help="Stop at the first file that fails."),
    _flag("--dry-run", help="Only print which output each input would get."),
    _flag("--json", help="One JSON object per file on standard output."),
    click.option(
        "--progress/--no-progress",
        default=None,
        help="Progress bars on standard error. [default: on a terminal]",
    ),
    _flag("-q", "--quiet", help="Print nothing but errors."),
    _flag("-v", "--verbose", help="Print a line per file."),
    _flag("--debug", help="Print the traceback of a failure."),
    _flag(
        "--help-all",
        is_eager=True,
        expose_value=False,
        callback=_show_all,
        help="Show this message with these options explained.",
    ),
]


def _shared(suffix: str) -> list[Callable[[F], F]]:
    beside = f"named photo{suffix}" if suffix else "with its name"
    put = f"{suffix} where it would land beside the input" if suffix else "nothing"
    return [
        click.option(
            "-o",
            "--output",
            metavar="PATH",
            type=PATH,
            help="A file, a folder (existing, or ending in /), or - for standard output. "
            f"Default: beside the input, {beside}.",
        ),
        click.option(
            "--suffix",
            "explicit_suffix",
            metavar="TEXT",
            help=f"Put between name and extension of the output. [default: {put}]",
        ),
        click.option(
            "--format",
            type=click.Choice([name[1:] for name in EXTENSIONS], case_sensitive=False),
            help="Format of the output. [default: the input's]",
        ),
        click.option(
            "--depth",
            type=click.Choice(["8", "16", "f32"]),
            help="Bits per sample of the output, or float. [default: the input's]",
        ),
        *_PICTURES,
        *_WORK,
    ]


class PictureCommand(click.Command):
    """A command whose help explains its own options and only names the shared ones."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        options = [p for p in self.get_params(context) if isinstance(p, click.Option)]
        own = [option for option in options if option.name not in SHARED]
        shared = [option for option in options if option.name in SHARED]
        with formatter.section("Options"):
            formatter.write_dl(filter(None, (one.get_help_record(context) for one in own)))
        with formatter.section("Options of all commands on pictures"):
            if _SHOW_ALL in context.meta:
                formatter.write_dl(filter(None, (one.get_help_record(context) for one in shared)))
            else:
                formatter.write_text(", ".join("/".join(option.opts) for option in shared))


def asked(context: click.Context) -> str:
    """The command and the options that were given, as text."""
    given = {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}
    words = ["restore", context.info_name or ""]
    for param in context.command.params:
        if not isinstance(param, click.Option) or param.name == "report":
            continue
        value = context.params.get(param.name)
        if context.get_parameter_source(param.name) not in given or value in (None, False, ()):
            continue
        for one in value if param.multiple else [value]:
            shown = f"{one:g}" if isinstance(one, float) else str(one)
            words += [param.opts[-1]] if one is True else [param.opts[-1], shown]
    return shlex.join(words)


def check_alone(context: click.Context) -> None:
    """Refuse options on files and batches, which have no meaning for a part of one picture."""
    for name in sorted(SHARED):
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            if name != "inputs":
                option = name.removeprefix("explicit_").replace("_", "-")
                raise click.UsageError(f"--{option} is for whole files: leave it out of --with")


def batch_options(suffix: str) -> Callable[[F], F]:
    """Add INPUT... and the shared options to a command, as ``inputs`` and ``options``.

    Parameters
    ----------
    suffix : str
        What is added to the name of an output beside its input: ``"-denoised"``.
    """

    def decorate(function: F) -> F:
        options = _shared(suffix)

        @functools.wraps(function)
        def command(inputs: tuple[str, ...], strip: bool, strip_all: bool, **values: Any) -> Any:
            if values["overwrite"] and values["skip_existing"]:
                raise click.UsageError("--overwrite and --skip-existing contradict each other")
            shared = {name: values.pop(name) for name in _FIELDS & values.keys()}
            context = click.get_current_context()
            strip = "all" if strip_all else "some" if strip else None
            shared |= {"strip": strip, "command": asked(context), "trial": context.obj}
            return function(inputs, Options(suffix=suffix, **shared), **values)

        made: Any = command
        for option in reversed(options):
            made = option(made)
        return _INPUTS(made)

    return decorate


#: Names of the parameters that all picture commands have.
SHARED = {parameter.name for parameter in click.command()(batch_options(suffix="")(print)).params}
_FIELDS = set(Options.__dataclass_fields__) - {"suffix", "strip", "command", "view_bytes", "trial"}
