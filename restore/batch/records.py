"""What the parts of a batch say to each other."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from restore.files.formats import MAX_PIXELS

DONE, FAILED, USAGE, NOTHING = 0, 1, 2, 3

#: what every line of --json says, facts of the task aside
REPORT = {
    "input": None,
    "output": None,
    "status": None,
    "error": None,
    "warnings": (),
    "seconds": None,
    "size_in": None,
    "size_out": None,
    "width": None,
    "height": None,
    "channels": None,
    "depth": None,
    "pages": None,
    "psnr": None,
    "ssim": None,
}


class UsageError(Exception):
    """The arguments make no sense together: nothing has been done."""


class EngineLost(Exception):
    """What does the files is gone, or cannot begin: some may be done."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that all commands share, as `restore.cli.options` fills them in.

    `command` is what was asked for, in words, for a report; `view_bytes`, set by `run`, how many
    bytes of a report each file may take. `trial` is called with what `run` was to do, in its place.
    """

    suffix: str = ""
    output: str | None = None
    explicit_suffix: str | None = None
    format: str | None = None
    depth: str | None = None
    recursive: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    page: int | None = None
    strip: str | None = None
    strict: bool = False
    colour_space: str | None = None
    linear: bool = False
    max_pixels: int = MAX_PIXELS
    reference: str | None = None
    report: str | None = None
    command: str = ""
    view_bytes: int | None = None
    trial: Callable[..., Any] | None = None
    jobs: int | None = None
    threads: int | None = None
    shard: tuple[int, int] | None = None
    scheduler: str | None = None
    scheduler_file: str | None = None
    retries: int = 3
    memory_per_file: int | None = None
    fail_fast: bool = False
    dry_run: bool = False
    json: bool = False
    progress: bool | None = None
    quiet: bool = False
    verbose: bool = False
    debug: bool = False


@dataclasses.dataclass(frozen=True)
class Result:
    """What a task made of one picture.

    Attributes
    ----------
    output : Picture or bytes
    facts : dict
        Numbers and words about it, for ``-v`` and ``--json``.
    extras : dict
        Further files beside the output: ``{"-mask.png": Picture or bytes}``, of the names
        that `run` was given as ``extras``.
    """

    output: Any
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    extras: dict = dataclasses.field(default_factory=dict)


#: What a command does to one picture, or to the bytes of one file.
Process = Callable[..., Any]

#: Names of further files, and where they go if not beside the output.
Further = Mapping[str, str | None] | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and where it goes; "-" is a pipe. `skip` and `error` settle it beforehand.

    `extras` are the paths of further outputs by their name.
    """

    source: str
    target: str
    extras: dict = dataclasses.field(default_factory=dict)
    companions: dict = dataclasses.field(default_factory=dict)
    reference: str | None = None
    skip: bool = False
    error: str | None = None

    def report(self) -> dict[str, Any] | None:
        """What is said of a job that is settled beforehand; None for one that is to be done."""
        if not self.skip and self.error is None:
            return None
        status = "skipped" if self.skip else "failed"
        about = {"input": self.source, "output": self.target, "status": status}
        return {**REPORT, **about, "error": self.error}
