"""Many files: in this process, or in spawned ones of which any may be killed."""

import contextlib
import dataclasses
import multiprocessing
import os
import secrets
import signal
import threading
from multiprocessing.connection import wait

from restore.batch.work import restore_one
from restore.files import safe, signals
from restore.imaging.bands import Pool


def shares(jobs, threads, count, cpus):
    """How many processes and threads each: together never more than there are processors."""
    jobs = max(1, min(jobs, count, cpus))
    return jobs, max(1, min(threads or cpus, cpus // jobs))


def reports(work, jobs, options, console):
    """Yield one report per job, in the order of `jobs`; `work` are `restore_one`'s arguments."""
    from loky import cpu_count

    count = sum(job.report() is None for job in jobs)
    processes, threads = shares(options.jobs, options.threads, count, cpu_count())
    if not count:
        yield from (job.report() for job in jobs)
        return
    with console.shown_compilation(processes):
        yield from _done(work, jobs, processes, threads, console)


def _done(work, jobs, processes, threads, console):
    if processes == 1:
        for job in jobs:
            yield job.report() or restore_one(job=job, pool=Pool(threads, console.stage), **work)
        return
    ready, position = {}, 0
    for number, report in _parallel(work, jobs, processes, threads):
        ready[number] = report
        while position in ready:
            yield ready.pop(position)
            position += 1


class _Worker:
    """A spawned process that does one job at a time."""

    def __init__(self, work, threads):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.owner = secrets.token_hex(8)
        arguments = theirs, work, threads, self.owner
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        # Ctrl-C reaches a whole group of processes: the parent alone decides what it means
        with signals.deferred():
            self.process.start()
        theirs.close()
        self.number, self.job = None, None

    def give(self, number, job):
        self.number, self.job = number, job
        with contextlib.suppress(OSError):  # it has died meanwhile: `take` finds out
            self.connection.send(job)

    def take(self):
        """The report of the job; a failed one if the process has died over it."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            how = f"killed by signal {-code}" if code < 0 else f"gone with exit code {code}"
            self.clean()
            why = ", perhaps for want of memory" if code == -9 else ""
            return dataclasses.replace(self.job, error=f"its process was {how}{why}").report()

    def clean(self):
        if self.job is not None and self.job.target != "-":
            safe.remove_unfinished(os.path.dirname(self.job.target) or ".", self.owner)

    def stop(self):
        self.connection.close()
        if self.process.is_alive():
            self.process.terminate()

    def ended(self):
        self.process.join(1)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.clean()


def _serve(connection, work, threads, owner):
    """The life of a worker process."""
    safe.owner = owner
    signals.listen()
    if hasattr(signal, "pthread_sigmask"):  # all but Ctrl-C, which is the parent's
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(signals.NUMBERS) - {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            connection.send(restore_one(job=job, pool=Pool(threads), **work))


def _end_with_parent():
    """Nobody would hear of the results of a process whose parent has been killed."""
    wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _parallel(work, jobs, processes, threads):
    """Yield (number, report) as jobs are finished on `processes` processes."""
    waiting = []
    for number, job in enumerate(jobs):
        report = job.report()
        if report:
            yield number, report
        else:
            waiting.append((number, job))
    waiting.reverse()
    workers = []

    def end(number=None):
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.ended()

    with signals.at_signal(end):
        try:
            yield from _served(waiting, work, processes, threads, workers)
        finally:
            end()


def _served(waiting, work, processes, threads, workers):
    """Yield (number, report) of the jobs in `waiting`, the last first; `workers` are filled in."""
    for _ in range(processes):
        workers.append(_Worker(work, threads))
        workers[-1].give(*waiting.pop())
    busy = list(workers)
    while busy:
        for connection in wait([worker.connection for worker in busy]):
            worker = next(one for one in busy if one.connection is connection)
            yield worker.number, worker.take()
            busy.remove(worker)
            if not waiting:
                continue
            if not worker.process.is_alive():
                workers.remove(worker)
                worker = _Worker(work, threads)
                workers.append(worker)
            worker.give(*waiting.pop())
            busy.append(worker)
