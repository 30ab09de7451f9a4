"""Pixels without loss, read one by one."""

from tests.reference.mixing import MixedReader
from tests.reference.predicting import PlanesReader

OFFSETS = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1), (-1, 2), (-2, -1),
           (-1, -2), (0, -3), (-3, 0)]  # fmt: skip
#: The surroundings in the order in which their marks are scattered, and after how many.
ORDER = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-2, 1), (-2, -1),
         (-1, -2), (0, -3), (-3, 0)]  # fmt: skip
ENDS = (2, 4, 6, 9, 12)


def scattered(number, value):
    mixed = ((number ^ value) * 0x2C1B3C6D + value) % 2**32
    return mixed ^ mixed >> 15


def mark(pixel):
    packed = sum(sample << 16 * plane for plane, sample in enumerate(pixel))
    return scattered(packed % 2**32, packed >> 32)


class PixelsReader:
    """A picture of pixels that may repeat others."""

    def __init__(self, reader, shape, tops, mode, colours, tables):
        count, self.height, self.width = shape
        self.reader, self.mode, self.colours = reader, mode, colours
        self.models, self.places = tables
        self.planes = PlanesReader(reader, count, self.width, tops)
        self.met = ({}, {})

    def pixel(self, y, x):
        return tuple(self.planes.at(plane, y, x) for plane in range(self.planes.count))

    def mark(self, y, x):
        """The mark of a pixel; above the picture there is none."""
        return mark(self.pixel(y, x)) if y >= 0 else 0

    def read(self):
        """All samples, plane after plane and row after row."""
        for y in range(self.height):
            for x in range(self.width):
                self.read_pixel(y, x)
        return [
            [[samples[y, x] for x in range(self.width)] for y in range(self.height)]
            for samples in self.planes.samples
        ]

    def read_pixel(self, y, x):
        planes = range(self.planes.count)
        found, numbers = None, []
        if self.mode:
            number = 1
            for k, (i, j) in enumerate(ORDER, 1):
                number = scattered(number, self.mark(y + i, x + j))
                numbers += [number] if k in ENDS else []
            found = self.repeated(y, x, numbers)
        if found is not None:
            for plane in planes:
                self.planes.samples[plane][y, x] = found[plane]
                if not self.colours:
                    self.planes.skip(plane, y, x)
        elif self.colours:
            self.planes.samples[0][y, x] = self.index(y, x, numbers)
        else:
            for plane in planes:
                self.planes.read(plane, y, x)
        if self.mode:
            pixel = self.pixel(y, x)
            for way, number in enumerate((numbers[4], numbers[2])):
                before, trust = self.met[way].get(number % self.places, (None, 0))
                trust = min(trust + 1, 255) if pixel == before else 0
                self.met[way][number % self.places] = pixel, trust

    def repeated(self, y, x, numbers):
        """The candidate that the pixel is, or None."""
        candidates, trusted = [], 0
        for way, number in enumerate((numbers[4], numbers[2])):
            before, trust = self.met[way].get(number % self.places, (None, 0))
            trusted = 9 * trusted + (0 if before is None else 1 + min(trust.bit_length(), 7))
            if before is not None and before not in [pixel for pixel, _ in candidates]:
                candidates.append((before, way))
        for way, (i, j) in enumerate(((0, -1), (-1, 0), (-1, 1), (-1, -1)), 2):
            if self.pixel(y + i, x + j) not in [pixel for pixel, _ in candidates]:
                candidates.append((self.pixel(y + i, x + j), way))
        for rank, (pixel, way) in enumerate(candidates):
            equal = sum(
                (self.pixel(y + i, x + j) == pixel) << k for k, (i, j) in enumerate(OFFSETS)
            )
            contexts = [
                ("hashed", scattered(number ^ i, mark(pixel)) % self.models)
                for i, number in enumerate(numbers)
            ]
            contexts += [("equal", equal), ("found", rank, trusted, equal % 16)]
            sets = ("way", way, trusted), ("rank", rank, equal % 64), ("way", way, equal % 16)
            if self.reader.mixed(contexts, *sets):
                return pixel
        return None

    def index(self, y, x, numbers):
        """The number of a colour."""
        depth = min((self.colours - 1).bit_length(), 8)
        node = 1
        for _ in range(depth):
            starts = [*(number ^ 8 for number in numbers), 3]
            starts += [self.mark(y, x - 1) ^ 16, self.mark(y - 1, x) ^ 32]
            contexts = [("hashed", scattered(start, node) % self.models) for start in starts]
            node = 2 * node + self.reader.mixed(contexts, ("index", node), "all", ("index", node))
        return min(node - 2**depth, self.colours - 1)


def read_picture(payload, shape, top):
    """The coded planes of a payload, before differences are added up."""
    mode = payload[0] % 4
    tops = [top, *2 * [min(2 * top + 1, 65535) if payload[0] & 4 else top], top]
    colours = payload[1] + 1 if mode == 2 else 0
    reader = MixedReader(payload[2 if mode == 2 else 1 :])
    pixels = shape[1] * shape[2]
    models = 1 << min(max((8 * pixels).bit_length(), 12), 22)
    tables = models, 1 << min(max(pixels.bit_length(), 8), 20)
    if not colours:
        return PixelsReader(reader, shape, tops, mode, 0, tables).read()
    row = PixelsReader(reader, (shape[0], 1, colours), tops, 0, 0, tables).read()
    indices = PixelsReader(reader, (1, *shape[1:]), tops, mode, colours, tables).read()[0]
    return [[[part[0][index] for index in line] for line in indices] for part in row]
