"""Plans: where outputs go, and what is refused before any work."""

import functools
import json
import os
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from restore import batch
from restore.files.picture import Picture
from restore.files.reading import pixels, read_picture
from tests.batch.helpers import COMMAND, is_inverted, run, tree, write


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


def with_mask(picture, *, pool):
    mask = Picture(np.zeros((8, 9, 1), np.float32))
    return batch.Result(picture, extras={"-mask.png": mask, ".txt": b"words"})


EXTRAS = {"extras": ("-mask.png", ".txt")}


def test_further_outputs_are_in_the_plan(tmp_path, capsys):
    a = write(tmp_path / "a.png")
    b = write(tmp_path / "a-mask.png")
    into = {"output": f"{tmp_path}/out/"}
    assert run([a, b], with_mask, EXTRAS, **into) == 2
    assert "would both be written to" in capsys.readouterr().err
    before = b.read_bytes()
    assert run([a, b], with_mask, EXTRAS, explicit_suffix="", overwrite=True) == 2
    assert run([b], with_mask, EXTRAS, output=tmp_path / "a.png", overwrite=True) == 2
    assert "would replace the input" in capsys.readouterr().err
    assert b.read_bytes() == before
    assert run([a], with_mask, EXTRAS, **into) == 0
    assert run([a], with_mask, EXTRAS, **into) == 1
    assert run([a], with_mask, EXTRAS, **into, skip_existing=True) == 0
    (tmp_path / "out/a-mask.png").unlink()
    capsys.readouterr()
    assert run([a], with_mask, EXTRAS, **into, skip_existing=True) == 1
    assert "a-mask.png does not: use --overwrite for both" in capsys.readouterr().err
    (tmp_path / "out/a.png").unlink()
    (tmp_path / "out/a.txt").write_text("precious")
    assert run([a], with_mask, EXTRAS, **into) == 1
    assert tree(tmp_path / "out") == ["a.txt"]


def test_a_plan_of_many_files_reads_each_folder_once(tmp_path, monkeypatch):
    for name in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        (tmp_path / f"in/{name}.png").touch()
        (tmp_path / f"masks/{name}.tif").touch()
    folders = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: folders.append(str(path)) or scan(path))
    masks = str(tmp_path / "masks")
    options = batch.Options(output=str(tmp_path / "out"), reference=masks)
    jobs, _ = batch.plan([str(tmp_path / "in")], options, companions={"mask": masks})
    assert len(jobs) == 40
    assert {Path(job.reference).stem == Path(job.source).stem for job in jobs} == {True}
    assert sorted(folders) == [str(tmp_path / "in"), masks, masks]


@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_trees_deeper_than_python_calls(tmp_path):
    deep = os.sep.join(1100 * ["d"])
    start = os.getcwd()
    try:
        subprocess.run(["mkdir", "-p", deep], cwd=tmp_path, check=True)
        os.chdir(tmp_path)
        write("a.png")
        os.rename("a.png", f"{deep}/a.png")
        assert run(["d"], output="out", recursive=True) == 0
        inside = os.sep.join(1099 * ["d"])
        assert os.path.isfile(f"out/{inside}/a.png")
    finally:
        os.chdir(start)
        subprocess.run(["rm", "-rf", "d", "out"], cwd=tmp_path)


def test_shards_are_equal_parts_that_stay_the_same():
    from restore.batch.plan import shard
    from restore.batch.records import Job

    jobs = [Job(f"{number}.png", f"out/{number}.png") for number in range(103)]
    parts = [shard(jobs, (number, 4)) for number in range(1, 5)]
    assert sorted(len(part) for part in parts) == [25, 26, 26, 26]
    assert sorted((job for part in parts for job in part), key=jobs.index) == jobs
    assert all(part == sorted(part, key=jobs.index) for part in parts)
    assert shard(jobs[::-1], (2, 4)) == parts[1][::-1]
    assert shard(jobs, None) is jobs


def test_a_shard_without_files_is_done(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.png")
    codes = [run([tmp_path], output=tmp_path / "out", shard=(part, 3)) for part in (1, 2, 3)]
    assert codes == [0, 0, 0] and tree(tmp_path / "out") == ["a.png", "b.png"]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
def test_headers_tell_how_large_a_picture_is(tmp_path, name):
    path = write(tmp_path / name, shape=(7, 9, 3))
    assert pixels(path) == 63
    path.write_bytes(b"rubbish" + path.read_bytes())
    assert pixels(path) is None
    assert pixels(tmp_path / "missing.png") is None
