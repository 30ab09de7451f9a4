"""Floor 0: compiled kernels. Only numpy and numba below this line."""

from collections.abc import Callable

#: Called with the name of each kernel that is about to be compiled, from any thread.
listeners: list[Callable[[str], None]] = []
