"""The learned coder: the same as its equations, whatever the threads and the trainer."""

import io

import numpy as np
import pytest
from PIL import Image

from restore.imaging import archive
from restore.imaging.bands import Pool
from restore.kernels import unrolled as kernels
from restore.sparse import unrolled
from restore.sparse.unrolled import Coder, correct, mean_and_kinds
from tests import SAMPLES, reference

COFFEE = SAMPLES / "coffee-clean.png"


def some_coder(channels=1, n_atoms=12, n_steps=3, side=5, seed=0):
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.standard_normal(shape) / np.sqrt(shape[-1])

    return Coder(
        analysis=draw(2, 4 * channels, side * side, n_atoms),
        steps=draw(n_steps, n_atoms, n_atoms),
        gains=draw(n_steps, n_atoms),
        thresholds=draw(n_steps + 1, 2, n_atoms),
        synthesis=draw(n_atoms, side, side, channels),
        window=random.uniform(0.1, 1, (side, side)),
        provenance={"drawn": "at random"},
    )


def some_planes(channels=1, shape=(23, 30)):
    """Four, of which half precision holds the differences."""
    levels = np.random.default_rng(1).integers(257, size=(4, channels, *shape))
    return np.float32(levels / 256)


def shown(planes):
    """What `correct` is given: of a noisy picture, and of three estimates of it."""
    noisy, *estimates = planes
    return mean_and_kinds(noisy, zip(*estimates))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_equations(channels):
    coder, planes = some_coder(channels), some_planes(channels)
    weights = [getattr(coder, name).astype(float) for name in unrolled.ARRAYS]
    expected = reference.unrolled.corrected(planes.astype(float), 0.1, *weights)
    result = correct(*shown(planes), 0.1, coder)
    assert np.abs(result - planes[2:].mean(axis=0)).max() > 0.01
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_step():
    random = np.random.default_rng(0)
    codes, analysed = random.standard_normal((2, 50, 7)).astype(np.float32)
    gains, thresholds = random.random((2, 7)).astype(np.float32)
    values = codes + gains * analysed
    kernels.step(codes, analysed, gains, thresholds)
    np.testing.assert_allclose(codes, reference.unrolled.soft(values, thresholds), atol=1e-6)
    assert (codes == 0).any() and (codes != 0).any()


def test_any_number_of_threads_gives_the_same_bits():
    coder, planes = some_coder(3), some_planes(3, (70, 41))
    results = [correct(*shown(planes), 0.1, coder, pool=Pool(threads)) for threads in (1, 4)]
    np.testing.assert_array_equal(*results)


def test_stronger_noise_than_was_learned_is_scaled():
    coder, planes = some_coder(), some_planes()
    _, strongest = unrolled.LEARNED_SIGMAS
    expected = 2 * correct(*shown(planes / 2), strongest, coder)
    np.testing.assert_allclose(correct(*shown(planes), 2 * strongest, coder), expected, atol=1e-5)


def test_weaker_noise_than_was_learned_is_corrected_less():
    coder, planes = some_coder(), some_planes()
    weakest, _ = unrolled.LEARNED_SIGMAS
    estimate = planes[2:].mean(axis=0)
    expected = (correct(*shown(planes), weakest, coder) - estimate) / 4
    result = correct(*shown(planes), weakest / 4, coder) - estimate
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_no_atom_no_correction():
    coder = some_coder()
    silent = Coder(
        coder.analysis, coder.steps, coder.gains, coder.thresholds,
        0 * coder.synthesis, coder.window, {},
    )  # fmt: skip
    planes = some_planes()
    np.testing.assert_array_equal(correct(*shown(planes), 0.1, silent), (planes[2] + planes[3]) / 2)


def test_weights_come_back_from_a_file():
    coder, file = some_coder(), io.BytesIO()
    coder.save(file)
    file.seek(0)
    read = Coder.load(file)
    assert read.provenance == coder.provenance
    for name in unrolled.ARRAYS:
        np.testing.assert_allclose(getattr(read, name), getattr(coder, name), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["grey", "demosaic"])
def test_other_files_are_told(name):
    with pytest.raises(ValueError, match="unrolled coder is needed"):
        Coder.load(archive.packaged_path(name))


@pytest.mark.parametrize(
    "name, change",
    [
        ("steps", lambda values: values[:, :-1]),
        ("steps", lambda values: values[0]),
        ("gains", lambda values: values[1:]),
        ("window", lambda values: -values),
        ("synthesis", lambda values: values * np.nan),
    ],
)
def test_weights_that_do_not_fit_are_told(name, change):
    coder = some_coder()
    weights = {key: getattr(coder, key) for key in unrolled.ARRAYS}
    weights[name] = change(weights[name])
    with pytest.raises(ValueError, match=name):
        Coder(**weights, provenance={})


@pytest.mark.parametrize("channels", [1, 3])
def test_the_trainer_computes_the_same(channels):
    torch = pytest.importorskip("torch")
    from training.unrolled import Unrolled

    torch.manual_seed(0)
    model = Unrolled(channels, 4, 48, 3)
    with torch.no_grad():
        for values in model.parameters():
            values += 0.02 * torch.randn_like(values)
        estimate, kinds = shown(some_planes(channels, (40, 52)))
        inputs = torch.from_numpy(np.stack(kinds(slice(0, None)), axis=1))[None]
        expected = model(torch.from_numpy(estimate)[None], inputs, torch.tensor([0.1]))[0].numpy()
    result = correct(estimate, kinds, 0.1, model.export({}))
    assert np.abs(result - estimate).max() > 0.01
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_colour_coder_starts_from_a_grey_one():
    torch = pytest.importorskip("torch")
    from training.unrolled import Unrolled

    torch.manual_seed(0)
    model = Unrolled(1, 4, 20, 2)
    with torch.no_grad():
        for values in model.parameters():
            values += 0.02 * torch.randn_like(values)
        grey = model.export({})
        colour = Unrolled(3, 4, 30, 2)
        colour.synthesis[20:] = 0
        colour.start_from(grey)
    planes = some_planes(3)
    light = planes[:, :1] / np.sqrt(np.float32(3))
    expected = np.sqrt(3) * correct(*shown(light), 0.1 / np.sqrt(3), grey)
    result = correct(*shown(planes), 0.1, colour.export({}))
    np.testing.assert_allclose(result[:1], expected, atol=1e-4)
    np.testing.assert_allclose(result[1:], planes[2:, 1:].mean(axis=0), atol=1e-6)


def test_a_coder_starts_from_one_that_is_shown_less():
    pytest.importorskip("torch")
    from training.unrolled import Unrolled

    start = some_coder(3, side=8, n_atoms=20)
    model = Unrolled(3, 5, 20, 3)
    model.start_from(start)
    estimate, kinds = shown(some_planes(3))
    expected = correct(estimate, kinds, 0.1, start)

    def more(rows):
        return [*kinds(rows), estimate[:, rows]]

    np.testing.assert_allclose(correct(estimate, more, 0.1, model.export({})), expected, atol=1e-4)


def test_mosaics_are_learned_from_in_phase(tmp_path):
    """However a crop is turned, what the filter measured stays where it says that it did."""
    torch = pytest.importorskip("torch")
    from training.pilots import draw
    from training.unrolled import Pictures, squared_errors

    photos, cache = tmp_path / "photos", tmp_path / "cache"
    photos.mkdir()
    with Image.open(COFFEE) as photo:
        for number in range(2):
            photo.resize((110, 90 + number)).save(photos / f"{number}.png")
    draw("mosaic", photos, cache, 3, 4, seed=0)
    pictures = Pictures(cache, "learn")
    assert pictures.counted == "hidden" and len(pictures.all) == 2
    random = np.random.default_rng(0)
    clean, estimate, kinds, _ = pictures.batch(16, random)
    # the last estimate, which keeps what was measured
    last = estimate + kinds[:, :, 1] / 2
    hidden = squared_errors(last, clean, "hidden", kinds)
    everywhere = ((last - clean)[..., 4:-4, 4:-4] ** 2).mean((1, 2, 3))
    torch.testing.assert_close(hidden, everywhere, rtol=0.02, atol=1e-7)
    assert (hidden > 0).all()
