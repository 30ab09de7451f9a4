"""How Sphinx makes the site of the pages; see `make docs-site`.

The pages are plain Markdown that reads as it is. What only a site has is added here: the order of
the pages, and on the page of the Python functions their full descriptions.
"""

import importlib
import re
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOUSE))

import restore  # noqa: E402

project = "restore"
author = copyright = "the restore developers"
version = release = restore.__version__

#: The order of the site: {heading: pages, without their ".md"}.
CONTENTS = {
    "Tutorials": [
        "docs/tutorial-photo",
        "docs/tutorial-batch",
        "docs/tutorial-dictionary",
        "docs/tutorial-cluster",
        "docs/tutorial-python",
    ],
    "Commands": [
        "docs/reference",
        "docs/denoise",
        "docs/dejpeg",
        "docs/inpaint",
        "docs/demosaic",
        "docs/deblur",
        "docs/sense",
        "docs/super-resolve",
        "docs/compress",
        "docs/train",
        "docs/files",
        "docs/uncertainty",
        "docs/report",
        "docs/scale",
    ],
    "Python": ["docs/api", "docs/sparse"],
    "How it works": [
        "docs/how-it-works",
        "docs/portraits",
        "docs/dictionaries",
        "docs/file-format",
        "docs/architecture",
    ],
    "Benchmarks": [
        "docs/benchmarks",
        "benchmarks/README",
        "docs/reproducing",
    ],
    "Project": [
        "CONTRIBUTING",
        "CHANGELOG",
        "SECURITY",
        "sample_images/README",
        "training/README",
    ],
}

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.extlinks"]
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
root_doc = "README"
include_patterns = [f"{page}.md" for pages in CONTENTS.values() for page in pages]
include_patterns.append(f"{root_doc}.md")
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
highlight_language = "none"

default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
nitpicky = True

html_theme = "pydata_sphinx_theme"
html_title = f"restore {version}"
html_extra_path = ["site"]  # the front page is README.html: this one leads there
html_copy_source = html_show_sourcelink = False
html_sidebars = {"**": ["globaltoc.html"]}  # all pages under their headings, on every page
html_theme_options = {
    "navbar_center": [],
    "navigation_with_keys": False,
    "show_prev_next": False,
}


#: A table of public names, which `docs/commands.py` writes.
FUNCTIONS = re.compile(r"<!-- functions:([\w.]+) -->.*?<!-- /functions -->", re.DOTALL)


def described(package):
    """Directives that render all of the public names of a package, each at its first home."""
    lines = ["```{eval-rst}"]
    module = importlib.import_module(package)
    for name in module.__all__:
        if name.startswith("_") or (module is not restore and name in restore.__all__):
            continue
        if isinstance(getattr(module, name), type):
            lines += [f".. autoclass:: {package}.{name}", "   :members:", "   :inherited-members:"]
        else:
            lines += [f".. autofunction:: {package}.{name}"]
        lines.append("")
    return "\n".join([*lines, "```"])


def complete(app, page, source):
    """Add to the text of a page what only a site has."""
    text = FUNCTIONS.sub(lambda match: described(match[1]), source[0])
    if page == root_doc:
        for heading, pages in CONTENTS.items():
            listed = "\n".join(f"/{page}" for page in pages)
            text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{listed}\n```\n"
    source[0] = text


def left_out(app, what, name, member, skip, options):
    """Whether a member of a class is not described: those of base classes of other packages."""
    home = getattr(getattr(member, "fget", member), "__module__", None) or ""
    return True if not home.startswith("restore") else None


def setup(app):
    """Let pages be completed as they are read."""
    app.connect("source-read", complete)
    app.connect("autodoc-skip-member", left_out)
