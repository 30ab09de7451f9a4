"""Coders for `dejpeg`, fitted to pictures of one kind."""

import dataclasses

import numpy as np
import pytest

from restore.imaging.bands import Pool
from restore.learning import artefacts
from restore.learning.artefacts import learn_dejpeg
from restore.sparse import unrolled
from training.camera import page


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Enough to see what happens."""
    monkeypatch.setattr(artefacts, "CROPS", 16)
    monkeypatch.setattr(artefacts, "STEPS", 8)


def pages(count):
    return [np.float32(page(np.random.default_rng(n), 128))[..., :1] for n in range(count)]


def test_pages_of_text_are_restored_better_by_a_coder_of_their_own():
    coder = learn_dejpeg(pages(4))
    prior = unrolled.packaged("dejpeg-grey")
    assert coder.provenance["gain"] > 0.1
    for name in unrolled.ARRAYS:
        same = np.array_equal(getattr(coder, name), getattr(prior, name))
        assert same == (name != "synthesis")


def test_any_number_of_threads_learns_the_same():
    one, other = (learn_dejpeg(pages(2), seed=3, pool=Pool(threads)) for threads in (1, 3))
    np.testing.assert_array_equal(one.synthesis, other.synthesis)


def test_what_is_told_and_its_adjoint():
    prior = unrolled.packaged("dejpeg-grey")
    case = artefacts._Case.of(pages(1)[0], 30, False, prior)
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal(prior.synthesis.shape).astype(np.float32)
    image = rng.standard_normal(case.lacked.shape).astype(np.float32)
    told = np.vdot(case.forward(atoms), image)
    assert told == pytest.approx(np.vdot(atoms, case.adjoint(image, atoms.shape)), rel=1e-3)


def test_the_prior_tells_what_the_coder_adds():
    from restore.imaging import jpeg
    from restore.tasks.denoising import mapped

    prior, crop = unrolled.packaged("dejpeg-grey"), pages(1)[0]
    case = artefacts._Case.of(crop, 30, False, prior)
    coding = jpeg.Coding(jpeg.tables(30, 1))
    planes = jpeg.to_planes(coding.decoded(crop))
    variances = np.maximum(coding.error(planes), mapped.LEAST)
    estimate, kinds, sigma = mapped.coder_inputs(
        planes, variances, project=lambda found: coding.project(found, planes)
    )
    restored = unrolled.correct(estimate, kinds, sigma, prior, learned=mapped.LEARNED)
    added = case.forward(prior.synthesis)[..., 0]
    np.testing.assert_allclose(added, (restored - estimate)[0], atol=1e-5)


def test_what_was_learned_is_not_gained_again():
    prior = learn_dejpeg(pages(2))
    again = learn_dejpeg(pages(2), prior=dataclasses.replace(prior, provenance={}))
    assert 0 <= again.provenance["gain"] < 0.5 * prior.provenance["gain"]


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        ([], "no pictures"),
        ([np.zeros((64, 64)), np.zeros((64, 64, 3))], "some in colour"),
        ([np.zeros((20, 64))], "fewer than 32"),
        ([np.full((64, 64), np.nan)], "between 0 and 1"),
    ],
)
def test_bad_pictures(pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        learn_dejpeg(pictures)
