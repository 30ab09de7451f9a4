"""One HTML file for a batch: every picture before and after, failures and worst first.

The page is self-contained: a template beside the packaged models, the records as JSON in a script
tag, and pictures as data URLs. Its Content-Security-Policy names the digests of its own script and
style and allows nothing else, and everything that comes from files is set as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import os
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.batch.records import REPORT, UsageError
from restore.files.safe import whole_file

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from restore.files.views import View


#: Maximum bytes of all embedded images, and of those of one picture.
_PAGE, _PICTURE = 54_000_000, 1_500_000

#: Records beyond this number, the least bad ones, are listed without images.
_SHOWN = 1000

_TEMPLATE = Path(__file__).parent.parent / "data" / "report.html"


def budget(count: int) -> int:
    """Maximum bytes of a page for each of this many pictures."""
    return min(_PICTURE, _PAGE // max(1, min(count, _SHOWN)))


def check(path: str, overwrite: bool) -> None:
    """Refuse the name of a page that cannot be written.

    Raises
    ------
    UsageError
    """
    if os.path.splitext(path)[1].lower() not in (".html", ".htm"):
        raise UsageError(f"--report writes a web page: {path} must end in .html")
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"{path} exists: use --overwrite")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder} for {path}")


class Report:
    """The records of a page, collected during a batch.

    Parameters
    ----------
    path : str or None
        Of the page, to which its links are relative; None if it is not written to a file.
    title : str
    settings : str
        The command with its options, for the reader.
    labels : (str, str)
        Labels of the two pictures of a record.
    """

    def __init__(
        self,
        path: str | None,
        title: str,
        settings: str = "",
        labels: tuple[str, str] = ("before", "after"),
    ) -> None:
        self.path, self.title, self.settings, self.labels = path, title, settings, labels
        self.rows: list[dict[str, Any]] = []

    def add(self, report: dict[str, Any], view: View | None = None) -> None:
        """Add a finished file: the keys of `REPORT`, facts of the task, and its view."""
        row = {name: value for name, value in report.items() if name in _KEPT}
        row["facts"] = [[name, value] for name, value in report.items() if name not in REPORT]
        row["links"] = [self._link(report["input"]), self._link(report["output"])]
        self.rows.append(row | (view.as_facts() if view else {}))
        if len(self.rows) >= 2 * _SHOWN and len(self.rows) % _SHOWN == 0:
            self._sort()

    def _sort(self) -> None:
        """Sort the records, the worst first; images are dropped beyond the limit."""
        self.rows.sort(key=_badness)
        for row in self.rows[_SHOWN:]:
            row.pop("thumbnails", None)
            row.pop("crops", None)

    def _link(self, file: str | None) -> str | None:
        """The address of a file relative to the page."""
        if self.path is None or file in (None, "-") or not os.path.isfile(file):
            return None
        try:
            relative = os.path.relpath(file, os.path.dirname(os.path.abspath(self.path)))
        except ValueError:  # on another drive
            return None
        return urllib.parse.quote(os.fsencode(relative.replace(os.sep, "/")))

    def page(self) -> str:
        """The page as str."""
        self._sort()
        data = {"settings": self.settings, "labels": self.labels, "rows": self.rows}
        template = _TEMPLATE.read_text(encoding="utf-8")
        style, script = (
            "".join(re.findall(f"<{tag}>(.*?)</{tag}>", template, re.DOTALL)[:1])
            for tag in ("style", "script")
        )
        policy = (
            f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
            f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
        )
        parts = {"policy": policy, "title": html.escape(self.title), "data": _json(data)}
        # in one pass: inserted text is not searched again
        return re.sub(r"\{\{(policy|title|data)\}\}", lambda found: parts[found[1]], template)

    def write(self, overwrite: bool) -> None:
        """Write the page, completely or not at all."""
        assert self.path is not None  # or there is nothing to write
        with whole_file(self.path, replace=overwrite) as file:
            file.write(self.page().encode("ascii", "xmlcharrefreplace"))


class Comparison:
    """Two pictures, which a notebook shows with a slider.

    Attributes
    ----------
    before, after : (height, width, channels) float32 ndarray
    psnr, ssim : float or None
        In dB, and the mean of the structural similarity; None where the pictures differ in shape.
    """

    def __init__(self, before: ArrayLike, after: ArrayLike) -> None:
        from restore.imaging.arrays import as_image
        from restore.imaging.measures import psnr, ssim

        self.before, self.after = as_image(before), as_image(after)
        alike = self.before.shape == self.after.shape
        self.psnr = float(psnr(self.before, self.after)) if alike else None
        self.ssim = float(ssim(self.before, self.after)) if alike else None

    def __repr__(self) -> str:
        return f"Comparison(psnr={self.psnr}, ssim={self.ssim})"

    def _repr_html_(self) -> str:
        from restore.files.views import view

        page = Report(None, "before and after")
        height, width = self.after.shape[:2]
        about = {"input": "before and after", "status": "done", "width": width, "height": height}
        about |= {"psnr": self.psnr, "ssim": self.ssim}
        page.add({**REPORT, **about}, view(self.before, self.after, _PICTURE))
        # in a frame: its style and script stay apart from those of the notebook
        return (
            '<iframe sandbox="allow-scripts" style="width: 100%; height: 42rem; border: 0" '
            f'srcdoc="{html.escape(page.page())}"></iframe>'
        )


def compare(before: ArrayLike, after: ArrayLike) -> Comparison:
    """Compare two pictures: in a notebook, the last line of a cell shows them with a slider.

    Parameters
    ----------
    before, after : (height, width) or (height, width, 1 or 3) array_like
        In scikit-image's conventions; the smaller one is enlarged to the size of the other for
        display.

    Returns
    -------
    Comparison
        With the attributes `psnr` and `ssim`.

    Raises
    ------
    ValueError
        If one is no image.

    Examples
    --------
    >>> import numpy as np
    >>> import restore
    >>> before = np.tile(np.linspace(0, 1, 32), (32, 1))
    >>> restore.compare(before, np.clip(before + 0.1, 0, 1)).psnr > 20
    True
    """
    return Comparison(before, after)


_KEPT = set(REPORT)


def _badness(row: dict[str, Any]) -> tuple[Any, ...]:
    """Failures, then warnings, then the lowest PSNR, then the greatest change."""
    rank = 0 if row["status"] == "failed" else 1 if row["warnings"] else 2
    decibels, change = _worst(row["psnr"]), row.get("change")
    return rank, math.inf if decibels is None else decibels, -(change or 0), str(row["input"])


def _worst(psnr: Any) -> float | None:
    """The lowest PSNR of the pages of a file."""
    values = [value for value in (psnr if isinstance(psnr, list) else [psnr]) if value is not None]
    return min(values, default=None)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: Any) -> str:
    """JSON that is safe within a script tag for any strings."""
    from restore.batch.console import plain

    return json.dumps(plain(value), allow_nan=False).replace("<", "\\u003c")
