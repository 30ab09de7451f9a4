"""Learn the parameters of unrolled sparse coding: ``python -m training.unrolled``.

    python -m training.unrolled CACHE denoise-grey.npz --minutes 40

Learns from the data that `training.pilots` stores in CACHE. The loss is minimised by Adam, through
the averaging of the patches, starting from a packaged dictionary or from another coder. Reports the
gain on held-out pictures, continues after an interruption, and needs PyTorch
(``pip install restore-ksvd[training]``).
"""

import argparse
import copy
import dataclasses
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import multiprocessing
from torch.nn import functional

import restore
from restore.imaging.colour import AXES
from restore.sparse.dictionary import Dictionary
from restore.sparse.patches import positions
from restore.sparse.unrolled import ESTIMATE, STRIDE, UNIT, Coder, coding_at
from restore.tasks.demosaicing import sampled
from training.network import half_precision

#: Side of the crops in a batch; border that the loss ignores.
CROP, BORDER = 64, 4

#: Steps between averagings over the workers.
TOGETHER = 8


# Pictures -------------------------------------------------------------------------------


class Pictures:
    """The pictures of the cache, and random batches of them."""

    def __init__(self, cache, kind):
        self.cache, self.kind, self.held, self.photos = cache, kind, {}, set()
        self.refresh()

    def refresh(self):
        """Read new files."""
        for file in sorted(self.cache.glob(f"{self.kind}-*.npz")):
            if file not in self.held and ".part" not in file.name:
                with np.load(file) as content:
                    clean, estimate = content["clean"], content["estimate"]
                    self.photos.add(str(content["photo"]))
                    self.counted = str(content["counted"])
                    if min(clean.shape[1:]) > CROP:
                        # patches lie at even places, the last ones, too
                        even = np.s_[..., : clean.shape[1] // 2 * 2, : clean.shape[2] // 2 * 2]
                        pair = np.stack([clean, estimate], axis=1)[even]
                        level, label = float(content["sigma"]), str(content["label"])
                        self.held[file] = pair, content["kinds"][even], level, label
        self.all = list(self.held.values())
        areas = np.array([pair[0, 0].size for pair, *_ in self.all], float)
        self.shares = areas / areas.sum()

    def batch(self, count, random):
        """Crops, turned, mirrored and of other contrast; the estimates by groups likewise."""
        found = []
        for index in random.choice(len(self.all), count, p=self.shares):
            known, kinds, sigma, _ = self.all[index]
            mirrors = random.integers(2, size=2)
            # mirrored from an odd place on, it begins with the red sample of a mosaic, too
            top, left = (
                mirror + 2 * random.integers(0, (n - CROP - mirror) // 2 + 1)
                for n, mirror in zip(known.shape[2:], mirrors)
            )
            window = np.s_[..., top : top + CROP, left : left + CROP]
            flipped = np.s_[..., :: 1 - 2 * mirrors[0], :: 1 - 2 * mirrors[1]]
            transposed = random.integers(2)
            contrast = np.float32(np.exp(random.uniform(-0.25, 0.25)))
            parts = []
            for samples in (known[window], kinds[window]):
                samples = samples[flipped].astype(np.float32)
                parts.append(contrast * (samples.swapaxes(-2, -1) if transposed else samples))
            level = contrast * sigma if self.counted == "all" else sigma
            clean, estimate = np.moveaxis(parts[0], 1, 0)
            found.append((clean, estimate, parts[1], np.float32(level)))
        return [torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*found)]


# The coder ------------------------------------------------------------------------------


class Shrink(torch.autograd.Function):
    """sign(v) max(|v| - t, 0), with one pass over memory less than PyTorch's own."""

    @staticmethod
    def forward(context, values, thresholds):
        codes = torch.clamp(values, -thresholds, thresholds).neg_().add_(values)
        context.save_for_backward(codes)
        return codes

    @staticmethod
    def backward(context, gradient):
        (codes,) = context.saved_tensors
        signs = codes.sign()
        thresholds = -(gradient * signs).sum((1, 2), keepdim=True, dtype=torch.float32)
        return gradient * signs.abs_(), thresholds.to(gradient.dtype)


class Unrolled(torch.nn.Module):
    """`restore.sparse.unrolled.correct` in PyTorch, with its weights."""

    def __init__(
        self, channels, n_kinds, n_atoms, n_steps, mosaics=False, *, start="grey", stride=STRIDE
    ):
        super().__init__()
        start = Dictionary.load(start) if isinstance(start, str) else start
        self.stride = stride
        side = start.patch_shape[0]
        order = np.random.default_rng(0).permutation(start.n_atoms)[:n_atoms]
        atoms = torch.from_numpy(start.atoms[order].copy())
        generator = torch.Generator().manual_seed(1)

        def mix(count, scales):
            """Shares of the atoms in each of `count` planes."""
            shares = torch.randn(n_atoms, count, generator=generator)
            return scales * shares / shares.norm(dim=1, keepdim=True)

        # about as large as each other
        scales = [4, 4, 0.5, 2] if mosaics else [1, 3, 0.5, 1] + (n_kinds - 4) * [1]
        if n_kinds == 2:
            scales = [1, 1]
        shares = mix(n_kinds * channels, torch.tensor(scales).repeat(channels))
        gram = atoms @ atoms.T
        step = torch.eye(n_atoms) - gram / torch.linalg.eigvalsh(gram)[-1]
        analysis = torch.einsum("kx,ki->ixk", atoms, shares)
        small = (
            0.02 if n_kinds == 2 else 0.003
        )  # what is corrected is far from the picture, or near
        window = torch.hann_window(side + 2, periodic=False)[1:-1].sqrt()
        weights = {
            "analysis": torch.stack([analysis, torch.zeros_like(analysis)]),
            "steps": step.repeat(n_steps, 1, 1),
            "gains": torch.full((n_steps, n_atoms), 0.1),
            "thresholds": torch.tensor([0.02, 0.05])[:, None].repeat(n_steps + 1, 1, n_atoms),
            "synthesis": torch.einsum("kx,kc->kxc", small * atoms, mix(channels, 1)).reshape(
                n_atoms, side, side, channels
            ),
            "log_window": torch.outer(window, window).log(),
        }
        for name, values in weights.items():
            self.register_parameter(name, torch.nn.Parameter(values))

    @torch.no_grad()
    def start_from(self, coder):
        """Start from another coder's weights: of as many channels, or grey.

        Inputs that it lacks get zero weights.
        """
        if coder.channels == 1 < self.synthesis.shape[-1]:
            self._start_from_grey(coder)
            return
        kinds, known = (len(a) // coder.channels for a in (self.analysis[0], coder.analysis[0]))
        self.analysis.zero_()
        parts = self.analysis.unflatten(1, (coder.channels, kinds))
        weights = torch.from_numpy(coder.analysis.copy())
        parts[:, :, :known] = weights.unflatten(1, (coder.channels, known))[:, :, :kinds]
        for name in ("steps", "gains", "thresholds"):
            getattr(self, name)[:] = torch.from_numpy(getattr(coder, name).copy())
        self.synthesis[:] = torch.from_numpy(coder.synthesis / coder.window[..., None])
        self.log_window[:] = torch.from_numpy(coder.window.copy()).log()

    def _start_from_grey(self, grey):
        """Code the first plane, luma, as `grey` does; the other atoms are for the colours.

        Light is grey times `gain`: its noise is less beside it.
        """
        gain = float(AXES[3][0].sum())
        n_atoms, kinds = len(grey.synthesis), grey.analysis.shape[1]
        constant, rising = (torch.from_numpy(part.copy()) for part in grey.analysis)
        self.analysis[:, :, :, :n_atoms] = 0
        self.analysis[0, :kinds, :, :n_atoms] = constant / gain
        self.analysis[1, :kinds, :, :n_atoms] = rising / gain**2
        self.steps[:, :n_atoms] = 0
        self.steps[:, :, :n_atoms] = 0
        self.steps[:, :n_atoms, :n_atoms] = torch.from_numpy(grey.steps.copy())
        self.gains[:, :n_atoms] = torch.from_numpy(grey.gains.copy())
        thresholds = torch.from_numpy(grey.thresholds.copy())
        self.thresholds[:, :, :n_atoms] = thresholds / torch.tensor([[1], [gain]])
        atoms = torch.from_numpy(grey.synthesis / grey.window[..., None])
        self.synthesis[:n_atoms] = 0
        self.synthesis[:n_atoms, :, :, :1] = gain * atoms
        self.log_window[:] = torch.from_numpy(grey.window.copy()).log()

    def forward(self, estimate, kinds, sigma):
        """The corrected estimate, from it and (batch, channels, n_kinds, height, width) inputs.

        `sigma` is (batch,), in [0, 1].
        """
        middle = torch.zeros(kinds.shape[1:3])
        middle[:, min(ESTIMATE, kinds.shape[2] - 1)] = 0.5 * torch.from_numpy(
            AXES[estimate.shape[1]].sum(axis=1)
        )
        inputs = (kinds - middle[..., None, None]).flatten(1, 2) / UNIT
        side = len(self.log_window)
        levels = torch.stack([torch.ones_like(sigma), sigma / UNIT], dim=1)
        thresholds = functional.relu(torch.einsum("kjm,bj->kbm", self.thresholds, levels))
        # the matrix at each level, as two products: one kernel serves a batch of levels
        inputs = (levels[:, :, None, None, None] * inputs[:, None]).flatten(1, 2)
        kernel = self.analysis.flatten(0, 1).permute(2, 0, 1).unflatten(2, (side, side))
        analysed = functional.conv2d(
            inputs.contiguous(memory_format=torch.channels_last), kernel, stride=self.stride
        ).permute(0, 2, 3, 1)
        thresholds = thresholds[:, :, None, None, :].to(analysed.dtype)
        codes = Shrink.apply(analysed, thresholds[0])
        for step, gains, threshold in zip(self.steps, self.gains, thresholds[1:], strict=True):
            codes = torch.addcmul(codes @ step.to(codes.dtype), analysed, gains.to(analysed.dtype))
            codes = Shrink.apply(codes, threshold)
        window = self.log_window.exp()
        atoms = self.synthesis.permute(0, 3, 1, 2) * window
        total = functional.conv_transpose2d(codes.permute(0, 3, 1, 2), atoms, stride=self.stride)
        ones = torch.ones_like(analysed[:1, :, :, :1]).float().permute(0, 3, 1, 2)
        weight = functional.conv_transpose2d(ones, window[None, None], stride=self.stride)
        return estimate + UNIT * total.float() / weight

    def export(self, provenance):
        """The weights in the package's format."""
        weights = {name: values.detach().numpy() for name, values in self.named_parameters()}
        weights["window"] = np.exp(weights.pop("log_window"))
        weights["synthesis"] = weights["synthesis"] * weights["window"][..., None]
        return Coder(**weights, provenance=provenance)


def thinned(coder, count, inputs, pictures):
    """A coder to start from, with the `count` atoms of `coder` that carry most energy.

    `inputs` says for each input of the pictures which one of `coder` it is most like; "-" for none.
    """
    kinds = coder.n_kinds
    weights = coder.analysis.reshape(2, coder.channels, kinds, -1, len(coder.synthesis))
    analysis = np.zeros((2, coder.channels, len(inputs), *weights.shape[3:]), np.float32)
    for own, other in enumerate(inputs):
        if other != "-":
            analysis[:, :, own] = weights[:, :, int(other)]
    analysis = analysis.reshape(2, -1, *weights.shape[3:])
    whole = dataclasses.replace(coder, analysis=analysis)
    energy = np.zeros(len(coder.synthesis))
    for _, kinds, sigma, _ in pictures.all[::40]:
        rows, columns = (positions(n, coder.side, 4) for n in kinds.shape[2:])
        given = kinds.astype(np.float32).swapaxes(0, 1)
        code, _ = coding_at(lambda own, given=given: given[:, :, own], sigma, whole, columns)
        found = np.zeros(len(energy))
        for band in np.array_split(rows, -(-len(rows) // 8)):
            found += sum(np.square(codes).sum(axis=0) for _, codes in code(band))
        found *= np.square(coder.synthesis).sum(axis=(1, 2, 3))
        energy += found / found.sum()
    kept = np.sort(np.argsort(-energy)[:count])
    return dataclasses.replace(
        whole,
        analysis=analysis[..., kept],
        steps=coder.steps[:, kept][:, :, kept],
        gains=coder.gains[:, kept],
        thresholds=coder.thresholds[..., kept],
        synthesis=coder.synthesis[kept],
    )


# Learning -------------------------------------------------------------------------------


def squared_errors(estimate, clean, counted, kinds):
    """Of each picture of (batch, channels, height, width) planes, without the border.

    Of mosaics, those of the hidden colours; of missing pixels, theirs.
    """
    errors = estimate - clean
    if counted == "missing":
        errors = errors * (kinds[:, :, 0] > 0)
    if counted == "hidden":
        errors = torch.einsum("kc,bkij->bcij", torch.from_numpy(AXES[3]), errors)
        colours = np.arange(3)
        measured = sampled(np.broadcast_to(colours, (*errors.shape[2:], 3)), "RGGB")
        hidden = torch.from_numpy(measured != colours[:, None, None])
        errors = hidden * errors
    inner = slice(BORDER, -BORDER)
    return (errors[..., inner, inner] ** 2).mean((1, 2, 3))


def gains_on(model, pictures):
    """Mean gain in dB over the estimate that is corrected, level by level."""
    found = {}
    with torch.no_grad(), half_precision():
        for known, kinds, sigma, label in pictures.all:
            clean, before = torch.from_numpy(known.astype(np.float32)).unbind(1)
            kinds = torch.from_numpy(kinds.astype(np.float32))[None]
            after = model(before[None], kinds, torch.tensor([sigma]))
            pairs = (
                (estimate, clean[None], pictures.counted, kinds)
                for estimate in (before[None], after)
            )
            errors = [float(squared_errors(*pair)) for pair in pairs]
            found.setdefault(label, []).append(10 * math.log10(errors[0] / errors[1]))
    return {label: round(sum(gains) / len(gains), 3) for label, gains in sorted(found.items())}


def fit(rank, settings, board, barrier):
    """One of several workers: each learns separately, and continues from their mean regularly."""
    torch.set_num_threads(1)
    random = np.random.default_rng((settings.seed, rank))
    pictures = Pictures(settings.cache, "learn")
    validation = Pictures(settings.cache, "validation")
    channels, n_kinds = pictures.all[0][1].shape[:2]
    model = Unrolled(
        channels,
        n_kinds,
        settings.atoms,
        settings.coder_steps,
        pictures.counted == "hidden",
        stride=settings.stride,
    )
    if settings.start:
        start = Coder.load(settings.start)
        if settings.start_inputs:
            start = thinned(start, settings.atoms, settings.start_inputs.split(","), pictures)
        model.start_from(start)
    optimiser = torch.optim.Adam(model.parameters(), settings.rate, betas=(0.9, 0.99))
    average, step, spent = copy.deepcopy(model), 0, 0.0
    checkpoint = settings.weights.with_suffix(".checkpoint")
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
        random = np.random.default_rng((settings.seed, rank, step))
    begun, started, told, losses = step, time.monotonic() - spent, time.monotonic(), []
    while True:
        spent = time.monotonic() - started
        if (step - begun) % TOGETHER == 0:
            board[rank, 0] = spent
            board[rank, 1:] = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
            barrier.wait()
            mean = board.mean(dim=0)
            barrier.wait()
            torch.nn.utils.vector_to_parameters(mean[1:].clone(), model.parameters())
            done = max(float(mean[0]) / (60 * settings.minutes), step / settings.steps)
            if done >= 1:
                break
        rate = settings.rate * min(1, (step + 1) / 100) * (1 + math.cos(math.pi * done)) / 2
        optimiser.param_groups[0]["lr"] = rate
        clean, estimate, kinds, sigma = pictures.batch(settings.batch, random)
        with half_precision():
            restored = model(estimate, kinds, sigma)
        errors = squared_errors(restored, clean, pictures.counted, kinds)
        # so that every strength of damage counts the same
        usual = squared_errors(estimate, clean, pictures.counted, kinds) + (1 / 255) ** 2
        loss = (errors / usual).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        losses.append(loss.item())
        decay = min(0.998, step / (step + 20))
        for kept, values in zip(average.parameters(), model.parameters(), strict=True):
            kept.data.lerp_(values.data, 1 - decay)
        if rank == 0 and time.monotonic() - told > settings.tell:
            loss = sum(losses) / len(losses)
            gains = gains_on(average, validation)
            print(f"{spent:6.0f} s, step {step}: loss {loss:.4f}, gains in dB {gains}", flush=True)
            torch.save(
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "spent": spent,
                },
                checkpoint,
            )
            losses, told = [], time.monotonic()
            pictures.refresh()
    if rank == 0:
        gains = gains_on(average, validation)
        print(f"{spent:6.0f} s, step {step}: at the end, gains in dB {gains}", flush=True)
        provenance = {
            "learned_from": sorted({Path(photo).parts[0] for photo in pictures.photos}),
            "pictures": len(pictures.photos),
            "crops": len(pictures.all),
            "steps": step,
            "settings": {
                name: getattr(settings, name)
                for name in ("atoms", "coder_steps", "batch", "rate", "workers", "minutes")
            },
            "validation_gains": gains,
            "seed": settings.seed,
            "restore": restore.__version__,
        }
        average.export(provenance).save(settings.weights)


def main():
    """Learn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--start", type=Path, help="weights of another coder")
    parser.add_argument(
        "--start-inputs",
        help="which of its inputs ours are like, e.g. 0,-,2,4; keeps --atoms of its atoms",
    )
    parser.add_argument("--atoms", type=int, default=192)
    parser.add_argument("--coder-steps", type=int, default=6)
    parser.add_argument("--stride", type=int, default=STRIDE, help="pixels between patches")
    parser.add_argument("--batch", type=int, default=8, help="crops for each worker")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--tell", type=float, default=180, help="seconds between lines")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    shape = Pictures(asked.cache, "learn").all[0][1].shape[:2]
    count = sum(p.numel() for p in Unrolled(*shape, asked.atoms, asked.coder_steps).parameters())
    context = multiprocessing.get_context("spawn")
    board = torch.zeros(asked.workers, 1 + count).share_memory_()
    multiprocessing.spawn(fit, (asked, board, context.Barrier(asked.workers)), nprocs=asked.workers)


if __name__ == "__main__":
    main()
