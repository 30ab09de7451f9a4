"""``restore cache``"""

import click


@click.command()
@click.option("--path", "action", flag_value="path", help="Print where compiled kernels are kept.")
@click.option("--clear", "action", flag_value="clear", help="Delete them.")
@click.option("--warm", "action", flag_value="warm", help="Compile now what is not there yet.")
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
        import numpy as np

        from restore.denoising import denoise

        for channels in (1, 3):
            ramp = np.linspace(0, 1, 32 * 32 * channels, dtype=np.float32)
            denoise(ramp.reshape(32, 32, channels), sigma=0.1)
    return 0
