"""``restore inspect``"""

import json

import click


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
def inspect(files, as_json):
    """Print what is in .ksvd and dictionary files, without decoding."""
    failed = 0
    for file in files:
        try:
            with open(file, "rb") as stream:
                found = describe(stream)
        except (OSError, ValueError) as error:
            from restore.batch import failure_reason

            click.echo(f"restore: {file}: {failure_reason(error)}", err=True)
            failed += 1
            continue
        if as_json:
            click.echo(json.dumps({"file": file, **found}))
        else:
            click.echo(file)
            for name, value in found.items():
                click.echo(f"  {name.replace('_', ' ')}: {_words(value)}")
    return int(failed > 0)


def describe(stream):
    """What the header of a file says, as a dictionary."""
    from restore import compression

    return compression.inspect(stream.read())


def _words(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items()) or "none"
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
