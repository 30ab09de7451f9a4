"""How long a million pictures take on many workers: ``python -m benchmarks.scale``.

A simulation. Sizes are log-normal. The client and the scheduler hand out a file every `ENGINE`
seconds; the next worker that is free takes it, for a time proportional to its pixels. The file
system moves at most so many bytes a second. The longest of the three is the limit.
"""

import heapq

import numpy as np

#: Pictures, the median of their megapixels, and the standard deviation of its logarithm.
PICTURES, MEDIAN, SPREAD = 1_000_000, 12.0, 0.6

#: Seconds of a worker for a megapixel in colour, and of client and scheduler for a file.
WORK, ENGINE = {"fast": 1.0, "balanced": 11.0}, 0.0054

#: Bytes for a megapixel, read and written together; bytes a second of the file system.
BYTES, BANDWIDTH = 6e6, 1e9


def makespan(seconds, workers, engine):
    """Seconds until the last file is done, files handed out one after the other."""
    free = [0.0] * workers
    end = 0.0
    for number, needed in enumerate(seconds, 1):
        begun = max(heapq.heappop(free), number * engine)
        heapq.heappush(free, begun + needed)
        end = max(end, begun + needed)
    return end


def main():
    """Print a table."""
    megapixels = MEDIAN * np.exp(SPREAD * np.random.default_rng(0).standard_normal(PICTURES))
    moved = megapixels.sum() * BYTES / BANDWIDTH
    print("| quality | workers | hours | ideal | engine alone | files alone | longest picture |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for quality, work in WORK.items():
        seconds = megapixels * work
        for workers in (10, 100, 1000):
            hours = np.array(
                [
                    max(makespan(seconds.tolist(), workers, ENGINE), moved),
                    seconds.sum() / workers,
                    PICTURES * ENGINE,
                    moved,
                    seconds.max(),
                ]
            )
            cells = " | ".join(f"{value:.2f}" for value in hours / 3600)
            print(f"| {quality} | {workers:,} | {cells} |")


if __name__ == "__main__":
    main()
