"""From command-line arguments to files on disk: plan, run, report.

A command describes what happens to *one* picture, as a function that can be pickled, and
hands it to `run` with the arguments and the shared options::

    @click.command()
    @click.option("--sigma", type=float)
    @batch_options(suffix="-denoised")                       # restore.cli.options
    def denoise(inputs, options, sigma):
        '''Remove noise.'''
        return batch.run(functools.partial(_denoise, sigma=sigma), inputs, options)

    def _denoise(picture, *, threads, progress, sigma):      # at module level
        from restore.denoising import denoise                # heavy imports in here
        return picture.replace(samples=denoise(picture.samples, sigma, threads=threads))

The function gets a `restore.files.picture.Picture` and returns one. It may instead

- return a `Result`, to add facts (``{"sigma": 12.5}``) to ``-v`` and ``--json``, or further
  files beside the output;
- return bytes, where `run` was given ``writes=".ksvd"``;
- receive bytes, where `run` was given ``reads=(".ksvd",)``;
- receive a second picture per input as a keyword, where `run` was given
  ``companions={"mask": path}``: a file is for all, in a folder the one of the same stem is taken.

A multi-page TIFF calls it once per page. A ``ValueError`` fails that one file, with its
sentence as the reason. The function never sees a path, prints nothing and never exits.

Nothing heavy is imported here at module level, so that wrong usage is told at once.
"""

import contextlib
import dataclasses
import io
import itertools
import json
import math
import os
import signal
import sys
import time
import traceback
import unicodedata
import warnings
from multiprocessing.connection import wait
from pathlib import Path

from restore.files.formats import EXTENSIONS, format_of_bytes, format_of_name
from restore.files.safe import remove_leftovers, whole_file

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


class Interrupted(BaseException):
    """A signal asks to stop; the argument is its number."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that all commands share, as `restore.cli.options` fills them in."""

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
    max_pixels: int = 300_000_000
    reference: str | None = None
    jobs: int = 1
    threads: int | None = None
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
        Further files beside the output: ``{"-mask.png": Picture or bytes}``.
    """

    output: object
    facts: dict = dataclasses.field(default_factory=dict)
    extras: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and where it goes; "-" is a pipe. `skip` and `error` settle it beforehand."""

    source: str
    target: str
    companions: dict = dataclasses.field(default_factory=dict)
    reference: str | None = None
    skip: bool = False
    error: str | None = None


# --- The plan -------------------------------------------------------------------------


def find(inputs, *, recursive=False, extensions=tuple(EXTENSIONS), without=None, suffix=""):
    """The files that `inputs` stand for, in a stable order.

    Parameters
    ----------
    inputs : iterable of str
        Files, folders, or "-".
    recursive : bool
        Go down into folders of folders; links to folders are not followed.
    extensions : tuple of str
        What counts as an input in a folder; a file named by itself always does.
    without : path, optional
        A folder that is not walked: the outputs.
    suffix : str
        ``photo-denoised.png`` beside ``photo.png`` is an earlier result, not an input.

    Returns
    -------
    files : list of (str, str or None)
        A file, and the folder of `inputs` it was found in.
    ignored : int
        How many other files were passed over.
    """
    files, ignored, seen = [], 0, set()
    for name in inputs:
        if name == "-" or not os.path.isdir(name):
            found, others = [(name, None)], 0
        else:
            found, others = _walk(name, recursive, extensions, without, suffix)
        ignored += others
        for file, folder in found:
            identity = file if file == "-" else os.path.realpath(file)
            if identity not in seen:
                seen.add(identity)
                files.append((file, folder))
    return files, ignored


def _walk(folder, recursive, extensions, without, suffix):
    found, ignored = [], 0

    def closed(error):
        # a folder that cannot be read is an input that will fail, not one that is not there
        found.append((error.filename, folder))

    for place, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(".")
            and not (without and _same_file(os.path.join(place, name), without))
        )
        stems = {os.path.splitext(name)[0] for name in names}
        for name in sorted(names):
            stem, extension = os.path.splitext(name)
            earlier = suffix and stem.endswith(suffix) and stem[: -len(suffix)] in stems
            if name.startswith(".") or extension.lower() not in extensions or earlier:
                ignored += 1
            else:
                found.append((os.path.join(place, name), folder))
    return found, ignored


def _same_file(one, other):
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def plan(inputs, options, *, reads=None, writes=None, companions=None):
    """Every input with its output, before any work.

    Parameters
    ----------
    inputs, options, reads, writes, companions
        As for `run`.

    Returns
    -------
    jobs : list of Job
    ignored : int
        Files in folders that are no inputs.

    Raises
    ------
    UsageError
        If two inputs would write one output, an output would replace another input,
        or the options contradict each other.
    """
    inputs = [str(name) for name in inputs]
    output = options.output
    if inputs.count("-") > 1 or ("-" in inputs and len(inputs) > 1):
        raise UsageError("- (standard input) must be the only input")
    if output is None and inputs == ["-"]:
        output = "-"
    into_folder = output not in (None, "-") and (
        os.path.isdir(output)
        or output.endswith(("/", os.sep))
        or len(inputs) > 1
        or any(os.path.isdir(name) for name in inputs)
    )
    if into_folder and os.path.exists(output) and not os.path.isdir(output):
        raise UsageError(f"{output} is a file: several inputs need a folder")
    if into_folder and inputs == ["-"]:
        raise UsageError("- (standard input) needs a file or - as --output, not a folder")
    suffix = options.suffix if options.explicit_suffix is None else options.explicit_suffix
    files, ignored = find(
        inputs,
        recursive=options.recursive,
        extensions=reads or tuple(EXTENSIONS),
        without=output if into_folder else None,
        suffix=suffix if output is None else "",
    )
    if output == "-" and len(files) > 1:
        raise UsageError("several inputs cannot all go to standard output")
    if output == "-" and options.json:
        raise UsageError("--json and the picture cannot both go to standard output")
    if output == "-" and sys.stdout.isatty() and not options.dry_run:
        raise UsageError("standard output is a terminal: redirect it, or name a file with -o")

    jobs = []
    for source, folder in files:
        if output == "-" or (output is not None and not into_folder):
            target = output
        else:
            target = _target(source, folder, output, options, reads, writes)
        jobs.append(_job(source, target, options, companions or {}))
    if output not in (None, "-") and not into_folder:
        _check_name(output, options, writes)
    _check_collisions(jobs)
    return jobs, ignored


def _target(source, folder, output, options, reads, writes):
    """Where the result for `source` goes."""
    place, name = os.path.split(source)
    stem, extension = os.path.splitext(name)
    if writes or options.format or reads:
        extension = writes or f".{options.format or 'png'}"
    suffix = options.suffix if options.explicit_suffix is None else options.explicit_suffix
    if output is None:
        return os.path.join(place, stem + suffix + extension)
    tree = os.path.relpath(place, folder) if folder else "."
    place = os.path.normpath(os.path.join(output, tree))
    target = os.path.join(place, stem + (options.explicit_suffix or "") + extension)
    if options.explicit_suffix is None and _same_file(source, target):
        target = os.path.join(place, stem + suffix + extension)
    return target


def _check_name(output, options, writes):
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


def _job(source, target, options, companions):
    """The job of one input, settled already where it cannot or need not be done."""

    def settled(error=None, **fields):
        return Job(source, target, error=error, **fields)

    if source != "-":
        if not os.path.lexists(source):
            return settled("no such file or folder")
        if os.path.isdir(source):
            return settled("a folder that cannot be read")
        if not os.path.isfile(source):
            return settled("neither a file nor a folder")
    if target != "-" and os.path.lexists(target):
        if os.path.isdir(target):
            return settled(f"{target} is a folder")
        if _same_file(source, target) and not options.overwrite:
            return settled(
                f"the output {target} is the input itself: use --overwrite to replace it"
            )
        if options.skip_existing:
            return settled(skip=True)
        if not options.overwrite:
            return settled(f"{target} exists: use --overwrite or --skip-existing")
    try:
        beside = {name: _matching(place, source, name) for name, place in companions.items()}
        reference = _matching(options.reference, source, "reference")
    except ValueError as error:
        return settled(str(error))
    return settled(companions=beside, reference=reference)


def _matching(place, source, name):
    """The file that belongs to `source`: `place`, or the one of the same stem in that folder."""
    if place is None or not os.path.isdir(place):
        if place is not None and not os.path.isfile(place):
            raise ValueError(f"the {name} {place} does not exist")
        return place
    stem = Path(source).stem
    found = [
        entry for entry in sorted(Path(place).iterdir()) if entry.stem == stem and entry.is_file()
    ]
    if len(found) != 1:
        count = "no file" if not found else f"{len(found)} files"
        raise ValueError(f"{count} called {stem}.* in the {name} folder {place}")
    return str(found[0])


def _check_collisions(jobs):
    """Refuse two outputs of one name on any file system, and outputs that are other inputs."""

    def key(path):
        # folders resolved, the last name not: an output that is a link is replaced, not followed
        folder, name = os.path.split(os.path.abspath(path))
        full = os.path.join(os.path.realpath(folder), name)
        return unicodedata.normalize("NFC", unicodedata.normalize("NFC", full).casefold())

    by_target = {}
    for job in jobs:
        if job.target == "-":
            continue
        other = by_target.setdefault(key(job.target), job)
        if other is not job:
            raise UsageError(
                f"{other.source} and {job.source} would both be written to {job.target}: "
                "use another --output, --format or --suffix"
            )
    for job in jobs:
        other = by_target.get(key(job.source))
        if other is not None and other is not job:
            raise UsageError(f"the output of {other.source} would replace the input {job.source}")


# --- One picture ----------------------------------------------------------------------


def restore_one(process, job, options, *, reads=None, writes=None, threads=None, progress=None):
    """Read, process and write one file; never raises for what is wrong with that file.

    Returns
    -------
    dict
        The keys of `REPORT`, and the facts of the task.
    """
    report = {**REPORT, "input": job.source, "output": job.target}
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            report |= _restore(process, job, options, reads, writes, threads, progress)
            report["status"] = "done"
        except Exception as error:
            report["status"] = "failed"
            report["error"] = failure_reason(error)
            if options.debug:
                report["traceback"] = traceback.format_exc()
    report["warnings"] = list(dict.fromkeys(str(one.message) for one in caught if _is_ours(one)))
    report["seconds"] = round(time.perf_counter() - start, 3)
    return report


def _is_ours(warning):
    from restore.files.picture import PictureWarning

    return issubclass(warning.category, PictureWarning)


def failure_reason(error):
    """One sentence for one error."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    sentence = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ValueError | TypeError | OSError):
        return sentence
    return f"{type(error).__name__}: {sentence} (--debug shows where)"


def _restore(process, job, options, reads, writes, threads, progress):
    from restore.files.reading import read_pages, read_picture

    if job.source == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
    else:
        source = open(job.source, "rb")
    with source:
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        companions = {
            name: read_picture(path, max_pixels=options.max_pixels)
            for name, path in job.companions.items()
        }
        if reads:
            pages, count, name = iter([source.read()]), 1, None
        else:
            name = format_of_bytes(source.read(16))
            source.seek(0)
            count = _count_pages(source, name) if options.page is None else 1
            pages = read_pages(source, page=options.page, max_pixels=options.max_pixels)
        if writes is None:
            name = format_of_name(job.target) or _wanted(options) or name or "png"
        else:
            name = None
        notes = {"size_in": size, "pages": 0}
        results = _results(process, pages, companions, options, name, notes, threads, progress)
        first = next(results)  # nothing is created before there is something to write
        if isinstance(first, bytes) and next(results, None) is not None:
            raise ValueError("this file has several pages: choose one with --page")
        extras = _extra_paths(job, notes.pop("extras", {}), options)
        with _target_file(job.target) as file:
            _write(file, itertools.chain([first], results), name, count, options)
            notes["size_out"] = file.seek(0, os.SEEK_END)
            if job.reference and name:
                file.seek(0)
                notes |= _measure(job.reference, file, options.max_pixels)
        for path, content in extras.items():
            with _target_file(path) as file:
                _write(file, [content], format_of_name(path), 1, options)
    return notes


def _wanted(options):
    return EXTENSIONS["." + options.format] if options.format else None


def _count_pages(file, name):
    if name != "tiff":
        return 1
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            return len(tiff.pages)
    except Exception:  # the reader says what is wrong
        return 1
    finally:
        file.seek(0)


def _results(process, pages, companions, options, name, notes, threads, progress):
    """Yield the output of each page, and note what there is to report."""
    from restore.files.metadata import stripped
    from restore.files.writing import check, depth_in

    for page in pages:
        hidden = None
        if not isinstance(page, bytes):
            if options.strip:
                page = page.replace(
                    metadata=stripped(page.metadata, profile_too=options.strip == "all")
                )
            if name:
                check(page, name, options.depth, options.strict)
            page, hidden = _without_hidden_colours(page)
            _note_size(notes, page)
        result = process(page, threads=threads, progress=progress, **companions)
        if not isinstance(result, Result):
            result = Result(result)
        output = result.output
        del page
        if not isinstance(output, bytes):
            output = _with_hidden_colours(output, hidden)
            _note_size(notes, output)
            notes["depth"] = depth_in(name, options.depth or output.depth)
        for fact, value in result.facts.items():
            # one page: the value; several: the list of values
            notes[fact] = value if not notes["pages"] else _listed(notes[fact]) + [value]
        notes["pages"] += 1
        if result.extras:
            notes["extras"] = result.extras
        waiting = [output]
        del result, output
        yield waiting.pop()


def _listed(value):
    return value if isinstance(value, list) else [value]


def _note_size(notes, picture):
    notes["height"], notes["width"], notes["channels"] = picture.samples.shape
    notes["depth"] = picture.depth


def _without_hidden_colours(picture):
    """The picture with invisible colours replaced by their nearest visible neighbours.

    What programs leave under full transparency (often black, or an old background) must
    not bleed into what is visible.
    """
    unsaid = picture.metadata.alpha_kind == "unspecified"
    if picture.alpha is None or unsaid or picture.alpha.all() or not picture.alpha.any():
        return picture, None
    from scipy.ndimage import distance_transform_edt

    invisible = picture.alpha == 0
    nearest = distance_transform_edt(invisible, return_distances=False, return_indices=True)
    return picture.replace(samples=picture.samples[tuple(nearest)]), (invisible, picture.samples)


def _with_hidden_colours(picture, hidden):
    """The picture with its invisible colours as they were, where it is still as large."""
    if hidden is None or picture.alpha is None:
        return picture
    invisible, samples = hidden
    if picture.samples.shape != samples.shape:
        return picture
    invisible = invisible & (picture.alpha == 0)
    restored = picture.samples.copy()
    restored[invisible] = samples[invisible]
    return picture.replace(samples=restored)


@contextlib.contextmanager
def _target_file(target):
    if target != "-":
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        with whole_file(target) as file:
            yield file
        return
    buffer = io.BytesIO()
    yield buffer
    sys.stdout.buffer.write(buffer.getbuffer())
    sys.stdout.buffer.flush()


def _extra_paths(job, extras, options):
    """Further outputs by path, none of which exists or all of which may be replaced."""
    if extras and job.target == "-":
        raise ValueError("further files need a file as --output, not standard output")
    stem = os.path.splitext(job.target)[0]
    for suffix in extras:
        if os.path.lexists(stem + suffix) and not options.overwrite:
            raise ValueError(f"{stem + suffix} exists: use --overwrite")
    return {stem + suffix: content for suffix, content in extras.items()}


def _write(file, contents, name, count, options):
    contents = iter(contents)
    first = next(contents)
    if isinstance(first, bytes):
        file.write(first)
        return
    from restore.files.writing import write_pages

    pages = itertools.chain([first], contents)
    del first
    write_pages(file, pages, name, count=count, depth=options.depth, strict=options.strict)


def _measure(reference, file, max_pixels):
    """PSNR and SSIM of what was written against the reference file."""
    from restore.files.reading import read_pages, read_picture
    from restore.measures import psnr, ssim

    wanted = read_picture(reference, max_pixels=max_pixels).samples
    pages = [page.samples for page in read_pages(file, max_pixels=max_pixels)]
    values = [(psnr(wanted, samples), ssim(wanted, samples)) for samples in pages]
    psnrs, ssims = ([round(float(value), 4) for value in column] for column in zip(*values))
    return {
        "psnr": psnrs[0] if len(psnrs) == 1 else psnrs,
        "ssim": ssims[0] if len(ssims) == 1 else ssims,
    }


# --- Many pictures --------------------------------------------------------------------


def run(process, inputs, options, *, reads=None, writes=None, companions=None):
    """Plan, do and report everything that was asked for.

    Parameters
    ----------
    process : callable
        ``process(picture, *, threads, progress) -> Picture | bytes | Result``, picklable;
        see the top of this module.
    inputs : sequence of str
        Files, folders, or "-".
    options : Options
    reads : tuple of str, optional
        Extensions of inputs that are not pictures; `process` then gets bytes.
    writes : str, optional
        Extension of outputs that are not pictures; `process` then returns bytes.
    companions : dict of str to path, optional
        A second picture per input, passed to `process` by this name.

    Returns
    -------
    int
        The exit code: 0 all done or skipped, 1 some failed, 2 wrong usage, 3 nothing
        matched, 128 + signal when interrupted (130 for Ctrl-C).
    """
    # one level of parallelism: threads over bands of patches, none inside BLAS
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    console = Console(options)
    try:
        jobs, ignored = plan(inputs, options, reads=reads, writes=writes, companions=companions)
    except UsageError as error:
        console.say(f"restore: {error}")
        return USAGE
    open_jobs = [job for job in jobs if not job.skip and job.error is None]
    missing = all(job.error and not os.path.lexists(job.source) for job in jobs)
    if options.dry_run:
        console.show_plan(jobs)
        return NOTHING if missing else FAILED if any(job.error for job in jobs) else DONE

    work = {"process": process, "options": options, "reads": reads, "writes": writes}
    outcome = {"done": 0, "skipped": 0, "failed": 0}
    interrupted = 0
    with _signals():
        try:
            console.begin(len(jobs))
            reports = _reports(work, jobs, len(open_jobs), options, console)
            with contextlib.closing(reports):
                for report in reports:
                    outcome[report["status"]] += 1
                    console.report(report, alone=len(jobs) == 1)
                    if report["status"] == "failed" and options.fail_fast:
                        break
        except KeyboardInterrupt:
            interrupted = signal.SIGINT
        except Interrupted as signalled:
            interrupted = signalled.args[0]
        except BrokenPipeError:
            # whoever read our output has gone: nothing left to tell, and no one to tell it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        finally:
            console.end()
    left = len(jobs) - sum(outcome.values())
    console.summary(outcome, left, ignored, interrupted, alone=len(jobs) == 1)
    if interrupted:
        return 128 + interrupted
    if not jobs or missing:
        if not jobs:
            console.say("restore: no picture found in what was named" + _hint(inputs, options))
        return NOTHING
    return FAILED if outcome["failed"] else DONE


def _hint(inputs, options):
    folders = any(os.path.isdir(name) for name in inputs)
    return (
        " (--recursive looks into folders of folders)" if folders and not options.recursive else ""
    )


@contextlib.contextmanager
def _signals():
    """SIGTERM and SIGHUP clean up and end the run as Ctrl-C does."""

    def stop(number, frame):
        raise Interrupted(number)

    previous = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # not in a thread of somebody's program, and not under nohup
        with contextlib.suppress(ValueError):
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def shares(jobs, threads, count, cpus):
    """How many processes and threads each: together never more than there are processors."""
    jobs = max(1, min(jobs, count, cpus))
    return jobs, max(1, min(threads or cpus, cpus // jobs))


def _reports(work, jobs, count, options, console):
    """Yield one report per job, in the order of `jobs`."""
    from loky import cpu_count

    processes, threads = shares(options.jobs, options.threads, count, cpu_count())
    console.announce_compilation()
    if processes == 1:
        for job in jobs:
            yield _settled(job) or restore_one(
                job=job, threads=threads, progress=console.stage, **work
            )
        return
    ready, position = {}, 0
    for number, report in _parallel(work, jobs, processes, threads):
        ready[number] = report
        while position in ready:
            yield ready.pop(position)
            position += 1


def _settled(job):
    if job.skip or job.error is not None:
        status = "skipped" if job.skip else "failed"
        return {
            **REPORT,
            "input": job.source,
            "output": job.target,
            "status": status,
            "error": job.error,
        }
    return None


class _Worker:
    """A spawned process that does one job at a time."""

    def __init__(self, work, threads):
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        # Ctrl-C reaches the whole group of processes; the parent alone decides what it means
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, previous)
        theirs.close()
        self.number, self.job = None, None

    def give(self, number, job):
        self.number, self.job = number, job
        with contextlib.suppress(OSError):  # it has died meanwhile: `take` finds out
            self.connection.send(job)

    def take(self):
        """The report of the job; a failed one if the process has died over it."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            how = f"killed by signal {-code}" if code < 0 else f"gone with exit code {code}"
            self.clean()
            why = ", perhaps for want of memory" if code == -9 else ""
            return _settled(dataclasses.replace(self.job, error=f"its process was {how}{why}"))

    def clean(self):
        if self.job is not None and self.job.target != "-":
            remove_leftovers(os.path.dirname(self.job.target) or ".", self.process.pid)

    def stop(self):
        self.connection.close()
        if self.process.is_alive():
            self.process.terminate()

    def ended(self):
        self.process.join(1)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.clean()


def _serve(connection, work, threads):
    """The life of a worker process."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            connection.send(restore_one(job=job, threads=threads, **work))


def _parallel(work, jobs, processes, threads):
    """Yield (number, report) as jobs are finished on `processes` processes."""
    waiting = []
    for number, job in enumerate(jobs):
        report = _settled(job)
        if report:
            yield number, report
        else:
            waiting.append((number, job))
    waiting.reverse()
    workers = []
    try:
        for _ in range(processes):
            workers.append(_Worker(work, threads))
            workers[-1].give(*waiting.pop())
        busy = list(workers)
        while busy:
            for connection in wait([worker.connection for worker in busy]):
                worker = next(one for one in busy if one.connection is connection)
                yield worker.number, worker.take()
                busy.remove(worker)
                if not waiting:
                    continue
                if not worker.process.is_alive():
                    workers.remove(worker)
                    worker = _Worker(work, threads)
                    workers.append(worker)
                worker.give(*waiting.pop())
                busy.append(worker)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.ended()


# --- What the user sees ---------------------------------------------------------------


class Console:
    """Everything that is printed: words and bars on stderr, JSON lines on stdout."""

    def __init__(self, options):
        self.options = options
        self.files = self.stages = self.current = None

    def say(self, sentence):
        """A line on stderr, above the bars where there are any."""
        if self.files is not None or self.stages is not None:
            from tqdm import tqdm

            tqdm.write(sentence, file=sys.stderr)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def _bar(self, **settings):
        from tqdm import tqdm

        # None: only on a terminal
        force = self.options.progress
        disable = True if self.options.quiet else None if force is None else not force
        return tqdm(file=sys.stderr, disable=disable, leave=False, dynamic_ncols=True, **settings)

    def begin(self, count):
        if count > 1:
            self.files = self._bar(total=count, unit="file", position=0)

    def stage(self, stage, done, total):
        """The progress of one picture, as tasks report it."""
        if self.current != (stage, total):
            if self.stages is not None:
                self.stages.close()
            self.current = (stage, total)
            self.stages = self._bar(total=total, desc=stage, position=int(self.files is not None))
        self.stages.update(done - self.stages.n)

    def end(self):
        for bar in (self.stages, self.files):
            if bar is not None:
                bar.close()
        self.files = self.stages = self.current = None

    def announce_compilation(self):
        if self.options.quiet or not sys.stderr.isatty():
            return
        from restore.kernels.jit import is_cached

        if not is_cached():
            self.say("compiling the kernels (once, some seconds)")

    def report(self, report, alone):
        """One finished file."""
        if self.stages is not None:
            self.stages.close()
            self.stages = self.current = None
        if self.files is not None:
            self.files.update()
        trace = report.pop("traceback", None)
        if trace:
            self.say(trace.rstrip())
        if report["status"] == "failed":
            self.say(f"restore: {report['input']}: {report['error']}")
        if not self.options.quiet:
            for sentence in report["warnings"]:
                self.say(f"restore: {report['input']}: warning: {sentence}")
            if report["status"] != "failed" and (alone or self.options.verbose):
                self.say(self._line(report))
        if self.options.json:
            print(json.dumps(_plain(report), allow_nan=False), flush=True)

    def _line(self, report):
        if report["status"] == "skipped":
            return f"{report['input']}: skipped, {report['output']} exists"
        facts = [f"{name} {_short(report[name])}" for name in report if name not in REPORT]
        if report["psnr"] is not None:
            facts += [f"PSNR {_short(report['psnr'])} dB", f"SSIM {_short(report['ssim'])}"]
        facts.append(f"{report['seconds']:.1f} s")
        return f"{report['input']} -> {report['output']} ({', '.join(facts)})"

    def summary(self, outcome, left, ignored, interrupted, alone):
        if self.options.quiet or (alone and not interrupted):
            return
        parts = [f"{count} {status}" for status, count in outcome.items() if count]
        if left:
            parts.append(f"{left} not done")
        if ignored:
            parts.append(f"{ignored} other files ignored")
        words = ", ".join(parts) or "nothing done"
        self.say(f"interrupted: {words}" if interrupted else words)

    def show_plan(self, jobs):
        for job in jobs:
            report = _settled(job)
            if self.options.json:
                report = report or {**REPORT, "input": job.source, "output": job.target}
                report["status"] = report["status"] or "planned"
                print(json.dumps(report))
            elif job.error is not None:
                self.say(f"restore: {job.source}: {job.error}")
            else:
                note = " (skipped: exists)" if job.skip else ""
                print(f"{job.source} -> {job.target}{note}")


def _plain(value):
    """`value` as JSON can hold it: numpy's numbers as Python's, NaN and infinity as null."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
