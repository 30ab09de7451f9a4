"""The records passed between the parts of a batch."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from restore.files.formats import MAX_PIXELS

DONE, FAILED, USAGE, NOTHING = 0, 1, 2, 3

#: the keys of every line of --json, besides the facts of the task
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
    """The arguments contradict each other: nothing has been done."""


class EngineLost(Exception):
    """The engine is gone, or cannot start; some files may be done."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that all commands share, as `restore.cli.options` fills them in.

    `command` is the command line, as text for a report; `view_bytes`, set by `run`, the number of
    bytes that each file may take in a report. `trial` is called in place of `run`, with its
    arguments.
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
    """The result of a task for one picture.

    Attributes
    ----------
    output : Picture or bytes
    facts : dict
        Numbers and text about it, for ``-v`` and ``--json``.
    extras : dict
        Further files beside the output: ``{"-mask.png": Picture or bytes}``, of the names
        that `run` was given as ``extras``.
    """

    output: Any
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    extras: dict = dataclasses.field(default_factory=dict)


#: The function of a command on one picture, or on the bytes of one file.
Process = Callable[..., Any]

#: Suffixes of further files, and their place if not beside the output.
Further = Mapping[str, str | None] | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and its output; "-" is a pipe. `skip` and `error` settle it beforehand.

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
        """The report of a job that is settled beforehand; None for one that is to be processed."""
        if not self.skip and self.error is None:
            return None
        status = "skipped" if self.skip else "failed"
        about = {"input": self.source, "output": self.target, "status": status}
        return {**REPORT, **about, "error": self.error}
