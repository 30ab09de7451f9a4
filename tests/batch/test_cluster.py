"""Batches on a Dask cluster: processes of workers on this machine, of which any may be killed."""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from restore import batch
from tests.batch.helpers import command, is_inverted, run, started, tree, with_limit, write
from tests.cluster import Started, until
from tests.invert_command import invert_picture

pytest.importorskip("distributed", reason="the cluster extra is not installed")


@pytest.fixture
def cluster(tmp_path_factory):
    """Starts clusters, and ends them."""
    opened = []

    def start(*arguments):
        opened.append(Started(tmp_path_factory.mktemp("cluster"), *arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cluster for the tests that leave it as it is."""
    one = Started(tmp_path_factory.mktemp("cluster"))
    yield one
    one.close()


def test_300_files_of_which_5_are_bad_as_on_this_machine(tmp_path, shared, capsys):
    for number in range(295):
        write(tmp_path / f"in/{number // 100}/{number:03}.png", depth="16")
    for number in range(5):
        (tmp_path / f"in/{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish" * number)
    told = {}
    for name, options in {"here": {"jobs": 2}, "there": {"scheduler": shared.address}}.items():
        output = tmp_path / name
        assert run([tmp_path / "in"], output=output, recursive=True, json=True, **options) == 1
        out, err = capsys.readouterr()
        reports = [json.loads(line) for line in out.splitlines()]
        for report in reports:
            del report["seconds"], report["output"]
        told[name] = reports, err
    assert told["here"] == told["there"]
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    for name in tree(tmp_path / "here"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_the_command_with_a_scheduler_file_and_relative_names(tmp_path, shared):
    write(tmp_path / "in/a.png")
    write(tmp_path / "in/b.png")
    write(tmp_path / "mask.png", shape=(8, 9, 1))
    arguments = ["in", "-o", "out", "--mask", "mask.png", "--scheduler-file", shared.file, "--json"]
    ended = command(*arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    reports = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(one["input"], one["output"]) for one in reports] == [
        (f"in/{name}.png", f"out/{name}.png") for name in "ab"
    ]
    assert command("in", "-o", "here", "--mask", "mask.png", cwd=tmp_path).returncode == 0
    for name in tree(tmp_path / "here"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_what_does_not_go_with_a_cluster_is_said(tmp_path, shared, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], scheduler=shared.address, jobs=2) == 2
    assert "--jobs is for this machine" in capsys.readouterr().err
    assert run([tmp_path / "a.png"], scheduler=shared.address, output="-") == 2
    assert "name files" in capsys.readouterr().err
    assert tree(tmp_path) == ["a.png"]


def test_no_scheduler(tmp_path, capsys, monkeypatch):
    from restore.batch import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], scheduler="tcp://127.0.0.1:9") == 2
    assert "no Dask scheduler at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_without_dask_one_sentence_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "restore.batch.cluster", raising=False)
    monkeypatch.delattr(batch, "cluster", raising=False)
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], scheduler="tcp://127.0.0.1:9") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'restore-ksvd[cluster]'" in line


def test_nothing_of_dask_is_imported_unless_asked_for(tmp_path):
    write(tmp_path / "a.png")
    code = (
        "import sys; from restore import batch; from tests.invert_command import invert_picture;"
        "assert batch.run(invert_picture, ['a.png'], batch.Options(suffix='-b')) == 0;"
        "assert not {'dask', 'distributed'} & sys.modules.keys()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


#: A machine on which a folder is not mounted, as far as one machine can play it.
ELSEWHERE = """
import errno, os

def absent(function):
    def seen(path, **more):
        if "unshared" in os.fspath(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return function(path, **more)
    return seen

os.path.getsize = absent(os.path.getsize)
"""


def test_a_folder_that_workers_do_not_see(tmp_path, tmp_path_factory, cluster, capsys):
    module = tmp_path_factory.mktemp("module") / "elsewhere.py"  # Python may cache it beside it
    module.write_text(ELSEWHERE)
    there = cluster(1, "--no-nanny", "--preload", module)
    for folder, output in (("unshared", "out"), ("in", "unshared-out")):
        write(tmp_path / folder / "a.png")
        (tmp_path / output).mkdir()
        before = tree(tmp_path)
        assert run([tmp_path / folder], output=tmp_path / output, scheduler=there.address) == 2
        assert "does not see" in capsys.readouterr().err
        assert tree(tmp_path) == before


def busy(folder):
    return list(Path(folder).rglob(".restore-*.tmp"))


def test_a_picture_that_kills_workers_does_not_take_the_batch_with_it(tmp_path, cluster, capsys):
    there = cluster(2, "--nanny")
    for height in range(4, 24):
        write(tmp_path / f"in/{height:02}.png", shape=(height, 5, 3))
    process = functools.partial(invert_picture, die=6)
    options = {"output": tmp_path / "out", "scheduler": there.address, "json": True}
    assert run([tmp_path / "in"], process, retries=1, **options) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [report for report in reports if report["status"] == "failed"]
    assert [Path(report["input"]).name for report in failed] == ["06.png"]
    assert "2 workers died over it" in failed[0]["error"]
    results = tree(tmp_path / "out")
    assert len(results) == 19
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)


def test_large_pictures_go_where_there_is_memory(tmp_path, cluster, capsys):
    there = cluster(0)
    for limit in ("500MB", "900MB"):
        there.options = ("--no-nanny", "--memory-limit", limit)
        there.workers.append(there.worker())
    there.wait_for_workers()
    sides = {"small": 10, "large": 1500, "too-large": 3000}
    for name, side in sides.items():
        write(tmp_path / f"in/{name}.png", shape=(side, side, 1))
    options = {"output": tmp_path / "out", "scheduler": there.address, "json": True}
    assert run([tmp_path / "in"], with_limit, **options) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    about = {Path(report["input"]).stem: report for report in reports}
    assert "takes some 1.8 GB, and no worker has as much" in about.pop("too-large")["error"]
    assert about["large"]["limit"] == 900_000_000
    assert about["small"]["status"] == "done"
    assert run([tmp_path / "in"], memory_per_file=100_000_000, overwrite=True, **options) == 0
    assert run([tmp_path / "in/small.png"], memory_per_file=10**9, overwrite=True, **options) == 1


def lines_of(process):
    """The reports of a running command, as they come."""
    found = []

    def read():
        for line in process.stdout:
            found.append(json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    return found


def test_workers_killed_in_the_middle_of_a_picture_twice(tmp_path, cluster):
    there = cluster(3)
    for name in range(12):
        write(tmp_path / f"in/{name:02}.png")
    output = tmp_path / "out"
    process = started(
        tmp_path / "in", "-o", output, "--wait", 0.3, "--json", "--scheduler", there.address
    )
    reports = lines_of(process)
    for killed in range(2):
        until(lambda count=2 * killed: len(reports) > count)
        there.workers[killed].kill()
    assert process.wait(30) == 0, process.stderr.read()
    process.stdout.close(), process.stderr.close()
    assert len(tree(output)) == 12
    assert all(is_inverted(tmp_path / "in" / name, output / name) for name in tree(output))


def test_ctrl_c_waits_for_nothing(tmp_path, cluster, heard):
    there = cluster(2)
    for name in range(20):
        write(tmp_path / f"in/{name:02}.png")
    process = started(
        tmp_path / "in", "-o", tmp_path / "out", "--wait", 0.5, "--json",
        "--scheduler", there.address, start_new_session=True,
    )  # fmt: skip
    reports = lines_of(process)
    until(lambda: reports)
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    assert process.wait(5) == 130
    assert time.monotonic() - begin < 2
    assert "not done" in process.stderr.read().decode()
    process.stdout.close(), process.stderr.close()
    time.sleep(1.2)  # what had begun is finished
    results = tree(tmp_path / "out")
    assert 0 < len(results) < 8 and not busy(tmp_path)
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)


def test_the_scheduler_goes_away(tmp_path, cluster):
    there = cluster(2)
    for name in range(12):
        write(tmp_path / f"in/{name:02}.png")
    arguments = [tmp_path / "in", "-o", tmp_path / "out", "--wait", 0.3, "--json"]
    process = started(*arguments, "--scheduler", there.address)
    reports = lines_of(process)
    until(lambda: reports)
    there.scheduler.kill()
    assert process.wait(20) == 1
    assert b"the scheduler is gone" in process.stderr.read()
    process.stdout.close(), process.stderr.close()

    def settled():
        """Whether no worker has ended its last picture within a second."""
        before = tree(tmp_path / "out")
        time.sleep(1)
        return tree(tmp_path / "out") == before

    until(settled)
    done = tree(tmp_path / "out")
    assert 0 < len(done) < 12
    again = command(*arguments, "--skip-existing")
    statuses = [json.loads(line)["status"] for line in again.stdout.splitlines()]
    assert again.returncode == 0 and statuses.count("skipped") == len(done)
    assert len(tree(tmp_path / "out")) == 12
