"""The compressed file: its robustness, its header, the stored file of version 1."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.sparse.dictionary import Dictionary
from restore.tasks.compression import Extras, compress, container, decompress, inspect
from restore.tasks.compression.fields import varint
from tests import HOUSE
from tests.tasks.compressed import check_every_error_is_told, drawn, psnr_of


def test_overhead_is_at_most_24_bytes():
    for channels in (1, 3):
        assert inspect(compress(drawn(300, 200, channels)).data)["overhead"] <= 24


@pytest.fixture(scope="module")
def small():
    return compress(drawn(40, 48, 3), size=400).data


@pytest.fixture(scope="module", params=["seen", "bases", "atoms", "corrected"])
def whole(request, small):
    """A file of each method, and one that is corrected."""
    if request.param == "seen":
        return small
    if request.param == "corrected":
        return compress(drawn(40, 48, 3), size=400, extras=Extras(corrected=True)).data
    if request.param == "bases":
        return compress(drawn(40, 48, 3), size=400, tune="psnr").data
    return compress(drawn(40, 48, 3), size=400, codec=Dictionary.load("grey")).data


def test_every_truncation_and_every_flipped_bit_is_told(whole):
    check_every_error_is_told(whole)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(4, 399), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 400),
)
def test_mutations_behind_a_right_checksum_decode_or_are_told(whole, changes, end):
    data = bytearray(whole[:-4])
    for position, value in changes:
        data[position % len(data)] = value
    del data[max(len(data) - end // 8, 8) :]
    data[4] = whole[4]
    data += zlib.crc32(data).to_bytes(4, "big")
    try:
        found = decompress(bytes(data), max_pixels=100_000)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(found.samples).all()


def sealed(data):
    return data + zlib.crc32(data).to_bytes(4, "big")


def test_declared_sizes_are_checked_before_anything_is_allocated(small):
    head = container.MAGIC + bytes([1, 0])
    huge = head + b"\xff\xff\xff\x07" * 2 + b"\x08\x00\x00" + bytes(20)
    with pytest.raises(ValueError, match="too short to hold"):
        decompress(sealed(huge))
    with pytest.raises(ValueError, match="allow it with --max-pixels"):
        decompress(small, max_pixels=100)
    with pytest.raises(ValueError, match="impossible sides"):
        decompress(sealed(head + b"\0\x08" + bytes(20)))
    with pytest.raises(ValueError, match="has no end"):
        decompress(sealed(head + b"\xff" * 20))
    section = container.MAGIC + bytes([1, 8]) + b"\x08\x08\x08\x00\x00"
    with pytest.raises(ValueError, match="longer than the file"):
        decompress(sealed(section + b"\xff\xff\x7f" + bytes(9)))
    bomb = zlib.compress(bytes(1 << 27), 9)
    with pytest.raises(ValueError, match="wrong length"):
        decompress(sealed(section + varint(len(bomb)) + bomb))


def test_foreign_and_future_files_are_told_apart(small):
    with pytest.raises(ValueError, match="no compressed picture"):
        decompress(b"\x89PNG\r\n\x1a\n" + bytes(50))
    with pytest.raises(ValueError, match="changed as if it were text"):
        decompress(small.replace(b"\r\n", b"\n"))
    with pytest.raises(ValueError, match="format version 4"):
        decompress(small[:4] + b"\x04" + small[5:])
    with pytest.raises(ValueError, match="no compressed picture"):
        decompress(b"")


def test_inspect_reads_the_header_alone(small):
    found = inspect(small)
    assert (found["width"], found["height"], found["channels"]) == (48, 40, 3)
    assert found["bytes"] == len(small)
    assert found["codec"] == "photos"


@pytest.mark.parametrize("name, psnr", [("v1", 34.035), ("seen", 34.134)])
def test_a_stored_file_decodes_for_ever(name, psnr):
    data = (HOUSE / "tests" / f"stored-{name}.ksvd").read_bytes()
    assert inspect(data)["method"] == {"v1": "bases", "seen": "seen"}[name]
    found = decompress(data)
    y, x = np.mgrid[:45, :61]
    planes = [128 + 70 * np.sin(x / 7 + c) for c in range(3)]
    stripes = 40 * np.sign(np.sin((x + 2 * y) / 9))
    wanted = np.stack([(plane + stripes).clip(0, 255) for plane in planes], -1).astype(np.uint8)
    assert psnr_of(wanted, found) == pytest.approx(psnr, abs=0.05)
    assert np.array_equal(np.rint(found.alpha * 255), x * 4 % 256)
    assert (found.icc, found.exif, found.xmp) == (b"profile", b"II*\0", b"<x/>")
