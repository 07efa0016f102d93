"""The parts of pages that are made from the code and from results; `docs/reference.py` writes them into the pages."""

from __future__ import annotations
