"""Batches: exit codes, reports, and nothing half-written; the task is a stand-in."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from restore import batch
from restore.files.picture import Picture, to_depth, to_unit
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from tests.batch.helpers import command, picture, run, started, tree, write


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_files_fail_and_the_rest_is_done(tmp_path, capsys, jobs):
    write(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    whole = write(tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert run([tmp_path], output=f"{tmp_path}/out/", jobs=jobs) == 1
    assert tree(tmp_path / "out") == ["a.png", "good.png"]
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("restore: ") for line in lines) == 3
    assert lines[-1] == "2 done, 3 failed"


def test_fail_fast(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    write(tmp_path / "b.png")
    assert run([tmp_path], output=tmp_path / "out", fail_fast=True) == 1
    assert not (tmp_path / "out").exists()


def test_nothing_matched(tmp_path, capsys):
    write(tmp_path / "deep/a.png")
    assert run([tmp_path]) == 3
    assert "--recursive" in capsys.readouterr().err
    assert run([tmp_path / "*.png"]) == 3
    assert "no such file" in capsys.readouterr().err
    assert run([tmp_path / "*.tif", tmp_path / "deep/a.png"]) == 1  # one glob of two matched
    assert (tmp_path / "deep/a-inverted.png").is_file()


def test_a_folder_that_cannot_be_read_is_a_failure(tmp_path, capsys, monkeypatch):
    write(tmp_path / "in/a.png")
    write(tmp_path / "in/closed/b.png")
    scan = os.scandir

    def refuse(path):  # not by its mode: the superuser can read everything
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert run([tmp_path / "in"], output=tmp_path / "out", recursive=True) == 1
    assert "closed: a folder that cannot be read" in capsys.readouterr().err
    monkeypatch.undo()
    assert tree(tmp_path / "out") == ["a.png"]


def test_an_output_folder_that_cannot_be_made_or_written(tmp_path, capsys, monkeypatch):
    write(tmp_path / "a.png")
    (tmp_path / "file").touch()
    assert run([tmp_path / "a.png"], output=f"{tmp_path}/file/out/") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(tmp_path))
    assert run([tmp_path / "a.png"], wrong, output=f"{tmp_path}/new/out/") == 1
    assert f"the output folder cannot be written: {tmp_path}\n" in capsys.readouterr().err
    assert tree(tmp_path) == ["a.png", "file"]


def wrong(picture, *, pool):
    raise ZeroDivisionError("float division")


def test_a_mistake_in_a_task_is_one_line_and_debug_shows_it(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], wrong) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "ZeroDivisionError" in said and "--debug" in said
    assert run([tmp_path / "a.png"], wrong, debug=True) == 1
    assert "Traceback" in capsys.readouterr().err
    assert tree(tmp_path) == ["a.png"]


def without_a_number(picture, *, pool):
    samples = picture.samples.copy()
    samples[2, 3] = np.nan
    return picture.replace(samples=samples)


def test_a_result_with_new_nan_fails_and_is_not_written(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], without_a_number) == 1
    assert "3 samples that are NaN or infinite" in capsys.readouterr().err
    assert tree(tmp_path) == ["a.png"]
    samples = picture((8, 9, 3), "f32").samples.copy()
    samples[2, 3, 0] = np.inf
    with whole_file(tmp_path / "b.tif") as file:
        write_pages(file, [Picture(samples, None, "f32")], "tiff")
    assert run([tmp_path / "b.tif"], without_a_number, suffix="-x") == 0


def test_json_lines(tmp_path, capsys):
    write(tmp_path / "a.png", alpha=True, depth="16")
    (tmp_path / "b.png").write_text("hello")
    write(tmp_path / "c.png")
    write(tmp_path / "c-inverted.png")
    assert run([tmp_path], skip_existing=True, json=True) == 1
    captured = capsys.readouterr()
    reports = [json.loads(line) for line in captured.out.splitlines()]
    assert [report["status"] for report in reports] == ["done", "failed", "skipped"]
    assert list(reports[1]) == [
        *("input", "output", "status", "error", "warnings", "seconds", "size_in", "size_out"),
        *("width", "height", "channels", "depth", "pages", "psnr", "ssim"),
    ]
    assert set(reports[0]) - set(reports[1]) == {"mean", "threads"}
    done = reports[0]
    assert (done["width"], done["height"], done["channels"], done["depth"]) == (9, 8, 3, "16")
    assert done["size_in"] == (tmp_path / "a.png").stat().st_size
    assert done["size_out"] == (tmp_path / "a-inverted.png").stat().st_size
    assert "b.png" in captured.err


def keep(picture, *, pool):
    return picture


def test_reference(tmp_path, capsys):
    write(tmp_path / "a.png", shape=(20, 30, 3))
    write(tmp_path / "b.png", shape=(20, 30, 3))
    options = {"json": True, "output": tmp_path / "out", "depth": "8"}
    assert run([tmp_path], keep, reference=str(tmp_path), **options) == 0
    for line in capsys.readouterr().out.splitlines():
        report = json.loads(line)
        assert report["psnr"] is None and report["ssim"] == 1  # infinite is null
    options["overwrite"] = True
    reference = str(tmp_path / "a.png")
    assert run([tmp_path / "b.png"], keep, reference=reference, **options) == 0
    assert 5 < json.loads(capsys.readouterr().out)["psnr"] < 15
    write(tmp_path / "small.png", shape=(9, 9, 3))
    assert run([tmp_path / "b.png"], keep, reference=f"{tmp_path}/small.png", **options) == 1
    assert "9 x 9" in capsys.readouterr().err
    assert run([tmp_path / "small.png"], keep, reference=f"{tmp_path}/out", **options) == 1
    assert "no file called small.*" in capsys.readouterr().err


def test_metadata_is_stripped_on_request(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x8825] = {1: "N"}
    icc = bytes(16) + b"RGB " + bytes(100)
    Image.new("RGB", (9, 9)).save(tmp_path / "a.jpg", exif=exif, icc_profile=icc)
    for strip, kept in ((None, (True, True)), ("some", (False, True)), ("all", (False, False))):
        assert run([tmp_path / "a.jpg"], strip=strip, overwrite=True) == 0
        with Image.open(tmp_path / "a-inverted.jpg") as image:
            info = image.info
            assert (bool(image.getexif().get_ifd(0x8825)), info.get("icc_profile") == icc) == kept


def test_facts_of_several_pages_are_told_page_by_page(tmp_path, capsys):
    facts = iter([{"page": [1]}, {"page": [2], "second": True}, {"page": [3]}])

    def with_facts(picture, *, pool):
        return batch.Result(picture, facts=next(facts))

    write(tmp_path / "a.tif", pages=3)
    assert run([tmp_path / "a.tif"], with_facts, json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["page"] == [[1], [2], [3]] and report["second"] == [None, True, None]


@pytest.mark.parametrize(
    "value, words",
    [
        (12.345678, "x 12.35"),
        ("RGGB", "x RGGB"),
        (False, ""),
        (True, "x"),
        (None, ""),
        ([None, False], ""),
        ([None, True], "x"),
        (["RGGB", "RGGB"], "x RGGB"),
        ([1.5, None, 2.5], "x 1.5 - 2.5"),
    ],
)
def test_facts_are_words(value, words):
    assert batch.console._fact("x", value) == words


def test_all_pages_are_done(tmp_path, capsys):
    write(tmp_path / "a.tif", pages=3, depth="16")
    assert run([tmp_path / "a.tif"], json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pages"] == 3 and len(report["mean"]) == 3
    for page in (1, 2, 3):
        one = read_picture(tmp_path / "a.tif", page=page)
        other = read_picture(tmp_path / "a-inverted.tif", page=page)
        np.testing.assert_allclose(other.samples, 1 - one.samples, atol=1e-6)
    assert run([tmp_path / "a.tif"], page=2, format="png") == 0
    assert run([tmp_path / "a.tif"], format="jpg") == 1
    assert "--page" in capsys.readouterr().err
    assert tree(tmp_path) == ["a-inverted.png", "a-inverted.tif", "a.tif"]


def blur(picture, *, pool):
    """Whatever is under full transparency must not be seen by the task."""
    assert picture.samples.max() <= 0.5
    return picture


def test_invisible_colours_stay_but_do_not_bleed(tmp_path):
    samples = np.full((9, 9, 3), 0.5, np.float32)
    alpha = np.ones((9, 9), np.float32)
    alpha[2:5, 2:5] = 0
    samples[2:5, 2:5] = 1
    source = Picture(to_unit(to_depth(samples, "8")), alpha)
    with whole_file(tmp_path / "a.png") as file:
        write_pages(file, [source.replace(samples=source.samples * np.float32(0.9))], "png")
    assert run([tmp_path / "a.png"], blur) == 0
    before, after = (read_picture(tmp_path / name) for name in ("a.png", "a-inverted.png"))
    np.testing.assert_array_equal(before.samples, after.samples)
    np.testing.assert_array_equal(before.alpha, after.alpha)


def test_a_second_picture_per_input(tmp_path, capsys):
    for name in ("a", "b"):
        write(tmp_path / f"in/{name}.png")
        write(tmp_path / f"masks/{name}.tif", shape=(8, 9, 1))
    mask = {"companions": {"mask": str(tmp_path / "masks")}}
    assert run([tmp_path / "in"], output=tmp_path / "out", more=mask, jobs=2) == 0
    one, other = read_picture(tmp_path / "in/b.png"), read_picture(tmp_path / "out/b.png")
    same = read_picture(tmp_path / "masks/b.tif").samples < 0.5
    np.testing.assert_array_equal(one.samples * same, other.samples * same)
    write(tmp_path / "in/c.png")
    (tmp_path / "masks/a.tif").write_text("hello")
    assert run([tmp_path / "in"], output=tmp_path / "out2", more=mask) == 1
    said = capsys.readouterr().err
    assert f"the mask {tmp_path}/masks/a.tif: not a picture" in said
    assert "no file called c.* in the mask folder" in said


def pack(picture, *, pool):
    return batch.Result(to_depth(picture.samples, "8").tobytes(), {"bits": 8})


def unpack(data, *, pool):
    samples = np.frombuffer(data, np.uint8).reshape(8, 9, 3)
    return Picture(to_unit(samples))


def test_outputs_and_inputs_that_are_no_pictures(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path], pack, {"writes": ".raw"}, suffix="", json=True) == 0
    assert json.loads(capsys.readouterr().out)["width"] == 9
    assert (tmp_path / "a.raw").stat().st_size == 216
    write(tmp_path / "stack.tif", pages=2)
    assert run([tmp_path / "stack.tif"], pack, {"writes": ".raw"}, suffix="") == 1
    assert "--page" in capsys.readouterr().err
    assert not (tmp_path / "stack.raw").exists()
    options = {"suffix": "", "format": "png", "output": tmp_path / "back"}
    assert run([tmp_path], unpack, {"reads": (".raw",)}, **options) == 0
    assert (tmp_path / "back/a.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    assert run([tmp_path / "a.raw"], unpack, {"reads": (".raw",)}) == 0
    assert (tmp_path / "a-inverted.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    assert run([tmp_path / "a.png"], pack, {"writes": ".raw"}, output=tmp_path / "x.png") == 2
    assert "ends in .raw" in capsys.readouterr().err
    for options in ({"format": "png"}, {"depth": "16"}, {"reference": str(tmp_path)}):
        assert run([tmp_path / "a.png"], pack, {"writes": ".raw"}, **options) == 2
        assert "is for commands that write pictures" in capsys.readouterr().err


def with_mask(picture, *, pool):
    mask = Picture(np.zeros((8, 9, 1), np.float32))
    return batch.Result(picture, extras={"-mask.png": mask, ".txt": b"words"})


EXTRAS = {"extras": ("-mask.png", ".txt")}


def test_further_outputs(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], with_mask, EXTRAS, depth="16") == 0
    assert tree(tmp_path) == [*("a-inverted-mask.png", "a-inverted.png", "a-inverted.txt", "a.png")]
    write(tmp_path / "b.tif", pages=2)
    assert run([tmp_path / "b.tif"], with_mask, EXTRAS) == 1
    assert "single pages: choose one with --page" in capsys.readouterr().err
    assert run([tmp_path / "b.tif"], with_mask, EXTRAS, page=2) == 0
    assert run([tmp_path / "a.png"], with_mask, EXTRAS, output="-") == 2


def no_room(picture, *, pool):
    broken = Picture(np.zeros((8, 9, 1), np.float32), np.full((8, 9), "x"))
    return batch.Result(picture, extras={"-mask.png": broken})


def test_no_output_without_its_further_ones(tmp_path):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], no_room, {"extras": ("-mask.png",)}) == 1
    assert tree(tmp_path) == ["a.png"]


def never(picture, *, pool):
    raise AssertionError("the work has begun")


def test_what_is_wrong_with_a_reference_is_said_before_the_work(tmp_path, capsys):
    write(tmp_path / "a.png")
    write(tmp_path / "pages.tif", pages=2)
    assert run([tmp_path / "a.png"], never, reference=str(tmp_path / "pages.tif")) == 1
    said = capsys.readouterr().err
    assert "the reference" in said and "several pages" in said
    assert run([tmp_path / "pages.tif"], never, {"writes": ".raw"}, suffix="") == 1
    assert "--page" in capsys.readouterr().err


def test_errors_while_writing_leave_the_old_file(tmp_path):
    (tmp_path / "a.png").write_text("precious")
    for error in (OSError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), whole_file(tmp_path / "a.png") as file:
            file.write(b"half")
            raise error
    assert (tmp_path / "a.png").read_text() == "precious"
    assert tree(tmp_path) == ["a.png"]


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    (tmp_path / "a.png").write_text("precious")
    program = (
        "import os, sys; from restore.files.safe import whole_file\n"
        "with whole_file(sys.argv[1]) as file:\n"
        "    file.write(bytes(10**6)); file.flush(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.png")],
        env={**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])},
    )
    assert done.returncode == -9
    assert (tmp_path / "a.png").read_text() == "precious"
    # what such a process leaves is hidden, and no input of the next run
    write(tmp_path / "b.png")
    assert run([tmp_path / "b.png", tmp_path], fail_fast=False) == 1  # a.png is text
    assert sorted(name for name in tree(tmp_path) if not name.startswith(".")) == [
        *("a.png", "b-inverted.png", "b.png")
    ]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    write(tmp_path / "a.tif", shape=(300, 400, 3))
    old = write(tmp_path / "a-inverted.tif").read_bytes()

    def limit():  # a file-size limit fails the write as a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = command(tmp_path / "a.tif", "--overwrite", preexec_fn=limit)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1 and b"File too large" in done.stderr
    assert (tmp_path / "a-inverted.tif").read_bytes() == old
    assert tree(tmp_path) == ["a-inverted.tif", "a.tif"]
    with open("/dev/full", "wb") as full:
        done = command(
            *(tmp_path / "a.tif", "-o", "-"),
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1


def test_killed_in_the_middle_and_gone_on(tmp_path):
    for number in range(20):
        write(tmp_path / f"in/{number}.png")
    process = started(tmp_path / "in", "-o", tmp_path / "out", "--wait", "0.3", "--json")
    for _ in range(2):
        process.stdout.readline()
    process.kill()
    process.communicate()
    before = {name: (tmp_path / "out" / name).read_bytes() for name in tree(tmp_path / "out")}
    assert 2 <= len(before) < 20
    done = command(tmp_path / "in", "-o", tmp_path / "out", "--skip-existing")
    assert done.returncode == 0 and f"{20 - len(before)} done".encode() in done.stderr
    assert command(tmp_path / "in", "-o", tmp_path / "whole").returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    for name in tree(tmp_path / "out"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
