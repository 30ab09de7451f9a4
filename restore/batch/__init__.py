"""From command-line arguments to files on disk: plan, run, report.

A command describes what happens to *one* picture, as a function that can be pickled, and
hands it to `run` with the arguments and the shared options::

    @click.command()
    @click.option("--sigma", type=float)
    @batch_options(suffix="-denoised")                       # restore.cli.options
    def denoise(inputs, options, sigma):
        '''Remove noise.'''
        return batch.run(functools.partial(_denoise, sigma=sigma), inputs, options)

    def _denoise(picture, *, pool, sigma):      # at module level
        from restore.tasks.denoising import denoise                # heavy imports in here
        return picture.replace(samples=denoise(picture.samples, sigma, pool=pool))

The function gets a `restore.files.picture.Picture` and returns one. It may instead

- return a `Result`, to add facts (``{"sigma": 12.5}``) to ``-v`` and ``--json``, or further
  files beside the output, where `run` was given ``extras=("-mask.png",)``;
- return bytes, where `run` was given ``writes=".ksvd"``;
- receive bytes, where `run` was given ``reads=(".ksvd",)``;
- receive a second picture per input as a keyword, where `run` was given
  ``companions={"mask": path}``: a file is for all, in a folder the one of the same stem is taken.

A multi-page TIFF calls it once per page. A ``ValueError`` fails that one file, with its
sentence as the reason. The function never sees a path, prints nothing and never exits.

Nothing heavy is imported here at module level, so that wrong usage is reported at once.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence

from restore.batch.console import Console, complain, overall, printable, summary
from restore.batch.plan import find, matching, nothing_found, plan, shard
from restore.batch.records import (
    DONE,
    FAILED,
    NOTHING,
    USAGE,
    EngineLost,
    Further,
    Options,
    Process,
    Result,
    UsageError,
)
from restore.batch.report import Report, budget, check
from restore.batch.work import failure_reason, read_beside
from restore.batch.workers import engine, reports, shares
from restore.files.signals import at_signal

__all__ = [
    "Console",
    "Options",
    "Result",
    "UsageError",
    "complain",
    "failure_reason",
    "find",
    "matching",
    "nothing_found",
    "overall",
    "plan",
    "printable",
    "read_beside",
    "run",
    "shares",
]


def run(
    process: Process,
    inputs: Sequence[str],
    options: Options,
    *,
    reads: tuple[str, ...] | None = None,
    writes: str | None = None,
    companions: Mapping[str, str | None] | None = None,
    extras: Further = (),
    raw: bool = False,
    coloured: bool = False,
    whole: bool = False,
) -> int:
    """Plan, process and report all inputs.

    Parameters
    ----------
    process : callable
        ``process(picture, *, pool) -> Picture | bytes | Result``, picklable;
        see the top of this module.
    inputs : sequence of str
        Files, folders, or "-".
    options : Options
    reads : tuple of str, optional
        Extensions of inputs that are not pictures; `process` then gets bytes.
    writes : str, optional
        Extension of outputs that are not pictures; `process` then returns bytes.
    companions : dict of str to path, optional
        A second picture per input, passed to `process` by this name.
    extras : tuple of str, or dict of str to path or None
        Suffixes of further outputs, after the stem of the output: ``("-mask.png",)``; or the place
        of each, a file or a folder, where None is beside the output.
    raw : bool
        `process` takes the sensor data of camera raw files, and calls
        `restore.files.raw.developed` itself. By default it gets the developed picture.
    coloured : bool
        Outputs are in colour even if inputs are grey.
    whole : bool
        `process` estimates something on the picture: when a part is tried, it also gets the whole
        picture, as ``whole=``.

    Returns
    -------
    int
        The exit code: 0 all done or skipped, 1 some failed, 2 wrong usage, 3 nothing
        matched. A signal ends the process with 128 + its number (130 for Ctrl-C), if signals are
        handled; see `restore.files.signals`.
    """
    if options.trial:
        options.trial(process, inputs, companions=companions, extras=extras, whole=whole)
        return DONE
    console = Console(options)
    try:
        if options.report:
            check(options.report, options.overwrite)
        jobs, ignored = plan(
            inputs,
            options,
            reads=reads,
            writes=writes,
            companions=companions,
            extras=extras,
            coloured=coloured,
        )
    except UsageError as error:
        console.say(f"restore: {error}")
        return USAGE
    missing = all(job.error and not os.path.lexists(job.source) for job in jobs)
    nothing = not jobs
    jobs = shard(jobs, options.shard)
    page = None
    if options.report:
        page = Report(
            options.report, "Report of " + options.command.partition(" -")[0], options.command
        )
        options = dataclasses.replace(options, view_bytes=budget(len(jobs)))
    if options.dry_run:
        console.show_plan(jobs)
        failed = console.failed or any(job.error for job in jobs)
        return NOTHING if missing else FAILED if failed else DONE

    work = {"process": process, "options": options}
    work |= {"reads": reads, "writes": writes, "raw": raw, "coloured": coloured}
    outcome, lost = {"done": 0, "skipped": 0, "failed": 0}, False

    def so_far() -> str:
        return summary(outcome, len(jobs) - sum(outcome.values()), ignored)

    with at_signal(lambda number: console.last_words(so_far())):
        try:
            console.begin(len(jobs))
            with (
                engine(work, jobs, options, console) as doing,
                contextlib.closing(reports(doing, jobs)) as finished,
            ):
                for report in finished:
                    console.workers(doing.workers)
                    outcome[report["status"]] += 1
                    view = report.pop("view", None)
                    if page:
                        page.add(report, view)
                    console.report(report, alone=len(jobs) == 1)
                    if report["status"] == "failed" and options.fail_fast:
                        break
        except UsageError as error:
            console.say(f"restore: {error}")
            return USAGE
        except EngineLost as error:
            console.say(f"restore: {error}")
            lost = True
        except BrokenPipeError:
            # the reader of our output has gone: there is no one to report to
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        finally:
            console.end()
            lost |= not _written(page, options, console)
        if len(jobs) != 1 and not options.quiet:
            console.say(so_far())
    if nothing or missing:
        if nothing:
            console.say(nothing_found(inputs, ignored, options.recursive))
        return NOTHING
    return FAILED if outcome["failed"] or lost or console.failed else DONE


def _written(page: Report | None, options: Options, console: Console) -> bool:
    """Write the page of a report, if requested; False if that failed."""
    if page is None:
        return True
    try:
        page.write(options.overwrite)
    except OSError as error:
        console.say(f"restore: {options.report}: {failure_reason(error, options.report)}")
        return False
    return True
