"""Process one file: read, restore, write completely, report."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import io
import itertools
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from restore.batch.records import REPORT, Job, Options, Process, Result
from restore.files.formats import EXTENSIONS, format_of_bytes, format_of_name, written_format
from restore.files.safe import make_folder, whole_file
from restore.imaging.bands import Pool, one_blas_thread

if TYPE_CHECKING:
    from restore.files.picture import Picture
    from restore.files.views import View
    from restore.typing import Array, Flags

    #: The mask of invisible colours, and the original samples.
    Hidden = tuple[Flags, Array]


#: Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def restore_one(
    process: Process,
    job: Job,
    options: Options,
    *,
    reads: tuple[str, ...] | None = None,
    writes: str | None = None,
    raw: bool = False,
    coloured: bool = False,
    pool: Pool | None = None,
) -> dict[str, Any]:
    """Read, process and write one file; never raises for errors of that file.

    Returns
    -------
    dict
        The keys of `REPORT`, and the facts of the task.
    """
    _keep_freed_memory()
    report: dict[str, Any] = {**REPORT, "input": job.source, "output": job.target}
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # one level of parallelism: threads over bands of patches, none inside BLAS
            with one_blas_thread:
                report |= _restore(process, job, options, reads, writes, (raw, coloured), pool)
            report["status"] = "done"
        except Exception as error:
            report["status"] = "failed"
            report["error"] = failure_reason(error, job.source)
            if options.debug:
                report["traceback"] = traceback.format_exc()
    report["warnings"] = list(dict.fromkeys(str(one.message) for one in caught if _is_ours(one)))
    report["seconds"] = round(time.perf_counter() - start, 3)
    return report


def _is_ours(warning: Any) -> bool:
    from restore.files.picture import PictureWarning

    return issubclass(warning.category, PictureWarning)


def failure_reason(error: BaseException, file: str | None = None) -> str:
    """One sentence for one error; it does not name the file if that is `file`."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        other = error.filename and error.filename != file
        return error.strerror + (f": {error.filename}" if other else "")
    sentence = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ValueError | TypeError | OSError):
        return sentence
    return f"{type(error).__name__}: {sentence} (--debug shows where)"


@functools.cache
def _keep_freed_memory() -> None:
    """Let malloc keep up to 64 MB for the next arrays, which it would return to the system.

    Otherwise every array of some megabytes consists of pages that are taken from the system anew,
    and cleared: a fifth of the time of small pictures.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, 64 << 20)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)


def _restore(
    process: Process,
    job: Job,
    options: Options,
    reads: tuple[str, ...] | None,
    writes: str | None,
    kinds: tuple[bool, bool],
    pool: Pool | None,
) -> dict[str, Any]:
    from restore.files.reading import read_pages
    from restore.files.tiff import count_pictures

    _check_folder(job.target)
    if job.source == "-":
        source = io.BytesIO(sys.stdin.buffer.read())
    else:
        source = open(job.source, "rb")
    with source:
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        companions = {
            name: read_beside(path, name, options.max_pixels)
            for name, path in job.companions.items()
        }
        if job.reference:  # read again when it is needed; its errors are reported now
            read_beside(job.reference, "reference", options.max_pixels)
        if reads:
            pages, count, name = iter([source.read()]), 1, None
        else:
            name = format_of_bytes(source.read(16))
            source.seek(0)
            several = name == "tiff" and options.page is None
            count = count_pictures(source) if several else 1
            pages = read_pages(source, page=options.page, max_pixels=options.max_pixels, raw=True)
        if count > 1 and job.extras:
            raise ValueError("further files are written of single pages: choose one with --page")
        if count > 1 and writes:
            raise ValueError("this file has several pages: choose one with --page")
        if writes is None:
            name = format_of_name(job.target) or _wanted(options) or written_format(name)
        else:
            name = None
        notes: dict[str, Any] = {"size_in": size, "pages": 0, "facts": []}
        results = _results(process, pages, companions, options, name, kinds, notes, pool)
        first = next(results)  # no file is created before there is something to write
        extras = notes.pop("extras", {})
        # all files are complete before the first is moved into place, the output last
        with contextlib.ExitStack() as files:
            file = files.enter_context(_target_file(job.target, options))
            contents = itertools.chain([first], results)
            settings = {"depth": options.depth, "strict": options.strict, "pool": pool}
            _write(file, contents, name, count=count, **settings)
            notes["size_out"] = file.seek(0, os.SEEK_END)
            if job.reference and name:
                file.seek(0)
                notes |= _measure(job.reference, file, options)
            for suffix, content in extras.items():
                path = job.extras[suffix]
                file = files.enter_context(_target_file(path, options))
                _write(file, [content], format_of_name(path), pool=pool)
    return notes | _told(notes.pop("facts"))


def read_beside(path: str, name: str, max_pixels: int) -> Picture:
    """Read a mask or a reference; errors name that file."""
    from restore.files.picture import unwarned
    from restore.files.reading import read_picture

    with unwarned():
        try:
            return read_picture(path, max_pixels=max_pixels)
        except ValueError as error:
            raise ValueError(f"the {name} {path}: {error}") from error


def _check_folder(target: str) -> None:
    """Refuse a folder that is not writable before, not after, minutes of work."""
    folder = os.path.dirname(os.path.abspath(target))
    while target != "-" and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if target != "-" and os.path.isdir(folder) and not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "the output folder cannot be written", folder)


def _wanted(options: Options) -> str | None:
    return EXTENSIONS["." + options.format] if options.format else None


def _results(
    process: Process,
    pages: Iterable[Any],
    companions: Mapping[str, Picture],
    options: Options,
    name: str | None,
    kinds: tuple[bool, bool],
    notes: dict[str, Any],
    pool: Pool | None,
) -> Iterator[Any]:
    """Yield the output of each page, and collect what to report."""
    from restore.files.metadata import stripped
    from restore.files.raw import developed
    from restore.files.writing import check, depth_in

    for page in pages:
        hidden = None
        page = _with_wishes(page, name, options)
        if not isinstance(page, bytes):
            if options.strip:
                page = page.replace(
                    metadata=stripped(page.metadata, profile_too=options.strip == "all")
                )
            raw, coloured = kinds
            if name:
                grey = page.samples.shape[2] == 1
                in_colour = grey and (coloured or page.metadata.camera is not None)
                check(
                    _as_if_coloured(page) if in_colour else page,
                    name,
                    options.depth,
                    options.strict,
                )
            if page.metadata.camera and not raw:
                page, _ = developed(page, pool=pool)
            page, hidden = _without_hidden_colours(page)
            _note_size(notes, page)
        result = process(page, pool=pool, **companions)
        if not isinstance(result, Result):
            result = Result(result)
        output = result.output
        _check_finite(output, page)
        if options.view_bytes and not notes["pages"]:
            notes["view"] = _view(page, output, options.view_bytes)
        del page
        if not isinstance(output, bytes):
            output = _with_hidden_colours(output, hidden)
            _note_size(notes, output)
            assert name is not None  # pictures have a format
            notes["depth"] = depth_in(name, options.depth or output.depth)
        notes["facts"].append(result.facts)
        notes["pages"] += 1
        if result.extras:
            notes["extras"] = result.extras
        waiting = [output]
        del result, output
        yield waiting.pop()


def _view(page: Any, output: Any, most: int) -> View | None:
    """The view of the first page for a report; None if neither side is a picture."""
    from restore.files.views import view

    sides = [None if isinstance(side, bytes) else side.samples for side in (page, output)]
    return None if all(side is None for side in sides) else view(sides[0], sides[1], most)


def _with_wishes(page: Picture, name: str | None, options: Options) -> Picture:
    """The page of a camera raw file, with the options for its development."""
    space, linear = options.colour_space, options.linear
    camera = None if isinstance(page, bytes) else page.metadata.camera
    if camera is None:
        if space or linear:
            raise ValueError("--colour-space and --linear are for camera raw files")
        return page
    if name == "dng":
        if space or linear:
            raise ValueError(
                "a DNG is linear and has the camera's colours: leave out --colour-space and "
                "--linear"
            )
        camera = camera.replace(balanced=False)
    camera = camera.replace(space=space or "srgb", linear=linear)
    return page.replace(metadata=page.metadata.replace(camera=camera))


def _as_if_coloured(page: Picture) -> Picture:
    """A placeholder for the colour picture that a grey page becomes."""
    import numpy as np

    return page.replace(samples=np.broadcast_to(page.samples, (*page.samples.shape[:2], 3)))


def _check_finite(output: Any, page: Any) -> None:
    """Refuse a result with NaN or infinity that the input does not have."""
    from restore.imaging.arrays import check_finite

    if isinstance(output, bytes):
        return
    samples = output.samples
    if not isinstance(page, bytes):
        import numpy as np

        odd = ~np.isfinite(page.samples).all(axis=2)
        if odd.any():  # for a picture of another size they cannot be compared
            samples = samples[~odd] if odd.shape == samples.shape[:2] else samples[:0]
    check_finite(samples)


def _told(facts: list[dict[str, Any]]) -> dict[str, Any]:
    """The facts of one page unchanged; of several pages, a list per fact, with None if missing."""
    if len(facts) == 1:
        return facts[0]
    names = dict.fromkeys(name for page in facts for name in page)
    return {name: [page.get(name) for page in facts] for name in names}


def _note_size(notes: dict[str, Any], picture: Any) -> None:
    notes["height"], notes["width"], notes["channels"] = picture.samples.shape
    notes["depth"] = picture.depth


def _without_hidden_colours(picture: Picture) -> tuple[Picture, Hidden | None]:
    """The picture with invisible colours replaced by their nearest visible neighbours.

    Colours under full transparency (often black, or an old background) must not bleed into visible
    ones.
    """
    unsaid = picture.metadata.alpha_kind == "unspecified"
    if picture.alpha is None or unsaid or picture.alpha.all() or not picture.alpha.any():
        return picture, None
    from scipy.ndimage import distance_transform_edt

    invisible = picture.alpha == 0
    nearest = distance_transform_edt(invisible, return_distances=False, return_indices=True)
    return picture.replace(samples=picture.samples[tuple(nearest)]), (invisible, picture.samples)


def _with_hidden_colours(picture: Picture, hidden: Hidden | None) -> Picture:
    """The picture with its invisible colours restored, if its size is unchanged."""
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
def _target_file(target: str, options: Options) -> Iterator[BinaryIO]:
    if target != "-":
        make_folder(os.path.dirname(target))
        with whole_file(target, replace=options.overwrite) as file:
            yield file
        return
    buffer = io.BytesIO()
    yield buffer
    sys.stdout.buffer.write(buffer.getbuffer())
    sys.stdout.buffer.flush()


def _write(file: BinaryIO, contents: Iterable[Any], name: str | None, **options: Any) -> None:
    contents = iter(contents)
    first = next(contents)
    if isinstance(first, bytes):
        file.write(first)
        return
    from restore.files.writing import write_pages

    assert name is not None  # pictures have a format
    write_pages(file, itertools.chain([first], contents), name, **options)


def _measure(reference: str, file: BinaryIO, options: Options) -> dict[str, Any]:
    """PSNR and SSIM of the written picture against the reference file."""
    from restore.files.reading import read_pages
    from restore.imaging.measures import psnr, ssim

    wanted = read_beside(reference, "reference", options.max_pixels).samples
    pages = [page.samples for page in read_pages(file, max_pixels=options.max_pixels)]
    values = [(psnr(wanted, samples), ssim(wanted, samples)) for samples in pages]
    psnrs, ssims = ([round(float(value), 4) for value in column] for column in zip(*values))
    return {
        "psnr": psnrs[0] if len(psnrs) == 1 else psnrs,
        "ssim": ssims[0] if len(ssims) == 1 else ssims,
    }
