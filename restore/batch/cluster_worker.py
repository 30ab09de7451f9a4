"""What the worker of a Dask cluster does: process the files of a task, and report each of them.

A worker processes one file at a time, with all its threads, because warnings are kept per process.
It sends one message per file, which announces that file and has the report of the one before. If
the worker dies, the last announcement tells which file it was processing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from distributed import Status, WorkerPlugin, get_worker

from restore.batch.records import REPORT, Job
from restore.batch.work import restore_one
from restore.files import safe
from restore.imaging.bands import Pool


class Work(WorkerPlugin):
    """What is the same for every file, sent to each worker once."""

    def __init__(self, name: str, work: Any) -> None:
        self.name, self.work = name, work


def installed_version() -> str:
    """The version of `restore` on this worker."""
    import restore

    return restore.__version__


def unseen(sizes: Mapping[str, int]) -> str | None:
    """The first of the files that is missing here, or has another size."""
    for path, size in sizes.items():
        try:
            if os.path.getsize(path) != size:
                return path
        except OSError:
            return path
    return None


def signature(path: str) -> tuple[int, int]:
    """What changes when a file is written."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def packed(files: Mapping[int, Job]) -> bytes:
    """Numbered jobs in few bytes: Dask would send a dictionary item by item.

    Paths become absolute, and fields with their default value are left out.
    """
    return pickle.dumps(
        {
            number: {name: value for name, value in vars(_absolute(job)).items() if value}
            for number, job in files.items()
        }
    )


def _absolute(job: Job) -> Job:
    return dataclasses.replace(
        job,
        source=os.path.abspath(job.source),
        target=os.path.abspath(job.target),
        extras={suffix: os.path.abspath(path) for suffix, path in job.extras.items()},
        companions={name: os.path.abspath(path) for name, path in job.companions.items()},
        reference=job.reference and os.path.abspath(job.reference),
    )


def _packed_report(report: dict[str, Any]) -> bytes:
    """The fields of a report that differ from their defaults, without file names."""
    told = {
        name: value
        for name, value in report.items()
        if name not in ("input", "output") and not (name in REPORT and value == REPORT[name])
    }
    return pickle.dumps(told)


def unpacked_report(told: bytes, job: Job) -> dict[str, Any]:
    """The report of a job as a worker has sent it."""
    return {**REPORT, "input": job.source, "output": job.target, **pickle.loads(told)}


def restore_there(topic: str, files: bytes, unchanged: tuple[int, int] | None, again: bool) -> None:
    """Process the `packed` files on this worker.

    Reports travel as events of the `topic`: fetching a result would take further messages.

    Parameters
    ----------
    topic : str
        Also the name of the plugin `Work`.
    files : bytes
    unchanged : tuple of int, optional
        The `signature` of a file that replaces itself.
    again : bool
        Existing output may be from a worker that is gone: overwrite it.
    """
    worker: Any = get_worker()
    work, key = worker.plugins[topic].work, worker.get_current_task()
    if again:
        work = {**work, "options": dataclasses.replace(work["options"], overwrite=True)}
    told = None
    with _one_file:
        for number, said in pickle.loads(files).items():
            with _compiled_once():
                if not _is_wanted(worker, key):
                    break
                worker.log_event(topic, (worker.address, key, safe.owner, number, told))
                report = _report(Job(**said), unchanged, work, worker)
            told = number, _packed_report(report)
        worker.log_event(topic, (worker.address, key, safe.owner, None, told))


def _is_wanted(worker: Any, key: Any) -> bool:
    """Whether a task goes on: it does not when it was cancelled, or the scheduler is gone."""
    task = worker.state.tasks.get(key)
    running = worker.status in (Status.running, Status.paused)
    return running and task is not None and task.state == "executing"


def _report(
    job: Job, unchanged: tuple[int, int] | None, work: dict[str, Any], worker: Any
) -> dict[str, Any]:
    """The report of a file, which is processed if it is as it should be."""
    error = None
    if not os.path.exists(job.source):
        error = f"the worker {worker.address} cannot see it: workers need a shared file system"
    elif unchanged and unchanged != signature(job.source):
        error = "it replaces itself, and has changed meanwhile: a lost worker may have done it"
    if error is not None:
        return dataclasses.replace(job, error=error).report() or {}
    threads = worker.state.nthreads
    pool = Pool(min(work["options"].threads or threads, threads))
    return restore_one(job=job, pool=pool, **work)


#: Held while this worker processes files; whether it has processed one.
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
