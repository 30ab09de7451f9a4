"""Processing many files: in this process, or in spawned ones, any of which may be killed.

Files are processed by an engine, a context with

- ``capacity``: how many files it accepts before one is completed;
- ``submit(number, job)``: accept a file;
- ``completed()``: wait for any of them, and return its number and report;
- ``cancel()``: start no more, and do not wait;
- ``workers``: the current number of processes on other machines, or None.

Here are `InProcess` and `Processes`; the third is `restore.batch.cluster.Cluster`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from restore.batch.records import Job, Options, UsageError
from restore.batch.work import restore_one
from restore.files import safe, signals
from restore.imaging.bands import Pool, usable_cpus

if TYPE_CHECKING:
    from restore.batch.console import Console


def shares(jobs: int, threads: int | None, count: int, cpus: int) -> tuple[int, int]:
    """Number of processes, and threads of each: together at most the number of processors."""
    jobs = max(1, min(jobs, count, cpus))
    return jobs, max(1, min(threads or cpus, cpus // jobs))


def engine(work: dict[str, Any], jobs: Sequence[Job], options: Options, console: Console) -> Any:
    """The engine for the `jobs`; `work` are `restore_one`'s arguments."""
    count = sum(job.report() is None for job in jobs)
    if count and (options.scheduler or options.scheduler_file):
        return import_cluster("cluster").Cluster(work, jobs, options, console)
    processes, threads = shares(options.jobs or 1, options.threads, count, usable_cpus())
    if processes == 1:
        return InProcess(work, threads, console)
    return Processes(work, processes, threads, console)


def import_cluster(name: str) -> Any:
    """The module of `restore.batch` that needs Dask.

    Raises
    ------
    UsageError
        If Dask is not installed.
    """
    try:
        return importlib.import_module(f"restore.batch.{name}")
    except ImportError as error:
        raise UsageError(
            "a cluster needs Dask, which is not installed: pip install 'restore-ksvd[cluster]'"
        ) from error


def reports(engine: Any, jobs: Sequence[Job]) -> Generator[dict[str, Any], None, None]:
    """Yield one report per job, in the order of `jobs`."""
    ready, position = {}, 0
    for number, report in _completed(engine, jobs):
        ready[number] = report
        while position in ready:
            yield ready.pop(position)
            position += 1


def _completed(engine: Any, jobs: Sequence[Job]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, report) as jobs are completed; few are in flight at a time."""
    waiting, in_flight, more = enumerate(jobs), 0, True
    with signals.at_signal(lambda number: engine.cancel()):
        try:
            while more or in_flight:
                while more and in_flight < engine.capacity:
                    number, job = next(waiting, (0, None))
                    if job is None:
                        more = False
                    elif report := job.report():
                        yield number, report
                    else:
                        engine.submit(number, job)
                        in_flight += 1
                if in_flight:
                    yield engine.completed()
                    in_flight -= 1
        finally:
            engine.cancel()


class InProcess:
    """One file at a time, in this process."""

    capacity, workers = 1, None

    def __init__(self, work: dict[str, Any], threads: int, console: Console) -> None:
        self.work, self.pool = work, Pool(threads, console.stage)
        self.compiling = console.shown_compilation()

    def __enter__(self) -> InProcess:
        self.compiling.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.compiling.__exit__(*error)

    def submit(self, number: int, job: Job) -> None:
        self.taken = number, job

    def completed(self) -> tuple[int, dict[str, Any]]:
        number, job = self.taken
        return number, restore_one(job=job, pool=self.pool, **self.work)

    def cancel(self) -> None:
        """Nothing to do: no job is pending."""


class Processes:
    """Processes files in several processes of this machine, each with several threads."""

    workers = None

    def __init__(self, work: dict[str, Any], count: int, threads: int, console: Console) -> None:
        self.work, self.capacity, self.threads = work, count, threads
        self.compiling = console.shown_compilation(count)
        self.started: list[_Worker] = []
        self.idle: list[_Worker] = []

    def __enter__(self) -> Processes:
        self.compiling.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.compiling.__exit__(*error)

    def submit(self, number: int, job: Job) -> None:
        if self.idle:
            worker = self.idle.pop()
        else:
            worker = _Worker(self.work, self.threads)
            self.started.append(worker)
        worker.give(number, job)

    def completed(self) -> tuple[int, dict[str, Any]]:
        busy: dict[Any, _Worker] = {
            one.connection: one for one in self.started if one not in self.idle
        }
        worker = busy[wait(list(busy))[0]]
        report = worker.take()
        if worker.process.is_alive():
            self.idle.append(worker)
        else:
            self.started.remove(worker)
        return worker.number, report

    def cancel(self) -> None:
        for worker in self.started:
            worker.stop()
        for worker in self.started:
            worker.ended()
        self.started, self.idle = [], []


class _Worker:
    """A spawned process that runs one job at a time."""

    def __init__(self, work: dict[str, Any], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.owner = secrets.token_hex(8)
        arguments = theirs, work, threads, self.owner
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        # Ctrl-C reaches a whole group of processes: the parent alone decides what it means
        with signals.deferred():
            self.process.start()
        theirs.close()
        self.number = 0
        self.job: Job | None = None

    def give(self, number: int, job: Job) -> None:
        self.number, self.job = number, job
        with contextlib.suppress(OSError):  # it has died meanwhile: `take` notices
            self.connection.send(job)

    def take(self) -> dict[str, Any]:
        """The report of the job; a failure if the process has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"killed by signal {-code}" if code < 0 else f"gone with exit code {code}"
            self.clean()
            why = ", perhaps for want of memory" if code == -9 else ""
            assert self.job is not None  # it was given one
            lost = dataclasses.replace(self.job, error=f"its process was {how}{why}")
            return lost.report() or {}

    def clean(self) -> None:
        if self.job is not None and self.job.target != "-":
            safe.remove_unfinished(os.path.dirname(self.job.target) or ".", self.owner)

    def stop(self) -> None:
        self.connection.close()
        if self.process.is_alive():
            self.process.terminate()

    def ended(self) -> None:
        self.process.join(1)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.clean()


def _serve(connection: Any, work: dict[str, Any], threads: int, owner: str) -> None:
    """The main loop of a worker process."""
    safe.owner = owner
    signals.listen()
    if hasattr(signal, "pthread_sigmask"):  # all but Ctrl-C, which is the parent's
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(signals.NUMBERS) - {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            connection.send(restore_one(job=job, pool=Pool(threads), **work))


def _end_with_parent() -> None:
    """End this process when its parent has been killed, since no one would receive results."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
