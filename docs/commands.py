"""Put what the program says of itself between the markers of the pages here.

Run as ``python docs/commands.py``; a test checks that the pages say what the commands do.
The markers are ``<!-- options:COMMAND -->`` (or ``options:shared``) and ``<!-- /options -->`` for
the options of ``restore COMMAND --help``, ``<!-- packaged -->`` and ``<!-- /packaged -->`` for the
files that come with the package, ``<!-- commands -->`` and ``<!-- /commands -->`` for what every
command says of itself, ``<!-- functions:PACKAGE -->`` and ``<!-- /functions -->`` for the public
names of a package.
"""

import importlib
import inspect
import re
from pathlib import Path

import click

from restore.cli import cli
from restore.cli.options import batch_options
from restore.imaging import archive

PAGES = sorted(Path(__file__).parent.glob("*.md"))
BLOCK = re.compile(
    r"^(?P<open><!-- options:(?P<name>[\w-]+) -->\n).*?^(?P<close><!-- /options -->)$",
    re.DOTALL | re.MULTILINE,
)
PACKAGED = re.compile(r"^(<!-- packaged -->\n).*?^(<!-- /packaged -->)$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^(<!-- commands -->\n).*?^(<!-- /commands -->)$", re.DOTALL | re.MULTILINE)
FUNCTIONS = re.compile(
    r"^(<!-- functions:(?P<name>[\w.]+) -->\n).*?^(<!-- /functions -->)$", re.DOTALL | re.MULTILINE
)


def commands():
    """{name: click command} of all commands."""
    context = click.Context(cli)
    return {name: cli.get_command(context, name) for name in cli.list_commands(context)}


def options(command):
    """{names: (value, help with the default)} of the options of a command."""
    context = click.Context(command)
    records = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option)
    ]
    return dict(record for record in records if record)


def shared():
    """The options of all commands that read pictures and write pictures."""
    return options(click.command()(batch_options(suffix="-restored")(print)))


def table(found):
    """Options as a Markdown table."""
    if not found:
        return "It has none of its own."
    lines = ["| option | |", "|---|---|"]
    for names, text in found.items():
        names, text = (re.sub(r"\s+", " ", cell).replace("|", "\\|") for cell in (names, text))
        lines.append(f"| `{names}` | {text} |")
    return "\n".join(lines)


def packaged():
    """The files that come with the package, as a Markdown table."""
    lines = ["| name | kind | learned from | pictures |", "|---|---|---|---:|"]
    for name in archive.packaged():
        kind, provenance = archive.read_header(archive.packaged_path(name))
        folders = ", ".join(sorted(provenance["learned_from"]))
        lines.append(f"| `{name}` | {kind} | {folders} | {provenance['pictures']} |")
    return "\n".join(lines)


def described():
    """What every command says of itself, as Markdown."""
    pages = {
        found["name"]: page.name
        for page in PAGES
        for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
    }
    parts = []
    for name, command in commands().items():
        usage = command.get_usage(click.Context(command, info_name=f"restore {name}"))
        usage = usage.removeprefix("Usage: ")
        text = inspect.cleandoc(command.help)
        parts.append(f"## restore {name}\n\n`{usage}`\n\n{text}\n\n[Options]({pages[name]})")
    return "\n\n".join(parts)


def public(package):
    """The names that a package exports: {name: what it stands for}."""
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__ if not name.startswith("_")}


def functions(package):
    """The public names of a package with the first line of their docstrings, as a table."""
    lines = ["| name | |", "|---|---|"]
    for name, found in public(package).items():
        summary = inspect.getdoc(found).splitlines()[0].replace("|", "\\|")
        lines.append(f"| `{package}.{name}` | {summary} |")
    return "\n".join(lines)


def filled_in(text):
    """`text` with the options and files of today between its markers."""
    everywhere = shared()

    def filled(match):
        if match["name"] == "shared":
            found = everywhere
        else:
            found = options(commands()[match["name"]])
            found = {names: text for names, text in found.items() if names not in everywhere}
        return f"{match['open']}\n{table(found)}\n\n{match['close']}"

    text = PACKAGED.sub(lambda match: f"{match[1]}\n{packaged()}\n\n{match[2]}", text)
    text = COMMANDS.sub(lambda match: f"{match[1]}\n{described()}\n\n{match[2]}", text)
    text = FUNCTIONS.sub(
        lambda match: f"{match[1]}\n{functions(match['name'])}\n\n{match[3]}", text
    )
    return BLOCK.sub(filled, text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled_in(page.read_text(encoding="utf-8")), encoding="utf-8")
