"""Files are written whole or not at all."""

import contextlib
import errno
import itertools
import os
from pathlib import Path

_number = itertools.count()


def _prefix(process):
    return f".restore-{process}-"


@contextlib.contextmanager
def whole_file(path, replace=True):
    """Open a file that takes its place under `path` only when it is complete.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and
    then replace `path` in one step. On any error or signal the temporary file is removed
    and what was at `path` before is untouched. The permissions of a replaced file are kept.

    Parameters
    ----------
    path : path
    replace : bool
        Whether a file that is at `path` by then may be replaced.

    Yields
    ------
    file
        Binary, readable and seekable.
    """
    path = Path(path)
    temporary = path.parent / f"{_prefix(os.getpid())}{next(_number)}.tmp"
    try:
        # not mkstemp: its files are private, and an output should follow the user's umask
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            os.chmod(temporary, path.stat().st_mode & 0o7777)
        _move(temporary, path, replace)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _move(temporary, path, replace):
    """Give a complete file its name; unless it may `replace` another, only a free name."""
    if not replace:
        with contextlib.suppress(OSError):
            os.link(temporary, path)  # in one step with finding out that the name is free
            temporary.unlink()
            return
        # not free, or a file system without links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "a file has appeared meanwhile", str(path))
    os.replace(temporary, path)


@contextlib.contextmanager
def only_one(path):
    """Hold `path` for this process alone, as long as the context lasts.

    A small file beside `path` is locked; the system lets go of it even where the process is
    killed.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    path = Path(path)
    name = path.parent / f".{path.name}.lock"
    with open(name, "a+b") as file:
        try:
            _lock(file)
        except OSError:
            raise BlockingIOError(None, "another run is writing this file", str(path)) from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                name.unlink()


def _lock(file):
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder):
    """Make the new name itself survive a power cut, where the system can."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder, process):
    """Remove what a killed `process` had begun to write in `folder`."""
    for leftover in Path(folder).glob(_prefix(process) + "*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()
