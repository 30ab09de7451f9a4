"""The boxes of ISO media files (AVIF, HEIC), of JPEG 2000 and of JPEG XL.

A box has a length, a type of four letters and a content, which may be further boxes. The contents
of an AVIF or HEIC file (pictures, EXIF, XMP) are items; the box ``meta`` states the location and
the properties of each.

References
----------
ISO/IEC 14496-12:2022, 4.2 (boxes) and 8.11 (items). ISO/IEC 23008-12:2022 (HEIF).
"""

from __future__ import annotations

import dataclasses
import struct

from restore.files.formats import PictureError

#: Maximum number of boxes of one level and items of one file: more than any program writes.
MOST = 10_000

#: type of an XMP item, and its media type
XMP_TYPE = b"application/rdf+xml"


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> list[tuple[bytes, int, int]]:
    """The boxes in a part of a file: a list of (kind, start and stop of the content).

    Raises
    ------
    PictureError
        If a box is longer than its container.
    """
    stop = len(data) if stop is None else stop
    found: list[tuple[bytes, int, int]] = []
    while start < stop:
        if start + 8 > stop or len(found) == MOST:
            raise PictureError("the picture is truncated")
        length, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if length == 1:
            if start + 16 > stop:
                raise PictureError("the picture is truncated")
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        elif length == 0:
            length = stop - start
        if length < head or start + length > stop:
            raise PictureError("the picture is truncated")
        found.append((bytes(kind), start + head, start + length))
        start += length
    return found


def box(kind: bytes, *contents: bytes) -> bytes:
    """The bytes of a box."""
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


@dataclasses.dataclass
class Items:
    """The items of a file.

    Attributes
    ----------
    primary : int
    kinds : dict of int to bytes
        Four letters; of a ``mime`` item its media type.
    extents : dict of int to list of (int, int)
        Where the bytes of an item are: positions in the file and lengths.
    properties : dict of int to list of (bytes, bytes)
        Kinds and contents.
    """

    primary: int = 0
    kinds: dict = dataclasses.field(default_factory=dict)
    extents: dict = dataclasses.field(default_factory=dict)
    properties: dict = dataclasses.field(default_factory=dict)

    def property(self, kind: bytes) -> list[bytes]:
        """The contents of the properties of one kind of the main picture."""
        return [content for name, content in self.properties.get(self.primary, ()) if name == kind]

    def content(self, kind: bytes, data: bytes, limit: int) -> bytes | None:
        """The bytes of the first item of one kind, or None."""
        for number, name in self.kinds.items():
            if name == kind:
                extents = self.extents.get(number, [])
                if sum(length for _, length in extents) > limit:
                    raise PictureError(f"it is longer than {limit >> 20} MB")
                if any(start + length > len(data) for start, length in extents):
                    raise PictureError("it is truncated")
                return b"".join(data[start : start + length] for start, length in extents)
        return None


def items(data: bytes) -> Items:
    """The items of an AVIF or HEIC file.

    Raises
    ------
    PictureError
        If its boxes make no sense.
    """
    try:
        meta = next((found for found in boxes(data) if found[0] == b"meta"), None)
        if meta is None:
            raise PictureError("the file has no picture, only what may be a film")
        inner = {kind: (start, stop) for kind, start, stop in boxes(data, meta[1] + 4, meta[2])}
        found = Items()
        start, _ = inner[b"pitm"]
        (found.primary,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
        _read_kinds(data, *inner[b"iinf"], found)
        _read_places(data, *inner[b"iloc"], found, inner.get(b"idat"))
        _read_properties(data, *inner[b"iprp"], found)
    except (KeyError, struct.error, IndexError, StopIteration) as error:
        raise PictureError("the picture is damaged: its directory makes no sense") from error
    return found


def _read_kinds(data: bytes, start: int, stop: int, found: Items) -> None:
    wide = data[start] > 0
    for kind, begin, end in boxes(data, start + (8 if wide else 6), stop):
        if kind != b"infe" or data[begin] < 2:
            continue
        number = struct.unpack_from(">I" if data[begin] > 2 else ">H", data, begin + 4)[0]
        place = begin + (10 if data[begin] > 2 else 8)
        name = bytes(data[place : place + 4])
        if name == b"mime":
            parts = bytes(data[place + 4 : end]).split(b"\0")
            name = parts[1] if len(parts) > 1 else name
        found.kinds[number] = name


def _read_places(
    data: bytes, start: int, stop: int, found: Items, idat: tuple[int, int] | None
) -> None:
    version = data[start]
    sizes = struct.unpack_from(">H", data, start + 4)[0]
    widths = [sizes >> shift & 15 for shift in (12, 8, 4, 0)]  # offset, length, base, index
    wide = ">I" if version > 1 else ">H"
    (count,) = struct.unpack_from(wide, data, start + 6)
    place = start + 6 + struct.calcsize(wide)

    def number(width: int) -> int:
        nonlocal place
        if place + width > stop:
            raise PictureError("the picture is truncated")
        value = int.from_bytes(data[place : place + width], "big")
        place += width
        return value

    for _ in range(count):
        item = number(struct.calcsize(wide))
        within = number(2) & 15 if version else 0
        number(2)
        base = number(widths[2]) + (idat[0] if within == 1 and idat else 0)
        extents = []
        for _ in range(number(2)):
            if version:
                number(widths[3])
            offset, length = number(widths[0]), number(widths[1])
            extents.append((base + offset, length))
        found.extents[item] = extents


def _read_properties(data: bytes, start: int, stop: int, found: Items) -> None:
    inner = boxes(data, start, stop)
    stored = next(place for kind, *place in inner if kind == b"ipco")
    contents = [(kind, bytes(data[begin:end])) for kind, begin, end in boxes(data, *stored)]
    for kind, begin, end in inner:
        if kind != b"ipma":
            continue
        wide, long = data[begin] > 0, data[begin + 3] & 1
        (count,) = struct.unpack_from(">I", data, begin + 4)
        place = begin + 8
        for _ in range(min(count, MOST)):
            (item,) = struct.unpack_from(">I" if wide else ">H", data, place)
            place += 4 if wide else 2
            linked = data[place]
            place += 1
            for _ in range(linked):
                index = struct.unpack_from(">H" if long else ">B", data, place)[0]
                place += 2 if long else 1
                index &= 0x7FFF if long else 0x7F
                if 0 < index <= len(contents):
                    found.properties.setdefault(item, []).append(contents[index - 1])
            if place > end:
                raise PictureError("the picture is truncated")


def with_items(data: bytes, further: list[tuple[bytes, bytes]], properties: list[bytes]) -> bytes:
    """An AVIF file with further items and properties of its main picture.

    Parameters
    ----------
    data : bytes
        As encoders write it: boxes ``ftyp``, ``meta`` and ``mdat``, with 4-byte locations.
    further : list of (bytes, bytes)
        Kinds, ``b"Exif"`` or the media type of a ``mime`` item, and contents.
    properties : list of bytes
        Boxes.
    """
    ftyp, meta, *_ = boxes(data)
    inner = [(kind, bytes(data[a:b])) for kind, a, b in boxes(data, meta[1] + 4, meta[2])]
    contents = dict(inner)
    primary = items(data).primary
    first = 1 + max(items(data).kinds)
    entries, links = [], []
    for number, (kind, _) in enumerate(further, first):
        words = kind + b"\0" if kind == b"Exif" else b"mime\0" + kind + b"\0"
        entries.append(box(b"infe", b"\2\0\0\0", struct.pack(">HH", number, 0), words))
        links.append(box(b"cdsc", struct.pack(">HHH", number, 1, primary)))
    (count,) = struct.unpack_from(">H", contents[b"iinf"], 4)
    contents[b"iinf"] = (
        contents[b"iinf"][:4]
        + struct.pack(">H", count + len(entries))
        + contents[b"iinf"][6:]
        + b"".join(entries)
    )
    contents[b"iref"] = contents.get(b"iref", bytes(4)) + b"".join(links)
    contents[b"iprp"] = _with_properties(contents[b"iprp"], primary, properties)
    places = contents[b"iloc"]
    if places[:6] != bytes(4) + b"\x44\0":
        raise PictureError("the encoder tells places in an unknown way")
    contents[b"iloc"] = places + bytes(14 * len(further))  # as long as it will be

    def whole() -> bytes:
        return box(b"meta", bytes(4), *(box(kind, content) for kind, content in contents.items()))

    grown = len(whole()) - (meta[2] - meta[1] + 8)
    contents[b"iloc"] = _moved(places, grown, further, first, len(data) + grown + 8)
    packed = b"".join(content for _, content in further)
    return b"".join(
        [data[: meta[1] - 8], whole(), data[meta[2] :], box(b"mdat", packed) if packed else b""]
    )


def _with_properties(content: bytes, primary: int, properties: list[bytes]) -> bytes:
    """The box of properties with further ones of the main picture."""
    inner = {kind: content[start:stop] for kind, start, stop in boxes(content)}
    first = 1 + len(boxes(inner[b"ipco"]))
    inner[b"ipco"] += b"".join(properties)
    linked = inner[b"ipma"]
    if linked[:4] != bytes(4):
        raise PictureError("the encoder links properties in an unknown way")
    place, changed = 8, linked[:8]
    while place < len(linked):
        item, count = struct.unpack_from(">HB", linked, place)
        own = linked[place + 3 : place + 3 + count]
        place += 3 + count
        if item == primary:
            own += bytes(range(first, first + len(properties)))
        changed += struct.pack(">HB", item, len(own)) + own
    inner[b"ipma"] = changed
    return b"".join(box(kind, inside) for kind, inside in inner.items())


def _moved(
    places: bytes, grown: int, further: list[tuple[bytes, bytes]], first: int, end: int
) -> bytes:
    """The box of locations, all moved by `grown`, with those of further items from `end` on."""
    (count,) = struct.unpack_from(">H", places, 6)
    changed = places[:6] + struct.pack(">H", count + len(further))
    place = 8
    for _ in range(count):
        item, source, extents = struct.unpack_from(">HHH", places, place)
        changed += struct.pack(">HHH", item, source, extents)
        place += 6
        for _ in range(extents):
            offset, length = struct.unpack_from(">II", places, place)
            changed += struct.pack(">II", offset + grown, length)
            place += 8
    for number, (_, content) in enumerate(further, first):
        changed += struct.pack(">HHHII", number, 0, 1, end, len(content))
        end += len(content)
    return changed
