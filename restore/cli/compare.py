"""``restore compare``"""

import click


@click.command()
@click.argument("reference", type=click.Path())
@click.argument("results", nargs=-1, required=True, metavar="RESULT...", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object per result.")
def compare(reference, results, as_json):
    """Measure results against a REFERENCE picture: PSNR and SSIM."""
    raise click.UsageError("not there yet")
