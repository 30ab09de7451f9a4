"""Floor 0: compiled kernels. Only numpy and numba below this line."""
