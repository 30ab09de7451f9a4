"""Dictionaries from collections of pictures: drawing and streaming patches, the gain."""

import numpy as np
import pytest

from restore.files.reading import read_picture
from restore.imaging.bands import Pool
from restore.learning import dictionaries
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import SAMPLES
from tests.cli.photos import noise


def numbered(height, width, first):
    """A picture whose patches of one pixel tell where they come from."""
    ramp = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    return first + ramp


def test_few_patches_are_all_drawn_once():
    image = noise(12, 15)
    drawn = dictionaries.draw([image], (4, 4, 1), 10_000)
    every = dictionaries._cut(image, (4, 4, 1), np.arange(9 * 12))
    together = np.concatenate([drawn.patches, drawn.held_out])
    assert drawn.available == len(every) == len(together)
    assert len(drawn.held_out) == round(0.1 * len(every))
    assert np.array_equal(together[np.lexsort(together.T)], every[np.lexsort(every.T)])


def test_every_patch_has_the_same_chance(monkeypatch):
    """Over many draws from pictures of different sizes, cut into strips."""
    monkeypatch.setattr(dictionaries, "STRIP", 40)
    monkeypatch.setattr(dictionaries.patching, "centre", lambda patches, channels: None)
    pictures = [numbered(5, 9, 0), numbered(20, 9, 100), numbered(2, 9, 1000)]
    counts = {}
    for seed in range(300):
        drawn = dictionaries.draw(pictures, (2, 2, 1), 40, seed=seed)
        both = np.concatenate([drawn.patches, drawn.held_out])
        assert len(both) == 44
        for first in both[:, 0]:
            counts[first] = counts.get(first, 0) + 1
    available = 4 * 8 + 19 * 8 + 8
    assert len(counts) == available
    expected = 300 * 44 / available
    assert np.var(list(counts.values())) < 1.5 * expected
    for low, high, places in ((0, 50, 32), (100, 500, 152), (1000, 2000, 8)):
        share = np.mean([count for first, count in counts.items() if low <= first < high])
        assert share == pytest.approx(expected, rel=4 / np.sqrt(expected * places))


def test_flat_patches_are_thinned_out():
    image = np.full((100, 100, 3), 0.5, np.float32)
    image[:30] = noise(30, 100, 3)
    drawn = dictionaries.draw([image], (8, 8, 3), 100_000)
    textured = (100 - 7) * 30
    assert textured * 0.95 < drawn.available < textured * 1.05
    assert np.linalg.norm(drawn.patches, axis=1).min() > 0


def test_deviations_are_those_of_the_patches():
    image = noise(20, 23, 3) * [0.01, 0.3, 1]
    patches = np.lib.stride_tricks.sliding_window_view(image, (5, 4, 3))[:, :, 0]
    expected = np.sqrt(patches.reshape(16, 20, 20, 3).var(axis=2).mean(axis=2))
    assert np.allclose(dictionaries._deviation(image.astype(np.float32), 5, 4), expected, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_draw_depends_on_the_seed_alone(threads, monkeypatch):
    monkeypatch.setattr(dictionaries, "STRIP", 1000)
    pictures = [noise(80, 90, seed=n) for n in range(3)]
    one = dictionaries.draw(pictures, (8, 8, 1), 500, seed=1)
    again = dictionaries.draw(pictures, (8, 8, 1), 500, seed=1, pool=Pool(threads))
    other = dictionaries.draw(pictures, (8, 8, 1), 500, seed=2)
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()


def test_streaming_gives_every_patch_once_a_turn(monkeypatch):
    monkeypatch.setattr(dictionaries, "POOL", 300 * 16)
    image = noise(40, 41)
    batches = list(dictionaries.stream([image, image[:20]], (4, 4, 1)))
    together = np.concatenate(batches)
    parts = [
        dictionaries._cut(one, (4, 4, 1), np.arange((len(one) - 3) * 38))
        for one in (image, image[:20])
    ]
    every = np.concatenate(parts)
    assert np.array_equal(together[np.lexsort(together.T)], every[np.lexsort(every.T)])
    some = sum(map(len, dictionaries.stream([image], (4, 4, 1), 0.3)))
    assert 0.2 < some / (37 * 38) < 0.4
    assert not np.array_equal(next(dictionaries.stream([image], (4, 4, 1), turn=1)), batches[0])


def test_streamed_batches_mix_the_pictures(monkeypatch):
    """What was read early or lies side by side must not be learned from together."""
    monkeypatch.setattr(dictionaries, "POOL", 2000 * 16)
    monkeypatch.setattr(dictionaries, "STREAMED", 100 * 16)
    faint, strong = 0.2 * noise(70, 90), noise(70, 90, seed=1)
    for pictures in ([faint, None, strong], [strong, faint]):
        batches = list(dictionaries.stream(pictures, (4, 4, 1)))
        shares = [np.mean(batch.std(axis=1) > 0.12) for batch in batches]
        assert len(batches) > 4 and 0.25 < min(shares) and max(shares) < 0.75
    monkeypatch.setattr(dictionaries, "OPEN", 1)  # memory for one picture: the order is random
    firsts = {
        float(
            next(dictionaries.stream([faint, strong], (4, 4, 1), turn=turn)).std(axis=1).mean()
            > 0.12
        )
        for turn in range(8)
    }
    assert firsts == {0, 1}


def test_held_out_patches_tell_the_gain():
    drawn = dictionaries.draw(
        [read_picture(SAMPLES / "camera-clean.png").samples], (8, 8, 1), 20_000
    )
    grey = Dictionary.load("grey")
    assert dictionaries.gain(grey, drawn.held_out).decibels == pytest.approx(0)
    assert dictionaries.gain(overcomplete_dct(256, (8, 8, 1)), drawn.held_out).decibels < -0.5
    *_, last = dictionaries.learn(drawn, grey, 5, iterations=8)
    gained = dictionaries.gain(last.dictionary, drawn.held_out)
    assert gained.decibels > 0.1 and gained.other == "the packaged dictionary grey"
    small = dictionaries.draw([noise(30, 30)], (4, 4, 1), 100)
    assert dictionaries.gain(overcomplete_dct(32, (4, 4, 1)), small.held_out).other == "cosines"


@pytest.mark.parametrize(
    "pictures, sentence",
    [
        ([], "no pictures"),
        ([np.full((20, 20, 1), 0.3, np.float32)], "all patches are flat"),
        ([noise(5, 20)], "20 x 5 pixels are smaller than a patch"),
        ([noise(20, 20, 3)], "it has 3 channels"),
        ([np.full((20, 20, 1), np.nan, np.float32)], "NaN"),
    ],
)
def test_nothing_to_learn_from_is_told(pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        dictionaries.draw(pictures, (8, 8, 1), 1000)


def test_fewer_patches_than_atoms_are_told():
    drawn = dictionaries.draw([noise(12, 12)], (8, 8, 1), 1000)
    with pytest.raises(ValueError, match="too few for 64 atoms: more pictures or fewer atoms"):
        next(dictionaries.learn(drawn, overcomplete_dct(64, (8, 8, 1)), 3))
