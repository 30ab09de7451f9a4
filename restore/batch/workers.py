"""Many files: in this process, or in spawned ones of which any may be killed."""

import contextlib
import dataclasses
import os
import signal
import sys
import threading
from multiprocessing.connection import wait

from restore.batch.work import restore_one
from restore.files.safe import remove_leftovers


def shares(jobs, threads, count, cpus):
    """How many processes and threads each: together never more than there are processors."""
    jobs = max(1, min(jobs, count, cpus))
    return jobs, max(1, min(threads or cpus, cpus // jobs))


def reports(work, jobs, options, console):
    """Yield one report per job, in the order of `jobs`; `work` are `restore_one`'s arguments."""
    from loky import cpu_count

    count = sum(job.report() is None for job in jobs)
    processes, threads = shares(options.jobs, options.threads, count, cpu_count())
    if count:
        console.announce_compilation()
    if processes == 1:
        for job in jobs:
            yield job.report() or restore_one(
                job=job, threads=threads, progress=console.stage, **work
            )
        return
    ready, position = {}, 0
    for number, report in _parallel(work, jobs, processes, threads):
        ready[number] = report
        while position in ready:
            yield ready.pop(position)
            position += 1


@contextlib.contextmanager
def _deaf_to_ctrl_c():
    """Processes started in here never hear Ctrl-C, which reaches a whole group of processes:
    the parent alone decides what it means."""
    if threading.current_thread() is not threading.main_thread():  # signals are that one's
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


class _Worker:
    """A spawned process that does one job at a time."""

    def __init__(self, work, threads):
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        with _deaf_to_ctrl_c():
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
            remove_leftovers(os.path.dirname(self.job.target) or ".", self.process.pid)

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


def _serve(connection, work, threads):
    """The life of a worker process."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with contextlib.suppress(EOFError, OSError):
            while True:
                job = connection.recv()
                connection.send(restore_one(job=job, threads=threads, **work))
    finally:
        # a second signal, from the parent after the terminal's, must not disturb the exit
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


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
    try:
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
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.ended()
