"""What the package exports: every name is there, documented, and with examples that run."""

import doctest
import inspect

import pytest
from numpydoc.validate import validate

import restore
import restore.sparse
from tests import HOUSE

CHECKS = {"GL08", "PR01", "PR02", "PR03", "SS01", "RT01"}

EXPORTED = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in (restore, restore.sparse)
    for name in package.__all__
    if not name.startswith("_")
}
everything = pytest.mark.parametrize("exported", EXPORTED.values(), ids=EXPORTED.keys())


@everything
def test_parameters_and_results_are_documented(exported):
    described = inspect.getmodule(exported).__name__ + "." + exported.__qualname__
    errors = [error for error in validate(described)["errors"] if error[0] in CHECKS]
    if inspect.isclass(exported):  # attributes are described where they are declared
        errors = [error for error in errors if error[0] != "PR01"]
    assert not errors


@everything
def test_examples_run(exported):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder(recurse=False).find(exported, globs={}):
        runner.run(example)
    assert runner.tries > 0
    assert runner.failures == 0


def test_what_is_cited_is_this_version():
    citation = (HOUSE / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {restore.__version__}" in citation
    (date,) = (line.split()[1] for line in citation if line.startswith("date-released:"))
    changes = (HOUSE / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert f"## {restore.__version__} - {date}" in changes
