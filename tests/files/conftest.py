"""What holds for tests of files."""

import signal

import pytest

from restore.files import signals


@pytest.fixture(autouse=True)
def heard():
    """What is started hears signals that are ignored here, as behind a shell's `&` or `nohup`."""
    ignored = [number for number in signals.NUMBERS if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
