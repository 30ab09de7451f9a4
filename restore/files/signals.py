"""Signals that ask a process to stop: it cleans up and ends at once, with exit code 128 + their
number.

An exception, as Python raises for Ctrl-C, is not enough: within a callback of llvmlite or the
import of numpy it is lost or turned into another one, and a second signal would interrupt the
clean-up after the first.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


#: signals that are handled, if the system has them
NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

_endings: list[Callable[[int], object]] = []
#: signals received while they are deferred; else None
_waiting: list[int] | None = None


def listen() -> None:
    """Let signals end this process at any time; ignored signals stay ignored."""
    for number in NUMBERS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def ignore() -> None:
    """Ignore further signals: the process is ending already."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
    if _waiting is not None:
        _waiting.append(number)
        return
    ignore()
    for ending in reversed(_endings):
        with contextlib.suppress(Exception):
            ending(number)
    os._exit(128 + number)


@contextlib.contextmanager
def at_signal(ending: Callable[[int], object]) -> Iterator[None]:
    """Call ``ending(number)`` should a signal end the process within this context.

    It may interrupt any other call of the main thread, a print too. Of contexts within each
    other the innermost comes first.
    """
    _endings.append(ending)
    try:
        yield
    finally:
        _endings.remove(ending)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Defer signals to the end of this context; processes started in it ignore them."""
    global _waiting
    _waiting = []
    # inherited by processes; other threads of this one hear the signal nevertheless
    block = getattr(signal, "pthread_sigmask", None)
    before = block(signal.SIG_BLOCK, NUMBERS) if block else None
    try:
        yield
    finally:
        if block:
            block(signal.SIG_SETMASK, before)
        came, _waiting = _waiting, None
        if came:
            _end(came[0], None)
