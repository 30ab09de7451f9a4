"""Put what the program says of itself between the markers of the pages here.

Run as ``python docs/commands.py``; a test checks that the pages say what the commands do.
The markers are ``<!-- options:COMMAND -->`` (or ``options:shared``) and ``<!-- /options -->`` for
the options of ``restore COMMAND --help``, ``<!-- packaged -->`` and ``<!-- /packaged -->`` for the
files that come with the package.
"""

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
    return BLOCK.sub(filled, text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled_in(page.read_text(encoding="utf-8")), encoding="utf-8")
