"""Standard streams that are closed or full, files that cannot be read, names that are no text."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from restore.files.picture import Picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import HOUSE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX streams")


@pytest.fixture
def picture(tmp_path):
    with whole_file(tmp_path / "a.png") as file:
        write_pages(file, [Picture(np.float32(np.zeros((9, 8, 1))))], "png")
    return tmp_path / "a.png"


def shell(words, folder):
    """A line of a shell in which `restore` is the command."""
    line = words.replace("restore", f"'{sys.executable}' -m restore", 1)
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, timeout=60
    )


def here(*words):
    return CliRunner().invoke(cli, list(map(str, words)), standalone_mode=False)


def test_closed_streams(picture):
    folder = picture.parent
    done = shell("restore denoise a.png --sigma 0 -o b.png 2>&-", folder)
    assert done.returncode == 0 and (folder / "b.png").exists()
    done = shell("restore denoise a.png --sigma 0 -o c.png >&-", folder)
    assert done.returncode == 0 and (folder / "c.png").exists()
    assert done.stderr.startswith(b"a.png -> c.png")
    for words in ("-o -", "-o d.png --json"):
        done = shell(f"restore denoise a.png --sigma 0 {words} >&-", folder)
        assert done.returncode == 2 and b"standard output is closed" in done.stderr
    done = shell("restore denoise - --sigma 0 -o d.png <&-", folder)
    assert done.returncode == 1 and done.stderr == b"restore: -: the file is empty\n"
    for command in ("compare a.png b.png", "denoise a.png --estimate-only", "inspect grey"):
        done = shell(f"restore {command} >&-", folder)
        assert done.returncode == 1
        assert done.stderr == b"restore: standard output cannot be written: Bad file descriptor\n"
    assert sorted(os.listdir(folder)) == ["a.png", "b.png", "c.png"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disks(picture):
    folder = picture.parent
    for command in ("compare a.png a.png", "denoise a.png --estimate-only", "inspect grey"):
        done = shell(f"restore {command} >/dev/full", folder)
        assert done.returncode == 1 and b"No space left" in done.stderr
        assert done.stderr.count(b"\n") == 1
    assert shell("restore denoise none.png 2>/dev/full", folder).returncode == 3
    assert shell("restore compare a.png none.png 2>/dev/full", folder).returncode == 1


def test_names_that_are_no_text(picture):
    name = os.fsencode(picture.parent) + b"/\xff\xfe.png"
    os.rename(picture, name)
    for words in (
        "denoise *.png --dry-run",
        "denoise *.png --dry-run --json",
        "denoise *.png --estimate-only",
        "compare *.png *.png",
    ):
        done = shell(f"restore {words}", picture.parent)
        assert done.returncode == 0 and not done.stderr
        if "json" in words:
            assert json.loads(done.stdout)["input"] == "\udcff\udcfe.png"
        else:
            assert b"\xff\xfe.png" in done.stdout


@pytest.fixture
def unreadable(monkeypatch):
    """No file and no folder can be read, as `click` sees it; the superuser can read all."""
    monkeypatch.setattr("click.types.os.access", lambda path, mode: mode != os.R_OK)


def test_what_cannot_be_read_fails_alone(picture, unreadable):
    (picture.parent / "b.png").write_text("no picture")
    for command in (
        ["denoise", "--sigma", 0],
        ["compare", picture],
        ["denoise", "--estimate-only"],
    ):
        done = here(*command, picture, picture.parent / "b.png")
        assert done.return_value == 1 and done.stderr.count("b.png: not a picture") == 1
    done = here("inspect", picture.parent / "b.png")
    assert done.return_value == 1


def test_a_folder_that_can_only_be_written_takes_results(picture, unreadable):
    (picture.parent / "out").mkdir()
    assert here("denoise", picture, "--sigma", 0, "-o", picture.parent / "out").return_value == 0
    assert (picture.parent / "out/a.png").exists()


@pytest.fixture
def pipe(picture):
    os.mkfifo(picture.parent / "pipe.png")
    return picture.parent / "pipe.png"


@pytest.mark.parametrize(
    "words",
    [
        "train {folder} -o {folder}/d.npz --patch-size 4 --atoms 4 --patches 100 --iterations 1",
        "compare {picture} {folder}",
        "compare {pipe} {picture}",
        "inspect {pipe}",
        "inspect grey --curve {folder}",
        "denoise {folder} --estimate-only",
        "denoise {picture} --sigma 0 --reference {pipe}",
        "inpaint {picture} --mask {pipe}",
        "demosaic {picture} --pattern RGGB --dictionary {pipe}",
        "super-resolve {picture} --dictionary {pipe}",
        "decompress {picture} --dictionary {pipe}",
        "train {picture} -o {folder}/d.npz --init {pipe}",
    ],
)
def test_pipes_are_refused_where_files_are_needed(picture, pipe, words):
    words = words.format(folder=picture.parent, picture=picture, pipe=pipe)
    done = shell(f"restore {words}", picture.parent)
    assert done.returncode in (1, 2) and b"Traceback" not in done.stderr
    assert b"neither a file nor a folder" in done.stderr or b"is no file" in done.stderr


@pytest.mark.parametrize(
    "uses", ["many", [1, 2], ["a"] * 64, [-1] * 64, [1.5] * 64, {"a": 1}, [2**70] * 64, [[1]] * 64]
)
def test_inspect_takes_no_odd_counts(tmp_path, uses):
    dictionary = overcomplete_dct(64, (8, 8, 1))
    Dictionary(dictionary.atoms, (8, 8, 1), {"uses": uses}).save(tmp_path / "d.npz")
    done = here("inspect", tmp_path / "d.npz", "--picture", tmp_path / "d.png")
    assert done.return_value == 0 and "never used" not in done.stdout


def test_inspect_prints_no_escape_sequences(tmp_path):
    dictionary = overcomplete_dct(64, (8, 8, 1))
    odd = {"by\x1b[2J": "x\x1b]0;title\x07", "list": ["\x9b31m"], "deep": {"a": {"b\x08": "\x7f"}}}
    Dictionary(dictionary.atoms, (8, 8, 1), odd).save(tmp_path / "d.npz")
    done = here("inspect", tmp_path / "d.npz")
    assert done.return_value == 0 and "x\\x1b]0;title\\x07" in done.stdout
    assert not set(done.stdout) & set("\x07\x08\x1b\x7f\x9b")


def test_inspect_goes_on_after_a_deep_provenance(tmp_path):
    deep = {}
    for _ in range(400):
        deep = {"a": [deep]}
    dictionary = overcomplete_dct(64, (8, 8, 1))
    Dictionary(dictionary.atoms, (8, 8, 1), deep).save(tmp_path / "d.npz")
    done = here("inspect", tmp_path / "d.npz", "grey")
    assert done.exception is None and "grey" in done.stdout
    assert done.return_value in (0, 1)
