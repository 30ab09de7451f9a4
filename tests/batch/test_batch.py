"""Batches: plans, exit codes, reports, workers, pipes, signals; the task is a stand-in."""

import fcntl
import functools
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from restore import batch
from restore.files.picture import Picture, to_depth, to_unit
from restore.files.reading import read_picture
from restore.files.safe import whole_file
from restore.files.writing import write_pages
from tests import HOUSE
from tests.invert_command import invert_picture

random = np.random.default_rng(0)
COMMAND = [sys.executable, str(HOUSE / "tests" / "invert_command.py")]
FORMATS = {".png": "png", ".jpg": "jpeg", ".tif": "tiff", ".webp": "webp"}


def picture(shape=(8, 9, 3), depth="8", alpha=False):
    def levels(shape):
        return to_unit(to_depth(random.random(shape).astype(np.float32), depth))

    return Picture(levels(shape), levels(shape[:2]) if alpha else None, depth)


def write(path, pages=1, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        pictures = [picture(**options) for _ in range(pages)]
        write_pages(file, pictures, FORMATS[path.suffix.lower()])
    return path


def run(inputs, process=invert_picture, more=None, **options):
    options = {"suffix": "-inverted", **options}
    if "output" in options:
        options["output"] = str(options["output"])
    inputs = [str(path) for path in inputs]
    return batch.run(process, inputs, batch.Options(**options), **(more or {}))


def command(*arguments, **options):
    options = {"capture_output": True, "timeout": 60, **options}
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    return subprocess.run([*COMMAND, *map(str, arguments)], env=environment, **options)


def started(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    options = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *map(str, arguments)], env=environment, **options)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_inverted(source, result):
    one, other = read_picture(source), read_picture(result)
    return one.depth == other.depth and np.array_equal(
        to_depth(other.samples, other.depth), to_depth(1 - one.samples, one.depth)
    )


# --- Where outputs go -----------------------------------------------------------------


def test_beside_the_input_with_a_suffix(tmp_path):
    for name in ("Photo.PNG", "scan.2.tif", "a b [1] \N{SNOWMAN}.png", "-x.png"):
        write(tmp_path / name)
        assert run([tmp_path / name]) == 0
        stem, extension = os.path.splitext(name)
        assert is_inverted(tmp_path / name, tmp_path / f"{stem}-inverted{extension}")


def test_output_file(tmp_path):
    write(tmp_path / "a.png", depth="16")
    assert run([tmp_path / "a.png"], output=tmp_path / "b.tif") == 0
    assert is_inverted(tmp_path / "a.png", tmp_path / "b.tif")


@pytest.mark.parametrize("options", [{"output": "{}/new/"}, {"output": "{}/there"}])
def test_output_folder(tmp_path, options):
    (tmp_path / "there").mkdir()
    write(tmp_path / "a.png")
    folder = options["output"].format(tmp_path)
    assert run([tmp_path / "a.png"], output=folder) == 0
    assert tree(Path(folder)) == ["a.png"]


def test_several_inputs_need_a_folder(tmp_path, capsys):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    assert run([tmp_path / "a.png", tmp_path / "b.png"], output=tmp_path / "out") == 0
    assert tree(tmp_path / "out") == ["a.png", "b.png"]
    assert run([tmp_path / "a.png", tmp_path / "b.png"], output=tmp_path / "a.png") == 2
    assert "is a file" in capsys.readouterr().err


def test_recursion_keeps_the_tree_and_passes_over_junk(tmp_path, capsys):
    for name in ("a.png", "one/a.png", "one/two/a.tif", ".hidden/a.png", "one/.b.png"):
        write(tmp_path / "in" / name)
    (tmp_path / "in/Thumbs.db").write_bytes(b"junk")
    (tmp_path / "in/one/notes.txt").write_text("junk")
    assert run([tmp_path / "in"], output=tmp_path / "flat") == 0
    assert tree(tmp_path / "flat") == ["a.png"]
    assert run([tmp_path / "in"], output=tmp_path / "in/out", recursive=True) == 0
    assert tree(tmp_path / "in/out") == ["a.png", "one/a.png", "one/two/a.tif"]
    assert "3 done, 3 other files ignored" in capsys.readouterr().err
    # the output folder within is no input of the next run, and links are not followed
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    options = {"recursive": True, "skip_existing": True}
    assert run([tmp_path / "in"], output=tmp_path / "in/out", **options) == 0
    assert tree(tmp_path / "in/out") == ["a.png", "one/a.png", "one/two/a.tif"]


def test_earlier_results_beside_their_originals_are_no_inputs(tmp_path):
    write(tmp_path / "a.png")
    assert run([tmp_path]) == 0
    assert run([tmp_path], skip_existing=True) == 0
    assert run(sorted(tmp_path.glob("*.png")), skip_existing=True) == 0  # as a shell names them
    assert tree(tmp_path) == ["a-inverted.png", "a.png"]
    assert run([tmp_path / "a-inverted.png"]) == 0  # meant, if named alone


def test_suffix_and_format(tmp_path):
    write(tmp_path / "a.jpeg.png")
    assert run([tmp_path], output=tmp_path / "out", format="tif", explicit_suffix="_x") == 0
    assert tree(tmp_path / "out") == ["a.jpeg_x.tif"]
    assert run([tmp_path], output=tmp_path) == 0
    assert (tmp_path / "a.jpeg-inverted.png").is_file()


def test_in_place(tmp_path):
    before = read_picture(write(tmp_path / "a.png"))
    assert run([tmp_path / "a.png"], explicit_suffix="") == 1
    assert run([tmp_path / "a.png"], explicit_suffix="", overwrite=True) == 0
    after = read_picture(tmp_path / "a.png")
    np.testing.assert_allclose(after.samples, 1 - before.samples, atol=1e-6)


@pytest.mark.parametrize(
    "names, options",
    [
        (("a.png", "a.jpg"), {"format": "png"}),
        (("A.png", "a.png"), {}),
        (("one/a.png", "two/a.png"), {}),
        (
            (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png")),
            {},
        ),
    ],
)
def test_collisions_are_found_before_any_work(tmp_path, capsys, names, options):
    for name in names:
        write(tmp_path / name)
    assert run([tmp_path / name for name in names], output=tmp_path / "out", **options) == 2
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr().err
    assert all(name in said for name in names)


def test_an_output_never_replaces_another_input(tmp_path, capsys):
    one, two = write(tmp_path / "one/a.png"), write(tmp_path / "two/a.png")
    before = two.read_bytes()
    assert run([one, two], output=tmp_path / "two", overwrite=True) == 2
    assert "would replace the input" in capsys.readouterr().err
    assert two.read_bytes() == before


def test_the_same_file_named_twice_is_done_once(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png", tmp_path], output=tmp_path / "out") == 0
    assert tree(tmp_path / "out") == ["a.png"]


def test_existing_outputs(tmp_path, capsys):
    write(tmp_path / "a.png")
    (tmp_path / "a-inverted.png").write_text("precious")
    assert run([tmp_path / "a.png"]) == 1
    said = capsys.readouterr().err
    assert "--overwrite" in said and "--skip-existing" in said
    assert run([tmp_path / "a.png"], skip_existing=True) == 0
    assert (tmp_path / "a-inverted.png").read_text() == "precious"
    os.chmod(tmp_path / "a-inverted.png", 0o640)
    assert run([tmp_path / "a.png"], overwrite=True) == 0
    assert is_inverted(tmp_path / "a.png", tmp_path / "a-inverted.png")
    assert (tmp_path / "a-inverted.png").stat().st_mode & 0o777 == 0o640


def precious(picture, *, pool, place):
    Path(place).write_text("precious")
    return picture


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path, capsys, monkeypatch, links):
    write(tmp_path / "a.png")
    if not links:
        monkeypatch.setattr(os, "link", lambda *paths: os.stat(tmp_path / "none"))
    process = functools.partial(precious, place=tmp_path / "b.png")
    assert run([tmp_path / "a.png"], process, output=tmp_path / "b.png") == 1
    assert "appeared meanwhile" in capsys.readouterr().err
    assert (tmp_path / "b.png").read_text() == "precious"
    assert run([tmp_path / "a.png"], process, output=tmp_path / "b.png", overwrite=True) == 0
    (tmp_path / "b.png").unlink()
    assert run([tmp_path / "a.png"], output=tmp_path / "b.png") == 0
    assert tree(tmp_path) == ["a.png", "b.png"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("options", [{}, {"skip_existing": True}])
def test_a_link_to_the_input_is_the_input(tmp_path, capsys, link, options):
    write(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    link(tmp_path / "a.png", tmp_path / "b.png")
    assert run([tmp_path / "a.png"], output=tmp_path / "b.png", **options) == 1
    assert "is the input itself" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before


def test_a_link_as_output_is_replaced_not_followed(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "elsewhere.png").write_text("precious")
    (tmp_path / "b.png").symlink_to(tmp_path / "elsewhere.png")
    assert run([tmp_path / "a.png"], output=tmp_path / "b.png", overwrite=True) == 0
    assert (tmp_path / "elsewhere.png").read_text() == "precious"
    assert not (tmp_path / "b.png").is_symlink()


def test_unknown_extensions_and_contradictions_are_wrong_usage(tmp_path, capsys):
    write(tmp_path / "a.png")
    for options in (
        {"output": tmp_path / "b.xyz"},
        {"output": tmp_path / "b"},
        {"output": tmp_path / "b.png", "format": "tif"},
    ):
        assert run([tmp_path / "a.png"], **options) == 2
    assert ".png" in capsys.readouterr().err
    assert tree(tmp_path) == ["a.png"]


def test_the_kind_of_a_file_is_told_by_its_content(tmp_path):
    write(tmp_path / "a.jpg").rename(tmp_path / "a.png")
    write(tmp_path / "b.png").rename(tmp_path / "b")
    assert run([tmp_path / "a.png", tmp_path / "b"], output=tmp_path / "out") == 0
    assert (tmp_path / "out/a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out/b").read_bytes().startswith(b"\x89PNG")


def test_a_suffix_does_not_lead_elsewhere(tmp_path, capsys):
    write(tmp_path / "in/a.png")
    assert run([tmp_path / "in/a.png"], explicit_suffix="/../../b") == 2
    assert tree(tmp_path) == ["in/a.png"]


def test_names_that_are_not_text(tmp_path):
    source = write(tmp_path / "a.png")
    name = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    os.rename(source, name)
    done = subprocess.run(
        [*(part.encode() for part in COMMAND), name, b"--json"],
        env={**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])},
        capture_output=True,
    )
    assert done.returncode == 0
    assert os.path.exists(os.fsencode(tmp_path) + b"/\xff\xfe-inverted.png")
    assert json.loads(done.stdout)["status"] == "done"


def test_dry_run_prints_the_plan_and_does_nothing(tmp_path, capsys):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    write(tmp_path / "b-inverted.png")
    assert run([tmp_path], dry_run=True, skip_existing=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path}/a.png -> {tmp_path}/a-inverted.png"
    assert lines[1].endswith("b-inverted.png (skipped: exists)")
    assert len(tree(tmp_path)) == 3
    assert run([tmp_path], dry_run=True, json=True) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["status"] for report in reports] == ["planned", "failed"]


# --- What is done and said ------------------------------------------------------------


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


def test_further_outputs(tmp_path, capsys):
    write(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], with_mask, depth="16") == 0
    assert tree(tmp_path) == [*("a-inverted-mask.png", "a-inverted.png", "a-inverted.txt", "a.png")]
    write(tmp_path / "b.tif", pages=2)
    assert run([tmp_path / "b.tif"], with_mask) == 1
    assert "single pages: choose one with --page" in capsys.readouterr().err
    assert run([tmp_path / "b.tif"], with_mask, page=2) == 0


# --- Processes ------------------------------------------------------------------------


def test_jobs_times_threads_never_exceed_the_processors():
    for jobs, threads, count, cpus in np.ndindex(6, 6, 5, 9):
        processes, each = batch.shares(jobs + 1, threads or None, count, cpus + 1)
        assert 1 <= processes <= jobs + 1 and each >= 1
        assert processes * each <= cpus + 1
        assert each <= (threads or cpus + 1)


def test_jobs_in_a_thread_of_a_program(tmp_path, capsys):
    """In which signals cannot be set."""
    for name in "ab":
        write(tmp_path / f"{name}.png")
    with ThreadPoolExecutor() as pool:
        assert pool.submit(run, [tmp_path], output=tmp_path / "out", jobs=2).result() == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_killed_worker_is_a_failed_file(tmp_path, capsys):
    for height in range(4, 10):
        write(tmp_path / f"{height}.png", shape=(height, 5, 3))
    process = functools.partial(invert_picture, die=6)
    assert run([tmp_path], process, output=tmp_path / "out", jobs=2, json=True) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [report["status"] for report in reports] == ["done"] * 2 + ["failed"] + ["done"] * 3
    assert "signal 9" in reports[2]["error"]
    assert tree(tmp_path / "out") == ["4.png", "5.png", "7.png", "8.png", "9.png"]


def test_two_hundred_files_of_which_five_are_bad(tmp_path, capsys):
    for number in range(195):
        write(tmp_path / f"in/{number // 50}/{number:03}.png", depth="16")
    for number in range(5):
        (tmp_path / f"in/{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish" * number)
    options = {"recursive": True, "output": tmp_path / "out"}
    assert run([tmp_path / "in"], jobs=4, **options) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["restore"] * 5 + ["195 done, 5 failed"]
    results = tree(tmp_path / "out")
    assert len(results) == 195
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)
    alone = {**options, "output": tmp_path / "alone"}
    assert run([tmp_path / "in"], jobs=1, **alone) == 1
    for name in results:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


# --- Nothing half-written -------------------------------------------------------------


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


@pytest.fixture
def heard():
    """SIGINT is not ignored by what is started, even if it is here, as behind a shell's `&`."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, 3])
def test_interrupted(tmp_path, number, code, jobs, heard):
    for name in range(24):
        write(tmp_path / f"in/{name}.png")
    process = started(
        *(tmp_path / "in", "-o", tmp_path / "out", "--wait", "0.4", "--json", "-j", jobs),
        start_new_session=True,
    )
    process.stdout.readline()
    start = time.monotonic()
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert time.monotonic() - start < 5
    assert b"Traceback" not in said and b"interrupted: " in said and b"not done" in said
    results = tree(tmp_path / "out")
    assert 0 < len(results) < 24
    assert all(is_inverted(tmp_path / "in" / name, tmp_path / "out" / name) for name in results)


# --- Pipes and terminals --------------------------------------------------------------


def test_pipes(tmp_path):
    source = write(tmp_path / "a.tif", depth="16")
    assert command(source, "--format", "png").returncode == 0
    piped = command("-", "-o", "-", "--format", "png", input=source.read_bytes())
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "a-inverted.png").read_bytes()
    assert command("-", input=source.read_bytes()).stdout.startswith(b"II*\0")
    into_file = command("-", "-o", tmp_path / "b.png", input=source.read_bytes())
    assert into_file.returncode == 0 and not into_file.stdout
    assert (tmp_path / "b.png").read_bytes() == piped.stdout
    assert command(source, "-o", "-").stdout == (command("-", input=source.read_bytes()).stdout)


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_a_bad_pipe_is_one_line(data):
    done = command("-", input=data)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(b"restore: -: ") and done.stderr.count(b"\n") == 1


def test_pipes_that_make_no_sense(tmp_path):
    a, b = write(tmp_path / "a.png"), write(tmp_path / "b.png")
    for arguments in ((a, "-"), (a, b, "-o", "-"), (a, "-o", "-", "--json"), ("-", "-o", "x/")):
        done = command(*arguments, input=b"")
        assert done.returncode == 2 and not done.stdout


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    source = write(tmp_path / "a.tif", shape=(400, 500, 3))
    process = started(source, "-o", "-")
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    process.wait(30)
    process.stderr.close()
    assert b"Traceback" not in said and b"Exception" not in said


def test_a_terminal_gets_no_picture_but_a_bar(tmp_path):
    source = write(tmp_path / "a.png")
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    with open(source, "rb") as data:
        process = started("-", stdin=data, stdout=end)
        assert b"terminal" in process.communicate()[1] and process.returncode == 2
    process = started(source, "--wait", "1", stderr=end)
    process.communicate()
    os.close(end)
    shown = os.read(terminal, 100_000)
    os.close(terminal)
    assert b"inverting" in shown and b"\r" in shown


def test_compilation_is_announced_on_a_terminal_only(tmp_path, monkeypatch, capsys):
    write(tmp_path / "a.png")
    monkeypatch.setattr("restore.kernels.jit.is_cached", lambda: False)
    assert run([tmp_path / "a.png"]) == 0
    assert "compiling" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run([tmp_path / "a.png"], overwrite=True, progress=False) == 0
    assert capsys.readouterr().err.startswith("compiling the kernels (once")
    assert run([tmp_path / "a.png"], skip_existing=True, progress=False) == 0
    assert "compiling" not in capsys.readouterr().err


def test_no_bar_and_no_words_where_they_do_not_belong(tmp_path):
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    done = command(tmp_path, "-o", tmp_path / "out")
    assert b"\r" not in done.stderr and not done.stdout
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "-q")
    assert not done.stderr and not done.stdout
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "--progress")
    assert b"\r" in done.stderr
    done = command(tmp_path, "-o", tmp_path / "out", "--overwrite", "-v")
    assert done.stderr.count(b" -> ") == 2 and b"mean" in done.stderr
