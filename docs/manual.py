"""Write what a system shows of the command: its manual page, and completions for shells.

Run as ``python docs/manual.py``, which `make docs` does; the files of ``docs/shell/`` are installed
with the package, where ``man`` and the shells look for them. A test compares them.
"""

import inspect
import re
import runpy
from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

import restore
from restore.cli import cli

SHELL = Path(__file__).parent / "shell"
DOCS = runpy.run_path(str(Path(__file__).with_name("commands.py")))


def escaped(text):
    """Text as troff takes it: on one line, and not taken for a request."""
    text = re.sub(r"\s+", " ", text).strip().replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def listed(options):
    """Options with their descriptions."""
    return [line for names, text in options.items() for line in (".TP", f".B {names}", text)]


def manual():
    """The manual page."""
    shared = DOCS["shared"]()
    lines = [
        f'.TH RESTORE 1 "" "restore {restore.__version__}" "User Commands"',
        ".SH NAME",
        f"restore \\- {escaped(restore.__doc__.splitlines()[0].rstrip('.').lower())}",
        ".SH SYNOPSIS",
        ".B restore",
        r"\fICOMMAND\fR [\fIOPTIONS\fR] \fIINPUT\fR...",
        ".SH COMMANDS",
    ]
    for name, command in DOCS["commands"]().items():
        usage = command.get_usage(click.Context(command, info_name=f"restore {name}"))
        lines += [f".SS {escaped(usage.removeprefix('Usage: '))}"]
        for paragraph in inspect.cleandoc(command.help).split("\n\n"):
            lines += [escaped(paragraph), ".PP"]
        own = {key: text for key, text in DOCS["options"](command).items() if key not in shared}
        lines += listed({escaped(key): escaped(text) for key, text in own.items()})
    lines += [".SH OPTIONS OF ALL COMMANDS ON PICTURES"]
    lines += listed({escaped(key): escaped(text) for key, text in shared.items()})
    lines += [".SH EXIT STATUS", escaped(cli.epilog.removeprefix("Exit codes: "))]
    return "\n".join(lines) + "\n"


def files():
    """{name in docs/shell: text} of all files."""
    variable = "_RESTORE_COMPLETE"
    return {
        "restore.1": manual(),
        "restore": BashComplete(cli, {}, "restore", variable).source(),
        "_restore": ZshComplete(cli, {}, "restore", variable).source(),
        "restore.fish": FishComplete(cli, {}, "restore", variable).source(),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (SHELL / name).write_text(text, encoding="utf-8")
