"""Pictures about pictures: results beside each other, with their errors, atoms written to files."""

import numpy as np

_PANEL, _MARGIN, _LINE = 320, 8, 20
#: about how wide a contact sheet may be
_SHEET = 1400
#: how much the differences are amplified around middle grey
GAIN = 4


def comparison(reference, results, labels):
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
        A column per picture: its label, the whole picture, a crop magnified where the
        results err most, and `GAIN` times the difference from the reference.
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


def contact_sheet(pictures, labels):
    """Draw pictures in rows, pixel by pixel, each under its label.

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


def _rgb(image):
    return np.broadcast_to(np.clip(np.nan_to_num(image), 0, 1), (*image.shape[:2], 3))


def _scaled(image, factor, resampling):
    from PIL import Image

    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return Image.fromarray(levels).resize((width, height), resampling)


def _shortened(label):
    return "\n".join(line if len(line) <= 44 else "..." + line[-41:] for line in label.split("\n"))


def _worst_box(reference, results):
    """The square, a fifth of the picture, in which the results differ most from the reference."""
    height, width = reference.shape[:2]
    side = max(min(16, height, width), min(height, width) // 5)
    error = sum(np.square(result - reference).sum(2, dtype=np.float64) for result in results)
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    top, left = np.unravel_index(np.argmax(inside + total[:-side, :-side]), inside.shape)
    return slice(top, top + side), slice(left, left + side)


def write_figure(path, figure):
    """Write a drawn (rows, columns, channels) picture to a file, whole or not at all."""
    from restore.files.formats import format_of_name
    from restore.files.picture import Picture
    from restore.files.safe import whole_file
    from restore.files.writing import write_pages

    with whole_file(path) as file:
        write_pages(file, [Picture(figure)], format_of_name(path))


def draw_atoms(dictionary, path):
    """Write the mosaic of the atoms of a dictionary, the most used first."""
    write_figure(path, dictionary.drawn())
