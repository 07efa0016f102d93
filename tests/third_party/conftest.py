"""The packages here are installed, and tested, in an environment of their own."""

from __future__ import annotations

collect_ignore_glob = ["moft-*"]
