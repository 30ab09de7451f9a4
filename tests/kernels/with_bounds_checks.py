"""What a hostile file or picture can make of the compiled kernels, with numba's bounds checks.

`test_bounds` runs this file in a process of its own, in which ``NUMBA_BOUNDSCHECK=1`` makes a
kernel raise IndexError where it would read or write beyond an array. ``FUZZ=2000`` tries as many
mutated files of each kind.
"""

import contextlib
import dataclasses
import io
import json
import os
import warnings
import zlib

import numba
import numpy as np
import pytest

import restore
from restore.imaging import archive
from restore.imaging.arrays import PictureWarning
from restore.imaging.bands import Pool
from restore.imaging.noise import PhotonNoise
from restore.kernels import jit
from restore.sparse import coding
from restore.sparse.dictionary import Dictionary
from restore.sparse.unrolled import Coder, correct, mean_and_kinds
from restore.tasks.compression import Codec, Extras
from restore.tasks.demosaicing import Model
from restore.tasks.super_resolution import Cascade
from tests.batch.test_fuzz import mutated

MUTATIONS = int(os.environ.get("FUZZ", 30))

RNG = np.random.default_rng(3)
PICTURE = np.kron(RNG.random((5, 6, 3)), np.ones((5, 4, 1)))  # 25 x 24, with flat parts and edges
PICTURE = (PICTURE + 0.02 * RNG.standard_normal(PICTURE.shape)).clip(0, 1).astype(np.float32)
GREY = PICTURE[..., 0].copy()
FLAT = np.rint(4 * PICTURE) / 4


@pytest.fixture(autouse=True)
def _quiet():
    """Absurd numbers may overflow; what counts is where they are read and written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@jit.kernel
def _third(values):
    return values[2]


def test_the_checks_are_on():
    assert numba.config.BOUNDSCHECK and "checked" in jit.cache_folder().name
    with pytest.raises(IndexError):
        _third(np.zeros(2))


# Files --------------------------------------------------------------------------------------


def small_cascade():
    """Two stages of the packaged model, with few anchors."""
    stages = [
        dataclasses.replace(
            stage,
            anchors=stage.anchors[:9],
            regressions=stage.regressions[:9],
            steps=stage.steps[:9],
        )
        for stage in Cascade.load(2).stages[:2]
    ]
    return Cascade(2, tuple(stages))


def small_codec():
    """The packaged codec with one class for each size of blocks."""
    codec = Codec.load("photos")
    parts = {
        name: tuple(part[:1] for part in getattr(codec, name))
        for name in ("transforms", "predictors", "scales")
    }
    return dataclasses.replace(codec, **parts)


def small_coder():
    coder = Coder.load(archive.packaged_path("denoise-grey"))
    return dataclasses.replace(coder, steps=coder.steps[:1], gains=coder.gains[:1],
                               thresholds=coder.thresholds[:2])  # fmt: skip


def use_dictionary(file):
    dictionary = restore.Dictionary.load(file)
    patches = RNG.standard_normal((40, dictionary.patch_dim))
    codes = coding.code(patches, dictionary, 3)
    coding.code_l1(patches, dictionary, 0.5, iterations=20)
    return coding.reconstruct(codes, dictionary)


def use_codec(file):
    codec = Codec.load(file)
    data = restore.compress(PICTURE, quality=70, codec=codec, pool=Pool(1)).data
    return restore.decompress(data, codec=codec, pool=Pool(1)).samples


def use_coder(file):
    planes = GREY[None]
    estimate, kinds = mean_and_kinds(planes, zip(*3 * [planes]))

    def with_one_more(rows):
        return [*kinds(rows), planes[:, rows]]

    return correct(estimate, with_one_more, 0.1, Coder.load(file), pool=Pool(1))


#: By kind of file: a small one, and what loads it and runs the kernels behind it.
KINDS = {
    "dictionary": (lambda: restore.Dictionary.load("grey"), use_dictionary),
    "demosaicing": (
        lambda: Model.load(archive.packaged_path("demosaic")),
        lambda file: restore.demosaic(GREY, model=Model.load(file), pool=Pool(1)),
    ),
    "noisy demosaicing": (
        lambda: Model.load(archive.packaged_path("demosaic-noisy")),
        lambda file: restore.demosaic(GREY, sigma=0.1, model=Model.load(file), pool=Pool(1)),
    ),
    "cascade": (
        small_cascade,
        lambda file: restore.super_resolve(PICTURE, model=Cascade.load(file), pool=Pool(1)),
    ),
    "codec": (small_codec, use_codec),
    "coder": (small_coder, use_coder),
}


def with_arrays(content, change):
    """A file's bytes with its arrays changed in place by `change`, and their right checksum."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name].copy() for name in stored.files}
    header = json.loads(arrays.pop("header").tobytes())
    change(arrays)
    header["sha256"] = archive.digest(arrays)
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(file, header=text, **arrays)
    return file.getvalue()


def mutate(arrays, random):
    """Change one to three things about some arrays: single values, all values, or the shape."""
    for _ in range(random.integers(1, 4)):
        name = random.choice(sorted(arrays))
        array = arrays[name]
        extremes = [-1, 0, 1, 0.5, 2, 255, 1e30, -1e30, np.nan, np.inf, 65535, 2.0**31, -(2.0**31)]
        if array.dtype.kind in "iu":
            limits = np.iinfo(array.dtype)
            extremes = [-1, 0, 1, 2, 255, limits.min, limits.max, limits.max // 2, len(array)]
        with np.errstate(all="ignore"):
            value = np.array(random.choice(extremes)).astype(array.dtype)
        if array.size == 0:
            continue
        match random.integers(0, 8):
            case 0:
                array[...] = value
            case 1:
                arrays[name] = array[: random.integers(0, len(array) + 1)].copy()
            case 2:
                arrays[name] = np.concatenate([array, array[: random.integers(1, 9)]])
            case 3:
                array[:] = random.permutation(array)
            case 4:
                arrays[name] = np.ascontiguousarray(array.T)
            case _:  # mostly near the start, where roots and sizes are
                reach = array.size if random.random() < 0.5 else min(array.size, 12)
                places = random.integers(0, reach, random.integers(1, 4))
                array.reshape(-1)[places] = value


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_models_end_in_a_sentence_or_a_result(kind):
    make, use = KINDS[kind]
    file = io.BytesIO()
    make().save(file)
    result = use(io.BytesIO(with_arrays(file.getvalue(), lambda arrays: None)))
    assert np.isfinite(result).all()
    random = np.random.default_rng(8)
    refused = 0
    for _ in range(MUTATIONS):
        content = with_arrays(file.getvalue(), lambda arrays: mutate(arrays, random))
        try:
            result = use(io.BytesIO(content))
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert np.isfinite(result).all()
    assert refused > MUTATIONS / 8


def test_mutated_compressed_files_end_in_a_sentence_or_a_picture():
    seeds = [
        restore.compress(PICTURE, quality=60, pool=Pool(1)).data,
        restore.compress(GREY, quality=90, codec=small_codec(), embed=True, pool=Pool(1)).data,
        restore.compress(GREY, quality=60, codec=Dictionary.load("grey"), pool=Pool(1)).data,
        restore.compress(
            PICTURE, quality=60, extras=Extras(corrected=True), codec="photos", pool=Pool(1)
        ).data,
        restore.compress(PICTURE, quality="lossless", extras=Extras(GREY), pool=Pool(1)).data,
        restore.compress(FLAT, quality="lossless", extras=Extras(depth="16"), pool=Pool(1)).data,
    ]
    random = np.random.default_rng(4)
    decoded = 0
    for number in range(MUTATIONS):
        seed = seeds[number % len(seeds)]
        data = mutated(seed[:-4], random)
        if random.random() < 0.5:  # past the magic, the version and the flags
            data = seed[:7] + data[7:]
        data += zlib.crc32(data).to_bytes(4, "big")
        with contextlib.suppress(ValueError):
            found = restore.decompress(data, max_pixels=30_000, pool=Pool(1))
            decoded += 1
            assert np.isfinite(found.samples).all()
    assert decoded > MUTATIONS / 20


# Pictures -----------------------------------------------------------------------------------

MASK = RNG.random(GREY.shape) < 0.4
HOLE = np.zeros(GREY.shape, bool)
HOLE[6:19, 5:18] = True
LINES = np.zeros((25, 24), np.float32)
LINES[::5] = LINES[:, ::7] = 1

#: Sigma, where a task has it, is in the unit of the picture.
TASKS = {
    "denoise": lambda image, unit: restore.denoise(image, 0.1 * unit, pool=Pool(1)),
    "estimate and denoise": lambda image, unit: restore.denoise(image, pool=Pool(1)),
    "photons": lambda image, unit: restore.denoise(
        image, noise=PhotonNoise(0.02 * unit), quality="fast", pool=Pool(1)
    ),
    "inpaint": lambda image, unit: restore.inpaint(image, MASK, pool=Pool(1)),
    "inpaint by a dictionary": lambda image, unit: restore.inpaint(
        image, MASK, dictionary="grey", pool=Pool(1)
    ),
    "fill a hole": lambda image, unit: restore.inpaint(image, HOLE, pool=Pool(1)),
    "inpaint under noise": lambda image, unit: restore.inpaint(
        image, MASK, sigma=0.1 * unit, quality="fast", pool=Pool(1)
    ),
    "find dust": lambda image, unit: restore.find_defects(image, "dust", pool=Pool(1)) * unit,
    "demosaic": lambda image, unit: restore.demosaic(image, pool=Pool(1)),
    "demosaic under noise": lambda image, unit: restore.demosaic(
        image, sigma=0.1 * unit, pool=Pool(1)
    ),
    "enlarge": lambda image, unit: restore.super_resolve(image, pool=Pool(1)),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("picture", [GREY, LINES], ids=["patches", "lines"])
def test_the_unit_of_floats_does_not_matter(task, picture):
    process = TASKS[task]
    expected = process(picture, 1)
    assert np.isfinite(expected).all()
    for unit in (255, 65535):
        result = process(picture * np.float32(unit), unit) / unit
        np.testing.assert_allclose(result, expected, atol=2e-4)
    small, large = (process(picture * np.float32(unit), unit) / unit for unit in (1e3, 4e9))
    np.testing.assert_allclose(small, large, atol=2e-4)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("value", [-3.0, 255, 1e5, 2e6, 1e15, 1e20, -3.4028235e38, np.inf, np.nan])
@pytest.mark.parametrize("unit", [1, 255])
def test_outliers_come_back_or_are_refused_and_nothing_else_is_lost(task, count, value, unit):
    picture = unit * GREY
    picture[np.unravel_index(RNG.choice(GREY.size, count, replace=False), GREY.shape)] = value
    warnings.simplefilter("ignore", PictureWarning)  # outliers are estimated as much noise
    try:
        result = TASKS[task](picture, unit)
    except ValueError as error:
        assert "NaN" in str(error) and "\n" not in str(error)
        assert not abs(value) < 1e6 * unit and not task.startswith(("denoise", "estimate", "enl"))
        return
    kept = picture if result.shape == GREY.shape else np.kron(picture, np.ones((2, 2)))
    odd = ~(np.abs(kept) < 1e6 * unit)
    if result.shape == kept.shape and not task.startswith(("inp", "fill", "find")):
        np.testing.assert_array_equal(result[odd], kept[odd])
        result = result[~odd]
    assert np.isfinite(result).all()
