"""Writing files completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from restore.files.formats import PictureError
from restore.files.signals import at_signal

if TYPE_CHECKING:
    from restore.typing import AnyPath


#: Part of the names of unfinished files of this process; see `remove_unfinished`.
owner = secrets.token_hex(8)

#: Files left by a killed process are removed after this many seconds.
LEFT_BEHIND = 3600

_OURS = re.compile(r"\.restore-[0-9a-f]{16}(-[0-9a-f]{16}\.tmp|\.lock)")

_searched: set[Path] = set()


@contextlib.contextmanager
def whole_file(path: AnyPath, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a file that takes its place under `path` only when it is complete.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and
    then replace `path` in one step. On any error or signal the temporary file is removed
    and what was at `path` before is untouched. The permissions of a replaced file are kept.

    Temporary names are random: process numbers are the same in every container. The file
    is locked while it is written, which tells it from what a killed process left behind.

    Parameters
    ----------
    path : path
    replace : bool
        Whether a file at `path` may be replaced.

    Yields
    ------
    file
        Binary, readable and seekable.
    """
    path = Path(path)
    temporary = path.parent / f".restore-{owner}-{secrets.token_hex(8)}.tmp"
    with _removed_at_a_signal(temporary):
        try:
            # not mkstemp: its files are private, and an output should follow the user's umask
            with open(temporary, "x+b") as file:
                with contextlib.suppress(OSError):  # a file system without locks
                    _lock(file)
                _remove_left_behind(path.parent, os.fstat(file.fileno()).st_mtime)
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.utime(temporary)  # so that it does not look left behind once unlocked
            with contextlib.suppress(OSError):
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            _move(temporary, path, replace)
        except BaseException:
            _remove(temporary)
            raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def mark(folder: AnyPath) -> Iterator[str]:
    """The path of an empty file that exists in `folder` during the context."""
    path = os.path.join(folder, f".restore-{owner}-{secrets.token_hex(8)}.tmp")
    with _removed_at_a_signal(path):
        open(path, "xb").close()
        try:
            yield path
        finally:
            _remove(path)


def make_folder(path: AnyPath) -> None:
    """Make a folder and its parents, without the recursion of `os.makedirs`."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)


def open_regular(path: AnyPath) -> BinaryIO:
    """Open a binary file for reading; pipes and devices, which may have no end, are refused.

    Raises
    ------
    PictureError
        If it is one of those.
    OSError
        If it cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise PictureError("neither a file nor a folder")
    return open(path, "rb")


def _remove(path: AnyPath) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _removed_at_a_signal(path: AnyPath) -> AbstractContextManager[None]:
    return at_signal(lambda number: _remove(path))


def _move(temporary: Path, path: Path, replace: bool) -> None:
    """Rename a complete file; unless it may `replace` another, only to a free name."""
    if not replace:
        with contextlib.suppress(OSError):
            os.link(temporary, path)  # atomically checks that the name is free
            temporary.unlink()
            return
        # the name is taken, or the file system has no links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "a file has appeared meanwhile", str(path))
    os.replace(temporary, path)


@contextlib.contextmanager
def only_one(path: AnyPath) -> Iterator[None]:
    """Lock `path` for this process during the context.

    A small file beside `path` is locked; the system releases the lock even if the process is
    killed, and the next run reuses the file.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    path = Path(path)
    # of a fixed length, for names as long as a file system allows
    digest = hashlib.sha256(os.fsencode(path.name.casefold())).hexdigest()
    name = path.parent / f".restore-{digest[:16]}.lock"
    while True:
        with open(name, "a+b") as file:
            try:
                _lock(file)
            except OSError:
                raise BlockingIOError(None, "another run is writing this file", str(path)) from None
            if not _is_at(name, file):  # the holder has removed it since it was opened
                continue
            with _removed_at_a_signal(name):
                try:
                    yield
                finally:
                    _remove(name)
            return


def _is_at(path: Path, file: BinaryIO) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    return False


def _lock(file: BinaryIO) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, if the system can."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_unfinished(folder: AnyPath, owner: str) -> None:
    """Remove the unfinished files in `folder` of the process `owner`, which is gone."""
    for file in Path(folder).glob(f".restore-{owner}-*.tmp"):
        _remove(file)


def _remove_left_behind(folder: Path, now: float) -> None:
    """Remove the files of killed processes in `folder`: old, unlocked files with our names.

    `now` is by the clock of the file system. Each process searches a folder once.
    """
    if folder in _searched:
        return
    _searched.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left_behind(entry, now)


def _remove_if_left_behind(entry: os.DirEntry[str], now: float) -> None:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode) or now - status.st_mtime < LEFT_BEHIND:
        return
    if entry.name.endswith(".lock") and status.st_size:
        return
    with open(entry.path, "r+b") as file:
        _lock(file)
        os.unlink(entry.path)
