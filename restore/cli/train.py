"""``restore train``"""

import dataclasses
import os
import time

import click

from restore import __version__, batch
from restore.batch.records import FAILED, NOTHING
from restore.cli.options import FloatRange, check_picture, max_pixels
from restore.files.signals import at_signal
from restore.imaging.bands import Pool

#: Settings that the turns of one dictionary must share, and the options that set them.
SETTINGS = {
    "atoms": "--atoms",
    "patch_shape": "--patch-size, --grey or --colour",
    "method": "--method",
    "coder": "--coder",
    "sparsity": "--sparsity",
    "sigma": "--sigma",
    "patches": "--patches",
    "shrink": "--shrink",
    "init": "--init",
    "seed": "--seed",
}

#: Where neither sparsity nor noise level are given: enough for details, and none for grain.
_SPARSITY, _SIGMA = {1: 10, 3: 16}, {1: 10.0, 3: 14.0}


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path())
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="DICT.npz",
    type=click.Path(),
    help="What is learned goes there.",
)
@click.option(
    "--atoms",
    type=click.IntRange(2, 65536),
    default=256,
    show_default=True,
    metavar="N",
    help="How many to learn.",
)
@click.option(
    "--patch-size",
    type=click.IntRange(2, 64),
    default=8,
    show_default=True,
    metavar="PIXELS",
    help="Side of the patches that atoms are of.",
)
@click.option(
    "--grey/--colour", default=None, help="Patches of what. [default: as the first picture is]"
)
@click.option(
    "--sparsity",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most atoms per patch; 1 is vector quantisation. [default: 10, in colour 16; as many as "
    "the patch has samples with --sigma]",
)
@click.option(
    "--sigma",
    type=FloatRange(0, 255, min_open=True),
    metavar="LEVELS",
    help="Patches are approximated up to noise of so many 8-bit levels. [default: 10, in colour "
    "14; 0 with --sparsity]",
)
@click.option(
    "--method",
    type=click.Choice(["ksvd", "mod", "online", "gradient"]),
    default="ksvd",
    show_default=True,
    help="How atoms are updated. online reads the pictures again in every turn.",
)
@click.option(
    "--coder",
    type=click.Choice(["ormp", "omp", "fista", "ista"]),
    default="ormp",
    show_default=True,
    help="How patches are coded; the last two by an l1 penalty that follows from --sigma.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Turns of learning.",
)
@click.option(
    "--patches",
    type=click.IntRange(min=100),
    default=200_000,
    show_default=True,
    metavar="N",
    help="Drawn evenly from all pictures; with online, how many each turn sees.",
)
@click.option(
    "--init",
    default="data",
    show_default=True,
    metavar="data|dct|NAME|FILE",
    help="First atoms: patches, cosines, or those of a dictionary.",
)
@click.option(
    "--shrink",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    metavar="N",
    help="Learn from the pictures made N times smaller.",
)
@click.option(
    "--compression",
    is_flag=True,
    help="Learn what compress --model takes instead, from the packaged one on, or from "
    "--init FILE. Of the other options above --shrink applies.",
)
@click.option(
    "--super-resolution",
    type=click.Choice(["2", "3", "4"]),
    help="Learn what super-resolve --model takes for this scale instead. Of the options "
    "above --shrink applies.",
)
@click.option(
    "--demosaicing",
    is_flag=True,
    help="Learn what demosaic --model takes instead. Of the other options above --shrink "
    "applies; it should be 2 or more, unless every pixel was measured in full colour.",
)
@click.option(
    "--degradation",
    default="bicubic",
    show_default=True,
    metavar="bicubic|area|gaussian:S",
    help="How pictures became small that --super-resolution is to enlarge; S is the standard "
    "deviation of a blur, in pixels of the large picture.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of all that is drawn at random.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where a run into DICT.npz stopped; not with "
    "--compression and --demosaicing, which learn in one go.",
)
@click.option("--overwrite", is_flag=True, help="Replace DICT.npz if it exists.")
@click.option("--picture", metavar="OUT.png", type=click.Path(), help="Draw the atoms.")
@click.option("-r", "--recursive", is_flag=True, help="Go down into folders.")
@max_pixels("Leave out larger pictures.")
@click.option(
    "-t",
    "--threads",
    type=click.IntRange(min=1),
    envvar="RESTORE_THREADS",
    metavar="N",
    help="The dictionary is the same for any number. [default: all processors]",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object per turn, and one at the end."
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Progress bars on standard error. [default: on a terminal]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line per turn.")
def train(inputs, output, overwrite, picture, resume, recursive, as_json, progress, quiet,
          verbose, compression, super_resolution, demosaicing, **settings):  # fmt: skip
    """Learn a dictionary from the pictures of folders and files.

    Pictures are read one at a time, and a bounded number of patches is drawn evenly from all
    of them; flat patches are thinned out. What cannot be read is left out and listed. After
    every turn DICT.npz holds the dictionary so far: an interrupted run goes on with --resume,
    to the same result. At the end it is compared with the packaged dictionary on patches
    set apart. Every --dictionary takes the result.
    """
    if overwrite and resume:
        raise click.UsageError("--overwrite and --resume contradict each other")
    models = {
        "--compression": compression,
        "--super-resolution": super_resolution,
        "--demosaicing": demosaicing,
    }
    models = {option: value for option, value in models.items() if value}
    if len(models) > 1:
        raise click.UsageError(f"choose one of {' and '.join(models)}")
    in_one_go = bool(models) and not super_resolution
    if resume and in_one_go:
        raise click.UsageError(f"{next(iter(models))} learns in one go: there is no --resume")
    if models and picture is not None:
        raise click.UsageError(f"{next(iter(models))} does not go with --picture")
    if settings["degradation"] != "bicubic" and not super_resolution:
        raise click.UsageError("--degradation goes with --super-resolution")
    if not output.endswith(".npz"):
        raise click.UsageError(f"{output} should end in .npz")
    if os.path.lexists(output) and not overwrite and not resume:
        hint = "use --overwrite" if in_one_go else "use --resume to go on, or --overwrite"
        raise click.UsageError(f"{output} exists: {hint}")
    if picture is not None:
        check_picture(picture, overwrite or resume)
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    console = batch.Console(
        batch.Options(json=as_json, progress=progress, quiet=quiet, verbose=verbose)
    )
    run = Run(console, output, picture, settings, next(iter(models), None), super_resolution)
    try:
        with at_signal(lambda number: run.interrupted()):
            return run.train(inputs, recursive, resume)
    except (OSError, ValueError, MemoryError) as error:
        console.end()
        console.say(f"restore: {batch.failure_reason(error)}")
        return FAILED


class Run:
    """One call of the command."""

    def __init__(self, console, output, picture, settings, model, scale):
        self.console, self.output, self.picture, self.settings = console, output, picture, settings
        self.model, self.scale = model, scale and int(scale)
        self.pool = Pool(settings["threads"], console.stage)
        self.saved = 0

    def interrupted(self):
        """The last words before a signal ends the process."""
        what = "the model of stage" if self.scale else "the dictionary of turn"
        kept = f"{self.output} holds {what} {self.saved}: --resume goes on from there"
        self.console.last_words(kept if self.saved else "nothing is learned yet")

    def train(self, inputs, recursive, resume):
        """From files to a file; the exit code."""
        from restore.batch.collection import Collection
        from restore.files.picture import unwarned
        from restore.files.safe import only_one

        files = [file for file, _ in batch.find(inputs, recursive=recursive)[0]]
        if not files:
            hint = "" if recursive else " (--recursive looks into folders of folders)"
            self.console.say("restore: no picture found in what was named" + hint)
            return NOTHING
        grey = self.settings["grey"]
        pictures = Collection(
            files,
            channels=None if grey is None else 1 if grey else 3,
            shrink=self.settings["shrink"],
            max_pixels=self.settings["max_pixels"],
        )
        names = [os.path.basename(os.path.normpath(name)) for name in inputs]
        os.makedirs(os.path.dirname(self.output) or ".", exist_ok=True)
        with only_one(self.output), unwarned():
            self.console.announce_compilation()
            if self.model is not None:
                return self._learn_model(pictures, names, resume)
            return self._learn(pictures, names, resume)

    def _learn_model(self, pictures, names, resume):
        """What other tasks than coding patches learn."""
        from restore.files.safe import whole_file

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
                "scale": self.scale,
                "seconds": round(seconds, 3),
            }
        )
        if not self.console.options.quiet:
            self.console.say(f"{self.output}: learned from {_pictures(used)} ({seconds:.1f} s)")
        return 0

    def _model(self, pictures, resume):
        shared = {"seed": self.settings["seed"], "pool": self.pool}
        if self.model == "--compression":
            from restore.learning.compression import check_picture, learn_codec
            from restore.tasks.compression import Codec

            pictures.usable = check_picture
            init = self.settings["init"]
            prior = Codec.load("photos" if init == "data" else init)
            return learn_codec(pictures, prior=prior, **shared)
        if self.model == "--super-resolution":
            return self._cascade(pictures, resume, shared)
        from restore.learning.demosaicing import check_picture, learn_demosaicing, tiles
        from restore.tasks.demosaicing import Model

        pictures.channels, pictures.usable = 3, check_picture
        drawn = tiles(pictures, self.settings["seed"], self.pool)
        return Model(learn_demosaicing(drawn, **shared))

    def _cascade(self, pictures, resume, shared):
        """The model for super-resolution; the file holds its stages so far."""
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
            pictures, self.scale, start=start, **shared
        ):
            number = len(checkpoint.cascade.stages)
            total = len(checkpoint.cascade.provenance["stages"])
            if self.console.options.verbose:
                self.console.say(f"stage {number} of {total} is learned")
            if number == total:
                continue
            self._save(checkpoint, f"stage {number}", number)
        return checkpoint.cascade

    def _learn(self, pictures, names, resume):
        from restore.learning import dictionaries

        settings = self.settings
        start = time.perf_counter()
        first = self._first(resume)  # what is wrong with it is said before hours of drawing
        drawn = self._draw(pictures)
        channels = pictures.channels
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
            "fingerprint": drawn.fingerprint(),
            "restore": __version__,
        }
        if resume and os.path.lexists(self.output):
            _check_same(self.output, first.provenance, about)
            dictionary, done = first, first.provenance.get("iterations")
            if type(done) is not int or done < 0:
                raise ValueError(f"{self.output} does not say how many turns were learned")
        else:
            dictionary, done = self._started(drawn, shape, first), 0
        self.saved = done
        turns = dictionaries.learn(
            drawn,
            dictionary,
            pictures,
            sparsity,
            shape[0] * shape[1] * channels * ((sigma or 0) / 255) ** 2,
            method=settings["method"],
            rule=settings["coder"],
            iterations=settings["iterations"],
            done=done,
            count=settings["patches"],
            seed=settings["seed"],
            pool=self.pool,
        )
        before = time.perf_counter()
        for number, turn in enumerate(turns, done + 1):
            dictionary = self._keep(turn, number, about)
            self._tell(turn, number, time.perf_counter() - before)
            before = time.perf_counter()
        self.console.end()
        gain = dictionaries.gain(dictionary, drawn.held_out, pool=self.pool)
        if self.picture is not None:
            from restore.cli.inspect import draw_atoms

            draw_atoms(dictionary, self.picture)
        self._conclude(drawn, pictures, dictionary, gain, time.perf_counter() - start)
        if self.saved < settings["iterations"]:
            self.console.say(
                f"restore: {self.output}: the last turns could not be saved; it holds turn "
                f"{self.saved}"
            )
            return FAILED
        return 0

    def _draw(self, pictures):
        """Patches of the pictures; those that cannot be used are listed."""
        from restore.learning import dictionaries

        size, settings = self.settings["patch_size"], self.settings
        pictures.usable = lambda image: dictionaries.check(image, (size, size, image.shape[2]))
        if pictures.channels is None:
            first = next(iter(pictures), None)
            if first is None:
                self._list_skipped(pictures)
                raise ValueError("none of the pictures can be used")
            pictures.channels = first.shape[2]
        try:
            return dictionaries.draw(
                pictures,
                (size, size, pictures.channels),
                min(settings["patches"], dictionaries.ONLINE_DRAW)
                if settings["method"] == "online"
                else settings["patches"],
                seed=settings["seed"],
                pool=self.pool,
            )
        finally:
            self._list_skipped(pictures)

    def _list_skipped(self, pictures):
        self.console.end()
        if not self.console.options.quiet:
            for file, reason in pictures.skipped.items():
                self.console.say(f"restore: {file}: left out: {reason}")

    def _first(self, resume):
        """The dictionary to go on with, or to start from, or how to make one."""
        from restore.sparse.dictionary import Dictionary

        if resume and os.path.lexists(self.output):
            return Dictionary.load(self.output)
        init = self.settings["init"]
        return init if init in ("data", "dct") else Dictionary.load(init)

    def _started(self, drawn, shape, start):
        """The dictionary before the first turn."""
        from restore.sparse import dictionary_learning
        from restore.sparse.dictionary import Dictionary

        settings = self.settings
        first = dictionary_learning.first_dictionary(
            drawn.patches, shape, settings["atoms"], start, settings["seed"]
        )
        return Dictionary(first.atoms, shape)

    def _keep(self, turn, number, about):
        """Write the dictionary of a turn."""
        from restore.sparse.dictionary import Dictionary

        about = {
            **about,
            "iterations": number,
            "rmse": round(255 * turn.rmse, 4),
            "uses": turn.uses.tolist(),
        }
        dictionary = Dictionary(turn.dictionary.atoms, turn.dictionary.patch_shape, about)
        self._save(dictionary, f"turn {number}", number)
        return dictionary

    def _save(self, learned, step, number):
        """Write what is learned so far; a disk that is full may have room after the next step."""
        from restore.files.safe import whole_file

        try:
            with whole_file(self.output) as file:
                learned.save(file)
            self.saved = number
        except OSError as error:
            self.console.say(
                f"restore: {self.output}: {step} is not saved: {batch.failure_reason(error)}"
            )

    def _tell(self, turn, number, seconds):
        total = self.settings["iterations"]
        words = (
            f"RMSE {255 * turn.rmse:.3f} levels, {turn.sparsity:.2f} atoms a patch, "
            f"{turn.replaced} replaced"
        )
        if self.console.options.verbose:
            self.console.say(f"turn {number} of {total}: {words}, {seconds:.2f} s")
        self.console.stage("learning", number, total)
        self.console.note(words)
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

    def _conclude(self, drawn, pictures, dictionary, gain, seconds):
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
                "gain": {"decibels": gain.decibels, "atoms": gain.sparsity, "over": gain.other},
                "seconds": round(seconds, 3),
            }
        )
        if self.console.options.quiet:
            return
        better = "better" if gain.decibels >= 0 else "worse"
        self.console.say(
            f"{self.output}: {dictionary.n_atoms} atoms of {_pictures(drawn.pictures)}; codes "
            f"their patches {abs(gain.decibels):.2f} dB {better} than {gain.other}, "
            f"{gain.sparsity} atoms each ({seconds:.1f} s)"
        )


def _pictures(count):
    return f"{count} picture{'s' * (count != 1)}"


def _check_same(output, stored, about):
    """Refuse to go on with other settings or pictures than those of the turns before."""
    for name, option in SETTINGS.items():
        if stored.get(name) != about[name]:
            was = stored.get(name)
            raise ValueError(
                f"{output} was not made by `restore train`"
                if "iterations" not in stored
                else f"{output} was begun with another {option}: {was}, not {about[name]}"
            )
    if stored.get("fingerprint") != about["fingerprint"]:
        raise ValueError(f"{output} was begun with other pictures than these")
