"""The command ``restore sense``."""

import json

import numpy as np
import pytest

from restore.files.reading import read_picture
from restore.imaging.measures import psnr
from restore.tasks.sensing import radial, simulated
from tests import SAMPLES
from tests.cli.commands import restore, save


@pytest.fixture
def truth():
    return read_picture(SAMPLES / "camera-clean.png").samples[90:150, 90:154]


def test_a_picture_is_measured_and_comes_back(tmp_path, truth):
    photo = save(tmp_path / "photo.png", truth)
    done = restore("sense", photo, "--simulate", "radial:0.3", "--json")
    report = json.loads(done.stdout)
    assert report["output"].endswith("photo-sensed.png") and report["measured"].startswith("30.")
    assert psnr(truth, read_picture(report["output"]).samples) > 26


def test_frequencies_with_a_mask_give_magnitude_and_phase(tmp_path, truth):
    mask = radial(truth.shape[:2], 0.4)
    plane = np.fft.fftshift(np.fft.fft2(truth[..., 0]))
    np.save(tmp_path / "kspace.npy", plane.astype(np.complex64))
    picture = save(tmp_path / "mask.png", np.fft.fftshift(mask)[..., None])
    done = restore("sense", tmp_path / "kspace.npy", "--mask", picture, "--write-phase", "-v")
    assert done.returncode == 0, done.stderr
    phase = read_picture(tmp_path / "kspace-sensed-phase.png").samples
    assert np.median(np.abs(phase - 0.5)) < 0.02
    found = read_picture(tmp_path / "kspace-sensed.png").samples
    # a centred plane is one of a picture whose corner is in the middle
    found = np.fft.ifftshift(found, axes=(0, 1))
    found *= (found * truth).sum() / (found * found).sum()
    assert psnr(truth, found) > 27


def test_projections_with_a_matrix_of_their_own(tmp_path, truth):
    operator = simulated("blocks", 0.4, truth.shape[:2])
    measured = operator.forward(truth[..., 0])
    np.savez(tmp_path / "measured.npz", measurements=measured, shape=truth.shape[:2])
    np.save(tmp_path / "matrix.npy", operator.matrix)
    done = restore(
        "sense", tmp_path / "measured.npz", "--operator", tmp_path / "matrix.npy", "-o",
        tmp_path / "out.tif",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert psnr(truth, read_picture(tmp_path / "out.tif").samples) > 24


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--simulate", "radial"], "radial:SHARE"),
        (["--simulate", "radial:2"], "above 0 and at most 1"),
        (["--simulate", "blocks:0.1", "--write-phase"], "goes without"),
        (["--sigma", "auto"], "not estimated"),
    ],
)
def test_wrong_usage_is_said(tmp_path, truth, arguments, words):
    photo = save(tmp_path / "photo.png", truth)
    done = restore("sense", photo, *arguments)
    assert done.returncode == 2 and words in " ".join(done.stderr.split())


def test_a_picture_without_a_simulation_is_no_measurement(tmp_path, truth):
    done = restore("sense", save(tmp_path / "photo.png", truth))
    assert done.returncode == 1 and "this is a PNG picture, not a .npy file" in done.stderr
