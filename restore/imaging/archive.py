"""Learned data on disk: an ``.npz`` of plain arrays with a provenance, not trusted when read.

Nothing is unpickled, and names, types and sizes are checked against what the kind of
file may hold before anything is allocated, since a tiny file can declare a huge array. The loader
of each kind of file checks its values before a kernel uses them, with `check_range` and
`check_expansion`.
"""

import contextlib
import hashlib
import io
import json
import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from restore.typing import Array, File

#: Version of the layout described here, raised when older readers would fail.
VERSION = 1

#: Maximum decompressed bytes of all arrays of one file; and for small files a fixed number plus a
#: factor times the file size. Learned data is hardly compressible.
LARGEST = 128 << 20
LEAST_ALLOWED, EXPANSION = 8 << 20, 64

#: Bytes saved for which an array is packed by LZMA.
WORTH = 500_000

#: Maximum bytes of a header.
LARGEST_HEADER = 4 << 20

#: Maximum bytes of derived data when a file is loaded: a fixed number plus a factor times the file
#: size.
LEAST_DERIVED, DERIVED = 64 << 20, 512

_PACKAGED = Path(__file__).parents[1] / "data"


def packaged() -> list[str]:
    """Names of the files that come with the package, sorted."""
    return sorted(path.stem for path in _PACKAGED.glob("*.npz"))


def packaged_path(name: str) -> Path:
    """Path of a file that comes with the package."""
    return _PACKAGED / f"{name}.npz"


def write(
    file: File, kind: str, arrays: Mapping[str, Array], provenance: Mapping[str, Any]
) -> None:
    """Write arrays and their provenance; the same content gives the same bytes.

    Parameters
    ----------
    file : path or binary file object
    kind : str
        What the file holds, e.g. ``"dictionary"``; checked by `read`.
    arrays : dict of str to ndarray
    provenance : dict
        Anything that JSON holds: what it was learned from, settings, seed, versions.
    """
    header = {
        "kind": kind,
        "version": VERSION,
        "sha256": digest(arrays),
        "provenance": provenance,
    }
    text = json.dumps(header, sort_keys=True, ensure_ascii=False).encode()
    with zipfile.ZipFile(file, "w") as members:
        for name, array in {"header": np.frombuffer(text, np.uint8), **arrays}.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            plain = content.getvalue()
            member = zipfile.ZipInfo(f"{name}.npy")  # its date is always the same
            members.writestr(member, plain, compress_type=_packing(plain))


def _packing(content: bytes) -> int:
    """Deflate, or LZMA, which takes three times as long to load, where that saves `WORTH` bytes."""
    if len(content) > WORTH and len(zlib.compress(content)) - len(lzma.compress(content)) > WORTH:
        return zipfile.ZIP_LZMA
    return zipfile.ZIP_DEFLATED


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names, types, shapes and values of `arrays`, as hexadecimal digits."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def read(
    file: File, kind: str, expected: Mapping[str, tuple[str, int]]
) -> tuple[dict[str, Array], dict[str, Any], str]:
    """Read a file written by `write`.

    Parameters
    ----------
    file : path or binary file object
    kind : str
    expected : dict of str to (dtype characters, int)
        For each array its permitted ``dtype.char`` values and its number of axes, e.g.
        ``{"atoms": ("f", 2)}``.

    Returns
    -------
    arrays : dict of str to ndarray
    provenance : dict
    sha256 : str

    Raises
    ------
    ValueError
        If it is not such a file, in one sentence that names the file.
    OSError
        If it cannot be read.
    """
    name = _name(file)
    with _sentences(file, f"{kind} file"), zipfile.ZipFile(file) as members:
        _check_sizes(members)
        header = _header(members)
        if header["kind"] != kind:
            raise ValueError(f"it holds a {header['kind']}, and a {kind} is needed here")
        if header["version"] != VERSION:
            raise ValueError(
                f"its version is {header['version']}, and this program reads {VERSION}"
            )
        names = {Path(member).stem for member in members.namelist()}
        if names != {"header", *expected}:
            raise ValueError(f"it holds {sorted(names)} instead of {sorted(expected)}")
        arrays = {key: _member(members, key, *expected[key]) for key in expected}
    sha256 = digest(arrays)
    if header.get("sha256") != sha256:
        raise ValueError(f"{name} is damaged: its arrays do not match their checksum")
    return arrays, header["provenance"], sha256


def read_header(file: File) -> tuple[str, dict[str, Any]]:
    """Read the header of a file written by `write`.

    Returns
    -------
    kind : str
    provenance : dict

    Raises
    ------
    ValueError
        If it is not such a file.
    OSError
        If it cannot be read.
    """
    with _sentences(file, "file of this program"), zipfile.ZipFile(file) as members:
        header = _header(members)
    return header["kind"], header["provenance"]


@contextlib.contextmanager
def usable(file: File, kind: str) -> Iterator[None]:
    """A context for checks of the result of `read`: their ValueErrors name the file."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{_name(file)} is not a usable {kind}: {error}") from None


def freeze(record: Any, names: Iterable[str]) -> None:
    """Convert the weights of a frozen record to finite, read-only float32 arrays in C order.

    Raises
    ------
    ValueError
        If one holds NaN or infinity.
    """
    for name in names:
        weights = np.array(getattr(record, name), dtype=np.float32, order="C")
        if not np.isfinite(weights).all():
            raise ValueError(f"{name} hold NaN or infinity")
        weights.flags.writeable = False
        object.__setattr__(record, name, weights)


def check_range(name: str, array: Array, least: float, most: float) -> None:
    """Refuse an array with a value that is not finite or not from `least` to `most`.

    Parameters
    ----------
    name : str
        For the message: ``"weights"``.
    array : ndarray
    least, most : float

    Raises
    ------
    ValueError
    """
    if not ((array >= least) & (array <= most)).all():  # False of NaN
        raise ValueError(f"its {name} are not all numbers from {least:g} to {most:g}")


def check_expansion(what: str, size: int, file: File) -> None:
    """Refuse to compute large derived data from a small file.

    Parameters
    ----------
    what : str
        For the message: ``"inner products of its atoms"``.
    size : int
        Bytes that it would take.
    file : path or binary file object

    Raises
    ------
    ValueError
    """
    if size > LEAST_DERIVED + DERIVED * _size(file):
        raise ValueError(f"the {what} would take {size >> 20} MB, too much for a file of its size")


def _check_sizes(members: zipfile.ZipFile) -> None:
    """Refuse a file that declares too much memory when decompressed."""
    total = sum(info.file_size for info in members.infolist())
    packed = _size(members.fp)  # type: ignore[arg-type]  # it is open
    if total > min(LARGEST, LEAST_ALLOWED + EXPANSION * packed):
        raise ValueError(
            f"it would take {total >> 20} MB unpacked, too much for a file of its size"
        )


def _size(file: File) -> int:
    """Bytes of a path or of a binary file object."""
    return os.path.getsize(file) if isinstance(file, (str, os.PathLike)) else file.seek(0, 2)


def _header(members: zipfile.ZipFile) -> dict[str, Any]:
    header = json.loads(_member(members, "header", "B", 1, LARGEST_HEADER).tobytes().decode())
    if not isinstance(header, dict) or not {"kind", "version", "provenance"} <= set(header):
        raise ValueError("its header is incomplete")
    if not isinstance(header["provenance"], dict) or not str(header["kind"]).isprintable():
        raise ValueError("its header is damaged")
    return header


def _name(file: File) -> str | os.PathLike[str]:
    return getattr(file, "name", None) or (file if isinstance(file, (str, os.PathLike)) else "data")


@contextlib.contextmanager
def _sentences(file: File, what: str) -> Iterator[None]:
    """Turn any error of the file into a ValueError that names it."""
    try:
        yield
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError(f"{_name(file)} is not a {what}, or is damaged") from None
    except ValueError as error:
        raise ValueError(f"{_name(file)} is not a usable {what}: {error}") from None
    except OSError:
        raise
    except Exception:  # the decompressors raise anything from zlib.error to IndexError
        raise ValueError(f"{_name(file)} is not a {what}, or is damaged") from None


def _member(
    members: zipfile.ZipFile, name: str, characters: str, axes: int, most: int = LARGEST
) -> Array:
    """One array of the archive, after a check of its declared size."""
    try:
        info = members.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if info.file_size > most:
        raise ValueError(f"its {name} would take {info.file_size >> 20} MB")
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_LZMA,
    ):
        raise ValueError(f"its {name} is packed in an unknown way")
    with members.open(info) as stream:
        content = io.BytesIO(stream.read(info.file_size + 1))
    version = np.lib.format.read_magic(content)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"its {name} is stored in an unknown way")
    shape, _, dtype = readers[version](content)
    if dtype.char not in characters or not dtype.isnative or len(shape) != axes:
        raise ValueError(f"its {name} has type {dtype} and {len(shape)} axes")
    if math.prod(shape) * dtype.itemsize != len(content.getbuffer()) - content.tell():
        raise ValueError(f"its {name} declares the shape {shape}, which is not its size")
    content.seek(0)
    return np.ascontiguousarray(np.lib.format.read_array(content, allow_pickle=False))
