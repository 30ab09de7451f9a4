"""The command ``restore train`` for dictionaries."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore.cli import cli
from restore.files.picture import Picture
from restore.files.reading import read_picture
from restore.files.safe import only_one
from restore.files.writing import write_pages
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import HOUSE, SAMPLES
from tests.cli.photos import call, lines, noise


def write(path, samples):
    with open(path, "wb") as file:
        write_pages(file, [Picture(samples)], "png")


FEW = ("--atoms", 32, "--patch-size", 6, "--patches", 3000, "--sparsity", 3, "--grey")


def test_a_folder_becomes_a_dictionary(photos, tmp_path):
    out, atoms = tmp_path / "new" / "mine.npz", tmp_path / "atoms.png"
    result = call(photos, "-o", out, *FEW, "--iterations", 3, "-v", "--json", "--picture", atoms)
    assert result.return_value == 0
    *turns, end = lines(result)
    assert [turn["iteration"] for turn in turns] == [1, 2, 3]
    assert turns[2]["rmse"] < turns[0]["rmse"] and turns[0]["atoms_per_patch"] <= 3
    assert end["pictures"] == 2 and end["skipped"] == {} and end["patches"] == 3000 - 0
    assert end["gain"]["decibels"] > 0
    assert "turn 3 of 3: RMSE" in result.stderr and "dB better than cosines" in result.stderr
    dictionary = Dictionary.load(out)
    assert dictionary.patch_shape == (6, 6, 1) and dictionary.n_atoms == 32
    assert dictionary.provenance["method"] == "ksvd" and dictionary.provenance["iterations"] == 3
    assert dictionary.errors == [round(turn["rmse"], 4) for turn in turns]
    beside = read_picture(atoms).samples
    alone = dictionary.drawn()
    assert np.allclose(beside[:8, :8], alone[:8, :8], atol=1 / 255)
    assert beside.shape[1] >= alone.shape[1] + 440 and np.ptp(beside, axis=2).max() > 0.2
    assert os.listdir(out.parent) == ["mine.npz"]


def test_parts_are_not_negative(photos, tmp_path):
    out = tmp_path / "parts.npz"
    result = call(photos, "-o", out, *FEW, "--nonnegative", "--iterations", 3, "--json")
    assert result.return_value == 0, result.stderr
    *turns, end = lines(result)
    assert turns[2]["rmse"] < turns[0]["rmse"] and end["gain"] is None
    assert "codes their patches to" in result.stderr
    dictionary = Dictionary.load(out)
    # patches keep their means, so that nothing is needed below 0
    assert (dictionary.atoms >= 0).all() and dictionary.provenance["nonnegative"] is True
    refused = call(photos, "-o", tmp_path / "no.npz", "--nonnegative", "--method", "mod")
    assert "goes with --method ksvd" in str(refused.exception)


@pytest.mark.parametrize("method", ["ksvd", "online"])
def test_resume_gives_what_an_unbroken_run_gives(photos, tmp_path, method):
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    settings = (photos, *FEW, "--method", method, "-q")
    assert call(*settings, "-o", whole, "--iterations", 4).return_value == 0
    assert call(*settings, "-o", parts, "--iterations", 2, "--resume").return_value == 0
    assert call(*settings, "-o", parts, "--iterations", 4, "--resume", "-t", 2).return_value == 0
    assert whole.read_bytes() == parts.read_bytes()
    assert call(*settings, "-o", parts, "--iterations", 4, "--resume").return_value == 0
    assert whole.read_bytes() == parts.read_bytes()


def test_resuming_something_else_is_refused(photos, tmp_path):
    out = tmp_path / "mine.npz"
    call(photos, "-o", out, *FEW, "--iterations", 1, "-q")
    before = out.read_bytes()
    result = call(photos, "-o", out, *FEW, "--iterations", 2, "--resume", "--seed", 1)
    assert result.return_value == 1 and "begun with another --seed: 0, not 1" in result.stderr
    (photos / "camera-clean.png").unlink()
    result = call(photos, "-o", out, *FEW, "--iterations", 2, "--resume")
    assert result.return_value == 1 and "other pictures" in result.stderr
    overcomplete_dct(32, (6, 6, 1)).save(out)
    result = call(photos, "-o", out, *FEW, "--iterations", 2, "--resume")
    assert result.return_value == 1 and "not made by `restore train`" in result.stderr
    out.write_bytes(before[:200])
    result = call(photos, "-o", out, *FEW, "--resume")
    assert result.return_value == 1 and "damaged" in result.stderr


def test_colour_is_learned_where_the_first_picture_has_it(photos, tmp_path):
    (photos / "camera-clean.png").rename(photos / "zebra.png")
    out = tmp_path / "mine.npz"
    result = call(photos, "-o", out, "--atoms", 32, "--patches", 2000, "--iterations", 1, "--json",
                  "--patch-size", 4, "--shrink", 2)  # fmt: skip
    assert result.return_value == 0
    assert Dictionary.load(out).patch_shape == (4, 4, 3)
    assert list(lines(result)[-1]["skipped"].values()) == [
        "a grey picture, where colour is learned"
    ]


def test_bad_files_are_left_out_and_listed(photos, tmp_path):
    (photos / "notes.png").write_text("not a picture")
    write(photos / "tiny.png", noise(3, 40))
    (photos / "cut.png").write_bytes((SAMPLES / "camera-clean.png").read_bytes()[:500])
    (photos / "readme.txt").write_text("ignored")
    result = call(photos, "-o", tmp_path / "mine.npz", *FEW, "--iterations", 1, "--json")
    assert result.return_value == 0
    skipped = lines(result)[-1]["skipped"]
    assert {Path(file).name for file in skipped} == {"notes.png", "tiny.png", "cut.png"}
    assert "tiny.png: left out: 40 x 3 pixels are smaller than a patch of 6 x 6" in result.stderr


def test_what_gives_no_dictionary_is_told_and_leaves_nothing(tmp_path):
    folder, out = tmp_path / "photos", tmp_path / "mine.npz"
    folder.mkdir()
    assert call(folder, "-o", out).return_value == 3
    (folder / "notes.png").write_text("not a picture")
    result = call(folder, "-o", out)
    assert result.return_value == 1 and "none of the pictures can be used" in result.stderr
    write(folder / "flat.png", np.full((50, 50, 1), 0.5, np.float32))
    result = call(folder, "-o", out)
    assert result.return_value == 1 and "all patches are flat" in result.stderr
    write(folder / "small.png", noise(12, 12))
    result = call(folder, "-o", out)
    assert result.return_value == 1 and "too few for 256 atoms" in result.stderr
    result = call(SAMPLES, "-o", out, "--init", "grey", "--patch-size", 6, "--grey")
    assert result.return_value == 1 and "(8, 8, 1), not (6, 6, 1)" in result.stderr
    for init, sentence in (
        ("none.npz", "there is no dictionary"),
        (folder / "notes.png", "is not a dictionary file"),
        (HOUSE / "restore/data/sr2.npz", "it holds a super-resolution model"),
    ):
        result = call(SAMPLES, "-o", out, "--init", init)
        assert result.return_value == 1 and sentence in result.stderr
    assert not out.exists() and os.listdir(tmp_path) == ["photos"]


def test_wrong_usage_is_told_before_anything_is_read(photos, tmp_path):
    import click

    (tmp_path / "old.npz").touch()
    for arguments, sentence in (
        (("-o", tmp_path / "old.npz"), "exists: use --resume"),
        (("-o", tmp_path / "old.npz", "--model", "demosaicing"), "exists: use --overwrite"),
        (
            ("-o", tmp_path / "new.npz", "--model", "demosaicing", "--resume"),
            "--resume means nothing for --model",
        ),
        (
            ("-o", tmp_path / "new.npz", "--model", "codec", "--resume"),
            "--resume means nothing for --model",
        ),
        (("-o", tmp_path / "new.png"), "should end in .npz"),
        (("-o", tmp_path / "new.npz", "--overwrite", "--resume"), "contradict"),
        (("-o", tmp_path / "new.npz", "--picture", "atoms.xyz"), "unknown extension"),
    ):
        with pytest.raises(click.UsageError, match=sentence):
            raise call(photos, *arguments).exception


def test_two_runs_cannot_write_one_file(photos, tmp_path):
    out = tmp_path / "mine.npz"
    with only_one(out):
        result = call(photos, "-o", out, *FEW, "--resume")
    assert result.return_value == 1 and "another run is writing this file" in result.stderr
    assert call(photos, "-o", out, *FEW, "--iterations", 1, "-q").return_value == 0


def test_a_full_disk_at_one_turn_does_not_end_the_run(photos, tmp_path, monkeypatch):
    save, calls = Dictionary.save, []

    def sometimes_full(self, file):
        calls.append(1)
        if len(calls) in full:
            raise OSError(28, "No space left on device")
        save(self, file)

    monkeypatch.setattr(Dictionary, "save", sometimes_full)
    full = {2}
    out = tmp_path / "mine.npz"
    result = call(photos, "-o", out, *FEW, "--iterations", 3)
    assert result.return_value == 0 and "turn 2 is not saved: No space left" in result.stderr
    assert Dictionary.load(out).provenance["iterations"] == 3
    full, calls[:] = {2, 3}, []
    result = call(photos, "-o", out, *FEW, "--iterations", 3, "--overwrite")
    assert result.return_value == 1 and "it holds turn 1" in result.stderr
    assert Dictionary.load(out).provenance["iterations"] == 1


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_an_interrupted_run_keeps_its_turns_and_goes_on(photos, tmp_path):
    out, whole = tmp_path / "mine.npz", tmp_path / "whole.npz"
    settings = [str(photos), *map(str, FEW), "--iterations"]
    command = [sys.executable, "-m", "restore", "train", *settings, "5000", "-o", str(out), "-v"]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=HOUSE,
        # a suite that runs in the background of a shell is deaf to Ctrl-C, and so are its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    for line in run.stderr:
        if line.startswith("turn 3 of"):
            break
    run.send_signal(signal.SIGINT)
    rest = run.communicate(timeout=60)[1]
    assert run.returncode == 130
    done = Dictionary.load(out).provenance["iterations"]
    assert done >= 3 and f"holds the dictionary of turn {done}: --resume goes on" in rest
    assert call(*settings, done + 2, "-o", out, "--resume", "-q").return_value == 0
    assert call(*settings, done + 2, "-o", whole, "-q").return_value == 0
    assert out.read_bytes() == whole.read_bytes()


def test_the_result_serves_as_dictionary_of_denoise(photos, tmp_path):
    out, restored = tmp_path / "mine.npz", tmp_path / "restored.png"
    call(photos, "-o", out, *FEW, "--iterations", 2, "-q")
    arguments = ["denoise", str(photos / "camera-clean.png"), "-o", str(restored), "--sigma", "10",
                 "--dictionary", str(out)]  # fmt: skip
    assert CliRunner().invoke(cli, arguments, standalone_mode=False).return_value == 0
    assert restored.exists()


def test_warnings_about_pictures_to_learn_from_are_not_told(tmp_path):
    Image.effect_noise((90, 90), 50).convert("P").save(tmp_path / "a.png")
    result = call(tmp_path, "-o", tmp_path / "out.npz", "--iterations", 1)
    assert result.return_value == 0 and "atoms of 1 picture;" in result.stderr
    assert "palette" not in result.stderr


def test_the_mosaic_has_every_atom_in_order():
    from restore.sparse.dictionary import mosaic

    atoms = np.eye(6, 48)
    drawn = mosaic(atoms, (4, 4, 3), np.arange(6)[::-1])
    assert drawn.shape[2] == 3 and drawn.min() >= 0 and drawn.max() == 1
    assert drawn.shape[1] > drawn.shape[0]  # three columns, two rows
