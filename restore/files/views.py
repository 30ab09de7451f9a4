"""Views for reports: before and after as thumbnails, and the crop where they differ most."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from restore.imaging.arrays import working
from restore.typing import Array, Bytes, Floats

#: Shares of the byte budget for a thumbnail and a crop, of which there are two each.
_SHARES = {"thumbnails": 0.14, "crops": 0.36}

#: Sides of thumbnails and crops: those of large budgets, and of small ones.
_SIDES = {"thumbnails": (480, 240), "crops": (384, 256)}
_SMALL = 100_000

#: WebP is tried with these qualities, lossless first, until it is small enough; then with sides
#: reduced to these shares.
_QUALITIES, _PARTS = (None, 95, 88, 80, 70, 55, 40), (1, 2, 4)

#: Grid of the positions of the crop, and number of rows compared at a time.
_STEPS, _ROWS = 8, 256


@dataclass(frozen=True)
class View:
    """The view of one picture on a page.

    Attributes
    ----------
    thumbnails, crops : tuple of (bytes or None, bytes or None)
        WebP files of before and after; None if there is no such picture, or no room for it.
    box : (left, top, width, height)
        The crop, in pixels of the picture after.
    size : (width, height)
        That of the picture after.
    change : float or None
        Root mean square difference of before and after in 8-bit levels, over the whole picture.
    """

    thumbnails: tuple
    crops: tuple
    box: tuple
    size: tuple
    change: float | None

    def as_facts(self) -> dict[str, Any]:
        """The view as JSON values; images as data URLs."""
        return {
            "thumbnails": [_data_url(file) for file in self.thumbnails],
            "crops": [_data_url(file) for file in self.crops],
            "box": list(self.box),
            "full": list(self.size),
            "change": self.change,
        }


def view(before: Floats | None, after: Floats | None, budget: int) -> View:
    """The view of a picture before and after.

    Parameters
    ----------
    before, after : (height, width, channels) ndarray or None
        Samples; the smaller one is enlarged to the size of the other. Not both are None.
    budget : int
        Most bytes of a page that the view takes, as data URLs.

    Returns
    -------
    View
    """
    one = after if before is None else before
    assert one is not None
    unit = working(one).unit
    pictures = [
        None if picture is None else eight_bit(picture, unit) for picture in (before, after)
    ]
    size = max(picture.shape[:2] for picture in pictures if picture is not None)
    pictures = [None if picture is None else resized(picture, *size) for picture in pictures]
    room = budget * 3 // 4  # base64 writes 3 bytes as 4 characters
    small = budget < _SMALL
    sides = {name: [both[small] // part for part in _PARTS] for name, both in _SIDES.items()}
    for side in sides["crops"]:
        box, change = _box(pictures[0], pictures[1], side)
        crops = [None if picture is None else picture[box] for picture in pictures]
        crops = _files(crops, room * _SHARES["crops"])
        if crops:
            break
    for side in sides["thumbnails"]:
        lengths = [max(1, round(length * min(1, side / max(size)))) for length in size]
        reduced = [None if picture is None else resized(picture, *lengths) for picture in pictures]
        thumbnails = _files(reduced, room * _SHARES["thumbnails"])
        if thumbnails:
            break
    return View(
        thumbnails or (None, None),
        crops or (None, None),
        (box[1].start, box[0].start, box[1].stop - box[1].start, box[0].stop - box[0].start),
        size[::-1],
        change,
    )


def _box(
    before: Bytes | None, after: Bytes | None, side: int
) -> tuple[tuple[slice, slice], float | None]:
    """As `most_different`; the centre if there is only one picture."""
    if before is not None and after is not None:
        return most_different(before, after, side)
    one = after if before is None else before
    assert one is not None
    height, width = one.shape[:2]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return (slice(top, min(height, top + side)), slice(left, min(width, left + side))), None


def eight_bit(samples: Array, unit: float = 1.0) -> Bytes:
    """(height, width, 3) uint8: samples for display, with white at `unit`."""
    levels = np.empty((*samples.shape[:2], 3), np.uint8)
    for top in range(0, len(levels), _ROWS):
        rows = slice(top, top + _ROWS)
        levels[rows] = np.rint(255 * np.clip(np.nan_to_num(samples[rows] / np.float32(unit)), 0, 1))
    return levels


def most_different(before: Bytes, after: Bytes, side: int) -> tuple[tuple[slice, slice], float]:
    """Where two pictures of the same size differ most, and their mean difference.

    Parameters
    ----------
    before, after : (height, width, channels) uint8 ndarray
    side : int
        That of the square, which is cut where the picture is smaller.

    Returns
    -------
    box : (slice, slice)
        Rows and columns.
    change : float
        Root mean square difference over the whole picture.
    """
    height, width = before.shape[:2]
    step = max(1, side // _STEPS)
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    sums = np.empty((len(rows), len(columns)))
    for number, top in enumerate(rows):
        band = slice(top, top + step)
        error = np.subtract(before[band], after[band], dtype=np.int32)
        sums[number] = np.add.reduceat(np.square(error).sum(axis=(0, 2)), columns)
    total = np.pad(sums.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    down, across = (max(1, min(_STEPS, length // step)) for length in (height, width))
    inside = total[down:, across:] - total[:-down, across:] - total[down:, :-across]
    place = np.unravel_index(np.argmax(inside + total[:-down, :-across]), inside.shape)
    box = []
    for start, length in zip(place, (height, width)):
        start = max(0, min(int(start) * step, length - side))
        box.append(slice(start, min(length, start + side)))
    return (box[0], box[1]), float(np.sqrt(total[-1, -1] / before.size))


def resized(picture: Bytes, height: int, width: int) -> Bytes:
    """An 8-bit picture at another size."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    smaller = height < picture.shape[0]
    how = Image.Resampling.LANCZOS if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((width, height), how))


def _files(pictures: list[Bytes | None], room: float) -> tuple[bytes | None, ...] | None:
    """The pictures as WebP files of at most `room` bytes each, as good as that allows.

    None if none is small enough. All have the same quality, so that they can be compared.
    """
    from PIL import Image

    for quality in _QUALITIES:
        how = {"lossless": True} if quality is None else {"quality": quality}
        files = []
        for picture in pictures:
            file = io.BytesIO()
            if picture is not None:
                Image.fromarray(picture).save(file, "WEBP", method=3, exact=True, **how)
            if file.tell() > room:
                break
            files.append(file.getvalue() or None)
        else:
            return tuple(files)
    return None


def _data_url(file: bytes | None) -> str | None:
    return None if file is None else "data:image/webp;base64," + base64.b64encode(file).decode()
