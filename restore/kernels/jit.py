"""How every kernel is compiled, and where the compiled code is kept.

Kernels are serial and release the interpreter lock; parallelism lives in
`restore.imaging.bands` alone. Compiled code is cached in a private folder whose name
holds a hash of *all* kernel sources, because numba checks only the file of the function itself and
would keep using stale code of the functions it calls. Compilation time is the waiting time of the
first run. Assigning an array to a slice of another costs two seconds of it (numba compiles string
code for the shape error), a loop a few hundredths.
"""

import functools
import hashlib
import os
import pickle
import platform
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
import platformdirs
from numba.core.caching import FunctionCache, IndexDataCacheFile

from restore.kernels import listeners

F = TypeVar("F", bound=Callable[..., Any])

#: The part of fast-math that keeps NaN and infinity meaningful. For use inside one
#: patch only, where the order of the operations is fixed.
REORDER = {"contract", "reassoc", "nsz", "arcp"}


@functools.cache
def cache_folder() -> Path | None:
    """The private folder of compiled kernels, or None if none is writable.

    Returns
    -------
    pathlib.Path or None
        A versioned folder ``restore/VERSIONS`` in ``NUMBA_CACHE_DIR`` where the user set it,
        else in the platform's cache folder, else in the temporary folder.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"{platform.python_version()}-numba{numba.__version__}-{digest.hexdigest()[:16]}"
    if numba.config.BOUNDSCHECK:  # numba itself would confuse the two kinds of code
        name += "-checked"
    if os.environ.get("NUMBA_CACHE_DIR"):
        return _private(Path(os.environ["NUMBA_CACHE_DIR"]) / "restore" / name)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    temporary = Path(tempfile.gettempdir()) / f"restore-{user}"
    try:
        kept = platformdirs.user_cache_path("restore", appauthor=False)
    except RuntimeError:  # neither HOME nor a user entry, as in containers
        kept = temporary
    if not kept.is_absolute():  # returned by older versions of platformdirs in that case
        kept = temporary
    return _private(kept / name) or _private(temporary / name)


def _private(folder: Path) -> Path | None:
    """Create `folder`; None unless it is writable and private to us (cache files are pickles)."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            for owned in (folder, *folder.parents[:2]):
                status = owned.stat()
                # in a sticky folder, such as /tmp, others cannot rename our files
                shared = status.st_mode & stat.S_IWOTH and (
                    owned == folder or not status.st_mode & stat.S_ISVTX
                )
                if status.st_uid not in (os.getuid(), 0) or shared:
                    return None
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


class _CheckedFiles(IndexDataCacheFile):
    """numba's cache files, each with a checksum: damaged machine code would crash the process.

    The key of the function is stored with its code, so that a damaged index, which may point to the
    file of another function, is detected, too.
    """

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (key, data))

    def load(self, key: Any) -> Any:
        found = super().load(key)
        if found is None:
            return None
        stored, data = found
        if stored != key:
            raise ValueError("the index names the code of another function")
        return data

    def _save_data(self, name: str, data: Any) -> None:
        data = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(data).digest() + data)

    def _load_data(self, name: str) -> Any:
        stored = Path(self._data_path(name)).read_bytes()
        digest, data = stored[:32], stored[32:]
        if hashlib.sha256(data).digest() != digest:
            raise ValueError("the compiled code is damaged")
        return pickle.loads(data)


class _TolerantCache(FunctionCache):
    """numba's cache, except that a broken or unwritable one never fails a run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        numba_files = self._cache_file
        self._cache_file = _CheckedFiles(
            numba_files._cache_path, self._impl.filename_base, numba_files._source_stamp
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        loaded = self._loaded(sig, target_context)
        if loaded is None:
            for listener in listeners:
                listener(self._py_func.__name__)
        return loaded

    def _loaded(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            # Truncated, damaged or foreign files may raise anything; discard them and compile
            # again.
            try:
                self.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()


@overload
def kernel(function: F) -> F: ...
@overload
def kernel(*, reorder: bool = ..., inline: bool = ...) -> Callable[[F], F]: ...
def kernel(function: Any = None, *, reorder: bool = False, inline: bool = False) -> Any:
    """Compile `function` on its first call: serial, without the interpreter lock, cached.

    Parameters
    ----------
    function : callable
        A function of arrays, then scalars.
    reorder : bool
        Allow all of `REORDER` within the kernel, for sums inside one patch. Without it
        only a multiplication and an addition may be contracted into one.
    inline : bool
        Copy it into the kernels that call it, for what they call most: an array is passed as seven
        arguments, which takes as long as a few lines of work.
    """
    if function is None:
        return functools.partial(kernel, reorder=reorder, inline=inline)
    # numpy's error model: a division by zero gives inf or nan instead of a branch that
    # would keep the loop from being vectorised.
    dispatcher = numba.njit(
        nogil=True,
        error_model="numpy",
        fastmath=REORDER if reorder else {"contract"},
        forceinline=inline,
    )(function)
    folder = cache_folder()
    if folder is not None and not numba.config.DISABLE_JIT:
        # numba reads the folder while the cache is made; other code keeps its own
        others, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
        try:
            dispatcher._cache = _TolerantCache(function)
        except (RuntimeError, OSError) as error:
            warnings.warn(f"kernels are not cached: {error}", RuntimeWarning, stacklevel=2)
        finally:
            numba.config.CACHE_DIR = others
    return dispatcher


def is_cached() -> bool:
    """Whether compiled kernels are on disk, so that the next run need not compile."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbi"))


def clear_cache() -> None:
    """Delete this version's compiled kernels; the next run compiles them again."""
    folder = cache_folder()
    if folder is not None:
        for file in folder.rglob("*.nb[ic]*"):  # also unfinished files of a killed process
            file.unlink(missing_ok=True)
