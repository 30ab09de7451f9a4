"""PNG: interlaced, of few bits, damaged, and made to fill the memory."""

import struct
import zlib

import numpy as np
import pytest

from restore.files import png
from restore.files.picture import LEVELS, Metadata, Picture, PictureWarning, to_depth
from tests.files.picture_files import encode, levels, read

random = np.random.default_rng(0)

PROFILE = bytes(16) + b"RGB " + bytes(range(200))


@pytest.mark.parametrize("depth, colour", [("8", 2), ("16", 2), ("16", 0), ("16", 6), ("8", 4)])
def test_interlaced_png(depth, colour, capfd, caplog):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    dtype = np.dtype(">u1" if depth == "8" else ">u2")
    stored = random.integers(0, LEVELS[depth] + 1, (11, 13, channels)).astype(dtype)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    rows = b""
    for top, left, down, across in [*passes, (1, 0, 2, 1)]:
        for row in stored[top::down, left::across]:
            rows += b"\0" + row.tobytes() if row.size else b""
    header = struct.pack(">IIBBBBB", 13, 11, int(depth), colour, 0, 0, 1)
    picture = read(
        png.bare_png([(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])
    )
    values = picture.samples
    if picture.alpha is not None:
        values = np.concatenate([values, picture.alpha[..., None]], axis=2)
    np.testing.assert_array_equal(to_depth(values, depth), stored)
    # libpng has a warning for it, which some versions of imagecodecs print and others log
    assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.parametrize("height, width", [(1, 1), (1, 9), (9, 1), (3, 2), (5, 5)])
def test_interlaced_pictures_of_a_few_pixels(height, width):
    stored = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in png._PASSES
        for row in stored[top::down, left::across]
        if row.size
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    data = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    np.testing.assert_array_equal(to_depth(read(png.bare_png(data)).samples, "8"), stored)
    data[1] = (b"IDAT", zlib.compress(rows[:-1]))
    with pytest.raises(ValueError, match="truncated"):
        read(png.bare_png(data))


def test_an_interlaced_palette_with_transparency():
    indices = random.integers(0, 4, (11, 13), dtype=np.uint8)
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, left, down, across in png._PASSES
        for row in indices[top::down, left::across]
        if row.size
    )
    colours = random.integers(0, 256, (4, 3), dtype=np.uint8)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 13, 11, 8, 3, 0, 0, 1))]
    chunks += [(b"PLTE", colours.tobytes()), (b"tRNS", bytes([255, 0]))]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    with pytest.warns(PictureWarning, match="palette"):
        picture = read(png.bare_png(chunks))
    np.testing.assert_array_equal(to_depth(picture.samples, "8"), colours[indices])
    np.testing.assert_array_equal(picture.alpha, indices != 1)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_span_the_whole_range(bits):
    header = struct.pack(">IIBBBBB", 8 // bits, 1, bits, 0, 0, 0, 0)
    counting = sum(value << (8 - bits * (value + 1)) for value in range(min(2**bits, 8 // bits)))
    pixels = zlib.compress(bytes([0, counting]))
    picture = read(png.bare_png([(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]))
    wanted = (np.arange(8 // bits) * (np.arange(8 // bits) < 2**bits)) / (2**bits - 1)
    np.testing.assert_allclose(picture.samples[0, :, 0], wanted, atol=1e-6)


def test_a_damaged_chunk_that_is_not_needed_is_left_out():
    data = bytearray(encode(Picture(levels((7, 5, 3), "8"), metadata=Metadata(icc=PROFILE)), "png"))
    data[data.index(b"iCCP") + 10] ^= 1
    with pytest.warns(PictureWarning, match="iCCP"):
        assert read(data).metadata.icc is None


def test_a_png_that_declares_more_than_it_holds_is_refused_before_anything_is_allocated():
    header = struct.pack(">IIBBBBB", 16_000, 16_000, 16, 6, 0, 0, 0)
    data = png.bare_png([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")])
    with pytest.raises(ValueError, match="fewer pixels"):
        read(data)


def with_chunk(kind, content):
    """A PNG of one pixel with a further chunk."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = [(b"IDAT", zlib.compress(b"\0\x80")), (b"IEND", b"")]
    return png.PNG_SIGNATURE + png._packed([(b"IHDR", header), (kind, content), *pixels])


XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>hello</x:xmpmeta>"


@pytest.mark.parametrize(
    "text",
    [
        b"\0\0\0\0" + XMP,
        b"\1\0\0\0" + zlib.compress(XMP),
        b"\1\0en\0Titel\0" + zlib.compress(XMP),
        b"\0\0en\0Titel\0" + XMP,
    ],
)
def test_xmp_is_kept_compressed_or_not(text):
    picture = read(with_chunk(b"iTXt", b"XML:com.adobe.xmp\0" + text))
    assert picture.metadata.xmp == XMP
    assert read(encode(picture, "png")).metadata.xmp == XMP


@pytest.mark.parametrize(
    "kind, start", [(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), (b"iCCP", b"profile\0\0")]
)
def test_what_expands_without_end_is_left_out(kind, start):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(200)) + packer.flush()
    with pytest.warns(PictureWarning, match=f"{kind.decode()}.*expands to more than 16 MB"):
        metadata = read(with_chunk(kind, start + packed)).metadata
    assert metadata.xmp is None and metadata.icc is None
    with pytest.warns(PictureWarning, match=f"damaged {kind.decode()} part left out"):
        read(with_chunk(kind, start + zlib.compress(XMP)[:-5]))
