"""The command ``restore train``."""

import os
from typing import Any

import click
from click.core import ParameterSource

from restore import batch
from restore.batch.records import FAILED, USAGE, EngineLost, UsageError
from restore.cli.options import check_picture, max_pixels, scheduler, scheduler_file
from restore.cli.values import PATH, FloatRange
from restore.files.signals import at_signal
from restore.imaging.bands import one_blas_thread

#: What can be learned instead of a dictionary, and the options that apply to it besides those that
#: always apply.
_MODELS = {
    "codec": {"init"},
    "super-resolution": {"scale", "degradation", "resume"},
    "demosaicing": set(),
    "dejpeg": {"grey"},
}


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=PATH)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DICT.npz",
    type=PATH,
    help="File to write the result to.",
)
@click.option(
    "--atoms",
    type=click.IntRange(2, 65536),
    default=256,
    show_default=True,
    metavar="N",
    help="Number of atoms to learn.",
)
@click.option(
    "--patch-size",
    type=click.IntRange(2, 64),
    default=8,
    show_default=True,
    metavar="PIXELS",
    help="Side of the patches, and of the atoms, in pixels.",
)
@click.option(
    "--grey/--colour",
    default=None,
    help="Learn patches of grey or colour. [default: like the first picture]",
)
@click.option(
    "--sparsity",
    type=click.IntRange(min=1),
    metavar="N",
    help="Maximum number of atoms per patch; 1 is vector quantisation. [default: 10, in colour "
    "16; as many as the patch has samples with --sigma]",
)
@click.option(
    "--sigma",
    type=FloatRange(0, 255, min_open=True),
    metavar="LEVELS",
    help="Approximate patches up to noise of this many 8-bit levels. [default: 10, in colour "
    "14; 0 with --sparsity]",
)
@click.option(
    "--method",
    type=click.Choice(["ksvd", "mod", "online"]),
    default="ksvd",
    show_default=True,
    help="How atoms are updated. online reads the pictures again in every iteration.",
)
@click.option(
    "--coder",
    type=click.Choice(["ormp", "omp", "fista"]),
    default="ormp",
    show_default=True,
    help="How patches are coded; fista minimises with an l1 penalty that follows from --sigma.",
)
@click.option(
    "--nonnegative",
    is_flag=True,
    help="Atoms and coefficients are not negative, and patches keep their means: atoms become "
    "parts. With --method ksvd, on one machine.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Iterations of learning.",
)
@click.option(
    "--patches",
    type=click.IntRange(min=100),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Number of patches, drawn uniformly from all pictures; with online, per iteration.",
)
@click.option(
    "--init",
    default="data",
    show_default=True,
    metavar="data|dct|NAME|FILE",
    help="Initial atoms: patches, cosines, or those of a dictionary.",
)
@click.option(
    "--shrink",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    metavar="N",
    help="Learn from the pictures reduced N times.",
)
@click.option(
    "--model",
    type=click.Choice(tuple(_MODELS)),
    help="Learn a model for --model of compress, super-resolve, demosaic or dejpeg instead. Of "
    "the options above only --shrink applies, besides --init FILE for a codec and --grey for "
    "dejpeg. Learn demosaicing with --shrink 2 or more, unless every pixel was measured in full "
    "colour.",
)
@click.option("--scale", type=click.IntRange(2, 4), help="Scale of the model for super-resolution.")
@click.option(
    "--degradation",
    default="bicubic",
    show_default=True,
    metavar="bicubic|area|gaussian:S",
    help="How the pictures that the model for super-resolution is to enlarge were made small; S "
    "is the standard deviation of a blur, in pixels of the large picture.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed for all random draws.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an interrupted run that wrote DICT.npz; of models, only for super-resolution: "
    "the others are learned in one go.",
)
@click.option("--overwrite", is_flag=True, help="Replace DICT.npz if it exists.")
@click.option(
    "--picture", metavar="OUT.png", type=PATH, help="Draw the atoms and the error by iteration."
)
@click.option("-r", "--recursive", is_flag=True, help="Search folders recursively.")
@max_pixels("Leave out larger pictures.")
@click.option(
    "-t",
    "--threads",
    type=click.IntRange(min=1),
    envvar="RESTORE_THREADS",
    metavar="N",
    help="The result is the same for any number. [default: all processors]",
)
@scheduler
@scheduler_file
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per iteration, and one at the end."
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Progress bars on standard error. [default: on a terminal]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line per iteration.")
@click.pass_context
def train(
    context: click.Context,
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    resume: bool,
    recursive: bool,
    **settings: Any,
) -> int:
    """Learn a dictionary from the pictures of folders and files.

    Pictures are read one at a time, and a bounded number of patches is drawn uniformly from all of
    them, with fewer flat ones. Files that cannot be read are left out and listed. After every
    iteration DICT.npz holds the dictionary so far; --resume continues an interrupted run, with the
    same result. At the end the dictionary is compared with the packaged one on held-out patches.
    Every --dictionary option takes the result.
    """
    from restore.batch.training import DictionaryRun, ModelRun

    model = settings["model"]
    _check(context, output, overwrite, resume, model, settings)
    shown = {name: settings.pop(name) for name in ("progress", "quiet", "verbose")}
    where = {name: settings[name] for name in ("scheduler", "scheduler_file")}
    console = batch.Console(batch.Options(json=settings.pop("as_json"), **shown, **where))
    run = (ModelRun if model else DictionaryRun)(console, output, settings)
    try:
        with at_signal(lambda number: run.interrupted()), one_blas_thread:
            code = run.train(inputs, recursive, resume)
        return FAILED if console.failed else code
    except UsageError as error:
        console.end()
        console.say(f"restore: {error}")
        return USAGE
    except (EngineLost, OSError, ValueError, MemoryError) as error:
        console.end()
        console.say(f"restore: {batch.failure_reason(error)}")
        return FAILED


def _check(
    context: click.Context,
    output: str,
    overwrite: bool,
    resume: bool,
    model: str | None,
    settings: dict[str, Any],
) -> None:
    """Refuse settings that contradict each other, or do not apply to what is learned."""
    if overwrite and resume:
        raise click.UsageError("--overwrite and --resume contradict each other")
    of_models = set().union(*_MODELS.values())
    only = {"atoms", "patch_size", "grey", "sparsity", "sigma", "method", "coder", "nonnegative",
            "iterations", "patches", "init", "picture"}  # fmt: skip
    unused = (only | of_models) - _MODELS[model] if model else {"scale", "degradation"}
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if given and parameter.name in unused:
            what = f"--model {model}" if model else "a dictionary"
            raise click.UsageError(f"{parameter.opts[0]} means nothing for {what}: leave it out")
    if model and (settings["scheduler"] or settings["scheduler_file"]):
        raise click.UsageError(f"--model {model} is learned on one machine: leave out --scheduler")
    if settings["nonnegative"]:
        if settings["method"] != "ksvd":
            raise click.UsageError("--nonnegative goes with --method ksvd")
        if settings["scheduler"] or settings["scheduler_file"]:
            raise click.UsageError("--nonnegative is for one machine: leave out --scheduler")
    if model == "super-resolution" and settings["scale"] is None:
        raise click.UsageError("--model super-resolution needs a --scale of 2, 3 or 4")
    if not output.endswith(".npz"):
        raise click.UsageError(f"{output} should end in .npz")
    if os.path.lexists(output) and not overwrite and not resume:
        in_one_go = model and "resume" not in _MODELS[model]
        hint = "use --overwrite" if in_one_go else "use --resume to go on, or --overwrite"
        raise click.UsageError(f"{output} exists: {hint}")
    init = settings["init"]
    if os.path.lexists(init) and not os.path.isfile(init):
        raise click.UsageError(f"--init: {init} is no file")
    if settings["picture"] is not None:
        check_picture(settings["picture"], overwrite or resume)
