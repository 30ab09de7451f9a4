"""Literal, slow twins of the kernels: the equations as they stand in the papers.

A module for each of `restore.kernels`. Imports nothing from `restore`.
"""

from tests.reference import (
    anchors,
    bits,
    blocks,
    completion,
    deblocking,
    entropy,
    groups,
    holes,
    inpainting,
    learning,
    masked,
    mosaic,
    nonnegative,
    patches,
    pursuit,
    quantised,
    regression,
    resize,
    shrinkage,
    similar,
    unrolled,
)

__all__ = [
    "anchors",
    "bits",
    "blocks",
    "completion",
    "deblocking",
    "entropy",
    "groups",
    "holes",
    "inpainting",
    "learning",
    "masked",
    "mosaic",
    "nonnegative",
    "patches",
    "pursuit",
    "quantised",
    "regression",
    "resize",
    "shrinkage",
    "similar",
    "unrolled",
]
