"""Learning a dictionary on the workers of a Dask cluster: patches stay there, sums come back.

Every step is a task that any worker can repeat with the same result: counting the patches of some
pictures, extracting the patches of a chunk, computing the sums of a chunk for a rule, adding two
sums. So Dask itself recovers from workers that die. Chunks and the order in which their sums are
added depend only on the patches, and so the dictionary is the same as on one machine.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from distributed import KilledWorker, as_completed
from distributed.client import FutureCancelledError

from restore.batch.cluster import connect
from restore.batch.records import EngineLost, Options
from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.learning import dictionaries
from restore.learning.reservoir import Reservoir
from restore.sparse import atom_updates
from restore.sparse.atom_updates import Sums
from restore.typing import Floats, Integers

if TYPE_CHECKING:
    from restore.batch.collection import Collection
    from restore.batch.console import Console
    from restore.sparse.coding import Codes
    from restore.sparse.dictionary import Dictionary


#: Number of pictures that are read in one task, and of sums that are added in one: a power of two,
#: so that they are added in the same order as on one machine.
PICTURES, ADDED = 16, 16


class Patches:
    """Patches on the workers: chunks of them are results that Dask keeps there.

    Attributes
    ----------
    chunks : list of distributed.Future
        Each result has two arrays: patches to learn from, and held-out patches.
    """

    def __init__(self, client: Any, chunks: list[Any], count: int) -> None:
        self.client, self.chunks, self.count = client, chunks, count

    def __len__(self) -> int:
        return self.count

    def digests(self) -> list[bytes]:
        """The digest of each chunk."""
        return self.client.gather(self.client.map(_digest, self.chunks, pure=False))


class Cluster:
    """Draws patches and sums them up on the workers; a context."""

    def __init__(self, options: Options, console: Console) -> None:
        self.options, self.console = options, console

    def __enter__(self) -> Cluster:
        self.client = connect(self.options, self.console)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with contextlib.suppress(Exception):  # of a scheduler that is gone
            self.client.close(timeout=1)
        if isinstance(error, FutureCancelledError):
            raise EngineLost("the scheduler is gone: --resume goes on from the last turn")
        if isinstance(error, KilledWorker):
            raise EngineLost("worker after worker died, perhaps for want of memory")

    def draw(
        self,
        pictures: Collection,
        patch_shape: tuple[int, ...],
        count: int,
        *,
        seed: int = 0,
        mixed: bool = False,
        pool: Pool | None = None,
    ) -> dictionaries.Draw:
        """As `restore.learning.dictionaries.draw`, in the order of the pictures."""
        if mixed:
            raise ValueError("on a cluster --method is ksvd or mod: online learns in batches")
        about = tuple(patch_shape), seed
        groups = bands.slices(len(pictures), PICTURES)
        offered = [
            self.client.submit(
                _offers, pictures.part(range(len(pictures))[group]), group.start, *about, pure=False
            )
            for group in groups
        ]
        self._tell(pool, "reading pictures", offered)
        reservoir = Reservoir(count, seed)
        starts, where, used = [], [], 0  # of the strips with any patches
        for number, found in enumerate(
            offer for group in self.client.gather(offered) for offer in group
        ):
            if isinstance(found, str):
                pictures.skipped[pictures.files[number]] = found
                continue
            used += 1
            for strip, (places, left_out) in enumerate(found):
                starts.append(reservoir.available)
                where.append((number, strip))
                reservoir.offer(places, left_out)
        rows, held_out, sample = reservoir.order(mixed)
        strips = np.array(starts, np.int64), np.array(where, np.int64).reshape(-1, 2)
        ids = reservoir.ids
        chunks = self._cut(pictures, ids[rows], np.sort(ids[held_out]), strips, about)
        self._tell(pool, "drawing patches", chunks)
        patches = Patches(self.client, chunks, len(rows))
        return dictionaries.Draw(
            patches,  # type: ignore[arg-type]  # they are on the workers
            self._taken(chunks, 1, np.searchsorted(np.sort(ids[held_out]), ids[held_out])),
            reservoir.available,
            used,
            self._taken(chunks, 0, np.searchsorted(ids[rows], ids[sample])),
        )

    def _cut(
        self, pictures: Collection, learned: Integers, held_out: Integers, strips: Any, about: Any
    ) -> list[Any]:
        """The chunks of the patches with these sorted indices, as results on the workers."""
        cuts = dictionaries.chunks(len(learned))
        # held-out patches are extracted with the chunk of the same pictures
        bounds = [0, *(np.searchsorted(held_out, learned[cut.start]) for cut in cuts[1:])]
        bounds.append(len(held_out))
        self.held = [stop - start for start, stop in zip(bounds, bounds[1:])]
        futures = []
        for cut, start, stop in zip(cuts, bounds, bounds[1:]):
            parts = [_places(numbers, *strips) for numbers in (learned[cut], held_out[start:stop])]
            files = sorted({number for part in parts for number in part})
            chosen = [(number, *(part.get(number, {}) for part in parts)) for number in files]
            part = pictures.part(files)
            futures.append(self.client.submit(_chunk, part, chosen, *about, pure=False))
        return futures

    def _taken(self, chunks: list[Any], which: int, rows: Integers) -> Floats:
        """Rows of the patches (0), or of the held-out ones (1), over all chunks."""
        lengths = self.held
        if which == 0:
            step = atom_updates.BAND * atom_updates.CHUNK_BANDS
            owner, inner = rows // step, rows % step
        else:
            ends = np.cumsum(lengths)
            owner = np.searchsorted(ends, rows, side="right")
            inner = rows - (ends - lengths)[owner]
        asked = np.unique(owner)
        parts = [
            self.client.submit(_rows, chunks[one], which, inner[owner == one], pure=False)
            for one in asked.tolist()
        ]
        found = self.client.gather(parts)
        dim = found[0].shape[1] if found else 0
        taken = np.empty((len(rows), dim), np.float32)
        for one, part in zip(asked, found):
            taken[owner == one] = part
        return taken

    def summed(
        self,
        patches: Patches,
        dictionary: Dictionary,
        code: Callable[..., Codes],
        step: int,
        pool: Pool | None,
        stage: str,
    ) -> Sums:
        """As `restore.sparse.atom_updates.summed_here`, of `Patches`."""
        submit = self.client.submit
        there = submit(_same, dictionary, pure=False)
        parts = [submit(_sums, chunk, there, code, step, pure=False) for chunk in patches.chunks]
        del there
        while len(parts) > 1:
            cuts = bands.slices(len(parts), ADDED)
            parts = [submit(_added, parts[cut], pure=False) for cut in cuts]
        sums = parts[0].result()
        bands.tell(pool, stage, 1, 1)
        return sums

    def _tell(self, pool: Pool | None, stage: str, futures: list[Any]) -> None:
        for done, _ in enumerate(as_completed(futures, loop=self.client.loop), 1):
            bands.tell(pool, stage, done, len(futures))


def _places(numbers: Integers, starts: Integers, where: Any) -> dict[int, dict[int, Integers]]:
    """{picture: {strip: indices of its patches}} for sorted indices of patches."""
    found: dict[int, dict[int, Integers]] = {}
    strips = np.searchsorted(starts, numbers, side="right") - 1
    for strip in np.unique(strips).tolist():
        picture, which = where[strip].tolist()
        chosen = (numbers[strips == strip] - starts[strip]).astype(np.uint32)
        found.setdefault(picture, {})[which] = chosen
    return found


def _offers(pictures: Collection, first: int, patch_shape: tuple[int, ...], seed: int) -> list[Any]:
    """The number of patches in each of some pictures, or why it is left out."""
    found: list[Any] = []
    for number, file in enumerate(pictures.files, first):
        if not os.path.lexists(file):
            raise ValueError(f"a worker does not see {file}: workers need a shared file system")
        image = pictures[number - first]
        if image is None:
            found.append(pictures.skipped[file])
        else:
            found.append(dictionaries.offers(image, patch_shape, number + 1, seed))
    return found


def _chunk(
    pictures: Collection,
    chosen: Iterable[tuple[int, Any, Any]],
    patch_shape: tuple[int, ...],
    seed: int,
) -> tuple[Floats, ...]:
    """Patches to learn from, and held-out ones, of pictures that are read again."""
    parts: tuple[list[Floats], list[Floats]] = [], []
    for index, (number, *wanted) in enumerate(chosen):
        image = pictures[index]
        if image is None:
            raise ValueError(f"{pictures.files[index]} cannot be read any more")
        for part, places in zip(parts, wanted):
            part += dictionaries.drawn_from(image, patch_shape, number + 1, seed, places)
    none = np.empty((0, int(np.prod(patch_shape))), np.float32)
    return tuple(np.concatenate([none, *part]) for part in parts)


def _digest(chunk: tuple[Floats, ...]) -> bytes:
    return dictionaries.digest(chunk[0])


def _rows(chunk: tuple[Floats, ...], which: int, rows: Integers) -> Floats:
    return chunk[which][rows]


def _same(dictionary: Dictionary) -> Dictionary:
    return dictionary


def _sums(
    chunk: tuple[Floats, ...], dictionary: Dictionary, code: Callable[..., Codes], step: int
) -> Sums:
    return atom_updates.summed_here(chunk[0], dictionary, code, step, Pool(1))


def _added(sums: list[Sums]) -> Sums:
    return atom_updates.pairwise(sums, atom_updates.add)
