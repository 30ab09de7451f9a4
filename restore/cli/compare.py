"""The command ``restore compare``."""

import contextlib
import json
import math
import os

import click

from restore import batch
from restore.batch.records import NOTHING, REPORT
from restore.batch.report import Report, budget, check
from restore.cli.options import PATH, asked, check_picture, drawing, max_pixels


@click.command()
@click.argument("reference", type=PATH)
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per result.")
@drawing("Draw all side by side, with a magnified crop and the differences.")
@click.option(
    "--report",
    metavar="OUT.html",
    type=PATH,
    help="Write a page to judge the results by, the worst first.",
)
@max_pixels()
def compare(reference, results, as_json, picture, overwrite, report, max_pixels):
    """Measure results: PSNR in dB and SSIM.

    Each RESULT, a file or the files of a folder, is compared with REFERENCE or, where that is a
    folder, with the file of the same name in it; over all channels. A result that cannot be
    read or is of another size fails, and the others are still compared. Equal pictures have
    infinite PSNR (null in JSON).
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

    rows, failed, last, wanted = [], 0, None, None
    files, ignored = batch.find(results)
    if not files:
        click.echo(batch.nothing_found(results, ignored, recursive=True), err=True)
        return NOTHING
    find_reference = batch.matching(reference, "reference")
    for result, _ in files:
        try:
            place = find_reference(result)
            if place != last:
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
    if picture is not None and rows:
        _draw(picture, reference, wanted, rows)
    if page:
        with _said(report):
            page.write(overwrite)
    return int(failed > 0)


def _show(rows, as_json):
    if as_json:
        for reference, name, _, decibels, similarity in rows:
            numbers = {"psnr": _number(decibels), "ssim": _number(similarity)}
            click.echo(json.dumps({"reference": reference, "result": name, **numbers}))
        return
    width = max([len(row[1]) for row in rows], default=0)
    for _, name, _, decibels, similarity in rows:
        click.echo(f"{name:{width}}  {decibels:6.2f} dB  SSIM {similarity:.4f}")


def _about(reference, result, status):
    return {"input": reference, "output": result, "status": status}


def _number(value):
    return round(value, 4) if math.isfinite(value) else None


def _draw(path, reference, wanted, rows):
    from restore.files.figure import comparison, write_figure

    labels = [os.path.basename(reference)]
    labels += [f"{os.path.basename(name)}\n{decibels:.2f} dB" for _, name, _, decibels, _ in rows]
    figure = comparison(wanted, [samples for _, _, samples, _, _ in rows], labels)
    with _said(path):
        write_figure(path, figure)


@contextlib.contextmanager
def _said(path):
    """What is wrong with writing this file, as a sentence."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path}: {batch.failure_reason(error, path)}") from error
