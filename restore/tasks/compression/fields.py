"""Numbers and packed sections in the bytes of a compressed file."""

from __future__ import annotations

import zlib


class Reader:
    """Reads bytes from the front, and raises a ValueError at the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > len(self.data) - self.position:
            raise ValueError("the file is damaged: a section is longer than the file")
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        """The next number, as `varint` writes it."""
        number = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("the file is damaged: a number in it has no end")

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self.data) - self.position)


def varint(number: int) -> bytes:
    """Seven bits of a number a byte, the lowest first; the last byte is below 128."""
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def expand(packed: bytes, most: int, exactly: int | None = None) -> bytes:
    """Decompress a section, to at most `most` bytes."""
    expander = zlib.decompressobj()
    try:
        data = expander.decompress(packed, most + 1)
    except zlib.error as error:
        raise ValueError(f"the file is damaged: a section cannot be expanded ({error})") from error
    if len(data) > most or not expander.eof or (exactly is not None and len(data) != exactly):
        raise ValueError("the file is damaged: a section has the wrong length")
    return data
