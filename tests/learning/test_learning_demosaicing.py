"""Models for demosaicing are learned from pictures, and repeat themselves."""

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.learning.demosaicing import learn_demosaicing, tiles
from restore.tasks.demosaicing import Model, demosaic, sampled
from tests.tasks.mosaics import decibels, picture


def test_learning_improves_and_repeats_itself(monkeypatch, tmp_path):
    for name, value in {"LEAST": 200, "BINS": 3}.items():
        monkeypatch.setattr(f"restore.learning.trees.{name}", value)
    pictures = [picture(200, 160), np.ascontiguousarray(picture(200, 400)[:, 240:])]
    settings = {"stages": 2, "leaves": 2, "samples": 4000, "vivid": 0}
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file, threads in zip(files, (1, 2)):
        Model(learn_demosaicing(pictures, pool=Pool(threads), **settings), {"seed": 0}).save(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    learned = Model.load(files[0])
    assert learned.provenance == {"seed": 0}
    results = []
    for count in (0, 2):
        found = demosaic(sampled(pictures[0], "RGGB"), model=Model(learned.stages[:count]))
        results.append(decibels(found, pictures[0], 8))
    assert results[0] + 0.2 < results[1]


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ([], "no pictures"),
        ([np.zeros((30, 30, 3))], "8-bit colour"),
        ([np.zeros((30, 30), np.uint8)], "8-bit colour"),
        ([np.zeros((30, 9, 3), np.uint8)], "fewer than 16"),
    ],
)
def test_what_cannot_be_learned_from(pictures, words):
    with pytest.raises(ValueError, match=words):
        learn_demosaicing(pictures)


def test_tiles_are_bounded_and_fair(monkeypatch):
    monkeypatch.setattr("restore.learning.demosaicing.TILE", 4)
    monkeypatch.setattr("restore.learning.demosaicing.TILES", 6)
    whole = np.full((3, 9, 3), 0.2, np.float32)
    assert [tile.shape for tile in tiles([whole])] == [(3, 4, 3), (3, 4, 3)]
    pictures = [np.full((8, 16, 3), n / 255, np.float32) for n in range(5)]
    drawn = np.array([[tile[0, 0, 0] for tile in tiles(pictures, seed)] for seed in range(200)])
    assert drawn.shape == (200, 6)
    counts = np.bincount(drawn.ravel())  # of each picture 8 of the 40 tiles
    assert len(counts) == 5 and np.abs(counts - 240).max() < 60
    with pytest.raises(ValueError, match="no pictures"):
        learn_demosaicing(tiles([]))
