"""Inpainting of holes."""

import numpy as np


def price(image, place, match, half, locality):
    """Squared difference of two patches, and the price of the way between them."""
    (y, x), (v, u) = place, match
    one = image[y - half : y + half + 1, x - half : x + half + 1].astype(float)
    other = image[v - half : v + half + 1, u - half : u + half + 1]
    square = (y - v) ** 2 + (x - u) ** 2
    return np.sum((one - other) ** 2) + locality[0] * square / (square + locality[1])


def over(pixel, matches, costs, half):
    """(cost, where the patch has the pixel from) of each patch over a pixel."""
    y, x = pixel
    return [
        (costs[v, u], (matches[v, u, 0] + y - v, matches[v, u, 1] + x - u))
        for v in range(max(0, y - half), min(costs.shape[0], y + half + 1))
        for u in range(max(0, x - half), min(costs.shape[1], x + half + 1))
        if costs[v, u] >= 0
    ]


def votes(image, pixels, matches, costs, half):
    """Newson et al. 2017, equation 5: the patches over a pixel, weighted by their costs."""
    values = []
    for pixel in pixels:
        told = over(pixel, matches, costs, half)
        least = min(cost for cost, _ in told)
        spread = sorted(cost for cost, _ in told)[3 * len(told) // 4] + 1e-6
        weights = [np.exp(-(cost - least) / (2 * spread)) for cost, _ in told]
        values.append(sum(w * image[at] for w, (_, at) in zip(weights, told)) / sum(weights))
    return np.array(values)


def origins(pixels, matches, costs, half):
    """Where the cheapest patch over each pixel has it from."""
    return np.array(
        [min(over(pixel, matches, costs, half), key=lambda pair: pair[0])[1] for pixel in pixels]
    )


def peeled(image, source, known, pixels, locality, half, reach):
    """For each pixel the known patch that differs least where the pixel's patch has values."""
    height, width, _ = image.shape
    matches = []
    for y, x in pixels:
        best = None
        for v, u in np.argwhere(source):
            if abs(v - y) > reach or abs(u - x) > reach:
                continue
            square = (y - v) ** 2 + (x - u) ** 2
            cost = locality[0] * square / (square + locality[1])
            for dy in range(-half, half + 1):
                for dx in range(-half, half + 1):
                    inside = 0 <= y + dy < height and 0 <= x + dx < width
                    if inside and known[y + dy, x + dx]:
                        cost += np.sum((image[y + dy, x + dx] - image[v + dy, u + dx]) ** 2.0)
            if best is None or cost < best[0]:
                best = cost, v, u
        matches.append(best[1:])
    return np.array(matches)
