"""The options that all picture commands share: one decorator, one record."""

import functools
import os
import re
import shlex
import warnings

import click

from restore.batch import Options
from restore.files.formats import EXTENSIONS, MAX_PIXELS, format_of_name


class FloatRange(click.FloatRange):
    """Numbers in a range, which NaN is not in."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number", param, ctx)
        return number


#: A name; whether it can be read is found out where it is, and fails one file, not all.
PATH = click.Path(readable=False)


class File(click.Path):
    """A file to read whole: none that may have no end, as a pipe."""

    def __init__(self):
        super().__init__(exists=True, dir_okay=False, readable=False)

    def convert(self, value, param, ctx):
        path = super().convert(value, param, ctx)
        if not os.path.isfile(path):
            self.fail(f"{path} is no file", param, ctx)
        return path


_INPUTS = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=PATH)


def max_pixels(words="Refuse larger pictures before decoding them."):
    """The option of every command that reads pictures; `words` say what becomes of larger ones."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(min=1),
        default=MAX_PIXELS,
        envvar="RESTORE_MAX_PIXELS",
        show_default=True,
        metavar="N",
        help=words,
    )


def quality(words, names=("fast", "balanced", "best")):
    """The option for how much time a result may take; `words` say what it means here."""
    return click.option(
        "--quality",
        type=click.Choice(names),
        default="balanced",
        show_default=True,
        help=words,
    )


#: For commands whose --sigma is in 8-bit levels, and which leave the levels as they are.
white_level = click.option(
    "--white",
    type=FloatRange(min=0, min_open=True),
    metavar="LEVEL",
    help="The level of the file that is white: --sigma is in 255ths of it.",
)


def levels_in_unit(picture, sigma=None, white=None):
    """How many of the levels that --sigma counts in are 1 in the unit of a picture's samples.

    Warns where a `sigma` is not in 8-bit levels.
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


class Levels(click.ParamType):
    """A number of 8-bit levels, or that they be estimated."""

    name = "levels"

    def __init__(self, least):
        self.least = least

    def convert(self, value, param, ctx):
        if str(value).lower() == "auto":
            return "auto"
        try:
            level = float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of 8-bit levels nor auto", param, ctx)
        if not self.least <= level <= 255:
            self.fail(f"{value} is not between 0 and 255, the range of 8-bit levels", param, ctx)
        return level


#: For commands that take noise out of any picture.
noise_level = click.option(
    "--sigma",
    type=Levels(0),
    metavar="LEVELS|auto",
    default="auto",
    show_default=True,
    help="Standard deviation of white noise in 8-bit levels (0-255), whatever the depth.",
)


def strength(words):
    """--strength: how strong the noise is taken to be, beside what is told or found."""
    return click.option(
        "--strength",
        type=FloatRange(0, 10),
        default=1.0,
        show_default=True,
        metavar="X",
        help=words,
    )


class NameOrFile(click.ParamType):
    """What is known by a name, or a file."""

    name = "name"

    def __init__(self, *names):
        self.names = names

    def convert(self, value, param, ctx):
        if value not in self.names and not os.path.isfile(value):
            names = ", ".join(self.names)
            self.fail(f"there is no file {value}; the names are {names}", param, ctx)
        return value


def dictionary(words):
    """The option for one dictionary for the whole picture; `words` say what it does here."""
    names = NameOrFile("learn", "grey", "colour")
    return click.option("--dictionary", type=names, metavar="learn|NAME|FILE", help=words)


def model(words):
    """The option for a file that a command learned from photos; `words` say how."""
    return click.option("--model", metavar="FILE", type=File(), help=words)


#: For commands that remove noise as well.
sigma_as_well = click.option(
    "--sigma",
    type=FloatRange(0, 255),
    default=0,
    show_default=True,
    metavar="LEVELS",
    help="Remove noise of this standard deviation, in 8-bit levels (0-255), as well.",
)


def drawing(words):
    """The options of a command that draws OUT.png, and what they are for."""

    def decorate(function):
        for option in (
            click.option("--overwrite", is_flag=True, help="Replace OUT.png if it exists."),
            click.option("--picture", metavar="OUT.png", type=PATH, help=words),
        ):
            function = option(function)
        return function

    return decorate


def check_picture(path, overwrite):
    """Refuse a name that cannot become a picture, or is taken, as wrong usage."""
    if format_of_name(path) is None:
        raise click.UsageError(f"unknown extension of {path}: use .png")
    if os.path.lexists(path) and not overwrite:
        raise click.UsageError(f"{path} exists: use --overwrite")


class Bytes(click.ParamType):
    """A number of bytes: 20000, 200k, 1.5M, 16G."""

    name = "bytes"

    def convert(self, value, param, ctx):
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMG]?)B?", str(value))
        size = found and int(float(found[1]) * {"": 1, "k": 1000, "M": 10**6, "G": 10**9}[found[2]])
        if not size:
            self.fail(f"{value!r} is no number of bytes: write 20000, 200k or 1.5M", param, ctx)
        return size


class Shard(click.ParamType):
    """A part of several: "2/8" is (2, 8)."""

    name = "shard"

    def convert(self, value, param, ctx):
        part, _, parts = value.partition("/")
        if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
            self.fail(f"{value} is not I/N with 1 <= I <= N, as 2/8", param, ctx)
        return int(part), int(parts)


#: The options of every command that can work on a cluster.
scheduler = click.option(
    "--scheduler",
    envvar="DASK_SCHEDULER_ADDRESS",
    metavar="ADDRESS",
    help="Work on the Dask cluster of this scheduler: tcp://host:8786.",
)
scheduler_file = click.option(
    "--scheduler-file",
    type=File(),
    metavar="FILE",
    help="The same, by the file that the scheduler wrote.",
)


def _show_all(context, _, asked):
    if asked:
        context.meta[_show_all] = True
        click.echo(context.get_help())
        context.exit()


_flag = functools.partial(click.option, is_flag=True)

_PICTURES = [
    _flag("-r", "--recursive", help="Go down into folders, and keep their tree."),
    _flag("--overwrite", help="Replace outputs that exist. [default: that file fails]"),
    _flag("--skip-existing", help="Outputs that exist are done: go on where a run stopped."),
    click.option(
        "--page", type=click.IntRange(min=1), metavar="N", help="Only this page of a TIFF."
    ),
    _flag("--strip", help="Leave out EXIF, XMP and text; keep the colour profile."),
    _flag("--strip-all", help="Leave out the colour profile, too."),
    _flag("--strict", help="Fail where the format would cost depth, instead of warning."),
    click.option(
        "--colour-space",
        type=click.Choice(["srgb", "prophoto", "camera"]),
        help="Colours that a camera raw file is developed to. [default: srgb]",
    ),
    _flag("--linear", help="Develop a camera raw file without a curve for screens."),
    max_pixels(),
    click.option(
        "--reference",
        metavar="PATH",
        type=click.Path(exists=True, readable=False),
        help="Report PSNR and SSIM against this file, or the one of the same name there.",
    ),
    click.option(
        "--report",
        metavar="OUT.html",
        type=PATH,
        help="Write a page to judge the results by: before and after, failures first.",
    ),
]
_WORK = [
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        envvar="RESTORE_JOBS",
        metavar="N",
        help="Files at a time, each in a process of its own. [default: 1]",
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
        help="How often a file is begun again whose worker died.",
    ),
    click.option(
        "--memory-per-file",
        type=Bytes(),
        metavar="BYTES",
        help="Only workers with so much memory do a file: 4G. [default: by its pixels]",
    ),
    click.option(
        "--shard",
        type=Shard(),
        metavar="I/N",
        help="Only the I-th of N equal parts of the files, always the same.",
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


def _shared(suffix):
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
    """A command whose help explains its own options, and names those that all commands share."""

    def format_options(self, context, formatter):
        options = [p for p in self.get_params(context) if isinstance(p, click.Option)]
        own = [option for option in options if option.name not in SHARED]
        shared = [option for option in options if option.name in SHARED]
        with formatter.section("Options"):
            formatter.write_dl([option.get_help_record(context) for option in own])
        with formatter.section("Options of all commands on pictures"):
            if _show_all in context.meta:
                formatter.write_dl([option.get_help_record(context) for option in shared])
            else:
                formatter.write_text(", ".join("/".join(option.opts) for option in shared))


def asked(context):
    """The command and the options that were given, for a reader."""
    given = {click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT}
    words = ["restore", context.info_name]
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


def check_alone(context):
    """Refuse, for a part of one picture, options on files and batches that were given."""
    for name in sorted(SHARED):
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            if name != "inputs":
                option = name.removeprefix("explicit_").replace("_", "-")
                raise click.UsageError(f"--{option} is for whole files: leave it out of --with")


def batch_options(suffix):
    """Give a command INPUT... and the shared options, as ``inputs`` and ``options``.

    Parameters
    ----------
    suffix : str
        What an output beside its input is called: ``"-denoised"``.
    """

    def decorate(function):
        options = _shared(suffix)

        @functools.wraps(function)
        def command(inputs, strip, strip_all, **values):
            if values["overwrite"] and values["skip_existing"]:
                raise click.UsageError("--overwrite and --skip-existing contradict each other")
            shared = {name: values.pop(name) for name in _FIELDS & values.keys()}
            context = click.get_current_context()
            strip = "all" if strip_all else "some" if strip else None
            shared |= {"strip": strip, "command": asked(context), "trial": context.obj}
            return function(inputs, Options(suffix=suffix, **shared), **values)

        for option in reversed(options):
            command = option(command)
        return _INPUTS(command)

    return decorate


#: Names of the parameters that all picture commands have.
SHARED = {parameter.name for parameter in click.command()(batch_options(suffix="")(print)).params}
_FIELDS = set(Options.__dataclass_fields__) - {"suffix", "strip", "command", "view_bytes", "trial"}
