"""Fitting of the small networks of `restore.imaging.network`; needs PyTorch."""

import argparse
from pathlib import Path

import numpy as np


def half_precision():
    """A context that computes in bfloat16, if the processor does; others emulate it, slowly."""
    import torch  # which drawing examples does not need

    native = torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=native)


class Layers:
    """Two hidden layers of `width`, to be fitted.

    Attributes
    ----------
    network : torch module
    """

    def __init__(self, inputs, width, outputs, seed):
        import torch  # which drawing examples does not need

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        sizes = [inputs, width, width, outputs]
        self._layers = [torch.nn.Linear(*pair) for pair in zip(sizes, sizes[1:])]
        first, second, last = self._layers
        activation = torch.nn.ReLU()
        self.network = torch.nn.Sequential(first, activation, second, activation, last)

    def fit(self, loss, steps, rate, decay):
        """Minimise ``loss()``, of a batch that it draws, by Adam."""
        import torch

        optimiser = torch.optim.AdamW(self.network.parameters(), rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            value = loss()
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()

    def arrays(self):
        """The three layers as `Network` takes them: weights, and what is added in the last row."""
        return [
            np.concatenate([layer.weight.detach().numpy().T, layer.bias.detach().numpy()[None]])
            for layer in self._layers
        ]


def commands(description, caches, count, steps, width):
    """A parser of ``draw FOLDER CACHE`` and ``fit CACHE WEIGHTS``, and that of ``draw`` alone.

    `caches` is how many there are for ``fit``, in the words of argparse.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    both = parser.add_subparsers(dest="command", required=True)
    drawing = both.add_parser("draw")
    drawing.add_argument("folder", type=Path)
    drawing.add_argument("cache", type=Path)
    drawing.add_argument("--count", type=int, default=count)
    drawing.add_argument("--seed", type=int, default=0)
    fitting = both.add_parser("fit")
    fitting.add_argument("caches" if caches else "cache", type=Path, nargs=caches)
    fitting.add_argument("weights", type=Path)
    fitting.add_argument("--steps", type=int, default=steps)
    fitting.add_argument("--width", type=int, default=width)
    fitting.add_argument("--seed", type=int, default=0)
    return parser, drawing
