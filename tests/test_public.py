"""What the package exports: every name is there, and says what its parameters are."""

import inspect

import pytest
from numpydoc.validate import validate

import restore
from tests import HOUSE

CHECKS = {"GL08", "PR01", "PR02", "PR03", "SS01", "RT01"}


@pytest.mark.parametrize("name", [name for name in restore.__all__ if not name.startswith("_")])
def test_parameters_and_results_are_documented(name):
    exported = getattr(restore, name)
    described = inspect.getmodule(exported).__name__ + "." + exported.__qualname__
    errors = [error for error in validate(described)["errors"] if error[0] in CHECKS]
    if inspect.isclass(exported):  # attributes are described where they are declared
        errors = [error for error in errors if error[0] != "PR01"]
    assert not errors


def test_what_is_cited_is_this_version():
    citation = (HOUSE / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {restore.__version__}" in citation
