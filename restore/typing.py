"""The kinds of arrays and numbers that signatures name.

They say what mypy can check: whether samples are floats, whole numbers or truth values. The
docstrings say the rest, shapes and the size of a number: numpy's own annotations lose the latter
wherever an array meets a number.
"""

import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Spectra = NDArray[np.complexfloating[Any, Any]]
#: Samples of any kind, such as a file holds.
Array = NDArray[Any]

#: One number, of Python or of numpy: no number of numpy but float64 is a float for mypy.
Number = float | np.floating[Any]

#: A standard deviation of noise: one of the picture, or one of each sample.
Level = Number | Floats

#: The name of a file or folder, and a file by its name or open for bytes.
AnyPath = str | os.PathLike[str]
File = AnyPath | BinaryIO
