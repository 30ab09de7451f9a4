"""Image restoration by sparse coding over learned dictionaries.

Every small patch of a natural image is a combination of a few atoms of a learned
dictionary. `denoise` and its siblings say so in numpy; the command ``restore`` is a
skin over them.
"""

import importlib

__version__ = "0.1.0"

# Loaded on first use, so that ``import restore`` and every ``--help`` stay light.
_HOME = {
    "compare": "batch.report",
    "compress": "tasks.compression",
    "decompress": "tasks.compression",
    "demosaic": "tasks.demosaicing",
    "denoise": "tasks.denoising",
    "find_defects": "tasks.inpainting",
    "inpaint": "tasks.inpainting",
    "super_resolve": "tasks.super_resolution",
    "learn_super_resolution": "learning.super_resolution",
    "Dictionary": "sparse.dictionary",
    "Extras": "tasks.compression",
    "Pool": "imaging.bands",
    "learn_dictionary": "sparse.dictionary_learning",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"restore.{_HOME[name]}"), name)
    raise AttributeError(f"module 'restore' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
