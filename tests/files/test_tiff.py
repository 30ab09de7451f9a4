"""TIFF: all its layouts, and files that are made to hang or to fill the memory."""

import io
import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from restore.files import reading, tiff, writing
from restore.files.formats import PictureError
from restore.files.picture import Picture, PictureWarning, to_depth, unwarned
from tests.files.picture_files import levels, read, saved_by_pillow, saved_by_tifffile

random = np.random.default_rng(0)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_compressions(compression, dtype):
    stored = random.integers(0, 256, (20, 30, 3)).astype(dtype)
    data = saved_by_tifffile(stored, compression=compression, photometric="rgb")
    picture = read(data)
    np.testing.assert_array_equal(to_depth(picture.samples, picture.depth), stored)


def test_jpeg_in_tiff():
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    for data in (
        saved_by_tifffile(smooth, compression="jpeg", photometric="rgb"),
        saved_by_pillow(Image.fromarray(smooth), "TIFF", compression="jpeg", quality=95),
    ):
        np.testing.assert_allclose(read(data).samples * 255, smooth, atol=9)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax_in_tiff(compression, photometric):
    pages = [Image.fromarray(random.random((16, 24)) < 0.5) for _ in range(2)]
    options = {"save_all": True, "append_images": pages[1:], "tiffinfo": {262: photometric}}
    data = saved_by_pillow(pages[0], "TIFF", compression=compression, **options)
    for number, page in enumerate(pages):
        picture = read(data, page=number + 1)
        np.testing.assert_array_equal(picture.samples[..., 0], np.asarray(page))
        assert picture.depth == "8"


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}])
def test_tiff_layouts(options):
    stored = random.integers(0, 65536, (40, 50), dtype=np.uint16)
    picture = read(saved_by_tifffile(stored, **options))
    np.testing.assert_array_equal(to_depth(picture.samples, "16")[..., 0], stored)


def test_camera_raw_files_are_not_taken_for_their_previews(monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)  # which would read their mosaics
    preview = np.zeros((8, 9, 3), np.uint8)
    mosaic = random.integers(0, 65536, (16, 16), dtype=np.uint16)
    for tags in ([], [(50706, 1, 4, bytes([1, 4, 0, 0]), True)]):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as tiff:
            options = {"photometric": "rgb", "subfiletype": 1, "metadata": None}
            tiff.write(preview, subifds=1, extratags=tags, **options)
            tiff.write(mosaic, photometric="cfa", metadata=None)
        with pytest.raises(PictureError, match="camera raw.*dcraw"):
            read(file.getvalue())
    plain = saved_by_tifffile(mosaic, photometric="cfa", extratags=tags)
    np.testing.assert_array_equal(to_depth(read(plain).samples, "16")[..., 0], mosaic)
    for head in (b"II*\0\x10\0\0\0CR\2\0", b"FUJIFILMCCD-RAW ", b"\0\0\0\x18ftypcrx "):
        with pytest.raises(PictureError, match="camera raw"):
            read(head + bytes(100))


@pytest.mark.parametrize("options", [{"imagej": True}, {}])
def test_a_stack_without_headers_is_refused_not_cut_to_its_first_page(options):
    stack = random.integers(0, 65536, (5, 20, 30), dtype=np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, stack, truncate=True, photometric="minisblack", **options)
    with pytest.raises(PictureError, match="no headers"):
        read(file.getvalue())
    file = io.BytesIO()
    tifffile.imwrite(file, stack, photometric="minisblack", **options)
    file.seek(0)
    assert len(list(reading.read_pages(file))) == 5


def test_planes_are_put_together():
    stored = random.integers(0, 65536, (3, 20, 30), dtype=np.uint16)
    picture = read(saved_by_tifffile(stored, planarconfig="separate", photometric="rgb"))
    np.testing.assert_array_equal(to_depth(picture.samples, "16"), np.moveaxis(stored, 0, 2))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_pages_in_order(count, channels):
    sizes = [(9 + number, 8 - number) for number in range(count)]
    pages = [Picture(levels((*size, channels), "16"), None, "16") for size in sizes]
    file = io.BytesIO()
    writing.write_pages(file, iter(pages), "tiff", count=count)
    file.seek(0)
    back = list(reading.read_pages(file))
    assert len(back) == count
    for page, original in zip(back, pages):
        np.testing.assert_array_equal(page.samples, original.samples)
    file.seek(0)
    last = reading.only_page(reading.read_pages(file, page=count))
    np.testing.assert_array_equal(last.samples, pages[-1].samples)
    file.seek(0)
    with pytest.raises(ValueError, match=f"no page {count + 1}"):
        list(reading.read_pages(file, page=count + 1))


# --- Hostile files --------------------------------------------------------------------


def directories(count, back_to, order="<", big=False):
    """A TIFF of `count` pages of one pixel, of which the last leads to the page `back_to`."""
    pointer, number = ("Q", "Q") if big else ("I", "H")
    mark = (43, 8, 0, 16) if big else (42, 8)
    head = struct.pack(order + ("HHHQ" if big else "HI"), *mark)
    data, places = bytearray((b"II" if order == "<" else b"MM") + head), []
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1)]
    for page in range(count):
        place = len(data)
        places.append(place)
        size = struct.calcsize(order + number) + 9 * (20 if big else 12)
        size += struct.calcsize(order + pointer)
        data += struct.pack(order + number, 9)
        for tag, value in [*tags, (279, 1)]:
            kind = 4 if tag in (273, 279) else 3
            entry = struct.pack(order + "HH" + pointer, tag, kind, 1)
            code = "I" if kind == 4 else "H"
            entry += struct.pack(order + code, place + size if tag == 273 else value)
            data += entry.ljust(20 if big else 12, b"\0")
        following = places[back_to] if page == count - 1 and back_to is not None else 0
        following = following if page == count - 1 else place + size + 2
        data += struct.pack(order + pointer, following) + b"\x80\0"
    return bytes(data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_pages_are_counted_as_tifffile_counts_them(order, big):
    for count in (1, 2, 7):
        data = directories(count, None, order, big)
        assert tiff.count_pages(io.BytesIO(data)) == count
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            assert len(file.pages) == count
        with unwarned():
            assert len(list(reading.read_pages(io.BytesIO(data)))) == count


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("count, back_to", [(1, 0), (5, 2), (100, 0), (250, 100)])
def test_pages_that_go_round_in_a_circle(order, big, count, back_to):
    data = directories(count, back_to, order, big)
    with pytest.raises(PictureError, match="lead back to an earlier one"):
        list(reading.read_pages(io.BytesIO(data)))


def test_the_number_of_pages_is_limited(monkeypatch):
    monkeypatch.setattr(tiff, "MAX_PAGES", 6)
    assert len(list(reading.read_pages(io.BytesIO(directories(6, None))))) == 6
    with pytest.raises(PictureError, match="more than 6 pages: split it"):
        list(reading.read_pages(io.BytesIO(directories(7, None))))


def with_tag(data, code, value):
    """A little-endian TIFF with another value of a tag of its first page."""
    data = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from("<HH", data, entry)
        if tag == code:
            struct.pack_into({3: "<H", 4: "<I"}[kind], data, entry + 8, value)
    return bytes(data)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd", "lzma"])
def test_tiles_much_larger_than_their_picture(compression):
    stored = random.integers(0, 256, (40, 50), dtype=np.uint8)
    data = saved_by_tifffile(stored, tile=(16, 16), compression=compression)
    for code in (322, 323):
        data = with_tag(data, code, 65_520)
    with pytest.raises(PictureError, match="tiles are larger|fewer pixels"):
        read(data)
    plain = saved_by_tifffile(stored, tile=(512, 512), compression=compression)
    np.testing.assert_array_equal(to_depth(read(plain).samples, "8")[..., 0], stored)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_more_pixels_than_so_few_bytes_can_hold(compression):
    stored = np.zeros((64, 64), np.uint8)
    data = saved_by_tifffile(stored, compression=compression, rowsperstrip=64)
    data = with_tag(with_tag(with_tag(data, 256, 16_000), 257, 16_000), 278, 16_000)
    with pytest.raises(PictureError, match="fewer pixels"):
        read(data)
    largest = np.zeros((2000, 2000), np.uint8)  # as small as the compression can make it
    assert not read(saved_by_tifffile(largest, compression=compression)).samples.any()


@pytest.mark.parametrize("compression", ["jpeg", "png", "webp", "jpeg2000"])
def test_pictures_within_that_are_larger_than_the_page(compression):
    stored = np.zeros((16, 16, 3), np.uint8)
    options = {"compression": compression, "photometric": "rgb"}
    assert not read(saved_by_tifffile(stored, **options)).samples.any()
    data = saved_by_tifffile(stored, **options)
    other = saved_by_tifffile(np.zeros((64, 64, 3), np.uint8), **options)
    with tifffile.TiffFile(io.BytesIO(other)) as file:
        place, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages[0].tags
        assert tags[273].count == tags[279].count == 1
    data = with_tag(with_tag(data, 273, len(data)), 279, length) + other[place : place + length]
    with pytest.raises(PictureError, match="parts are larger than its picture"):
        read(data)


def test_compressions_whose_size_nobody_can_check_are_refused_by_name():
    data = saved_by_tifffile(np.zeros((16, 16), np.uint8), compression="zlib")
    with pytest.raises(PictureError, match="JPEGXL is not supported: save it with deflate"):
        read(with_tag(data, 259, 50_002))


def test_many_channels_are_refused_before_they_are_decoded(monkeypatch):
    data = saved_by_tifffile(np.zeros((16, 16, 9), np.uint8), planarconfig="contig")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    with pytest.raises(PictureError, match="channels are not a grey or RGB picture"):
        read(data)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_a_damaged_fax_is_told_and_libtiff_is_silent(compression, capfd):
    bits = np.random.default_rng(0).random((20, 20)) < 0.5
    page = Image.fromarray(np.kron(bits, np.ones((4, 6), bool)))
    data = bytearray(saved_by_pillow(page, "TIFF", compression=compression))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start, length = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    for place in range(start + length // 4, start + length - 40, 9):
        data[place] ^= 0x18
    with pytest.warns(PictureWarning, match="fax picture is damaged"):
        assert read(bytes(data)).samples.shape == (80, 120, 1)
    assert capfd.readouterr() == ("", "")
