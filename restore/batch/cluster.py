"""Many files on the workers of a Dask cluster, which read and write them on a shared file system.

Only records are transferred: jobs to a worker, their reports back. A task carries one file, or
several small ones, because a task costs Dask as much as a tiny picture costs a worker. When a
worker dies, Dask gives its tasks to others. This module also records which file was at fault: a
worker announces each file it starts, and a file on which more than `Options.retries` workers died
is reported as failed. The files of its task that were not done go on alone, each in its own task.

Dask's threads put messages into a queue, and the thread that waits for files handles them.

Nothing else in the package imports Dask, and nothing imports this module unless a scheduler is
named.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import logging
import math
import os
import queue
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker

from restore import __version__
from restore.batch.cluster_worker import (
    Work,
    installed_version,
    packed,
    restore_there,
    signature,
    unpacked_report,
    unseen,
)
from restore.batch.records import EngineLost, Job, Options, UsageError
from restore.batch.work import failure_reason
from restore.files import safe
from restore.files.reading import pixels

if TYPE_CHECKING:
    from restore.batch.console import Console


#: Tasks in flight per worker: the one in progress, and two more so that it need not wait.
IN_FLIGHT = 3

#: A task is full with so many pixels or files.
PIXELS, FILES = 500_000, 8

#: Memory of a command, in bytes per pixel and fixed: a little more than the largest measured.
BYTES_PER_PIXEL, BYTES = 150, 400_000_000

#: Seconds to wait for the scheduler to answer.
PATIENCE = 15


def connect(options: Options, console: Console) -> Any:
    """Connect a client to the cluster, and check its workers.

    Raises
    ------
    UsageError
        If no scheduler answers.
    EngineLost
        If a worker has no `restore`, or another version of it.
    """
    # Dask's log messages on lost connections are replaced by our own
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    where = options.scheduler or options.scheduler_file
    try:
        client = Client(
            address=options.scheduler,
            scheduler_file=None if options.scheduler else options.scheduler_file,
            timeout=PATIENCE,
            set_as_default=False,
            name="restore",
        )
    except (OSError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nothing answers"
        raise UsageError(f"no Dask scheduler at {where}: {reason}") from error
    try:
        if not _workers(client):
            console.say(f"restore: waiting for workers of {where}")
            client.wait_for_workers(1)
        versions = client.run(installed_version, on_error="return")
        for address, version in versions.items():
            if version != __version__:
                has = version if isinstance(version, str) else f"none ({version})"
                raise EngineLost(f"the worker {address} needs restore {__version__}, and has {has}")
    except BaseException:
        client.close()
        raise
    return client


def _workers(client: Any) -> dict[str, Any]:
    """{address: facts} of the workers, from the scheduler."""
    return client.scheduler_info(n_workers=-1)["workers"]


def _memory(client: Any) -> dict[str, int | None]:
    """{address: memory limit of the worker in bytes, 0 for no limit}."""
    return {address: facts["memory_limit"] for address, facts in _workers(client).items()}


@dataclasses.dataclass
class _Task:
    """Files that a worker processes one after the other.

    Attributes
    ----------
    files : dict of int to Job
        Those that are not reported yet, by their number.
    pixels, largest : int
        Of all files together, and of the largest; 0 if unknown.
    able : list of str, optional
        The workers with enough memory for the largest file; None for all.
    unchanged : tuple of int, optional
        The signature of a file that replaces itself.
    alone : bool
        Whether it was sent with one file.
    given_up : bool
        Whether it is cancelled because a worker died over it.
    """

    files: dict[int, Job]
    pixels: int
    largest: int
    able: list[str] | None
    unchanged: tuple[int, int] | None = None
    alone: bool = True
    given_up: bool = False
    future: Any = None

    def joined(self, other: _Task) -> _Task:
        """A task with the files of both."""
        larger = max(self, other, key=lambda task: task.largest)
        files, together = self.files | other.files, self.pixels + other.pixels
        return dataclasses.replace(larger, files=files, pixels=together, alone=False)


class Cluster:
    """The engine whose processes are workers of a Dask cluster.

    Attributes
    ----------
    workers : int
        Current number of workers.
    """

    def __init__(
        self, work: dict[str, Any], jobs: Sequence[Job], options: Options, console: Console
    ) -> None:
        if options.jobs:
            raise UsageError("--jobs is for this machine: on a cluster, start as many workers")
        self.work, self.options, self.console = work, options, console
        self.planned = [job for job in jobs if job.report() is None]
        if any("-" in (job.source, job.target) for job in self.planned):
            raise UsageError("standard input and output are not for a cluster: name files")
        self.topic = f"restore-{secrets.token_hex(4)}"
        # number of files that were not submitted yet
        self.left = len(self.planned)
        # functions with their arguments, put there by Dask's threads
        self.events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        # worker -> its memory limit, None if unknown
        self.limits: dict[str, int | None] = {}
        # by their keys, and one that further small files may join
        self.tasks: dict[str, _Task] = {}
        self.filling: _Task | None = None
        self.counter = itertools.count()
        # (number, report) of files that are completed
        self.ready: collections.deque[tuple[int, dict[str, Any]]] = collections.deque()
        # worker -> (number of its current file, the owner of its unfinished files)
        self.begun: dict[str, tuple[int | None, str]] = {}
        # number -> count of workers that died on it
        self.deaths: collections.Counter[int] = collections.Counter()
        # numbers that were lost with a worker; that were repeated
        self.moved: set[int] = set()
        self.redone: set[int] = set()

    def __enter__(self) -> Cluster:
        self.client = connect(self.options, self.console)
        try:
            _check_paths(self.client, self.planned)
            self.client.register_plugin(Work(self.topic, self.work))
            for topic, handle in ((self.topic, self._hear), ("all", self._hear_workers)):
                self.client.subscribe_topic(topic, self._later(handle))
            self.limits = _memory(self.client)
        except BaseException:
            self.client.close()
            raise
        self.planned = []
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Exception):  # the scheduler is gone
            if self.client.status == "running":
                for topic in (self.topic, "all"):
                    self.client.unsubscribe_topic(topic)
                self.client.unregister_worker_plugin(self.topic)
            self.client.close(timeout=1)

    def _later(self, handle: Any) -> Any:
        """A function for Dask's threads, which lets the waiting thread call `handle`."""
        return lambda what: self.events.put((handle, what))

    @property
    def workers(self) -> int:
        return len(self.limits)

    @property
    def _most(self) -> int:
        """The most tasks in flight."""
        return IN_FLIGHT * max(1, self.workers)

    @property
    def _enough(self) -> int:
        """Number of files with which a task is full; the last ones are spread over all workers.

        The announcement of a file can be lost with its worker, and then the file before is blamed.
        Alone, that one is done; but without retries it would fail.
        """
        return min(FILES, self.left // self._most) if self.options.retries else 1

    @property
    def capacity(self) -> float:
        """Any number of files, until there are enough tasks."""
        return math.inf if len(self.tasks) + len(self.ready) < self._most else 0

    def submit(self, number: int, job: Job) -> None:
        self.left -= 1
        task = self._task(number, job)
        if task and self.options.overwrite and os.path.lexists(job.target):
            if os.path.samefile(job.source, job.target):
                task.unchanged = signature(job.source)
        if task and 0 < task.pixels < PIXELS and not task.unchanged:
            if self.filling:
                task = self.filling.joined(task)
            self.filling = None
            if task.pixels < PIXELS and len(task.files) < self._enough:
                self.filling = task
                return
        if task:
            self._send(task)

    def _task(self, number: int, job: Job) -> _Task | None:
        """A task for one file; None if it is too large for all workers, which is its report."""
        if None in self.limits.values():
            self.limits = _memory(self.client)
        size = pixels(job.source) or 0
        takes = self.options.memory_per_file or BYTES + BYTES_PER_PIXEL * size
        able = [address for address, limit in self.limits.items() if not limit or limit >= takes]
        if able or not self.limits:
            for_all = len(able) == len(self.limits)
            return _Task({number: job}, size, size, None if for_all else able)
        error = (
            f"it takes some {takes / 1e9:.1f} GB, and no worker has as much: start one with a "
            "larger --memory-limit, or tell what it takes with --memory-per-file"
        )
        self._complete(number, dataclasses.replace(job, error=error).report())
        return None

    def _send(self, task: _Task) -> None:
        key = f"{self.topic}-{next(self.counter)}"
        self.tasks[key] = task
        task.future = self.client.submit(
            restore_there, self.topic, packed(task.files), task.unchanged,
            not self.redone.isdisjoint(task.files), key=key, workers=task.able,
            allow_other_workers=task.able is not None,  # when all of those are gone
        )  # fmt: skip
        task.future.add_done_callback(self._later(self._end))

    def completed(self) -> tuple[int, dict[str, Any]]:
        while not self.ready:
            if self.filling and len(self.tasks) < self._most:  # no more files come
                self._send(self.filling)
                self.filling = None
            with contextlib.suppress(queue.Empty):
                # on Windows Ctrl-C is only noticed between two waits
                handle, what = self.events.get(timeout=1)
                handle(what)
        return self.ready.popleft()

    def _complete(self, number: int, report: dict[str, Any] | None) -> None:
        self.ready.append((number, report or {}))

    def cancel(self) -> None:
        """Nothing to do: the scheduler drops tasks without a client as soon as this one is gone."""

    def _hear(self, event: Any) -> None:
        """Handle the message of a worker: the file it starts, and the report of the one before."""
        address, key, owner, number, report = event[1]
        self.begun[address] = number, owner
        if report and key in self.tasks:
            done, told = report
            job = self.tasks[key].files.pop(done, None)
            if job is not None:  # no other worker has reported it
                self._reported(done, job, unpacked_report(told, job))

    def _reported(self, number: int, job: Job, report: dict[str, Any]) -> None:
        lost = number in self.moved - self.redone and not self.options.overwrite
        if report["status"] == "failed" and lost:  # the output may be that of the lost attempt
            self.redone.add(number)
            self._again(number, job)
        else:
            self._complete(number, report)

    def _again(self, number: int, job: Job, unchanged: tuple[int, int] | None = None) -> None:
        """Process a file another time, alone."""
        task = self._task(number, job)
        if task:
            task.unchanged = unchanged
            self._send(task)

    def _end(self, future: Any) -> None:
        """Handle the end of a task: files that have no report have failed, or are done again."""
        task = self.tasks.pop(future.key)
        error = future.exception() if future.status == "error" else None
        if future.status not in ("finished", "error") and not task.given_up:
            raise EngineLost(
                "the scheduler is gone: what is done is done, and --skip-existing goes on"
            )
        for number, job in task.files.items():
            if error is not None and not isinstance(error, KilledWorker):
                failed = dataclasses.replace(job, error=failure_reason(error))
            elif self.deaths[number] > self.options.retries:
                died = self.deaths[number]
                words = f"{died} worker{'s' * (died != 1)} died over it, perhaps for want of memory"
                failed = dataclasses.replace(job, error=words)
            else:
                if error is not None and task.alone:
                    # Dask gave up; it also counts files that were only queued on a worker that died
                    self.deaths[number] += 1
                self._again(number, job, task.unchanged)
                continue
            self._complete(number, failed.report())

    def _hear_workers(self, event: Any) -> None:
        """Handle messages of the scheduler on workers that come and go."""
        event = event[1]
        address = event.get("worker")
        if event["action"] == "add-worker":
            self.limits[address] = None  # not told yet
        if event["action"] != "remove-worker":
            return
        self.limits.pop(address, None)
        for key in {*event["processing-tasks"], *event["lost-computed-tasks"]} & self.tasks.keys():
            self.moved |= self.tasks[key].files.keys()
        number, owner = self.begun.pop(address, (None, ""))
        if number is None or event["expected"]:
            return
        for task in self.tasks.values():
            if number in task.files:
                folder = os.path.dirname(os.path.abspath(task.files[number].target))
                safe.remove_unfinished(folder, owner)
                self.deaths[number] += 1
                if self.deaths[number] > self.options.retries or not task.alone:
                    task.given_up = True
                    self.client.cancel([task.future])


def _check_paths(client: Any, jobs: Sequence[Job]) -> None:
    """Raise a UsageError if a worker does not see the same files."""
    inputs = {os.path.dirname(os.path.abspath(job.source)): job.source for job in jobs}
    sizes = {os.path.abspath(path): os.path.getsize(path) for path in inputs.values()}
    places = set()
    for target in {os.path.dirname(os.path.abspath(job.target)) for job in jobs}:
        while not os.path.isdir(target):
            target = os.path.dirname(target)
        places.add(target)
    with contextlib.ExitStack() as marks:
        for place in places:
            with contextlib.suppress(OSError):  # files there will fail individually
                mark = marks.enter_context(safe.mark(place))
                sizes[mark] = 0
        for address, missing in client.run(unseen, sizes).items():
            if missing is not None:
                raise UsageError(
                    f"the worker {address} does not see {os.path.dirname(missing)} as it is here: "
                    "workers read and write files on a file system that they share"
                )
