"""``restore cache``"""

import click


@click.command()
@click.option("--path", "action", flag_value="path", help="Print where compiled kernels are kept.")
@click.option("--clear", "action", flag_value="clear", help="Delete them.")
@click.option(
    "--warm", "action", flag_value="warm", help="Compile now what is not there yet: a minute."
)
def cache(action):
    """Show, delete or fill the cache of compiled kernels."""
    if action is None:
        raise click.UsageError("choose one of --path, --clear, --warm")
    from restore.kernels import jit

    if action == "path":
        click.echo(jit.cache_folder() or "no folder can be written: kernels are compiled each time")
    elif action == "clear":
        jit.clear_cache()
    else:
        _warm()
    return 0


def _warm():
    """Let every task run once on a small picture of noise, which leaves no kernel out."""
    import numpy as np

    import restore

    colour = np.random.default_rng(0).random((48, 48, 3), dtype=np.float32)
    for picture in (colour, colour[..., :1].copy()):
        restore.denoise(picture, sigma=0.1)
        restore.inpaint(picture, picture[..., 0] > 0.7)
        restore.decompress(restore.compress(picture).data)
    restore.demosaic(colour[..., 0].copy(), "RGGB")
