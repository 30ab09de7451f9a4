"""How few measurements suffice: pursuit, l1 and the tool's solver beside the curve of l1."""

import numpy as np
from scipy.stats import norm

import restore
from benchmarks.harness import Table, machine
from restore.imaging.bands import Pool
from restore.sparse import Dictionary, code, overcomplete_dct
from restore.sparse.coding import Codes

#: Side of the signals, which are pictures of one patch; shares of measurements; signals a trial,
#: and the relative error below which one has come back.
SIDE, SHARES, SIGNALS, ERROR = 12, (0.15, 0.25, 0.35, 0.5, 0.65, 0.8), 12, 0.02

#: Penalties of l1, from the largest correlation down, and steps at each.
PENALTIES, STEPS = np.geomspace(0.3, 1e-4, 12), 400

#: Levels of `restore.solve`, and turns.
LEVELS, TURNS = (0.5, 2e-4), 120


def tables(run):
    """The density k / m at which half of the signals come back, by share of measurements m / n."""
    size = SIDE * SIDE
    basis = cosines()
    methods = {
        "OMP": pursued,
        "l1 (FISTA, continuation)": by_l1,
        "restore.solve, one patch": lambda *given: solved(*given, basis, run),
    }
    counts = [round(share * size) for share in SHARES]
    densities = {
        name: [density(method, count, basis) for count in counts]
        for name, method in methods.items()
    }
    densities["l1 in theory (Donoho & Tanner)"] = [transition(count / size) for count in counts]
    yield Table(
        name="recovery",
        title=f"Share k / m of coefficients per measurement at which half of all signals of {size} "
        "samples come back",
        columns=[("m / n", ""), *((f"{share:.0%}", ".2f") for share in SHARES)],
        rows=[[name, *values] for name, values in densities.items()],
        notes=f"Gaussian measurements without noise; {SIGNALS} signals a trial.",
        machine=machine("scipy", threads=run.threads),
        curves={
            "x": "measurements per sample, m / n",
            "y": "coefficients per measurement, k / m",
            "lines": {name: [list(SHARES), values] for name, values in densities.items()},
        },
    )


def cosines():
    """(n - 1, n): the cosines but the constant one, so that signals have mean 0."""
    size = SIDE * SIDE
    atoms = overcomplete_dct(size, (SIDE, SIDE, 1)).atoms.astype(np.float64)
    return atoms[np.abs(atoms.sum(axis=1)) < 1e-3 * SIDE]


def density(method, count, basis):
    """The greatest k / `count` at which at least half come back, by bisection over k."""
    least, most = 0, count
    while most - least > 1:
        middle = (least + most) // 2
        random = np.random.default_rng((count, middle))
        codes = np.zeros((SIGNALS, len(basis)))
        for row in codes:
            row[random.permutation(len(basis))[:middle]] = random.standard_normal(middle)
        matrix = random.standard_normal((count, basis.shape[1])) / np.sqrt(count)
        found = method(codes @ basis @ matrix.T, matrix, basis @ matrix.T, middle)
        errors = np.linalg.norm(found - codes, axis=1) / np.linalg.norm(codes, axis=1)
        least, most = (middle, most) if np.mean(errors < ERROR) >= 0.5 else (least, middle)
    return least / count


def pursued(measured, matrix, atoms, sparsity):
    """Orthogonal matching pursuit of as many atoms as there are."""
    lengths = np.linalg.norm(atoms, axis=1)
    dictionary = Dictionary(atoms / lengths[:, None], (atoms.shape[1], 1, 1))
    codes: Codes = code(measured, dictionary, sparsity, rule="omp", pool=Pool(1))
    full = np.zeros((len(measured), len(atoms)))
    for row, indices, values, number in zip(full, *codes):
        row[indices[:number]] = values[:number]
    return full / lengths


def by_l1(measured, matrix, atoms, sparsity):
    """FISTA with a penalty that falls to next to nothing: the least l1 norm that fits."""
    step = 1 / np.linalg.norm(atoms, 2) ** 2
    found = np.zeros((len(measured), len(atoms)))
    for penalty in PENALTIES * np.abs(measured @ atoms.T).max():
        point, age = found, 1.0
        for _ in range(STEPS):
            slope = point + step * (measured - point @ atoms) @ atoms.T
            fresh = np.sign(slope) * np.maximum(np.abs(slope) - step * penalty, 0)
            older, age = age, (1 + np.sqrt(1 + 4 * age * age)) / 2
            point, found = fresh + (older - 1) / age * (fresh - found), fresh
    return found


class Projections:
    """A matrix as an operator on pictures of one patch."""

    def __init__(self, matrix):
        self.matrix = matrix.astype(np.float32)

    def forward(self, image):
        return self.matrix @ image.ravel()

    def adjoint(self, values):
        return (values @ self.matrix).reshape(SIDE, SIDE)


def solved(measured, matrix, atoms, sparsity, basis, run):
    """`restore.solve` with the basis as the dictionary of patches, the picture being one."""
    dictionary = Dictionary(basis, (SIDE, SIDE, 1))
    pictures = [
        restore.solve(
            np.float32(row), Projections(matrix), dictionary, levels=LEVELS, turns=TURNS,
            pool=Pool(run.threads),
        )
        for row in measured
    ]  # fmt: skip
    return np.stack(pictures).reshape(len(measured), -1) @ basis.T


def transition(share):
    """The density up to which l1 recovers nearly all signals of many samples.

    Donoho & Tanner, "Observed universality of phase transitions in high-dimensional geometry",
    Phil. Trans. R. Soc. A 367, 2009; as Donoho, Maleki & Montanari, PNAS 106(45), 2009, eq. 5.
    """
    z = np.linspace(0.001, 6, 6000)
    tail = (1 + z**2) * norm.cdf(-z) - z * norm.pdf(z)
    return float(np.max((1 - 2 / share * tail) / (1 + z**2 - 2 * tail)))
