"""The types of option values."""

from __future__ import annotations

import os
import re
from typing import Any

import click


class FloatRange(click.FloatRange):
    """Numbers in a range; NaN is refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is no number", param, ctx)
        return number


#: A file name; whether it can be read is checked later, so that one file fails and not all.
PATH = click.Path(readable=False)


class File(click.Path):
    """A file that is read whole; a pipe, which may not end, is refused."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = os.fsdecode(super().convert(value, param, ctx))
        if not os.path.isfile(path):
            self.fail(f"{path} is no file", param, ctx)
        return path


class Levels(click.ParamType):
    """A number of 8-bit levels, or auto, to estimate it."""

    name = "levels"

    def __init__(self, least: float) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).lower() == "auto":
            return "auto"
        try:
            level = float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of 8-bit levels nor auto", param, ctx)
        if not self.least <= level <= 255:
            self.fail(f"{value} is not between 0 and 255, the range of 8-bit levels", param, ctx)
        return level


class NameOrFile(click.ParamType):
    """A known name, or a file."""

    name = "name"

    def __init__(self, *names: str) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.names and not os.path.isfile(value):
            names = ", ".join(self.names)
            self.fail(f"there is no file {value}; the names are {names}", param, ctx)
        return value


class Bytes(click.ParamType):
    """A number of bytes: 20000, 200k, 1.5M, 16G."""

    name = "bytes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMG]?)B?", str(value))
        size = found and int(float(found[1]) * {"": 1, "k": 1000, "M": 10**6, "G": 10**9}[found[2]])
        if not size:
            self.fail(f"{value!r} is no number of bytes: write 20000, 200k or 1.5M", param, ctx)
        return size


class Shard(click.ParamType):
    """A part of several: "2/8" is (2, 8)."""

    name = "shard"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        part, _, parts = value.partition("/")
        if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
            self.fail(f"{value} is not I/N with 1 <= I <= N, as 2/8", param, ctx)
        return int(part), int(parts)
