"""Simulated old prints: scratches, hairs, dust and folds on a clean photograph.

Kinds and numbers of shapes are random. Shapes are drawn at four times the size and reduced, so that
their edges are as soft as in a scan. Before that the colours of the print are faded and grain is
added; the scan may be saved as JPEG.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from training.camera import as_jpeg

#: Kinds of damage, in the order of the masks.
KINDS = ("scratches", "hairs", "dust")

#: Factor by which shapes are drawn larger.
_FINE = 4

#: Minimum opacity of a damaged pixel, as a share of the shape's maximum, and minimum change.
_SEEN, _CHANGED = 0.15, 8 / 255


@dataclass(frozen=True)
class Damage:
    """How much of each kind a print has, in pieces for every 65,536 pixels, and its scan.

    Attributes
    ----------
    scratches, hairs, dust : float
        Mean numbers.
    folds : float
        Probability of a line across the whole print.
    grain : float
        Standard deviation, in [0, 1].
    sepia : float
        0 for the photo's own colours, 1 for brown alone.
    quality : int or None
        Of JPEG, 4:2:0; None for none.
    """

    scratches: float = 2.0
    hairs: float = 0.7
    dust: float = 8.0
    folds: float = 0.1
    grain: float = 3 / 255
    sepia: float = 0.0
    quality: int | None = None


def drawn(random):
    """Random damage, more than prints usually have; one in four is clean."""
    clean = random.random() < 0.25
    return Damage(
        scratches=0 if clean else random.uniform(0, 10),
        hairs=0 if clean else random.uniform(0, 5),
        dust=0 if clean else np.exp(random.uniform(np.log(2), np.log(60))),
        folds=0 if clean else 0.15,
        grain=max(0.0, random.uniform(-3, 8)) / 255,
        sepia=random.choice([0, 0.5, 1], p=[0.6, 0.1, 0.3]),
        quality=int(random.uniform(60, 97)) if random.random() < 0.6 else None,
    )


def scanned(photo, damage, random):
    """A damaged print of a photograph as a scanner saves it.

    Parameters
    ----------
    photo : (height, width, 1 or 3) float32 ndarray
        In [0, 1].
    damage : Damage
    random : Generator

    Returns
    -------
    saved, clean : (height, width, 1 or 3) float32 ndarray
        With the damage and without; grain, fading and JPEG are on both.
    masks : (3, height, width) bool ndarray
        Where damage of each of `KINDS` is seen; not clean of JPEG's rings around it.
    coding : Coding or None
        How JPEG coded it.
    """
    height, width, channels = photo.shape
    clean = photo
    if damage.sepia and channels == 3:
        brown = photo.mean(axis=2, keepdims=True) ** np.array([0.8, 1.0, 1.3])
        clean = (1 - damage.sepia) * photo + damage.sepia * brown
    grain = ndimage.gaussian_filter(random.standard_normal((height, width, 1)), (0.6, 0.6, 0))
    clean = np.float32(clean + damage.grain / 0.55 * grain)
    picture, masks = clean.copy(), np.zeros((len(KINDS), height, width), bool)
    area = height * width / 65536
    numbers = [random.poisson(area * getattr(damage, kind)) for kind in KINDS]
    pieces = [(kind, draw) for kind, (draw, number) in enumerate(
        zip((_scratch, _hair, _speck), numbers)) for _ in range(number)]  # fmt: skip
    pieces += [(0, _fold)] * (random.random() < damage.folds)
    for kind, draw in pieces:
        box, opacity = draw(height, width, random)
        if opacity.size == 0:
            continue
        # white where the layer is gone or dust kept the light off, or dark dirt
        bright = random.random() < (0.75 if kind != 1 else 0.4)
        tone = random.uniform(0.75, 1.0) if bright else random.uniform(0, 0.25)
        tint = tone + random.normal(0, 0.06, channels) * (random.random() < 0.4)
        opacity = np.float32(opacity[..., None] * random.uniform(0.45, 1.0))
        before = picture[box].copy()
        picture[box] += opacity * (np.float32(np.clip(tint, 0, 1)) - before)
        changed = np.abs(picture[box] - before).mean(axis=2)
        masks[kind][box] |= (opacity[..., 0] > _SEEN * opacity.max()) & (changed > _CHANGED)
    picture, clean = np.clip(picture, 0, 1), np.clip(clean, 0, 1)
    if damage.quality is None:
        return picture, clean, masks, None
    saved, coding = as_jpeg(picture, damage.quality, 2)
    return saved, as_jpeg(clean, damage.quality, 2)[0], masks, coding


def _scratch(height, width, random):
    """A nearly straight line of constant width, sometimes interrupted."""
    length = np.exp(random.uniform(np.log(25), np.log(1.2 * max(height, width))))
    points = _path(height, width, length, bend=random.choice([0, 0.002, 0.01]), random=random)
    gaps = random.random() < 0.35
    return _stroke(points, np.exp(random.uniform(np.log(0.7), np.log(4))), gaps, height, width,
                   random)  # fmt: skip


def _hair(height, width, random):
    """A thin line that curls."""
    length = np.exp(random.uniform(np.log(20), np.log(220)))
    points = _path(height, width, length, bend=random.uniform(0.02, 0.09), random=random)
    return _stroke(points, random.uniform(0.8, 2.2), False, height, width, random)


def _fold(height, width, random):
    """A line from one side to another."""
    down = random.random() < 0.5
    ends = random.uniform(0, 1, 2)
    x, y = ([0, width], ends * height) if not down else (ends * width, [0, height])
    points = np.stack([np.linspace(*y, 60), np.linspace(*x, 60)], axis=1)
    points += ndimage.gaussian_filter1d(random.normal(0, 2, points.shape), 3, axis=0)
    return _stroke(points, random.uniform(1.5, 5), random.random() < 0.5, height, width, random)


def _path(height, width, length, bend, random):
    """Points (n, 2), two pixels apart, of a path whose direction wanders by `bend` a pixel."""
    count = max(2, int(length / 2))
    turns = ndimage.gaussian_filter1d(random.normal(0, 1, count), 4, mode="wrap") * 4
    angles = random.uniform(0, 2 * np.pi) + np.cumsum(2 * bend * turns)
    steps = 2 * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    points = np.cumsum(steps, axis=0)
    middle = points[random.integers(count)]
    return points - middle + random.uniform(0, 1, 2) * (height, width)


def _stroke(points, thick, gaps, height, width, random):
    """The place of a path with a soft edge, and its coverage of each pixel."""
    margin = int(thick) + 3
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, (height, width))
    if (high <= low).any():
        return np.s_[0:0, 0:0], np.zeros((0, 0))
    size = (high - low) * _FINE
    canvas = Image.new("L", (int(size[1]), int(size[0])))
    pen = ImageDraw.Draw(canvas)
    places = (points - low) * _FINE
    widths = thick * _FINE * np.exp(
        0.3 * ndimage.gaussian_filter1d(random.normal(0, 2, len(points)), 3))  # fmt: skip
    shown = ndimage.gaussian_filter1d(random.normal(0, 1, len(points)), 6) > -0.12 * gaps * 2
    shown |= not gaps
    for one, other, wide, seen in zip(places, places[1:], widths, shown):
        if seen:
            pen.line([one[1], one[0], other[1], other[0]], fill=255, width=max(1, round(wide)))
    return np.s_[low[0] : high[0], low[1] : high[1]], _reduced(canvas, random)


def _speck(height, width, random):
    """A blot of 1 to 30 pixels with an irregular edge."""
    across = np.exp(random.uniform(np.log(1), np.log(30)) * random.uniform(0.5, 1))
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = ndimage.gaussian_filter1d(random.normal(0, 1, 24), 1.5, mode="wrap")
    radii = across / 2 * np.exp(0.45 * radii)
    stretch, turn = np.exp(random.normal(0, 0.35)), random.uniform(0, np.pi)
    shape = np.stack([radii * np.sin(angles) * stretch, radii * np.cos(angles) / stretch])
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ shape
    points = shape.T + random.uniform(0, 1, 2) * (height, width)
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 3, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 3, (height, width))
    if (high <= low).any():
        return np.s_[0:0, 0:0], np.zeros((0, 0))
    size = (high - low) * _FINE
    canvas = Image.new("L", (int(size[1]), int(size[0])))
    places = [(x, y) for y, x in (points - low) * _FINE]
    ImageDraw.Draw(canvas).polygon(places, fill=255)
    return np.s_[low[0] : high[0], low[1] : high[1]], _reduced(canvas, random)


def _reduced(canvas, random):
    """The coverage of each pixel, blurred by the scanner."""
    fine = np.asarray(canvas, float) / 255
    height, width = (side // _FINE for side in fine.shape)
    coverage = fine.reshape(height, _FINE, width, _FINE).mean(axis=(1, 3))
    return ndimage.gaussian_filter(coverage, random.uniform(0.3, 0.9))
