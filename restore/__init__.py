"""Image restoration by sparse coding over learned dictionaries.

Every small patch of a natural image is a combination of a few atoms of a learned
dictionary. `denoise` and its siblings work on numpy arrays; the command ``restore`` is a thin layer
over them.
"""

import lazy_loader

__version__ = "1.0.0"

# The names of __init__.pyi, loaded on first use, so that ``import restore`` and every ``--help``
# stay light.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
