"""The thread pool: one function mapped over bands of work, results in order.

This is the only place where threads are started. Bands are cut by the data alone,
never by the number of threads, and their results are handed back in order, so a
result does not depend on how many threads computed it.
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

#: Patches per band: enough to amortise a call, few enough to stay in the cache and
#: to let Ctrl-C through within half a second.
BAND = 16384

#: Samples per band of what is done pixel by pixel: its few passes stay in the cache.
PIXELS = 1 << 17

#: Executors that nobody uses, by their number of threads.
_idle: defaultdict[int, list[ThreadPoolExecutor]] = defaultdict(list)


def usable_cpus() -> int:
    """Processors this process may use: affinity and container quota counted."""
    import loky

    return loky.cpu_count()


class _OneBlasThread:
    """Keeps matrix products to the thread that asks for them while anybody is inside.

    The number of threads of a BLAS library belongs to the whole process. It is set when the
    first comes in and given back when the last goes out, whatever the order in between. One
    thread does both, since threadpoolctl ignores all but the thread that came first.
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
    """Forget the threads that a forked process does not have."""
    _idle.clear()
    one_blas_thread.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_without_threads)


def _limited() -> Any:
    return _blas().limit(limits=1).__enter__()


@functools.cache
def _blas() -> Any:
    # what numba takes the kernels' products from; it must be there before asking what is loaded
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@dataclass(frozen=True)
class Pool:
    """How to work: handed down from the caller to wherever bands are mapped.

    Attributes
    ----------
    threads : int, optional
        All usable processors by default. The results are the same for any number.
    progress : callable, optional
        Called as ``progress(stage, done, total)`` on the caller's thread: a word for what is
        being done, how many parts of it are done, and how many there are.

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
    """Report progress, where somebody listens."""
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

    if len(bands) == 1:  # as in what is itself done band by band: threads would cost more
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


@contextlib.contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that nobody else uses meanwhile: kept, since learning asks for them in thousands."""
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
    """`map_bands` for a function that writes its results where they belong."""
    for _ in map_bands(function, bands, pool):
        pass


def rows(shape: tuple[int, ...]) -> list[slice]:
    """Slices of the rows of a picture, for what is done pixel by pixel.

    Parameters
    ----------
    shape : (height, width, ...)
    """
    return slices(shape[0], max(1, PIXELS // math.prod(shape[1:])))
