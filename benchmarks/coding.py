"""The pursuit kernel against SPAMS: the same picks, how much faster."""

import numpy as np

from benchmarks.harness import Table, in_turns, machine, noisy, peer
from restore.imaging.bands import Pool
from restore.sparse import coding, patches
from restore.sparse.dictionary import Dictionary

PATCH_SHAPE = (8, 8, 1)
ATOMS = 256
SIGNALS, MANY = 200_000, 2_000_000
SIGMA = 25


def tables(run):
    """ORMP on one thread and on all, of as many atoms as said and of as many as needed."""
    if peer("spams", "spams-bin"):
        yield pursuit(run)


def pursuit(run):
    """Random signals over random atoms; patches under noise over the packaged dictionary."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((ATOMS, 64))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    dictionary = Dictionary(atoms * signs(atoms), PATCH_SHAPE)
    cases = [
        (count, f"{sparsity} atoms", dictionary, sparsity, 0.0)
        for count in (SIGNALS, MANY)
        for sparsity in (2, 5, 10, 16)
    ]
    enough = (1.1 * SIGMA / 255) ** 2 * 64
    cases.append((SIGNALS, f"noise of {SIGMA} levels", Dictionary.load("grey"), 64, enough))

    rows = []
    for count, stop, dictionary, sparsity, tolerance in cases:
        random = rng.standard_normal((count, 64), dtype=np.float32)
        signals = random if not tolerance else noisy_patches(run, count)
        for threads in sorted({1, run.threads}):
            rows.append(
                [f"{count:,}", stop, threads]
                + raced(run, signals, dictionary, sparsity, tolerance, threads)
            )
    return Table(
        name="coding-pursuit",
        title=f"ORMP of signals of 64 samples over {ATOMS} atoms, against SPAMS",
        columns=[
            ("signals", ""),
            ("stops at", ""),
            ("threads", "d"),
            ("restore (s)", ".3f"),
            ("SPAMS (s)", ".3f"),
            ("times faster", ".2f"),
            ("same picks", ".3%"),
        ],
        rows=rows,
        notes=f"Medians of {run.repetitions} runs in turns. Random signals over random atoms; "
        "where noise is named, patches of a picture under it, coded over the packaged "
        "dictionary down to its energy.",
        machine=machine("spams-bin"),
    )


def raced(run, signals, dictionary, sparsity, tolerance, threads):
    """[our seconds, those of SPAMS, their ratio, the share of the same picks]."""
    spams = peer("spams", "spams-bin")
    columns, atom_columns = signals.T, np.asfortranarray(dictionary.atoms.T)
    results, seconds = in_turns(
        {
            "restore": lambda: coding.code(
                signals, dictionary, sparsity, tolerance, pool=Pool(threads)
            ),
            "spams": lambda: spams.omp(
                columns, atom_columns, L=sparsity, eps=tolerance, numThreads=threads
            ),
        },
        run.repetitions,
    )
    same = same_picks(results["restore"], results["spams"])
    return [seconds["restore"], seconds["spams"], seconds["spams"] / seconds["restore"], same]


def noisy_patches(run, count):
    """Centred patches at random places of pictures under noise."""
    _, pictures = run.pictures("test/set12", "camera-clean.png", grey=True)
    drawn = [
        patches.sample(noisy(picture, SIGMA, i)[..., None], PATCH_SHAPE, -(-count // len(pictures)))
        for i, picture in enumerate(pictures.values())
    ]
    signals = np.concatenate(drawn)
    patches.centre(signals, 1)
    return signals


def signs(atoms):
    """The sign of the largest component of each atom, as a column."""
    largest = np.abs(atoms).argmax(axis=1)
    return np.sign(np.take_along_axis(atoms, largest[:, None], axis=1))


def same_picks(codes, sparse):
    """Share of the signals for which both chose the same atoms."""
    counts = np.diff(sparse.indptr)
    width = codes.indices.shape[1]
    theirs = np.full((len(counts), width), ATOMS)
    theirs[np.arange(width) < counts[:, None]] = sparse.indices
    ours = np.where(np.arange(width) < codes.counts[:, None], codes.indices, ATOMS)
    return float((np.sort(ours, axis=1) == np.sort(theirs, axis=1)).all(axis=1).mean())
