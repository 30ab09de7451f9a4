"""What holds for the whole suite."""

import inspect
import signal

import numba
import pytest

from restore.files import signals

#: They are about the compiled code.
COMPILED = {"test_bounds.py", "test_jit.py", "test_kernels.py"}


def pytest_collection_modifyitems(config, items):
    """With the JIT off kernels are slow: only tests of their own, of small arrays, run.

    These are the tests of `tests/kernels` and all that compare with a literal twin. Coverage counts
    what the bodies of kernels do in this way; see `make coverage`.
    """
    if not numba.config.DISABLE_JIT:
        return
    small = [item for item in items if item.path.name not in COMPILED and _is_small(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in small])
    items[:] = small


def _is_small(item):
    if item.path.parent.name == "kernels":
        return "compiled" not in item.name
    return "reference." in inspect.getsource(item.function)


@pytest.fixture
def heard():
    """What is started hears signals that are ignored here, as behind a shell's `&` or `nohup`."""
    ignored = [number for number in signals.NUMBERS if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.default_int_handler)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
