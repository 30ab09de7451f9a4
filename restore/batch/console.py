"""What the user sees: words and bars on stderr, JSON lines on stdout."""

import contextlib
import json
import math
import os
import sys

from restore.batch.records import REPORT


class Console:
    """Everything that is printed: words and bars on stderr, JSON lines on stdout."""

    def __init__(self, options):
        self.options = options
        self.files = self.stages = self.current = None

    def say(self, sentence):
        """A line on stderr, above the bars where there are any."""
        if self.files is not None or self.stages is not None:
            from tqdm import tqdm

            tqdm.write(sentence, file=sys.stderr)
        else:
            print(sentence, file=sys.stderr, flush=True)

    def _bar(self, **settings):
        from tqdm import tqdm

        # None: only on a terminal
        force = self.options.progress
        disable = True if self.options.quiet else None if force is None else not force
        return tqdm(file=sys.stderr, disable=disable, leave=False, dynamic_ncols=True, **settings)

    def begin(self, count):
        if count > 1:
            self.files = self._bar(total=count, unit="file", position=0)

    def stage(self, stage, done, total):
        """The progress of one picture, as tasks report it."""
        if self.current != (stage, total):
            if self.stages is not None:
                self.stages.close()
            self.current = (stage, total)
            self.stages = self._bar(total=total, desc=stage, position=int(self.files is not None))
        self.stages.update(done - self.stages.n)

    def note(self, words):
        """Words at the end of the bar of the stage."""
        if self.stages is not None:
            self.stages.set_postfix_str(words)

    def end(self):
        for bar in (self.stages, self.files):
            if bar is not None:
                bar.close()
        self.files = self.stages = self.current = None

    def announce_compilation(self):
        if self.options.quiet or not sys.stderr.isatty():
            return
        from restore.kernels.jit import is_cached

        if not is_cached():
            self.say("compiling the kernels (once, some seconds)")

    def report(self, report, alone):
        """One finished file."""
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

    def json(self, facts):
        """A line of --json."""
        if self.options.json:
            print(json.dumps(_plain(facts), allow_nan=False), flush=True)

    def _line(self, report):
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

    def last_words(self, words):
        """What is said before a signal ends the process; it may have interrupted a print."""
        with contextlib.suppress(RuntimeError):  # what a print within a print raises
            self.end()
        if not self.options.quiet:
            os.write(2, f"interrupted: {words}\n".encode(errors="backslashreplace"))

    def show_plan(self, jobs):
        for job in jobs:
            report = job.report()
            if self.options.json:
                report = report or {**REPORT, "input": job.source, "output": job.target}
                report["status"] = report["status"] or "planned"
                print(json.dumps(report))
            elif job.error is not None:
                self.say(f"restore: {job.source}: {job.error}")
            else:
                note = " (skipped: exists)" if job.skip else ""
                print(f"{job.source} -> {job.target}{note}")


def summary(outcome, left, ignored):
    """Words for what became of all files."""
    parts = [f"{count} {status}" for status, count in outcome.items() if count]
    if left:
        parts.append(f"{left} not done")
    if ignored:
        parts.append(f"{ignored} other file{'s' * (ignored != 1)} ignored")
    return ", ".join(parts) or "nothing done"


def _plain(value):
    """`value` as JSON can hold it: numpy's numbers as Python's, NaN and infinity as null."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fact(name, value):
    """Words for one fact: nothing where it is not so, and no value where it is."""
    values = value if isinstance(value, list) else [value]
    if all(value is None or value is False for value in values):
        return ""
    if any(value is True for value in values):
        return name
    distinct = dict.fromkeys(_short(value) for value in values)
    return f"{name} {' '.join(distinct if len(distinct) == 1 else map(_short, values))}"


def _short(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
