from .batch.report import compare
from .imaging.bands import Pool
from .imaging.uncertainty import estimate_error
from .learning.super_resolution import learn_super_resolution
from .sparse.dictionary import Dictionary
from .sparse.dictionary_learning import Rules, learn_dictionary
from .sparse.solve import solve
from .tasks.compression import Extras, compress, decompress
from .tasks.deconvolution import deblur
from .tasks.demosaicing import demosaic
from .tasks.denoising import denoise
from .tasks.inpainting import find_defects, inpaint
from .tasks.super_resolution import super_resolve

__version__: str

__all__ = [
    "Dictionary",
    "Extras",
    "Pool",
    "Rules",
    "__version__",
    "compare",
    "compress",
    "decompress",
    "deblur",
    "demosaic",
    "denoise",
    "estimate_error",
    "find_defects",
    "inpaint",
    "learn_dictionary",
    "learn_super_resolution",
    "solve",
    "super_resolve",
]
