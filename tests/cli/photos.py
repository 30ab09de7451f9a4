"""Photos to learn from, and the command that learns."""

import json

import numpy as np
from click.testing import CliRunner

from restore.cli import cli


def noise(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


def call(*arguments):
    return CliRunner().invoke(cli, ["train", *map(str, arguments)], standalone_mode=False)


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]
