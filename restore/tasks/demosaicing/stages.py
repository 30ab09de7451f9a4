"""The steps from a mosaic to full colour, each from one strip to a smaller one.

All strips begin with a sample under a red filter of the pattern RGGB. A step needs a margin of
samples around those that it estimates; its result is smaller by that much on all sides. Estimates
hold only the two colours that were not measured at a sample
(`restore.kernels.regression.missing_colours`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from restore.imaging import archive
from restore.kernels import mosaic as kernels
from restore.kernels import regression
from restore.typing import File, Floats, Integers

#: Samples around a strip that the first estimates need.
FIRST_MARGIN = 36

#: The same for the first learned stage, which also uses local means, and for later ones.
WIDE_MARGIN = 20
NARROW_MARGIN = 8

#: Features of the directions, of the surroundings and of the current estimate.
FIXED, LOCAL = 12, 13

#: Windows of the first and of later stages, as radii: of the current estimate of the measured
#: and the missing colours, of the missing ones by the first estimates, of a noisy mosaic.
WIDE_RADII = (4, 2, 2, 2, 2)
NARROW_RADII = (3, 3, 3, 1, 1, 1, 1)
NOISY_RADII = (*NARROW_RADII, 3)


#: Planes, local means and features of a strip.
Inputs = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Stage:
    """Regressions from windows to colours, and the trees that choose one."""

    radii: np.ndarray
    """(planes,) int64: the windows, of side ``2 radius + 1``."""
    nodes: np.ndarray
    """(nodes, 3) float32, see `restore.kernels.regression.choose`."""
    weights: np.ndarray
    """(leaves, 2 or 3, inputs) float32: for the missing colours, or for the measured one, too."""


def windows(number: int, noisy: bool) -> tuple[int, ...]:
    """The radii of stage `number`, from 0."""
    return WIDE_RADII if number == 0 else NOISY_RADII if noisy else NARROW_RADII


def margin(stages: int) -> int:
    """Samples around a strip that the first estimates and `stages` learned stages need."""
    return FIRST_MARGIN + (WIDE_MARGIN + NARROW_MARGIN * (stages - 1) if stages else 0)


def inner(planes: Floats, by: int) -> Floats:
    """Planes (..., h, w) less `by` samples on all sides."""
    return planes[..., by : planes.shape[-2] - by, by : planes.shape[-1] - by]


def first_estimates(mosaic: Floats) -> Floats:
    """Two estimates from directional differences, and three features of the directions.

    Parameters
    ----------
    mosaic : (height, width) float32 ndarray

    Returns
    -------
    (7, height - 2 FIRST_MARGIN, width - 2 FIRST_MARGIN) float32 ndarray
        The first estimate by Hamilton and Adams' differences, the second by residual
        interpolation, two planes each; then the features.
    """
    turned = np.ascontiguousarray(mosaic.T)
    found = np.empty((7, *mosaic.shape), np.float32)
    colour = np.zeros((3, *mosaic.shape), np.float32)
    difference = np.zeros_like(mosaic)
    for k, tentative in enumerate((kernels.tentative_rows, kernels.residual_rows)):
        along = np.zeros_like(mosaic)
        down = np.zeros_like(turned)
        tentative(mosaic, along)
        tentative(turned, down)
        down = np.ascontiguousarray(down.T)
        kernels.green_difference(mosaic, along, down, difference)
        kernels.chroma_bilinear(mosaic, difference, colour)
        kernels.chroma_residual(mosaic, colour[1], colour)
        regression.missing_colours(colour, found[2 * k : 2 * k + 2])
        if k == 0:
            regression.direction_features(mosaic, along, down, found[4:])
    return np.ascontiguousarray(inner(found, FIRST_MARGIN))


def wide_inputs(mosaic: Floats, first: Floats) -> Inputs:
    """Inputs of the first learned stage: planes, local means, features.

    Parameters
    ----------
    mosaic : (h, w) float32 ndarray
    first : (7, h, w) float32 ndarray
        From `first_estimates`.
    """
    planes = np.concatenate([mosaic[None], first[:4]])
    features = np.zeros((FIXED + LOCAL, *mosaic.shape), np.float32)
    features[:3] = first[4:]
    regression.region_features(planes[0], planes[1:3], planes[3:5], features[3:])
    return _inputs(planes, planes[3:5], features)


def narrow_inputs(estimate: Floats, first: Floats, fixed: Floats, noisy: Floats | None) -> Inputs:
    """Inputs of the later stages.

    Parameters
    ----------
    estimate : (3, h, w) float32 ndarray
        Of the stage before: the measured colours and the missing ones.
    first : (4 or more, h, w) float32 ndarray
    fixed : (FIXED, h, w) float32 ndarray
        The features that do not depend on the estimate.
    noisy : (h, w) float32 ndarray or None
        The mosaic, where it is noisy.
    """
    features = np.zeros((FIXED + LOCAL, *estimate.shape[1:]), np.float32)
    features[:FIXED] = fixed
    planes = np.concatenate([estimate, first[:4], *([] if noisy is None else [noisy[None]])])
    return _inputs(planes, planes[3:5], features)


def _inputs(planes: Floats, other: Floats, features: Floats) -> Inputs:
    mosaic, estimate = planes[0], planes[1:3]
    regression.local_features(mosaic, estimate, other, features[FIXED:])
    means = np.zeros((3, *mosaic.shape), np.float32)
    regression.local_means(mosaic, estimate, np.zeros_like(means), means)
    return planes, means, features


def corrected(stage: Stage, inputs: Inputs, by: int) -> Floats:
    """The three planes of a stage's estimate, smaller by its margin `by`."""
    planes, means, features = inputs
    estimate = np.ascontiguousarray(inner(planes[:3], by))
    regression.regress(
        planes, means, features, stage.nodes, stage.weights, stage.radii, by, estimate
    )
    return estimate


def input_roles(radii: Integers, kind: int) -> Integers:
    """The colour of each input: 0 the row's, 1 green, 2 the other one."""
    roles = []
    for plane, radius in enumerate(radii):
        offsets = np.arange(-radius, radius + 1)
        down, right = np.meshgrid(offsets, offsets, indexing="ij")
        green = (kind + down + right) % 2 == 1
        row, other = 2 * (down % 2), 2 - 2 * (down % 2)
        if plane in (0, len(NARROW_RADII)):
            role = np.where(green, 1, row)
        elif plane % 2:
            role = np.where(green, row, 1)
        else:
            role = other
        roles.append(role.ravel())
    return np.concatenate(roles)


def _kinds(nodes: Floats, leaves: int) -> Integers:
    """The kind of sample of each leaf."""
    kinds = np.zeros(leaves, np.int64)
    kind = np.zeros(len(nodes), np.int64)
    kind[1] = 1
    for number, (feature, _, child) in enumerate(nodes):  # children come after parents
        if feature < 0:
            kinds[int(child)] = kind[number]
        else:
            kind[int(child) : int(child) + 2] = kind[number]
    return kinds


def with_means(weights: Floats, nodes: Floats, radii: Integers) -> Floats:
    """Maps of windows and local means, from maps of windows less the mean of their colour.

    Parameters
    ----------
    weights : (leaves, outputs, inputs) float32 ndarray
    nodes : (nodes, 3) float32 ndarray
    radii : (planes,) int64 ndarray

    Returns
    -------
    (leaves, outputs, inputs + 3) float32 ndarray
        They map every flat patch to zero.
    """
    kinds = _kinds(nodes, len(weights))
    means = np.empty((*weights.shape[:2], 3), np.float32)
    for kind in (0, 1):
        roles = input_roles(radii, kind)
        for role in range(3):
            means[kinds == kind, :, role] = -weights[kinds == kind][:, :, roles == role].sum(axis=2)
    return np.concatenate([weights, means], axis=2)


# Models on disk ---------------------------------------------------------------------------

KIND = "demosaicing model"

#: Limits for files: stages, nodes of one, and values of the weights; several times those of the
#: packaged models.
MOST_STAGES, MOST_NODES, LARGEST = 8, 1 << 16, 64.0

_LAYOUT = {"radii": ("h", 2), "nodes": ("f", 2), "weights": ("e", 1), "counts": ("il", 2)}


@dataclass(frozen=True)
class Model:
    """What was learned for one kind of mosaics.

    Attributes
    ----------
    stages : list of Stage
    provenance : dict
        What it was learned from, settings, seed, versions.
    """

    stages: list
    provenance: dict = field(default_factory=dict)

    @property
    def noisy(self) -> bool:
        """Whether it was learned for noisy mosaics, and so estimates the measured colours, too."""
        return any(stage.weights.shape[1] == 3 for stage in self.stages)

    def save(self, file: File) -> None:
        """Write an ``.npz`` to a path or a binary file object; weights in half precision."""
        stages = self.stages
        radii = np.full((len(stages), len(NOISY_RADII)), -1, np.int16)
        for row, stage in zip(radii, stages):
            row[: len(stage.radii)] = stage.radii
        arrays = {
            "radii": radii,
            "nodes": np.concatenate([stage.nodes for stage in stages]),
            "weights": np.concatenate(
                [stage.weights[:, :, :-3].astype(np.float16).ravel() for stage in stages]
            ),
            "counts": np.array(
                [[len(stage.nodes), *stage.weights.shape[:2]] for stage in stages], np.int32
            ),
        }
        archive.write(file, KIND, arrays, self.provenance)

    @classmethod
    def load(cls, file: File) -> Model:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If it is no such file, in one sentence.
        OSError
            If it cannot be read.
        """
        arrays, provenance, _ = archive.read(file, KIND, _LAYOUT)
        with archive.usable(file, KIND):
            return cls(_unpacked(**arrays), provenance)


def _unpacked(radii: Integers, nodes: Floats, weights: Floats, counts: Integers) -> list[Stage]:
    """The stages in the arrays of a file, checked."""
    widths = radii.shape[1], nodes.shape[1], counts.shape[1]
    if widths != (len(NOISY_RADII), 3, 3) or len(radii) != len(counts):
        raise ValueError("its parts do not fit each other")
    if not 1 <= len(counts) <= MOST_STAGES:
        raise ValueError(f"a model has 1 to {MOST_STAGES} stages, not {len(counts)}")
    archive.check_range("weights", weights, -LARGEST, LARGEST)
    stages: list[Stage] = []
    node, weight = 0, 0
    for row, (size, leaves, outputs) in zip(radii, counts.tolist()):
        if outputs not in (2, 3) or outputs != counts[0, 2]:
            raise ValueError("its stages give different colours")
        own = np.array(windows(len(stages), outputs == 3), np.int64)
        if not np.array_equal(row[: len(own)], own) or (row[len(own) :] != -1).any():
            raise ValueError("its windows are not those of this program")
        if not (2 <= size <= MOST_NODES and 1 <= leaves <= size):
            raise ValueError(f"the trees of a stage have 2 to {MOST_NODES} nodes")
        tree = nodes[node : node + size]
        shape = leaves, outputs, int(((2 * own + 1) ** 2).sum())
        maps = weights[weight : weight + math.prod(shape)].astype(np.float32)
        if len(maps) != math.prod(shape) or len(tree) != size:
            raise ValueError("it is shorter than its stages")
        _check_trees(tree, leaves)
        stages.append(Stage(own, tree, with_means(maps.reshape(shape), tree, own)))
        node, weight = node + size, weight + maps.size
    if (node, weight) != (len(nodes), len(weights)):
        raise ValueError("it is longer than its stages")
    return stages


def _check_trees(nodes: Floats, leaves: int) -> None:
    """Refuse trees with indices out of range, cycles, or values that are no whole numbers."""
    feature, threshold, child = nodes.T
    number = np.arange(len(nodes))
    leaf = feature == -1
    sound = bool(np.isfinite(threshold).all() and (np.trunc(child) == child).all())
    sound &= bool((leaf | np.isin(feature, np.arange(FIXED + LOCAL))).all())
    sound &= bool(((child >= 0) & (child < leaves))[leaf].all())
    sound &= bool(((child > number) & (child + 1 < len(nodes)))[~leaf].all())
    if not sound:
        raise ValueError("its trees are unsound")
