"""Learning."""

import numpy as np


def updated_atoms(patches, codes, atoms, exact=False, overshoot=None):
    """All atoms of K-SVD at once; `codes` is a full (n_patches, n_atoms) matrix.

    The exact update is Aharon, Elad & Bruckstein 2006, figure 2: the first singular vector of
    the error E without the atom; the approximate one, d = g^T E, is Rubinstein et al. 2008,
    algorithm 5, with the atoms of before in every E (Irofti & Dumitrescu 2014). With `overshoot`
    the atoms go so many times as far as is best for the codes, all by the same share.
    """
    atoms, codes = atoms.astype(np.float64), codes.astype(np.float64)
    updated = atoms.copy()
    for j in range(len(atoms)):
        users = np.flatnonzero(codes[:, j])
        if len(users) == 0:
            continue
        without = codes[users].copy()
        without[:, j] = 0
        error = patches[users] - without @ atoms
        if exact:
            updated[j] = np.linalg.svd(error)[2][0]
        else:
            updated[j] = codes[users, j] @ error / np.sum(codes[users, j] ** 2)
    if overshoot:
        moved = codes @ (updated - atoms)
        share = np.sum(moved * (patches - codes @ atoms)) / np.sum(moved**2)
        updated = atoms + overshoot * share * (updated - atoms)
    return updated / np.linalg.norm(updated, axis=1, keepdims=True)


def descended_atoms(gram, cross, atoms):
    """Mairal, Bach, Ponce & Sapiro 2010, algorithm 2."""
    atoms = atoms.copy()
    for j in range(len(atoms)):
        step = atoms[j] + (cross[j] - gram[j] @ atoms) / gram[j, j]
        atoms[j] = step / np.linalg.norm(step)
    return atoms
