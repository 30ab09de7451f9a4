"""Learning on a Dask cluster gives the dictionary of one machine."""

import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.imaging import bands
from restore.sparse import atom_updates
from tests import HOUSE
from tests.cluster import Started

pytest.importorskip("distributed", reason="the cluster extra is not installed")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Fifteen textures of 260,000 patches together, and what is no picture among them."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(15):
        steps = random.random((128 + number, 136)) - 0.5
        texture = np.cumsum(np.cumsum(steps, 0), 1)
        levels = 255 * (texture - texture.min()) / np.ptp(texture)
        Image.fromarray(levels.astype(np.uint8)).save(folder / f"{number:02}.png")
    (folder / "07-bad.png").write_bytes(b"no picture")
    return folder


def arguments(photos, output, *more):
    return [
        *("train", photos, "-o", output, "--atoms", 64, "--iterations", 4, "--threads", 1),
        *("--patches", 200_000, "--json", *more),
    ]


def train(*words):
    return CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)


@pytest.mark.parametrize("together", [2, 16])
def test_sums_added_in_groups_are_added_in_the_same_order(together):
    for count in range(1, 300):
        parts = list(range(count))
        whole = atom_updates.pairwise(parts, lambda *pair: pair)
        while len(parts) > 1:
            cuts = bands.slices(len(parts), together)
            parts = [atom_updates.pairwise(parts[cut], lambda *pair: pair) for cut in cuts]
        assert parts == [whole]


@pytest.mark.parametrize("method", ["ksvd", "mod"])
def test_bytes_are_those_of_one_machine(tmp_path, photos, method, monkeypatch):
    """For 1, 2 and 3 workers, and where one is killed in the middle."""
    monkeypatch.setattr("restore.batch.cluster_learning.ADDED", 2)  # there are four sums
    here = train(*arguments(photos, tmp_path / "here.npz", "--method", method))
    assert here.return_value == 0 and "07-bad.png" in here.stderr
    wanted = (tmp_path / "here.npz").read_bytes()
    there = Started(tmp_path, 1)
    try:
        asked = "--scheduler", there.address, "--method", method, "--overwrite"
        command = arguments(photos, tmp_path / "there.npz", *asked)
        for _ in range(2):
            found = train(*command)
            assert found.return_value == 0, found.stderr
            assert (tmp_path / "there.npz").read_bytes() == wanted
            there.workers.append(there.worker())
            there.wait_for_workers()
        process = subprocess.Popen(
            [sys.executable, "-m", "restore", *map(str, command)], cwd=HOUSE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            assert b'"iteration": 1' in process.stdout.readline()
            there.workers[1].kill()
            rest = process.stdout.read()
        assert process.returncode == 0 and rest.count(b"iteration") >= 3
        assert (tmp_path / "there.npz").read_bytes() == wanted
    finally:
        there.close()


def test_the_scheduler_goes_away_and_a_run_without_it_goes_on(tmp_path, photos):
    output = tmp_path / "dictionary.npz"
    assert train(*arguments(photos, tmp_path / "whole.npz")).return_value == 0
    there = Started(tmp_path, 1)
    command = arguments(photos, output, "--scheduler", there.address)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "restore", *map(str, command)], cwd=HOUSE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            assert b'"iteration": 1' in process.stdout.readline()
            there.scheduler.kill()
            told = process.stderr.read()
        assert process.returncode == 1 and b"--resume" in told
    finally:
        there.close()
    assert train(*arguments(photos, output, "--resume")).return_value == 0
    assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_online_learning_is_refused(tmp_path, photos):
    there = Started(tmp_path, 1)
    try:
        asked = "--scheduler", there.address, "--method", "online"
        found = train(*arguments(photos, tmp_path / "there.npz", *asked))
    finally:
        there.close()
    assert found.return_value == 1 and "--method is ksvd or mod" in found.stderr


def test_models_are_learned_on_one_machine(tmp_path, photos):
    found = train("train", photos, "-o", tmp_path / "a.npz", "--model", "codec", "--scheduler", "x")
    assert isinstance(found.exception, click.UsageError) and "one machine" in str(found.exception)
