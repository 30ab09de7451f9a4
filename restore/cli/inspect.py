"""The command ``restore inspect``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from restore.batch import complain, printable
from restore.cli.options import check_picture, drawing
from restore.cli.values import PATH
from restore.files.formats import MAX_PIXELS

if TYPE_CHECKING:
    from restore.sparse.dictionary import Dictionary


#: Numbers of atoms per patch at which --curve measures.
_SPARSITIES = (1, 2, 3, 5, 8, 12, 16)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
@drawing("Draw the atoms of a dictionary, the most used first.")
@click.option(
    "--curve",
    "pictures",
    multiple=True,
    metavar="PICTURE|FOLDER",
    type=click.Path(exists=True, readable=False),
    help="Measure how well a dictionary codes the patches of these pictures, by atoms per patch. "
    "May be repeated.",
)
def inspect(
    files: tuple[str, ...],
    as_json: bool,
    picture: str | None,
    pictures: tuple[str, ...],
    overwrite: bool,
) -> int:
    """Print what is in .ksvd files, dictionaries and models.

    FILE is what compress or train wrote, or the name of a packaged dictionary or model. Nothing
    is decoded.
    """
    if picture is not None:
        check_picture(picture, overwrite)
        if len(files) > 1:
            raise click.UsageError("--picture draws the atoms of one file")
    failed = 0
    for file in files:
        try:
            found = describe(file, pictures)
            if picture is not None:
                from restore.files.figure import draw_atoms
                from restore.sparse.dictionary import Dictionary

                draw_atoms(Dictionary.load(file), picture)
            if as_json:
                lines = [json.dumps({"file": file, **found})]
            else:
                lines = [f"  {name.replace('_', ' ')}: {_words(found[name])}" for name in found]
                lines = [file, *map(printable, lines)]
        except Exception as error:  # a damaged archive may raise anything
            complain(file, error)
            failed += 1
            continue
        click.echo("\n".join(lines))
    return int(failed > 0)


def describe(file: str, pictures: Sequence[str] = ()) -> dict[str, Any]:
    """Describe a file, or the packaged one of that name; its kind is told by its content."""
    from restore.files.safe import open_regular
    from restore.imaging import archive

    if not os.path.lexists(file):
        if file not in archive.packaged():
            names = ", ".join(archive.packaged())
            raise ValueError(f"there is no such file, nor is it one of the packaged {names}")
        file = str(archive.packaged_path(file))
    with open_regular(file) as stream:
        if stream.read(2) == b"PK":
            return _describe_archive(file, pictures)
        if pictures:
            raise ValueError("--curve needs a dictionary")
        from restore.tasks import compression

        stream.seek(0)
        return compression.inspect(stream.read())


def _describe_archive(file: Any, pictures: Sequence[str]) -> dict[str, Any]:
    from restore.imaging import archive
    from restore.sparse.dictionary import Dictionary

    kind, provenance = archive.read_header(file)
    if kind != "dictionary":
        if pictures:
            raise ValueError(f"it holds a {kind}, and --curve needs a dictionary")
        return {"format": kind, **provenance}
    dictionary = Dictionary.load(file)
    height, width, channels = dictionary.patch_shape
    coherence = dictionary.coherence()
    found = {
        "format": kind,
        "atoms": dictionary.n_atoms,
        "patch_width": width,
        "patch_height": height,
        "channels": channels,
        "coherence": round(coherence, 4),
        "guaranteed_sparsity": round((1 + 1 / max(coherence, 1e-6)) / 2, 2),
    }
    uses = dictionary.uses
    if uses:
        found["share_of_the_most_used_atom"] = round(max(uses) / max(1, sum(uses)), 4)
        found["share_of_the_most_used_tenth"] = round(
            sum(sorted(uses)[-max(1, len(uses) // 10) :]) / max(1, sum(uses)), 4
        )
        found["atoms_never_used"] = uses.count(0)
    found["provenance"] = {
        name: value for name, value in dictionary.provenance.items() if name != "uses"
    }
    if pictures:
        found["error_by_atoms_per_patch"] = _curve(dictionary, pictures)
    return found


def _curve(dictionary: Dictionary, pictures: Sequence[str]) -> dict[str, float]:
    """RMSE in 8-bit levels over patches of the pictures, by atoms per patch."""
    from restore import batch
    from restore.batch.collection import Collection
    from restore.files.picture import unwarned
    from restore.learning import dictionaries

    collection = Collection(
        [file for file, _ in batch.find(pictures)[0]],
        channels=dictionary.channels,
        usable=lambda image: dictionaries.check(image, dictionary.patch_shape),
        max_pixels=MAX_PIXELS,
    )
    try:
        with unwarned():
            drawn = dictionaries.draw(collection, dictionary.patch_shape, 50_000)
    finally:
        for file, reason in collection.skipped.items():
            click.echo(printable(f"restore: {file}: left out: {reason}"), err=True)
    return {
        str(sparsity): round(255 * dictionaries.error(dictionary, drawn.patches, sparsity), 3)
        for sparsity in _SPARSITIES
        if sparsity <= min(dictionary.n_atoms, dictionary.patch_dim)
    }


def _words(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return " ".join(str(_words(part)) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
