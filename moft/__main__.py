"""`python -m moft`, the same as `moft`."""

from __future__ import annotations

import sys

from moft.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
