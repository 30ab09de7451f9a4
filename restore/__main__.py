"""The console script ``restore``, which is ``python -m restore``, too."""

import sys

from restore.files import signals


def main() -> int:
    """Hear signals before anything takes time, then run the command line."""
    signals.listen()
    from restore.cli import main as run_command

    code = run_command()
    signals.ignore()
    sys.exit(code)


if __name__ == "__main__":
    main()
