"""The command `moft`, also as `python -m moft`: signals are heeded from its first moment, before the command line is imported."""

from __future__ import annotations

import sys

from moft.interrupts import NOTHING, heeding_signals, interruption


def main() -> int:
    """Runs the command line, and returns its exit code."""
    with heeding_signals() as received:
        try:
            from moft.cli.app import main as run  # takes a tenth of a second

            return run()
        except KeyboardInterrupt:
            text, code = interruption(received, NOTHING, sys.argv[1:])
            print(f"moft: {text}", file=sys.stderr)
            return code


if __name__ == "__main__":
    sys.exit(main())
