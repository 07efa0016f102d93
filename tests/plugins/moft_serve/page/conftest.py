"""A browser for the page of a server."""

from __future__ import annotations

from tests.browser import chromium

__all__ = ["chromium"]
