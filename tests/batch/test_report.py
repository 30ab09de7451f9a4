"""The page of --report: self-contained, nothing from a file is taken for HTML, and it works."""

import base64
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import restore
from restore.batch.records import REPORT, UsageError
from restore.batch.report import Report, budget, check
from restore.cli import cli
from restore.files.views import most_different, view

HOSTILE = "<img src=x onerror=alert(1)>.png"


def noise(height=300, width=400, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def record(name, **facts):
    return {**REPORT, "input": name, "output": None, "status": "done", **facts}


def rows_of(page):
    script = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    return json.loads(script[1])["rows"]


def run(*words):
    return cli.main(list(map(str, words)), standalone_mode=False)


@pytest.fixture
def pictures(tmp_path):
    """A folder with a picture of a hostile name, another, and a file that is no picture."""
    folder = tmp_path / "in"
    folder.mkdir()
    flat = np.full((64, 80, 3), 128, np.float32)
    rng = np.random.default_rng(0)
    for number, name in enumerate((HOSTILE, "other.png"), 1):
        levels = flat + rng.normal(0, 10 * number, flat.shape)
        Image.fromarray(np.uint8(np.clip(levels, 0, 255))).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


@pytest.fixture
def page_file(pictures, tmp_path):
    page = tmp_path / "page.html"
    code = run("denoise", pictures, "-o", tmp_path / "out/", "--sigma", 15, "--quality", "fast",
               "--report", page, "-q")  # fmt: skip
    assert code == 1
    return page


def test_a_batch_writes_a_page_with_failures_first(page_file):
    page = page_file.read_text(encoding="ascii")
    rows = rows_of(page)
    assert [row["status"] for row in rows] == ["failed", "done", "done"]
    assert rows[1]["change"] > rows[2]["change"] > 0
    assert "restore denoise --sigma 15 --quality fast" in page
    for row in rows[1:]:
        assert all(url.startswith("data:image/webp;base64,") for url in row["crops"])
        assert (page_file.parent / "in" / os.path.basename(row["input"])).is_file()


def test_names_of_files_are_not_html(page_file):
    page = page_file.read_text(encoding="ascii")
    assert "<img src=x" not in page
    assert HOSTILE in {os.path.basename(row["input"]) for row in rows_of(page)}
    assert "<title>&lt;b&gt;</title>" in Report(None, "<b>").page()
    text = "</script><script>alert(1)</script>{{policy}}{{title}}"
    page = Report(None, "title", text)
    page.add(record(text, fact=text, error=text, warnings=[text]))
    assert page.page().count("<script") == 2
    assert rows_of(page.page())[0]["error"] == text


def test_the_page_asks_for_nothing_from_elsewhere(page_file):
    page = page_file.read_text(encoding="ascii")
    page = re.sub(r'"data:image/webp;base64,[^"]*"', "", page)
    assert not re.search(r"https?:|[\"'(]//|@import|url\(", page, re.I)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_a_thousand_rows_of_noise_stay_below_60_megabytes():
    count = 1000
    seen = view(noise(), 1 - noise(seed=1), budget(count))
    assert all(seen.crops) and all(seen.thumbnails)
    page = Report(None, "many")
    for number in range(count + 1100):
        page.add(record(f"{number}.png", warnings=["words " * 5], psnr=number, sigma=12.5), seen)
    text = page.page()
    assert len(text) < 60e6
    rows = rows_of(text)
    assert [row["psnr"] for row in rows] == list(range(count + 1100))
    assert "crops" in rows[count - 1] and "crops" not in rows[count]


def test_the_view_is_where_the_pictures_differ_most():
    before = noise(700, 900)
    after = before.copy()
    after[500:560, 200:260] = 0
    seen = view(before, after, 4_000_000)
    left, top, width, height = seen.box
    assert left <= 200 and left + width >= 260 and top <= 500 and top + height >= 560
    expected = np.asarray(Image.fromarray(np.uint8(np.rint(255 * after))))
    crop = base64.b64decode(seen.as_facts()["crops"][1].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(crop)))
    np.testing.assert_array_equal(shown, expected[top : top + height, left : left + width])


@pytest.mark.parametrize("shape", [(1, 1), (7, 90), (90, 7), (64, 64)])
def test_the_box_lies_within_small_pictures(shape):
    rng = np.random.default_rng(3)
    before, after = rng.integers(0, 256, (2, *shape, 3), np.uint8)
    (rows, columns), change = most_different(before, after, 32)
    assert 0 <= rows.start < rows.stop <= shape[0]
    assert 0 <= columns.start < columns.stop <= shape[1]
    difference = before.astype(float) - after
    assert change == pytest.approx(np.sqrt(np.mean(difference**2)))


def test_pictures_of_other_sizes_are_compared_at_the_larger(tmp_path):
    small = noise(40, 50)
    seen = view(small, small.repeat(2, 0).repeat(2, 1), 100_000)
    assert seen.size == (100, 80) and seen.box[2:] == (100, 80)
    assert view(None, small, 100_000).crops[0] is None


def test_compared_folders_have_a_page_the_worst_first(pictures, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(pictures, results)
    (results / "broken.png").unlink()
    shutil.copy(pictures / "other.png", results / HOSTILE)
    page = tmp_path / "compared.html"
    assert run("compare", pictures, results, "--report", page) == 0
    rows = rows_of(page.read_text(encoding="ascii"))
    assert [os.path.basename(row["output"]) for row in rows] == [HOSTILE, "other.png"]
    assert rows[0]["psnr"] > 10 and rows[1]["psnr"] is None  # infinite


def test_a_page_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    taken = tmp_path / "taken.html"
    taken.touch()
    for path, words in (
        (tmp_path / "page.png", "must end in .html"),
        (taken, "use --overwrite"),
        (tmp_path / "none" / "page.html", "there is no folder"),
    ):
        with pytest.raises(UsageError, match=words):
            check(path, overwrite=False)
    check(taken, overwrite=True)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, page_file):
    """The page in a browser; what it logs and asks for fails the test."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    assert not trouble
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]


def edge(page):
    return float(page.evaluate("document.getElementById('edge').style.left").rstrip("%"))


def test_the_page_works_in_a_browser(opened):
    page = opened
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#list li").count() == 3
    assert "Failed:" in page.inner_text("#said")

    page.keyboard.press("ArrowDown")
    assert page.inner_text("#name") == "other.png"
    page.wait_for_function("document.getElementById('after').naturalWidth === 80")
    assert edge(page) == 50
    page.keyboard.press("ArrowRight")
    assert edge(page) == 55
    page.keyboard.press(" ")
    assert edge(page) == 100
    page.keyboard.press(" ")
    assert edge(page) == 0
    page.keyboard.press("z")  # enlarged: room for the pointer
    stage = page.locator("#stage").bounding_box()
    middle = stage["y"] + stage["height"] / 2
    page.mouse.move(stage["x"] + stage["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * 0.2, middle, steps=4)
    page.mouse.up()
    assert 5 < edge(page) < 35
    page.touchscreen.tap(stage["x"] + stage["width"] * 0.8, middle)
    assert 65 < edge(page) < 95

    page.click("[data-filter=failed]")
    assert page.locator("#list li").count() == 1
    page.click("[data-filter=all]")
    page.fill("#search", "onerror")
    assert page.locator("#list li").count() == 1
    assert page.inner_text("#name") == HOSTILE
    page.fill("#search", "no such picture")
    assert page.locator("#list li").count() == 0 and page.is_visible("#empty")


def test_a_thousand_rows_are_paged(browser, tmp_path):
    page = Report(tmp_path / "many.html", "many")
    seen = view(noise(60, 60), noise(60, 60, seed=1), budget(1000))
    for number in range(1000):
        page.add(record(f"{number}.png", psnr=number), seen)
    page.write(overwrite=False)
    tab = browser.new_page()
    tab.goto((tmp_path / "many.html").as_uri())
    assert tab.locator("#list li").count() == 50
    tab.click("#forth")
    assert tab.inner_text("#name") == "50.png"
    tab.select_option("#order", "name")
    assert tab.inner_text("#name") == "0.png"
    tab.close()


def test_a_notebook_shows_two_pictures_with_the_slider(browser):
    before = noise(60, 60)
    compared = restore.compare(before, 1 - before)
    assert repr(compared).startswith("Comparison(psnr=")
    assert compared.psnr == pytest.approx(-10 * np.log10(np.mean((2 * before - 1) ** 2)), abs=0.01)
    assert restore.compare(before, before[::2, ::2, 0]).psnr is None
    tab = browser.new_page()
    tab.set_content(compared._repr_html_())
    frame = tab.frame_locator("iframe")
    frame.locator("#slider").press("ArrowRight")
    assert frame.locator("#edge").get_attribute("style") == "left: 55%;"
    tab.close()


def test_a_notebook_shows_the_atoms_of_a_dictionary():
    dictionary = restore.Dictionary.load("colour")
    shown = np.asarray(Image.open(io.BytesIO(dictionary._repr_png_())))
    np.testing.assert_allclose(shown / 255, dictionary.drawn(), atol=0.5 / 255 + 1e-6)
