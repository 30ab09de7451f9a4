"""The pages say what the commands do."""

import json
import re
import runpy
import shlex

import click
import imageio.v3 as imageio
import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import cli
from tests import HOUSE, SAMPLES
from tests.cluster import Started

DOCS = runpy.run_path(str(HOUSE / "docs" / "commands.py"))
PAGES = [*HOUSE.glob("*.md"), *DOCS["PAGES"], HOUSE / "sample_images" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_every_command_line_on_a_page_is_understood(page):
    commands = DOCS["commands"]()
    for line in re.findall(r"^    restore (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        name, *words = shlex.split(line, comments=True)
        assert name in commands, line
        context = click.Context(commands[name])
        commands[name].make_parser(context).parse_args(words)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        *(
            f"docs/{name}.md"
            for name in ("compress", "dictionaries", "report", "sense", "sparse", "uncertainty")
        ),
        "docs/tutorial-python.md",
    ],
)
def test_the_python_on_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (HOUSE / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    pictures = np.random.default_rng(0).random((3, 72, 64))
    names = {"pictures": pictures, "picture": pictures[0, :24, :24]}
    for block in blocks:  # a later one may use what an earlier one made
        exec(block, names)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the pictures that the tutorials speak of, small parts of the samples."""

    def save(name, sample, top=40, left=120):
        picture = imageio.imread(SAMPLES / f"{sample}.png")[top : top + 64, left : left + 72]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        imageio.imwrite(tmp_path / name, picture)

    save("photo.png", "chelsea-noisy")
    save("scratches.png", "astronaut-mask")
    save("noisy.png", "camera-noisy")
    save("clean.png", "camera-clean")
    save("photos/cat.png", "chelsea-clean")
    save("photos/evening/coffee.png", "coffee-clean")
    save("photos/evening/camera.png", "camera-clean", 200)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["photo", "batch", "dictionary", "cluster"])
def test_the_commands_of_a_tutorial_run(name, desk):
    cluster = None
    if name == "cluster":
        pytest.importorskip("distributed", reason="the cluster extra is not installed")
        cluster = Started(desk, 1)
    try:
        text = (HOUSE / f"docs/tutorial-{name}.md").read_text(encoding="utf-8")
        for line in re.findall(r"^    restore (.*)$", text, re.MULTILINE):
            ended = CliRunner().invoke(cli, shlex.split(line), standalone_mode=False)
            assert not ended.exception and not ended.return_value, f"{line}\n{ended.output}"
    finally:
        if cluster:
            cluster.close()


def test_the_manual_page_says_what_the_commands_say():
    manual = runpy.run_path(str(HOUSE / "docs" / "manual.py"))
    assert manual["manual"]() == (manual["SHELL"] / "restore.1").read_text(encoding="utf-8"), (
        "run: make docs"
    )
    for name in ("restore", "_restore", "restore.fish"):
        assert "_RESTORE_COMPLETE" in (manual["SHELL"] / name).read_text(encoding="utf-8")


def test_the_site_has_every_page_once():
    contents = runpy.run_path(str(HOUSE / "docs" / "conf.py"))["CONTENTS"]
    listed = [f"{page}.md" for pages in contents.values() for page in pages]
    folders = (".", "benchmarks", "docs", "sample_images", "training")
    found = {page for folder in folders for page in HOUSE.joinpath(folder).glob("*.md")}
    assert sorted(["README.md", *listed]) == sorted(
        page.relative_to(HOUSE).as_posix() for page in found
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_options_and_files_on_a_page_are_those_of_today(page):
    text = page.read_text(encoding="utf-8")
    assert DOCS["filled_in"](text) == text, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_notebook_runs_and_shows_what_it_keeps(monkeypatch):
    monkeypatch.chdir(HOUSE)
    notebook = runpy.run_path(str(HOUSE / "docs" / "notebook.py"))
    cells = json.loads(notebook["NOTEBOOK"].read_text(encoding="utf-8"))["cells"]
    names, kinds = {}, set()
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        found = notebook["outputs_of"]("".join(cell["source"]), names)
        assert len(found) == len(cell["outputs"])
        for now, kept in zip(found, cell["outputs"]):
            assert now.get("data", {}).keys() == kept.get("data", {}).keys()
            kinds |= now.get("data", {}).keys() | {now["output_type"]}
            texts = [one.get("text") or one["data"]["text/plain"] for one in (now, kept)]
            numbers = [re.findall(r"\d+(?:\.\d+)?", text) for text in texts]
            assert re.sub(r"[\d.]", "", texts[0]) == re.sub(r"[\d.]", "", texts[1])
            assert np.allclose(*(np.array(found, float) for found in numbers), rtol=0.02)
    assert kinds >= {"image/png", "stream"}
