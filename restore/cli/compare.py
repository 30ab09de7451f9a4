"""``restore compare``"""

import json
import math
import os

import click

from restore.batch import failure_reason
from restore.cli.options import check_picture, drawing, max_pixels


@click.command()
@click.argument("reference", type=click.Path())
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object per result.")
@drawing("Draw all side by side, with a magnified crop and the differences.")
@max_pixels()
def compare(reference, results, as_json, picture, overwrite, max_pixels):
    """Measure RESULTs against a REFERENCE: PSNR in dB and SSIM, over all channels.

    A result that cannot be read or is of another size fails, and the others are still
    compared. Equal pictures have infinite PSNR (null in JSON).
    """
    if picture is not None:
        check_picture(picture, overwrite)

    from restore.files.reading import read_picture
    from restore.measures import psnr, ssim

    try:
        wanted = read_picture(reference, max_pixels=max_pixels).samples
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{reference}: {failure_reason(error)}") from error
    rows, failed = [], 0
    for result in results:
        try:
            samples = read_picture(result, max_pixels=max_pixels).samples
            rows.append((result, samples, psnr(wanted, samples), ssim(wanted, samples)))
        except (OSError, ValueError) as error:
            click.echo(f"restore: {result}: {failure_reason(error)}", err=True)
            failed += 1
    _show(rows, reference, as_json)
    if picture is not None and rows:
        _draw(picture, reference, wanted, rows)
    return int(failed > 0)


def _show(rows, reference, as_json):
    if as_json:
        for name, _, decibels, similarity in rows:
            numbers = {"psnr": _number(decibels), "ssim": _number(similarity)}
            click.echo(json.dumps({"reference": reference, "result": name, **numbers}))
        return
    width = max([len(row[0]) for row in rows], default=0)
    for name, _, decibels, similarity in rows:
        click.echo(f"{name:{width}}  {decibels:6.2f} dB  SSIM {similarity:.4f}")


def _number(value):
    return round(value, 4) if math.isfinite(value) else None


def _draw(path, reference, wanted, rows):
    from restore.files.figure import comparison, write_figure

    labels = [os.path.basename(reference)]
    labels += [f"{os.path.basename(name)}\n{decibels:.2f} dB" for name, _, decibels, _ in rows]
    figure = comparison(wanted, [samples for _, samples, _, _ in rows], labels)
    try:
        write_figure(path, figure)
    except OSError as error:
        raise click.ClickException(f"{path}: {failure_reason(error)}") from error
