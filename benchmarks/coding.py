"""The pursuit kernel against SPAMS: the same picks, how much faster."""

import numpy as np

from benchmarks.harness import Table, in_turns, machine, peer
from restore import coding
from restore.dictionary import Dictionary

SIGNALS = 200_000
PATCH_SHAPE = (8, 8, 1)
ATOMS = 256


def tables(run):
    """Random signals over random atoms, a given number of atoms each."""
    if peer("spams", "spams-bin"):
        yield pursuit(run)


def pursuit(run, sparsities=(2, 5, 10, 16)):
    """ORMP, one thread and all."""
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((ATOMS, 64))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    dictionary = Dictionary(atoms * signs(atoms), PATCH_SHAPE)
    signals = rng.standard_normal((SIGNALS, 64)).astype(np.float32)
    columns = np.asfortranarray(signals.T)
    atom_columns = np.asfortranarray(dictionary.atoms.T)
    spams = peer("spams", "spams-bin")

    rows = []
    for threads in sorted({1, run.threads}):
        for sparsity in sparsities:
            functions = {
                "restore": lambda sparsity=sparsity, threads=threads: coding.code(
                    signals, dictionary, sparsity, threads=threads
                ),
                "spams": lambda sparsity=sparsity, threads=threads: spams.omp(
                    columns, atom_columns, L=sparsity, eps=0.0, numThreads=threads
                ),
            }
            results, seconds = in_turns(functions, run.repetitions)
            same = same_picks(results["restore"], results["spams"])
            ratio = seconds["spams"] / seconds["restore"]
            rows.append([threads, sparsity, seconds["restore"], seconds["spams"], ratio, same])
    return Table(
        name="coding-pursuit",
        title=f"ORMP of {SIGNALS:,} signals of 64 samples over {ATOMS} atoms, against SPAMS",
        columns=[
            ("threads", "d"),
            ("atoms a signal", "d"),
            ("restore (s)", ".3f"),
            ("SPAMS (s)", ".3f"),
            ("times faster", ".2f"),
            ("same picks", ".4%"),
        ],
        rows=rows,
        notes=f"Medians of {run.repetitions} runs in turns.",
        machine=machine("spams-bin"),
    )


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
