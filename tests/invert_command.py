"""A command as the tasks' commands are built, with the simplest task: for the batch tests."""

import functools
import os
import signal
import sys
import time

import click

from restore import batch
from restore.cli.options import batch_options
from restore.files import signals
from restore.imaging.bands import tell


@click.command()
@click.option("--wait", type=float, default=0.0)
@click.option("--die", type=int, help="Height of the picture that kills its process.")
@click.option("--mask", type=click.Path())
@batch_options(suffix="-inverted")
def invert(inputs, options, mask, **settings):
    companions = {"mask": mask} if mask else None
    return batch.run(
        functools.partial(invert_picture, **settings), inputs, options, companions=companions
    )


def invert_picture(picture, *, pool, wait=0.0, die=None, mask=None):
    end = time.monotonic() + wait
    steps = 20
    for step in range(steps):
        time.sleep(max(0, end - time.monotonic()) / (steps - step))
        tell(pool, "inverting", step + 1, steps)
    if picture.samples.shape[0] == die:
        os.kill(os.getpid(), signal.SIGKILL)
    samples = 1 - picture.samples
    if mask is not None:
        samples = picture.samples * (mask.samples < 0.5) + samples * (mask.samples >= 0.5)
    facts = {"mean": float(picture.samples.mean()), "threads": pool.threads}
    return batch.Result(picture.replace(samples=samples), facts)


if __name__ == "__main__":
    signals.listen()
    sys.exit(invert(standalone_mode=False))
