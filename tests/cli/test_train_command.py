"""Learning from collections of pictures: drawing, streaming, and the command."""

import ast
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from restore import __version__
from restore.cli import cli
from restore.files.picture import Picture
from restore.files.reading import read_picture
from restore.files.safe import only_one
from restore.files.writing import write_pages
from restore.imaging.bands import Pool
from restore.imaging.measures import psnr
from restore.learning import dictionaries
from restore.sparse.dictionary import Dictionary, overcomplete_dct
from tests import HOUSE, SAMPLES


def noise(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


def numbered(height, width, first):
    """A picture whose patches of one pixel tell where they come from."""
    ramp = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    return first + ramp


# --- Drawing ------------------------------------------------------------------------------


def test_few_patches_are_all_drawn_once():
    image = noise(12, 15)
    drawn = dictionaries.draw([image], (4, 4, 1), 10_000)
    every = dictionaries._cut(image, (4, 4, 1), np.arange(9 * 12))
    together = np.concatenate([drawn.patches, drawn.held_out])
    assert drawn.available == len(every) == len(together)
    assert len(drawn.held_out) == round(0.1 * len(every))
    assert np.array_equal(together[np.lexsort(together.T)], every[np.lexsort(every.T)])


def test_every_patch_has_the_same_chance(monkeypatch):
    """Over many draws from pictures of different sizes, cut into strips."""
    monkeypatch.setattr(dictionaries, "STRIP", 40)
    monkeypatch.setattr(dictionaries.patching, "centre", lambda patches, channels: None)
    pictures = [numbered(5, 9, 0), numbered(20, 9, 100), numbered(2, 9, 1000)]
    counts = {}
    for seed in range(300):
        drawn = dictionaries.draw(pictures, (2, 2, 1), 40, seed=seed)
        both = np.concatenate([drawn.patches, drawn.held_out])
        assert len(both) == 44
        for first in both[:, 0]:
            counts[first] = counts.get(first, 0) + 1
    available = 4 * 8 + 19 * 8 + 8
    assert len(counts) == available
    expected = 300 * 44 / available
    assert np.var(list(counts.values())) < 1.5 * expected
    for low, high, places in ((0, 50, 32), (100, 500, 152), (1000, 2000, 8)):
        share = np.mean([count for first, count in counts.items() if low <= first < high])
        assert share == pytest.approx(expected, rel=4 / np.sqrt(expected * places))


def test_flat_patches_are_thinned_out():
    image = np.full((100, 100, 3), 0.5, np.float32)
    image[:30] = noise(30, 100, 3)
    drawn = dictionaries.draw([image], (8, 8, 3), 100_000)
    textured = (100 - 7) * 30
    assert textured * 0.95 < drawn.available < textured * 1.05
    assert np.linalg.norm(drawn.patches, axis=1).min() > 0


def test_deviations_are_those_of_the_patches():
    image = noise(20, 23, 3) * [0.01, 0.3, 1]
    patches = np.lib.stride_tricks.sliding_window_view(image, (5, 4, 3))[:, :, 0]
    expected = np.sqrt(patches.reshape(16, 20, 20, 3).var(axis=2).mean(axis=2))
    assert np.allclose(dictionaries._deviation(image.astype(np.float32), 5, 4), expected, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_draw_depends_on_the_seed_alone(threads, monkeypatch):
    monkeypatch.setattr(dictionaries, "STRIP", 1000)
    pictures = [noise(80, 90, seed=n) for n in range(3)]
    one = dictionaries.draw(pictures, (8, 8, 1), 500, seed=1)
    again = dictionaries.draw(pictures, (8, 8, 1), 500, seed=1, pool=Pool(threads))
    other = dictionaries.draw(pictures, (8, 8, 1), 500, seed=2)
    assert one.fingerprint() == again.fingerprint() != other.fingerprint()


def test_streaming_gives_every_patch_once_a_turn(monkeypatch):
    monkeypatch.setattr(dictionaries, "POOL", 300 * 16)
    image = noise(40, 41)
    batches = list(dictionaries.stream([image, image[:20]], (4, 4, 1)))
    together = np.concatenate(batches)
    parts = [
        dictionaries._cut(one, (4, 4, 1), np.arange((len(one) - 3) * 38))
        for one in (image, image[:20])
    ]
    every = np.concatenate(parts)
    assert np.array_equal(together[np.lexsort(together.T)], every[np.lexsort(every.T)])
    some = sum(map(len, dictionaries.stream([image], (4, 4, 1), 0.3)))
    assert 0.2 < some / (37 * 38) < 0.4
    assert not np.array_equal(next(dictionaries.stream([image], (4, 4, 1), turn=1)), batches[0])


def test_streamed_batches_mix_the_pictures(monkeypatch):
    """What was read early or lies side by side must not be learned from together."""
    monkeypatch.setattr(dictionaries, "POOL", 2000 * 16)
    monkeypatch.setattr(dictionaries, "STREAMED", 100 * 16)
    faint, strong = 0.2 * noise(70, 90), noise(70, 90, seed=1)
    for pictures in ([faint, None, strong], [strong, faint]):
        batches = list(dictionaries.stream(pictures, (4, 4, 1)))
        shares = [np.mean(batch.std(axis=1) > 0.12) for batch in batches]
        assert len(batches) > 4 and 0.25 < min(shares) and max(shares) < 0.75
    monkeypatch.setattr(dictionaries, "OPEN", 1)  # memory for one picture: the order is random
    firsts = {
        float(
            next(dictionaries.stream([faint, strong], (4, 4, 1), turn=turn)).std(axis=1).mean()
            > 0.12
        )
        for turn in range(8)
    }
    assert firsts == {0, 1}


def test_held_out_patches_tell_the_gain():
    drawn = dictionaries.draw(
        [read_picture(SAMPLES / "camera-clean.png").samples], (8, 8, 1), 20_000
    )
    grey = Dictionary.load("grey")
    assert dictionaries.gain(grey, drawn.held_out).decibels == pytest.approx(0)
    assert dictionaries.gain(overcomplete_dct(256, (8, 8, 1)), drawn.held_out).decibels < -0.5
    *_, last = dictionaries.learn(drawn, grey, 5, iterations=8)
    gained = dictionaries.gain(last.dictionary, drawn.held_out)
    assert gained.decibels > 0.1 and gained.other == "the packaged dictionary grey"
    small = dictionaries.draw([noise(30, 30)], (4, 4, 1), 100)
    assert dictionaries.gain(overcomplete_dct(32, (4, 4, 1)), small.held_out).other == "cosines"


@pytest.mark.parametrize(
    "pictures, sentence",
    [
        ([], "no pictures"),
        ([np.full((20, 20, 1), 0.3, np.float32)], "all patches are flat"),
        ([noise(5, 20)], "20 x 5 pixels are smaller than a patch"),
        ([noise(20, 20, 3)], "it has 3 channels"),
        ([np.full((20, 20, 1), np.nan, np.float32)], "NaN"),
    ],
)
def test_nothing_to_learn_from_is_told(pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        dictionaries.draw(pictures, (8, 8, 1), 1000)


def test_fewer_patches_than_atoms_are_told():
    drawn = dictionaries.draw([noise(12, 12)], (8, 8, 1), 1000)
    with pytest.raises(ValueError, match="too few for 64 atoms: more pictures or fewer atoms"):
        next(dictionaries.learn(drawn, overcomplete_dct(64, (8, 8, 1)), 3))


# --- The command --------------------------------------------------------------------------


def write(path, samples):
    with open(path, "wb") as file:
        write_pages(file, [Picture(samples)], "png")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("camera-clean", "chelsea-clean"):
        (folder / f"{name}.png").write_bytes((SAMPLES / f"{name}.png").read_bytes())
    return folder


def call(*arguments):
    return CliRunner().invoke(cli, ["train", *map(str, arguments)], standalone_mode=False)


FEW = ("--atoms", 32, "--patch-size", 6, "--patches", 3000, "--sparsity", 3, "--grey")


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


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
    assert read_picture(atoms).samples.shape[2] == 1
    assert os.listdir(out.parent) == ["mine.npz"]


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


@dataclasses.dataclass
class Model:
    """What another task's learner gives."""

    provenance: dict

    def save(self, file):
        file.write(repr(self.provenance).encode())


def test_a_codec_is_learned_by_compression(photos, tmp_path, monkeypatch):
    def learn(pictures, *, seed, pool, **settings):
        assert [image.shape[2] for image in pictures] == [1, 3] and seed == 5
        return Model({"method": "some"})

    monkeypatch.setattr("restore.learning.compression.learn_codec", learn)
    out = tmp_path / "model.npz"
    (photos / "bad.png").write_text("not a picture")
    result = call(photos, "-o", out, "--model", "codec", "--seed", 5, "--json")
    assert result.return_value == 0
    (end,) = lines(result)
    assert end["pictures"] == 2 and len(end["skipped"]) == 1
    assert ast.literal_eval(out.read_text()) == {
        "method": "some", "learned_from": ["photos"], "pictures": 2, "shrink": 1, "seed": 5,
        "restore": __version__,
    }  # fmt: skip


# --- inspect ------------------------------------------------------------------------------


def inspect(*arguments):
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)], standalone_mode=False)


def test_inspect_describes_dictionaries(tmp_path):
    path = tmp_path / "some.npz"
    uses = [5] * 63 + [0]
    Dictionary(overcomplete_dct(64, (8, 8, 1)).atoms, (8, 8, 1), {"uses": uses}).save(path)
    curve = ("--curve", SAMPLES / "camera-clean.png")
    result = inspect(path, "--json", "--picture", tmp_path / "atoms.png", *curve)
    (found,) = lines(result)
    assert found["format"] == "dictionary" and found["atoms"] == 64 and found["channels"] == 1
    assert found["coherence"] < 1 and found["guaranteed_sparsity"] >= 1
    assert found["atoms_never_used"] == 1
    errors = list(found["error_by_atoms_per_patch"].values())
    assert errors == sorted(errors, reverse=True)
    assert read_picture(tmp_path / "atoms.png").samples.shape[2] == 1
    assert "coherence" in inspect("grey", "colour").stdout


def test_inspect_tells_what_it_cannot_describe(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04")
    result = inspect("grey", tmp_path / "text.npz", tmp_path / "zip.npz", tmp_path / "none.npz")
    assert result.return_value == 1 and result.stderr.count("restore: ") == 3
    assert "Traceback" not in result.stderr


def test_a_curve_of_no_pictures_says_why(tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / "tiny.png")
    result = inspect("grey", "--curve", tmp_path)
    assert result.return_value == 1 and "tiny.png: left out: 3 x 3 pixels" in result.stderr


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


def test_a_folder_becomes_a_model_for_demosaicing(photos, tmp_path, monkeypatch):
    from restore import learning
    from restore.learning.demosaicing import learn_demosaicing
    from restore.tasks import demosaicing

    learn = functools.partial(learn_demosaicing, stages=1, leaves=2, samples=4000)
    monkeypatch.setattr(learning.demosaicing, "learn_demosaicing", learn)
    output, restored = tmp_path / "mine.npz", tmp_path / "colour.png"
    result = call(photos, "-o", output, "--model", "demosaicing", "--shrink", 2, "--json")
    assert result.return_value == 0, result.stderr
    (end,) = lines(result)
    assert end["pictures"] == 1 and "grey picture" in next(iter(end["skipped"].values()))
    model = demosaicing.Model.load(output)
    assert len(model.stages) == 1 and model.provenance["learned_from"] == ["photos"]
    words = ["demosaic", str(SAMPLES / "coffee-mosaic.png"), "-o", str(restored), "--pattern"]
    words += ["RGGB", "--model", str(output)]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    assert result.return_value == 0, result.stderr
    clean = read_picture(SAMPLES / "coffee-clean.png").samples
    assert psnr(clean, read_picture(restored).samples) > 30
    wrong = call(photos, "-o", tmp_path / "a.npz", "--model", "demosaicing", "--atoms", 5)
    assert "--atoms means nothing for --model demosaicing" in str(wrong.exception)


@pytest.fixture
def enlarging(photos, tmp_path, monkeypatch):
    """What the command needs to learn three small stages."""
    from restore.learning import super_resolution

    first, other = (
        super_resolution.Plan(False, 5, 4, 4, 1.0, 0.7, 8),
        super_resolution.Plan(True, 4, 4, 3, 1.5, 1, 8),
    )
    monkeypatch.setitem(super_resolution.PLANS, 2, (first, other, other))
    others = [SAMPLES / f"{name}-clean.png" for name in ("astronaut", "coffee")]
    return (photos, *others, "--model", "super-resolution", "--scale", 2)


def test_a_folder_becomes_a_model_for_super_resolution(enlarging, tmp_path):
    from restore.tasks.super_resolution import Cascade

    output = tmp_path / "sr2.npz"
    result = call(*enlarging, "-o", output, "--degradation", "gaussian:0.8", "--json")
    assert result.return_value == 0, result.stderr
    assert lines(result)[-1]["scale"] == 2 and lines(result)[-1]["pictures"] == 4
    model = Cascade.load(output)
    assert model.provenance["pictures"] == 4 and len(model.stages) == 3
    assert model.provenance["learned_from"][0] == "photos"
    assert model.degradation == "gaussian:0.8"
    shown = CliRunner().invoke(cli, ["inspect", str(output)], standalone_mode=False).stdout
    assert "degradation: gaussian:0.8" in shown
    again = call(*enlarging, "-o", output, "--resume")
    assert again.return_value == 1 and "is finished: --overwrite" in again.stderr


def test_an_interrupted_model_for_super_resolution_goes_on(enlarging, tmp_path, monkeypatch, capfd):
    from restore.files import signals
    from restore.learning import super_resolution as learning
    from restore.tasks.super_resolution import Cascade

    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    assert call(*enlarging, "-o", whole, "-q").return_value == 0
    learn = learning.learn_stage

    def until_the_third(*given):
        if given[2] == (0, 3):
            signals._end(signal.SIGINT, None)
        return learn(*given)

    with monkeypatch.context() as patch:
        patch.setattr(learning, "learn_stage", until_the_third)
        patch.setattr(signals, "ignore", lambda: None)
        patch.setattr(os, "_exit", sys.exit)  # this process is to go on
        assert call(*enlarging, "-o", parts).exit_code == 130
    assert "holds the model of stage 2: --resume goes on" in capfd.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("*.npz*")) == ["parts.npz", "whole.npz"]
    unfinished = Cascade.load(parts)
    assert len(unfinished.stages) == 2
    assert (unfinished.stages[1].regressions == Cascade.load(whole).stages[1].regressions).all()
    for changed, words in (
        (("--seed", 1), "with the seed 0, not 1"),
        (("--shrink", 2), "other photos"),
        (("--degradation", "area"), "with the degradation bicubic, not area"),
        (("--scale", 3), "for scale 2, not 3"),
    ):
        result = call(*enlarging, "-o", parts, "--resume", *changed)
        assert result.return_value == 1 and words in result.stderr, result.stderr
    assert call(*enlarging, "-o", parts, "--resume", "-t", 2, "-q").return_value == 0
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--model", "super-resolution", "--scale", 2, "--picture", "a.png"),
            "--picture means nothing for --model super-resolution",
        ),
        (("--degradation", "area"), "--degradation means nothing for a dictionary"),
    ],
)
def test_wrong_usage_of_learning_to_enlarge(photos, tmp_path, arguments, words):
    wrong = call(photos, "-o", tmp_path / "a.npz", *arguments)
    assert words in str(wrong.exception)


@pytest.mark.parametrize("degradation", ["lanczos", "gaussian", "gaussian:0", "gaussian:x"])
def test_no_such_degradation(enlarging, tmp_path, degradation):
    result = call(*enlarging, "-o", tmp_path / "a.npz", "--degradation", degradation)
    assert result.return_value == 1
    assert "bicubic, area or gaussian:S" in result.stderr and degradation in result.stderr
