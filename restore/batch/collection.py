"""Many pictures to learn from: read one at a time, as often as needed."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from restore.batch.work import failure_reason
from restore.imaging import bands
from restore.imaging.colour import luminance

if TYPE_CHECKING:
    from restore.typing import Floats


class Collection:
    """The pictures of some files, as arrays; unreadable files are left out and recorded.

    Parameters
    ----------
    files : list of str
    channels : {1, 3}, optional
        Colour is turned to grey for 1; grey pictures are left out for 3. By default they
        stay as they are.
    shrink : int
        Factor by which pictures are reduced, so that demosaicing and JPEG artefacts are not
        learned.
    usable : callable
        ``usable(image)`` raises a ValueError, one sentence, if an image cannot be used. Picklable,
        for a cluster.
    max_pixels : int

    Attributes
    ----------
    skipped : dict of str to str
        Files that were left out, and why.
    channels : int or None
        May be set between two readings.
    """

    def __init__(
        self,
        files: Sequence[str],
        *,
        channels: int | None = None,
        shrink: int = 1,
        usable: Callable[[Floats], object] | None = None,
        max_pixels: int,
    ) -> None:
        self.files, self.channels, self.shrink = list(files), channels, shrink
        self.usable, self.max_pixels = usable, max_pixels
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def part(self, numbers: Iterable[int]) -> Collection:
        """The pictures with these indices, with absolute paths."""
        part = copy.copy(self)
        part.files = [os.path.abspath(self.files[number]) for number in numbers]
        part.skipped = {}
        return part

    def __iter__(self) -> Iterator[Floats]:
        """Yield (height, width, channels) float32 arrays; the next is read in the meantime."""

        for image in bands.map_bands(self.__getitem__, range(len(self)), bands.Pool(1)):
            if image is not None:
                yield image

    def __getitem__(self, index: int) -> Floats | None:
        """A (height, width, channels) float32 array, or None if the file is left out."""
        from restore.files.reading import read_pages
        from restore.files.safe import open_regular

        file = self.files[index]
        if file in self.skipped:
            return None
        try:
            with open_regular(file) as stream:
                image = next(read_pages(stream, max_pixels=self.max_pixels)).samples
            image = self._shrunk(self._coloured(image))
            if self.usable:
                self.usable(image)
        except Exception as error:
            self.skipped[file] = failure_reason(error, file)
            return None
        return image

    def _coloured(self, image: Floats) -> Floats:
        if self.channels == 3 and image.shape[2] == 1:
            raise ValueError("a grey picture, where colour is learned")
        if self.channels == 1 and image.shape[2] == 3:
            return luminance(image)[..., None]
        return image

    def _shrunk(self, image: Floats) -> Floats:
        if self.shrink == 1:
            return image
        from restore.imaging.resize import resize

        height, width = (side // self.shrink for side in image.shape[:2])
        if min(height, width) < 1:
            raise ValueError(f"too small to be shrunk {self.shrink} times")
        return resize(image, height, width, bands.Pool(1))
