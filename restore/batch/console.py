"""Output for the user: messages and progress bars on stderr, JSON lines on stdout."""

import contextlib
import json
import math
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restore.batch.records import REPORT, Job, Options
from restore.batch.work import failure_reason
from restore.imaging.bands import Pool

#: Control characters: those in file names or metadata must not reach the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

#: Number of steps of progress of `overall`.
_PARTS = 1000


def printable(text: str) -> str:
    """`text` with its control characters, other than tabs and line ends, escaped."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class _StandardError:
    """Standard error; output that cannot be written, on a full disk for example, is lost."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


_stderr = _StandardError()


def complain(file: str, error: BaseException) -> None:
    """Print a line on stderr for a file that failed."""
    line = f"restore: {file}: {failure_reason(error, file)}"
    print(printable(line), file=_stderr, flush=True)


class Console:
    """Prints everything: messages and progress bars on stderr, JSON lines on stdout.

    Attributes
    ----------
    failed : bool
        Whether a line of --json could not be written.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.files: Any = None
        self.stages: Any = None
        self.kernels: Any = None
        self.current: tuple[str, int] | None = None
        self.failed = False
        self.compiled = 0

    def say(self, sentence: str) -> None:
        """Print a line on stderr, above any progress bars."""
        sentence = printable(sentence)
        if any((self.files, self.stages, self.kernels)):
            from tqdm import tqdm

            tqdm.write(sentence, file=_stderr)
        else:
            print(sentence, file=_stderr, flush=True)

    def _bar(self, **settings: Any) -> Any:
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())  # one process prints; the default lock is for several
        # None: only on a terminal
        force = self.options.progress
        disable = True if self.options.quiet else None if force is None else not force
        place = sum(bar is not None for bar in (self.files, self.stages, self.kernels))
        settings = {"leave": False, "dynamic_ncols": True, "position": place, **settings}
        return tqdm(file=_stderr, disable=disable, **settings)

    def begin(self, count: int) -> None:
        if count > 1:
            self.files = self._bar(total=count, unit="file")

    def stage(self, stage: str, done: int, total: int) -> None:
        """The progress of one picture, as tasks report it."""
        self._end_compilation()
        if self.current != (stage, total):
            if self.stages is not None:
                self.stages.close()
                self.stages = None
            self.current = (stage, total)
            shown = {"bar_format": "{l_bar}{bar}| {elapsed}<{remaining}"} if total == _PARTS else {}
            self.stages = self._bar(total=total, desc=stage, **shown)
        self.stages.update(done - self.stages.n)

    def workers(self, count: int | None) -> None:
        """Show the number of workers of a cluster; None without a cluster."""
        if self.files is not None and count is not None:
            self.files.set_postfix_str(f"{count} worker{'s' * (count != 1)}", refresh=False)

    def note(self, words: str) -> None:
        """Show a note at the end of the stage's progress bar."""
        if self.stages is not None:
            self.stages.set_postfix_str(words)

    def compiling(self, kernel: str) -> None:
        """A kernel is about to be compiled, on any thread."""
        if self.kernels is None:
            self.kernels = self._bar(
                desc="compiling for this machine, once",
                initial=self.compiled,
                bar_format="{desc}: {n_fmt} kernels{postfix}",
            )
        self.compiled += 1
        self.kernels.set_postfix_str(kernel, refresh=False)
        self.kernels.update()
        self.kernels.refresh()

    def _end_compilation(self) -> None:
        if self.kernels is not None:
            self.kernels.close()
            self.kernels = None

    def end(self) -> None:
        for bar in (self.kernels, self.stages, self.files):
            if bar is not None:
                bar.close()
        self.files = self.stages = self.current = self.kernels = None

    @contextlib.contextmanager
    def shown_compilation(self, processes: int = 1) -> Iterator[None]:
        """Show a progress bar while kernels are compiled within this context.

        If other `processes` compile them, a message is printed beforehand.
        """
        from restore.kernels import listeners

        if processes > 1 and not self.options.quiet and sys.stderr.isatty():
            from restore.kernels.jit import is_cached

            if not is_cached():
                self.say("compiling the kernels for this machine (once, for a minute at most)")
        listeners.append(self.compiling)
        try:
            yield
        finally:
            listeners.remove(self.compiling)

    def report(self, report: dict[str, Any], alone: bool) -> None:
        """One finished file."""
        self._end_compilation()
        if self.stages is not None:
            self.stages.close()
            self.stages = self.current = None
        if self.files is not None:
            self.files.update()
        trace = report.pop("traceback", None)
        if trace:
            self.say(trace.rstrip())
        if report["status"] == "failed":
            self.say(f"restore: {report['input']}: {report['error']}")
        if not self.options.quiet:
            for sentence in report["warnings"]:
                self.say(f"restore: {report['input']}: warning: {sentence}")
            if report["status"] != "failed" and (alone or self.options.verbose):
                self.say(self._line(report))
        self.json(report)

    def json(self, facts: dict[str, Any]) -> None:
        """A line of --json."""
        if self.options.json:
            self._print(json.dumps(plain(facts), allow_nan=False))

    def _print(self, line: str) -> None:
        """Print a line on stdout; if that fails, the run continues and fails at its end."""
        try:
            print(line, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self.failed:
                self.say(f"restore: standard output cannot be written: {error.strerror}")
            self.failed = True

    def _line(self, report: dict[str, Any]) -> str:
        if report["status"] == "skipped":
            return f"{report['input']}: skipped, {report['output']} exists"
        facts = [_fact(name, report[name]) for name in report if name not in REPORT]
        facts = [words for words in facts if words]
        if report["psnr"] is not None:
            facts.append(f"PSNR {_short(report['psnr'])} dB")
        if report["ssim"] is not None:
            facts.append(f"SSIM {_short(report['ssim'])}")
        facts.append(f"{report['seconds']:.1f} s")
        return f"{report['input']} -> {report['output']} ({', '.join(facts)})"

    def last_words(self, words: str) -> None:
        """Print a last message before a signal, perhaps within a print, ends the process."""
        with contextlib.suppress(RuntimeError):  # raised by a print within a print
            self.end()
        if not self.options.quiet:
            os.write(2, f"interrupted: {words}\n".encode(errors="backslashreplace"))

    def show_plan(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            report = job.report()
            if self.options.json:
                report = report or {**REPORT, "input": job.source, "output": job.target}
                report["status"] = report["status"] or "planned"
                self._print(json.dumps(report))
            elif job.error is not None:
                self.say(f"restore: {job.source}: {job.error}")
            else:
                note = " (skipped: exists)" if job.skip else ""
                self._print(f"{job.source} -> {job.target}{note}")


def overall(pool: Pool, stage: str, shares: Sequence[tuple[str, float]]) -> Pool:
    """A pool that combines the progress of the stages of one picture into one.

    Parameters
    ----------
    pool : Pool
        The pool to report to.
    stage : str
        The name of the combined stage.
    shares : list of (str, float)
        The stages in order, and their approximate shares of the time.

    Returns
    -------
    Pool
        To pass to the task.
    """
    progress = pool.progress
    if progress is None:
        return pool
    whole = sum(share for _, share in shares)
    before = ("", 0, 0)
    waiting, ended, share = list(shares), 0.0, 0.0

    def tell(name: str, done: int, total: int) -> None:
        nonlocal before, waiting, ended, share
        if (name, total) != (before[0], before[2]) or done <= before[1]:
            names = [one for one, _ in waiting]
            if name not in names:
                return
            ended += share
            place = names.index(name)
            ended += sum(skipped for _, skipped in waiting[:place])
            share = waiting[place][1]
            waiting = waiting[place + 1 :]
        before = name, done, total
        progress(stage, round(_PARTS * (ended + share * done / total) / whole), _PARTS)

    return Pool(pool.threads, tell)


def summary(outcome: Mapping[str, int], left: int, ignored: Mapping[str, int]) -> str:
    """A sentence that sums up the results of all files."""
    parts = [f"{count} {status}" for status, count in outcome.items() if count]
    if left:
        parts.append(f"{left} not done")
    ignored = sum(ignored.values())
    if ignored:
        parts.append(f"{ignored} other file{'s' * (ignored != 1)} ignored")
    return ", ".join(parts) or "nothing done"


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy's numbers as Python's, NaN and infinity as null."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fact(name: str, value: Any) -> str:
    """One fact as text: nothing for False, and only the name for True."""
    values = value if isinstance(value, list) else [value]
    if all(value is None or value is False for value in values):
        return ""
    if any(value is True for value in values):
        return name
    distinct = dict.fromkeys(_short(value) for value in values)
    return f"{name} {' '.join(distinct if len(distinct) == 1 else map(_short, values))}"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
