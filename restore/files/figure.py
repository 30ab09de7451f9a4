"""Figures: results side by side with their errors, atoms, curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.imaging import jpeg
from restore.typing import AnyPath, Array, Floats

if TYPE_CHECKING:
    from restore.imaging.bands import Pool
    from restore.imaging.noise import Noise
    from restore.sparse.dictionary import Dictionary


_PANEL, _MARGIN, _LINE = 320, 8, 20
#: approximate maximum width of a contact sheet
_SHEET = 1400
#: size of a plot, and margins for its text: left, top, right, bottom
_PLOT, _ROOM = (440, 320), (56, 28, 16, 44)
#: how much the differences are amplified around middle grey
GAIN = 4

#: Numbers across and up, a colour by name, and whether they are a line or dots.
Curve = tuple[Iterable[float], Iterable[float], str, bool]


def comparison(reference: Array, results: Sequence[Floats], labels: Sequence[str]) -> Floats:
    """Draw a reference and its results side by side.

    Parameters
    ----------
    reference : (height, width, channels) ndarray
    results : list of ndarrays of the same shape
    labels : list of str
        One for the reference and one per result; lines are separated by ``"\\n"``.

    Returns
    -------
    (rows, columns, 3) float32 ndarray
        A column per picture: its label, the whole picture, a magnified crop where the results err
        most, and `GAIN` times the difference from the reference.
    """
    from PIL import Image, ImageDraw

    pictures = [_rgb(reference), *(_rgb(result) for result in results)]
    box = _worst_box(pictures[0], pictures[1:])
    columns = []
    for picture in pictures:
        crop = picture[box]
        zoom = max(1, _PANEL // crop.shape[1])
        columns.append(
            [
                _scaled(picture, _PANEL / picture.shape[1], Image.Resampling.LANCZOS),
                _scaled(crop, zoom, Image.Resampling.NEAREST),
                _scaled(0.5 + GAIN * (crop - pictures[0][box]), zoom, Image.Resampling.NEAREST),
            ]
        )
    head = _LINE * max(label.count("\n") + 1 for label in labels)
    width = _MARGIN + len(columns) * (_PANEL + _MARGIN)
    height = head + sum(panel.height + _MARGIN for panel in columns[0]) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (label, column) in enumerate(zip(labels, columns)):
        left, top = _MARGIN + number * (_PANEL + _MARGIN), _MARGIN
        draw.multiline_text((left, top), _shortened(label), fill="black", font_size=14)
        top += head
        for panel in column:
            canvas.paste(panel, (left, top))
            top += panel.height + _MARGIN
    return np.asarray(canvas, dtype=np.float32) / 255


def contact_sheet(pictures: Sequence[Floats], labels: Sequence[str]) -> Floats:
    """Draw pictures in rows at full resolution, each under its label.

    Parameters
    ----------
    pictures : list of (height, width, channels) ndarrays
        The smaller ones are enlarged, pixels as squares, to the size of the largest.
    labels : list of str

    Returns
    -------
    (rows, columns, 3) float32 ndarray
    """
    from PIL import Image, ImageDraw

    height, width = max(picture.shape[:2] for picture in pictures)
    cell_width, cell_height = max(width, _PANEL) + _MARGIN, height + _LINE + 2 * _MARGIN
    across = max(1, min(len(pictures), _SHEET // cell_width))
    down = -(-len(pictures) // across)
    canvas = Image.new("RGB", (across * cell_width + _MARGIN, down * cell_height), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (picture, label) in enumerate(zip(pictures, labels)):
        left = _MARGIN + number % across * cell_width
        top = _MARGIN + number // across * cell_height
        draw.text((left, top), _shortened(label), fill="black", font_size=14)
        picture = _rgb(picture)
        panel = _scaled(picture, height / len(picture), Image.Resampling.NEAREST)
        canvas.paste(panel, (left, top + _LINE))
    return np.asarray(canvas, dtype=np.float32) / 255


def plot(curves: Sequence[Curve], across: str, up: str, top: float = 0.0) -> Floats:
    """Draw curves over one pair of axes, both from 0 on.

    Parameters
    ----------
    curves : list of (x, y, colour, joined)
        Two sequences of numbers, a colour by name, and whether they are a line or dots.
    across, up : str
        Labels of the axes.
    top : float
        Minimum range of the vertical axis.

    Returns
    -------
    (rows, columns, 3) float32 ndarray
    """
    from PIL import Image, ImageDraw

    left, above, right, below = _ROOM
    width, height = _PLOT[0] - left - right, _PLOT[1] - above - below
    ends = [
        max([*(max(xs, default=0.0) for xs, *_ in curves), 1e-9]),
        max([*(max(ys, default=0.0) for _, ys, *_ in curves), top or 1e-9]),
    ]
    ticks = [_ticks(end) for end in ends]
    ends[1] *= 1.05
    canvas = Image.new("RGB", _PLOT, "white")
    draw = ImageDraw.Draw(canvas)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + width * x / ends[0], above + height * (1 - y / ends[1])

    for mark in ticks[0]:
        x, y = place(mark, 0)
        draw.line([(x, y), (x, above)], fill="gainsboro")
        draw.text((x, y + 4), f"{mark:g}", fill="black", font_size=12, anchor="ma")
    for mark in ticks[1]:
        x, y = place(0, mark)
        draw.line([(x, y), (left + width, y)], fill="gainsboro")
        draw.text((x - 6, y), f"{mark:g}", fill="black", font_size=12, anchor="rm")
    for xs, ys, colour, joined in curves:
        points = [place(x, y) for x, y in zip(xs, ys)]
        if joined:
            draw.line(points, fill=colour, width=2, joint="curve")
        for x, y in points if not joined else ():
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
    draw.text((8, 8), up, fill="black", font_size=13)
    draw.text((left + width, _PLOT[1] - 8), across, fill="black", font_size=13, anchor="rs")
    return np.asarray(canvas, dtype=np.float32) / 255


def _ticks(end: float) -> list[float]:
    """About five round numbers from 0 to `end`."""
    step = 10 ** math.floor(math.log10(end / 4))
    step *= max(factor for factor in (1, 2, 2.5, 5) if factor * step <= end / 4)
    return [number * step for number in range(int(end / step * (1 + 1e-9)) + 1)]


def _rgb(image: Floats) -> Floats:
    return np.broadcast_to(np.clip(np.nan_to_num(image), 0, 1), (*image.shape[:2], 3))


def _scaled(image: Floats, factor: float, resampling: Any) -> Any:
    from PIL import Image

    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return Image.fromarray(levels).resize((width, height), resampling)


def _shortened(label: str) -> str:
    return "\n".join(line if len(line) <= 44 else "..." + line[-41:] for line in label.split("\n"))


def _worst_box(reference: Floats, results: Sequence[Floats]) -> tuple[slice, slice]:
    """The square, a fifth of the picture, in which the results differ most from the reference."""
    height, width = reference.shape[:2]
    side = max(min(16, height, width), min(height, width) // 5)
    error = sum(np.square(result - reference).sum(2, dtype=np.float64) for result in results)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    top, left = np.unravel_index(np.argmax(inside + total[:-side, :-side]), inside.shape)
    return slice(top, top + side), slice(left, left + side)


def write_figure(path: AnyPath, figure: Floats) -> None:
    """Write a drawn (rows, columns, channels) picture to a file, completely or not at all."""
    from restore.files.formats import format_of_name
    from restore.files.picture import Picture
    from restore.files.safe import whole_file
    from restore.files.writing import write_pages

    with whole_file(path) as file:
        write_pages(file, [Picture(figure)], format_of_name(path) or "png")


def draw_atoms(dictionary: Dictionary, path: AnyPath) -> None:
    """Write the mosaic of the atoms of a dictionary, the most used first.

    Beside them is the learning curve, if the dictionary records it.
    """
    atoms = dictionary.drawn()
    errors = dictionary.errors or ()
    if len(errors) > 1:
        turns = range(1, len(errors) + 1)
        curve = plot([(turns, errors, "steelblue", True)], "turn", "RMSE (levels)")
        atoms = _beside(_rgb(atoms), curve)
    write_figure(path, atoms)


def draw_noise(
    image: Array, noise: Noise, levels: float, path: AnyPath, pool: Pool | None = None
) -> None:
    """Write the standard deviation of the noise against brightness, channel by channel.

    Parameters
    ----------
    image : (height, width, channels) ndarray
    noise : Noise
        The estimate for it.
    levels : float
        The value on the axes of 1 in the unit of the image.
    path : str
        Of the picture.
    pool : Pool, optional

    Notes
    -----
    Dots are measurements on the flattest blocks, lines the model fitted to them; coarse noise has a
    line only.
    """
    from restore.imaging.noise import noise_curves

    colours = ("black",) if image.shape[2] == 1 else ("firebrick", "seagreen", "royalblue")
    curves = []
    if noise.kind != "camera":
        for (means, variances), colour in zip(noise_curves(image, pool=pool), colours):
            curves.append((levels * means, levels * np.sqrt(variances), colour, False))
    bright = np.linspace(0, max(float(np.nanmax(image)), 1e-9), 65)
    if noise.photons:
        variances = noise.photons.gain * np.maximum(bright - noise.photons.pedestal, 0)
        found = [(bright, np.sqrt(variances + noise.photons.sigma**2), "black")]
    elif noise.levels is not None and noise.brightness is not None:
        light = float(jpeg.WEIGHTS[0]) if image.shape[2] == 3 else 1.0
        found = [(noise.brightness / light, noise.levels[:, 0] / light, "black")]
    else:
        found = [(bright, np.full_like(bright, sigma), colour)
                 for sigma, colour in zip(noise.sigma, colours)]  # fmt: skip
    curves += [(levels * x, levels * y, colour, True) for x, y, colour in found]
    drawn = plot(curves, "brightness", "standard deviation of the noise", levels / 255)
    write_figure(path, drawn)


def _beside(first: Floats, second: Floats) -> Floats:
    """Two pictures from left to right, the first one's pixels enlarged to the height of both."""
    height = max(len(first), len(second))
    parts = []
    for part in (first, second):
        zoom = max(1, height // len(part))
        part = part.repeat(zoom, axis=0).repeat(zoom, axis=1)
        below = height - len(part)
        parts.append(np.pad(part, [(0, below), (0, _MARGIN), (0, 0)], constant_values=1))
    return np.concatenate(parts, axis=1)
