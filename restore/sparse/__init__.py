"""Patches, dictionaries and pursuit, from which all tasks are built."""

import lazy_loader

# the names of __init__.pyi, loaded on first use
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
