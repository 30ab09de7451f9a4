"""Files of learned data come back as they were; hostile ones end in a sentence."""

import io
import json
import zipfile

import numpy as np
import pytest

from restore.imaging import archive
from restore.sparse.dictionary import Dictionary, overcomplete_dct

DICTIONARY = overcomplete_dct(32, (4, 4, 1))


def stored(**changes):
    """The bytes of a dictionary file with some members replaced or left out (None)."""
    arrays = {"atoms": DICTIONARY.atoms, "patch_shape": np.array([4, 4, 1], np.int32)}
    header = {
        "kind": "dictionary",
        "version": archive.VERSION,
        "sha256": archive.digest(arrays),
        "provenance": {},
    } | changes.pop("header", {})
    header = {key: value for key, value in header.items() if value is not ...}
    members = arrays | changes
    plain = {key: value for key, value in members.items() if isinstance(value, np.ndarray)}
    if (
        "sha256" in header
        and header["sha256"]
        and not any(a.dtype == object for a in plain.values())
    ):
        header["sha256"] = archive.digest(plain)
    members["header"] = members.get("header", np.frombuffer(json.dumps(header).encode(), np.uint8))
    file = io.BytesIO()
    np.savez(file, **{key: value for key, value in members.items() if value is not None})
    file.seek(0)
    return file


def test_a_dictionary_comes_back(tmp_path):
    path = tmp_path / "mine.npz"
    origin = {"method": "K-SVD", "files": 3, "where": "ünïcode"}
    Dictionary(DICTIONARY.atoms, (4, 4, 1), origin).save(path)
    loaded = Dictionary.load(str(path))
    assert np.array_equal(loaded.atoms, DICTIONARY.atoms)
    assert loaded.patch_shape == (4, 4, 1) and loaded.provenance == origin


def test_the_same_content_gives_the_same_bytes():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        DICTIONARY.save(file)
    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"atoms": np.array([[{}]], dtype=object)}, "type object"),
        ({"atoms": DICTIONARY.atoms.astype(np.float64)}, "type float64"),
        ({"atoms": DICTIONARY.atoms[0]}, "1 axes"),
        ({"atoms": 2 * DICTIONARY.atoms}, "unit norm"),
        ({"atoms": np.full((4, 16), np.nan, np.float32)}, "NaN"),
        ({"patch_shape": np.array([5, 4, 1], np.int32)}, "do not fit"),
        ({"patch_shape": np.array([4, 4], np.int32)}, "patch shape"),
        ({"patch_shape": np.array([2**20, 2**20, 2**24], np.int32)}, "patch shape"),
        ({"atoms": None}, "holds|no atoms"),
        ({"extra": np.zeros(3, np.float32)}, "instead of"),
        ({"header": {"kind": "grand piano"}}, "it holds a grand piano, and a dictionary"),
        ({"header": {"version": 99}}, "its version is 99"),
        ({"header": {"kind": ...}}, "incomplete"),
        ({"header": {"sha256": None}}, "checksum"),
    ],
)
def test_what_is_not_a_dictionary_is_told_in_a_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        Dictionary.load(stored(**changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("header", [b"[]", b"3", b"\xff\xfe", b"{", b'{"kind": "dictionary"}', b""])
def test_a_broken_header_is_told(header):
    file = io.BytesIO()
    np.savez(file, header=np.frombuffer(header, np.uint8), atoms=DICTIONARY.atoms)
    with pytest.raises(ValueError, match="dictionary file"):
        archive.read(file, "dictionary", {"atoms": ("f", 2)})


def with_member(name, content, declared=None):
    """A file whose member `name` holds `content`, and claims another size if `declared`."""
    file = io.BytesIO()
    with zipfile.ZipFile(stored()) as good, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bad:
        for member in good.namelist():
            bad.writestr(member, content if member == name else good.read(member))
        if declared:
            bad.getinfo(name).file_size = declared
    return file


def npy(shape, data=b""):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return header.getvalue() + data


@pytest.mark.parametrize(
    "file",
    [
        with_member("atoms.npy", npy((200_000, 100_000))),
        with_member("atoms.npy", npy((-4, -16), bytes(256))),
        with_member("atoms.npy", npy((32, 16), bytes(31 * 64))),
        with_member("atoms.npy", npy((32, 16), bytes(32 * 64 + 1))),
        with_member("atoms.npy", b"not an array"),
        with_member("atoms.npy", b""),
        with_member("atoms.npy", b"\x93NUMPY\x09\x00" + bytes(64)),
        with_member("atoms.npy", bytes(100), declared=80 << 30),
        with_member("atoms.npy", npy((2**20, 17), bytes(17 * 2**22))),
    ],
    ids=["huge", "negative", "short", "long", "text", "empty", "future", "declared", "bomb"],
)
def test_declared_sizes_are_not_believed(file):
    with pytest.raises(ValueError, match="dictionary file"):
        Dictionary.load(file)


def with_header(header):
    file = io.BytesIO()
    arrays = {"atoms": DICTIONARY.atoms, "patch_shape": np.array([4, 4, 1], np.int32)}
    np.savez(file, header=np.frombuffer(header, np.uint8), **arrays)
    return file


def packed_by(method, flags=0):
    """A dictionary file packed in another way, or with a flag such as that of encryption."""
    file = io.BytesIO()
    with zipfile.ZipFile(stored()) as good, zipfile.ZipFile(file, "w", method) as bad:
        for member in good.namelist():
            bad.writestr(member, good.read(member))
    content = bytearray(file.getvalue())
    for signature, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = content.find(signature)
        while at >= 0:
            content[at + place] |= flags
            at = content.find(signature, at + 4)
    return io.BytesIO(content)


@pytest.mark.parametrize(
    "file",
    [
        with_header(b"[" * 100_000),
        with_header(b'{"kind": "dictionary", "version": 1, "sha256": 0, "provenance": []}'),
        with_header(b'{"kind": "\\u001b[31m", "version": 1, "provenance": {}}'),
        packed_by(zipfile.ZIP_BZIP2),
        packed_by(zipfile.ZIP_DEFLATED, flags=1),
        with_member("atoms.npy", npy(("(" * 5000,))),
    ],
    ids=["deep", "no provenance", "escapes", "bzip2", "encrypted", "nested shape"],
)
@pytest.mark.parametrize("read", [Dictionary.load, archive.read_header])
def test_odd_files_end_in_a_sentence(file, read):
    try:
        read(file)
    except ValueError as error:
        assert "\n" not in str(error) and str(error).isprintable()
    else:
        assert read is archive.read_header  # the arrays are not looked at


def test_a_small_file_cannot_take_much_memory(tmp_path):
    atoms = np.ones((20_000, 1), np.float32)
    path = tmp_path / "many.npz"
    Dictionary(atoms, (1, 1, 1)).save(path)
    assert path.stat().st_size < 2000
    with pytest.raises(ValueError, match="many.npz is .* inner products of its atoms would take"):
        Dictionary.load(path)
    long = np.zeros((1, 1_000_000), np.float32)
    long[0, 0] = 1
    Dictionary(long, (1, 1_000_000, 1)).save(path)
    with pytest.raises(ValueError, match="more than 12288 samples"):
        Dictionary.load(path)
    many = {f"part{number}": np.zeros(1 << 20, np.float32) for number in range(8)}
    archive.write(path, "parts", many, {})
    with pytest.raises(ValueError, match="32 MB unpacked, too much for a file of its size"):
        archive.read(path, "parts", dict.fromkeys(many, ("f", 1)))


def test_every_truncation_and_many_flips_end_in_a_sentence():
    file = io.BytesIO()
    DICTIONARY.save(file)
    whole = file.getvalue()
    damaged = [whole[:end] for end in range(0, len(whole), 37)]
    for at in range(0, len(whole), 11):
        damaged.append(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
    refused = 0
    for content in damaged:
        try:
            loaded = Dictionary.load(io.BytesIO(content))
        except ValueError:
            refused += 1
        else:  # the flip was in a date, or in another part of the zip that nobody reads
            assert np.array_equal(loaded.atoms, DICTIONARY.atoms)
    assert refused > 0.7 * len(damaged)


def test_no_file_and_no_name(tmp_path):
    with pytest.raises(OSError):
        Dictionary.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match="text.npz is not a dictionary file"):
        Dictionary.load(tmp_path / "text.npz")
    with pytest.raises(OSError):
        Dictionary.load(tmp_path)


def test_packaged_files_are_found_by_name():
    assert {"grey", "colour"} <= set(archive.packaged())
    for name in archive.packaged():
        assert archive.packaged_path(name).is_file()


def test_a_large_array_is_packed_by_lzma_where_that_saves_much(tmp_path):
    noise = np.random.default_rng(0).integers(-128, 128, 300_000).astype(np.int8)
    for array, packing in ((np.tile(noise, 4), zipfile.ZIP_LZMA), (noise, zipfile.ZIP_DEFLATED)):
        for name in ("one", "two"):
            archive.write(tmp_path / name, "noise", {"samples": array}, {})
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        with zipfile.ZipFile(tmp_path / "one") as members:
            assert members.getinfo("samples.npy").compress_type == packing
        arrays, _, _ = archive.read(tmp_path / "one", "noise", {"samples": ("b", 1)})
        assert np.array_equal(arrays["samples"], array)


@pytest.mark.parametrize("name", archive.packaged())
def test_packaged_files_say_where_they_come_from(name):
    """In the same words, so that a table of them can be made; docs/dictionaries.md explains."""
    _, provenance = archive.read_header(archive.packaged_path(name))
    assert set(provenance["learned_from"]) <= {"photos", "bsds", "t91"}
    assert provenance["pictures"] > 0 and provenance["restore"] and provenance["seed"] >= 0
