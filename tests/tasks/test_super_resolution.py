import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from restore.imaging import archive
from restore.imaging.arrays import as_image
from restore.imaging.bands import Pool
from restore.imaging.colour import luminance
from restore.imaging.resize import resize
from restore.kernels import anchors as kernels
from restore.learning import super_resolution
from restore.learning.anchored import LARGEST, Plan, moments, rounded
from restore.learning.super_resolution import Checkpoint, learn_stages, learn_super_resolution
from restore.sparse.dictionary import Dictionary
from restore.tasks import super_resolution as task
from restore.tasks.super_resolution import Cascade, history, super_resolve
from restore.tasks.super_resolution.cascade import (
    KIND,
    SHARPNESS,
    nearest_of,
    poses,
    scorers_of,
    windows_of,
)
from restore.tasks.super_resolution.correction import correction
from restore.tasks.super_resolution.degradation import shrink
from restore.tasks.super_resolution.similar import correct_plane
from tests import SAMPLES, reference
from training.history import made_small

PLANS = (Plan(False, 5, 4, 16, 1.0, 0.7, 12), Plan(True, 6, 4, 8, 2.0, 1.2, 12))


def edges(height=96, width=100, seed=0, channels=1):
    """Straight edges at random angles: what detail regressions learn first."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:height, :width]
    image = np.zeros((height, width, channels), np.float32)
    for _ in range(12):
        angle, offset = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8)
        side = (across - offset * width) * np.cos(angle) + (down - offset * height) * np.sin(angle)
        image += np.clip(side + 0.5, 0, 1)[..., None] * rng.uniform(-0.3, 0.3, channels)
    return np.clip(image + 0.5, 0, 1).astype(np.float32)


def decibels(one, other):
    return -10 * np.log10(np.mean((one - other)[4:-4, 4:-4] ** 2))


@pytest.fixture(scope="module")
def learned():
    return learn_super_resolution([edges(seed=seed) for seed in range(1, 9)], 2, plans=PLANS)


def test_regressions_are_rounded_to_equal_steps_that_a_byte_holds():
    matrices = np.random.default_rng(3).standard_normal((20, 12, 9)).astype(np.float32)
    matrices[4, 0, 2] = 400  # too large for the common step
    whole, steps = rounded(matrices)
    assert whole.dtype == np.int8 and np.abs(whole.astype(int)).max() == LARGEST
    assert (np.abs(whole * steps[:, None] - matrices) <= 0.51 * steps[:, None]).all()
    equal = np.delete(steps.ravel(), 4 * 9 + 2)
    assert (equal == equal[0]).all() and steps[4, 2] > equal[0]


def test_the_packaged_files_stay_small():
    """They are most of what an installation downloads."""
    sizes = {name: archive.packaged_path(name).stat().st_size for name in archive.packaged()}
    assert sum(sizes.values()) <= 30e6
    assert sizes["sr2"] + sizes["sr3"] + sizes["sr4"] <= 15e6


# --- Kernels ----------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "side"), [(1, 5), (2, 6), (3, 7)])
def test_turned_windows_equal_the_literal_ones(step, side):
    plane = np.random.default_rng(0).random((31, 40)).astype(np.float32)
    rows, columns = (31 - side) // step + 1, (40 - side) // step + 1
    windows, turns = windows_of(plane, moments(side, 1.0), step, side, columns, slice(0, rows))
    literal, poses_taken = reference.anchors.turned_windows(
        plane, moments(side, 1.0), step, side, rows, columns
    )
    assert np.array_equal(turns, poses_taken)
    assert np.allclose(windows, literal, atol=1e-5)


def test_all_sixteen_symmetries_give_one_window():
    window = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    expected = None
    for pose in range(8):
        for sign in (1, -1):
            plane = np.ascontiguousarray(sign * reference.anchors.turned(window, pose))
            turned, _ = windows_of(plane, moments(7, 1.0), 1, 7, 1, slice(0, 1))
            expected = turned if expected is None else expected
            assert np.allclose(turned, expected, atol=1e-6)


def test_patches_turn_there_and_back():
    rng = np.random.default_rng(2)
    plane = rng.random((22, 26)).astype(np.float32)
    turns = rng.integers(0, 16, 10 * 12).astype(np.int8)
    patches = np.empty((120, 16), np.float32)
    kernels.turned_patches(plane, poses(4), turns, 2, 4, 12, patches)
    assert np.array_equal(patches, reference.anchors.turned_patches(plane, turns, 2, 4, 12))
    total = np.zeros_like(plane)
    kernels.add_turned_patches(patches, poses(4), turns, 2, 4, 12, total)
    covers = np.zeros_like(plane)
    signs = np.where(turns & 8, -1, 1)[:, None] * np.ones((120, 16))
    kernels.add_turned_patches(signs.astype(np.float32), poses(4), turns, 2, 4, 12, covers)
    assert np.allclose(total, covers * plane, atol=1e-5)


def test_regressions_of_the_nearest_anchors():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((50, 6)).astype(np.float32)
    anchors = rng.standard_normal((9, 4)).astype(np.float32)
    regressions = rng.standard_normal((9, 6, 5)).astype(np.float32)
    compared = rng.standard_normal((50, 4)).astype(np.float32)
    kernels.normalise_rows(anchors, np.float32(0))
    kernels.normalise_rows(compared, np.float32(0))
    rows = np.hstack([compared, np.ones((50, 1), np.float32)])
    nearest, shares = nearest_of(rows, scorers_of(anchors))
    outputs = np.empty((50, 5), np.float32)
    kernels.apply_regressions(features, nearest, shares, regressions, outputs)
    literal = reference.anchors.anchored(features, compared, anchors, regressions, SHARPNESS)
    assert np.allclose(outputs, literal, atol=1e-4)
    assert 0.5 <= shares.min() < 0.9 < shares.max() <= 1


def test_ties_go_to_the_first_anchors():
    nearest, shares = np.empty((4, 2), np.int32), np.empty(4, np.float32)
    scores = np.array([[1, 1, 0.5], [0.5, 2, 2], [1, 1, 1], [1, 2, 3]], np.float32)
    kernels.two_best_columns(scores, np.float32(2), nearest, shares)
    assert nearest.tolist() == [[0, 1], [1, 2], [0, 1], [2, 1]]
    assert np.allclose(shares, [0.5, 0.5, 0.5, 1 / (1 + np.exp(-2))])


def test_one_anchor_alone():
    nearest, shares = np.empty((1, 2), np.int32), np.empty(1, np.float32)
    kernels.two_best_columns(np.ones((1, 1), np.float32), np.float32(20), nearest, shares)
    assert nearest.tolist() == [[0, 0]]


def test_rows_of_norm_one():
    rows = np.random.default_rng(4).standard_normal((5, 7)).astype(np.float32)
    rows[2] = 0
    kernels.normalise_rows(rows, np.float32(1e-6))
    norms = np.linalg.norm(rows, axis=1)
    assert np.allclose(norms[[0, 1, 3, 4]], 1, atol=1e-4) and norms[2] == 0


def test_one_compiled_signature_per_kernel(learned):
    super_resolve(edges(), model=learned)
    super_resolve(edges(channels=3), model=learned)
    for name in (
        "turned_windows",
        "turned_patches",
        "add_turned_patches",
        "normalise_rows",
        "two_best_columns",
        "apply_regressions",
    ):
        assert len(getattr(kernels, name).signatures) <= 1, name


# --- Learning ---------------------------------------------------------------------------


def test_learned_cascade_beats_cubic(learned):
    scene = edges(seed=50)
    small = resize(scene, 48, 50)
    cubic = decibels(resize(small, 96, 100), scene)
    one = decibels(super_resolve(small, 2, model=learned, quality="fast"), scene)
    assert one > cubic + 1


def test_learning_is_reproducible(learned):
    again = learn_super_resolution(
        [edges(seed=seed) for seed in range(1, 9)], 2, plans=PLANS, pool=Pool(1)
    )
    one, other = io.BytesIO(), io.BytesIO()
    learned.save(one)
    again.save(other)
    assert one.getvalue() == other.getvalue()


def test_learning_refuses_too_little():
    with pytest.raises(ValueError, match="0 photos large enough"):
        learn_super_resolution([np.zeros((10, 10))], 2, plans=PLANS)
    with pytest.raises(ValueError, match="too few to learn 16 anchors"):
        learn_super_resolution([np.zeros((40, 40))] * 4, 2, plans=PLANS)


@pytest.mark.parametrize("degradation", ["area", "gaussian:1.2"])
def test_other_degradations_are_undone(degradation):
    photos = [edges(seed=seed) for seed in range(1, 9)]
    model = learn_super_resolution(photos, 2, plans=PLANS, degradation=degradation)
    assert model.degradation == degradation
    scene = edges(seed=50)
    small = shrink(scene, 2, degradation)
    enlarged = super_resolve(small, 2, model=model)
    assert decibels(enlarged, scene) > decibels(resize(small, 96, 100), scene) + 1
    assert np.abs(shrink(enlarged, 2, degradation) - small).mean() < 1 / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_how_pictures_become_small(scale):
    image = np.random.default_rng(5).random((6 * scale, 7 * scale, 1)).astype(np.float32)
    blocks = image.reshape(6, scale, 7, scale)
    assert np.allclose(shrink(image, scale, "area")[..., 0], blocks.mean((1, 3)), atol=1e-6)
    assert np.array_equal(shrink(image, scale, "bicubic"), resize(image, 6, 7))
    distance = np.arange(6 * scale) - (2 * scale + (scale - 1) / 2)
    weights = np.exp(-0.5 * (distance / 0.9) ** 2)
    narrow = shrink(image, scale, "gaussian:0.9")
    column = weights / weights.sum() @ image[..., 0]
    across = np.arange(7 * scale) - (3 * scale + (scale - 1) / 2)
    weights = np.exp(-0.5 * (across / 0.9) ** 2)
    assert np.isclose(narrow[2, 3, 0], column @ weights / weights.sum(), atol=1e-3)


def test_going_on_gives_what_an_unbroken_run_gives(tmp_path):
    photos = [edges(seed=seed) for seed in range(1, 9)]
    first, last = learn_stages(photos, 2, plans=PLANS)
    first.save(tmp_path / "begun.npz")
    start = Checkpoint.load(tmp_path / "begun.npz")
    (again,) = learn_stages(photos, 2, plans=PLANS, start=start, pool=Pool(1))
    again.cascade.save(tmp_path / "again.npz")
    last.cascade.save(tmp_path / "whole.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_memory_is_bounded_by_drawing_from_the_photos(monkeypatch):
    monkeypatch.setattr(super_resolution, "LIMIT", 8 * 48 * 50)
    photos = [edges(seed=seed) for seed in range(12)]
    pairs, folds, count = super_resolution._pairs(photos, 2, "bicubic", seed=0)
    assert count == 12 and len(set(folds)) == 4
    assert 4 * 48 * 50 < sum(small.size for small, _ in pairs) <= super_resolution.LIMIT
    again = super_resolution._pairs(photos, 2, "bicubic", seed=0)[0]
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(pairs, again))


# --- Similar patches -----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_similar_patches_gain_on_the_cascade(scale, monkeypatch):
    scene = as_image(data.astronaut()[20:164, 150:294])
    small = resize(scene, 144 // scale, 144 // scale)
    with_groups = super_resolve(small, scale, degradation="bicubic", quality="best")
    assert np.abs(resize(with_groups, *small.shape[:2]) - small).mean() < 1 / 255
    monkeypatch.setattr(task, "correct_plane", lambda enlarged, *_: enlarged)
    cascade = super_resolve(small, scale, degradation="bicubic", quality="best")
    assert decibels(with_groups, scene) > decibels(cascade, scene) + 0.02


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (8, 40), (37, 21)])
def test_planes_of_any_size_are_corrected(shape):
    plane = np.random.default_rng(0).random(shape).astype(np.float32)
    one = correct_plane(plane, plane, 2, Pool(1))
    assert one.shape == shape and np.isfinite(one).all()
    assert np.array_equal(one, correct_plane(plane, plane, 2, Pool(3)))
    flat = np.full(shape, 0.3, np.float32)
    np.testing.assert_allclose(correct_plane(flat, flat, 2), flat, atol=1 / 255)


def test_only_what_packaged_cascades_enlarged_is_corrected(learned, monkeypatch):
    asked = []
    monkeypatch.setattr(task, "correct_plane", lambda plane, *_: asked.append(1) or plane)
    small = edges(24, 30)
    for settings in ({"model": learned}, {"quality": "fast"}, {"quality": "balanced"}):
        super_resolve(small, 2, **{"quality": "best", **settings})
    assert not asked
    super_resolve(small, 2, quality="best")
    assert asked


# --- Dictionaries -------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_dictionaries_beat_cubic_and_cascades_beat_dictionaries(scale):
    scene = edges(120, 144, seed=50)
    small = resize(scene, 120 // scale, 144 // scale)
    cubic, dictionary, fast, balanced = (
        decibels(enlarged, scene)
        for enlarged in (
            resize(small, 120, 144),
            super_resolve(small, scale, dictionary="grey"),
            super_resolve(small, scale, quality="fast"),
            super_resolve(small, scale),
        )
    )
    assert cubic + 0.5 < dictionary
    assert cubic + 0.5 < fast < balanced


@pytest.mark.parametrize("dictionary", ["grey", "learn"])
def test_made_small_again_it_is_the_small_picture(dictionary):
    small = resize(np.dstack([edges(90, 72, seed=n)[..., 0] for n in range(3)]), 30, 24)
    found = [
        super_resolve(
            small,
            3,
            dictionary=dictionary,
            degradation="bicubic",
            quality="fast",
            pool=Pool(threads),
        )
        for threads in (1, 4)
    ]
    assert np.array_equal(*found) and found[0].shape == (90, 72, 3)
    assert np.allclose(resize(found[0], 30, 24), small, atol=1e-3)


def test_a_dictionary_enlarges_to_any_size():
    small = resize(edges(90, 72, seed=3), 30, 24)
    found = super_resolve(small, size=(71, 53), dictionary="grey", quality="fast")
    assert found.shape == (71, 53, 1)
    assert np.allclose(resize(found, 30, 24), small, atol=1e-3)
    assert super_resolve(small[:2, :1], 4, dictionary="learn").shape == (8, 4, 1)


def test_dictionaries_that_make_no_sense():
    small = resize(edges(90, 72, seed=3), 30, 24)
    with pytest.raises(ValueError, match="of colour patches, and grey ones are coded"):
        super_resolve(small, dictionary="colour")
    with pytest.raises(ValueError, match="not both"):
        super_resolve(small, dictionary="grey", model=Cascade.load(2))
    with pytest.raises(ValueError, match="expected a Cascade as model, got Dictionary"):
        super_resolve(small, model=Dictionary.load("grey"))


# --- Files ------------------------------------------------------------------------------


def test_a_file_gives_the_same_cascade(learned, tmp_path):
    learned.save(tmp_path / "sr.npz")
    loaded = Cascade.load(tmp_path / "sr.npz")
    assert loaded.scale == 2 and loaded.provenance == learned.provenance
    small = resize(edges(seed=51), 48, 50)
    assert np.array_equal(
        super_resolve(small, 2, model=loaded), super_resolve(small, 2, model=learned)
    )


def test_damaged_and_foreign_files(learned, tmp_path):
    path = tmp_path / "sr.npz"
    learned.save(path)
    whole = path.read_bytes()
    for content in (b"", b"not a model", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"sr\.npz"):
            Cascade.load(path)
    with pytest.raises(ValueError, match="holds a dictionary, and a super-resolution model"):
        Cascade.load(archive.packaged_path("grey"))


@pytest.mark.parametrize(
    "sizes, words",
    [
        ([[2, 1, 1, 2, 2_500_000, 1, 1]], "MB unpacked, too much for a file of its size"),
        ([[2, 1, 1, 2, 100_000, 1, 1]], "sizes of its stages make no sense"),
        ([[2, 1, 1, 2, 1, 1, 1]] * 1000, "1 to 80 stages"),
        ([[2, 1, 1, 2, -1, -1, 1]], "sizes of its stages make no sense"),
    ],
)
def test_stages_that_would_take_much_are_refused(tmp_path, sizes, words):
    total = np.array(sizes, np.int64)[:, 4].clip(1).sum()
    arrays = {
        "sizes": np.array(sizes, np.int32),
        "maps": np.zeros(5 * len(sizes) + 5 * total, np.float16),
        "regressions": np.zeros(4 * total, np.int8),
    }
    archive.write(tmp_path / "sr.npz", KIND, arrays, {})
    with pytest.raises(ValueError, match=words):
        Cascade.load(tmp_path / "sr.npz")


# --- Enlarging --------------------------------------------------------------------------


def test_shapes_and_types(learned):
    for image in (edges()[..., 0], edges(), edges(channels=3)):
        enlarged = super_resolve(image, 2, model=learned)
        assert enlarged.dtype == np.float32
        assert enlarged.shape == (192, 200, *image.shape[2:])


@pytest.mark.parametrize("height", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [1, 2, 7])
def test_tiny_and_flat(learned, height, width):
    flat = np.full((height, width, 3), 0.25, np.float32)
    assert np.allclose(super_resolve(flat, 2, model=learned), 0.25, atol=1e-4)


def test_shrinking_gives_the_image_back(learned):
    image = resize(edges(channels=3), 40, 50)
    enlarged = super_resolve(image, 2, model=learned)
    assert np.abs(resize(enlarged, 40, 50) - image).mean() < 1 / 255


def test_turning_the_image_turns_the_result(learned):
    image = resize(edges(seed=52), 48, 50)
    expected = super_resolve(image, 2, model=learned)
    turned = super_resolve(np.ascontiguousarray(image[::-1].transpose(1, 0, 2)), 2, model=learned)
    difference = turned - expected[::-1].transpose(1, 0, 2)
    assert np.sqrt(np.mean(difference**2)) < 2e-3


def test_brightness_and_contrast_pass_through(learned):
    image = resize(edges(seed=53), 48, 50)
    expected = super_resolve(image, 2, model=learned)
    changed = super_resolve(0.5 * image + 3, 2, model=learned)
    assert np.sqrt(np.mean((changed - 0.5 * expected - 3) ** 2)) < 2e-3


def test_grey_as_colour_is_the_same(learned):
    image = resize(edges(seed=54), 48, 50)
    grey = super_resolve(image, 2, model=learned)
    colour = super_resolve(np.repeat(image, 3, axis=2), 2, model=learned)
    assert np.allclose(colour, grey, atol=2e-3)


def test_threads_change_nothing(learned):
    image = np.random.default_rng(6).random((200, 190)).astype(np.float32)
    one = super_resolve(image, 2, model=learned, pool=Pool(1))
    assert np.array_equal(one, super_resolve(image, 2, model=learned, pool=Pool(3)))


def test_any_size(learned):
    image = edges(30, 40)
    assert super_resolve(image, size=(71, 93), model=learned).shape == (71, 93, 1)
    assert super_resolve(image, size=(200, 40), model=learned).shape == (200, 40, 1)
    assert np.array_equal(super_resolve(image, size=(30, 40), model=learned), image)


@pytest.mark.parametrize(("scale", "size"), [(1.5, (45, 60)), (2.34, (70, 94)), (8, (240, 320))])
def test_any_number_of_times(scale, size):
    image = edges(30, 40)
    enlarged = super_resolve(image, scale, degradation="bicubic", quality="fast")
    expected = super_resolve(image, size=size, degradation="bicubic", quality="fast")
    np.testing.assert_array_equal(enlarged, expected)
    assert enlarged.shape == (*size, 1)


def test_progress_is_told(learned):
    told = []
    super_resolve(edges(), model=learned, pool=Pool(progress=lambda *step: told.append(step)))
    assert told and all(stage == "adding detail" and done <= total for stage, done, total in told)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": 1}, "above 1"),
        ({"scale": 0}, "above 1"),
        ({"scale": np.nan}, "above 1, not nan"),
        ({"scale": np.inf}, "above 1, not inf"),
        ({"scale": (2, 2)}, "above 1"),
        ({"size": (10, 10)}, "only enlarges"),
        ({"size": 40}, r"size is \(height, width\) in whole pixels, not 40"),
        ({"size": (40,)}, r"size is \(height, width\)"),
        ({"size": (40, 40, 3)}, r"size is \(height, width\)"),
        ({"size": (40.5, 40)}, r"whole pixels, not \(40.5, 40\)"),
        ({"size": "large"}, "whole pixels, not large"),
        ({"model": "sr2.npz"}, "expected a Cascade as model, got str"),
        ({"quality": "good"}, "quality is one of"),
    ],
)
def test_what_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        super_resolve(np.zeros((12, 14)), **arguments)


@pytest.mark.parametrize("shape", [(0, 5), (4,), (4, 5, 2), (2, 3, 4, 3)])
def test_what_is_no_image(shape):
    with pytest.raises(ValueError, match="image"):
        super_resolve(np.zeros(shape))


def test_what_is_refused_of_models_and_images(learned):
    with pytest.raises(ValueError, match="learned for scale 2, not 3"):
        super_resolve(np.zeros((12, 14)), 3, model=learned)
    with pytest.raises(ValueError, match="NaN"):
        super_resolve(np.full((12, 14), np.nan), 2, model=learned)


def test_missing_samples_come_back_and_do_no_harm(learned):
    image = edges(channels=3)
    expected = super_resolve(image, 2, model=learned)
    image[20, 30], image[25, 31] = np.nan, -3.4e38
    result = super_resolve(image, 2, model=learned)
    assert np.isnan(result[40:42, 60:62]).all() and (result[50:52, 62:64] == image[25, 31]).all()
    assert np.array_equal(result[:10], expected[:10])
    assert np.isfinite(np.delete(result, np.s_[40:52], axis=0)).all()


# --- How pictures became small ------------------------------------------------------------


def photo(name="coffee"):
    with Image.open(SAMPLES / f"{name}-clean.png") as image:
        return np.asarray(image.convert("RGB"))[:240, :240] / np.float32(255)


@pytest.mark.parametrize("way", ["sharpened:1", "sharpened:0.5", "nearest"])
def test_how_a_picture_became_small_is_seen_and_undone(way):
    large = photo("camera" if way == "nearest" else "coffee")
    small = made_small(large, way, 2)
    kernel, chances = history.likely_correction(luminance(small), 2)
    assert sum(chances.values()) == pytest.approx(1)
    kind = way.split(":")[0]
    assert sum(c for name, c in chances.items() if name.startswith(kind)) > 0.4
    looked, assumed, told = (
        decibels(super_resolve(small, 2, quality="fast", degradation=name), large)
        for name in ("auto", "bicubic", way)
    )
    assert looked > assumed + 0.5 * (told - assumed)


def test_what_the_model_assumes_is_left_as_it_is():
    small = made_small(photo(), "bicubic", 2)
    kernel, chances = history.likely_correction(luminance(small), 2)
    assert kernel is None and max(chances, key=chances.get) == "bicubic"
    for one in (small, made_small(photo(), "gaussian:1.2", 2)):  # that may be soft in itself
        looked, told = (
            super_resolve(one, 2, quality="fast", degradation=name) for name in ("auto", "bicubic")
        )
        assert np.array_equal(looked, told)
    assert history.likely_correction(luminance(small)[:20], 2) == (None, {})


def test_the_filter_is_the_mean_of_those_of_all_ways():
    plane = luminance(photo())
    chosen = np.array([1, 8, 1, 1, 1, 2, 3, 4, 9, 10])
    outputs = np.log(chosen)
    kernel, chances = history.likely_correction(plane, 3, lambda features: outputs[None])
    shares = chosen * np.array([3] + 9 * [1])
    shares = shares / shares.sum()
    assert list(chances.values()) == pytest.approx(list(shares))
    expected = np.zeros((7, 7))
    for way, share in zip(history.WAYS, shares):
        if way == "bicubic" or way.startswith("gaussian"):
            expected[3, 3] += share
        else:
            expected += share * correction(way, "bicubic", 3)
    np.testing.assert_allclose(kernel, expected, atol=1e-12)


def test_what_is_measured_is_the_same_for_a_turned_picture():
    plane = luminance(photo())
    measured = history.features(plane, 2)
    for turned in (plane.T, plane[::-1], np.rot90(plane)):
        np.testing.assert_allclose(history.features(turned, 2), measured, rtol=0.02, atol=0.05)


def test_of_a_large_picture_the_middle_is_measured():
    inner = np.random.default_rng(0).random((768, 768), np.float32)
    around = np.pad(inner, ((40, 40), (300, 301)))
    np.testing.assert_array_equal(history.features(around, 2), history.features(inner, 2))


def test_a_pixel_follows_from_those_around_it_as_least_squares_say():
    plane = luminance(photo()).astype(float)
    busy = np.random.default_rng(0).random((234, 234)) < 0.05
    found = history._predicted(plane, busy)
    rings = [(far, near) for far in range(1, 4) for near in range(far + 1)]
    rows = []
    for y, x in np.argwhere(busy) + 3:
        means = []
        for far, near in rings:
            around = [plane[y + a, x + b] for a in range(-3, 4) for b in range(-3, 4)
                      if sorted((abs(a), abs(b))) == [near, far]]  # fmt: skip
            means.append(np.mean(around))
        rows.append([plane[y, x], *means])
    rows = np.array(rows)
    # x = m_1 + sum_k a_k (m_k - m_1)
    literal, *_ = np.linalg.lstsq(rows[:, 2:] - rows[:, 1:2], rows[:, 0] - rows[:, 1], rcond=None)
    np.testing.assert_allclose(found[:-1], literal, rtol=1e-2, atol=1e-2)
