"""The thread pool: one function mapped over bands of work, results in order.

This is the only place where threads are started. Bands are cut by the data alone,
never by the number of threads, and their results are handed back in order, so a
result does not depend on how many threads computed it.
"""

import contextlib
import functools
import importlib.machinery
import importlib.util
import math
import os
import sys
import threading
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

#: Patches per band: enough to amortise a call, few enough to stay in the cache and
#: to let Ctrl-C through within half a second.
BAND = 16384

#: Samples per band of what is done pixel by pixel: its few passes stay in the cache.
PIXELS = 1 << 17

_loading = threading.Lock()

#: Pools that nobody uses, by their number of threads. A forked process has none of the threads.
_idle = defaultdict(list)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def usable_cpus():
    """Processors this process may use: affinity and container quota counted."""
    import loky

    return loky.cpu_count()


@functools.cache
def _blas():
    from threadpoolctl import ThreadpoolController

    _load_scipy_blas()
    return ThreadpoolController().select(user_api="blas")


def _load_scipy_blas():
    """Load what numba takes the kernels' matrix products from, before asking what is loaded.

    Without the rest of `scipy.linalg`, which the kernels do not need and which takes a tenth
    of a second, nearly as long as numba itself. Whoever imports that later gets all of it.
    """
    import scipy

    name = "scipy.linalg.cython_blas"
    folder = Path(scipy.__file__).parent / "linalg"
    with _loading:
        found = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
        if found is None or name in sys.modules:
            importlib.import_module(name)
            return
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        sys.modules[name] = module


def one_blas_thread():
    """A context in which matrix products keep to the thread that asks for them."""
    return _blas().limit(limits=1)


def map_bands(function, bands, threads=None, progress=None, stage=""):
    """Apply `function` to each band on a pool of threads and yield the results in order.

    Parameters
    ----------
    function : callable
        Called with one band; must release the interpreter lock to run in parallel.
    bands : sequence
        The work, e.g. slices of patch rows.
    threads : int, optional
        Threads to use; all usable processors by default. The results are the same
        for any number.
    progress : callable, optional
        Called as ``progress(stage, done, total)`` after each band, on the caller's thread.
    stage : str
        A word for the progress bar, e.g. ``"coding"``.

    Yields
    ------
    object
        ``function(band)`` for each band, in the order of `bands`. At most twice
        `threads` results are held at a time, which bounds the memory.

    Raises
    ------
    ValueError
        If `threads` is below 1.
    """
    bands = list(bands)
    threads = usable_cpus() if threads is None else threads
    if threads < 1:
        raise ValueError(f"expected at least 1 thread, got {threads}")
    if len(bands) == 1:  # as in what is itself done band by band: a pool would cost more
        with one_blas_thread():
            result = function(bands[0])
        yield result
        if progress:
            progress(stage, 1, 1)
        return
    done = 0
    with one_blas_thread(), _pool(threads) as pool:
        waiting = deque()
        try:
            for band in bands:
                waiting.append(pool.submit(function, band))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
                    done += 1
                    if progress:
                        progress(stage, done, len(bands))
            while waiting:
                yield waiting.popleft().result()
                done += 1
                if progress:
                    progress(stage, done, len(bands))
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)


def slices(count, size=BAND):
    """Cut ``range(count)`` into slices of `size`, the last one shorter."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


@contextlib.contextmanager
def _pool(threads):
    """Threads that nobody else uses meanwhile: kept, since learning asks for them in thousands."""
    try:
        pool = _idle[threads].pop()
    except IndexError:
        pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        _idle[threads].append(pool)


def for_each(function, bands, threads=None):
    """`map_bands` for a function that writes its results where they belong."""
    for _ in map_bands(function, bands, threads):
        pass


def rows(shape):
    """Slices of the rows of a picture, for what is done pixel by pixel.

    Parameters
    ----------
    shape : (height, width, ...)
    """
    return slices(shape[0], max(1, PIXELS // math.prod(shape[1:])))
