"""The command ``restore train --model``."""

import ast
import dataclasses
import functools
import os
import signal
import sys

import pytest
from click.testing import CliRunner

from restore import __version__
from restore.cli import cli
from restore.files.reading import read_picture
from restore.imaging.measures import psnr
from tests import SAMPLES
from tests.cli.photos import call, lines


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


def test_pictures_made_smaller_serve_a_codec(photos, tmp_path, monkeypatch):
    def learn(pictures, **settings):
        assert min(image.min() for image in pictures) < 0  # cubic interpolation overshoots
        return Model({})

    monkeypatch.setattr("restore.learning.compression.learn_codec", learn)
    result = call(photos, "-o", tmp_path / "a.npz", "--model", "codec", "--shrink", 2, "--json")
    assert result.return_value == 0 and lines(result)[-1]["skipped"] == {}


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


def test_a_folder_becomes_a_model_for_dejpeg(photos, tmp_path, monkeypatch):
    from restore.learning import artefacts
    from restore.sparse.unrolled import Coder

    monkeypatch.setattr(artefacts, "CROPS", 8)
    monkeypatch.setattr(artefacts, "STEPS", 2)
    output = tmp_path / "mine.npz"
    result = call(photos, "-o", output, "--model", "dejpeg", "--grey", "--json")
    assert result.return_value == 0, result.stderr
    coder = Coder.load(output)
    assert coder.channels == 1 and coder.provenance["learned_from"] == ["photos"]
    words = ["dejpeg", str(SAMPLES / "camera-clean.png"), "--quality-was", "30", "--model"]
    restored = tmp_path / "restored.png"
    words += [str(output), "-o", str(restored)]
    assert CliRunner().invoke(cli, words, standalone_mode=False).return_value == 0
    assert restored.exists()
    wrong = call(photos, "-o", tmp_path / "a.npz", "--model", "dejpeg", "--atoms", 5)
    assert "--atoms means nothing for --model dejpeg" in str(wrong.exception)


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
