"""Finding damage: what is found, what is left alone."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from restore.tasks.inpainting import (
    DEFECTS,
    damage,
    find_all_defects,
    find_defects,
    grow_mask,
    inpaint,
    inpaint_print,
)
from tests import SAMPLES
from training.prints import Damage, scanned

CHELSEA = np.asarray(Image.open(SAMPLES / "chelsea-clean.png"))[40:240, 120:330]
CAMERA = np.asarray(Image.open(SAMPLES / "camera-clean.png"))[60:260, 150:350]


def decibels(estimate, truth):
    return -10 * np.log10(np.mean((np.asarray(estimate, float) - truth / 255) ** 2))


def test_dead_pixels():
    rng = np.random.default_rng(0)
    dead = rng.random(CAMERA.shape) < 0.003
    damaged = np.where(dead, rng.choice(np.uint8([0, 255]), CAMERA.shape), CAMERA)
    seen = np.abs(damaged.astype(int) - CAMERA) > 30
    found = find_defects(damaged, "dead-pixels")
    assert found[seen].mean() > 0.9
    assert found.sum() < 4 * seen.sum()
    assert decibels(inpaint(damaged, found), CAMERA) > decibels(damaged / 255, CAMERA) + 5


def test_scratches():
    y, x = np.mgrid[: CHELSEA.shape[0], : CHELSEA.shape[1]]
    scratches = (np.abs(x - 60 - y / 5) < 1) | (np.abs(y - 150 + x / 7) < 1.3) & (x > 90)
    damaged = CHELSEA.copy()
    damaged[scratches] = 250
    found = find_defects(damaged, "scratches")
    assert found[scratches].mean() > 0.5
    near = np.abs(x - 60 - y / 5) < 6
    near |= np.abs(y - 150 + x / 7) < 6
    assert found[near].sum() > 0.6 * found.sum()
    assert decibels(inpaint(damaged, found), CHELSEA) > decibels(damaged / 255, CHELSEA) + 2


@pytest.mark.parametrize("count", [4, 12])
def test_dust(count):
    y, x = np.mgrid[:120, :140]
    ground = np.sin(x / 17) * np.cos(y / 11) / 4 + 0.5
    ground += np.random.default_rng(1).normal(0, 0.01, ground.shape)
    specks = np.zeros(ground.shape, bool)
    for row, column in np.random.default_rng(0).uniform(10, 110, (count, 2)):
        specks |= (y - row) ** 2 + (x - column) ** 2 < 7
    opacity = ndimage.gaussian_filter(specks.astype(float), 0.6)
    found = find_defects(ground + opacity * (0.95 - ground), "dust")
    assert found[specks].mean() > 0.4
    assert grow_mask(specks, 3)[found].mean() > 0.9


@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (60, 60, 3)])
def test_flat_and_small_pictures_hold_no_damage(kind, shape):
    assert not find_defects(np.full(shape, 0.4, np.float32), kind).any()
    assert find_defects(np.random.default_rng(2).random(shape), kind).shape == shape[:2]


def test_little_is_found_in_a_clean_picture():
    assert all(mask.mean() < 0.02 for mask in find_all_defects(CHELSEA, DEFECTS).values())


def test_all_kinds_are_found_at_once():
    photo = np.asarray(Image.open(SAMPLES / "coffee-clean.png"))[:288, :352] / np.float32(255)
    damaged, _, masks, _ = scanned(photo, Damage(4, 2, 12), np.random.default_rng(1))
    found = find_all_defects(damaged, DEFECTS)
    assert list(found) == list(DEFECTS)
    for kind in ("scratches", "dust"):
        assert np.array_equal(found[kind], find_defects(damaged, kind))
    every = np.any([found[kind] for kind in damage.KINDS], axis=0)
    assert every[masks.any(axis=0)].mean() > 0.6
    assert grow_mask(masks.any(axis=0), 2)[every].mean() > 0.55


def test_bad_input():
    with pytest.raises(ValueError, match="scratches, hairs, dust, dead-pixels"):
        find_defects(CAMERA, "cracks")
    with pytest.raises(ValueError, match="NaN"):
        find_defects(np.full((9, 9), np.nan), "dust")


def test_stars_are_no_dead_pixels():
    rng = np.random.default_rng(4)
    down, across = np.mgrid[:200, :200]
    field = np.full((200, 200), 0.05)
    for row, column in rng.uniform(5, 195, (60, 2)):
        field += rng.uniform(0.2, 1) * np.exp(-((down - row) ** 2 + (across - column) ** 2) / 1.6)
    field += rng.normal(0, 0.005, field.shape)
    hot = np.zeros(field.shape, bool)
    hot.ravel()[rng.choice(field.size, 30, replace=False)] = True
    found = find_defects(np.clip(np.where(hot, field + 0.5, field), 0, 1), "dead-pixels")
    assert found[hot].mean() > 0.9 and (found & ~hot).sum() <= 3


def test_colours_around_damage_are_filled_where_jpeg_shares_them():
    photo = np.asarray(Image.open(SAMPLES / "coffee-clean.png"))[:288, :352] / np.float32(255)
    damage = Damage(scratches=4, hairs=0, dust=10, quality=85)
    saved, clean, masks, coding = scanned(photo, damage, np.random.default_rng(3))
    mask = masks.any(axis=0)
    alone, wide = inpaint(saved, mask), inpaint_print(saved, mask, coding.sampling)
    ring = grow_mask(mask, 3) & ~mask
    errors = [np.mean((one - clean)[ring] ** 2) for one in (alone, wide)]
    assert errors[1] < 0.9 * errors[0]
    far = ~grow_mask(mask, 4)
    np.testing.assert_array_equal(wide[far], np.float32(saved)[far])
    np.testing.assert_array_equal(inpaint_print(saved, mask, (1, 1)), alone)


def test_prints_are_damaged_where_their_masks_say():
    photo = np.full((256, 256, 3), 0.5, np.float32)
    saved, clean, masks, _ = scanned(photo, Damage(8, 4, 20, grain=0), np.random.default_rng(0))
    changed = np.abs(saved - clean).mean(axis=2)
    assert masks.any(axis=(1, 2)).all()
    assert np.quantile(changed[masks.any(axis=0)], 0.02) > 0.02  # some are crossed by others
    assert changed[~grow_mask(masks.any(axis=0), 3)].max() < 0.02
