"""The plan: every input with its output, and every refusal, before any work."""

import collections
import dataclasses
import errno
import hashlib
import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from restore.batch.records import Further, Job, Options, UsageError
from restore.files.formats import (
    EXTENSIONS,
    FOREIGN_EXTENSIONS,
    FORMATS,
    READ_EXTENSIONS,
    format_of_bytes,
    format_of_name,
    output_extension,
)
from restore.files.safe import open_regular

#: A file, and the folder among the arguments that it was found in.
Found = tuple[str, str | None]

#: From an input to its matching file, if there is one.
Match = Callable[[str], str | None]


def find(
    inputs: Iterable[str], *, recursive: bool = False,
    extensions: Collection[str] = READ_EXTENSIONS, without: str | None = None,
) -> tuple[list[Found], collections.Counter[str]]:  # fmt: skip
    """The files in `inputs`, in a stable order.

    Parameters
    ----------
    inputs : iterable of str
        Files, folders, or "-".
    recursive : bool
        Search folders recursively; links to folders are not followed.
    extensions : tuple of str
        Extensions of inputs in a folder; a file that is named itself is always an input.
    without : path, optional
        A folder that is not searched: that of the outputs.

    Returns
    -------
    files : list of (str, str or None)
        A file, and the folder of `inputs` it was found in.
    ignored : collections.Counter
        Number of files that were ignored, by extension.
    """
    files: list[Found] = []
    ignored: collections.Counter[str] = collections.Counter()
    seen = set()
    for name in inputs:
        if name == "-" or not os.path.isdir(name):
            found: list[Found] = [(name, None)]
        else:
            found, others = _walk(name, recursive, extensions, without)
            ignored.update(others)
        for file, folder in found:
            identity = file if file == "-" else os.path.realpath(file)
            if identity not in seen:
                seen.add(identity)
                files.append((file, folder))
    return files, ignored


def _walk(
    folder: str, recursive: bool, extensions: Collection[str], without: str | None
) -> tuple[list[Found], collections.Counter[str]]:
    """The inputs in `folder`, and the number of other files; without recursive `os.walk`."""
    ignored: collections.Counter[str] = collections.Counter()
    found: list[Found] = []
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            # a folder that cannot be read is an input that will fail, not a missing one
            found.append((place, folder))
            continue
        folders = []
        for entry in entries:
            hidden = entry.name.startswith(".")
            extension = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir():
                if recursive and not hidden and not entry.is_symlink():
                    folders.append(entry.path)
            elif hidden or extension not in extensions:
                ignored[extension] += 1
            else:
                found.append((entry.path, folder))
        folders = [inner for inner in folders if not (without and _same_file(inner, without))]
        waiting += reversed(folders)
    return found, ignored


def nothing_found(inputs: Iterable[str], ignored: Mapping[str, int], recursive: bool) -> str:
    """The message if no picture was found in `inputs`, with what was found instead."""
    foreign = " and ".join(sorted(set(ignored) & set(FOREIGN_EXTENSIONS)))
    hint = ""
    if foreign:
        hint = f": {foreign} files are not read, convert them to PNG or TIFF"
    elif not recursive and any(os.path.isdir(name) for name in inputs):
        hint = " (--recursive looks into folders of folders)"
    return "restore: no picture found in what was named" + hint


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def plan(
    inputs: Iterable[str], options: Options, *, reads: tuple[str, ...] | None = None,
    writes: str | None = None, companions: Mapping[str, str | None] | None = None,
    extras: Further = (), coloured: bool = False,
) -> tuple[list[Job], collections.Counter[str]]:  # fmt: skip
    """Every input with its outputs, before any work.

    Parameters
    ----------
    inputs, options, reads, writes, companions, extras, coloured
        As for `run`.

    Returns
    -------
    jobs : list of Job
    ignored : collections.Counter
        Files in folders that are not inputs, by extension.

    Raises
    ------
    UsageError
        If two inputs would write one output, an output would replace another input,
        or the options contradict each other.
    """
    inputs = [str(name) for name in inputs]
    output = options.output
    for name in ("format", "depth", "reference"):
        if writes and getattr(options, name) is not None:
            raise UsageError(f"--{name} is for commands that write pictures, not {writes} files")
    _check_second_name(inputs, output, writes)
    if inputs.count("-") > 1 or ("-" in inputs and len(inputs) > 1):
        raise UsageError("- (standard input) must be the only input")
    if output is None and inputs == ["-"]:
        output = "-"
    into_folder = (
        output is not None
        and output != "-"
        and (
            os.path.isdir(output)
            or output.endswith(("/", os.sep))
            or len(inputs) > 1
            or any(os.path.isdir(name) for name in inputs)
        )
    )
    if into_folder and output and os.path.exists(output) and not os.path.isdir(output):
        raise UsageError(f"{output} is a file: several inputs need a folder")
    if into_folder and inputs == ["-"]:
        raise UsageError("- (standard input) needs a file or - as --output, not a folder")
    more = extras if isinstance(extras, Mapping) else dict.fromkeys(extras)
    suffix = options.suffix if options.explicit_suffix is None else options.explicit_suffix
    if os.path.basename(suffix) != suffix:
        raise UsageError(f"--suffix {suffix} is a part of a name, not of a path")
    files, ignored = find(
        inputs,
        recursive=options.recursive,
        extensions=reads or READ_EXTENSIONS,
        without=output if into_folder else None,
    )
    if output is None and suffix:
        files, earlier = _without_earlier_results(files, suffix)
        ignored[suffix] += earlier
    if output == "-" and len(files) > 1:
        raise UsageError("several inputs cannot all go to standard output")
    if output == "-" and options.json:
        raise UsageError("--json and the picture cannot both go to standard output")
    if output == "-" and more:
        raise UsageError("further files need a file as --output, not standard output")
    if (output == "-" or options.json) and _is_closed(sys.stdout):
        raise UsageError("standard output is closed: leave out --json, and name a file with -o")
    if output == "-" and sys.stdout.isatty() and not options.dry_run:
        raise UsageError("standard output is a terminal: redirect it, or name a file with -o")

    beside = {name: matching(place, name) for name, place in (companions or {}).items()}
    reference = matching(options.reference, "reference")
    jobs = []
    for source, folder in files:
        if output == "-" or (output is not None and not into_folder):
            target = output
        else:
            target = _target(source, folder, output, options, reads, writes, coloured)
        paths = {
            name: _extra(name, place, source, folder, target, options, len(files))
            for name, place in more.items()
        }
        wrong = _is_a_picture(source, reads)
        jobs.append(
            Job(source, target, error=wrong)
            if wrong
            else _job(source, target, options, beside, reference, paths)
        )
    if output is not None and output != "-" and not into_folder:
        _check_name(output, options, writes)
    _check_collisions(jobs)
    return jobs, ignored


def shard(jobs: list[Job], part: tuple[int, int] | None) -> list[Job]:
    """The jobs of one part, where `part` is (its number from 1, the number of parts) or None.

    Every N-th job in the order of a hash of the inputs' names: the parts have equal length, and
    consecutive pictures, which often have the same size, are spread over them.
    """
    if part is None:
        return jobs

    def digest(number: int) -> bytes:
        return hashlib.sha256(os.fsencode(jobs[number].source)).digest()

    number, parts = part
    order = sorted(range(len(jobs)), key=digest)
    return [jobs[index] for index in sorted(order[number - 1 :: parts])]


def _check_second_name(inputs: Sequence[str], output: str | None, writes: str | None) -> None:
    """Refuse an output name given as the last input, as for `cp`."""
    if output is not None or len(inputs) != 2 or "-" in inputs:
        return
    source, target = inputs
    named = target.endswith(("/", os.sep, writes or "/")) or format_of_name(target)
    if named and os.path.lexists(source) and not os.path.lexists(target):
        raise UsageError(f"there is no {target}: if the output is to be there, write -o {target}")


def _is_closed(stream: Any) -> bool:
    try:
        os.write(stream.fileno(), b"")
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def _without_earlier_results(files: list[Found], suffix: str) -> tuple[list[Found], int]:
    """`files` without any ``photo-denoised.png`` beside its ``photo.png``, and their number."""
    stems = {os.path.splitext(file)[0] for file, _ in files}

    def is_earlier(file: str) -> bool:
        stem = os.path.splitext(file)[0]
        return stem.endswith(suffix) and stem.removesuffix(suffix) in stems

    kept = [found for found in files if not is_earlier(found[0])]
    return kept, len(files) - len(kept)


def _target(
    source: str, folder: str | None, output: str | None, options: Options,
    reads: tuple[str, ...] | None, writes: str | None, coloured: bool,
) -> str:  # fmt: skip
    """The output path for `source`."""
    place, name = os.path.split(source)
    stem, extension = os.path.splitext(name)
    if writes or options.format or reads:
        extension = writes or f".{options.format or 'png'}"
    else:
        extension = output_extension(extension, coloured)
    suffix = options.suffix if options.explicit_suffix is None else options.explicit_suffix
    if output is None:
        return os.path.join(place, stem + suffix + extension)
    tree = os.path.relpath(place, folder) if folder else "."
    place = os.path.normpath(os.path.join(output, tree))
    target = os.path.join(place, stem + (options.explicit_suffix or "") + extension)
    if options.explicit_suffix is None and _same_file(source, target):
        target = os.path.join(place, stem + suffix + extension)
    return target


def _extra(
    name: str, place: str | None, source: str, folder: str | None, target: str, options: Options,
    count: int,
) -> str:  # fmt: skip
    """The path of a further file: beside the target, as given, or in the given folder."""
    if place is None:
        return os.path.splitext(target)[0] + name
    if os.path.isdir(place) or place.endswith(("/", os.sep)):
        options = dataclasses.replace(options, format="png", explicit_suffix="")
        return _target(source, folder, place, options, None, None, False)
    if count > 1:
        raise UsageError(f"{place} is a file: the maps of several inputs need a folder, as maps/")
    return place


def _check_name(output: str, options: Options, writes: str | None) -> None:
    extension = os.path.splitext(output)[1]
    if writes:
        if extension.lower() != writes:
            raise UsageError(f"{output}: the name of this kind of file ends in {writes}")
        return
    known = format_of_name(output)
    if known is None:
        raise UsageError(
            f"unknown extension {extension!r} of {output}: use one of "
            f"{' '.join(sorted(EXTENSIONS))}, or end the name of a folder with /"
        )
    if options.format and known != EXTENSIONS["." + options.format]:
        raise UsageError(f"--format {options.format} and {output} contradict each other")


def _is_a_picture(source: str, reads: tuple[str, ...] | None) -> str | None:
    """Why a picture is no input of a command that `reads` other files; None if it is no picture."""
    if reads is None or source == "-" or os.path.splitext(source)[1].lower() in reads:
        return None
    try:
        with open_regular(source) as file:
            name = format_of_bytes(file.read(16))
    except (OSError, ValueError):
        return None
    return f"this is a {FORMATS[name].words} picture, not a {reads[0]} file"


def _job(
    source: str, target: str, options: Options, companions: Mapping[str, Match], reference: Match,
    more: dict[str, str],
) -> Job:  # fmt: skip
    """The job of one input, already settled if it cannot or need not be processed."""

    def settled(error: str | None = None, **fields: Any) -> Job:
        return Job(source, target, extras=more, error=error, **fields)

    if source != "-":
        if not os.path.lexists(source):
            return settled("no such file or folder")
        if os.path.isdir(source):
            return settled("a folder that cannot be read")
        if not os.path.isfile(source):
            return settled("neither a file nor a folder")
    outputs = [path for path in (target, *more.values()) if path != "-"]
    existing = [path for path in outputs if os.path.lexists(path)]
    for path in existing:
        if os.path.isdir(path):
            return settled(f"{path} is a folder")
        if _same_file(source, path) and not options.overwrite:
            return settled(f"the output {path} is the input itself: use --overwrite to replace it")
    if existing and not options.overwrite:
        if not options.skip_existing:
            return settled(f"{existing[0]} exists: use --overwrite or --skip-existing")
        if existing == outputs:
            return settled(skip=True)
        (missing, *_) = (path for path in outputs if path not in existing)
        return settled(f"{existing[0]} exists, and {missing} does not: use --overwrite for both")
    try:
        beside = {name: find(source) for name, find in companions.items()}
        wanted = reference(source)
    except ValueError as error:
        return settled(str(error))
    return settled(companions=beside, reference=wanted)


def matching(place: str | None, name: str) -> Match:
    """A function from an input to its matching file.

    The file is `place`, or the one of the same name in that folder. Another extension is accepted
    if only one file has the same stem. The folder is read once.

    Parameters
    ----------
    place : path or None
    name : str
        What the file is, for the function's error messages: "reference".
    """
    if place is None:
        return lambda source: None
    if not os.path.isdir(place):
        return lambda source: _regular(place, name)
    by_stem = collections.defaultdict(list)
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_file():
                    by_stem[os.path.splitext(entry.name)[0]].append(entry.name)
        unreadable = None
    except OSError as error:
        unreadable = f"the {name} folder {place} cannot be read: {error.strerror}"

    def beside(source: str) -> str:
        if unreadable:
            raise ValueError(unreadable)
        stem = os.path.splitext(os.path.basename(source))[0]
        found = by_stem.get(stem, [])
        if os.path.basename(source) in found:
            found = [os.path.basename(source)]
        if len(found) != 1:
            count = f"{len(found)} files" if found else "no file"
            raise ValueError(f"{count} called {stem}.* in the {name} folder {place}")
        return os.path.join(place, found[0])

    return beside


def _regular(place: str, name: str) -> str:
    if not os.path.isfile(place):
        how = "is no file" if os.path.lexists(place) else "does not exist"
        raise ValueError(f"the {name} {place} {how}")
    return place


def _check_collisions(jobs: Sequence[Job]) -> None:
    """Refuse outputs with the same name on any file system, and outputs that are other inputs."""

    def key(path: str) -> str:
        # resolve folders but not the last name: an output that is a link is replaced, not followed
        folder, name = os.path.split(os.path.abspath(path))
        full = os.path.join(os.path.realpath(folder), name)
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", full).casefold())

    by_output: dict[str, tuple[Job, str]] = {}
    for job in jobs:
        for path in (job.target, *job.extras.values()):
            if path == "-":
                continue
            if key(path) in by_output and by_output[key(path)][0] is job:
                raise UsageError(f"two outputs of {job.source} would be written to {path}")
            other, _ = by_output.setdefault(key(path), (job, path))
            if other is not job:
                raise UsageError(
                    f"{other.source} and {job.source} would both be written to {path}: "
                    "use another --output or --suffix for one of them"
                )
    for job in jobs:
        other, path = by_output.get(key(job.source), (job, job.target))
        if other is not job or path != job.target:
            raise UsageError(
                f"the output {path} of {other.source} would replace the input {job.source}"
            )
