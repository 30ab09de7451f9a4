"""Learning a dictionary, or the model of a task, from picture files to a file."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from restore import __version__
from restore.batch.collection import Collection
from restore.batch.plan import find, nothing_found
from restore.batch.records import FAILED, NOTHING
from restore.batch.work import failure_reason
from restore.batch.workers import import_cluster
from restore.files.safe import make_folder, only_one, whole_file
from restore.imaging.bands import Pool
from restore.typing import Floats

if TYPE_CHECKING:
    from restore.batch.console import Console
    from restore.learning.dictionaries import Draw, Gain
    from restore.sparse.dictionary import Dictionary
    from restore.sparse.dictionary_learning import Iteration
    from restore.tasks.super_resolution.cascade import Cascade


#: Settings that all iterations of one dictionary must share, and their options.
SETTINGS = {
    "atoms": "--atoms",
    "patch_shape": "--patch-size, --grey or --colour",
    "method": "--method",
    "coder": "--coder",
    "nonnegative": "--nonnegative",
    "sparsity": "--sparsity",
    "sigma": "--sigma",
    "patches": "--patches",
    "shrink": "--shrink",
    "init": "--init",
    "seed": "--seed",
}

#: Sparsity and noise level, by channels, if neither is given: they keep detail but not grain.
_SPARSITY, _SIGMA = {1: 10, 3: 16}, {1: 10.0, 3: 14.0}


class _Run:
    """One call of the command: `settings` are its options by name.

    Attributes
    ----------
    saved : int
        Number of iterations or stages in the file.
    """

    step = "the dictionary of turn"

    def __init__(self, console: Console, output: str, settings: dict[str, Any]) -> None:
        self.console, self.output, self.settings = console, output, settings
        self.pool = Pool(settings["threads"], console.stage)
        self.saved = 0

    def interrupted(self) -> None:
        """The last message before a signal ends the process."""
        kept = f"{self.output} holds {self.step} {self.saved}: --resume goes on from there"
        self.console.last_words(kept if self.saved else "nothing is learned yet")

    def train(self, inputs: Iterable[str], recursive: bool, resume: bool) -> int:
        """Learn from files and write a file; the exit code."""
        from restore.files.picture import unwarned

        found, ignored = find(inputs, recursive=recursive)
        files = [file for file, _ in found]
        if not files:
            self.console.say(nothing_found(inputs, ignored, recursive))
            return NOTHING
        grey = self.settings["grey"]
        pictures = Collection(
            files,
            channels=None if grey is None else 1 if grey else 3,
            shrink=self.settings["shrink"],
            max_pixels=self.settings["max_pixels"],
        )
        names = [os.path.basename(os.path.normpath(name)) for name in inputs]
        make_folder(os.path.dirname(self.output))
        with only_one(self.output), unwarned(), self.console.shown_compilation():
            return self._learn(pictures, names, resume)

    def _learn(self, pictures: Collection, names: Sequence[str], resume: bool) -> int:
        raise NotImplementedError

    def _list_skipped(self, pictures: Collection) -> None:
        self.console.end()
        if not self.console.options.quiet:
            for file, reason in pictures.skipped.items():
                self.console.say(f"restore: {file}: left out: {reason}")

    def _save(self, learned: Any, step: str, number: int) -> None:
        """Write what is learned so far; if the disk is full, try again after the next step."""
        try:
            with whole_file(self.output) as file:
                learned.save(file)
            self.saved = number
        except OSError as error:
            self.console.say(
                f"restore: {self.output}: {step} is not saved: {failure_reason(error)}"
            )


class ModelRun(_Run):
    """Learns the model of a task."""

    step = "the model of stage"

    def _learn(self, pictures: Collection, names: Sequence[str], resume: bool) -> int:
        start = time.perf_counter()
        try:
            model = self._model(pictures, resume)
        finally:
            self._list_skipped(pictures)
        used = len(pictures) - len(pictures.skipped)
        about = {
            "learned_from": names,
            "pictures": used,
            "shrink": self.settings["shrink"],
            "seed": self.settings["seed"],
            "restore": __version__,
        }
        model = dataclasses.replace(model, provenance={**model.provenance, **about})
        with whole_file(self.output) as file:
            model.save(file)
        seconds = time.perf_counter() - start
        self.console.json(
            {
                "output": self.output,
                "status": "done",
                "pictures": used,
                "skipped": pictures.skipped,
                "scale": self.settings["scale"],
                "seconds": round(seconds, 3),
            }
        )
        if not self.console.options.quiet:
            self.console.say(f"{self.output}: learned from {_pictures(used)} ({seconds:.1f} s)")
        return 0

    def _model(self, pictures: Collection, resume: bool) -> Any:
        shared = {"seed": self.settings["seed"], "pool": self.pool}
        if self.settings["model"] == "codec":
            from restore.learning.compression import check_picture, learn_codec
            from restore.tasks.compression import Codec

            pictures.usable = check_picture
            init = self.settings["init"]
            prior = Codec.load("photos" if init == "data" else init)
            return learn_codec(pictures, prior=prior, **shared)
        if self.settings["model"] == "super-resolution":
            return self._cascade(pictures, resume, shared)
        if self.settings["model"] == "dejpeg":
            from restore.learning.artefacts import check_picture, learn_dejpeg

            pictures.usable = check_picture
            if pictures.channels is None:
                pictures.channels = _channels(pictures)
            return learn_dejpeg(pictures, **shared)
        from restore.learning.demosaicing import check_picture, learn_demosaicing, tiles
        from restore.tasks.demosaicing import Model

        pictures.channels, pictures.usable = 3, check_picture
        drawn = tiles(pictures, self.settings["seed"], self.pool)
        return Model(learn_demosaicing(drawn, **shared))

    def _cascade(self, pictures: Collection, resume: bool, shared: dict[str, Any]) -> Cascade:
        """Learn the model for super-resolution; the file holds its stages so far."""
        from restore.imaging import archive
        from restore.learning import super_resolution
        from restore.tasks.super_resolution.cascade import KIND

        start = None
        if resume and os.path.lexists(self.output):
            if archive.read_header(self.output)[0] == KIND:
                raise ValueError(f"{self.output} is finished: --overwrite learns it anew")
            start = super_resolution.Checkpoint.load(self.output)
            self.saved = len(start.cascade.stages)
        pictures.channels = None
        shared["degradation"] = self.settings["degradation"]
        for checkpoint in super_resolution.learn_stages(
            pictures, self.settings["scale"], start=start, **shared
        ):
            number = len(checkpoint.cascade.stages)
            total = len(checkpoint.cascade.provenance["stages"])
            if self.console.options.verbose:
                self.console.say(f"stage {number} of {total} is learned")
            if number == total:
                continue
            self._save(checkpoint, f"stage {number}", number)
        return checkpoint.cascade


class DictionaryRun(_Run):
    """Learns a dictionary; the file holds that of the last iteration."""

    def _learn(self, pictures: Collection, names: Sequence[str], resume: bool) -> int:
        with self._engine() as engine:
            return self._learn_on(engine, pictures, names, resume)

    def _engine(self) -> Any:
        """The engine that draws and sums up patches: this process, or a cluster."""
        if self.settings["scheduler"] or self.settings["scheduler_file"]:
            return import_cluster("cluster_learning").Cluster(self.console.options, self.console)
        return InProcess()

    def _learn_on(
        self, engine: Any, pictures: Collection, names: Sequence[str], resume: bool
    ) -> int:
        from restore.learning import dictionaries
        from restore.sparse.dictionary import Dictionary
        from restore.sparse.dictionary_learning import Rules

        settings = self.settings
        start = time.perf_counter()
        first = self._first(resume)  # errors in it are reported before hours of drawing
        drawn = self._draw(pictures, engine)
        channels = pictures.channels
        assert channels is not None  # that of the first picture
        shape = (settings["patch_size"], settings["patch_size"], channels)
        sparsity, sigma = settings["sparsity"], settings["sigma"]
        if sparsity is None and sigma is None:
            sparsity, sigma = _SPARSITY[channels], _SIGMA[channels]
        about = {
            **{name: settings[name] for name in SETTINGS if name in settings},
            "patch_shape": list(shape),
            "sparsity": sparsity,
            "sigma": sigma,
            "learned_from": names,
            "pictures": drawn.pictures,
            "available": drawn.available,
            "fingerprint": drawn.fingerprint(self.pool),
            "restore": __version__,
        }
        if isinstance(first, Dictionary) and resume and os.path.lexists(self.output):
            _check_same(self.output, first.provenance, about)
            dictionary, done = first, first.provenance.get("iterations")
            if type(done) is not int or done < 0:
                raise ValueError(f"{self.output} does not say how many turns were learned")
        else:
            dictionary, done = self._started(drawn, shape, first), 0
        self.saved, self.errors = done, list(dictionary.errors or ())
        turns = dictionaries.learn(
            drawn,
            dictionary,
            sparsity,
            shape[0] * shape[1] * channels * ((sigma or 0) / 255) ** 2,
            rules=Rules(settings["method"], settings["coder"], settings["nonnegative"]),
            iterations=settings["iterations"],
            done=done,
            reading=dictionaries.Reading(pictures, settings["patches"], settings["seed"]),
            pool=self.pool,
            summed=engine.summed,
        )
        before = time.perf_counter()
        for number, turn in enumerate(turns, done + 1):
            dictionary = self._keep(turn, number, about)
            self._tell(turn, number, time.perf_counter() - before)
            before = time.perf_counter()
        self.console.end()
        gain = None
        if not settings["nonnegative"]:  # others are of centred patches
            gain = dictionaries.gain(dictionary, drawn.held_out, pool=self.pool)
        if settings["picture"] is not None:
            from restore.files.figure import draw_atoms

            draw_atoms(dictionary, settings["picture"])
        self._conclude(drawn, pictures, dictionary, gain, time.perf_counter() - start)
        if self.saved < settings["iterations"]:
            self.console.say(
                f"restore: {self.output}: the last turns could not be saved; it holds turn "
                f"{self.saved}"
            )
            return FAILED
        return 0

    def _draw(self, pictures: Collection, engine: Any) -> Draw:
        """Draw patches of the pictures; unusable ones are listed."""
        from restore.learning import dictionaries

        size, settings = self.settings["patch_size"], self.settings
        pictures.usable = functools.partial(_check_size, size)
        if pictures.channels is None:
            pictures.channels = _channels(pictures)
        try:
            return engine.draw(
                pictures,
                (size, size, pictures.channels),
                min(settings["patches"], dictionaries.ONLINE_DRAW)
                if settings["method"] == "online"
                else settings["patches"],
                seed=settings["seed"],
                mixed=settings["method"] == "online",
                **({"centred": False} if settings["nonnegative"] else {}),
                pool=self.pool,
            )
        finally:
            self._list_skipped(pictures)

    def _first(self, resume: bool) -> str | Dictionary:
        """The dictionary to continue or to start from, or the way to make one."""
        from restore.sparse.dictionary import Dictionary

        if resume and os.path.lexists(self.output):
            return Dictionary.load(self.output)
        init = self.settings["init"]
        return init if init in ("data", "dct") else Dictionary.load(init)

    def _started(self, drawn: Draw, shape: tuple[int, ...], start: str | Dictionary) -> Dictionary:
        """The dictionary before the first iteration."""
        from restore.sparse import dictionary_learning
        from restore.sparse.dictionary import Dictionary

        settings = self.settings
        first = dictionary_learning.first_dictionary(
            drawn.sample, shape, settings["atoms"], start, settings["seed"]
        )
        return Dictionary(first.atoms, shape)

    def _keep(self, turn: Iteration, number: int, about: dict[str, Any]) -> Dictionary:
        """Write the dictionary of an iteration."""
        from restore.sparse.dictionary import Dictionary

        self.errors.append(round(255 * turn.rmse, 4))
        about = {
            **about,
            "iterations": number,
            "rmse": self.errors[-1],
            "rmse_by_turn": self.errors[:],
            "uses": turn.uses.tolist(),
        }
        dictionary = Dictionary(turn.dictionary.atoms, turn.dictionary.patch_shape, about)
        self._save(dictionary, f"turn {number}", number)
        return dictionary

    def _tell(self, turn: Iteration, number: int, seconds: float) -> None:
        total = self.settings["iterations"]
        words = (
            f"RMSE {255 * turn.rmse:.3f} levels, {turn.sparsity:.2f} atoms a patch, "
            f"{turn.replaced} replaced"
        )
        if self.console.options.verbose:
            self.console.say(f"turn {number} of {total}: {words}, {seconds:.2f} s")
        self.console.note(f"turn {number} of {total}: {words}")
        self.console.json(
            {
                "iteration": number,
                "iterations": total,
                "rmse": 255 * turn.rmse,
                "atoms_per_patch": turn.sparsity,
                "replaced": turn.replaced,
                "seconds": round(seconds, 3),
            }
        )

    def _conclude(
        self,
        drawn: Draw,
        pictures: Collection,
        dictionary: Dictionary,
        gain: Gain | None,
        seconds: float,
    ) -> None:
        self.console.json(
            {
                "output": self.output,
                "status": "done",
                "pictures": drawn.pictures,
                "skipped": pictures.skipped,
                "patches": len(drawn.patches),
                "held_out": len(drawn.held_out),
                "available": drawn.available,
                "iterations": dictionary.provenance["iterations"],
                "rmse": dictionary.provenance["rmse"],
                "gain": gain
                and {"decibels": gain.decibels, "atoms": gain.sparsity, "over": gain.other},
                "seconds": round(seconds, 3),
            }
        )
        if self.console.options.quiet:
            return
        codes = f"codes their patches to {dictionary.provenance['rmse']:.2f} levels"
        if gain:
            better = "better" if gain.decibels >= 0 else "worse"
            codes = (
                f"codes their patches {abs(gain.decibels):.2f} dB {better} than {gain.other}, "
                f"{gain.sparsity} atoms each"
            )
        self.console.say(
            f"{self.output}: {dictionary.n_atoms} atoms of {_pictures(drawn.pictures)}; {codes} "
            f"({seconds:.1f} s)"
        )


class InProcess:
    """Draws patches and sums them up in this process."""

    summed = None

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def draw(self, *arguments: Any, **options: Any) -> Draw:
        from restore.learning import dictionaries

        return dictionaries.draw(*arguments, **options)


def _channels(pictures: Collection) -> int:
    """The number of channels of the first usable picture."""
    first = next(iter(pictures), None)
    if first is None:
        raise ValueError("none of the pictures can be used")
    return first.shape[2]


def _check_size(size: int, image: Floats) -> None:
    from restore.learning import dictionaries

    dictionaries.check(image, (size, size, image.shape[2]))


def _pictures(count: int) -> str:
    return f"{count} picture{'s' * (count != 1)}"


def _check_same(output: str, stored: dict[str, Any], about: dict[str, Any]) -> None:
    """Refuse to continue with settings or pictures other than those so far."""
    for name, option in SETTINGS.items():
        # older files have no nonnegative dictionaries
        if stored.get(name, False if name == "nonnegative" else None) != about[name]:
            was = stored.get(name)
            raise ValueError(
                f"{output} was not made by `restore train`"
                if "iterations" not in stored
                else f"{output} was begun with another {option}: {was}, not {about[name]}"
            )
    if stored.get("fingerprint") != about["fingerprint"]:
        raise ValueError(f"{output} was begun with other pictures than these")
