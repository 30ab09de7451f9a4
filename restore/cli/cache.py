"""The command ``restore cache``."""

import click


@click.command()
@click.option("--path", "action", flag_value="path", help="Print where compiled kernels are kept.")
@click.option("--clear", "action", flag_value="clear", help="Delete them.")
@click.option(
    "--warm",
    "action",
    flag_value="warm",
    help="Compile now whatever is missing, which takes a minute.",
)
def cache(action: str) -> int:
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


def _warm() -> None:
    """Run every task once on a small picture, so that every kernel of a command is compiled."""
    import numpy as np

    import restore

    colour = np.random.default_rng(0).random((48, 48, 3), dtype=np.float32)
    hole = np.zeros(colour.shape[:2], bool)
    hole[16:32, 16:32] = True
    for picture in (colour, colour[..., :1].copy()):
        restore.denoise(picture, sigma=0.1)
        restore.inpaint(picture, picture[..., 0] > 0.7)
        restore.inpaint(picture, hole, quality="fast")
        restore.inpaint(picture, picture[..., 0] > 0.7, quality="fast", dictionary="learn")
        restore.decompress(restore.compress(picture).data)
        restore.super_resolve(picture)
    restore.decompress(restore.compress(colour, codec=restore.Dictionary.load("colour")).data)
    restore.demosaic(colour[..., 0].copy(), "RGGB")
    patches = colour.reshape(-1, 16)
    for coder in ("ormp", "fista"):
        restore.learn_dictionary(
            patches, (4, 4, 1), 32, 2, 0.1, rules=restore.Rules("online", coder), iterations=1
        )
    restore.learn_dictionary(
        patches, (4, 4, 1), 32, 2, rules=restore.Rules(nonnegative=True), iterations=1
    )
