"""The option ``--uncertainty``: a map of the expected error of the result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.typing import Floats


#: The key of the map among the further files of a result.
NAME = "uncertainty"

_DEPTHS = {".png": "16", ".tif": "f32", ".tiff": "f32", ".pfm": "f32"}


class Place(click.ParamType):
    """A picture file that holds 16 bits or floats, or a folder for them."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.endswith(("/", os.sep)) or os.path.isdir(value) or _depth(value):
            return value
        self.fail(
            f"{value!r} is neither a .png, .tif or .pfm file nor a folder, whose name ends in /"
        )


uncertainty = click.option(
    "--uncertainty",
    type=Place(),
    metavar="OUT.png|FOLDER/",
    help="Also write a map of the expected error: in a PNG 257 levels of 65535 are one 8-bit "
    "level; .tif and .pfm hold floats.",
)


def check_default(place: str | None, **given: Any) -> None:
    """Refuse the map, as wrong usage, for settings that it was not calibrated for."""
    wrong = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if place and wrong:
        raise click.UsageError(
            f"--uncertainty is calibrated for the default way: leave out {' and '.join(wrong)}"
        )


def extras(place: str | None, *others: str) -> dict[str, str | None]:
    """The further files of a run, as `restore.batch.run` takes them; `others` are suffixes."""
    return {**dict.fromkeys(others), **({NAME: place} if place else {})}


def map_of(place: str, picture: Picture, error: Floats) -> dict[str, Picture]:
    """The map as a further file of a result: in floats, or as a share of the range of `picture`."""
    from restore.files.picture import Picture
    from restore.imaging.arrays import working

    depth = _depth(place) or "16"
    if depth == "16":
        error = error / working(picture.samples).unit
    return {NAME: Picture(error, None, depth)}


def _depth(place: str) -> str | None:
    return _DEPTHS.get(os.path.splitext(place)[1].lower())
