"""Photographs as people have them: through cameras, and through JPEG."""

import sys

import numpy as np

import restore
from benchmarks.denoising import bm3d
from benchmarks.harness import Table, eight_bits, machine, peer, psnr, read_folder
from restore.imaging.bands import Pool
from restore.imaging.colour import GREY
from restore.imaging.noise import PhotonNoise, estimate_noise
from restore.tasks.denoising.artefacts import dejpeg
from training.camera import Camera, as_jpeg, page, taken

#: Gain and read noise of the simulated camera, in units of full scale.
LEVELS = {"little": (0.0008, 0.001), "middle": (0.003, 0.003), "strong": (0.010, 0.008)}
QUALITIES = (10, 20, 40)
#: Strengths of the peers, in 8-bit levels; the best of them is their best by hindsight.
STRENGTHS = (3, 6, 10, 15)
#: Every how many pictures BM3D is run: one takes it two minutes and a half.
SLOW = 4


def tables(run):
    """Simulated cameras, scans and film, few photons, real cameras, JPEG."""
    if run.data is None:
        return
    yield cameras(run)
    yield drawn(run)
    yield photons(run)
    if (run.data / "polyu").is_dir():
        yield pairs(run, "polyu")
    for folder, grey in (("classic5", True), ("kodak12", False)):
        if (run.data / "test" / folder).is_dir():
            yield artefacts(run, folder, grey)


def measured(run, picture, coding, clean):
    """PSNR of an 8-bit picture, of what the bare command makes of it, and of the peer's."""
    stored = eight_bits(picture)
    result = eight_bits(restore.denoise(stored, coding=coding, pool=Pool(run.threads)))
    return psnr(clean, stored), psnr(clean, result), means(stored, clean)


def means(picture, clean):
    """OpenCV's non-local means at its best strength by hindsight; NaN where it is missing."""
    if not peer("cv2"):
        return np.nan
    cv2 = peer("cv2")
    stored = np.ascontiguousarray(picture)
    if stored.ndim == 2 or stored.shape[2] == 1:
        found = [cv2.fastNlMeansDenoising(stored.squeeze(), None, h).reshape(stored.shape)
                 for h in STRENGTHS]  # fmt: skip
    else:
        found = [cv2.fastNlMeansDenoisingColored(stored, None, h, h) for h in STRENGTHS]
    return max(psnr(clean, result) for result in found)


def best_bm3d(run, picture, clean):
    """BM3D at its best sigma by hindsight; NaN where it is missing."""
    if not peer("bm3d"):
        return np.nan
    found = (bm3d(picture / 255, strength / 255, run.threads) for strength in STRENGTHS)
    return max(psnr(clean, eight_bits(result)) for result in found)


def rows_of(gains, name):
    """A row: means of what was measured, and the worst picture."""
    before, after, other = (np.array(column, float) for column in zip(*gains))
    worst = float((after - before).min())
    return [name, *map(float, (before.mean(), other.mean(), after.mean(), (after - before).mean())),
            worst]  # fmt: skip


COLUMNS = [
    ("pictures", ""),
    ("as they are (dB)", ".2f"),
    ("non-local means, best strength (dB)", ".2f"),
    ("restore denoise (dB)", ".2f"),
    ("gain (dB)", "+.2f"),
    ("worst picture (dB)", "+.2f"),
]


def cameras(run):
    """The protocol's camera at three levels, JPEG 85 in."""
    rows, details = [], {}
    for folder in ("photos", "kodak12"):
        for level, (gain, read) in LEVELS.items():
            gains = []
            for index, clean in enumerate(read_folder(run.data / "test" / folder).values()):
                even = np.s_[: clean.shape[0] // 2 * 2, : clean.shape[1] // 2 * 2]
                random = np.random.default_rng(index)
                camera = Camera(gain, read)
                saved, reference, coding = taken(np.float32(clean / 255)[even], camera, random)
                gains.append(measured(run, saved, coding, reference))
            rows.append(rows_of(gains, f"{folder}, {level} noise ({len(gains)})"))
            details[f"{folder} {level}"] = gains
    return Table(
        name="denoise-simulated-cameras",
        title="Denoising, simulated cameras, JPEG 85, nothing told",
        columns=COLUMNS,
        rows=rows,
        details=details,
        machine=machine("opencv-python-headless", threads=run.threads),
    )


def greys(run):
    """The brightness of the pictures of kodak12, in 8-bit levels."""
    for photo in read_folder(run.data / "test" / "kodak12").values():
        yield np.rint(photo @ GREY.astype(float))


def photons(run):
    """Stacks of 30 photons, in floats: found, and told."""
    gains = []
    for index, clean in enumerate(greys(run)):
        clean = clean / 255
        counts = np.float32(np.random.default_rng(index).poisson(clean * 30) / 30)
        given = ({}, {"noise": PhotonNoise(1 / 30)})
        found = [restore.denoise(counts, pool=Pool(run.threads), **told) for told in given]
        gains.append([psnr(clean, counts), *(psnr(clean, result) for result in found)])
    return Table(
        name="denoise-photons",
        title=f"Denoising, 30 photons, kodak12 in grey ({len(gains)} pictures)",
        columns=[("as they are (dB)", ".2f"), ("found (dB)", ".2f"), ("gain told (dB)", ".2f")],
        rows=[[float(value) for value in np.mean(gains, axis=0)]],
        details={"psnr": [[float(value) for value in row] for row in gains]},
        machine=machine(threads=run.threads),
    )


def drawn(run):
    """Scans of text and film grain."""
    rows, details = [], {}

    def add(name, cases):
        gains = []
        for picture, coding, clean in cases:
            gains.append(measured(run, picture, coding, clean))
        rows.append(rows_of(gains, f"{name} ({len(gains)})"))
        details[name] = gains

    def scans():
        for index in range(4):
            random = np.random.default_rng(index)
            clean = page(random)
            noisy = clean + 12 / 255 * random.standard_normal(clean.shape)
            yield *as_jpeg(np.float32(noisy), 60, 2), clean

    def films():
        for index, clean in enumerate(greys(run)):
            photo = np.repeat(np.float32(clean / 255)[..., None], 3, axis=2)
            camera = Camera(1e-7, 1e-6, grain=15 / 255, grain_size=0.8, grey=True, quality=None,
                            sharpening=0)  # fmt: skip
            saved, reference, _ = taken(photo, camera, np.random.default_rng(index))
            yield saved[..., 0], None, reference[..., 0]

    add("text, noise of 12, JPEG 60", scans())
    add("film grain of 15", films())
    return Table(
        name="denoise-drawn",
        title="Denoising scans and film, nothing told",
        columns=COLUMNS,
        rows=rows,
        details=details,
        machine=machine("opencv-python-headless", threads=run.threads),
    )


def pairs(run, kind):
    """Photographs of real cameras and the means of many."""
    gains, kinds, best = [], [], []
    for number, file in enumerate(sorted((run.data / kind).glob("*_real.*"))):
        picture, coding = read_coded(file)
        clean = read_coded(file.with_name(file.name.replace("_real", "_mean")))[0]
        kinds.append(estimate_noise(picture, coding, pool=Pool(run.threads)).kind)
        gains.append(measured(run, picture / 255, coding, clean))
        if number % SLOW == 0:
            best.append(best_bm3d(run, picture, clean))
        print(f"  {kind}, {file.stem}: done", file=sys.stderr)
    few = gains[::SLOW]
    return Table(
        name=f"denoise-{kind}",
        title=f"Denoising, real cameras ({kind}), nothing told",
        columns=[*COLUMNS, ("BM3D, best sigma (dB)", ".2f")],
        rows=[
            [*rows_of(gains, f"{kind} ({len(gains)})"), None],
            [*rows_of(few, f"every fourth ({len(few)})"), float(np.mean(best))],
        ],
        details={"psnr": gains, "kinds": kinds, "bm3d": best},
        machine=machine("bm3d", "opencv-python-headless", threads=run.threads),
    )


def read_coded(file):
    """The 8-bit samples of a file, and the tables of a JPEG."""
    from restore.files.reading import read_picture

    picture = read_picture(file)
    return np.uint8(np.rint(255 * picture.samples)), picture.metadata.coding


def artefacts(run, folder, grey):
    """JPEG of three qualities, with the tables that the file tells."""
    rows, details = [], {}
    for quality in QUALITIES:
        gains = []
        for clean in read_folder(run.data / "test" / folder, grey=grey).values():
            picture = np.float32(clean / 255).reshape(*clean.shape[:2], -1)
            decoded, coding = as_jpeg(picture, quality, 2)
            restored, _ = dejpeg(decoded, coding, pool=Pool(run.threads))
            found = decoded, eight_bits(restored)
            gains.append(
                (*(psnr(picture, one) for one in found), means(eight_bits(decoded), picture))
            )
        rows.append(rows_of(gains, f"quality {quality}"))
        details[str(quality)] = gains
    columns = [("", ""), *COLUMNS[1:3], ("restore dejpeg (dB)", ".2f"), *COLUMNS[4:]]
    return Table(
        name=f"dejpeg-{folder}",
        title=f"Removing JPEG artefacts, {folder}" + ("" if grey else ", 4:2:0"),
        columns=columns,
        rows=rows,
        details=details,
        machine=machine("opencv-python-headless", threads=run.threads),
    )
