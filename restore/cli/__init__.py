"""The command line. One module per command; until a command runs, only click is imported."""

import contextlib
import importlib
import io
import os
import sys

import click

from restore import __version__

#: command -> module of restore.cli that defines it, under the command's name
_MODULES = {
    "denoise": "denoise",
    "dejpeg": "dejpeg",
    "inpaint": "inpaint",
    "deblur": "deblur",
    "demosaic": "demosaic",
    "sense": "sense",
    "super-resolve": "super_resolve",
    "compress": "compress",
    "decompress": "decompress",
    "train": "train",
    "inspect": "inspect",
    "compare": "compare",
    "try": "trial",
    "cache": "cache",
}


#: synonyms -> the command
_SYNONYMS = {
    **dict.fromkeys(("upscale", "upsample", "enlarge", "resize", "sr"), "super-resolve"),
    **dict.fromkeys(("debayer", "develop"), "demosaic"),
    **dict.fromkeys(("fill", "heal", "repair", "retouch"), "inpaint"),
    **dict.fromkeys(("deblock", "deartifact", "unjpeg"), "dejpeg"),
    **dict.fromkeys(("psnr", "ssim", "measure"), "compare"),
    **dict.fromkeys(("info", "show"), "inspect"),
    **dict.fromkeys(("trial", "preview"), "try"),
    **dict.fromkeys(("sharpen", "deconvolve", "unblur"), "deblur"),
    "clean": "denoise",
    "encode": "compress",
    "decode": "decompress",
    "learn": "train",
}


class _LazyGroup(click.Group):
    """Commands whose modules are imported when they are needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _MODULES:
            return None
        module = importlib.import_module(f"restore.cli.{_MODULES[name]}")
        return getattr(module, _MODULES[name])

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name in _MODULES or name.startswith("-"):
            return super().resolve_command(context, arguments)
        context.fail(f"No such command {name!r}{_instead(name.lower())}")


def _instead(name: str) -> str:
    """A suggestion for a command name that does not exist."""
    import difflib

    near = difflib.get_close_matches(name, _MODULES, 1)
    meant = _SYNONYMS.get(name) or (near[0] if near else None)
    return f": did you mean {meant}?" if meant else "."


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all done or skipped, 1 some files failed and the rest are done, "
    "2 wrong usage, 3 nothing matched, 130 interrupted.",
)
@click.version_option(__version__, prog_name="restore")
def cli() -> None:
    """Restore pictures by sparse coding over learned dictionaries."""


def main() -> int:
    """Run the command and return its exit code."""
    _open_streams()
    try:
        code = cli.main(prog_name="restore", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        code = 1
    except OSError as error:
        if error.filename is not None:
            raise
        # a command that prints, on a full disk or to a closed stream
        click.echo(f"restore: standard output cannot be written: {error.strerror}", err=True)
        code = 1
    for stream in ("stdout", "stderr"):
        try:
            getattr(sys, stream).flush()
        except OSError:  # the reader has gone; only messages are lost
            setattr(sys, stream, None)
    return code


def _open_streams() -> None:
    """Make the standard streams safe to use, and let them print any file name.

    The number of a closed stream goes to the next file that is opened, and libraries would then
    print into that file. A closed standard output is replaced by one that cannot be written to.
    """
    ways = (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    for number, (name, way) in enumerate(ways):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.fstat(number)
                continue
            os.open(os.devnull, way)  # takes the lowest free number
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
