"""Types of arrays and numbers for annotations.

They state what mypy can check: whether samples are floats, integers or booleans. Shapes and
precision are in the docstrings: numpy's own annotations lose the precision whenever an array meets
a number.
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

#: One number, of Python or numpy: for mypy, of numpy's numbers only float64 is a float.
Number = float | np.floating[Any]

#: A standard deviation of noise: one of the picture, or one of each sample.
Level = Number | Floats

#: The name of a file or folder, and a file by its name or open for bytes.
AnyPath = str | os.PathLike[str]
File = AnyPath | BinaryIO
