"""AVIF, HEIC, JPEG XL, JPEG 2000, PNM and GIF: each cell of the table in docs/files.md."""

import io
import itertools
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from restore.batch.plan import find
from restore.files import boxes, jxl
from restore.files import metadata as meta
from restore.files.formats import (
    FORMATS,
    READ_EXTENSIONS,
    PictureError,
    format_of_bytes,
    output_extension,
)
from restore.files.picture import Metadata, Picture, PictureWarning, to_depth, to_unit
from tests.files.picture_files import encode, levels, read, saved_by_pillow

random = np.random.default_rng(1)

COMBINATIONS = [*itertools.product((1, 3), (False, True))]


def blocks(height=32, width=48):
    """A picture of flat blocks, which codecs with losses keep nearly as it is."""
    few = random.integers(30, 226, (height // 8, width // 8, 3))
    return np.kron(few, np.ones((8, 8, 1))).astype(np.uint8)


# --- The table ------------------------------------------------------------------------


def test_each_extension_is_found_and_has_an_output():
    for name, format in FORMATS.items():
        for extension in format.extensions:
            assert extension in READ_EXTENSIONS
            wanted = extension if format.depths else ".png"
            wanted = ".tif" if name in ("dng", "raw") else wanted
            assert output_extension(extension) == wanted, name
    assert output_extension(".pgm", coloured=True) == ".ppm"
    assert output_extension(".NEF") == ".tif"


def test_folders_are_searched_for_all_formats(tmp_path):
    for extension in READ_EXTENSIONS:
        (tmp_path / f"one{extension}").touch()
    (tmp_path / "one.txt").touch()
    found, ignored = find([str(tmp_path)])
    assert len(found) == len(READ_EXTENSIONS) and ignored == {".txt": 1}


@pytest.mark.parametrize(
    "name", [name for name in FORMATS if FORMATS[name].depths and name != "dng"]
)
def test_formats_are_told_by_their_first_bytes(name):
    depth = FORMATS[name].depths[-1]
    data = encode(Picture(levels((9, 8, FORMATS[name].channels[-1]), depth), None, depth), name)
    assert format_of_bytes(data[:16]) == name


# --- Pictures that other programs write -----------------------------------------------


@pytest.mark.parametrize("name", ["AVIF", "JPEG2000", "GIF", "PPM"])
def test_what_pillow_writes_is_read(name):
    image = Image.fromarray(blocks())
    if name == "GIF":
        image = image.quantize(64)
    options = {"AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(name, {})
    data = saved_by_pillow(image, name, **options)
    if name == "GIF":
        with pytest.warns(PictureWarning, match="palette"):
            picture = read(data)
    else:
        picture = read(data)
    wanted = np.asarray(image.convert("RGB")) / 255
    np.testing.assert_allclose(picture.samples, wanted, atol=2.5 / 255)
    assert picture.depth == "8"


def test_transparency_of_a_gif_becomes_alpha():
    opacity = 255 * random.integers(0, 2, (32, 48, 1), dtype=np.uint8)
    image = Image.fromarray(np.dstack([blocks(), opacity]))
    with pytest.warns(PictureWarning, match="palette"):
        picture = read(saved_by_pillow(image, "GIF"))
    np.testing.assert_array_equal(to_depth(picture.alpha, "8"), opacity[..., 0])


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bits_between_8_and_16_are_kept(bits, channels):
    stored = random.integers(0, 2**bits, (13, 22, channels), dtype=np.uint16)
    plain = stored[..., 0] if channels == 1 else stored
    files = {
        "AVIF": imagecodecs.avif_encode(plain, level=100, bitspersample=bits, speed=9),
        "JPEG XL": imagecodecs.jpegxl_encode(plain, lossless=True, bitspersample=bits, effort=1),
        "JPEG 2000": imagecodecs.jpeg2k_encode(
            plain, level=0, codecformat="jp2", reversible=True, bitspersample=bits
        ),
    }
    for name, data in files.items():
        with pytest.warns(PictureWarning, match=f"{bits}-bit"):
            picture = read(data)
        wanted = to_unit(stored, 2**bits - 1)
        alpha = channels in (2, 4)
        np.testing.assert_array_equal(
            picture.samples, wanted[..., :-1] if alpha else wanted, err_msg=name
        )
        assert picture.depth == "16"
        if alpha:
            np.testing.assert_array_equal(picture.alpha, wanted[..., -1])


@pytest.mark.parametrize("channels, alpha", COMBINATIONS)
def test_avif_keeps_12_of_16_bits_and_says_so(channels, alpha):
    stored = random.integers(0, 4096, (13, 22, channels + alpha), dtype=np.uint16)
    values = to_unit(stored, 4095)
    picture = Picture(values[..., :channels], values[..., -1] if alpha else None, "16")
    with pytest.warns(PictureWarning, match="at most 12 bits"):
        data = encode(picture, "avif")
    with pytest.warns(PictureWarning, match="12-bit"):
        back = read(data)
    np.testing.assert_array_equal(back.samples, picture.samples)
    if alpha:
        np.testing.assert_array_equal(back.alpha, picture.alpha)
    with pytest.raises(PictureError, match="16-bit"):
        encode(picture, "avif", strict=True)


@pytest.mark.parametrize("name, decode", [("avif", "avif"), ("jxl", "jpegxl"), ("jp2", "jpeg2k")])
@pytest.mark.parametrize("channels, alpha", COMBINATIONS)
def test_other_programs_read_what_is_written(name, decode, channels, alpha):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    metadata = Metadata(exif=exif.tobytes()[6:], xmp=b"<x/>", resolution=(300, 300, "inch"))
    samples = levels((13, 22, channels), "8")
    picture = Picture(samples, levels((13, 22), "8") if alpha else None, "8", metadata)
    data = encode(picture, name)
    stored = getattr(imagecodecs, decode + "_decode")(data).reshape(13, 22, -1)
    np.testing.assert_array_equal(stored[..., :channels], to_depth(samples, "8"))
    if name != "jxl":
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (22, 13)
            assert image.mode in ("L", "LA", "RGB", "RGBA")
            assert image.mode.endswith("A") == alpha
            if name == "avif":
                assert image.getexif()[0x010F] == "Maker" and image.info["xmp"] == b"<x/>"


# --- Orientation, colours ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["avif", "heic"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_become_upright(name, orientation):
    upright = np.zeros((48, 32), np.uint8)
    upright[:24, :16] = 255
    upright[:24, 16:] = 128
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = meta.upright(upright, {6: 8, 8: 6}.get(orientation, orientation))
    image = Image.fromarray(np.stack([turned] * 3, axis=2))
    if name == "avif":
        data = saved_by_pillow(image, "AVIF", exif=exif, quality=100)
    else:
        data = heic(image, exif=exif.tobytes())
    picture = read(data)
    np.testing.assert_allclose(picture.samples[..., 0] * 255, upright, atol=12)
    assert picture.metadata.orientation == orientation


@pytest.mark.parametrize("primaries, transfer", [(9, 16), (9, 18), (12, 13), (1, 13)])
def test_code_points_of_colours_are_kept_or_refused_by_name(primaries, transfer):
    data = imagecodecs.avif_encode(blocks(), level=100, speed=9)
    start = data.index(b"colrnclx") + 8
    told = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
    picture = read(data[:start] + told + data[start + 4 :])
    points = None if (primaries, transfer) == (1, 13) else (primaries, transfer)
    assert meta.cicp_of(picture.metadata) == points
    for name in ("png", "avif"):
        assert meta.cicp_of(read(encode(picture, name)).metadata) == points
    for name in ("tiff", "jxl", "jp2", "webp"):
        if transfer in (16, 18):
            with pytest.raises(PictureError, match="PQ" if transfer == 16 else "HLG"):
                encode(picture, name)
        elif points:
            with pytest.warns(PictureWarning, match="primaries"):
                encode(picture, name)
            with pytest.raises(PictureError, match="primaries"):
                encode(picture, name, strict=True)
        else:
            encode(picture, name, strict=True)


def test_an_unspecified_colour_of_an_avif_is_srgb():
    picture = read(imagecodecs.avif_encode(blocks(), level=100, speed=9))
    assert meta.cicp_of(picture.metadata) is None


# --- HEIC -----------------------------------------------------------------------------


def test_a_directory_without_properties_is_told():
    data = encode(Picture(levels((9, 9, 3), "8")), "avif")
    _, start, stop = next(found for found in boxes.boxes(data) if found[0] == b"meta")
    inner = [(kind, data[one:end]) for kind, one, end in boxes.boxes(data, start + 4, stop)]
    for properties in (b"", boxes.box(b"ipma", bytes(8))):
        parts = (boxes.box(kind, properties if kind == b"iprp" else old) for kind, old in inner)
        with pytest.raises(PictureError, match="its directory makes no sense"):
            boxes.items(boxes.box(b"ftyp", b"avif") + boxes.box(b"meta", bytes(4), *parts))


def heic(image, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0, **options}
    pillow_heif.from_pillow(image).save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_heic_is_read_with_all_that_it_says(mode):
    pixels = np.dstack([blocks(), blocks()[..., :1]])[..., : len(mode)]
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    profile = bytes(16) + b"RGB " + bytes(range(200))
    image = Image.fromarray(pixels)
    image.info["icc_profile"], image.info["icc_profile_type"] = profile, "prof"
    picture = read(heic(image, exif=exif.tobytes(), xmp=b"<x/>"))
    np.testing.assert_array_equal(to_depth(picture.samples, "8"), pixels[..., :3])
    if mode == "RGBA":
        np.testing.assert_array_equal(to_depth(picture.alpha, "8"), pixels[..., 3])
    assert picture.metadata.icc == profile and picture.metadata.xmp == b"<x/>"
    block = Image.Exif()
    block.load(b"Exif\0\0" + picture.metadata.exif)
    assert block[0x010F] == "Maker"


def test_heic_of_10_bits_becomes_16():
    pillow_heif = pytest.importorskip("pillow_heif")
    stored = random.integers(0, 1024, (32, 48, 3)).astype(np.uint16)
    opened = pillow_heif.from_bytes("RGB;10", (48, 32), stored.tobytes())
    file = io.BytesIO()
    opened.save(file, quality=-1, chroma=444, matrix_coefficients=0)
    with pytest.warns(PictureWarning, match="10-bit"):
        picture = read(file.getvalue())
    assert picture.depth == "16"
    np.testing.assert_allclose(picture.samples, stored / 1023, atol=1e-6)


def test_without_pillow_heif_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(PictureError, match="pip install"):
        read(b"\0\0\0\x18ftypheic" + bytes(40))


def test_a_gain_map_is_named():
    data = encode(Picture(levels((9, 9, 3), "8")), "avif")
    with pytest.warns(PictureWarning, match="HDR gain map is left out"):
        read(boxes.with_items(data, [(b"tmap", b"map")], []))


# --- JPEG XL --------------------------------------------------------------------------


def packed(*fields):
    """The bytes of (value, bits), the lowest bit first, after the two of the signature."""
    number = place = 0
    for value, bits in fields:
        number |= value << place
        place += bits
    return b"\xff\n" + number.to_bytes(place // 8 + 8, "little")


SMALL_SIZE = [(1, 1), (3, 5), (0, 3), (5, 5)]  # 32 x 48
ALL_DEFAULT_DEPTH = [(0, 1), (0, 2)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_codestream_is_read(orientation):
    extra = [(1, 1), (orientation - 1, 3), (0, 1), (0, 1), (0, 1)]
    fields = [*SMALL_SIZE, (0, 1), *extra, *ALL_DEFAULT_DEPTH, (1, 1), (0, 2), (0, 1), (1, 1)]
    header = jxl._header(packed(*fields))
    assert header["size"] == (48, 32) and header["orientation"] == orientation
    assert header["bits"] == 8 and header["cicp"] is None


@pytest.mark.parametrize(
    "primaries, transfer, wanted",
    [(9, 16, (9, 16)), (9, 18, (9, 18)), (11, 13, (12, 13)), (2, 13, None), (1, 17, None)],
)
def test_the_colours_of_a_codestream_are_read_or_refused(primaries, transfer, wanted):
    def name(value):
        return [(2, 2), (value - 2, 4)] if value < 18 else [(3, 2), (value - 18, 6)]

    primaries = name(primaries) if primaries > 1 else [(1, 2)]
    colours = [(0, 1), (0, 1), (0, 2), (1, 2), *primaries, (0, 1), *name(transfer)]
    fields = [*SMALL_SIZE, (0, 1), (0, 1), *ALL_DEFAULT_DEPTH, (1, 1), (0, 2), (0, 1), *colours]
    if wanted:
        assert jxl._header(packed(*fields))["cicp"] == wanted
    else:
        with pytest.raises(PictureError, match="djxl"):
            jxl._header(packed(*fields))


def test_a_profile_within_a_codestream_is_refused():
    colours = [(0, 1), (1, 1), (0, 2)]
    fields = [*SMALL_SIZE, (0, 1), (0, 1), *ALL_DEFAULT_DEPTH, (1, 1), (0, 2), (0, 1), *colours]
    with pytest.raises(PictureError, match="colour profile.*djxl"):
        jxl._header(packed(*fields))


@pytest.mark.parametrize("shape", [(1, 1), (256, 8), (300, 200), (9, 12), (16, 9), (3000, 2)])
def test_the_header_says_what_the_decoder_makes(shape):
    for channels, kind in itertools.product((1, 2, 3, 4), (np.uint8, np.uint16, np.float32)):
        stored = np.zeros((*shape, channels), kind)
        data = imagecodecs.jpegxl_encode(
            stored[..., 0] if channels == 1 else stored, lossless=True, effort=1
        )
        found = boxes.boxes(data) if data.startswith(jxl._SIGNATURE) else []
        header = jxl._header(jxl._codestream(data, found))
        assert header["size"] == shape[::-1] and len(header["alpha"]) == (channels in (2, 4))
        assert header["bits"] == 8 * stored.itemsize and header["float"] == (kind == np.float32)
        assert header["grey"] == (channels < 3)


def test_compressed_metadata_of_jpeg_xl_is_read():
    stream = imagecodecs.jpegxl_encode(blocks(), lossless=True, usecontainer=False)
    brotli = imagecodecs.brotli_encode(b"<x:xmpmeta/>")
    data = jxl._SIGNATURE + boxes.box(b"brob", b"xml ", brotli) + boxes.box(b"jxlc", stream)
    assert read(data).metadata.xmp == b"<x:xmpmeta/>"
    bomb = imagecodecs.brotli_encode(bytes(2**26))
    data = jxl._SIGNATURE + boxes.box(b"brob", b"xml ", bomb) + boxes.box(b"jxlc", stream)
    with pytest.warns(PictureWarning, match="metadata left out"):
        assert read(data).metadata.xmp is None


@pytest.mark.parametrize("depth", ["8", "16", "f32"])
def test_metadata_goes_with_each_depth_of_jpeg_xl(depth):
    metadata = Metadata(xmp=b"<x/>", resolution=(300, 299.5, "inch"))
    back = read(encode(Picture(levels((9, 8, 3), depth), None, depth, metadata), "jxl")).metadata
    assert (back.xmp, back.resolution) == (metadata.xmp, metadata.resolution)
    assert back.chunks == ()  # in sRGB, whatever the encoder takes for usual at this depth


def test_linear_jpeg_xl_is_said_to_be_linear():
    data = imagecodecs.jpegxl_encode(levels((9, 8, 3), "16"), lossless=True)
    assert meta.cicp_of(read(data).metadata) == (1, 8)


# --- JPEG 2000 ------------------------------------------------------------------------


def test_a_bare_codestream_is_read():
    stored = random.integers(0, 65536, (9, 14, 3), dtype=np.uint16)
    stream = imagecodecs.jpeg2k_encode(stored, level=0, codecformat="j2k", reversible=True)
    np.testing.assert_array_equal(to_depth(read(stream).samples, "16"), stored)


def test_colours_of_jpeg_2000_that_are_not_rgb_are_refused():
    data = encode(Picture(levels((9, 9, 3), "8")), "jp2")
    srgb = b"colr\1\0\0" + struct.pack(">I", 16)
    with pytest.raises(PictureError, match="grey and sRGB"):
        read(data.replace(srgb, b"colr\1\0\0" + struct.pack(">I", 18)))


# --- PNM ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, wanted",
    [
        (b"P1 # two by three\n3 2\n1 0 1\n0 1 0\n", [[0, 255, 0], [255, 0, 255]]),
        (b"P1\n3 2\n101010", [[0, 255, 0], [255, 0, 255]]),
        (b"P4\n3 2\n\xa0\x40", [[0, 255, 0], [255, 0, 255]]),
        (b"P2\n# c\n3 2 255\n0 1 2 # c\n3 4 255\n", [[0, 1, 2], [3, 4, 255]]),
        (b"P5 3 2 255\n\0\1\2\3\4\xff", [[0, 1, 2], [3, 4, 255]]),
        (b"P5\r\n3 2\r255 \0\1\2\3\4\xff", [[0, 1, 2], [3, 4, 255]]),
        (b"P5 1 2 65535\n\x01\x02\xff\xfe", [[258], [65534]]),
        (b"P3 1 2 255 1 2 3 4 5 6", [[[1, 2, 3]], [[4, 5, 6]]]),
    ],
)
def test_each_kind_of_pnm_is_read(data, wanted):
    picture = read(data)
    back = to_depth(picture.samples, picture.depth)
    np.testing.assert_array_equal(back if back.shape[2] == 3 else back[..., 0], wanted)
    assert picture.depth == ("16" if b"65535" in data else "8")


def test_other_highest_levels_are_stretched_with_a_warning():
    with pytest.warns(PictureWarning, match="1024 levels"):
        picture = read(b"P2 2 1 1023 1023 0")
    np.testing.assert_array_equal(picture.samples[..., 0], [[1, 0]])
    assert picture.depth == "16"


def test_a_pfm_begins_with_its_last_row():
    rows = np.array([[1.5, -2], [3, 4], [5, 6]], np.float32)
    for order, scale in (("<", -1), (">", 1)):
        data = f"Pf\n2 3\n{scale}.0\n".encode() + rows.astype(order + "f4").tobytes()
        np.testing.assert_array_equal(read(data).samples[..., 0], rows[::-1])


@pytest.mark.parametrize(
    "data",
    [
        *(b"P5\n3 2\n", b"P5 3 2 0\n12", b"P5 3 2 70000\n", b"P2 3 2 255 1 2 3", b"P6 9 9 255 abc"),
        *(
            b"P2 2 1 255 1 -2",
            b"P2 2 1 255 1 x",
            b"P1 2 1 1 7",
            b"PF\n2 2\nabc\n",
            b"P5 0 2 255 \0",
        ),
    ],
)
def test_pnm_files_that_make_no_sense_are_refused(data):
    with pytest.raises(PictureError):
        read(data)


def test_colours_in_a_pgm_are_refused_with_advice():
    with pytest.raises(PictureError, match="--format ppm"):
        encode(Picture(levels((4, 4, 3), "8")), "pgm")
