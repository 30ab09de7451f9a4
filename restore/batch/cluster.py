"""Many files on the workers of a Dask cluster, which read and write them on a shared file system.

Only records are transferred: a job to a worker, its report back. A worker processes one file at a
time, with all its threads, because warnings are kept per process. When a worker dies, Dask gives
its files to others. This module also records which file was at fault: a worker announces each file
it starts, and a file on which more than `Options.retries` workers died is reported as failed.

Nothing else in the package imports Dask, and nothing imports this module unless a scheduler is
named.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import os
import pickle
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import Client, KilledWorker, WorkerPlugin, as_completed, get_worker

from restore import __version__
from restore.batch.records import REPORT, EngineLost, Job, Options, UsageError
from restore.batch.work import failure_reason, restore_one
from restore.files import safe
from restore.files.reading import pixels
from restore.imaging.bands import Pool

if TYPE_CHECKING:
    from restore.batch.console import Console


#: Files in flight per worker: the one in progress, and two more so that it need not wait.
IN_FLIGHT = 3

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
        versions = client.run(_version, on_error="return")
        for address, version in versions.items():
            if version != __version__:
                has = version if isinstance(version, str) else f"none ({version})"
                raise EngineLost(f"the worker {address} needs restore {__version__}, and has {has}")
    except BaseException:
        client.close()
        raise
    return client


def _version() -> str:
    import restore

    return restore.__version__


def _workers(client: Any) -> dict[str, Any]:
    """{address: facts} of the workers, from the scheduler."""
    return client.scheduler_info(n_workers=-1)["workers"]


def _memory(client: Any) -> dict[str, int | None]:
    """{address: memory limit of the worker in bytes, 0 for no limit}."""
    return {address: facts["memory_limit"] for address, facts in _workers(client).items()}


class Work(WorkerPlugin):
    """The task for every file, sent to each worker once."""

    def __init__(self, name: str, work: Any) -> None:
        self.name, self.work = name, work


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
        self.limits: dict[str, int | None] = {}  # worker -> its memory limit
        # key -> (number, job, attempt, future)
        self.in_flight: dict[Any, Any] = {}
        # key -> report of the worker, which arrives before the task ends
        self.told: dict[Any, bytes] = {}
        # worker -> (key of its current task, the owner of its unfinished files)
        self.begun: dict[str, tuple[Any, str]] = {}
        # number -> count of workers that died on it
        self.deaths: collections.Counter[int] = collections.Counter()
        # numbers that were lost with a worker; that were repeated
        self.moved: set[int] = set()
        self.redone: set[int] = set()
        # (number, report) of files that are too large for all workers
        self.refused: list[tuple[int, Any]] = []
        # (folder, owner) of files that dead workers had not finished writing
        self.unfinished: list[tuple[str, str]] = []

    def __enter__(self) -> Cluster:
        self.client = connect(self.options, self.console)
        try:
            self.limits = _memory(self.client)
            _check_paths(self.client, self.planned)
            self.client.register_plugin(Work(self.topic, self.work))
            self.client.subscribe_topic(self.topic, self._hear)
            self.client.subscribe_topic("all", self._hear_workers)
        except BaseException:
            self.client.close()
            raise
        self.planned = []
        self.completions = as_completed(loop=self.client.loop)
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Exception):  # the scheduler is gone
            if self.client.status == "running":
                for topic in (self.topic, "all"):
                    self.client.unsubscribe_topic(topic)
                self.client.unregister_worker_plugin(self.topic)
            self.client.close(timeout=1)

    @property
    def workers(self) -> int:
        return len(self.limits)

    @property
    def capacity(self) -> int:
        return IN_FLIGHT * max(1, self.workers)

    def submit(self, number: int, job: Job, attempt: int = 0) -> None:
        unchanged = None
        if self.options.overwrite and os.path.lexists(job.target):
            if os.path.samefile(job.source, job.target):
                unchanged = _signature(job.source)
        able, takes = self._able(job)
        if able == []:
            error = (
                f"it takes some {takes / 1e9:.1f} GB, and no worker has as much: start one with a "
                "larger --memory-limit, or tell what it takes with --memory-per-file"
            )
            self.refused.append((number, dataclasses.replace(job, error=error).report()))
            return
        future = self.client.submit(
            _restore_there, self.topic, _said(_absolute(job)), unchanged, number in self.redone,
            key=f"{self.topic}-{number}-{attempt}",
            workers=able, allow_other_workers=able is not None,  # when all of those are gone
        )  # fmt: skip
        self.in_flight[future.key] = number, job, attempt, future
        self.completions.add(future)

    def _able(self, job: Job) -> tuple[list[str] | None, int]:
        """The workers with enough memory for a job, None for all, and the bytes that it takes."""
        if None in self.limits.values():
            self.limits = _memory(self.client)
        limits = dict(self.limits)  # workers come and go meanwhile
        takes = self.options.memory_per_file or BYTES + BYTES_PER_PIXEL * (pixels(job.source) or 0)
        able = [address for address, limit in limits.items() if not limit or limit >= takes]
        return (able if len(able) < len(limits) else None), takes

    def completed(self) -> tuple[int, dict[str, Any]]:
        while not self.refused:
            future = next(self.completions)
            number, job, attempt, _ = self.in_flight.pop(future.key)
            error = future.exception() if future.status == "error" else None
            self._clean()
            if future.status == "finished":
                outcome = pickle.loads(self.told.pop(future.key))
                again = outcome["status"] == "failed" and number in self.moved - self.redone
                if again and not self.options.overwrite:
                    self.redone.add(number)
                else:
                    where = {"input": job.source, "output": job.target}
                    return number, {**REPORT, **where, **outcome}
            elif error is not None and not isinstance(error, KilledWorker):
                return number, dataclasses.replace(job, error=failure_reason(error)).report()
            elif self.deaths[number] > self.options.retries:
                died = self.deaths[number]
                words = f"{died} worker{'s' * (died != 1)} died over it, perhaps for want of memory"
                return number, dataclasses.replace(job, error=words).report()
            elif error is not None:
                # Dask gave up; it also counts files that were only queued on a worker that died
                self.deaths[number] += 1
            else:
                raise EngineLost(
                    "the scheduler is gone: what is done is done, and --skip-existing goes on"
                )
            self.submit(number, job, attempt + 1)
        return self.refused.pop()

    def cancel(self) -> None:
        """Nothing to do: the scheduler drops tasks without a client as soon as this one is gone."""
        self._clean()

    def _clean(self) -> None:
        while self.unfinished:
            safe.remove_unfinished(*self.unfinished.pop())

    def _hear(self, event: Any) -> None:
        """Handle messages of workers: a file was started, or its report."""
        about, key, what = event[1]
        if about is None:
            self.told[key] = what
        else:
            self.begun[about] = key, what

    async def _hear_workers(self, event: Any) -> None:
        """Handle messages of the scheduler on workers that come and go."""
        event = event[1]
        address = event.get("worker")
        if event["action"] == "add-worker":
            self.limits[address] = None  # not told yet
        if event["action"] != "remove-worker":
            return
        self.limits.pop(address, None)
        lost = {*event["processing-tasks"], *event["lost-computed-tasks"]} & self.in_flight.keys()
        self.moved |= {self.in_flight[key][0] for key in lost}
        key, owner = self.begun.pop(address, (None, ""))
        if event["expected"] or key not in lost or key not in event["processing-tasks"]:
            return
        number, job, _, future = self.in_flight[key]
        self.unfinished.append((os.path.dirname(os.path.abspath(job.target)), owner))
        self.deaths[number] += 1
        if self.deaths[number] > self.options.retries:
            await self.client.cancel([future])


def _absolute(job: Job) -> Job:
    """The job with absolute paths."""
    return dataclasses.replace(
        job,
        source=os.path.abspath(job.source),
        target=os.path.abspath(job.target),
        extras={suffix: os.path.abspath(path) for suffix, path in job.extras.items()},
        companions={name: os.path.abspath(path) for name, path in job.companions.items()},
        reference=job.reference and os.path.abspath(job.reference),
    )


def _said(job: Job) -> dict[str, Any]:
    """The fields of a job that differ from their defaults: only these are transferred."""
    return {name: value for name, value in vars(job).items() if value}


def _told(report: dict[str, Any]) -> bytes:
    """The fields of a report that differ from their defaults, without file names, in few bytes.

    Dask would send a dictionary item by item, each with its own header.
    """
    told = {
        name: value
        for name, value in report.items()
        if name not in ("input", "output") and not (name in REPORT and value == REPORT[name])
    }
    return pickle.dumps(told)


def _signature(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _restore_there(
    topic: str, said: dict[str, Any], unchanged: tuple[int, int] | None, again: bool
) -> None:
    """Process one file on this worker, and send its report.

    Fetching a result takes extra messages; the report travels with those that are sent anyway.
    """
    worker: Any = get_worker()
    work, key = worker.plugins[topic].work, worker.get_current_task()
    if again:  # existing output may be from the lost attempt
        work = {**work, "options": dataclasses.replace(work["options"], overwrite=True)}
    with _one_file, _compiled_once():
        worker.log_event(topic, (worker.address, key, safe.owner))
        report = _done(Job(**said), unchanged, work, worker)
        worker.log_event(topic, (None, key, _told(report)))


def _done(
    job: Job, unchanged: tuple[int, int] | None, work: dict[str, Any], worker: Any
) -> dict[str, Any]:
    """The report of a file."""
    error = None
    if not os.path.exists(job.source):
        error = f"the worker {worker.address} cannot see it: workers need a shared file system"
    elif unchanged and unchanged != _signature(job.source):
        error = "it replaces itself, and has changed meanwhile: a lost worker may have done it"
    if error is not None:
        return dataclasses.replace(job, error=error).report() or {}
    threads = worker.state.nthreads
    pool = Pool(min(work["options"].threads or threads, threads))
    return restore_one(job=job, pool=pool, **work)


#: Held while this worker processes a file; whether it has processed one.
_one_file, _warm = threading.Lock(), threading.Event()


@contextlib.contextmanager
def _compiled_once() -> Iterator[None]:
    """On a machine without compiled kernels, let one worker compile them with its first file."""
    from restore.kernels.jit import cache_folder, is_cached

    with contextlib.ExitStack() as held:
        folder = cache_folder()
        while not _warm.is_set() and folder is not None:
            try:
                held.enter_context(safe.only_one(folder / "compiling"))
            except BlockingIOError:
                time.sleep(0.1)
                continue
            _warm.set()
            if is_cached():
                held.close()
        yield


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
        for address, unseen in client.run(_unseen, sizes).items():
            if unseen is not None:
                raise UsageError(
                    f"the worker {address} does not see {os.path.dirname(unseen)} as it is here: "
                    "workers read and write files on a file system that they share"
                )


def _unseen(sizes: Mapping[str, int]) -> str | None:
    """The first of the files that is missing here, or has another size."""
    for path, size in sizes.items():
        try:
            if os.path.getsize(path) != size:
                return path
        except OSError:
            return path
    return None
