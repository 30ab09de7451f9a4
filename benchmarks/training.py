"""Dictionary learning against SPAMS and scikit-learn; planted atoms; portraits; growth."""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from benchmarks.harness import (
    SAMPLES,
    Table,
    machine,
    measure_process,
    peer,
    read_folder,
    restore_command,
    unit,
)
from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.learning import dictionaries
from restore.sparse import dictionary_learning
from restore.sparse import patches as patching
from restore.sparse.dictionary import Dictionary
from restore.sparse.dictionary_learning import Rules

PATCH_SHAPE = (8, 8, 1)
ATOMS, SPARSITY, PATCHES, TURNS = 256, 5, 200_000, 20
GREY = (0.299, 0.587, 0.114)

#: Side of the patches of portraits, atoms, patches to learn from, and turns.
PORTRAITS = (
    (8, 256, 200_000, 20),
    (8, 2048, 200_000, 8),
    (32, 1024, 40_000, 8),
    (64, 512, 20_000, 6),
)


def tables(run):
    """Error against time, planted dictionaries, one kind of pictures, all patches of a folder."""
    yield against_time(run)
    yield planted(run)
    if run.data and (run.data / "train/faces").is_dir() and (run.data / "test/faces").is_dir():
        yield portraits(run)
    yield growth(run)


def grey(picture):
    """A picture as (height, width, 1) float32."""
    values = unit(picture)
    return (values if values.shape[2] == 1 else values @ np.array(GREY)[:, None]).astype(np.float32)


def photographs(run):
    """(name, grey pictures) to learn from."""
    if run.data and (run.data / "train/bsds").is_dir():
        return "train/bsds", [grey(one) for one in read_folder(run.data / "train/bsds").values()]
    return "samples", [grey(one) for one in read_folder(SAMPLES, "*-clean.png").values()]


# Error against time -----------------------------------------------------------------------


def against_time(run):
    """All start from the same atoms; the error is that of patches set apart, coded alike."""
    name, pictures = photographs(run)
    drawn = dictionaries.draw(pictures, PATCH_SHAPE, PATCHES, pool=Pool(run.threads))
    start = dictionary_learning.first_dictionary(drawn.patches, PATCH_SHAPE, ATOMS, "data")
    next(dictionary_learning.iterate(drawn.patches[:5000], start, SPARSITY))  # compiles

    lines = {}
    for method in ("ksvd", "online"):
        next(
            dictionary_learning.iterate(drawn.patches[:5000], start, SPARSITY, rules=Rules(method))
        )
        lines[f"restore, {method}"] = ours(run, drawn, start, method)
        print(f"  {method}: {lines[f'restore, {method}'][-1]}", file=sys.stderr)
    budget = lines["restore, ksvd"][-1][0]
    if peer("spams", "spams-bin"):
        lines["SPAMS trainDL, OMP"] = spams(run, drawn, start, budget, 3, SPARSITY)
        # the l1 penalty at which its codes, too, have about five atoms
        lines["SPAMS trainDL, l1"] = spams(run, drawn, start, budget, 2, 0.15)
    if peer("sklearn", "scikit-learn"):
        lines["scikit-learn, mini-batch"] = scikit_learn(run, drawn, start, 10 * budget)
    start_error = 255 * dictionaries.error(start, drawn.held_out, SPARSITY)
    rows = [[name, points[-1][0], start_error, points[-1][1]] for name, points in lines.items()]
    return Table(
        name="training-time",
        title=f"Learning {ATOMS} atoms from {len(drawn.patches):,} patches of 8x8 of {name}: error "
        f"of {len(drawn.held_out):,} other patches with {SPARSITY} atoms each",
        columns=[
            ("method", ""),
            ("seconds", ".1f"),
            ("RMSE before (levels)", ".3f"),
            ("RMSE after", ".3f"),
        ],
        rows=rows,
        notes=f"{TURNS} turns of K-SVD; SPAMS the same time, scikit-learn ten times as long.",
        machine=machine("spams-bin", "scikit-learn", threads=run.threads),
        curves={
            "x": "seconds",
            "y": "RMSE of other patches (levels)",
            "log": "x",
            "lines": {
                name: [list(axis) for axis in zip(*points)] for name, points in lines.items()
            },
        },
    )


def judged(atoms, drawn):
    """RMSE in levels of the patches set apart, coded with the atoms of anyone."""
    atoms = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    return 255 * dictionaries.error(Dictionary(atoms, PATCH_SHAPE), drawn.held_out, SPARSITY)


def ours(run, drawn, start, method):
    """[(seconds, RMSE)] after every turn; the time of judging does not count."""
    points, seconds, began = [], 0.0, time.perf_counter()
    for turn in dictionary_learning.iterate(
        drawn.patches,
        start,
        SPARSITY,
        iterations=TURNS,
        pool=Pool(run.threads),
        rules=Rules(method),
    ):
        seconds += time.perf_counter() - began
        points.append((seconds, judged(turn.dictionary.atoms, drawn)))
        began = time.perf_counter()
    return points


def spams(run, drawn, start, budget, mode, amount):
    """[(seconds, RMSE)] of runs of growing length."""
    columns = np.asfortranarray(drawn.patches.T, dtype=np.float64)
    atoms = np.asfortranarray(start.atoms.T, dtype=np.float64)
    points = []
    for share in (0.125, 0.25, 0.5, 1):
        began = time.perf_counter()
        learned = peer("spams").trainDL(
            columns, D=atoms, mode=mode, lambda1=amount, iter=-max(1, int(np.ceil(share * budget))),
            numThreads=run.threads, verbose=False,
        )  # fmt: skip
        points.append((time.perf_counter() - began, judged(learned.T, drawn)))
        print(f"  SPAMS: {points[-1]}", file=sys.stderr)
    return points


def scikit_learn(run, drawn, start, budget):
    """[(seconds, RMSE)] as its mini-batches go on, until the budget is spent."""
    learner = peer("sklearn.decomposition").MiniBatchDictionaryLearning(
        ATOMS, alpha=0.1, batch_size=1024, dict_init=start.atoms.astype(np.float64),
        fit_algorithm="cd", n_jobs=run.threads, random_state=0,
    )  # fmt: skip
    patches = drawn.patches.astype(np.float64)
    points, seconds, due = [], 0.0, 0.0
    while seconds < budget:
        for first in range(0, len(patches), 1024):
            began = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that its codes could be more exact
                learner.partial_fit(patches[first : first + 1024])
            seconds += time.perf_counter() - began
            if seconds > due or seconds >= budget:
                points.append((seconds, judged(learner.components_, drawn)))
                due = 1.5 * seconds
            if seconds >= budget:
                break
    print(f"  scikit-learn: {points[-1]}", file=sys.stderr)
    return points


# Planted atoms ----------------------------------------------------------------------------


def planted(run, trials=50, turns=80):
    """Aharon, Elad & Bruckstein 2006, section V: 50 atoms of 20 samples, 1,500 signals of 3."""
    rows = []
    for method in ("ksvd", "mod"):
        row = [method]
        for snr in (10, 20, 30, None):

            def found(trial, method=method, snr=snr):
                atoms, signals = plant(np.random.default_rng(trial), snr)
                learned = dictionary_learning.learn_dictionary(
                    signals, (20, 1, 1), 50, 3, rules=Rules(method), start="data", iterations=turns,
                    seed=trial, pool=Pool(1),
                )  # fmt: skip
                return np.sum(np.abs(atoms @ learned.atoms.T).max(axis=1) > 0.99)

            row.append(
                float(np.mean(list(bands.map_bands(found, range(trials), bands.Pool(run.threads)))))
            )
        rows.append(row)
    return Table(
        name="training-planted",
        title=f"Planted atoms found again, of 50: mean of {trials} trials",
        columns=[
            ("method", ""),
            ("10 dB", ".1f"),
            ("20 dB", ".1f"),
            ("30 dB", ".1f"),
            ("no noise", ".1f"),
        ],
        rows=rows,
        notes=f"{turns} turns; an atom is found where 1 - |<d, d'>| < 0.01.",
        machine=machine(),
    )


def plant(rng, snr):
    """Random atoms, and signals of three of them with normal coefficients, in noise."""
    atoms = rng.standard_normal((50, 20))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = np.zeros((1500, 50))
    for row in codes:
        row[rng.choice(50, 3, replace=False)] = rng.standard_normal(3)
    signals = codes @ atoms
    if snr is not None:
        noise = rng.standard_normal(signals.shape)
        signals += noise * np.linalg.norm(signals) / np.linalg.norm(noise) * 10 ** (-snr / 20)
    return atoms, signals.astype(np.float32)


# One kind of pictures ---------------------------------------------------------------------


def portraits(run):
    """Atoms of portraits and atoms of photographs, on all patches of portraits of other people."""
    kinds = {
        "portraits": [grey(one) for one in read_folder(run.data / "train/faces").values()],
        "photographs": photographs(run)[1],
    }
    tested = [grey(one) for one in read_folder(run.data / "test/faces").values()]
    rows = []
    for side, atoms, count, turns in PORTRAITS:
        shape = (side, side, 1)
        compared = {}
        for kind, pictures in kinds.items():
            drawn = dictionaries.draw(pictures, shape, count, pool=Pool(run.threads))
            first = dictionary_learning.first_dictionary(drawn.patches, shape, atoms, "data")
            *_, turn = dictionaries.learn(
                drawn, first, SPARSITY, iterations=turns, pool=Pool(run.threads)
            )
            compared[kind] = turn.dictionary
        if side == PATCH_SHAPE[0]:
            compared["packaged"] = Dictionary.load("grey")
        judges = np.concatenate([patching.sample(one, shape, 1000) for one in tested])
        patching.centre(judges, 1)
        errors = {
            kind: 255 * dictionaries.error(one, judges, SPARSITY, pool=Pool(run.threads))
            for kind, one in compared.items()
        }
        gains = [
            20 * np.log10(errors[kind] / errors["portraits"]) if kind in errors else None
            for kind in ("packaged", "photographs")
        ]
        rows.append([f"{side} x {side}", atoms, errors["portraits"], *gains])
        print(f"  portraits: {rows[-1]}", file=sys.stderr)
    return Table(
        name="training-portraits",
        title=f"Atoms of portraits, on portraits of other people, {SPARSITY} atoms a patch",
        columns=[
            ("patches", ""),
            ("atoms", "d"),
            ("RMSE (levels)", ".2f"),
            ("gain over the packaged 256 atoms (dB)", ".2f"),
            ("gain over atoms learned alike from photographs (dB)", ".2f"),
        ],
        rows=rows,
        notes="Learned by K-SVD, both from as many patches; all patches count, flat ones, too.",
        machine=machine(threads=run.threads),
    )


# All patches of a folder ------------------------------------------------------------------


def growth(run):
    """One turn of online learning over ever more patches, at last all: the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        if run.data and (run.data / "train/photos").is_dir():
            inputs = [run.data / "train/photos", run.data / "train/bsds"]
            inputs, counts = [one for one in inputs if one.is_dir()], (1, 10, 1000)
        else:
            tile = read_folder(SAMPLES, "camera-clean.png")["camera-clean"]
            inputs, counts = [Path(folder, "large.png")], (0.5, 1, 1000)
            imageio.imwrite(inputs[0], np.tile(tile, (4, 4)))
        rows = []
        for count in counts:
            learned = Path(folder, f"{count}.npz")
            command = restore_command(
                "train", *inputs, "-o", learned, "--grey", "--sparsity", SPARSITY, "--method",
                "online", "--iterations", 1, "--patches", int(count * 1e6), "--threads",
                run.threads, "-q",
            )  # fmt: skip
            taken = measure_process(*command)
            seen = min(count, Dictionary.load(learned).provenance["available"] / 1e6)
            rows.append([seen, taken.seconds, taken.seconds / seen, taken.peak_bytes / 1e9])
            print(f"  online: {rows[-1]}", file=sys.stderr)
    return Table(
        name="training-growth",
        title="`restore train --method online`, one turn: the whole command",
        columns=[
            ("million patches", ".3g"),
            ("seconds", ".1f"),
            ("seconds a million", ".2f"),
            ("peak memory (GB)", ".2f"),
        ],
        rows=rows,
        notes="The last row is all patches of the folders.",
        machine=machine(threads=run.threads),
    )
