"""`moft` in a process that ends when whoever started it does: a run of a sweep that was killed does not go on alone."""

from __future__ import annotations

import os
import signal
import sys
import threading

from moft.cli import app


def main() -> int:
    """As `moft`, until the standard input ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with interrupts ignored
    threading.Thread(target=_end_with_input, daemon=True).start()
    return app.main()


def _end_with_input() -> None:
    """Ends this process at once when the other end of its input is closed; what it wrote is whole at any moment."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
