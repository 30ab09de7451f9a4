"""Run the benchmark: ``python -m benchmarks [--data FOLDER] [--threads N] [TASK ...]``."""

import argparse
import importlib
import pkgutil
import sys
import time
from pathlib import Path

from benchmarks import harness


def main():
    """Measure, store, print and, on the standard sets, put the tables on their pages."""
    shared = {"harness", "overview", "__main__"}
    tasks = sorted({m.name for m in pkgutil.iter_modules([Path(__file__).parent])} - shared)
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("tasks", nargs="*", help=f"some of: {', '.join(tasks)}; all by default")
    parser.add_argument("--data", type=Path, help="folder of the standard sets (see README.md)")
    parser.add_argument("--threads", type=int, help="threads for all; all processors by default")
    parser.add_argument(
        "--repetitions",
        type=int,
        help="timed rounds; 0 for quality alone (default: 5, on the sample pictures 2)",
    )
    parser.add_argument("--pages", action="store_true", help="only put stored tables on pages")
    asked = parser.parse_args()
    unknown = set(asked.tasks) - set(tasks)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(tasks)}")
    if asked.data and not asked.data.is_dir():
        parser.error(f"no folder {asked.data}")
    if asked.pages:
        return harness.write_pages()

    from restore.imaging.bands import usable_cpus

    rounds = asked.repetitions
    if rounds is None:
        rounds = 5 if asked.data else 2
    run = harness.Run(asked.data, asked.threads or usable_cpus(), rounds)
    if not asked.data:
        harness.keep_apart()
    harness.set_threads(run.threads)
    for task in asked.tasks or tasks:
        start = time.perf_counter()
        for table in importlib.import_module(f"benchmarks.{task}").tables(run):
            table.store()
            print(f"\n{table.markdown()}", flush=True)
        print(f"{task}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if asked.data:
        harness.write_pages()
    else:
        print(f"stored in {harness.RESULTS}; the pages show runs with --data", file=sys.stderr)


if __name__ == "__main__":
    main()
