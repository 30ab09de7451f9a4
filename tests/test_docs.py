"""The pages say what the commands do."""

import re
import runpy
import shlex

import click
import numpy as np
import pytest

from tests import HOUSE

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_options_and_files_on_a_page_are_those_of_today(page):
    text = page.read_text(encoding="utf-8")
    assert DOCS["filled_in"](text) == text, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
