"""Batches: plans, exit codes, reports, workers. The task here is a stand-in."""

import functools
import json
import os
import signal

import numpy as np
import pytest

from restore import batch
from restore.files.picture import Picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages

random = np.random.default_rng(0)


def invert(picture, *, threads, progress):
    """The stand-in task: at module level, so that worker processes find it."""
    return picture.replace(samples=1 - picture.samples)


def write(path, name="png", shape=(8, 9, 3)):
    samples = (random.integers(0, 256, shape) / 255).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        write_pages(file, [Picture(samples)], name)
    return path


def run(inputs, process=invert, **options):
    options = {"suffix": "-inverted", **options}
    return batch.run(process, [str(path) for path in inputs], batch.Options(**options))


def test_output_is_named_beside_the_input(tmp_path):
    write(tmp_path / "Photo.PNG")
    assert run([tmp_path / "Photo.PNG"]) == 0
    assert (tmp_path / "Photo-inverted.PNG").is_file()


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_files_fail_and_the_rest_is_done(tmp_path, capsys, jobs):
    write(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    whole = write(tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert run([tmp_path], output=f"{tmp_path}/out/", jobs=jobs) == 1
    assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "good.png"]
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("restore: ") for line in lines) == 3
    assert lines[-1] == "2 done, 3 failed"


def test_nothing_matched(tmp_path, capsys):
    assert run([tmp_path]) == 3
    assert run([tmp_path / "*.png"]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 3


def kill_named(picture, *, threads, progress, victim):
    if picture.samples.shape[0] == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    return picture


def test_a_killed_worker_is_a_failed_file(tmp_path, capsys):
    for height in range(4, 10):
        write(tmp_path / f"{height}.png", shape=(height, 5, 3))
    process = functools.partial(kill_named, victim=6)
    assert run([tmp_path], process, output=f"{tmp_path}/out", jobs=2, json=True) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["status"] for report in reports] == ["done"] * 2 + ["failed"] + ["done"] * 3
    assert "signal 9" in reports[2]["error"]
