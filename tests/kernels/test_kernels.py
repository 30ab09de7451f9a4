"""What holds for every kernel."""

import importlib
import pkgutil

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import restore
from restore import kernels
from restore.sparse import atom_updates, coding, dictionary_learning
from restore.sparse.dictionary import overcomplete_dct
from restore.tasks.denoising.dictionary import Classic

MODULES = [name for _, name, _ in pkgutil.iter_modules(kernels.__path__) if name != "jit"]


CALLED_BY_KERNELS = {"begin", "bucket", "code_bit", "code_even", "code_large", "code_mixed",
                     "finish", "half_octave", "project", "split"}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
def test_every_kernel_is_compiled_once(channels):
    """Doors coerce types, order and scalars, so that no call waits for another compilation."""
    noisy = np.random.default_rng(0).random((24, 30, channels))
    for array in (noisy, noisy.astype(np.float32)[:, ::-1], (255 * noisy).astype(np.uint8)):
        restore.denoise(array, 0.1)
        restore.denoise(
            array, 0.1, dictionary="learn", settings=Classic(n_atoms=32, patch_size=4, iterations=1)
        )
        restore.denoise(
            array,
            0.05,
            dictionary="grey" if channels == 1 else "colour",
            settings=Classic(stride=3),
        )
        restore.inpaint(array, array[..., 0] > array[..., 0].mean())
        restore.inpaint(array, array[..., 0] > array[..., 0].mean(), dictionary="learn")
        restore.inpaint(array, np.pad(np.ones((9, 9)), ((8, 7), (11, 10))), sigma=0.1)
        restore.demosaic(array[..., 0], sigma=0.05)
        restore.super_resolve(array)
        restore.super_resolve(array, dictionary="learn", quality="fast")
        restore.demosaic(array[..., 0], dictionary="learn", quality="fast")
        restore.decompress(restore.compress(array).data)
    dictionary = overcomplete_dct(32, (4, 4, channels))
    patches = np.random.default_rng(0).random((64, 16 * channels))
    patches.flags.writeable = False
    for given in (patches, np.asfortranarray(patches), patches.astype(np.float32)):
        coding.code(given, dictionary, 3)
        coding.code(given, dictionary, tolerance=np.full(64, 1.0), rule="omp")
        coding.code_l1(given, dictionary, np.float64(0.1))
        for method in atom_updates.METHODS:
            dictionary_learning.learn_dictionary(
                given,
                (4, 4, channels),
                32,
                np.int64(3),
                rules=dictionary_learning.Rules(method),
                iterations=1,
            )
    for name in MODULES:
        module = importlib.import_module(f"restore.kernels.{name}")
        for label, kernel in vars(module).items():
            # those with an underscore, of linear, of similar and these are called by kernels
            # alone, with literal scalars, parts of arrays or two kinds of coder
            if isinstance(kernel, Dispatcher) and not (
                label.startswith("_")
                or label in CALLED_BY_KERNELS
                or kernel.py_func.__module__.rpartition(".")[2] in ("linear", "similar")
            ):
                assert len(kernel.signatures) <= 1, f"{name}.{label}: {kernel.signatures}"
