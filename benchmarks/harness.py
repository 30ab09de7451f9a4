"""What every benchmark shares: pictures, quality, timing in turns, memory, tables."""

import functools
import importlib
import importlib.metadata
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from threadpoolctl import threadpool_limits

import restore
from restore.imaging import measures

HOUSE = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
SAMPLES = HOUSE / "sample_images"
FIGURES = HOUSE / "docs" / "figures"

#: The unit of `Comparison.pace`.
PACE = "processor seconds per megapixel"

#: Where tables are written between markers.
PAGES = [HOUSE / "README.md", Path(__file__).parent / "README.md", *HOUSE.glob("docs/*.md")]


@dataclass(frozen=True)
class Run:
    """What a run of the benchmark was asked for."""

    data: Path | None
    """Folder of the standard sets, or None: measure on the sample pictures."""
    threads: int
    repetitions: int = 5

    def rounds(self):
        """How times were taken, for the notes of a table."""
        if not self.repetitions:
            return "times not measured"
        if self.repetitions == 1:
            return "times of one run"
        return f"times are medians of {self.repetitions} runs in turns"

    def pictures(self, folder, sample="*-clean.png", grey=False):
        """(name of the set, {name: 8-bit picture}) from `data`, else from the sample pictures."""
        if self.data is not None and (self.data / folder).is_dir():
            return Path(folder).name, read_folder(self.data / folder, grey=grey)
        return "samples", read_folder(SAMPLES, sample, grey)


@dataclass
class Table:
    """Rows of measurements, stored as JSON and shown as Markdown."""

    name: str
    """The name in markers and of the stored file."""
    title: str
    columns: list
    """(heading, format) pairs; the format is one of Python's, "" for text."""
    rows: list
    """One value per column; None and NaN, not measured, are shown as a dash."""
    notes: str = ""
    details: dict = field(default_factory=dict)
    """More numbers, stored but not shown, e.g. per picture."""
    machine: str = ""
    curves: dict = field(default_factory=dict)
    """For a plot: {"x": label, "y": label, "log": "xy", "lines": {name: [xs, ys]}}; a line may
    be one point."""

    def markdown(self):
        """The table with its title and the machine it was measured on."""
        left = ["---" if style == "" else "---:" for _, style in self.columns]
        lines = [
            f"**{self.title}**",
            "",
            row_of(heading for heading, _ in self.columns),
            row_of(left),
            *(
                row_of(
                    "-" if value is None or value != value else format(value, style)
                    for value, (_, style) in zip(row, self.columns, strict=True)
                )
                for row in self.rows
            ),
            "",
            f"{self.notes} Measured on {self.machine}.".strip(),
        ]
        return "\n".join(lines)

    def store(self):
        """Write the table to ``results/NAME.json``, and draw its curves."""
        RESULTS.mkdir(exist_ok=True, parents=True)
        self.plot()
        # JSON has no NaN
        plain = json.loads(json.dumps(asdict(self)), parse_constant=lambda name: None)
        text = json.dumps(plain, indent=1, ensure_ascii=False)
        (RESULTS / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    def plot(self):
        """Draw the curves, if there are any, as ``docs/figures/NAME.svg``."""
        lines = {  # those that were measured
            name: line
            for name, line in self.curves.get("lines", {}).items()
            if all(value is not None and value == value for value in line[0])
        }
        if not lines or not peer("matplotlib"):
            return
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator, StrMethodFormatter

        # text stays text, and the same numbers give the same file
        style = {"svg.fonttype": "none", "svg.hashsalt": self.name, "font.size": 9}
        with matplotlib.rc_context(style):
            figure = Figure(figsize=(6.4, 3.6), layout="constrained")
            axes = figure.subplots()
            for number, (name, (across, up)) in enumerate(lines.items()):
                marker = "osD^vPX<>*"[number % 10]
                axes.plot(across, up, marker=marker, markersize=5, linewidth=1.2, label=name)
            axes.set_title(self.title.replace("`", ""), fontsize="medium", wrap=True)
            axes.set(xlabel=self.curves["x"], ylabel=self.curves["y"])
            for name in self.curves.get("log", ""):
                axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
                axes.set(**{f"{name}scale": "log"})
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_locator(LogLocator(subs=()))
            axes.grid(alpha=0.3)
            if len(lines) > 1:
                figure.legend(loc="outside right upper", fontsize="small", frameon=False)
            file = FIGURES / f"{self.name}.svg"
            figure.savefig(file, metadata={"Date": None, "Creator": None})

    @classmethod
    def load(cls, name):
        """The stored table of that name."""
        return cls(**json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def row_of(cells):
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


# Pages ------------------------------------------------------------------------------------

BLOCK = re.compile(
    r"^(?P<open><!-- benchmark:(?P<name>[\w.-]+) -->\n).*?^(?P<close><!-- /benchmark -->)$",
    re.DOTALL | re.MULTILINE,
)


def with_tables(text):
    """`text` with the stored table between each pair of markers.

    The markers are ``<!-- benchmark:NAME -->`` and ``<!-- /benchmark -->``, each on a line.
    """

    def filled(match):
        if match["name"] == "overview":  # made of the others, and so never stored
            from benchmarks import overview

            table = overview.table()
        elif (RESULTS / f"{match['name']}.json").exists():
            table = Table.load(match["name"])
        else:
            return match["open"] + match["close"]
        return f"{match['open']}\n{table.markdown()}\n\n{match['close']}"

    return BLOCK.sub(filled, text)


def keep_apart():
    """From now on store tables and plots where no page shows them: those of a quick run."""
    global RESULTS, FIGURES
    RESULTS = FIGURES = Path(__file__).parent / "quick"


def write_pages():
    """Put the stored tables between the markers of all pages, and draw their curves."""
    for file in sorted(RESULTS.glob("*.json")):
        Table.load(file.stem).plot()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if with_tables(text) != text:
            page.write_text(with_tables(text), encoding="utf-8")
            print(f"updated {page.relative_to(HOUSE)}", file=sys.stderr)


# Pictures and quality ---------------------------------------------------------------------


def read_folder(folder, pattern="*", grey=False):
    """The pictures of a folder in the order of their names: {stem: 8-bit array}."""
    suffixes = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm"}
    files = sorted(f for f in Path(folder).glob(pattern) if f.suffix.lower() in suffixes)
    pictures = {file.stem: imageio.imread(file) for file in files}
    if grey:
        pictures = {name: p for name, p in pictures.items() if p.ndim == 2}
    return pictures


def noisy(picture, sigma, index):
    """float32 picture in [0, 1] under noise of `sigma` 8-bit levels: not clipped, not rounded."""
    noise = np.random.default_rng(1000 + index).standard_normal(picture.shape)
    return ((picture + sigma * noise) / 255).astype(np.float32)


def psnr(clean, result, border=0):
    """PSNR in dB of pictures in [0, 1] or of integers, without `border` pixels at each side."""
    inside = slice(border, -border or None)
    return measures.psnr(unit(clean)[inside, inside], unit(result)[inside, inside])


def ssim(clean, result):
    """Structural similarity of pictures in [0, 1] or of integers."""
    return measures.ssim(unit(clean), unit(result))


def unit(picture):
    """`picture` as (height, width, channels) float64, integers brought to [0, 1]."""
    picture = np.atleast_3d(picture)
    most = np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1
    return picture.astype(np.float64) / most


def eight_bits(picture):
    """What a picture in [0, 1] is after a file of 8 bits."""
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def mirrored(tile, shape):
    """`tile` repeated and mirrored to fill `shape`."""
    grow = [(0, max(0, want - have)) for want, have in zip(shape, tile.shape)]
    grow += [(0, 0)] * (tile.ndim - 2)
    return np.pad(tile, grow, mode="symmetric")[: shape[0], : shape[1]]


def damaged(clean, missing, index):
    """A picture with a share of its pixels missing, which are black, and the mask of them."""
    mask = np.random.default_rng(index).random(clean.shape) < missing
    return np.where(mask, np.uint8(0), clean), mask


# Comparing --------------------------------------------------------------------------------


@dataclass
class Comparison:
    """Quality and time of some methods on the same inputs; see `compare`."""

    titles: list
    quality: dict
    """{method: [one number for each case]}"""
    seconds: dict
    """{method: processor seconds for all cases}"""
    megapixels: float

    def means(self):
        """{method: mean quality}"""
        return {method: float(np.mean(values)) for method, values in self.quality.items()}

    def pace(self):
        """{method: processor seconds per megapixel}"""
        return {method: taken / self.megapixels for method, taken in self.seconds.items()}

    def curves(self, y):
        """Mean quality, called `y`, against pace, a point a method, for `Table.curves`."""
        means, pace = self.means(), self.pace()
        points = {method: [[pace[method]], [means[method]]] for method in means}
        return {"x": PACE, "y": y, "log": "x", "lines": points}

    def details(self):
        """Everything, for `Table.details`."""
        return {"pictures": self.titles, "quality": self.quality, "seconds": self.seconds}


def compare(cases, methods, measure, repetitions=1):
    """Run every method on every case, in turns.

    Parameters
    ----------
    cases : iterable of (title, input, reference)
    methods : dict of str to callable
        Called with the input; whatever is wrong with a peer stops the benchmark.
    measure : callable
        ``measure(reference, result)``: the quality, a number.
    repetitions : int
        Timed rounds for each case.

    Returns
    -------
    Comparison
    """
    found = Comparison([], {m: [] for m in methods}, dict.fromkeys(methods, 0.0), 0.0)
    for title, given, reference in cases:
        if not found.titles and repetitions == 1:
            for method in methods.values():  # compiles; more rounds do so by themselves
                method(given)
        bound = {name: functools.partial(method, given) for name, method in methods.items()}
        # processor time: what neither more cores nor a busy machine hide
        results, seconds = in_turns(bound, repetitions, time.process_time)
        for name, result in results.items():
            found.quality[name].append(measure(reference, result))
            found.seconds[name] += seconds[name]
        found.titles.append(title)
        found.megapixels += reference.shape[0] * reference.shape[1] / 1e6
        print(f"  {title}: done", file=sys.stderr)
    return found


# Peers ------------------------------------------------------------------------------------


@functools.cache
def peer(name, package=None):
    """The module `name`, or None (said once) where ``pip install .[peers]`` did not bring it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        print(f"left out: {package or name} ({error})", file=sys.stderr)
        return None


def machine(*packages, threads=None):
    """One line: processor, threads, Python and the versions of `packages` that are here."""
    versions = [f"restore-ksvd {restore.__version__}"]
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(
        [
            processor(),
            *([f"{threads} thread{'s' * (threads > 1)}"] if threads else []),
            f"Python {platform.python_version()}",
            *versions,
        ]
    )


def processor():
    """The model name of the processor, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"model name\s*:\s*(.*)", text)
    return model[1].strip() if model else platform.machine()


# Time and memory --------------------------------------------------------------------------


def in_turns(functions, repetitions=5, clock=time.perf_counter):
    """Run each function once per round, in turns, so that a busy machine slows all alike.

    Parameters
    ----------
    functions : dict of str to callable
    repetitions : int
        Rounds. One call of each goes before, untimed, unless there is one round: it
        compiles, and its result is the one returned. With no round there are no times (NaN).
    clock : callable
        Seconds since some moment: of the wall, or of the processor.

    Returns
    -------
    results, seconds : dict, dict
        The first result and the median time of each.
    """
    results, times = {}, {name: [] for name in functions}
    if repetitions != 1:
        results = {name: function() for name, function in functions.items()}
    for _ in range(repetitions):
        for name, function in functions.items():
            start = clock()
            result = function()
            times[name].append(clock() - start)
            results.setdefault(name, result)
    return results, {
        name: statistics.median(taken) if taken else math.nan for name, taken in times.items()
    }


@dataclass(frozen=True)
class Process:
    """What a finished process took."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


# A process inherits the peak of the one that starts it, so a small one stands between.
METER = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
unit = 1 if sys.platform == "darwin" else 1024
print(
    time.perf_counter() - start,
    usage.ru_utime + usage.ru_stime,
    usage.ru_maxrss * unit,
    os.waitstatus_to_exitcode(status),
)
"""


def measure_process(*command, **environment):
    """Run a command to its end: its time and peak resident memory (`Process`)."""
    # what is installed has its modules compiled, and so must what is measured
    environment = {"PYTHONDONTWRITEBYTECODE": "", **environment}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", METER, *map(str, command)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, processor, peak, code = done.stdout.split()[-4:]
    if int(code):
        raise RuntimeError(f"{' '.join(map(str, command))} ended with exit code {code}")
    return Process(float(seconds), float(processor), int(peak))


def restore_command(*arguments):
    """The command line of ``restore ...`` in this Python, quiet."""
    return [sys.executable, "-m", "restore", *map(str, arguments)]


def growth(run, name, title, arguments):
    """Time and peak memory of a whole command against the pixels of a grey photo.

    Parameters
    ----------
    run : Run
    name : str
        Of the table.
    title : str
        What the command does, and to what.
    arguments : callable
        ``arguments(folder, photo)``: writes what the command needs of the clean 8-bit photo
        into the folder; the command, its arguments and those for an output.
    """
    (tile,) = read_folder(SAMPLES, "camera-clean.png").values()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in (0.25, 1, 4, 12) if run.data else (0.25, 1):
            height = round((size * 1e6 * 3 / 4) ** 0.5)
            photo = mirrored(tile, (height, round(size * 1e6 / height)))
            command = restore_command(*arguments(Path(folder), photo), "--overwrite", "-q")
            taken = measure_process(*command, "--threads", run.threads)
            rows.append([size, taken.seconds, taken.seconds / size, taken.peak_bytes / 1e9])
            print(f"  {size} Mpx: {taken.seconds:.1f} s", file=sys.stderr)
    return Table(
        name=name,
        title=f"{title}: the whole command",
        columns=[("Mpx", "g"), ("seconds", ".1f"), ("s/Mpx", ".2f"), ("peak memory (GB)", ".2f")],
        rows=rows,
        machine=machine(threads=run.threads),
        curves={
            "x": "megapixels",
            "y": "seconds, whole command",
            "log": "xy",
            "lines": {"restore": [[row[0] for row in rows], [row[1] for row in rows]]},
        },
    )


def set_threads(threads):
    """Hold the numerical libraries of this process and its children to `threads` threads.

    Those that are loaded, as numpy's BLAS is, are told; those to come read it.
    """
    threadpool_limits(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
