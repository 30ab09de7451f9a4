"""Codecs: asked for by their hash, embedded, learned; their bases, planes and smoothing."""

import io

import numpy as np
import pytest

from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.learning.compression import learn_codec
from restore.tasks.compression import (
    Codec,
    coding,
    compress,
    decompress,
    inspect,
    search,
    smoothing,
    tuning,
)
from restore.tasks.compression.codec import weights_of_frequencies
from restore.tasks.compression.planes import colour_angles, from_planes, rotation, to_planes
from tests import reference
from tests.tasks.compressed import RNG, drawn, levels_of


@pytest.fixture(scope="module")
def other():
    usual = Codec.load("photos")
    scales = tuple(part + np.int8(1) for part in usual.scales)
    parts = {name: getattr(usual, name) for name in usual.__dataclass_fields__}
    return Codec(**{**parts, "scales": scales})


def test_a_codec_is_asked_for_by_its_hash(other):
    picture = drawn(40, 48)
    made = compress(picture, codec=other)
    assert inspect(made.data)["overhead"] <= 24
    assert np.array_equal(
        levels_of(decompress(made.data, codec=other)),
        levels_of(decompress(compress(picture, codec=other, embed=True).data)),
    )
    with pytest.raises(ValueError, match=other.digest[:4].hex()):
        decompress(made.data)
    with pytest.raises(ValueError, match="not with this one"):
        decompress(made.data, codec=Codec.load("photos"))


def test_bits_of_modes_are_those_of_an_entropy_coder(other):
    for codec in (other, Codec.load("photos")):
        for bits, transforms in zip(codec.mode_bits, codec.transforms, strict=True):
            assert bits.shape == (3, 2 * len(transforms))
            chances = (2.0**-bits).sum(axis=1)
            whole = 1 << (bits.shape[1] - 1).bit_length()
            assert (chances <= 1 + 1e-5).all()
            if bits.shape[1] == whole:
                assert np.allclose(chances, 1, atol=1e-5)


def test_a_shortlist_has_the_cheapest_modes_and_is_kept_to():
    codec = Codec.load("photos")
    picture = as_image(drawn(72, 136, 3))
    planes = to_planes(picture, (30, -20, 9))
    prices, listed = tuning.prices(planes), {}
    how = codec, planes, coding.number_of(9)
    first = coding.quantise(*how, prices, shortlist=listed)
    assert all(np.array_equal(a, b) for a, b in zip(first[2:], coding.quantise(*how, prices)[2:]))
    assert {key[0] for key in listed} == {0, 1, 2} and {key[2] for key in listed} == {0, 1, 2, 3}
    for (_, _, size), (modes, costs) in listed.items():
        count = min(search.KEPT, 2 * len(codec.transforms[size]))
        assert modes.shape == costs.shape and len(modes) == count and np.isfinite(costs).all()
        assert all(len(set(column)) == count for column in modes.T)
    _, _, sizes, modes = coding.quantise(*how, prices, first[0], shortlist=listed)
    for (plane, top, size), (kept, _) in listed.items():
        if size == 0:
            rows = slice(top // 8, top // 8 + kept.shape[1] // 17)
            tried = (kept == modes[plane, rows].ravel()).any(axis=0)
            assert tried[sizes[plane, rows].ravel() == 0].all()


def test_a_codec_survives_its_file(other):
    file, twice = io.BytesIO(), io.BytesIO()
    other.save(file)
    again = Codec.load(file)
    again.save(twice)
    assert again.digest == other.digest != Codec.load("photos").digest
    assert file.getvalue() == twice.getvalue()


def test_a_codec_learned_on_like_pictures_beats_the_packaged_one():
    random = np.random.default_rng(3)
    y, x = np.mgrid[:72, :64]
    waves = [np.sin(0.9 * y + 0.4 * x + random.uniform(0, 6)) for _ in range(9)]
    grain = [random.normal(0, 3, (72, 64)) for _ in range(9)]
    pictures = [(128 + 70 * np.sign(w) + g).astype(np.uint8) for w, g in zip(waves, grain)]
    usual = Codec.load("photos")
    one = learn_codec(pictures[:8], prior=usual, rounds=2, pool=Pool(1))
    assert learn_codec(pictures[:8], prior=usual, rounds=2, pool=Pool(3)).digest == one.digest
    learned = compress(pictures[8], size=400, codec=one)
    assert learned.psnr > compress(pictures[8], size=400).psnr + 0.5
    with pytest.raises(ValueError, match="to learn from"):
        learn_codec(pictures)
    with pytest.raises(ValueError, match="no pictures"):
        learn_codec([])


def test_rotation_is_orthonormal_and_planes_come_back():
    picture = drawn(21, 34, 3) / np.float32(255)
    angles = colour_angles(picture)
    axes = rotation(angles)
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    planes = to_planes(picture, angles)
    assert all(plane.shape == (24, 40) for plane in planes)
    assert np.allclose(from_planes(planes, angles, 21, 34), picture, atol=1e-6)
    # most of the differences are in the first plane
    energy = [np.square(np.diff(plane)).sum() for plane in planes]
    assert energy[0] > 2 * energy[1] >= energy[2]


def test_for_the_eye_the_first_plane_is_the_luma():
    picture = RNG.random((24, 40, 3)).astype(np.float32)
    picture[..., 2] += 0.5 * picture[..., 0] - 0.5
    angles = colour_angles(picture, luma=True)
    planes = to_planes(picture, angles, luma=True)
    assert np.allclose(
        from_planes(planes, angles, 24, 40, luma=True), picture.clip(0, 1), atol=1e-5
    )
    luma = 255 * (picture @ [0.299, 0.587, 0.114] - 0.5)
    assert np.abs(planes[0] / np.sqrt(3) - luma).max() < 2
    one, other = (np.diff(plane, axis=0).ravel() for plane in planes[1:])
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05
    assert one.std() > other.std()
    grey = to_planes(np.repeat(picture[..., :1], 3, axis=2), angles, luma=True)
    assert max(np.abs(grey[1]).max(), np.abs(grey[2]).max()) < 2


@pytest.mark.parametrize("height, width", [(8, 8), (64, 24), (136, 72)])
@pytest.mark.parametrize("threads", [1, 3])
def test_smoothing_equals_the_reference(height, width, threads):
    plane = RNG.normal(0, 30, (height, width)).astype(np.float32)
    coarser = RNG.integers(-12, 12, (height // 8, width // 8)).astype(np.int8)
    frequencies = weights_of_frequencies(9, -2)
    steps = smoothing.Steps(np.float32(40), coarser, [frequencies])
    (found,) = smoothing.smooth([plane], 9, steps, Pool(threads))
    thresholds = 9 * 0.07 * 40 * 2.0 ** (coarser / 8)
    wanted = reference.deblocking.smoothed(plane, thresholds, frequencies)
    assert np.allclose(found, wanted, atol=1e-3)


def test_frequencies_weigh_as_much_as_atoms():
    rows = np.cos(np.pi * np.arange(8)[:, None] * (2 * np.arange(8) + 1) / 16)
    atoms = np.einsum("ux,vy->uvxy", rows, rows).reshape(64, 64)
    wanted = reference.blocks.coarser_steps(atoms, 8, 9, -2).reshape(8, 8)
    found = 8 * np.log2(weights_of_frequencies(9, -2))
    assert np.abs(found - wanted).max() < 2


def test_fine_atoms_are_quantised_more_coarsely():
    codec = Codec.load("photos")
    bases = codec.weighted(6, -5)
    for number, side in enumerate((8, 16, 32, 64)):
        atoms = codec.transforms[number][0]
        wanted = reference.blocks.coarser_steps(atoms, side, 6, -5)
        found = 8 * np.log2(bases.weights[number][0])
        assert np.abs(found - wanted).max() < 0.51
        assert np.array_equal(bases.scales[number][0], codec.scales[number][0] - np.rint(found))
    assert np.array_equal(codec.weighted(0, 3).weights[1], np.full((8, 256), 2**0.375, np.float32))


def test_smoothing_is_asked_for_where_it_helps():
    wanted = drawn(64, 64).astype(np.float32)
    noisy = wanted + RNG.normal(0, 6, wanted.shape).astype(np.float32)
    steps = coding.steps_of(coding.number_of(20), (1, 8, 8))
    strength = smoothing.best_strength([wanted], [noisy], steps)
    assert strength > 0
    (smooth,) = smoothing.smooth([noisy], strength, steps)
    assert np.square(smooth - wanted).mean() < 0.8 * np.square(noisy - wanted).mean()
    assert smoothing.best_strength([wanted], [wanted], steps) == 0


def test_bases_are_orthonormal():
    for transforms in Codec.load("photos").bases.transforms:
        for transform in transforms:
            assert np.allclose(transform @ transform.T, np.eye(len(transform)), atol=1e-5)
