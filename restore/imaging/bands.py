"""The thread pool: one function mapped over bands of work, results in order.

This is the only place where threads are started. Bands depend only on the data, never on the number
of threads, and their results are returned in order, so a result does not depend on the number of
threads.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

Band = TypeVar("Band")
Result = TypeVar("Result")

#: Patches per band: enough to amortise a call, few enough to stay in the cache and to react to
#: Ctrl-C within half a second.
BAND = 16384

#: Samples per band of pixelwise work: its few passes stay in the cache.
PIXELS = 1 << 17

#: Samples of the largest picture that is restored as a whole, and of a strip of a larger one.
WHOLE, STRIP = 80_000_000, 12_000_000

#: Idle executors, by their number of threads.
_idle: defaultdict[int, list[ThreadPoolExecutor]] = defaultdict(list)


def usable_cpus() -> int:
    """Number of processors this process may use, by affinity and container quota."""
    import loky

    return loky.cpu_count()


class _OneBlasThread:
    """Limits BLAS to one thread while any caller is inside the context.

    The number of threads of a BLAS library is global to the process. It is set when the first
    caller enters and restored when the last one leaves, in any order. One thread does both, since
    threadpoolctl ignores all but the thread that came first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._keeper = ThreadPoolExecutor(1)
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limit = self._keeper.submit(_limited).result()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._keeper.submit(self._limit.__exit__, None, None, None).result()


#: A context for matrix products: ``with one_blas_thread:``. Never hold it across a ``yield``.
one_blas_thread = _OneBlasThread()


def _without_threads() -> None:
    """Forget the threads, which a forked process does not have."""
    _idle.clear()
    one_blas_thread.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_without_threads)


def _limited() -> Any:
    return _blas().limit(limits=1).__enter__()


@functools.cache
def _blas() -> Any:
    # numba's matrix products use it; it must be loaded before asking what is loaded
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@dataclass(frozen=True)
class Pool:
    """Number of threads and progress callback, passed down to wherever bands are processed.

    Attributes
    ----------
    threads : int, optional
        All usable processors by default. The results are the same for any number.
    progress : callable, optional
        Called as ``progress(stage, done, total)`` on the caller's thread, with the name of the
        stage, the number of parts done, and the total number.

    Raises
    ------
    ValueError
        If `threads` is below 1.

    Examples
    --------
    >>> from skimage import data
    >>> from restore import Pool, inpaint
    >>> stages = set()
    >>> pool = Pool(threads=2, progress=lambda stage, done, total: stages.add(stage))
    >>> picture = data.camera()[:48, :48]
    >>> filled = inpaint(picture, picture > 200, quality="fast", pool=pool)
    >>> len(stages) > 0
    True
    """

    threads: int | None = None
    progress: Callable[[str, int, int], object] | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"expected at least 1 thread, got {self.threads}")


def tell(pool: Pool | None, stage: str, done: int, total: int) -> None:
    """Report progress, if there is a callback."""
    if pool is not None and pool.progress:
        pool.progress(stage, done, total)


def part(pool: Pool | None, number: int, parts: int, prefix: str = "") -> Pool:
    """The pool for part `number` of several: progress counts up over all of them."""

    def told(stage: str, done: int, total: int) -> None:
        tell(pool, prefix + stage, number * total + done, parts * total)

    return Pool(pool.threads if pool else None, told if pool and pool.progress else None)


def map_bands(
    function: Callable[[Band], Result],
    bands: Iterable[Band],
    pool: Pool | None = None,
    stage: str | None = None,
) -> Iterator[Result]:
    """Apply `function` to each band on a pool of threads and yield the results in order.

    Parameters
    ----------
    function : callable
        Called with one band; must release the interpreter lock to run in parallel.
    bands : sequence
        The work, e.g. slices of patch rows.
    pool : Pool, optional
        Threads and progress.
    stage : str, optional
        A word for the progress bar, e.g. ``"coding"``; without it none is reported.

    Yields
    ------
    object
        ``function(band)`` for each band, in the order of `bands`. At most twice
        as many results as threads are held at a time, which bounds the memory.
    """
    bands = list(bands)
    pool = pool or Pool()
    threads = pool.threads or usable_cpus()

    def told(done: int) -> None:
        if stage:
            tell(pool, stage, done, len(bands))

    def limited(band: Band) -> Result:
        with one_blas_thread:
            return function(band)

    if len(bands) == 1:  # too little work: threads would cost more
        yield limited(bands[0])
        told(1)
        return
    done = 0
    with _threads(threads) as executor:
        waiting: deque[Future[Result]] = deque()
        try:
            for band in bands:
                waiting.append(executor.submit(limited, band))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
                    done += 1
                    told(done)
            while waiting:
                yield waiting.popleft().result()
                done += 1
                told(done)
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)


def slices(count: int, size: int = BAND) -> list[slice]:
    """Cut ``range(count)`` into slices of `size`, the last one shorter."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def strips(height: int, row: int, step: int) -> list[slice]:
    """The rows of a picture that are restored together, so that memory stays bounded.

    Parameters
    ----------
    height, row : int
        Of the picture: its rows, and the samples of each.
    step : int
        Strips start at multiples of it: patches then lie where they lie in the whole picture.
    """
    if height * row <= WHOLE:
        return [slice(0, height)]
    return slices(height, max(1, STRIP // (row * step)) * step)


def widened(rows: slice, margin: int, height: int) -> tuple[slice, slice]:
    """A strip with its surroundings, and the strip's rows in it."""
    top = max(0, rows.start - margin)
    wide = slice(top, min(rows.stop + margin, height))
    return wide, slice(rows.start - top, rows.stop - top)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """An executor for exclusive use; reused, since learning needs thousands."""
    try:
        executor = _idle[count].pop()
    except IndexError:
        executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
        _idle[count].append(executor)


def for_each(
    function: Callable[[Band], object], bands: Iterable[Band], pool: Pool | None = None
) -> None:
    """`map_bands` for a function that writes its results in place."""
    for _ in map_bands(function, bands, pool):
        pass


def rows(shape: tuple[int, ...]) -> list[slice]:
    """Slices of the rows of a picture, for pixelwise work.

    Parameters
    ----------
    shape : (height, width, ...)
    """
    return slices(shape[0], max(1, PIXELS // math.prod(shape[1:])))
