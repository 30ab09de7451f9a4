"""Pictures as codes over a dictionary: the pursuit in whole steps, its bytes, and whole files."""

import io
import zlib

import numpy as np
import pytest

from restore.files.reading import read_picture
from restore.imaging.bands import Pool
from restore.kernels import quantised as kernels
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from restore.tasks.compression import Codec, atoms, coding, compress, container, decompress, inspect
from tests import HOUSE, SAMPLES, reference


@pytest.fixture(scope="module")
def grey():
    return Dictionary.load("grey")


@pytest.fixture(scope="module")
def camera():
    return read_picture(SAMPLES / "camera-clean.png").samples[100:190, 200:300]


@pytest.fixture(scope="module")
def chelsea():
    return read_picture(SAMPLES / "chelsea-clean.png").samples[100:150, 200:270]


def pursued(patches, dictionary, step, price):
    shape = (len(patches), kernels.MOST)
    indices, levels = np.zeros((2, *shape), np.int32)
    counts = np.zeros(len(patches), np.int32)
    projections = patches @ dictionary.atoms_t
    kernels.pursue(
        patches, projections, dictionary.gram, np.float32(step), np.float32(price),
        indices, levels, counts,
    )  # fmt: skip
    return indices, levels, counts


def cost(patch, code, dictionary, step, price):
    left = patch - step * sum(level * dictionary.atoms[atom] for atom, level in code.items())
    bits = sum(
        np.log2(dictionary.n_atoms) - np.log2(n + 1) + 3 + 1.5 * np.log2(abs(level))
        for n, level in enumerate(code.values())
    )
    return left @ left + price * bits


@pytest.mark.parametrize("step", [0.5, 2, 8])
def test_pursuit_is_the_literal_one(grey, step):
    rng = np.random.default_rng(1)
    patches = rng.standard_normal((200, 64)).cumsum(axis=1).astype(np.float32)
    patches -= patches.mean(axis=1, keepdims=True)
    price = 0.1 * step**2
    indices, levels, counts = pursued(patches, grey, step, price)
    same = 0
    for patch, atom, level, count in zip(patches, indices, levels, counts):
        assert (np.diff(atom[:count]) > 0).all() and (level[:count] != 0).all()
        code = dict(zip(atom[:count].tolist(), level[:count].tolist()))
        expected = reference.quantised.pursued_levels(patch, grey.atoms, step, price, kernels.MOST)
        same += code == expected
        mine, theirs = (cost(patch, one, grey, step, price) for one in (code, expected))
        assert mine <= 1.05 * theirs + 1e-3 * patch @ patch
    assert same >= 190  # others are ties to rounding


def test_planted_levels_are_found():
    dictionary = overcomplete_dct(64, (8, 8, 1))  # orthonormal
    rng = np.random.default_rng(2)
    planted = rng.integers(-40, 40, (50, 64)) * (rng.random((50, 64)) < 0.1)
    planted[:, 0] = 0
    patches = (3.0 * planted @ dictionary.atoms).astype(np.float32)
    indices, levels, counts = pursued(patches, dictionary, 3.0, 1e-3)
    found = np.zeros_like(planted)
    for row, atom, level, count in zip(found, indices, levels, counts):
        row[atom[:count]] = level[:count]
    assert (found == planted).all()


@pytest.mark.parametrize(("n_atoms", "channels"), [(256, 1), (100, 1), (2, 1), (1000, 3)])
def test_bytes_hold_the_codes_and_are_read_as_described(n_atoms, channels):
    rng = np.random.default_rng(n_atoms)
    rows, columns = 7, 9
    means = rng.integers(-300, 300, (rows, columns, channels)).astype(np.int32)
    counts = rng.integers(0, min(kernels.MOST, n_atoms) + 1, (rows, columns)).astype(np.int32)
    indices, levels = np.zeros((2, rows, columns, kernels.MOST), np.int32)
    for at in np.ndindex(rows, columns):
        chosen = np.sort(rng.choice(n_atoms, counts[at], replace=False))
        indices[at][: counts[at]] = chosen
        sizes = np.exp(rng.exponential(1.5, counts[at])).astype(int).clip(1, 32000)
        levels[at][: counts[at]] = sizes * rng.choice([-1, 1], counts[at])
    coder = coding.writer(*atoms._start(n_atoms), 100_000)
    for row in range(rows):
        kernels.code_row(coder, means, counts, indices[row], levels[row], n_atoms, row)
    payload = coding.payload_of(coder, atoms.bits.finish(coder))
    reader = coding.reader(*atoms._start(n_atoms), payload)
    found = [np.zeros_like(array) for array in (means, counts, indices, levels)]
    for row in range(rows):
        assert kernels.code_row(reader, *found[:2], found[2][row], found[3][row], n_atoms, row)
    for mine, theirs in zip(found, (means, counts, indices, levels)):
        assert (mine == theirs).all()
    literal = reference.quantised.AtomReader(payload, *atoms._start(n_atoms))
    their_means, codes = literal.read(rows, columns, channels, n_atoms)
    assert (their_means == means).all()
    for at in np.ndindex(rows, columns):
        count = counts[at]
        expected = dict(zip(indices[at][:count].tolist(), levels[at][:count].tolist()))
        assert codes[at[0]][at[1]] == expected


def test_a_picture_comes_back_as_the_encoder_said(grey, camera, chelsea):
    for image, dictionary in (
        (camera, grey),
        (chelsea, grey),
        (chelsea, Dictionary.load("colour")),
        (camera, overcomplete_dct(300, (12, 10, 1))),
    ):
        made = compress(image, codec=dictionary, quality=60, pool=Pool(1))
        packaged = inspect(made.data)["codec"] in ("grey", "colour")
        found = decompress(made.data, codec=None if packaged else dictionary)
        levels = np.rint(255 * image) / 255
        error = np.mean((found.samples.reshape(image.shape) - levels) ** 2, dtype=np.float64)
        assert made.psnr == pytest.approx(-10 * np.log10(error), abs=1e-3)
        assert made.psnr > 26
        assert inspect(made.data)["method"] == "atoms" and inspect(made.data)["version"] == 2


def test_more_bytes_are_better_pictures(grey, camera):
    made = [compress(camera, codec=grey, quality=quality) for quality in (20, 50, 80)]
    sizes, reached = zip(*((len(one.data), one.psnr) for one in made))
    assert sorted(sizes) == list(sizes) and sorted(reached) == list(reached)
    bounded = compress(camera, codec=grey, size=600)
    assert 560 <= len(bounded.data) <= 600


def test_any_number_of_threads_writes_the_same_bytes(grey, camera):
    once = compress(camera, codec=grey, pool=Pool(1)).data
    assert compress(camera, codec=grey, pool=Pool(3)).data == once


def test_a_dictionary_of_ones_own_is_named_or_embedded(camera):
    mine = overcomplete_dct(128, (8, 8, 1))
    made = compress(camera, codec=mine)
    with pytest.raises(ValueError, match=f"SHA-256 {mine.digest[:4].hex()}.*--dictionary"):
        decompress(made.data)
    with pytest.raises(ValueError, match="not with this one"):
        decompress(made.data, codec=overcomplete_dct(100, (8, 8, 1)))
    with pytest.raises(TypeError, match="coded with a dictionary, and this is a Codec"):
        decompress(made.data, codec=Codec.load("photos"))
    embedded = compress(camera, codec=mine, embed=True)
    assert embedded.psnr == made.psnr
    expected = decompress(made.data, codec=mine).samples
    assert (decompress(embedded.data).samples == expected).all()


def test_a_dictionary_in_colour_needs_a_picture_in_colour(camera):
    with pytest.raises(ValueError, match="patches are in colour and the picture is grey"):
        compress(camera, codec=Dictionary.load("colour"))


@pytest.fixture(scope="module")
def small(grey, camera):
    return compress(camera[:40, :50], codec=grey, size=200).data


def test_a_stored_file_of_version_two_decodes_for_ever():
    found = decompress((HOUSE / "tests" / "stored-v2.ksvd").read_bytes())
    expected = read_picture(SAMPLES / "camera-clean.png").samples[100:148, 200:256, 0]
    assert found.samples.shape == expected.shape
    error = np.mean((found.samples - expected) ** 2)
    assert -10 * np.log10(error) == pytest.approx(32.46, abs=0.01)


def test_the_header_names_what_is_unknown(small):
    data = bytearray(small[:-4])
    data[6] = 9
    data += zlib.crc32(data).to_bytes(4, "big")
    with pytest.raises(ValueError, match="a way that this version does not know"):
        decompress(bytes(data))
    assert container.METHODS.index("atoms") == 1 and container.NAMES["atoms"][:2] == (
        "grey",
        "colour",
    )


def test_a_dictionary_can_be_read_back_from_its_own_bytes():
    mine, file = overcomplete_dct(30, (4, 4, 1)), io.BytesIO()
    mine.save(file)
    assert Dictionary.load(io.BytesIO(file.getvalue())).digest == mine.digest
