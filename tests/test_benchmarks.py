"""The benchmark's own measures, and that no published number was typed by hand."""

import sys

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.harness import Run, Table, in_turns, noisy, psnr, ssim


@pytest.mark.parametrize("page", harness.PAGES, ids=lambda page: page.name)
def test_tables_on_the_pages_are_the_stored_ones(page):
    text = page.read_text(encoding="utf-8")
    assert harness.with_tables(text) == text, "run: python -m benchmarks --pages"


def test_every_stored_table_loads():
    for file in harness.RESULTS.glob("*.json"):
        table = Table.load(file.stem)
        assert table.name == file.stem
        assert table.machine
        assert table.markdown().startswith("**")


def test_a_table_is_markdown():
    table = Table("x", "Title", [("who", ""), ("dB", ".2f")], [["we", 1.239], ["they", None]])
    table.machine = "a machine"
    lines = table.markdown().splitlines()
    assert lines[2:6] == ["| who | dB |", "| --- | ---: |", "| we | 1.24 |", "| they | - |"]
    assert lines[-1] == "Measured on a machine."


def test_curves_are_drawn_where_there_is_matplotlib(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(harness, "FIGURES", tmp_path)
    lines = {"we": [[1, 10], [1, 10]], "they": [[1, 10], [2, 30]]}
    curves = {"x": "pixels", "y": "seconds", "log": "xy", "lines": lines}
    Table("x", "Title", [("who", "")], [["we"]], machine="a machine", curves=curves).store()
    drawn = (tmp_path / "x.svg").read_bytes()
    assert b"we" in drawn and b"they" in drawn
    assert Table.load("x").curves == curves
    Table.load("x").plot()
    assert (tmp_path / "x.svg").read_bytes() == drawn


def test_psnr_is_that_of_the_papers():
    clean = np.full((20, 30), 100, np.uint8)
    assert psnr(clean, clean) == float("inf")
    assert psnr(clean, clean + np.uint8(10)) == pytest.approx(20 * np.log10(25.5))
    assert psnr(clean, (clean + 10) / 255) == pytest.approx(20 * np.log10(25.5))
    wrong_at_the_border = clean.copy()
    wrong_at_the_border[:3] = wrong_at_the_border[:, -3:] = 0
    assert psnr(clean, wrong_at_the_border, border=3) == float("inf")
    assert psnr(clean, wrong_at_the_border, border=2) < 40


def test_psnr_clips_the_result_only():
    assert psnr(np.ones((4, 4)), np.full((4, 4), 1.5)) == float("inf")


def test_ssim_is_one_for_the_same_picture():
    clean = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert ssim(clean, clean) == pytest.approx(1)
    assert ssim(clean, noisy(clean, 50, 0)) < 0.99


def test_noise_is_the_same_on_every_run_and_not_clipped():
    black = np.zeros((64, 64), np.uint8)
    assert np.array_equal(noisy(black, 25, 3), noisy(black, 25, 3))
    assert not np.array_equal(noisy(black, 25, 3), noisy(black, 25, 4))
    assert noisy(black, 25, 3).min() < 0
    assert noisy(black, 25, 3).std() == pytest.approx(25 / 255, rel=0.05)


def test_turns_alternate():
    calls = []
    results, seconds = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert set(results) == set(seconds) == {"a", "b"}


def test_quality_alone_is_measured_without_times(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    cases = [("one", 1, np.zeros((2, 2)))]
    found = harness.compare(cases, {"we": lambda given: given}, lambda r, given: given, 0)
    rows = [[name, found.means()[name], found.pace()[name]] for name in found.quality]
    Table("x", "Title", [("who", ""), ("dB", ".1f"), ("s", ".1f")], rows, machine="here").store()
    assert "NaN" not in (tmp_path / "x.json").read_text()
    assert "| we | 1.0 | - |" in Table.load("x").markdown()


@pytest.mark.skipif(sys.platform == "win32", reason="needs wait4")
def test_the_memory_of_a_process_is_its_own():
    ballast = np.ones(200_000_000, np.uint8)
    small = harness.measure_process(sys.executable, "-c", "pass")
    large = harness.measure_process(sys.executable, "-c", "held = b'x' * 100_000_000")
    assert small.peak_bytes < len(ballast) / 2
    assert 90e6 < large.peak_bytes - small.peak_bytes < 130e6


def test_without_the_standard_sets_the_sample_pictures_serve(tmp_path):
    for data in (None, tmp_path):
        name, pictures = Run(data, threads=1).pictures("test/set12", grey=True)
        assert name == "samples"
        assert list(pictures) == ["camera-clean"]
