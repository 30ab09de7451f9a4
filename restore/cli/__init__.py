"""The command line. One module per command; only click is imported until one runs."""

import importlib
import sys

import click

from restore import __version__

#: command -> module of restore.cli that defines it, under the command's name
_MODULES = {
    "denoise": "denoise",
    "inpaint": "inpaint",
    "demosaic": "demosaic",
    "super-resolve": "super_resolve",
    "compress": "compress",
    "decompress": "decompress",
    "train": "train",
    "inspect": "inspect",
    "compare": "compare",
    "cache": "cache",
}


class _LazyGroup(click.Group):
    """Commands whose modules are imported when they are needed."""

    def list_commands(self, context):
        return list(_MODULES)

    def get_command(self, context, name):
        if name not in _MODULES:
            return None
        module = importlib.import_module(f"restore.cli.{_MODULES[name]}")
        return getattr(module, name.replace("-", "_"))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all done or skipped, 1 some files failed and the rest are done, "
    "2 wrong usage, 3 nothing matched, 130 interrupted.",
)
@click.version_option(__version__, prog_name="restore")
def cli():
    """Restore pictures by sparse coding over learned dictionaries."""


def main():
    """Run the command; its exit code."""
    try:
        code = cli.main(prog_name="restore", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        code = 1
    try:
        sys.stdout.flush()
    except OSError:  # whoever read us has gone; nothing is lost but words
        sys.stdout = None
    return code
