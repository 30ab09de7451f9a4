"""Old prints: what is found of lines and dust, and how well it is filled."""

import numpy as np
from scipy import ndimage

from benchmarks.harness import Table, machine, psnr
from restore.imaging.bands import Pool
from restore.tasks.inpainting import find_all_defects, inpaint, inpaint_print
from training.prints import Damage, scanned

#: What is looked for; hairs are lines, too.
KINDS = ("scratches", "dust")

#: Two in three prints are scanned to JPEG, one in two is sepia.
QUALITIES, SEPIA = (85, 92, None), (0.0, 1.0)


def tables(run):
    """Prints drawn over clean photographs."""
    sets = {folder: run.pictures(f"test/{folder}")[1] for folder in ("photos", "kodak12")}
    if run.data is None:
        sets = {"samples": run.pictures("none", "c*-clean.png")[1]}
    yield prints(run, sets)


def drawn(pictures, name):
    """(damaged, clean, masks, coding) of each picture as a print, all in [0, 1]."""
    for index, picture in enumerate(pictures.values()):
        random = np.random.default_rng((len(name), index))
        damage = Damage(sepia=SEPIA[index % 2], quality=QUALITIES[index % 3])
        yield scanned(np.float32(picture / 255).reshape(*picture.shape[:2], -1), damage, random)


def prints(run, sets):
    """How much of the damage is found, how much of what is found is damage, and what fills it."""
    rows, details = [], {}
    pool = Pool(run.threads)
    for name, pictures in sets.items():
        counts, filled, touched = np.zeros((len(KINDS), 4)), [], []
        for (damaged, clean, masks, coding), picture in zip(
            drawn(pictures, name), pictures.values(), strict=True
        ):
            found = all_defects(damaged, pool)
            truth, kinds = masks.any(axis=0), (masks[0] | masks[1], masks[2])  # hairs are lines
            counts += [matches(f, m, truth) for f, m in zip(found, kinds, strict=True)]
            sampling = coding.sampling if coding else (1, 1)
            results = (
                inpaint_print(damaged, found.any(axis=0), sampling, pool=pool),
                inpaint(damaged, truth, pool=pool),
            )
            near = ndimage.binary_dilation(truth, iterations=3)
            filled.append([psnr(clean[near], result[near]) for result in (damaged, *results)])
            touched.append(all_defects(picture, pool).any(axis=0).mean())
        for kind, (right, told, covered, there) in zip(KINDS, counts, strict=True):
            rows.append([f"{name}, {kind}", covered / there, right / told, None, None, None, None])
        filled = np.array(filled)
        rows.append([f"{name}, all ({len(pictures)})", None, None,
                     *map(float, filled.mean(axis=0)), 100 * float(np.mean(touched))])  # fmt: skip
        details[name] = {"psnr": filled.tolist(), "touched": [float(t) for t in touched]}
    return Table(
        name="inpaint-prints",
        title="Old prints: damage drawn over photographs, found and filled",
        columns=[
            ("", ""),
            ("recall", ".2f"),
            ("precision", ".2f"),
            ("PSNR at the damage, as it is (dB)", ".2f"),
            ("filled where it was found", ".2f"),
            ("filled where it is", ".2f"),
            ("touched of the clean photographs (%)", ".3f"),
        ],
        rows=rows,
        notes="Hairs count as scratches. Precision: what is found and is, or touches, damage of "
        "any kind. PSNR within three pixels of the damage.",
        details=details,
        machine=machine(threads=run.threads),
    )


def all_defects(picture, pool):
    """(2, height, width) masks of what is found."""
    found = find_all_defects(picture, ("scratches", "hairs", "dust"), pool=pool)
    return np.stack([found["scratches"] | found["hairs"], found["dust"]])


def matches(found, mask, any_damage):
    """(found and damaged, found, damaged in this way and found, damaged in this way), in pixels."""
    return (
        np.count_nonzero(found & ndimage.binary_dilation(any_damage, np.ones((3, 3)))),
        max(1, np.count_nonzero(found)),
        np.count_nonzero(found & mask),
        max(1, np.count_nonzero(mask)),
    )
