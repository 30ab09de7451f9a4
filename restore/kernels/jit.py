"""How every kernel is compiled, and where the compiled code is kept.

Kernels are serial and release the interpreter lock; parallelism lives in
`restore.imaging.bands` alone. Compiled code is cached in a private folder whose name
holds a hash of *all* kernel sources, because numba looks only at the file of the
function itself and would go on using stale code of the functions it calls.

Compiling is what a user waits for at the first run. One array assigned to a slice of another
costs two seconds of it (numba compiles string code for the error of a shape that does not
fit), a loop a few hundredths.
"""

import functools
import hashlib
import os
import platform
import stat
import tempfile
import warnings
from pathlib import Path

import numba
import platformdirs
from numba.core.caching import FunctionCache

#: The part of fast-math that keeps NaN and infinity meaningful. For use inside one
#: patch only, where the order of the operations is fixed.
REORDER = {"contract", "reassoc", "nsz", "arcp"}


@functools.cache
def cache_folder():
    """The private folder of compiled kernels, or None where none can be written.

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
    if os.environ.get("NUMBA_CACHE_DIR"):
        return _private(Path(os.environ["NUMBA_CACHE_DIR"]) / "restore" / name)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return _private(platformdirs.user_cache_path("restore", appauthor=False) / name) or _private(
        Path(tempfile.gettempdir()) / f"restore-{user}" / name
    )


def _private(folder):
    """`folder` made and found writable and ours alone (cache files are pickles), or None."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid"):
            for owned in (folder, *folder.parents[:2]):
                status = owned.stat()
                # in a sticky folder, such as /tmp, others cannot move away what is ours
                shared = status.st_mode & stat.S_IWOTH and (
                    owned == folder or not status.st_mode & stat.S_ISVTX
                )
                if status.st_uid not in (os.getuid(), 0) or shared:
                    return None
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


class _TolerantCache(FunctionCache):
    """numba's cache, except that a broken or unwritable one never fails a run."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            # Truncated or foreign files raise anything; forget them and compile again.
            try:
                self.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()


def kernel(function=None, *, reorder=False):
    """Compile `function` on its first call: serial, without the interpreter lock, cached.

    Parameters
    ----------
    function : callable
        A function of arrays, then scalars.
    reorder : bool
        Allow all of `REORDER` within the kernel, for sums inside one patch. Without it
        only a multiplication and an addition may be contracted into one.
    """
    if function is None:
        return functools.partial(kernel, reorder=reorder)
    # numpy's error model: a division by zero gives inf or nan instead of a branch that
    # would keep the loop from being vectorised.
    dispatcher = numba.njit(
        nogil=True, error_model="numpy", fastmath=REORDER if reorder else {"contract"}
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


def is_cached():
    """Whether compiled kernels are on disk, so that the next run need not compile."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbi"))


def clear_cache():
    """Delete this version's compiled kernels; the next run compiles them again."""
    folder = cache_folder()
    if folder is not None:
        for file in [*folder.rglob("*.nbi"), *folder.rglob("*.nbc")]:
            file.unlink(missing_ok=True)
