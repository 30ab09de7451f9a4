"""The command ``restore compare``."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from restore import batch
from restore.batch.records import NOTHING, REPORT
from restore.batch.report import Report, budget, check
from restore.cli.options import asked, check_picture, drawing, max_pixels
from restore.cli.values import PATH

if TYPE_CHECKING:
    from restore.typing import Array

    #: Reference, result, its samples if they are to be drawn, PSNR and SSIM.
    Row = tuple[str, str, Array | None, float, float]


@click.command()
@click.argument("reference", type=PATH)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per result.")
@drawing("Draw reference and results side by side, with a magnified crop and the differences.")
@click.option(
    "--report",
    metavar="OUT.html",
    type=PATH,
    help="Write an HTML page that shows the results, the worst first.",
)
@max_pixels()
def compare(
    reference: str,
    results: tuple[str, ...],
    as_json: bool,
    picture: str | None,
    overwrite: bool,
    report: str | None,
    max_pixels: int,
) -> int:
    """Measure results: PSNR in dB and SSIM.

    Each RESULT, a file or a folder of files, is compared with REFERENCE over all channels. If
    REFERENCE is a folder, each result is compared with the file of the same name in it. A result
    that cannot be read, or that has another size, fails; the others are still compared. Equal
    pictures have infinite PSNR (null in JSON).
    """
    if picture is not None:
        check_picture(picture, overwrite)
        if os.path.isdir(reference):
            raise click.UsageError("--picture draws results beside one REFERENCE, not a folder")
    page = None
    if report is not None:
        try:
            check(report, overwrite)
        except batch.UsageError as error:
            raise click.UsageError(str(error)) from error
        words = asked(click.get_current_context())
        page = Report(report, "Report of restore compare", words, ("reference", "result"))

    from restore.files.picture import unwarned
    from restore.files.reading import read_picture
    from restore.files.views import view
    from restore.imaging.measures import psnr, ssim

    rows: list[Row] = []
    wanted: Array | None = None
    failed, last = 0, None
    files, ignored = batch.find(results)
    if not files:
        click.echo(batch.nothing_found(results, ignored, recursive=True), err=True)
        return NOTHING
    find_reference = batch.matching(reference, "reference")
    for result, _ in files:
        try:
            place = find_reference(result)
            assert place is not None  # there is a reference
            if wanted is None or place != last:
                wanted, last = batch.read_beside(place, "reference", max_pixels).samples, place
            with unwarned():
                samples = read_picture(result, max_pixels=max_pixels).samples
            quality = psnr(wanted, samples), ssim(wanted, samples)
            kept = samples if picture else None  # only what is drawn
            rows.append((place, result, kept, *quality))
            if page:
                numbers = dict(zip(("psnr", "ssim"), map(_number, quality)))
                seen = view(wanted, samples, budget(len(files)))
                page.add({**REPORT, **_about(place, result, "done"), **numbers}, seen)
        except (OSError, ValueError, MemoryError) as error:
            batch.complain(result, error)
            failed += 1
            if page:
                reason = batch.failure_reason(error, result)
                page.add({**REPORT, **_about(reference, result, "failed"), "error": reason})
    _show(rows, as_json)
    if picture is not None and rows and wanted is not None:
        _draw(picture, reference, wanted, rows)
    if page and report:
        with _said(report):
            page.write(overwrite)
    return int(failed > 0)


def _show(rows: list[Row], as_json: bool) -> None:
    if as_json:
        for reference, name, _, decibels, similarity in rows:
            numbers = {"psnr": _number(decibels), "ssim": _number(similarity)}
            click.echo(json.dumps({"reference": reference, "result": name, **numbers}))
        return
    width = max([len(row[1]) for row in rows], default=0)
    for _, name, _, decibels, similarity in rows:
        click.echo(f"{name:{width}}  {decibels:6.2f} dB  SSIM {similarity:.4f}")


def _about(reference: str, result: str, status: str) -> dict[str, Any]:
    return {"input": reference, "output": result, "status": status}


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _draw(path: str, reference: str, wanted: Array, rows: list[Row]) -> None:
    from restore.files.figure import comparison, write_figure

    labels = [os.path.basename(reference)]
    labels += [f"{os.path.basename(name)}\n{decibels:.2f} dB" for _, name, _, decibels, _ in rows]
    figure = comparison(wanted, [row[2] for row in rows if row[2] is not None], labels)
    with _said(path):
        write_figure(path, figure)


@contextlib.contextmanager
def _said(path: str) -> Iterator[None]:
    """Turn an error in writing this file into a sentence."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path}: {batch.failure_reason(error, path)}") from error
