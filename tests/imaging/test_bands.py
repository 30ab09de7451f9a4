"""The thread pool: order, errors, progress and bounded memory, for any number of threads."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import threadpoolctl

from restore.imaging import bands
from restore.imaging.bands import Pool
from restore.tasks.denoising.dictionary import Classic


@pytest.mark.parametrize("threads", [1, 2, 4, 32, None])
def test_results_come_in_the_order_of_the_bands(threads):
    def late_first(number):
        time.sleep(0.002 * (20 - number))
        return number * number

    assert list(bands.map_bands(late_first, range(20), Pool(threads))) == [n * n for n in range(20)]


def test_sums_are_the_same_bit_for_bit_for_any_number_of_threads():
    values = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)

    def total(threads):
        pieces = bands.slices(len(values), 999)
        parts = bands.map_bands(lambda piece: values[piece].sum(), pieces, Pool(threads))
        return sum(parts, np.float32(0)).tobytes()

    assert len({total(threads) for threads in (1, 2, 3, 4)}) == 1


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16384, 16385])
def test_slices_cover_the_count_once(count):
    covered = [row for band in bands.slices(count, 8) for row in range(band.start, band.stop)]
    assert covered == list(range(count))


def test_no_bands_give_no_results():
    assert list(bands.map_bands(len, [])) == []


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads):
    with pytest.raises(ValueError, match="at least 1 thread"):
        list(bands.map_bands(abs, range(3), Pool(threads)))


def test_an_error_in_a_band_reaches_the_caller():
    def refuse_three(number):
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(bands.map_bands(refuse_three, range(8), pool=Pool(2)))


def test_results_in_waiting_are_bounded():
    started = []
    results = bands.map_bands(started.append, range(1000), pool=Pool(2))
    next(results)
    time.sleep(0.05)
    assert len(started) <= 2 * 2 + 1
    results.close()


def test_progress_counts_up_on_the_thread_of_the_caller():
    seen = []

    def progress(stage, done, total):
        seen.append((stage, done, total, threading.current_thread()))

    list(bands.map_bands(abs, range(5), Pool(3, progress), "coding"))
    assert seen == [("coding", n, 5, threading.current_thread()) for n in range(1, 6)]


def test_blas_keeps_to_one_thread_inside_a_band():
    for pools in bands.map_bands(lambda _: blas_threads(), range(4), pool=Pool(2)):
        assert set(pools) <= {1}


def test_usable_cpus_is_a_positive_count():
    assert bands.usable_cpus() >= 1


def blas_threads():
    pools = threadpoolctl.threadpool_info()
    return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]


@pytest.fixture
def several():
    """More than one thread of BLAS, as on every machine of more than one processor."""
    list(bands.map_bands(abs, range(2), Pool(1)))  # what is loaded late is loaded now
    before = set(blas_threads())
    if before == {1}:
        pytest.skip("BLAS has one thread here")
    return before


def test_overlapping_maps_give_the_process_its_blas_threads_back(several):
    first, second = (bands.map_bands(abs, range(9), Pool(2)) for _ in range(2))
    next(first), next(second)
    first.close()
    assert list(second) == list(range(1, 9))
    assert set(blas_threads()) == several


def test_the_limit_holds_until_the_last_has_left(several):
    with ThreadPoolExecutor(1) as other:
        other.submit(bands.one_blas_thread.__enter__).result()
        with bands.one_blas_thread:
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
        other.submit(bands.one_blas_thread.__exit__).result()
    assert set(blas_threads()) == several


def test_two_tasks_at_once_are_as_one_after_the_other():
    from restore import demosaic, denoise

    noisy = np.random.default_rng(0).random((48, 48)).astype(np.float32)
    short = Classic(iterations=1)
    tasks = [
        lambda: denoise(noisy, 0.2, pool=Pool(2)),
        lambda: demosaic(noisy, quality="fast", pool=Pool(2)),
        lambda: denoise(noisy, 0.1, dictionary="learn", settings=short, pool=Pool(2)),
    ]
    expected = [task().tobytes() for task in tasks]
    with ThreadPoolExecutor(3) as pool:
        together = [pool.submit(task) for task in 2 * tasks]
        assert [one.result().tobytes() for one in together] == 2 * expected


def test_threads_are_kept_and_shared_by_nobody():
    before = threading.active_count()
    for _ in range(20):
        assert list(bands.map_bands(abs, range(9), Pool(3))) == list(range(9))
    assert threading.active_count() <= before + 3
    # a band that maps bands itself has threads of its own
    one = Pool(1)
    inner = bands.map_bands(lambda _: sum(bands.map_bands(abs, range(9), one)), range(9), one)
    assert list(inner) == 9 * [36]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_starts_threads_of_its_own():
    program = """
import os
import signal
from restore.imaging import bands
from restore.imaging.bands import Pool

assert list(bands.map_bands(abs, range(9), Pool(2))) == list(range(9))
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if list(bands.map_bands(abs, range(9), Pool(2))) == list(range(9)) else 1)
raise SystemExit(os.waitpid(child, 0)[1])
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True)
