"""The path from image to image: nothing lost on the way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.imaging.bands import Pool
from restore.sparse import overlap
from restore.sparse.dictionary import Dictionary, overcomplete_dct


def scene(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3])),
    st.integers(1, 8),
    st.integers(1, 8),
)
def test_the_identity_gives_the_image_back(shape, side, stride):
    image = scene(*shape)
    restored = overlap.restore_image(
        image, (side, side, shape[2]), lambda patches: patches, min(stride, side), pool=Pool(1)
    )
    assert restored.shape == shape and np.allclose(restored, image, atol=1e-6)


def test_bands_leave_no_seams(monkeypatch):
    image = scene(70, 50, 3)
    dictionary = overcomplete_dct(64, (5, 5, 3))

    def restore():
        return overlap.restore_image(
            image, (5, 5, 3), lambda patches: overlap.sparse_estimate(patches, dictionary, 4)
        )

    whole = restore()
    monkeypatch.setattr(overlap.bands, "BAND", 1)
    assert np.allclose(restore(), whole, atol=2e-6)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(threads):
    image, dictionary = scene(200, 150), overcomplete_dct(64, (6, 6, 1))

    def restore(threads):
        return overlap.restore_image(
            image, (6, 6, 1), lambda patches: overlap.sparse_estimate(patches, dictionary, 3),
            pool=Pool(threads),
        )  # fmt: skip

    assert restore(1).tobytes() == restore(threads).tobytes()


def test_every_patch_with_all_its_atoms_comes_back():
    dictionary = Dictionary(np.eye(16), (4, 4, 1))
    patches = np.random.default_rng(0).random((30, 16)).astype(np.float32)
    assert np.allclose(overlap.sparse_estimate(patches.copy(), dictionary), patches, atol=1e-5)


def test_flat_patches_stay_what_they_are():
    patches = np.repeat(np.linspace(0, 1, 11, dtype=np.float32)[:, None], 48, axis=1)
    estimate = overlap.sparse_estimate(patches.copy(), overcomplete_dct(64, (4, 4, 3)), 3, 1e-8)
    assert np.allclose(estimate, patches, atol=1e-6)


def test_progress_is_told_to_the_end():
    told = []
    overlap.restore_image(
        scene(40, 40),
        (4, 4, 1),
        lambda patches: patches,
        pool=Pool(progress=lambda *step: told.append(step)),
    )
    assert told[-1][0] == "restoring" and told[-1][1] == told[-1][2]
