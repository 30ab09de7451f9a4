"""The lowest layer: compiled kernels, which import only numpy and numba."""

from collections.abc import Callable

#: Called with the name of each kernel that is about to be compiled, from any thread.
listeners: list[Callable[[str], None]] = []
