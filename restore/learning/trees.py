"""Trees whose leaves are linear maps, grown greedily; ridge regression from the roots down.

A node is (feature, threshold, first child), as `restore.kernels.regression.choose` reads it.
"""

import heapq
from typing import Any

import numpy as np

from restore.imaging import bands
from restore.imaging.bands import Pool, map_bands
from restore.typing import Floats, Integers

#: Maximum number of samples used to choose the split of a node.
DECIDING = 40_000

#: Minimum number of these samples in a leaf.
LEAST = 400

#: Number of candidate thresholds per feature, plus one.
BINS = 8

#: Weight of the parent's regression, in samples of a leaf: while growing, and in the final fit.
PRIOR_GROWING = 150
PRIOR = 10_000

#: For each node the feature it splits by (-1: a leaf), the threshold and the first child.
Nodes = list[tuple[int, float, int]]


def _solve(gram: Floats, target: Floats, prior: Floats, strength: float) -> Floats:
    """Ridge regression towards zero in the metric of `prior`."""
    matrix = gram + strength * prior
    matrix[np.diag_indices(len(matrix))] += 2e-5 * np.trace(matrix) / len(matrix) + 1e-9
    return np.linalg.solve(matrix, target)


def grow(
    inputs: Floats,
    features: Floats,
    target: Floats,
    weight: Floats,
    leaves: int,
    pool: Pool | None,
    stage: str,
) -> Nodes:
    """Grow one tree, always splitting the leaf with the largest gain."""
    root = np.sqrt(weight)[:, None]
    inputs = inputs * root
    target = target * root
    nodes = [(-1, 0.0, 0)]
    queue: list[tuple[Any, ...]] = []

    def consider(node: int, rows: Integers, weights: Floats) -> None:
        residual = target[rows] - inputs[rows] @ weights
        found = _best_split(inputs, residual, features, rows, pool)
        if found is not None:
            gain, feature, threshold = found
            heapq.heappush(queue, (-gain, node, rows, weights, feature, threshold))

    everything = np.arange(len(inputs))
    gram = (inputs.T @ inputs).astype(np.float64)
    weights = _solve(gram, inputs.T @ target, gram / len(inputs), PRIOR_GROWING)
    consider(0, everything, weights.astype(np.float32))
    grown = 1
    while queue and grown < leaves:
        _, node, rows, weights, feature, threshold = heapq.heappop(queue)
        nodes[node] = (feature, threshold, len(nodes))
        x = inputs[rows]
        prior = (x.T @ x).astype(np.float64) / len(rows)
        below = features[rows, feature] < threshold
        for part in (rows[below], rows[~below]):
            nodes.append((-1, 0.0, 0))
            x = inputs[part]
            residual = target[part] - x @ weights
            step = _solve((x.T @ x).astype(np.float64), x.T @ residual, prior, PRIOR_GROWING)
            consider(len(nodes) - 1, part, weights + step.astype(np.float32))
        grown += 1
        bands.tell(pool, stage, grown, leaves)
    return nodes


def _best_split(
    inputs: Floats, residual: Floats, features: Floats, rows: Integers, pool: Pool | None
) -> tuple[float, int, float] | None:
    """(gain, feature, threshold) of the split after which two maps explain most, or None."""
    gain_scale = 1.0
    if len(rows) > DECIDING:
        some = np.arange(0, len(rows), len(rows) // DECIDING)
        gain_scale = len(rows) / len(some)
        rows, residual = rows[some], residual[some]
    if len(rows) < 2 * LEAST:
        return None
    inputs = inputs[rows]
    prior = (inputs.T @ inputs).astype(np.float64) * (PRIOR_GROWING / len(rows))
    prior[np.diag_indices(len(prior))] += 1e-4 * np.trace(prior) / len(prior) + 1e-12

    def try_feature(feature: int) -> tuple[float, int, float]:
        values = features[rows, feature]
        thresholds = np.unique(np.quantile(values, np.arange(1, BINS) / BINS).astype(np.float32))
        bins = np.searchsorted(thresholds, values, side="right")
        order = np.argsort(bins, kind="stable")
        ends = np.cumsum(np.bincount(bins, minlength=len(thresholds) + 1))
        x, y = inputs[order], residual[order]
        cuts = list(zip([0, *ends[:-1]], ends))
        grams = np.cumsum([x[a:b].T @ x[a:b] for a, b in cuts], axis=0, dtype=np.float64)
        targets = np.cumsum([x[a:b].T @ y[a:b] for a, b in cuts], axis=0, dtype=np.float64)
        best = (0.0, feature, 0.0)
        for k, threshold in enumerate(thresholds):
            if min(ends[k], ends[-1] - ends[k]) < LEAST:
                continue
            gain = 0.0
            for gram, goal in (
                (grams[k], targets[k]),
                (grams[-1] - grams[k], targets[-1] - targets[k]),
            ):
                gain += float(np.sum(np.linalg.solve(gram + prior, goal) * goal))
            if gain > best[0]:
                best = (gain, feature, float(threshold))
        return best

    found = list(map_bands(try_feature, range(features.shape[1]), pool))
    gain, feature, threshold = max(found, key=lambda one: one[0])
    return (gain * gain_scale, feature, threshold) if gain > 0 else None


def joined(forest: list[Nodes]) -> tuple[Floats, int]:
    """Both trees in one array of nodes, the roots at 0 and 1, and the number of leaves."""
    nodes = np.zeros((sum(map(len, forest)), 3), np.float32)
    start = 2
    leaves = 0
    for kind, tree in enumerate(forest):
        for index, (feature, threshold, child) in enumerate(tree):
            place = kind if index == 0 else start + index - 1
            if feature >= 0:
                nodes[place] = feature, threshold, start + child - 1
            else:
                nodes[place] = -1, 0, leaves
                leaves += 1
        start += len(tree) - 1
    return nodes, leaves


def maps(nodes: Floats, grams: Floats, targets: Floats, sizes: Floats) -> Floats:
    """Ridge regression in each leaf towards its parent's, from the roots down."""
    children = {k: (int(c), int(c) + 1) for k, (f, _, c) in enumerate(nodes) if f >= 0}
    sums = {}

    def total(node: int) -> Any:
        if node not in sums:
            if node in children:
                first, second = (total(child) for child in children[node])
                sums[node] = tuple(a + b for a, b in zip(first, second))
            else:
                leaf = int(nodes[node, 2])
                sums[node] = grams[leaf], targets[leaf], sizes[leaf]
        return sums[node]

    solved = np.zeros(targets.shape)
    for kind in (0, 1):
        gram, goal, size = total(kind)
        waiting = [(kind, _solve(gram, goal, gram / max(size, 1), 1))]
        while waiting:
            node, found = waiting.pop()
            if node not in children:
                solved[int(nodes[node, 2])] = found
                continue
            prior = sums[node][0] / max(sums[node][2], 1)
            for child in children[node]:
                gram, goal, _ = sums[child]
                step = _solve(gram, goal - gram @ found, prior, PRIOR)
                waiting.append((child, found + step))
    return solved
